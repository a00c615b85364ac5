"""Whose superior is who: told when somebody could not be reached. Rules: design, idea 3; domain 2.1.

A student officer's is the class's teachers; an advisor's the station head, then the college's lead; everybody else's the centre,
and the centre's the leading group. Who cannot be reached is passed over: the first who can is told.
"""

from sqlmodel import Session, col, select

from models.person import Kind, Person
from models.post import (
    ADVISORS,
    CENTRE_LEADS,
    ROLE_NAMES,
    Held,
    Role,
    first_to_tell,
    holders_anywhere,
    posts_of,
    reachable,
)
from models.post import Post as Table
from models.unit import Unit

_COLLEGE = (Role.STATION_HEAD, Role.COLLEGE_LEAD)
_OF_STUDENTS = (Role.COMMITTEE_MEMBER, Role.DORM_OFFICER)


def superiors(session: Session, person_id: int) -> list[int]:
    """The people to tell about somebody, by id; [] when there is nobody above."""
    person = session.get_one(Person, person_id)
    if person.kind is Kind.STUDENT:
        if person.class_id is None:
            return _first_reached(session, holders_anywhere(session, CENTRE_LEADS), but=person_id)
        return [staff.id for staff in first_to_tell(session, person.class_id, but=person_id) if staff.reached]
    roles = {post.role for post in posts_of(session, person_id)}
    tiers: list[list[Person]] = []
    if roles & set(ADVISORS):
        tiers = [_holders(session, role, person) for role in _COLLEGE]
    if not roles & set(CENTRE_LEADS):
        tiers.append(holders_anywhere(session, CENTRE_LEADS))
    tiers += [holders_anywhere(session, (Role.CENTRE_DIRECTOR,)), holders_anywhere(session, (Role.LEADING_GROUP,))]
    return next((found for tier in tiers if (found := _first_reached(session, tier, but=person_id))), [])


def _holders(session: Session, role: Role, of: Person) -> list[Person]:
    """Who holds a role for the colleges in which somebody works."""
    units = {unit_id for post in posts_of(session, of.id or 0) for unit_id in _above(session, post)}
    return list(
        session.exec(
            select(Person)
            .join(Table, col(Table.person_id) == col(Person.id))
            .where(Table.role == role, col(Table.unit_id).in_(units))
            .where(col(Table.ended_at).is_(None), col(Person.ended_at).is_(None))
            .order_by(Person.number)
        )
    )


def _above(session: Session, post: Held) -> set[int]:
    unit = session.get_one(Unit, post.unit_id)
    return {post.unit_id} | ({unit.parent_id} if unit.parent_id else set())


def _first_reached(session: Session, people: list[Person], *, but: int) -> list[int]:
    return [person.id or 0 for person in reachable(session, people) if person.id != but]


def spoken_of(session: Session, person_id: int, *, teacher: str, names: dict[Role, str] | None = None) -> str:
    """How somebody is named in a push: staff by name, a student by unit and office, never by name.

    Shape: `teacher` is how staff are spoken of, with {name} in it; `names` the school's own names of the roles.
    """
    person = session.get_one(Person, person_id)
    if person.kind is Kind.STAFF:
        return teacher.format(name=person.name.removesuffix("老师"))
    for post in posts_of(session, person_id):
        if post.role in _OF_STUDENTS:
            return f"{session.get_one(Unit, post.unit_id).name}的{(names or ROLE_NAMES)[post.role]}"
    unit = session.get(Unit, person.class_id) if person.class_id else None
    return f"{unit.name if unit else ''}的一位同学"
