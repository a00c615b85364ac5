"""People of the school, as the roster names them."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlmodel import Field, Session, SQLModel, col, select

from models.db import UTCDateTime, enum_column


class Kind(StrEnum):
    """What a person is to the school."""

    STUDENT = "student"
    STAFF = "staff"


class Person(SQLModel, table=True):
    """Somebody on the roster; `ended_at` is set when they left it."""

    id: int | None = Field(default=None, primary_key=True)
    number: str = Field(unique=True)
    name: str
    kind: Kind = Field(sa_type=enum_column(Kind))
    college_id: int | None = Field(default=None, foreign_key="unit.id", index=True)
    class_id: int | None = Field(default=None, foreign_key="unit.id", index=True)
    dorm_id: int | None = Field(default=None, foreign_key="unit.id", index=True)
    phone: str | None = None
    birth_year: int | None = None
    ended_at: datetime | None = Field(default=None, sa_type=UTCDateTime)


def find_by_number(session: Session, number: str) -> Person | None:
    """The person with this number, if still on the roster."""
    return session.exec(select(Person).where(Person.number == number, col(Person.ended_at).is_(None))).first()


def members(session: Session, unit_id: int) -> list[Person]:
    """Students of a class or a dorm, by number."""
    return list(
        session.exec(
            select(Person)
            .where((Person.class_id == unit_id) | (Person.dorm_id == unit_id))
            .where(Person.kind == Kind.STUDENT, col(Person.ended_at).is_(None))
            .order_by(col(Person.number))
        )
    )


@dataclass(frozen=True, slots=True)
class Student:
    """A student as somebody may name them."""

    id: int
    name: str
    number: str


def students_of(session: Session, unit_ids: Collection[int]) -> list[Student]:
    """Students of several classes and dorms, by number, nobody twice; one query for a whole school."""
    rows = session.exec(
        select(col(Person.id), Person.name, Person.number)
        .where(col(Person.class_id).in_(unit_ids) | col(Person.dorm_id).in_(unit_ids))
        .where(Person.kind == Kind.STUDENT, col(Person.ended_at).is_(None))
        .order_by(Person.number)
    )
    return [Student(person_id or 0, name, number) for person_id, name, number in rows]


def those_who_left(session: Session, person_ids: Collection[int]) -> set[int]:
    """Those of the people who are no longer on the roster."""
    query = select(Person.id).where(col(Person.id).in_(person_ids), col(Person.ended_at).is_not(None))
    return {person_id for person_id in session.exec(query) if person_id is not None}
