"""One workbook for the whole supply: counselors, rooms, weekly hours and changes. Rules: docs/rules.md#booking.

`lay_out` reads and cleans it, `look_up` and `settle` hold it against the database, `apply` does it in one transaction.
"""

from models.booking.sheet.applying import Change, apply
from models.booking.sheet.columns import COLUMNS, Column, Part
from models.booking.sheet.laying import Book, Flaw, lay_out
from models.booking.sheet.settling import look_up, settle
from models.booking.sheet.template import write_template

__all__ = [
    "COLUMNS",
    "Book",
    "Change",
    "Column",
    "Flaw",
    "Part",
    "apply",
    "lay_out",
    "look_up",
    "settle",
    "write_template",
]
