"""What somebody says to a time that was kept for them: 「要」 or 「继续等」. Rules: docs/rules.md#waiting-list."""

from datetime import datetime

from sqlmodel import Session, col, select

from models.audit import Fact, record
from models.booking.acting import Booked, book, locked, move
from models.booking.consent import check_not_withdrawn
from models.booking.table import Appointment, AppointmentState, Side, Waiter
from models.booking.taking import By, end_passing
from models.booking.waiting import offer_freed
from models.errors import NotFoundError, WrongStateError
from models.policy import BookingPolicy
from models.seal import unseal_json


def offer_to(session: Session, student_id: int, *, now: datetime) -> Appointment | None:
    """The time that is kept for a student now, until its `until`."""
    return session.exec(
        select(Appointment)
        .where(Appointment.student_id == student_id, Appointment.state == AppointmentState.OFFERED)
        .where(col(Appointment.until) > now, col(Appointment.starts_at) > now)
        .execution_options(populate_existing=True)
    ).first()


def take_offer(session: Session, by: By, offer_id: int, *, policy: BookingPolicy, now: datetime) -> Booked:
    """「要」: the kept time becomes an appointment, or takes the place of the one for which they wanted an earlier time.

    Raises: NotFoundError, WrongStateError when it went on to somebody else; RefusedError.
    """
    it, waiting = _offered(session, by, offer_id)
    record(session, Fact.OFFER_ANSWERED, by.person_id, f"appointment:{offer_id}", at=now, took=1)
    if waiting.earlier_than_id is not None:
        earlier_than = waiting.earlier_than_id
        move(session, by, earlier_than, offer_id, policy=policy, now=now)
        moved = session.get_one(Appointment, earlier_than, populate_existing=True)
        return Booked(earlier_than, moved.state is AppointmentState.BOOKED, moved.until)
    if by.side is Side.STUDENT:
        check_not_withdrawn(session, it.student_id)
    it.thread = waiting.thread
    session.add(it)
    session.flush()
    body = unseal_json(waiting.body, f"waiter.body:{waiting.id}") if waiting.body else None
    return book(session, by, offer_id, policy=policy, now=now, body=body)


def go_on_waiting(session: Session, by: By, offer_id: int, *, policy: BookingPolicy, now: datetime) -> None:
    """「继续等」: they keep their place, and the next one is asked. Raises: NotFoundError, WrongStateError."""
    it, _ = _offered(session, by, offer_id)
    record(session, Fact.OFFER_ANSWERED, by.person_id, f"appointment:{offer_id}", at=now, took=0)
    end_passing(session, it, AppointmentState.DECLINED, now=now)
    offer_freed(session, it, policy=policy, now=now)


def answer_offer(
    session: Session, by: By, offer_id: int, *, take: bool, policy: BookingPolicy, now: datetime
) -> Booked | None:
    """Either answer; what was booked, None for 「继续等」."""
    if take:
        return take_offer(session, by, offer_id, policy=policy, now=now)
    go_on_waiting(session, by, offer_id, policy=policy, now=now)
    return None


def _offered(session: Session, by: By, offer_id: int) -> tuple[Appointment, Waiter]:
    it = locked(session, offer_id)
    if it.waiter_id is None or (by.side is Side.STUDENT and it.student_id != by.person_id):
        raise NotFoundError
    if it.state is not AppointmentState.OFFERED:
        raise WrongStateError("booking.offer_over")
    return it, session.get_one(Waiter, it.waiter_id, populate_existing=True)
