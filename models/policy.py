"""Policies: the school's settings as frozen values that rules take; built by the wiring, never read from a file here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, time, timedelta
from enum import StrEnum
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
class Period:
    """A lesson of the day, 「节次」, in local time."""

    name: str
    starts: time
    ends: time


class Ties(StrEnum):
    """What is done about a counselor whom the student knows otherwise (L-34): their own advisor, teacher, same faculty."""

    HIDE = "hide"  # not offered
    WARN = "warn"  # offered behind the others, and said


class Confirming(StrEnum):
    """Whether a booking is certain at once."""

    AT_ONCE = "at_once"
    BY_HAND = "by_hand"  # the centre answers by a promised time


@dataclass(frozen=True)
class BookingPolicy:
    """How counseling is booked. Rules: docs/rules.md#booking; domain 3.4.

    Units: `session`, buffers and `late_after` are lengths of time; `most_…` of 0 mean no limit; `misses` are counted over
    `misses_within`. `answer_by` is the local time, on the next working day, by which the centre answers. In the `quiet` hours
    nobody's time for an answer runs out.
    """

    session: timedelta = timedelta(minutes=50)
    buffer_before: timedelta = timedelta(0)
    buffer_after: timedelta = timedelta(minutes=10)
    notice: timedelta = timedelta(hours=2)
    horizon: timedelta = timedelta(weeks=4)
    most_open: int = 1
    most_a_week: int = 1
    counselor_a_day: int = 6
    counselor_a_week: int = 20
    hold: timedelta = timedelta(minutes=5)
    cancel_notice: timedelta = timedelta(hours=24)
    change_notice: timedelta = timedelta(hours=24)
    most_changes: int = 2
    confirming: Confirming = Confirming.AT_ONCE
    answer_by: time = time(12)
    offer: timedelta = timedelta(hours=2)
    proposal: timedelta = timedelta(hours=24)
    remind_at: time = time(20)
    remind_before: timedelta = timedelta(hours=2)
    morning_at: time = time(8)
    misses: int = 3
    misses_within: timedelta = timedelta(days=90)
    late_after: timedelta = timedelta(minutes=20)
    ties: Ties = Ties.HIDE
    station_first: bool = True
    centre_phone: str = ""
    centre_mailbox: str = ""
    quiet: PushPolicy = PushPolicy(quiet_to=PushPolicy.quiet_from)
    terms: tuple[Term, ...] = ()
    periods: tuple[Period, ...] = ()
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Asia/Shanghai"))


@dataclass(frozen=True)
class Policy:
    """Everything the school decides."""

    school: str = "本校"
    role_names: Mapping[Role, str] = field(default_factory=dict)
    checkin: CheckinPolicy = CheckinPolicy()
    duty: DutyPolicy = DutyPolicy()
    push: PushPolicy = PushPolicy()
    booking: BookingPolicy = BookingPolicy()
    talk_lasts: timedelta = timedelta(hours=24)
    keys_kept: timedelta = timedelta(days=30)
    pushes_kept: timedelta = timedelta(days=180)
    replies_kept: timedelta = timedelta(hours=24)
    bookings_kept: timedelta = timedelta(days=730)
    booking_words_kept: timedelta = timedelta(days=30)
    public_url: str = ""
