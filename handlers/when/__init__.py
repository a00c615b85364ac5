"""Reading times and wishes out of what students type: `read_when`, `read_wish`. Pure: no state, no database."""

from handlers.when.meaning import Doubt, Shape, When, Why
from handlers.when.reading import read_when
from handlers.when.school import DEFAULT_PERIODS, Lesson, TermDays
from handlers.when.wishes import Wish, read_wish
from models.booking.choices import Mode, Topic

__all__ = [
    "DEFAULT_PERIODS",
    "Doubt",
    "Lesson",
    "Mode",
    "Shape",
    "TermDays",
    "Topic",
    "When",
    "Why",
    "Wish",
    "read_when",
    "read_wish",
]
