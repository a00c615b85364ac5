"""Posts: who does what for which unit, from when to when. Rules: domain 2.1; Z-02..Z-06, K-04, X-08..X-10, J-05."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, Session, SQLModel, col, select

from models.contact import Contact
from models.db import Fixed, UTCDateTime, enum_column
from models.person import Person
from models.unit import Unit


class Role(StrEnum):
    """The roles of the network; each school names them in its own words."""

    COMMITTEE_MEMBER = "committee_member"  # 心理委员
    DORM_OFFICER = "dorm_officer"  # 宿舍信息员
    ADVISOR = "advisor"  # 辅导员
    CLASS_TEACHER = "class_teacher"  # 班主任
    COUNSELOR = "counselor"  # 咨询师
    STATION_HEAD = "station_head"  # 站长
    COLLEGE_LEAD = "college_lead"  # 学院负责人
    AFFAIRS_DIRECTOR = "affairs_director"  # 学管办主任
    CENTRE = "centre"  # 中心
    CENTRE_DIRECTOR = "centre_director"  # 中心主任
    LEADING_GROUP = "leading_group"  # 领导小组


ROLE_NAMES = {
    Role.COMMITTEE_MEMBER: "心理委员",
    Role.DORM_OFFICER: "宿舍信息员",
    Role.ADVISOR: "辅导员",
    Role.CLASS_TEACHER: "班主任",
    Role.COUNSELOR: "咨询师",
    Role.STATION_HEAD: "站长",
    Role.COLLEGE_LEAD: "学院负责人",
    Role.AFFAIRS_DIRECTOR: "学管办主任",
    Role.CENTRE: "中心",
    Role.CENTRE_DIRECTOR: "中心主任",
    Role.LEADING_GROUP: "领导小组",
}
"""What the roles are called where a school says nothing else."""

ADVISORS = (Role.ADVISOR, Role.CLASS_TEACHER)
"""Both are told (X-28, X-29)."""

CENTRE_LEADS = (Role.CENTRE_DIRECTOR, Role.CENTRE)


class Post(SQLModel, table=True):
    """One person's role for one unit; live while `ended_at` is empty."""

    __table_args__ = (
        sa.Index(
            "one_live_post",
            "person_id",
            "role",
            "unit_id",
            unique=True,
            sqlite_where=sa.text("ended_at IS NULL"),
            postgresql_where=sa.text("ended_at IS NULL"),
        ),
    )

    id: int | None = Field(default=None, primary_key=True)
    person_id: int = Field(foreign_key="person.id", index=True)
    role: Role = Field(sa_type=enum_column(Role))
    unit_id: int = Field(foreign_key="unit.id", index=True)
    started_at: datetime = Field(sa_type=UTCDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UTCDateTime)


@dataclass(frozen=True, slots=True)
class Held:
    """A live post as its holder's turn needs it."""

    role: Role
    unit_id: int


_post, _person, _unit, _contact = Post.__table__, Person.__table__, Unit.__table__, Contact.__table__  # type: ignore[attr-defined]
_HELD = Fixed(
    lambda: (
        sa.select(_post.c.role, _post.c.unit_id)
        .where(_post.c.person_id == sa.bindparam("person_id"), _post.c.ended_at.is_(None))
        .order_by(_post.c.id)
    )
)


def posts_of(session: Session, person_id: int) -> list[Held]:
    """The live posts of a person, oldest first."""
    return [Held(Role(role), unit_id) for role, unit_id in _HELD.all(session, person_id=person_id)]


def units_with_somebody(session: Session, roles: Collection[Role]) -> set[int]:
    """The units for which somebody who holds one of the roles can be reached now."""
    return set(
        session.exec(
            select(Post.unit_id)
            .join(Person, col(Person.id) == col(Post.person_id))
            .join(Contact, col(Contact.person_id) == col(Person.id))
            .where(col(Post.role).in_(roles), col(Post.ended_at).is_(None))
            .where(col(Person.ended_at).is_(None), col(Contact.listening).is_(True))
        )
    )


def holders_anywhere(session: Session, roles: Collection[Role]) -> list[Person]:
    """People who hold one of the roles for any unit, by number, nobody twice."""
    return list(
        session.exec(
            select(Person)
            .join(Post, col(Post.person_id) == col(Person.id))
            .where(col(Post.role).in_(roles), col(Post.ended_at).is_(None), col(Person.ended_at).is_(None))
            .distinct()
            .order_by(col(Person.number))
        )
    )


