"""How long the outbox remembers: rows that ended long ago go, with their attempts. The sums in `push_tally` stay."""

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session

from models.db import Among, Fixed, json_ids, utc
from models.outbox.table import Push, PushAttempt

_table, _attempts = Push.__table__, PushAttempt.__table__  # type: ignore[attr-defined]
_WALK = Fixed(
    lambda: (
        sa.select(_table.c.id, _table.c.created_at, _table.c.settled_at)
        .where(_table.c.id > sa.bindparam("after"))
        .order_by(_table.c.id)
        .limit(sa.bindparam("most", type_=sa.Integer))
    )
)
_TAKE = Fixed(
    lambda: (
        sa.select(_table.c.id)
        .where(Among(_table.c.id, "ids"), _table.c.settled_at < sa.bindparam("before"))
        .with_for_update(skip_locked=True)
    )
)
_FORGET_ATTEMPTS = Fixed(lambda: sa.delete(_attempts).where(Among(_attempts.c.push_id, "ids")))
_FORGET = Fixed(lambda: sa.delete(_table).where(Among(_table.c.id, "ids")))


def over_since(
    session: Session, *, before: datetime, after: int = 0, most: int = 2_000
) -> tuple[list[int], int | None]:
    """The ids of rows that ended before a moment, a stretch of them, and the id to go on after; None when that was the last.

    Rows are walked as they were written, so no index over millions of ended rows is needed: what was written after `before`
    cannot have ended before it.
    """
    rows = _WALK.all(session, after=after, most=most)
    ids = [int(row[0]) for row in rows if row[2] is not None and utc(row[2]) < before]
    goes_on = len(rows) == most and utc(rows[-1][1]) < before
    return ids, int(rows[-1][0]) if goes_on else None


def forget(session: Session, ids: Collection[int], *, before: datetime) -> int:
    """Delete those of the rows that ended before a moment, with their attempts; returns how many."""
    taken = json_ids(row[0] for row in _TAKE.all(session, ids=json_ids(ids), before=before))
    _FORGET_ATTEMPTS.run(session, ids=taken)
    return _FORGET.run(session, ids=taken).rowcount
