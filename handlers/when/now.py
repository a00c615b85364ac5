"""What a text is read against, and the few sums of the calendar that everything else is made of."""

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from handlers.when.school import AnyLesson, AnyTerm

WEEK = 7
MONTHS = 12

Days = tuple[date, date]


@dataclass(frozen=True)
class Now:
    """What a text is read against: the local moment, the school's lessons and terms."""

    at: datetime
    periods: Sequence[AnyLesson] = field(default=())
    terms: Sequence[AnyTerm] = field(default=())

    @property
    def today(self) -> date:
        """The day on which it was typed."""
        return self.at.date()

    def monday(self, weeks: int = 0) -> date:
        """Monday of this week, or of one so many weeks on."""
        return self.today - timedelta(days=self.today.weekday()) + timedelta(weeks=weeks)


def one_day(day: date) -> Days:
    """The first and the last of it."""
    return day, day


def month_on(day: date, months: int) -> date:
    """The same day so many months on, or the last that the month has."""
    year, month = divmod(day.year * MONTHS + day.month - 1 + months, MONTHS)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
