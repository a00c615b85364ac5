"""The outbox: what must be told, to whom, by when, and what became of it. Rules: design, idea 3.

A row is written in the transaction of the fact it tells. Its dedupe key names the fact, its version, the kind, the step and
the recipient, so planning twice plans once. A worker claims due rows under a lease with a fencing token and settles them
with the same token: a worker that slept through its lease settles nothing.
"""

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlmodel import Field, Session, SQLModel, col, select

from models.channel import Channel
from models.db import Fixed, UTCDateTime, enum_column, utc

LEASE = timedelta(seconds=8)
ATTEMPTS = 6
RETRY_STEPS = tuple(timedelta(seconds=s) for s in (2, 5, 15, 60, 300))
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class PushKind(StrEnum):
    """What a push tells; its words are `push.<kind>`, its template `official_account.templates.<kind>`."""

    CLASS_OPENED = "class_opened"
    CLASS_REMINDER = "class_reminder"
    DORM_OPENED = "dorm_opened"
    DORM_REMINDER = "dorm_reminder"
    CHECKIN_CAME = "checkin_came"
    CONCERN_CAME = "concern_came"
    ALERT = "alert"
    ALERT_FACTS = "alert_facts"


class Urgency(StrEnum):
    """How a push is hurried."""

    ROUTINE = "routine"
    IMPORTANT = "important"
    URGENT = "urgent"


class PushState(StrEnum):
    """Where a push stands; the last four are ends."""

    QUEUED = "queued"
    SENDING = "sending"
    ACCEPTED = "accepted"
    SUPPRESSED = "suppressed"
    UNCERTAIN = "uncertain"
    EXHAUSTED = "exhausted"


class Push(SQLModel, table=True):
    """One row of the outbox."""

    __tablename__ = "outbox"
    __table_args__ = (
        sa.Index(
            "outbox_due",
            "due_at",
            sqlite_where=sa.text("state IN ('queued', 'sending')"),
            postgresql_where=sa.text("state IN ('queued', 'sending')"),
        ),
    )

    id: int | None = Field(default=None, primary_key=True)
    dedupe_key: str = Field(unique=True)
    number: str
    person_id: int = Field(foreign_key="person.id", index=True)
    kind: PushKind = Field(sa_type=enum_column(PushKind))
    data: str = Field(default="{}")
    urgency: Urgency = Field(sa_type=enum_column(Urgency))
    state: PushState = Field(default=PushState.QUEUED, sa_type=enum_column(PushState))
    created_at: datetime = Field(sa_type=UTCDateTime)
    due_at: datetime = Field(sa_type=UTCDateTime)
    expires_at: datetime = Field(sa_type=UTCDateTime)
    lease_until: datetime | None = Field(default=None, sa_type=UTCDateTime)
    fence: int = Field(default=0)
    attempts: int = Field(default=0)
    channel: Channel | None = Field(default=None, sa_type=enum_column(Channel))
    outcome: str | None = None  # the platform's code of the last attempt
    reason: str | None = None
    settled_at: datetime | None = Field(default=None, sa_type=UTCDateTime)


