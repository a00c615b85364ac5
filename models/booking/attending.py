"""Who came, who came late, who did not, when it ended: each kept. Rules: domain X-18, K-35; docs/rules.md#booking.

Nobody is punished: whoever missed one gets a kind line and books again; after several the centre hears of it, without a name.
"""

from datetime import datetime, timedelta

from sqlmodel import Session, col, func, select

from models.audit import Fact, record
from models.booking.acting import end, locked
from models.booking.steps import CLOSED_AFTER
from models.booking.table import Appointment, AppointmentState
from models.booking.taking import By
from models.booking.telling import tell_student, the_centre
from models.booking.waiting import has_been
from models.errors import RefusedError, WrongStateError
from models.outbox import PushKind, plan
from models.policy import BookingPolicy

EARLY = timedelta(minutes=30)
"""How long before the start somebody may be there."""

MARKED = (AppointmentState.BOOKED, AppointmentState.DONE, AppointmentState.MISSED)
"""What may be marked, and marked otherwise: a slip of the finger is taken back by saying what was."""


def can_mark(it: Appointment, *, now: datetime) -> bool:
    """Whether it may be said now that somebody came."""
    return it.state in MARKED and it.starts_at - EARLY <= now < it.ends_at + CLOSED_AFTER


def _markable(session: Session, appointment_id: int, *, now: datetime) -> Appointment:
    it = locked(session, appointment_id)
    if not can_mark(it, now=now):
        raise WrongStateError("desk.cannot_mark")
    return it


def arrived(
    session: Session, by: By, appointment_id: int, *, policy: BookingPolicy, now: datetime, late: int = 0
) -> bool:
    """The student is there, `late` minutes after the start; returns whether that is later than the school waits.

    Raises: WrongStateError too early, or when it is long over or was called off.
    """
    it = _markable(session, appointment_id, now=now)
    was_missed = it.state is AppointmentState.MISSED
    if was_missed:
        it.state = AppointmentState.DONE
        it.closed_at, it.closed_by = it.ends_at, by.side
    it.arrived_at, it.late_minutes = it.starts_at + timedelta(minutes=late) if late else min(now, it.ends_at), late
    session.add(it)
    record(
        session, Fact.APPOINTMENT_ARRIVED, by.person_id, f"appointment:{it.id}", at=now, late=late,
        corrected=int(was_missed),
    )  # fmt: skip
    return timedelta(minutes=late) > policy.late_after


def ended_early(session: Session, by: By, appointment_id: int, minutes: int, *, now: datetime) -> None:
    """They talked for so many minutes, less than was planned. What comes after, the four faces, comes as usual.

    Raises: WrongStateError before the start, or when it is long over; RefusedError when it was not less.
    """
    it = _markable(session, appointment_id, now=now)
    if now < it.starts_at:
        raise WrongStateError("desk.cannot_mark")
    if not 0 < minutes < length_of(it):
        raise RefusedError("desk.not_early", most=length_of(it))
    if it.state is AppointmentState.MISSED:
        it.state = AppointmentState.DONE
    it.arrived_at = it.arrived_at or it.starts_at
    it.closed_at, it.closed_by = it.starts_at + timedelta(minutes=minutes), by.side
    session.add(it)
    record(session, Fact.APPOINTMENT_ENDED, by.person_id, f"appointment:{it.id}", at=now, minutes=minutes)


def length_of(it: Appointment) -> int:
    """How long it was planned to be. Units: minutes."""
    return int((it.ends_at - it.starts_at).total_seconds() // 60)


def missed(session: Session, by: By, appointment_id: int, *, policy: BookingPolicy, now: datetime) -> None:
    """The student did not come: it is closed, they get a kind line and book again; said twice it is the same.

    Raises: WrongStateError before the start, or when it is long over or was called off.
    """
    it = _markable(session, appointment_id, now=now)
    if it.state is AppointmentState.MISSED:
        return
    if now < it.starts_at:
        raise WrongStateError("desk.cannot_mark")
    end(session, by, it, AppointmentState.MISSED, now=now)
    has_been(session, it, now=now)
    it.arrived_at = it.late_minutes = None
    session.add(it)
    record(session, Fact.APPOINTMENT_MISSED, by.person_id, f"appointment:{it.id}", at=now)
    tell_student(session, it, PushKind.BOOKING_MISSED, policy=policy, now=now)
    if misses_of(session, it.student_id, policy=policy, now=now) >= policy.misses:
        for person in the_centre(session):
            plan(session, f"misses:{it.id}", PushKind.OFTEN_MISSED, person.id or 0, now=now)


def misses_of(session: Session, student_id: int, *, policy: BookingPolicy, now: datetime) -> int:
    """How often a student did not come, over the school's time."""
    return session.exec(
        select(func.count())
        .select_from(Appointment)
        .where(Appointment.student_id == student_id, Appointment.state == AppointmentState.MISSED)
        .where(col(Appointment.starts_at) > now - policy.misses_within)
    ).one()
