"""What is stored about a person, in counts and words they know. Rules: domain L-16, L-20."""

from datetime import datetime
from typing import Any

from sqlmodel import Session, col, func, select

from models.audit import Audit, Fact, record
from models.booking.consent import given_consent
from models.booking.table import FIRM, Appointment, AppointmentState, Waiter
from models.checkin import CheckinVersion
from models.concern import Concern
from models.contact import contacts_of
from models.person import Person
from models.talk import Actor
from models.unit import Unit

_BOOKED = (*FIRM, AppointmentState.DONE, AppointmentState.MISSED, AppointmentState.CANCELLED)


def own_data(session: Session, actor: Actor, *, now: datetime) -> dict[str, Any]:
    """The asker's own entry.

    Shape: name, number, phone (last four digits), unit names, roles (values of Role), how many accounts, check-ins and concerns,
        and `booking`, as `_of_booking` gives it.
    """
    person = session.get_one(Person, actor.person)
    units = [
        session.get_one(Unit, unit_id).name
        for unit_id in (person.college_id, person.class_id, person.dorm_id)
        if unit_id
    ]
    checkins = session.exec(select(func.count()).where(CheckinVersion.author_id == person.id)).one()
    concerns = session.exec(select(func.count()).where(col(Concern.writer_id) == person.id)).one()
    record(session, Fact.OWN_DATA_SHOWN, person.id, f"person:{person.id}", at=now)
    return {
        "name": person.name,
        "number": person.number,
        "phone": person.phone[-4:] if person.phone else "—",
        "units": units or ["—"],
        "roles": list(dict.fromkeys(post.role.value for post in actor.posts)),
        "accounts": len(contacts_of(session, person.id or 0)),
        "checkins": checkins,
        "concerns": concerns,
        "booking": _of_booking(session, actor),
    }


def _of_booking(session: Session, actor: Actor) -> dict[str, Any]:
    """What booking knows of the asker; JSON.

    Shape: booked (appointments with a counselor that were firm once), waited (places on the list), looked (how often their name
        was opened by a counselor or the centre) and last (when, None: never), version and given (of the consent that holds).
    """
    booked = session.exec(
        select(func.count())
        .select_from(Appointment)
        .where(Appointment.student_id == actor.person, col(Appointment.counselor_id).is_not(None))
        .where(col(Appointment.state).in_(_BOOKED))
    ).one()
    waited = session.exec(select(func.count()).select_from(Waiter).where(Waiter.student_id == actor.person)).one()
    looks = session.exec(
        select(Audit.at)
        .where(Audit.fact == Fact.APPOINTMENTS_SHOWN, Audit.subject == f"person:{actor.person}")
        .order_by(col(Audit.at))
    ).all()
    consent = given_consent(session, actor)
    return {
        "booked": booked,
        "waited": waited,
        "looked": len(looks),
        "last": looks[-1].isoformat() if looks else None,
        "version": consent.version if consent else None,
        "given": consent.given_at.isoformat() if consent else None,
    }
