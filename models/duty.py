"""Duty: who is called when it is urgent. Rules: design, `[duty]`; domain 2.8."""

from sqlmodel import Session, col, select

from models.person import Person
from models.policy import DutyPolicy
from models.post import CENTRE_LEADS, Role, holders_anywhere, posts_of

_OF_THE_CENTRE = {Role.CENTRE, Role.CENTRE_DIRECTOR, Role.COUNSELOR}


def duty_contacts(session: Session, policy: DutyPolicy) -> list[Person]:
    """Everybody on the list, in its order; none: 中心主任 and 中心, then 领导小组. [] only in a school without staff."""
    found = {
        person.number: person
        for person in session.exec(
            select(Person).where(col(Person.number).in_(policy.contacts), col(Person.ended_at).is_(None))
        )
    }
    listed = [found[number] for number in policy.contacts if number in found]
    return listed or _fallback(session)


def centre_contacts(session: Session, policy: DutyPolicy) -> list[Person]:
    """The centre's own duty contacts: those on the list who belong to the centre; none: the same fallback."""
    listed = [
        person
        for person in duty_contacts(session, policy)
        if any(post.role in _OF_THE_CENTRE for post in posts_of(session, person.id or 0))
    ]
    return listed or _fallback(session)


def _fallback(session: Session) -> list[Person]:
    return holders_anywhere(session, CENTRE_LEADS) or holders_anywhere(session, (Role.LEADING_GROUP,))
