"""Whose appointments somebody may see, and what their student says of them. Rules: docs/rules.md#booking; domain 2.2.

An appointment is its student's and its counselor's. Advisors, officers, stations and the leading group see none.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session, col, select

from models.audit import Fact, record
from models.booking.acting import locked
from models.booking.table import FIRM, Appointment, AppointmentState, Counselor, Referral, Room
from models.errors import NotFoundError, WrongStateError
from models.outbox import Push, PushKind
from models.person import Person
from models.talk import Actor

_REMINDERS = (PushKind.BOOKING_TOMORROW, PushKind.BOOKING_SOON)
_MET = (AppointmentState.BOOKED, AppointmentState.DONE, AppointmentState.MISSED)


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Who is met and where, as it is told to the student; "" where there is nothing to say."""

    counselor: str
    qualification: str
    room: str
    place: str


def access_appointment(session: Session, actor: Actor, appointment_id: int) -> Appointment:
    """An appointment that is the asker's own, as student or as counselor. Raises: NotFoundError."""
    it = session.get(Appointment, appointment_id)
    if it is None or actor.person_id is None:
        raise NotFoundError
    if it.student_id == actor.person_id:
        return it
    if it.counselor_id is not None and session.get_one(Counselor, it.counselor_id).person_id == actor.person_id:
        return it
    raise NotFoundError


def coming_of(session: Session, actor: Actor, *, now: datetime) -> list[Appointment]:
    """What the asker has as a student and is still to come, the nearest first; those with a counselor and others."""
    return list(
        session.exec(
            select(Appointment)
            .where(Appointment.student_id == actor.person)
            .where(col(Appointment.state).in_(FIRM), col(Appointment.starts_at) > now)
            .order_by(col(Appointment.starts_at), col(Appointment.id))
        )
    )


def reminded_of(session: Session, actor: Actor, *, now: datetime) -> list[int]:
    """The ids of coming appointments, as they are now, of which their student was reminded."""
    coming = {f"appointment:{it.id}@{it.version}": it.id or 0 for it in coming_of(session, actor, now=now)}
    if not coming:
        return []
    facts = session.exec(
        select(Push.fact)
        .where(Push.person_id == actor.person, col(Push.kind).in_(_REMINDERS))
        .where(col(Push.fact).in_(coming), col(Push.due_at) <= now)
    )
    told = set(facts)
    return [id_ for fact, id_ in coming.items() if fact in told]


def last_counselor(session: Session, actor: Actor) -> int | None:
    """The counselor whom the asker saw or was to see last, if they take bookings still; None before the first time."""
    return session.exec(
        select(Counselor.id)
        .join(Appointment, col(Appointment.counselor_id) == col(Counselor.id))
        .where(Appointment.student_id == actor.person, col(Appointment.state).in_(_MET))
        .where(col(Counselor.ended_at).is_(None))
        .order_by(col(Appointment.starts_at).desc())
        .limit(1)
    ).first()


def last_of(session: Session, actor: Actor) -> Appointment | None:
    """The asker's newest appointment with a counselor that was or is firm; None for somebody new."""
    return session.exec(
        select(Appointment)
        .where(Appointment.student_id == actor.person, col(Appointment.counselor_id).is_not(None))
        .where(col(Appointment.state).in_((*_MET, AppointmentState.PENDING, AppointmentState.CANCELLED)))
        .order_by(col(Appointment.starts_at).desc())
        .limit(1)
    ).first()


def is_sent_on(session: Session, actor: Actor) -> bool:
    """Whether a station has sent the asker on to the centre, who have not booked there yet (J-11)."""
    return (
        session.exec(
            select(Referral.id).where(Referral.student_id == actor.person, col(Referral.taken_at).is_(None)).limit(1)
        ).first()
        is not None
    )


def is_offered_on(session: Session, it: Appointment) -> bool:
    """Whether the time of something that was cancelled is being offered to somebody who waited."""
    if it.counselor_id is None:
        return False
    query = select(Appointment.id).where(
        Appointment.counselor_id == it.counselor_id,
        Appointment.starts_at == it.starts_at,
        Appointment.state == AppointmentState.OFFERED,
    )
    return session.exec(query.limit(1)).first() is not None


def say_coming(session: Session, actor: Actor, appointment_id: int, *, now: datetime) -> bool:
    """「我会来」. Saying it again changes nothing; returns whether this was the first time.

    Raises: NotFoundError; WrongStateError when the appointment is over, or was called off.
    """
    access_appointment(session, actor, appointment_id)
    it = locked(session, appointment_id)
    if it.student_id != actor.person:
        raise NotFoundError
    if it.state is not AppointmentState.BOOKED or it.ends_at <= now:
        raise WrongStateError("booking.over")
    if it.coming_at is not None:
        return False
    it.coming_at = now
    session.add(it)
    record(session, Fact.APPOINTMENT_COMING, actor.person_id, f"appointment:{it.id}", at=now, version=it.version)
    return True


def names_of(session: Session, counselor_ids: Iterable[int | None]) -> dict[int, str]:
    """The counselors' names by their ids."""
    wanted = {id_ for id_ in counselor_ids if id_ is not None}
    if not wanted:
        return {}
    rows = session.exec(
        select(Counselor.id, Person.name)
        .join(Person, col(Person.id) == col(Counselor.person_id))
        .where(col(Counselor.id).in_(wanted))
    )
    return {id_ or 0: name for id_, name in rows}


def taking_bookings(session: Session) -> dict[int, str]:
    """The name of everybody who may be asked for by name: counselors that have not ended, by id."""
    rows = session.exec(
        select(Counselor.id, Person.name)
        .join(Person, col(Person.id) == col(Counselor.person_id))
        .where(col(Counselor.ended_at).is_(None), col(Person.ended_at).is_(None))
        .order_by(col(Counselor.id))
    )
    return {id_ or 0: name for id_, name in rows}


def rooms_alone(session: Session) -> list[Room]:
    """The rooms that can be booked by themselves, if the school opened any (X-21)."""
    return list(
        session.exec(select(Room).where(sa.true() == Room.alone, col(Room.ended_at).is_(None)).order_by(col(Room.id)))
    )


def whereabouts(session: Session, counselor_id: int | None, room_id: int | None) -> Whereabouts:
    """Who and where, of a slot or an appointment."""
    counselor = session.get(Counselor, counselor_id) if counselor_id is not None else None
    room = session.get(Room, room_id) if room_id is not None else None
    return Whereabouts(
        counselor=session.get_one(Person, counselor.person_id).name if counselor else "",
        qualification=counselor.qualification.strip() if counselor else "",
        room=room.name if room else "",
        place=room.place if room else counselor.place if counselor else "",
    )
