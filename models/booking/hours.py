"""Hours on duty and sessions held. Rules: domain K-42 (45 minutes on duty are one 课时), K-32 (38 of counselling a year)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlmodel import Session, col, select

from models.booking import reads
from models.booking.rules import bounds, is_closed
from models.booking.table import Appointment, AppointmentState, Counselor
from models.policy import BookingPolicy

HOUR = 45
"""Minutes of one 课时."""

PART_TIME = 38
"""课时 of counselling that a part-timer owes a year; the 72 of teaching are counted elsewhere (K-32)."""

_YEAR_BEGINS = 9  # September
_DAY = timedelta(days=1)
_HELD = (AppointmentState.BOOKED, AppointmentState.DONE)
Stretch = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Worked:
    """From `since` until now. Units: minutes. `counselled` are sessions as long as they really were."""

    since: date
    on_duty: int
    sessions: int
    counselled: int
    missed: int
    this_year: int  # counselled since September
    full_time: bool


def in_hours(minutes: int) -> float:
    """Minutes as 课时, to a tenth."""
    return round(minutes / HOUR, 1)


def worked(session: Session, counselor: Counselor, *, policy: BookingPolicy, now: datetime) -> Worked:
    """What a counselor has done in the term so far: open hours by plan and changes, and who came."""
    today = now.astimezone(policy.zone).date()
    since = max(_term_begins(policy, today), counselor.created_at.astimezone(policy.zone).date())
    year = date(today.year - (today.month < _YEAR_BEGINS), _YEAR_BEGINS, 1)
    begins, year_begins = (bounds(day, policy)[0] for day in (since, year))
    rows = session.exec(
        select(Appointment)
        .where(Appointment.counselor_id == counselor.id, col(Appointment.ends_at) <= now)
        .where(col(Appointment.starts_at) >= min(begins, year_begins))
        .where(col(Appointment.state).in_((*_HELD, AppointmentState.MISSED)))
    ).all()
    held = [it for it in rows if it.state in _HELD]
    in_term = [it for it in held if it.starts_at >= begins]
    return Worked(
        since=since,
        on_duty=_on_duty(session, counselor, since, policy=policy, now=now),
        sessions=len(in_term),
        counselled=sum(map(talked, in_term)),
        missed=sum(it.state is AppointmentState.MISSED and it.starts_at >= begins for it in rows),
        this_year=sum(talked(it) for it in held if it.starts_at >= year_begins),
        full_time=counselor.full_time,
    )


def talked(it: Appointment) -> int:
    """How long a session really was. Units: minutes."""
    end = it.closed_at if it.closed_at and it.starts_at < it.closed_at < it.ends_at else it.ends_at
    start = it.starts_at + timedelta(minutes=it.late_minutes or 0)
    return max(0, int((end - start).total_seconds() // 60))


def _term_begins(policy: BookingPolicy, today: date) -> date:
    """The first day of the term that is, or was last; without terms, of the half year."""
    begun = [term.first_day for term in policy.terms if term.first_day <= today]
    return max(begun) if begun else date(today.year, 1 if today.month < _YEAR_BEGINS else _YEAR_BEGINS, 1)


def _on_duty(session: Session, counselor: Counselor, since: date, *, policy: BookingPolicy, now: datetime) -> int:
    """Open minutes until now, each counted once."""
    begins = bounds(since, policy)[0]
    who = reads.counselors(session, counselor.id, policy=policy)
    weekly = reads.openings(session, who).get(counselor.id or 0, [[]] * 7)
    differing = reads.changes(session, begins, now)
    shut = [*differing.shut.get(None, []), *differing.shut.get(counselor.id, [])]
    extra = [(hours.starts, hours.ends) for hours in differing.extra.get(counselor.id, [])]
    stretches = [*_planned(weekly, since, policy, now), *extra]
    span = (int(begins.timestamp()), int(now.timestamp()))
    opened = _joined(_cut(stretches, span))
    closed = _joined(_cut(shut, span))
    return (_length(opened) - sum(_shared(one, other) for one in opened for other in closed)) // 60


def _planned(weekly: list[list[reads.Hours]], since: date, policy: BookingPolicy, now: datetime) -> Iterator[Stretch]:
    """The weekly plan day by day; closed days count for nothing."""
    day, today = since, now.astimezone(policy.zone).date()
    while day <= today:
        if weekly[day.weekday()] and not is_closed(day, policy):
            midnight = int(bounds(day, policy)[0].timestamp())
            for hours in weekly[day.weekday()]:
                if hours.from_day <= day.toordinal() <= hours.to_day:
                    yield midnight + hours.starts, midnight + hours.ends
        day += _DAY


def _cut(stretches: Iterable[Stretch], span: Stretch) -> list[Stretch]:
    inside = ((max(start, span[0]), min(end, span[1])) for start, end in stretches)
    return [(start, end) for start, end in inside if start < end]


def _joined(stretches: Iterable[Stretch]) -> list[Stretch]:
    """Without overlaps, in order."""
    joined: list[Stretch] = []
    for start, end in sorted(stretches):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined


def _length(stretches: Iterable[Stretch]) -> int:
    return sum(end - start for start, end in stretches)


def _shared(one: Stretch, other: Stretch) -> int:
    return max(0, min(one[1], other[1]) - max(one[0], other[0]))
