"""What is done with an appointment: booked, confirmed, declined, moved, cancelled. Rules: docs/rules.md#booking.

Each verb locks, checks, changes, records one fact, tells whom it concerns, and gives a freed time to whoever waits.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, select

from models.audit import Fact, record
from models.booking.rules import check_limits, lock, promised
from models.booking.steps import set_next
from models.booking.table import (
    FIRM,
    PASSING,
    Appointment,
    AppointmentState,
    Counselor,
    Proposal,
    ProposalState,
    Referral,
    Side,
)
from models.booking.taking import By, refused_as_taken
from models.booking.telling import tell_centre, tell_counselor, tell_student
from models.booking.waiting import offer_freed, stop_waiting, stop_waiting_for_earlier, take_back_later_offer
from models.db import Fixed
from models.errors import RefusedError, TimeTakenError, TooLateError, WrongStateError
from models.outbox import PushKind
from models.policy import BookingPolicy, Confirming
from models.seal import seal_json, unseal_json

_BEEN = (*FIRM, AppointmentState.DONE, AppointmentState.MISSED)
"""What makes the next appointment another than the first: one that was called off does not."""


def _of_before() -> sa.Select[Any]:
    """Of a student: the thread of their last time with a counselor, whether they ever came, whether they were sent on."""
    own, other = (_it.c.student_id == sa.bindparam("student_id"), _it.c.id != sa.bindparam("but"))
    thread = (
        sa.select(_it.c.thread)
        .where(own, other, _it.c.counselor_id == sa.bindparam("counselor_id"), _it.c.thread.is_not(None))
        .order_by(_it.c.starts_at.desc())
        .limit(sa.literal_column("1"))
    )
    been: list[Any] = [sa.literal_column(f"'{each.value}'") for each in _BEEN]
    known = (
        sa.select(_it.c.id)
        .where(own, other, _it.c.counselor_id.is_not(None), _it.c.state.in_(been))
        .limit(sa.literal_column("1"))
    )
    sent_on = (
        sa.select(_referral.c.id)
        .where(_referral.c.student_id == sa.bindparam("student_id"), _referral.c.taken_at.is_(None))
        .order_by(_referral.c.id)
        .limit(sa.literal_column("1"))
    )
    return sa.select(thread.scalar_subquery(), known.scalar_subquery(), sent_on.scalar_subquery())


_it, _counselor, _referral = Appointment.__table__, Counselor.__table__, Referral.__table__  # type: ignore[attr-defined]
_BEFORE = Fixed(_of_before)
_COUNT_FIRST = Fixed(
    lambda: (
        sa.update(_counselor)
        .values(firsts=_counselor.c.firsts + sa.bindparam("more"))
        .where(_counselor.c.id == sa.bindparam("counselor_id"))
    )
)


@dataclass(frozen=True, slots=True)
class Booked:
    """What a student is told: certain, or by when the centre answers."""

    id: int
    certain: bool
    until: datetime | None


def locked(session: Session, appointment_id: int) -> Appointment:
    """The appointment as it is now; nobody else changes what is booked from here on. Raises: TimeTakenError."""
    lock(session)
    it = session.get(Appointment, appointment_id, populate_existing=True, with_for_update=True)
    if it is None:
        raise TimeTakenError
    return it


def book(
    session: Session, by: By, hold_id: int, *, policy: BookingPolicy, now: datetime, body: dict[str, Any] | None = None
) -> Booked:
    """Turn a student's hold, or an offer to them, into an appointment. `body`: topic and note, sealed.

    A hold that has passed still counts while nobody else has its time. Raises: TimeTakenError, RefusedError, WrongStateError.
    """
    it = locked(session, hold_id)
    if it.starts_at <= now or (by.side is Side.STUDENT and it.student_id != by.person_id):
        raise TimeTakenError
    if it.state not in {AppointmentState.HELD, AppointmentState.OFFERED}:
        raise WrongStateError("booking.already")
    if by.side is Side.STUDENT and it.counselor_id is not None:
        check_limits(session, it.student_id, it.starts_at, policy=policy, now=now)
    certain = policy.confirming is Confirming.AT_ONCE or by.side is not Side.STUDENT or it.counselor_id is None
    it.state = AppointmentState.BOOKED if certain else AppointmentState.PENDING
    it.until = None if certain else promised(it.starts_at, policy, now)
    it.made_at, it.made_by = now, by.person_id
    it.serves_id = None
    _enter(session, it, body, policy=policy, now=now)
    record(session, Fact.APPOINTMENT_BOOKED, by.person_id, f"appointment:{it.id}", at=now, version=it.version)
    if certain:
        tell_counselor(session, it, PushKind.BOOKING_NEW, by=by, policy=policy, now=now)
    else:
        tell_centre(session, it, PushKind.BOOKING_WAITS, policy=policy, now=now)
    stop_waiting(session, it, policy=policy, now=now)
    return Booked(it.id or 0, certain, it.until)


def _enter(
    session: Session, it: Appointment, body: dict[str, Any] | None, *, policy: BookingPolicy, now: datetime
) -> None:
    """What a new appointment carries: its thread, whether it is a first one, its next step."""
    if it.counselor_id is not None:
        row = _BEFORE.one(session, student_id=it.student_id, counselor_id=it.counselor_id, but=it.id)
        before, known, referral_id = row if row is not None else (None, None, None)
        it.first = known is None
        if it.first:
            count_first(session, it.counselor_id, 1)
        it.thread = it.thread or before
        if referral_id is not None:
            referral = session.get_one(Referral, referral_id)
            it.thread, referral.taken_at = referral.thread, now
            session.add(referral)
    it.thread = it.thread or it.id
    if body:
        it.body = seal_json(body, f"appointment.body:{it.id}")
    if it.state is AppointmentState.BOOKED:
        set_next(it, policy, now=now)
    session.add(it)
    session.flush()


def count_first(session: Session, counselor_id: int, by: int) -> None:
    """Keep count of a counselor's first bookings, which 「随便」 shares out evenly."""
    _COUNT_FIRST.run(session, counselor_id=counselor_id, more=by)


