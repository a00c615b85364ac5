"""Units: the school's four levels. Rules: domain Z-01, D-01, K-15, J-01; level names are the school's own."""

from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa
from sqlmodel import Field, Session, SQLModel, col, select

from models.db import Fixed, enum_column


class Level(StrEnum):
    """The four levels, top first."""

    SCHOOL = "school"
    COLLEGE = "college"
    CLASS = "class"
    DORM = "dorm"


class Unit(SQLModel, table=True):
    """One node of the network. A dorm stands under the school: it may hold several classes."""

    __table_args__ = (sa.UniqueConstraint("level", "parent_id", "name"),)

    id: int | None = Field(default=None, primary_key=True)
    level: Level = Field(sa_type=enum_column(Level))
    name: str = Field(index=True)
    parent_id: int | None = Field(default=None, foreign_key="unit.id", index=True)


def find_school(session: Session) -> Unit | None:
    """The root; None before the first import."""
    return session.exec(select(Unit).where(Unit.level == Level.SCHOOL)).first()


@dataclass(frozen=True, slots=True)
class Place:
    """A unit as a turn needs it."""

    id: int
    level: Level
    name: str


_table = Unit.__table__  # type: ignore[attr-defined]
_PLACE = Fixed(
    lambda: sa.select(_table.c.id, _table.c.level, _table.c.name).where(_table.c.id == sa.bindparam("unit_id"))
)


def place(session: Session, unit_id: int) -> Place:
    """A unit's level and name."""
    row = _PLACE.one(session, unit_id=unit_id)
    if row is None:
        msg = "a post or a person points at a unit that is not there"
        raise LookupError(msg)
    return Place(row[0], Level(row[1]), row[2])


def below(session: Session, unit_id: int, level: Level) -> list[Unit]:
    """Units of one level at or under a unit, by name."""
    top = session.get_one(Unit, unit_id)
    if top.level is level:
        return [top]
    query = select(Unit).where(Unit.level == level).order_by(col(Unit.name))
    if top.level is Level.COLLEGE:
        query = query.where(Unit.parent_id == unit_id)
    elif top.level is not Level.SCHOOL:
        return []
    return list(session.exec(query))
