"""Policies: the school's settings as frozen values that rules take; built by the wiring, never read from a file here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, time, timedelta
from zoneinfo import ZoneInfo

from models.post import Role


@dataclass(frozen=True)
class WeeklyMoment:
    """A weekday (0 = Monday) and a local time."""

    weekday: int
    at: time


@dataclass(frozen=True)
class Term:
    """First and last day, both in it."""

    first_day: date
    last_day: date


@dataclass(frozen=True)
class CheckinPolicy:
    """When check-ins open, fall due and are reminded. Rules: domain 2.8."""

    class_opens: WeeklyMoment = WeeklyMoment(6, time(19))
    class_due: WeeklyMoment = WeeklyMoment(0, time(12))
    dorm_opens: WeeklyMoment = WeeklyMoment(4, time(19))
    dorm_due: WeeklyMoment = WeeklyMoment(6, time(18))
    dorm_every_weeks: int = 2
    remind_before: timedelta = timedelta(hours=3)
    question_answered_within: str = "一个工作日"
    terms: tuple[Term, ...] = ()
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Asia/Shanghai"))


@dataclass(frozen=True)
class Phone:
    """A number that helps, as it is shown."""

    name: str
    number: str


@dataclass(frozen=True)
class DutyPolicy:
    """Who is called, and who runs the system. `contacts` and `operators` are staff numbers, in order."""

    contacts: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()
    phones: tuple[Phone, ...] = ()
    unanswered: timedelta = timedelta(minutes=2)


@dataclass(frozen=True)
class PushPolicy:
    """When nobody is disturbed by what is not pressing; the same time twice: never quiet."""

    quiet_from: time = time(22, 30)
    quiet_to: time = time(7)
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Asia/Shanghai"))


@dataclass(frozen=True)
class Policy:
    """Everything the school decides."""

    school: str = "本校"
    role_names: Mapping[Role, str] = field(default_factory=dict)
    checkin: CheckinPolicy = CheckinPolicy()
    duty: DutyPolicy = DutyPolicy()
    push: PushPolicy = PushPolicy()
    talk_lasts: timedelta = timedelta(hours=24)
    keys_kept: timedelta = timedelta(days=30)
    pushes_kept: timedelta = timedelta(days=180)
    replies_kept: timedelta = timedelta(hours=24)
    public_url: str = ""
