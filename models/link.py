"""Links: ten minutes to one page, for the person who asked. Rules: design, idea 5.

The token stands for its asker; access is checked again when it is opened; opening spends it.
"""

import secrets
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Field, Session, SQLModel, col, delete, select

from models.audit import Fact, record
from models.db import Fixed, UTCDateTime
from models.errors import NotFoundError
from models.outbox import note_opened
from models.seal import digest
from models.talk import Actor

LASTS = timedelta(minutes=10)


class Link(SQLModel, table=True):
    """One link; only a digest of its token is kept. `target` is `class:5` or `alert:12`."""

    id: int | None = Field(default=None, primary_key=True)
    token_digest: str = Field(unique=True)
    person_id: int = Field(foreign_key="person.id")
    target: str
    expires_at: datetime = Field(sa_type=UTCDateTime, index=True)
    spent_at: datetime | None = Field(default=None, sa_type=UTCDateTime)


def make_link(session: Session, actor: Actor, target: str, *, now: datetime) -> str:
    """A new token for one page."""
    token = secrets.token_urlsafe(24)
    it = Link(token_digest=digest(token, "link"), person_id=actor.person, target=target, expires_at=now + LASTS)
    session.add(it)
    session.flush()
    record(session, Fact.LINK_MADE, actor.person, target, at=now)
    return token


def find_link(session: Session, token: str, *, now: datetime) -> Link:
    """A link that can still be opened. Raises: NotFoundError when it is unknown, old or spent."""
    it = session.exec(select(Link).where(Link.token_digest == digest(token, "link"))).first()
    if it is None or it.spent_at is not None or it.expires_at <= now:
        raise NotFoundError("page.link_over")
    return it


def spend_link(session: Session, token: str, *, now: datetime) -> Link:
    """Open a link, once; what was pushed to its person has been seen then. Raises: NotFoundError."""
    row = _SPEND.one(session, digest_=digest(token, "link"), now=now)
    if row is None:
        raise NotFoundError("page.link_over")
    it = session.get_one(Link, row[0])
    note_opened(session, it.person_id, now=now)
    return it


_table = Link.__table__  # type: ignore[attr-defined]
_SPEND = Fixed(
    lambda: (
        sa.update(_table)
        .values(spent_at=sa.bindparam("now"))
        .where(_table.c.token_digest == sa.bindparam("digest_"))
        .where(_table.c.spent_at.is_(None), _table.c.expires_at > sa.bindparam("now"))
        .returning(_table.c.id)
    )
)


def forget_links(session: Session, *, now: datetime) -> None:
    """Drop links that nobody can open any more."""
    session.exec(delete(Link).where(col(Link.expires_at) < now - timedelta(days=1)))
