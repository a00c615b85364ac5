"""Who checks in person that somebody is who they say, and who may therefore decide a wish."""

from enum import StrEnum

from sqlmodel import Session

from models.person import Kind, Person
from models.post import ADVISORS, CENTRE_LEADS, Role, first_to_tell, holders_anywhere, posts_of, reachable
from models.talk import Actor
from models.unit import Unit, find_school


class Checker(StrEnum):
    """Who checks in person, when a person's own accounts do not answer."""

    TEACHERS = "teachers"  # of a student: the advisor, else the station head, else the centre
    CENTRE = "centre"  # of staff
    HEADS = "heads"  # of the centre's own staff: its director, else the leading group


_OF_THE_CENTRE = frozenset([*CENTRE_LEADS, Role.COUNSELOR])
_TIERS: dict[Checker, tuple[tuple[Role, ...], ...]] = {
    Checker.TEACHERS: (CENTRE_LEADS, (Role.LEADING_GROUP,)),  # where nobody of the class's own line is there
    Checker.CENTRE: (CENTRE_LEADS, (Role.LEADING_GROUP,)),
    Checker.HEADS: ((Role.CENTRE_DIRECTOR,), (Role.LEADING_GROUP,)),
}
_OF_THE_CLASS = frozenset([*ADVISORS, Role.STATION_HEAD, *CENTRE_LEADS])
DECIDERS = _OF_THE_CLASS | {Role.LEADING_GROUP}
"""Roles with which somebody may decide about others at all."""


def checker_of(session: Session, person: Person) -> Checker:
    """Who checks in person that somebody is who they say."""
    if person.kind is Kind.STUDENT:
        return Checker.TEACHERS
    centre = any(post.role in _OF_THE_CENTRE for post in posts_of(session, person.id or 0))
    return Checker.HEADS if centre else Checker.CENTRE


def to_ask(session: Session, person: Person) -> list[int]:
    """Whom to ask about a person, never the person: the nearest who can be reached, else the nearest there are."""
    if person.kind is Kind.STUDENT and person.class_id:
        line = first_to_tell(session, person.class_id, but=person.id)
        if line:
            return [staff.id for staff in line]
    found = [holders_anywhere(session, roles) for roles in _TIERS[checker_of(session, person)]]
    tiers = [[each for each in tier if each.id != person.id] for tier in found]
    ready = next((those for tier in tiers if (those := reachable(session, tier))), None)
    return [each.id or 0 for each in ready or next((tier for tier in tiers if tier), [])]


def where_from(session: Session, person: Person) -> str:
    """The unit by which a push speaks of somebody: a class, a college, or the school."""
    unit_id = person.class_id if person.kind is Kind.STUDENT else person.college_id
    unit = session.get(Unit, unit_id) if unit_id else find_school(session)
    return unit.name if unit else ""


def checks(session: Session, actor: Actor, person: Person) -> bool:
    """Whether the actor is one of those who check: the class's own line; the centre, or its director; else whoever is asked."""
    roles = {post.role for post in actor.posts} & DECIDERS
    if not roles or actor.person_id == person.id:
        return False
    if person.kind is Kind.STUDENT and person.class_id and _in_line(session, actor, person.class_id):
        return True
    if roles & set(_TIERS[checker_of(session, person)][0]):
        return True
    return Role.LEADING_GROUP in roles and actor.person_id in to_ask(session, person)


def _in_line(session: Session, actor: Actor, class_id: int) -> bool:
    """Whether the actor stands in the line of a class."""
    line, unit = {class_id}, session.get(Unit, class_id)
    while unit is not None and unit.parent_id is not None:
        line.add(unit.parent_id)
        unit = session.get(Unit, unit.parent_id)
    return any(post.role in _OF_THE_CLASS and post.unit_id in line for post in actor.posts)
