"""What is said in the morning: to counselors how many will come, to the centre when nobody is there. Rules: D-20, domain 6.6.

Each is said once a day: the day is in the push's fact.
"""

from datetime import UTC, date, datetime, time, timedelta

import sqlalchemy as sa
from sqlmodel import Session, col, func, select

from models.booking.bare import bare_days
from models.booking.rules import bounds
from models.booking.table import Appointment, AppointmentState, Counselor
from models.booking.telling import the_centre
from models.outbox import PushKind, plan, told_of
from models.policy import BookingPolicy

NOON = time(12)
"""Local; later than this nobody hears any more what the day will bring."""


def morning_of(policy: BookingPolicy, *, now: datetime) -> datetime:
    """The school's hour on the day that `now` is in; aware UTC."""
    day = now.astimezone(policy.zone).date()
    return datetime.combine(day, policy.morning_at, policy.zone).astimezone(UTC)


def is_morning(policy: BookingPolicy, *, now: datetime) -> bool:
    """Whether counselors still hear of the day: from the school's hour to noon, or for an hour."""
    at = morning_of(policy, now=now)
    noon = datetime.combine(now.astimezone(policy.zone).date(), NOON, policy.zone)
    return at <= now < max(noon, at + timedelta(hours=1))


def next_morning(session: Session, *, policy: BookingPolicy, now: datetime) -> datetime | None:
    """The next morning on which there may be something to say; None where nobody takes bookings."""
    if session.exec(select(Counselor.id).where(col(Counselor.ended_at).is_(None)).limit(1)).first() is None:
        return None
    today = morning_of(policy, now=now)
    return today if today > now else morning_of(policy, now=now + timedelta(days=1))


def tell_counselors(session: Session, *, policy: BookingPolicy, now: datetime) -> int:
    """Tell each counselor how many are still to come today; returns how many heard of it anew."""
    day = now.astimezone(policy.zone).date()
    until = bounds(day, policy)[1]
    rows = session.exec(
        select(Counselor.id, Counselor.person_id, func.count(), func.max(Appointment.starts_at))
        .join(Appointment, col(Appointment.counselor_id) == col(Counselor.id))
        .where(*_certain(), col(Appointment.starts_at) > now, col(Appointment.starts_at) < until)
        .group_by(col(Counselor.id), col(Counselor.person_id))
        .order_by(col(Counselor.id))
    ).all()
    planned = [
        plan(
            session,
            f"morning:{day.isoformat()}",
            PushKind.MORNING_LIST,
            person_id,
            now=now,
            lasts=last - now,
            counselor=counselor_id,
            count=count,
            until_at=until.isoformat(),
        )
        for counselor_id, person_id, count, last in rows
    ]
    return sum(push is not None for push in planned)


def _certain() -> tuple[sa.ColumnElement[bool], ...]:
    """Booked with a counselor; the second line is for the index, which holds nothing that is over."""
    return (
        col(Appointment.state) == AppointmentState.BOOKED,
        col(Appointment.next_at).is_not(None),
        col(Appointment.counselor_id).is_not(None),
    )


def untold_bare_days(session: Session, *, policy: BookingPolicy, now: datetime) -> list[date]:
    """Coming working days without open hours of which the centre has not heard today; only reads."""
    if now < morning_of(policy, now=now):
        return []
    days = bare_days(session, policy=policy, now=now)
    return [day for day in days if not told_of(session, _fact(day, policy, now))]


def tell_bare_days(session: Session, *, policy: BookingPolicy, now: datetime) -> int:
    """Tell the centre of each of those days; returns how many pushes were new."""
    return sum(
        _tell(session, day, person.id or 0, policy=policy, now=now) is not None
        for day in untold_bare_days(session, policy=policy, now=now)
        for person in the_centre(session)
    )


def _fact(day: date, policy: BookingPolicy, now: datetime) -> str:
    return f"bare:{day.isoformat()}@{now.astimezone(policy.zone).date().isoformat()}"


def _tell(session: Session, day: date, person_id: int, *, policy: BookingPolicy, now: datetime) -> int | None:
    """`on`, `zone` and `minutes` are for the check at sending: whether the day is still bare."""
    return plan(
        session,
        _fact(day, policy, now),
        PushKind.NO_OPEN_SLOT,
        person_id,
        now=now,
        lasts=bounds(day, policy)[0] - now,
        day=f"{day.month}月{day.day}日 周{'一二三四五六日'[day.weekday()]}",
        on=day.isoformat(),
        zone=policy.zone.key,
        minutes=int(policy.session.total_seconds() // 60),
    )
