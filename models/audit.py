"""The journal: one row per fact, written in the transaction that made it true. Ids and counts only, no names, no text."""

import json
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlmodel import Field, Session, SQLModel

from models.db import Fixed, UTCDateTime, enum_column


class Fact(StrEnum):
    """What can have happened."""

    BOUND = "bound"
    BINDING_REFUSED = "binding_refused"
    UNBOUND = "unbound"
    FOLLOWED = "followed"
    UNFOLLOWED = "unfollowed"
    BIND_CODE_MADE = "bind_code_made"
    ROSTER_IMPORTED = "roster_imported"
    ROUND_OPENED = "round_opened"
    CHECKIN_SENT = "checkin_sent"
    CHECKIN_CORRECTED = "checkin_corrected"
    CONCERN_SENT = "concern_sent"
    ALERT_RAISED = "alert_raised"
    ALERT_ANSWERED = "alert_answered"
    ALERT_WITHDRAWN = "alert_withdrawn"
    LINK_MADE = "link_made"
    SUMMARY_READ = "summary_read"
    CONCERN_READ = "concern_read"
    OWN_DATA_SHOWN = "own_data_shown"


class Audit(SQLModel, table=True):
    """One fact. `subject` is `table:id`; details hold ids and counts."""

    id: int | None = Field(default=None, primary_key=True)
    at: datetime = Field(sa_type=UTCDateTime, index=True)
    fact: Fact = Field(sa_type=enum_column(Fact))
    actor_id: int | None = Field(default=None, index=True)
    subject: str = Field(index=True)
    details: str = Field(default="{}")


_INSERT = Fixed(
    lambda: sa.insert(Audit.__table__).values(  # type: ignore[attr-defined]
        {name: sa.bindparam(name) for name in ("at", "fact", "actor_id", "subject", "details")}
    )
)


def record(
    session: Session, fact: Fact, actor_id: int | None, subject: str, *, at: datetime, **details: int | str | None
) -> None:
    """Write one fact."""
    _INSERT.run(
        session,
        at=at,
        fact=fact.value,
        actor_id=actor_id,
        subject=subject,
        details=json.dumps(details) if details else "{}",
    )
