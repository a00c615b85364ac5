"""What single words say about time, before they are put together."""

from dataclasses import dataclass, fields, replace
from enum import Enum, StrEnum, auto

from handlers.when.meaning import Why


class Third(StrEnum):
    """A part of a month."""

    EARLY = "early"
    MIDDLE = "middle"
    LATE = "late"


@dataclass(frozen=True)
class Day:
    """Words about days. Each field is one kind of word; two Days go together when no field is said twice.

    `offset`: days from today. `weeks`, `months`, `years`: counted from the present one. `counted_weeks`, `counted_months`:
    「两周后」「一个月后」. `window`: first and last day, from today. `nth`: the third of 「第三个周二」, -1 for 「最后一个」.
    `until`: all the time until then, 「一个月内」. `weeks_on`: so many weeks from the next Monday, 「下三周」.
    `lunar`: month and day of 「八月初三」. `half`: of a week, 「下半周」. `workdays`: the time until so many of them are over.
    `next_one`: 「下一个周三」, which is this week's for some people and next week's for others.
    """

    offset: int | None = None
    window: tuple[int, int] | None = None
    counted_weeks: int | None = None
    counted_months: int | None = None
    until: bool | None = None
    weeks_on: int | None = None
    weeks: int | None = None
    term_week: int | None = None
    weekday: int | None = None
    weekend: bool | None = None
    nth: int | None = None
    next_one: bool | None = None
    year: int | None = None
    years: int | None = None
    months: int | None = None
    month: int | None = None
    day: int | None = None
    third: Third | None = None
    feast: str | None = None
    lunar: tuple[int, int] | None = None
    half: int | None = None
    workdays: int | None = None
    shift: int | None = None

    def said(self) -> set[str]:
        """The names of what was said."""
        return {it.name for it in fields(self) if getattr(self, it.name) is not None}

    def fits(self, other: "Day") -> bool:
        """Whether the other adds something and says nothing again."""
        return not self.said() & other.said()

    def plus(self, other: "Day") -> "Day":
        """Both together; the other goes first."""
        return replace(self, **{name: getattr(other, name) for name in other.said()})

    def is_past(self) -> bool:
        """Whether its words tell of the past: 「昨天」「上周三」「去年」."""
        return any((n or 0) < 0 for n in (self.offset, self.weeks, self.months, self.years, self.counted_weeks))


class Part(StrEnum):
    """A part of the day."""

    NIGHT = "凌晨"
    EARLY = "早上"
    MORNING = "上午"
    NOON = "中午"
    AFTERNOON = "下午"
    DUSK = "傍晚"
    EVENING = "晚上"


@dataclass(frozen=True)
class Clock:
    """A time of day as it was said. `exact`: nobody could mean it twelve hours later (「15:30」「08:00」「3pm」)."""

    hour: int
    minute: int = 0
    exact: bool = False
    until: int | None = None  # 「三四点」: the later hour


@dataclass(frozen=True)
class Lessons:
    """「第三四节」: numbers from 1, both in it; -1 is the last. `after`: the moment when it ends, 「第二节课后」."""

    first: int
    last: int
    after: bool = False
    counted: bool = False  # 「前两节」: counted within the part of the day


@dataclass(frozen=True)
class BigBreak:
    """「大课间」."""


@dataclass(frozen=True)
class Later:
    """So many minutes from now; `until`: all the time until then, 「两小时内」."""

    minutes: int
    until: bool = False


@dataclass(frozen=True)
class Two:
    """Digits that are a date, a time of day or two hours: 「12.5」 「1205」 「9-11」."""

    first: int
    second: int
    may_be_date: bool = True
    may_be_clock: bool = True
    may_be_hours: bool = False


@dataclass(frozen=True)
class Unclear:
    """A word about time that nobody could book by. `spoils`: a time beside it is not clear either, 「四点多」."""

    why: Why
    spoils: bool = False


class Mark(Enum):
    """What joins, bounds or denies the words about time."""

    STOP = auto()
    WANT = auto()
    OR = auto()
    RANGE = auto()
    BETWEEN = auto()
    BEFORE = auto()
    BEFORE_THAT = auto()
    AFTER = auto()
    FROM = auto()
    ONWARD = auto()
    LATEST = auto()
    NOT = auto()
    NO = auto()
    NOT_OR_NO = auto()
    YES = auto()
    FIX = auto()
    BETTER = auto()
    EVERY = auto()


Clue = Day | Part | Clock | Lessons | BigBreak | Later | Two
Word = Clue | Unclear | Mark


@dataclass(frozen=True)
class Token:
    """A word and where it stood in the text, as `spelling` left it."""

    word: Word
    start: int
    end: int
