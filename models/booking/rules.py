"""What a student may have, and by when the centre answers. Rules: docs/rules.md#booking; domain 3.4; X-17."""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

import sqlalchemy as sa
from sqlmodel import Session

from models.booking.table import FIRM, Appointment, AppointmentState
from models.db import Fixed, driver, is_postgresql
from models.errors import RefusedError
from models.policy import BookingPolicy
from models.round import is_holiday, term_of

_table = Appointment.__table__  # type: ignore[attr-defined]
_COUNTED = (*FIRM, AppointmentState.DONE)
_ONE_AT_A_TIME = 7_304_002
"""Key of PostgreSQL's advisory lock."""

_OPEN = Fixed(
    lambda: sa.select(sa.func.count()).where(
        _table.c.student_id == sa.bindparam("student_id"),
        _table.c.starts_at > sa.bindparam("now"),
        _table.c.state.in_([sa.literal_column(f"'{each.value}'") for each in FIRM]),
        _table.c.counselor_id.is_not(None),
        _table.c.id != sa.bindparam("but"),
    )
)
_IN_WEEK = Fixed(
    lambda: sa.select(sa.func.count()).where(
        _table.c.student_id == sa.bindparam("student_id"),
        _table.c.starts_at >= sa.bindparam("since"),
        _table.c.starts_at < sa.bindparam("until"),
        _table.c.state.in_([sa.literal_column(f"'{each.value}'") for each in _COUNTED]),
        _table.c.counselor_id.is_not(None),
        _table.c.id != sa.bindparam("but"),
    )
)


def lock(session: Session) -> None:
    """Let nobody else change what is booked until the transaction ends; before anything is read that the change depends on.

    One lock for all, as SQLite's one writer is: a freed time concerns its counselor, a room and any number of people who wait;
    single locks of theirs, taken in whatever order, could wait for each other or let somebody be passed over. It is held for the
    milliseconds of one turn; who only looks, or finds a time taken, does not wait for it.
    """
    if is_postgresql(session):
        driver(session).execute(f"SELECT pg_advisory_xact_lock({_ONE_AT_A_TIME})")


def bounds(day: date, policy: BookingPolicy) -> tuple[datetime, datetime]:
    """A local day's first moment and the next day's; aware UTC."""
    start, end = (
        datetime.combine(each, time(), policy.zone).astimezone(UTC) for each in (day, day + timedelta(days=1))
    )
    return start, end


def week_of(moment: datetime, policy: BookingPolicy) -> tuple[datetime, datetime]:
    """The calendar week, Monday to Monday in local time, aware UTC."""
    day = moment.astimezone(policy.zone).date()
    monday = day - timedelta(days=day.weekday())
    return bounds(monday, policy)[0], bounds(monday + timedelta(days=6), policy)[1]


def check_limits(
    session: Session, student_id: int, starts_at: datetime, *, policy: BookingPolicy, now: datetime, but: int = 0
) -> None:
    """Raises: RefusedError when a student has as many appointments as they may; `but` is one that would move."""
    row = _OPEN.one(session, student_id=student_id, now=now, but=but)
    if policy.most_open and row is not None and row[0] >= policy.most_open:
        raise RefusedError("booking.has_one")
    if not policy.most_a_week:
        return
    since, until = week_of(starts_at, policy)
    row = _IN_WEEK.one(session, student_id=student_id, since=since, until=until, but=but)
    if row is not None and row[0] >= policy.most_a_week:
        raise RefusedError("booking.one_a_week")


@lru_cache(maxsize=512)
def is_workday(day: date) -> bool:
    """Whether people work on a day: 调休 decides (chinesecalendar); past its data, Monday to Friday."""
    import chinese_calendar  # noqa: PLC0415 — only who asks pays for it

    try:
        return bool(chinese_calendar.is_workday(day))
    except NotImplementedError:
        return day.weekday() < 5  # noqa: PLR2004 — Saturday


def is_closed(day: date, policy: BookingPolicy) -> bool:
    """Whether nobody can be seen on a day: a public holiday, or outside the school's terms."""
    outside = bool(policy.terms) and term_of(policy.terms, day) is None
    return outside or is_holiday(day)


def answered_by(policy: BookingPolicy, now: datetime) -> datetime:
    """By when the centre answers what is booked now: the next working day (X-17); aware UTC."""
    day = now.astimezone(policy.zone).date() + timedelta(days=1)
    while not is_workday(day):
        day += timedelta(days=1)
    return datetime.combine(day, policy.answer_by, policy.zone).astimezone(UTC)


def promised(starts_at: datetime, policy: BookingPolicy, now: datetime) -> datetime:
    """By when the centre answers a booking: before one has to set out, and never later than half the time that is left."""
    return min(answered_by(policy, now), max(starts_at - policy.notice, now + (starts_at - now) / 2))
