"""Pulses: whatever must go on says from time to time that it does; whoever watches it looks here. Times are the machine's."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlmodel import Field, Session, SQLModel

from models.db import Fixed, UTCDateTime, utc


class Pulse(SQLModel, table=True):
    """The last beat of something; `found` is what it has to say, a number."""

    name: str = Field(primary_key=True)
    at: datetime = Field(sa_type=UTCDateTime)
    found: int = 0


_table = Pulse.__table__  # type: ignore[attr-defined]
_BEAT = Fixed(
    lambda: (
        upsert(_table)
        .values(name=sa.bindparam("name"), at=sa.bindparam("at"), found=sa.bindparam("found"))
        .on_conflict_do_update(
            index_elements=["name"], set_={"at": sa.text("excluded.at"), "found": sa.text("excluded.found")}
        )
    )
)
_LAST = Fixed(lambda: sa.select(_table.c.at, _table.c.found).where(_table.c.name == sa.bindparam("name")))


def beat(session: Session, name: str, *, machine: datetime, found: int = 0) -> None:
    """Say that it goes on."""
    _BEAT.run(session, name=name, at=machine, found=found)


def last_beat(session: Session, name: str) -> tuple[datetime, int] | None:
    """When it was last heard, and what it found; None when never."""
    row = _LAST.one(session, name=name)
    return None if row is None else (utc(row[0]), row[1])
