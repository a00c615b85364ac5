"""What a time sentence can mean: a day, a moment, a span; or a doubt, which is a question and never a guess."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum

from typing_extensions import override

A_DAY = timedelta(days=1)


class Shape(StrEnum):
    """How much time is meant."""

    DAY = "day"
    DAYS = "days"
    MOMENT = "moment"
    HOURS = "hours"


@dataclass(frozen=True)
class When:
    """A stretch of local time. `start` is in it, `end` is not; a moment ends where it starts.

    `str(when)` is `2026-12-02`, `2026-12-02T15:30`, `2026-11-30/2026-12-06` (both days in it) or
    `2026-12-02T12:00/2026-12-02T18:00`.
    """

    shape: Shape
    start: datetime
    end: datetime

    @classmethod
    def day(cls, day: date) -> "When":
        """One whole day."""
        return cls.days(day, day)

    @classmethod
    def days(cls, first: date, last: date) -> "When":
        """Whole days, both in it; one day when they are the same."""
        start, end = datetime.combine(first, time()), datetime.combine(last, time()) + A_DAY
        return cls(Shape.DAY if first == last else Shape.DAYS, start, end)

    @classmethod
    def moment(cls, at: datetime) -> "When":
        """A point in time, to the minute."""
        at = at.replace(second=0, microsecond=0)
        return cls(Shape.MOMENT, at, at)

    @classmethod
    def hours(cls, start: datetime, end: datetime) -> "When":
        """From `start` until before `end`."""
        return cls(Shape.HOURS, start, end)

    @property
    def first_day(self) -> date:
        """The day it begins."""
        return self.start.date()

    @property
    def last_day(self) -> date:
        """The last day that any of it lies in."""
        return max(self.start, self.end - timedelta(microseconds=1)).date()

    def holds(self, other: "When") -> bool:
        """Whether the other lies in this one and says more."""
        return self != other and self.start <= other.start and other.end <= self.end

    @override
    def __str__(self) -> str:
        if self.shape is Shape.DAY:
            return self.first_day.isoformat()
        if self.shape is Shape.DAYS:
            return f"{self.first_day.isoformat()}/{self.last_day.isoformat()}"
        if self.shape is Shape.MOMENT:
            return f"{self.start:%Y-%m-%dT%H:%M}"
        return f"{self.start:%Y-%m-%dT%H:%M}/{self.end:%Y-%m-%dT%H:%M}"


class Why(StrEnum):
    """Why a time is asked about."""

    VAGUE = "vague"  # 「过几天」「下周下午」
    CONTRADICTORY = "contradictory"  # 「周三11月26号」 when the 26th is a Thursday
    IMPOSSIBLE = "impossible"  # 「2月30号」「25点」
    SEVERAL = "several"  # 「周三或者周五」
    REFUSED = "refused"  # 「周三不行」 and nothing else
    NO_TERM = "no_term"  # 「第8周周三」 and no term is known


@dataclass(frozen=True)
class Doubt:
    """Something about time was said that is not clear. `candidates`: what it may have meant, at most three, best first."""

    why: Why
    candidates: tuple[When, ...] = ()
