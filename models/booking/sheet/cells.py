"""Cleaning one cell of a supply sheet: what it says as a value, or what is wrong with it."""

import re
import unicodedata
from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import date, datetime, time
from enum import StrEnum
from typing import Any, TypeVar

from models.booking.sheet.columns import FULL_TIME, KINDS, MODES, TIERS, TOPICS, USES, YES, Column
from models.booking.supply import DAY
from models.roster.cells import BadCellError, Cleaner, digits_of, text_of
from models.roster.columns import Column as RosterColumn
from models.roster.columns import SchoolNames, fold

ValueT = TypeVar("ValueT", bound=Hashable)

LONGEST_TEXT = 100
MOST_MINUTES = 480
_ENDS = re.compile("[;；、，,]")
_TIME = re.compile(r"(\d{1,2})(?:[:点时](\d{1,2})?分?)(?::\d{2})?")
_DATE = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?(?:T?00:00:00)?")
_WEEKDAYS = {name: at for at, names in enumerate(("一1", "二2", "三3", "四4", "五5", "六6", "日天7")) for name in names}
_ENGLISH = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class SupplyCleaner:
    """Cleans the cells of one workbook."""

    def __init__(self, year: int) -> None:
        self._roster = Cleaner(SchoolNames(""), year)
        self._clean: Mapping[Column, Callable[[Any], Any]] = {
            Column.NUMBER: lambda cell: self._roster.clean(RosterColumn.NUMBER, cell),
            Column.NAME: self._name,
            Column.QUALIFICATION: _words,
            Column.EMPLOYMENT: lambda cell: _one_of(FULL_TIME, "employment", cell),
            Column.TERM_ENDS: _day,
            Column.TIER: lambda cell: _one_of(TIERS, "tier", cell),
            Column.UNIT: self._name,
            Column.MODES: lambda cell: _some_of(MODES, "modes", cell),
            Column.TOPICS: lambda cell: _some_of(TOPICS, "topics", cell),
            Column.ROOM: self._name,
            Column.PLACE: _words,
            Column.SESSION: lambda cell: _number(cell, 1, MOST_MINUTES),
            Column.BEFORE: lambda cell: _number(cell, 0, MOST_MINUTES),
            Column.AFTER: lambda cell: _number(cell, 0, MOST_MINUTES),
            Column.A_DAY: lambda cell: _number(cell, 0, 100),
            Column.A_WEEK: lambda cell: _number(cell, 0, 500),
            Column.TIES: lambda cell: tuple(filter(None, map(str.strip, re.split("[;；]", text_of(cell))))),
            Column.ENDED: lambda cell: _one_of(YES, "yes", cell),
            Column.USE: lambda cell: _one_of(USES, "use", cell),
            Column.ALONE: lambda cell: _one_of(YES, "yes", cell),
            Column.WEEKDAYS: _weekdays,
            Column.STARTS: _minutes,
            Column.ENDS: _minutes,
            Column.FROM_DAY: _day,
            Column.TO_DAY: _day,
            Column.KIND: lambda cell: _one_of(KINDS, "kind", cell),
            Column.DAY: _day,
            Column.LAST_DAY: _day,
        }

    def clean(self, column: Column, cell: Any) -> Any:
        """What a cell says; None when it is empty. Raises: BadCellError."""
        return self._clean[column](cell) if text_of(cell) else None

    def _name(self, cell: Any) -> str:
        return self._roster.clean(RosterColumn.NAME, cell)


def _words(cell: Any) -> str:
    text = text_of(cell)
    if len(text) > LONGEST_TEXT:
        raise BadCellError("roster.problem.too_long", most=LONGEST_TEXT)
    return text


def _one_of(names: Mapping[ValueT, Sequence[str]], what: str, cell: Any) -> ValueT:
    value = _found(names, text_of(cell))
    if value is None:
        raise BadCellError(f"supply_sheet.problem.{what}", value=text_of(cell), choices=_choices(names))
    return value


def _some_of(names: Mapping[ValueT, Sequence[str]], what: str, cell: Any) -> str:
    """Several values, as a column holds them: in their own order, with blanks between."""
    given = {}
    for text in filter(None, map(str.strip, _ENDS.split(text_of(cell)))):
        value = _found(names, text)
        if value is None:
            raise BadCellError(f"supply_sheet.problem.{what}", value=text, choices=_choices(names))
        given[value] = True
    return " ".join(str(value) for value in names if value in given)


def _found(names: Mapping[ValueT, Sequence[str]], text: str) -> ValueT | None:
    for value, spelled in names.items():
        own = (value.value,) if isinstance(value, StrEnum) else ()
        if fold(text) in map(fold, (*own, *spelled)):
            return value
    return None


def _choices(names: Mapping[Any, Sequence[str]]) -> list[str]:
    return [spelled[0] for spelled in names.values()]


def _number(cell: Any, least: int, most: int) -> int:
    text = digits_of(text_of(cell))
    if not text.isdecimal() or not least <= int(text) <= most:
        raise BadCellError("supply_sheet.problem.number", value=text_of(cell), least=least, most=most)
    return int(text)


def _day(cell: Any) -> date:
    if isinstance(cell, datetime):
        return cell.date()
    if isinstance(cell, date):
        return cell
    found = _DATE.fullmatch(digits_of(text_of(cell)))
    try:
        return date(*map(int, found.groups())) if found else date.min.replace(month=0)
    except ValueError as error:
        raise BadCellError("supply_sheet.problem.day", value=text_of(cell)) from error


def _minutes(cell: Any) -> int:
    """Minutes from midnight; 24:00 is the end of a day."""
    if isinstance(cell, time | datetime):
        return cell.hour * 60 + cell.minute
    if isinstance(cell, float) and 0 <= cell <= 1:
        return round(cell * DAY)  # a spreadsheet's time is a part of a day
    found = _TIME.fullmatch(unicodedata.normalize("NFKC", digits_of(text_of(cell))))
    minutes = int(found[1]) * 60 + int(found[2] or 0) if found else -1
    if found is None or int(found[2] or 0) >= 60 or minutes > DAY:  # noqa: PLR2004 — an hour
        raise BadCellError("supply_sheet.problem.time", value=text_of(cell))
    return minutes


def _weekdays(cell: Any) -> tuple[int, ...]:
    """Days of the week, 0 is Monday: 「周一」, 「周一、周三」, 「周一至周五」, 1, Mon."""
    text = fold(text_of(cell))
    days: set[int] = set()
    for part in filter(None, re.split("[;；、，,/]", text)):
        ends = [_weekday(each, text) for each in re.split("[至到~—-]", part)]
        if len(ends) > 2 or ends[0] > ends[-1]:  # noqa: PLR2004 — from and to
            raise BadCellError("supply_sheet.problem.weekdays", value=text)
        days |= set(range(ends[0], ends[-1] + 1))
    if not days:
        raise BadCellError("supply_sheet.problem.weekdays", value=text)
    return tuple(sorted(days))


def _weekday(part: str, whole: str) -> int:
    plain = re.sub("^(星期|周|礼拜)", "", part)
    if plain in _WEEKDAYS:
        return _WEEKDAYS[plain]
    if plain[:3] in _ENGLISH:
        return _ENGLISH.index(plain[:3])
    raise BadCellError("supply_sheet.problem.weekdays", value=whole)