def reachable(session: Session, people: Sequence[Person]) -> list[Person]:
    """Those of the people who have a bound contact that still listens."""
    ids = [person.id for person in people]
    bound = set(
        session.exec(select(Contact.person_id).where(col(Contact.person_id).in_(ids), col(Contact.listening).is_(True)))
    )
    return [person for person in people if person.id in bound]


@dataclass(frozen=True, slots=True)
class Staff:
    """Somebody to tell; `reached` when an account of theirs takes pushes."""

    id: int
    name: str
    reached: bool


def _of_the_line() -> sa.Select[Any]:
    """Live posts of the three tiers for a class, its college and the school."""
    parent = sa.select(_unit.c.parent_id).where(_unit.c.id == sa.bindparam("unit_id")).scalar_subquery()
    above = _unit.alias("above")
    top = sa.select(above.c.parent_id).where(above.c.id == parent).scalar_subquery()
    listens = sa.exists().where(_contact.c.person_id == _person.c.id, _contact.c.listening.is_(sa.true()))
    return (
        sa.select(_person.c.id, _person.c.name, _post.c.role, listens)
        .select_from(_post.join(_person, _person.c.id == _post.c.person_id))
        .where(_post.c.unit_id.in_([sa.bindparam("unit_id"), parent, top]))
        .where(_post.c.role.in_([sa.literal_column(f"'{role.value}'") for tier in OF_A_CLASS for role in tier]))
        .where(_post.c.ended_at.is_(None), _person.c.ended_at.is_(None))
        .order_by(_person.c.number)
    )


OF_A_CLASS = (ADVISORS, (Role.STATION_HEAD,), CENTRE_LEADS)
"""Who hears of a class, nearest first."""

OF_A_COLLEGE = ((Role.STATION_HEAD,), (Role.COLLEGE_LEAD, Role.AFFAIRS_DIRECTOR), CENTRE_LEADS)
"""Who hears of a college and appoints in it, nearest first (Z-24, J-05, J-17; K-04; X-09)."""

Tiers = Sequence[Sequence[Role]]
_LINE = Fixed(_of_the_line)


def first_to_tell(session: Session, class_id: int, *, but: int | None = None) -> list[Staff]:
    """Who hears of a class: its advisors; none reachable: the station head; else the centre. By number, nobody twice.

    Shape: [] only when the school has nobody at all. When nobody is reachable, the first tier that has people, so that the
    push stands there and can be seen not to arrive. `but` is who tells it: nobody is told their own words.
    """
    return _nearest([row for row in _LINE.all(session, unit_id=class_id) if row[0] != but], OF_A_CLASS)


def first_to_tell_of(session: Session, unit_ids: Collection[int], tiers: Tiers) -> dict[int, list[Staff]]:
    """The same for many units in two queries: who hears of each, by the tiers given.

    Shape: every unit has its list, [] when the school has nobody at all.
    """
    parents = dict(session.exec(select(col(Unit.id), Unit.parent_id)).all())
    listens = sa.exists().where(_contact.c.person_id == _person.c.id, _contact.c.listening.is_(sa.true()))
    posts: dict[int, list[Sequence[Any]]] = {}
    for unit_id, *row in session.execute(
        sa.select(_post.c.unit_id, _person.c.id, _person.c.name, _post.c.role, listens)
        .select_from(_post.join(_person, _person.c.id == _post.c.person_id))
        .where(_post.c.role.in_([role for tier in tiers for role in tier]))
        .where(_post.c.ended_at.is_(None), _person.c.ended_at.is_(None))
        .order_by(_person.c.number)
    ):
        posts.setdefault(unit_id, []).append(row)
    found = {}
    for unit_id in unit_ids:
        line, at = [], unit_id or None
        while at is not None:
            line += posts.get(at, [])
            at = parents[at]
        found[unit_id] = _nearest(line, tiers)
    return found


def _nearest(rows: Sequence[Sequence[Any]], tiers: Tiers) -> list[Staff]:
    """Of id, name, role, reached: the first tier in which somebody can be reached, else the first that has people."""
    by_tier = [[row for row in rows if row[2] in tier] for tier in tiers]
    ready = next((found for tier in by_tier if (found := [row for row in tier if row[3]])), None)
    people = ready or next((tier for tier in by_tier if tier), [])
    return list({row[0]: Staff(row[0], row[1], bool(row[3])) for row in people}.values())
