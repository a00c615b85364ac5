"""Duty: who is called when it is urgent. Rules: design, `[duty]`; domain 2.8.

Nobody listed, or nobody of them reachable: 中心主任 and 中心, then 领导小组. Operators fall back to 中心主任, then the same.
"""

from sqlmodel import Session, col, select

from models.person import Person
from models.policy import DutyPolicy
from models.post import CENTRE_LEADS, Role, holders_anywhere, posts_of, reachable

_OF_THE_CENTRE = {Role.CENTRE, Role.CENTRE_DIRECTOR, Role.COUNSELOR}


def duty_contacts(session: Session, policy: DutyPolicy) -> list[Person]:
    """Everybody on the list, in its order. Shape: [] only in a school without staff."""
    return _or_fallback(session, _listed(session, policy.contacts))


def centre_contacts(session: Session, policy: DutyPolicy) -> list[Person]:
    """The centre's own duty contacts: those on the list who belong to the centre."""
    of_centre = [
        person
        for person in duty_contacts(session, policy)
        if any(post.role in _OF_THE_CENTRE for post in posts_of(session, person.id or 0))
    ]
    return _or_fallback(session, of_centre)


def operators(session: Session, policy: DutyPolicy) -> list[Person]:
    """Who runs the system, in the order of the list. Shape: [] only in a school without staff."""
    listed = _listed(session, policy.operators)
    if reachable(session, listed):
        return listed
    directors = holders_anywhere(session, (Role.CENTRE_DIRECTOR,))
    if reachable(session, directors):
        return _once([*listed, *directors])
    return _or_fallback(session, _once([*listed, *directors]))


def _listed(session: Session, numbers: tuple[str, ...]) -> list[Person]:
    found = {
        person.number: person
        for person in session.exec(
            select(Person).where(col(Person.number).in_(numbers), col(Person.ended_at).is_(None))
        )
    }
    return [found[number] for number in numbers if number in found]


def _once(people: list[Person]) -> list[Person]:
    return list({person.id: person for person in people}.values())


def _or_fallback(session: Session, listed: list[Person]) -> list[Person]:
    """The people listed; with the fallback beside them when a push would reach nobody of them."""
    if reachable(session, listed):
        return listed
    return _once([*listed, *_fallback(session)])


def _fallback(session: Session) -> list[Person]:
    return holders_anywhere(session, CENTRE_LEADS) or holders_anywhere(session, (Role.LEADING_GROUP,))
