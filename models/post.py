"""Posts: who does what for which unit, from when to when. Rules: domain 2.1; Z-02..Z-06, K-04, X-08..X-10, J-05."""

from collections.abc import Collection, Sequence
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlmodel import Field, Session, SQLModel, col, select

from models.contact import Contact
from models.db import UTCDateTime, enum_column
from models.person import Person
from models.unit import line_of


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


ADVISORS = (Role.ADVISOR, Role.CLASS_TEACHER)
"""Both are told (X-28, X-29)."""

CENTRE_LEADS = (Role.CENTRE_DIRECTOR, Role.CENTRE)

STUDENT_ROLES = (Role.COMMITTEE_MEMBER, Role.DORM_OFFICER)


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


def posts_of(session: Session, person_id: int) -> Sequence[Post]:
    """The live posts of a person, oldest first."""
    return session.exec(
        select(Post).where(Post.person_id == person_id, col(Post.ended_at).is_(None)).order_by(col(Post.id))
    ).all()


def holders(session: Session, roles: Collection[Role], unit_ids: Collection[int]) -> list[Person]:
    """People who hold one of the roles for exactly one of the units, by number, nobody twice."""
    return list(
        session.exec(
            select(Person)
            .join(Post, col(Post.person_id) == col(Person.id))
            .where(col(Post.role).in_(roles), col(Post.unit_id).in_(unit_ids))
            .where(col(Post.ended_at).is_(None), col(Person.ended_at).is_(None))
            .distinct()
            .order_by(col(Person.number))
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


def first_to_tell(session: Session, unit_id: int) -> list[Person]:
    """Who hears of a class or a dorm: its advisors; none reachable: the station head; else the centre.

    Shape: [] only when the school has nobody at all. When nobody is reachable, the first tier that has people, so that the
    push stands there and can be seen not to arrive.
    """
    line = line_of(session, unit_id)
    tiers = [holders(session, roles, line) for roles in (ADVISORS, (Role.STATION_HEAD,), CENTRE_LEADS)]
    for people in tiers:
        if ready := reachable(session, people):
            return ready
    return next((people for people in tiers if people), [])