def confirm(session: Session, by: By, appointment_id: int, *, policy: BookingPolicy, now: datetime) -> None:
    """The centre, or the counselor, says yes to a booking that waits; saying it of one that is certain changes nothing."""
    it = locked(session, appointment_id)
    if it.state is AppointmentState.BOOKED:
        return
    if it.state is not AppointmentState.PENDING or it.starts_at <= now:
        raise WrongStateError("booking.over")
    it.state, it.until = AppointmentState.BOOKED, None
    set_next(it, policy, now=now)
    session.add(it)
    record(session, Fact.APPOINTMENT_CONFIRMED, by.person_id, f"appointment:{it.id}", at=now, version=it.version)
    tell_student(session, it, PushKind.BOOKING_CONFIRMED, policy=policy, now=now)
    tell_counselor(session, it, PushKind.BOOKING_NEW, by=by, policy=policy, now=now)


def decline(session: Session, by: By, appointment_id: int, *, policy: BookingPolicy, now: datetime) -> None:
    """The centre cannot have a booking that waits; the student is asked to take another time."""
    it = locked(session, appointment_id)
    if it.state is not AppointmentState.PENDING:
        raise WrongStateError("booking.over")
    end(session, by, it, AppointmentState.DECLINED, now=now)
    record(session, Fact.APPOINTMENT_DECLINED, by.person_id, f"appointment:{it.id}", at=now, version=it.version)
    tell_student(session, it, PushKind.BOOKING_DECLINED, policy=policy, now=now)
    stop_waiting_for_earlier(session, it, policy=policy, now=now)
    offer_freed(session, it, policy=policy, now=now)


def move(session: Session, by: By, appointment_id: int, hold_id: int, *, policy: BookingPolicy, now: datetime) -> None:
    """Move an appointment to the time that is on hold, or proposed, in its place.

    Only a student's own wish is counted and bound by the notice. Raises: TooLateError, RefusedError, TimeTakenError.
    """
    it = locked(session, appointment_id)
    target = session.get(Appointment, hold_id, populate_existing=True)
    if target is None or target.serves_id != appointment_id or target.state not in PASSING or target.starts_at <= now:
        raise TimeTakenError
    held, proposed = target.state is AppointmentState.HELD, target.state is AppointmentState.PROPOSED
    wished = held and by.side is Side.STUDENT and not was_asked_to_move(session, it)
    if wished:
        check_movable(it, policy=policy, now=now)
        check_limits(session, it.student_id, target.starts_at, policy=policy, now=now, but=appointment_id)
    elif it.state not in FIRM or it.starts_at <= now:
        raise WrongStateError("booking.over")
    was = Appointment.model_validate(it.model_dump())
    values = {
        name: getattr(target, name)
        for name in ("counselor_id", "room_id", "mode", "starts_at", "ends_at", "busy_from", "busy_to")
    }
    offered = target.waiter_id
    session.delete(target)
    session.flush()
    with refused_as_taken(session):
        for name, value in values.items():
            setattr(it, name, value)
        it.version += 1
        it.moves += wished
        it.waiter_id = offered or it.waiter_id
        it.coming_at = None
        if it.state is AppointmentState.BOOKED:
            set_next(it, policy, now=now)
        else:
            it.until = promised(it.starts_at, policy, now)
        session.add(it)
    if was.first and was.counselor_id is not None and it.counselor_id not in {None, was.counselor_id}:
        count_first(session, was.counselor_id, -1)  # not before: what is refused leaves no count behind
        count_first(session, it.counselor_id or 0, 1)
    withdraw_proposals(session, it, now=now)
    record(session, Fact.APPOINTMENT_MOVED, by.person_id, f"appointment:{it.id}", at=now, version=it.version)
    tell_moved(session, was, it, by=by, policy=policy, now=now, answered=proposed)
    if offered is not None:
        stop_waiting(session, it, policy=policy, now=now)
    take_back_later_offer(session, it, policy=policy, now=now)
    offer_freed(session, was, policy=policy, now=now)


