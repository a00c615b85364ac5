"""The roster's imports: each under a number, its checked rows kept until they are applied. Rules: design, Roster."""

from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from models.db import UTCDateTime, enum_column


class ImportState(StrEnum):
    """Where an import stands. Only `applying` has touched the school's people, and it always goes on to `done`."""

    STAGING = "staging"
    APPLYING = "applying"
    DONE = "done"
    ABANDONED = "abandoned"


class RosterImport(SQLModel, table=True):
    """One import. `totals` is JSON: what it adds, changes and ends, counted before the first row is applied."""

    __tablename__ = "roster_import"
    __table_args__ = (
        sa.Index(
            "one_import_applying",
            "state",
            unique=True,
            sqlite_where=sa.text("state = 'applying'"),
            postgresql_where=sa.text("state = 'applying'"),
        ),
    )

    id: int | None = Field(default=None, primary_key=True)
    state: ImportState = Field(sa_type=enum_column(ImportState))
    at: datetime = Field(sa_type=UTCDateTime)
    touched_at: datetime = Field(sa_type=UTCDateTime)  # the machine's time of the last staged batch
    steps: int = 0
    totals: str = Field(default="{}")
    finished_at: datetime | None = Field(default=None, sa_type=UTCDateTime)


class RosterStep(SQLModel, table=True):
    """One staged change, JSON; deleted in the transaction that applies it."""

    __tablename__ = "roster_step"

    import_id: int = Field(primary_key=True, foreign_key="roster_import.id")
    seq: int = Field(primary_key=True)
    kind: str
    body: str
