"""Taking appointments along their steps, each told in its moment and as it is then. Rules: docs/rules.md#booking-pushes.

Harmless twice and by two processes at once: a row that was taken is no longer due, and a push's dedupe key names appointment,
version, kind and person. Late, it does what is still of use: nobody hears of tomorrow when it is today.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlmodel import Session, col, select

from models.audit import Fact, record
from models.booking.rules import bounds
from models.booking.steps import ORDER, moment
from models.booking.table import Appointment, AppointmentState, Side, Step
from models.booking.telling import fact_of
from models.booking.waiting import has_been
from models.outbox import PushKind, plan
from models.policy import BookingPolicy

NOT_UNDER_WAY = timedelta(minutes=10)
"""Before the start; later than that nobody is reminded who is on their way already."""

_TOLD = {
    Step.DAY_BEFORE: PushKind.BOOKING_TOMORROW,
    Step.SOON: PushKind.BOOKING_SOON,
    Step.AFTER: PushKind.BOOKING_AFTER,
}


def next_step(session: Session) -> datetime | None:
    """When the next step of any appointment is due; None when there is none."""
    its = select(Appointment.next_at).where(col(Appointment.next_at).is_not(None)).order_by(col(Appointment.next_at))
    return session.exec(its.limit(1)).first()


def walk(session: Session, *, policy: BookingPolicy, now: datetime, most: int) -> int:
    """Take the steps that are due, of a batch of appointments; returns how many those were. Another process takes others."""
    due = session.exec(
        select(Appointment)
        .where(col(Appointment.next_at) <= now)
        .order_by(col(Appointment.next_at))
        .limit(most)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    ).all()
    for it in due:
        _go_on(session, it, policy=policy, now=now)
    session.flush()
    return len(due)


def _go_on(session: Session, it: Appointment, *, policy: BookingPolicy, now: datetime) -> None:
    """Every step whose moment has come; of several at once only the last says something."""
    says: PushKind | None = None
    while it.state is AppointmentState.BOOKED and it.step is not None and moment(it.step, it, policy) <= now:
        if is_of_use(it.step, it, policy=policy, now=now):
            says = _TOLD.get(it.step, says)
        if it.step is Step.AFTER:
            has_been(session, it, now=now)
        if it.step is Step.CLOSE:
            _close(session, it, now=now)
            break
        it.step = ORDER[ORDER.index(it.step) + 1]
    stays = it.state is AppointmentState.BOOKED and it.step is not None
    it.step = it.step if stays else None
    it.next_at = moment(it.step, it, policy) if it.step is not None else None
    session.add(it)
    if says is not None and stays:
        tell(session, it, says, policy=policy, now=now)


def is_of_use(step: Step, it: Appointment, *, policy: BookingPolicy, now: datetime) -> bool:
    """Whether a step that may be late still says something true and useful."""
    match step:
        case Step.DAY_BEFORE:
            return now < midnight_before(it, policy)
        case Step.SOON:
            return it.starts_at - now > NOT_UNDER_WAY
        case Step.AFTER:  # a room by itself is nobody that one talked with
            return it.counselor_id is not None and not it.face
        case Step.CLOSE:
            return True


def midnight_before(it: Appointment, policy: BookingPolicy) -> datetime:
    """When the day of an appointment begins, and 「明天」 ends."""
    return bounds(it.starts_at.astimezone(policy.zone).date(), policy)[0]


def tell(session: Session, it: Appointment, kind: PushKind, *, policy: BookingPolicy, now: datetime) -> None:
    """Write the push of a step. It shows the time of day alone: the day is in its words, or today."""
    data: dict[str, Any] = {"appointment": it.id, "version": it.version}
    lasts = None
    if kind is not PushKind.BOOKING_AFTER:
        data["when"] = f"{it.starts_at.astimezone(policy.zone):%H:%M}"
        lasts = it.starts_at - now
    if kind is PushKind.BOOKING_TOMORROW:
        data["until_at"] = midnight_before(it, policy).isoformat()
    plan(session, fact_of(it), kind, it.student_id, now=now, lasts=lasts, **data)


def _close(session: Session, it: Appointment, *, now: datetime) -> None:
    """Nobody said that it was missed: it has been."""
    it.state = AppointmentState.DONE
    it.closed_at, it.closed_by = it.closed_at or it.ends_at, it.closed_by or Side.SYSTEM
    record(session, Fact.APPOINTMENT_ENDED, None, f"appointment:{it.id}", at=now, version=it.version)