_table = Push.__table__  # type: ignore[attr-defined]
_INSERT = Fixed(
    lambda: (
        upsert(_table)
        .values(
            {name: sa.bindparam(name, type_=sa.String) for name in ("dedupe_key", "number", "kind", "data", "urgency")}
            | {name: sa.bindparam(name) for name in ("person_id", "created_at", "due_at", "expires_at")}
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
    urgency: Urgency,
    now: datetime,
    lasts: timedelta,
    due: datetime | None = None,
    step: str = "1",
    **data: object,
) -> int | None:
    """Write one push; None when it had been planned before.

    Shape: `fact` is `table:id@version`. `data` holds what the words may show: no student's name, topic or reason.
    """
    row = _INSERT.one(
        session,
        dedupe_key=f"{fact}:{kind.value}:{step}:person:{person_id}",
        number="".join(secrets.choice(_ALPHABET) for _ in range(4)),
        person_id=person_id,
        kind=kind.value,
        data=json.dumps(data, ensure_ascii=False),
        urgency=urgency.value,
        created_at=now,
        due_at=due or now,
        expires_at=(due or now) + lasts,
    )
    if row is None:
        return None
    session.info.setdefault("planned", []).append((row[0], urgency))
    return int(row[0])


def planned(session: Session) -> list[tuple[int, Urgency]]:
    """What this unit of work has planned, for the doorbell after its commit."""
    return list(session.info.get("planned", []))


@dataclass(frozen=True)
class Letter:
    """A claimed push: everything a sender needs, outside any transaction."""

    id: int
    fence: int
    number: str
    person_id: int
    kind: PushKind
    data: dict[str, Any]
    urgency: Urgency
    due_at: datetime
    expires_at: datetime
    attempts: int
    lease_until: datetime
    outcome: str | None  # what the attempt before left: the platform's code, or a mark that its answer never came


_LETTER = (
    "id",
    "fence",
    "number",
    "person_id",
    "kind",
    "data",
    "urgency",
    "due_at",
    "expires_at",
    "attempts",
    "lease_until",
    "outcome",
)
# Spelled out, not bound: with parameters in it SQLite would not see that the partial index answers it.
_LIVE = _table.c.state.in_([sa.literal_column("'queued'"), sa.literal_column("'sending'")])
_FREE = (_table.c.lease_until.is_(None)) | (_table.c.lease_until < sa.bindparam("machine"))


def _claim(which: sa.ColumnElement[bool]) -> sa.sql.ClauseElement:
    return (
        sa.update(_table)
        .values(
            state=sa.literal_column("'sending'"),
            fence=_table.c.fence + 1,
            attempts=_table.c.attempts + 1,
            lease_until=sa.bindparam("lease_until_"),
        )
        .where(which)
        .returning(*[_table.c[name] for name in _LETTER])
    )


_CLAIM = Fixed(
    lambda: _claim(
        _table.c.id.in_(
            sa.select(_table.c.id)
            .where(_LIVE, _table.c.due_at <= sa.bindparam("now"), _FREE)
            .order_by(sa.case((_table.c.urgency == sa.literal_column("'urgent'"), 0), else_=1), _table.c.due_at)
            .limit(sa.bindparam("most", type_=sa.Integer))
            .with_for_update(skip_locked=True)
        )
    )
)
_CLAIM_ONE = Fixed(
    lambda: _claim(sa.and_(_table.c.id == sa.bindparam("id_"), _LIVE, _table.c.due_at <= sa.bindparam("now"), _FREE))
)


def _letter(row: Sequence[Any]) -> Letter:
    return Letter(
        id=row[0],
        fence=row[1],
        number=row[2],
        person_id=row[3],
        kind=PushKind(row[4]),
        data=json.loads(row[5]),
        urgency=Urgency(row[6]),
        due_at=utc(row[7]),
        expires_at=utc(row[8]),
        attempts=row[9],
        lease_until=utc(row[10]),
        outcome=row[11],
    )


def claim_due(session: Session, most: int, *, now: datetime, machine: datetime) -> list[Letter]:
    """Take due rows that nobody holds, urgent ones first; a row whose holder fell silent is taken again."""
    rows = _CLAIM.all(session, now=now, machine=machine, lease_until_=machine + LEASE, most=most)
    return sorted(
        (_letter(row) for row in rows), key=lambda letter: (letter.urgency is not Urgency.URGENT, letter.due_at)
    )


def claim_one(session: Session, push_id: int, *, now: datetime, machine: datetime) -> Letter | None:
    """Take one row by id if it is due and nobody holds it."""
    row = _CLAIM_ONE.one(session, id_=push_id, now=now, machine=machine, lease_until_=machine + LEASE)
    return None if row is None else _letter(row)


_HELD = (
    _table.c.id == sa.bindparam("id_"),
    _table.c.fence == sa.bindparam("fence_"),
    _table.c.state == sa.literal_column("'sending'"),
    _table.c.lease_until > sa.bindparam("machine"),
)
_HOLDS = Fixed(lambda: sa.select(_table.c.id).where(*_HELD))


def still_holds(session: Session, letter: Letter, *, machine: datetime) -> bool:
    """Whether the claim is still this worker's, looked up just before the request."""
    return _HOLDS.one(session, id_=letter.id, fence_=letter.fence, machine=machine) is not None


_RENEW = Fixed(lambda: sa.update(_table).values(lease_until=sa.bindparam("lease_until_")).where(*_HELD))
_MARK = Fixed(
    lambda: (
        sa.update(_table)
        .values(lease_until=sa.bindparam("lease_until_"), outcome=sa.bindparam("outcome_"))
        .where(*_HELD)
    )
)


def renew(session: Session, letter: Letter, *, machine: datetime) -> bool:
    """Keep a claim for another lease; False when it had run out, whoever holds the row now."""
    row = _RENEW.run(session, id_=letter.id, fence_=letter.fence, machine=machine, lease_until_=machine + LEASE)
    return row.rowcount == 1


def mark(session: Session, letter: Letter, outcome: str | None, *, machine: datetime) -> bool:
    """Write what is about to be tried, and keep the claim; False when the claim had run out.

    Where a platform cannot tell a repeat, whoever takes the row next must know that a request may already have gone out.
    """
    row = _MARK.run(
        session, id_=letter.id, fence_=letter.fence, machine=machine, lease_until_=machine + LEASE, outcome_=outcome
    )
    return row.rowcount == 1


@dataclass(frozen=True)
class Outcome:
    """What became of one attempt. `again_at` set: not an end, try then."""

    letter: Letter
    state: PushState
    channel: Channel | None = None
    code: str | None = None
    reason: str | None = None
    again_at: datetime | None = None


_SETTLE = Fixed(
    lambda: (
        sa.update(_table)
        .values(
            state=sa.bindparam("state_", type_=sa.String),
            channel=sa.bindparam("channel_", type_=sa.String),
            outcome=sa.bindparam("outcome_"),
            reason=sa.bindparam("reason_"),
            due_at=sa.bindparam("due_"),
            settled_at=sa.bindparam("settled_"),
            lease_until=sa.null(),
        )
        .where(
            _table.c.id == sa.bindparam("id_"),
            _table.c.fence == sa.bindparam("fence_"),
            _table.c.state == sa.literal_column("'sending'"),
        )
    )
)


def settle(session: Session, outcome: Outcome, *, now: datetime) -> bool:
    """Write what became of an attempt; False when the row had gone to another worker meanwhile."""
    ended = outcome.again_at is None
    return (
        _SETTLE.run(
            session,
            id_=outcome.letter.id,
            fence_=outcome.letter.fence,
            state_=(outcome.state if ended else PushState.QUEUED).value,
            channel_=outcome.channel.value if outcome.channel else None,
            outcome_=outcome.code,
            reason_=outcome.reason,
            due_=outcome.letter.due_at if outcome.again_at is None else outcome.again_at,
            settled_=now if ended else None,
        ).rowcount
        == 1
    )


def anything_due(session: Session, *, now: datetime, machine: datetime) -> bool:
    """Whether a drain would find something."""
    query = (
        select(Push.id)
        .where(_LIVE, col(Push.due_at) <= now)
        .where(col(Push.lease_until).is_(None) | (col(Push.lease_until) < machine))
        .limit(1)
    )
    return session.exec(query).first() is not None


def late_urgent(session: Session, *, now: datetime, machine: datetime, after: timedelta) -> list[int]:
    """Urgent rows that nobody claimed `after` they were due, oldest first."""
    query = (
        select(Push.id)
        .where(_LIVE, Push.urgency == Urgency.URGENT)
        .where(col(Push.due_at) <= now - after, col(Push.lease_until).is_(None) | (col(Push.lease_until) < machine))
        .order_by(col(Push.due_at))
        .limit(100)
    )
    return [push_id for push_id in session.exec(query) if push_id is not None]


def next_due(session: Session) -> datetime | None:
    """When the next live row is due."""
    found = session.exec(select(sa.func.min(Push.due_at)).where(_LIVE)).one()
    return None if found is None else utc(found)
