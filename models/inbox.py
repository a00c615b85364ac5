"""The inbox: what came in, once, and what was answered. Rules: design, idea 2; peers C2.1."""

import logging
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlmodel import Field, Session, SQLModel

from models.db import Fixed, UTCDateTime, driver
from models.seal import SealBrokenError, seal, unseal

log = logging.getLogger(__name__)

KEPT_KEYS = timedelta(days=30)
KEPT_REPLIES = timedelta(hours=24)


class Inbox(SQLModel, table=True):
    """One message or event by its key; `reply` is sealed, and NULL where nothing was said or it was emptied."""

    # Emptied rows stay for weeks: without it each sweep would walk over all of them.
    __table_args__ = (
        sa.Index(
            "inbox_with_reply",
            "received_at",
            sqlite_where=sa.text("reply IS NOT NULL"),
            postgresql_where=sa.text("reply IS NOT NULL"),
        ),
    )

    key: str = Field(primary_key=True)
    received_at: datetime = Field(sa_type=UTCDateTime, index=True)
    reply: bytes | None = None


_table = Inbox.__table__  # type: ignore[attr-defined]
_INSERT = Fixed(
    lambda: upsert(_table).values(key=sa.bindparam("key"), received_at=sa.bindparam("at")).on_conflict_do_nothing()
)
_REPLY = Fixed(lambda: sa.select(_table.c.reply).where(_table.c.key == sa.bindparam("key")))
_STORE = Fixed(
    lambda: sa.update(_table).values(reply=sa.bindparam("reply_")).where(_table.c.key == sa.bindparam("key_"))
)
_EMPTY = Fixed(
    lambda: (
        sa.update(_table)
        .values(reply=sa.null())
        .where(
            _table.c.key.in_(
                sa.select(_table.c.key)
                .where(_table.c.received_at < sa.bindparam("before"), _table.c.reply.is_not(None))
                .limit(sa.bindparam("most", type_=sa.Integer))
            )
        )
    )
)
_FORGET = Fixed(
    lambda: sa.delete(_table).where(
        _table.c.key.in_(
            sa.select(_table.c.key)
            .where(_table.c.received_at < sa.bindparam("before"))
            .order_by(_table.c.received_at)
            .limit(sa.bindparam("most", type_=sa.Integer))
        )
    )
)


def take(session: Session, key: str, *, now: datetime) -> bool:
    """Note that a message came in; False when it had come before. Waits for a turn that is still at it."""
    return _INSERT.run(session, key=key, at=now).rowcount == 1


def someone_is_at_it(session: Session, key: str) -> bool:
    """Whether another process holds this key in an open transaction (PostgreSQL; SQLite has one writer)."""
    raw = driver(session)
    if not hasattr(raw, "pgconn"):
        return False
    row = raw.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 7))", (key,)).fetchone()
    return not row[0]


def stored_reply(session: Session, key: str) -> str | None:
    """What was answered to a message that had come before."""
    row = _REPLY.one(session, key=key)
    if row is None or row[0] is None:
        return None
    try:
        return unseal(row[0], f"inbox.reply:{key}")
    except SealBrokenError:
        log.exception("a stored reply does not open: was a key taken out of privacy.encryption_keys too early?")
        return None


def store_reply(session: Session, key: str, reply: str | None) -> None:
    """Keep the answer for repeats."""
    if reply is not None:
        _STORE.run(session, key_=key, reply_=seal(reply, f"inbox.reply:{key}"))


def sweep(
    session: Session, *, now: datetime, keys: timedelta = KEPT_KEYS, replies: timedelta = KEPT_REPLIES, most: int = 500
) -> int:
    """Empty old replies and forget old keys, a small batch of each; returns how many rows changed."""
    emptied = _EMPTY.run(session, before=now - replies, most=most).rowcount
    return emptied + _FORGET.run(session, before=now - keys, most=most).rowcount
