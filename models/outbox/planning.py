"""Planning a push: a row in the transaction of the fact it tells."""

import json
import secrets
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlmodel import Session

from models.db import Fixed
from models.outbox.kinds import KINDS, PushKind, Urgency
from models.outbox.table import Push

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

_table = Push.__table__  # type: ignore[attr-defined]
_TEXTS = ("dedupe_key", "fact", "number", "kind", "data", "urgency")
_INSERT = Fixed(
    lambda: (
        upsert(_table)
        .values(
            {name: sa.bindparam(name, type_=sa.String) for name in _TEXTS}
            | {name: sa.bindparam(name) for name in ("person_id", "created_at", "due_at", "next_at", "expires_at")}
            | {
                "state": sa.literal_column("'queued'"),
                "fence": sa.literal_column("0"),
                "attempts": sa.literal_column("0"),
            }
        )
        .on_conflict_do_nothing(index_elements=[_table.c.dedupe_key])
        .returning(_table.c.id)
    )
)


def plan(  # noqa: PLR0913 — a push is its whole row
    session: Session,
    fact: str,
    kind: PushKind,
    person_id: int,
    *,
    now: datetime,
    due: datetime | None = None,
    lasts: timedelta | None = None,
    spread: timedelta = timedelta(),
    step: str = "1",
    **data: object,
) -> int | None:
    """Write one push; None when it had been planned before.

    Shape: `fact` is `table:id@version`. `data` holds ids for the check at sending, and what the words may show (`fields` of the
        kind): no student's name, topic or reason.
    Units: `lasts` from due to expiry, the kind's own unless given; `spread` is how much later it goes, so that many do not go
        at one moment.
    """
    rule = KINDS[kind]
    due = due or now
    row = _INSERT.one(
        session,
        dedupe_key=f"{fact}:{kind.value}:{step}:person:{person_id}",
        fact=fact,
        number="".join(secrets.choice(_ALPHABET) for _ in range(4)),
        person_id=person_id,
        kind=kind.value,
        data=json.dumps(data, ensure_ascii=False),
        urgency=rule.urgency.value,
        created_at=now,
        due_at=due,
        next_at=due + spread,
        expires_at=due + (rule.lasts if lasts is None else lasts),
    )
    if row is None:
        return None
    session.info.setdefault("planned", []).append((row[0], rule.urgency))
    return int(row[0])


def planned(session: Session) -> list[tuple[int, Urgency]]:
    """What this unit of work has planned, for the doorbell after its commit."""
    return list(session.info.get("planned", []))
