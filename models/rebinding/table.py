"""The table of wishes: which account asks to stand for whom, and where that stands."""

from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlmodel import Field, Session, SQLModel

from models.db import UTCDateTime, enum_column


class RebindState(StrEnum):
    """Where a wish stands."""

    ASKED = "asked"  # the person's own accounts are asked
    PASSED_ON = "passed_on"  # the advisor or the centre is asked
    DONE = "done"
    REFUSED = "refused"
    EXPIRED = "expired"


OPEN = sa.text("state IN ('asked', 'passed_on')")
LIVE = frozenset([RebindState.ASKED, RebindState.PASSED_ON])


class RebindWish(SQLModel, table=True):
    """A wish: the account that asks, and the person it says it is. By `asked_until` whoever is asked now has had their time."""

    __tablename__ = "rebind_wish"
    __table_args__ = (
        sa.Index("one_open_wish", "contact_id", unique=True, sqlite_where=OPEN, postgresql_where=OPEN),
        sa.Index("rebind_wish_open", "asked_until", sqlite_where=OPEN, postgresql_where=OPEN),
    )

    id: int | None = Field(default=None, primary_key=True)
    contact_id: int = Field(foreign_key="contact.id")
    person_id: int = Field(foreign_key="person.id", index=True)
    state: RebindState = Field(default=RebindState.ASKED, sa_type=enum_column(RebindState))
    created_at: datetime = Field(sa_type=UTCDateTime)
    asked_until: datetime = Field(sa_type=UTCDateTime)
    decided_by: int | None = Field(default=None, foreign_key="person.id")
    decided_at: datetime | None = Field(default=None, sa_type=UTCDateTime)

    @property
    def fact(self) -> str:
        """As the journal and the outbox name it."""
        return f"rebind_wish:{self.id}"


def end(session: Session, it: RebindWish, state: RebindState, by: int | None, *, now: datetime) -> None:
    """A wish is over; `by` is who decided it, None when nobody did."""
    it.state, it.decided_by, it.decided_at = state, by, now
    session.add(it)
