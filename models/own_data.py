"""What is stored about a person, in counts and words they know. Rules: domain L-16, L-20."""

from datetime import datetime
from typing import Any

from sqlmodel import Session, col, func, select

from models.audit import Fact, record
from models.checkin import CheckinVersion
from models.concern import Concern
from models.contact import contacts_of
from models.person import Person
from models.talk import Actor
from models.unit import Unit


def own_data(session: Session, actor: Actor, *, now: datetime) -> dict[str, Any]:
    """The asker's own entry.

    Shape: name, number, phone (last four digits), unit names, roles (values of Role), how many accounts, check-ins and concerns.
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
    }
