"""What a school's times look like to a reader: anything with these attributes goes, e.g. `models.policy.Period` and `Term`."""

from dataclasses import dataclass
from datetime import date, time
from typing import Protocol


class AnyLesson(Protocol):
    """A lesson of the day, 「节次」, in local time."""

    @property
    def starts(self) -> time:
        """When it begins."""
        ...

    @property
    def ends(self) -> time:
        """When it is over."""
        ...


class AnyTerm(Protocol):
    """First and last day of a term, both in it."""

    @property
    def first_day(self) -> date:
        """The day it begins; its week is the first."""
        ...

    @property
    def last_day(self) -> date:
        """Its last day."""
        ...


@dataclass(frozen=True)
class Lesson:
    """A lesson of the table that counts where a school names none."""

    starts: time
    ends: time


@dataclass(frozen=True)
class TermDays:
    """A term by itself."""

    first_day: date
    last_day: date


DEFAULT_PERIODS = tuple(
    Lesson(time(*starts), time(*ends))
    for starts, ends in (
        *(((8, 0), (8, 45)), ((8, 55), (9, 40)), ((10, 0), (10, 45)), ((10, 55), (11, 40))),
        *(((14, 0), (14, 45)), ((14, 55), (15, 40)), ((16, 0), (16, 45)), ((16, 55), (17, 40))),
        *(((19, 0), (19, 45)), ((19, 55), (20, 40))),
    )
)
"""第一节 … 第十节."""