def tell_moved(
    session: Session, was: Appointment, it: Appointment, *, by: By, policy: BookingPolicy, now: datetime, answered: bool
) -> None:
    """The counselor hears of the new time; where it went to a colleague, both do. One that waits still is the centre's.

    `answered`: whoever proposed it hears the answer instead (`proposing.py`).
    """
    if it.state is not AppointmentState.BOOKED:
        tell_centre(session, it, PushKind.BOOKING_WAITS, policy=policy, now=now)
        return
    if was.counselor_id == it.counselor_id:
        if not answered:
            tell_counselor(session, it, PushKind.BOOKING_MOVED, by=by, policy=policy, now=now, before=was.starts_at)
        return
    if not answered:
        tell_counselor(session, was, PushKind.BOOKING_GONE, by=by, policy=policy, now=now)
    tell_counselor(session, it, PushKind.BOOKING_NEW, by=by, policy=policy, now=now)


def was_asked_to_move(session: Session, it: Appointment) -> bool:
    """Whether the counselor proposed another time for an appointment as it is: what the student does then is not their wish."""
    return (
        session.exec(
            select(Proposal.id).where(Proposal.appointment_id == it.id, Proposal.version == it.version).limit(1)
        ).first()
        is not None
    )


def check_movable(it: Appointment, *, policy: BookingPolicy, now: datetime) -> None:
    """Raises: WrongStateError, TooLateError, RefusedError when a student may not move an appointment any more."""
    if it.state not in FIRM or it.starts_at <= now:
        raise WrongStateError("booking.over")
    if it.starts_at - now < policy.change_notice:
        raise TooLateError("booking.too_late_to_move", policy.change_notice)
    if it.moves >= policy.most_changes:
        raise RefusedError("booking.moved_enough", most=policy.most_changes)


def cancel(
    session: Session, by: By, appointment_id: int, *, policy: BookingPolicy, now: datetime, reason: str = ""
) -> bool:
    """Cancel, and free the time. Inside the notice a student's cancellation is kept as late; returns whether it was.

    Raises: WrongStateError when there is nothing to cancel any more.
    """
    it = locked(session, appointment_id)
    if it.state not in FIRM or it.starts_at <= now:
        raise WrongStateError("booking.over")
    late = by.side is Side.STUDENT and is_late(session, it, policy=policy, now=now)
    it.late_cancel = late
    was_certain = it.state is AppointmentState.BOOKED
    if reason:
        body = unseal_json(it.body, f"appointment.body:{it.id}") if it.body else {}
        it.body = seal_json({**body, "reason": reason}, f"appointment.body:{it.id}")
    end(session, by, it, AppointmentState.CANCELLED, now=now)
    record(session, Fact.APPOINTMENT_CANCELLED, by.person_id, f"appointment:{it.id}", at=now, late=int(late))
    if by.side is not Side.STUDENT:
        tell_student(session, it, PushKind.BOOKING_CALLED_OFF, policy=policy, now=now)
    if was_certain and by.side is not Side.COUNSELOR:
        tell_counselor(session, it, PushKind.BOOKING_GONE, by=by, policy=policy, now=now)
    stop_waiting_for_earlier(session, it, policy=policy, now=now)
    offer_freed(session, it, policy=policy, now=now)
    return late


def is_late(session: Session, it: Appointment, *, policy: BookingPolicy, now: datetime) -> bool:
    """Whether a student who cancels now is late: somebody waits for them already, and did not ask to change it."""
    soon = it.state is AppointmentState.BOOKED and it.starts_at - now < policy.cancel_notice
    return soon and it.counselor_id is not None and not was_asked_to_move(session, it)


def end(session: Session, by: By, it: Appointment, state: AppointmentState, *, now: datetime) -> None:
    """An appointment stops being one: nothing of it is due any more, and what was proposed in its place is free."""
    if it.first and it.counselor_id is not None and state in {AppointmentState.CANCELLED, AppointmentState.DECLINED}:
        count_first(session, it.counselor_id, -1)
        it.first = False
    it.state, it.closed_at, it.closed_by = state, now, by.side
    it.until = it.step = it.next_at = None
    session.add(it)
    session.flush()
    withdraw_proposals(session, it, now=now)
    for held in session.exec(
        select(Appointment).where(Appointment.serves_id == it.id, Appointment.state == AppointmentState.HELD)
    ):
        session.delete(held)
    session.flush()


def withdraw_proposals(session: Session, it: Appointment, *, now: datetime) -> None:
    """What was proposed of an appointment as it was is nobody's question any more."""
    for proposal in session.exec(
        select(Proposal).where(Proposal.appointment_id == it.id, Proposal.state == ProposalState.OPEN)
    ):
        proposal.state, proposal.answered_at = ProposalState.WITHDRAWN, now
        session.add(proposal)
        for time in session.exec(
            select(Appointment).where(
                Appointment.proposal_id == proposal.id, Appointment.state == AppointmentState.PROPOSED
            )
        ):
            time.state, time.closed_at, time.until = AppointmentState.LAPSED, now, None
            session.add(time)
    session.flush()
