"""Claiming: due rows are taken under a lease with a fencing token; a row whose holder fell silent is taken again.

Urgent rows come first, by an index of their own: however many others wait, nobody sorts them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from models.db import Among, Fixed, json_ids, utc
from models.outbox.kinds import PushKind, Urgency, kind_of
from models.outbox.table import BEFORE, AttemptOutcome, Push, PushAttempt, data_of

LEASE = timedelta(seconds=8)
NO_LEASE_IS_LONGER = timedelta(minutes=1)
"""One that is has been written by a clock that was wrong, and holds nobody."""


@dataclass(frozen=True)
class Past:
    """What an earlier request for a push came to."""

    channel: str
    way: str
    outcome: AttemptOutcome
    code: str | None
    began_at: datetime


@dataclass(frozen=True)
class Letter:
    """A claimed push: everything that sending takes, outside any transaction."""

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
    held_for: str | None
    counted: int | None
    outcome: str | None
    paced_at: datetime | None = None  # when a message of its own was begun, the last time
    past: tuple[Past, ...] = ()
    carried: "tuple[Letter, ...]" = ()
    update: str | None = None  # the handle of a card that is to say this instead

    @property
    def in_doubt(self) -> frozenset[tuple[str, str]]:
        """The channels and ways over which a request may have arrived without anybody knowing."""
        doubt: set[tuple[str, str]] = set()
        for past in self.past:
            if past.outcome in {AttemptOutcome.ASKED, AttemptOutcome.NO_ANSWER}:
                doubt.add((past.channel, past.way))
            elif past.outcome is AttemptOutcome.FAILED:  # the platform's own word, later than its acceptance
                doubt.discard((past.channel, past.way))
        return frozenset(doubt)

    @property
    def answer_was_lost(self) -> bool:
        """Whether an earlier request may have arrived without anybody knowing: its message must not change."""
        return self.went_untold or bool(self.in_doubt)

    @property
    def went_untold(self) -> bool:
        """Whether a message was begun of which nobody wrote what became: its sender died, and may have sent it."""
        return self.paced_at is not None and all(past.began_at < self.paced_at for past in self.past)


_table = Push.__table__  # type: ignore[attr-defined]
_attempts = PushAttempt.__table__  # type: ignore[attr-defined]
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
    "held_for",
    "counted",
    "outcome",
    "paced_at",
)
# Spelled out, not bound: with parameters in it SQLite would not see that the partial indexes answer it.
LIVE = _table.c.state.in_([sa.literal_column("'queued'"), sa.literal_column("'sending'")])
IS_URGENT = _table.c.urgency == sa.literal_column("'urgent'")
IS_NOT_URGENT = _table.c.urgency != sa.literal_column("'urgent'")
FREE = (
    _table.c.lease_until.is_(None)
    | (_table.c.lease_until < sa.bindparam("machine"))
    | (_table.c.lease_until > sa.bindparam("too_long"))
)


def _claim(which: sa.ColumnElement[bool]) -> sa.sql.ClauseElement:
    return (
        sa.update(_table)
        .values(
            state=sa.literal_column("'sending'"),
            fence=_table.c.fence + 1,
            lease_until=sa.bindparam("lease_until_"),
        )
        .where(which)
        .returning(*[_table.c[name] for name in _LETTER])
    )


def _due(urgency: sa.ColumnElement[bool]) -> Fixed:
    return Fixed(
        lambda: _claim(
            _table.c.id.in_(
                sa.select(_table.c.id)
                .where(LIVE, urgency, _table.c.next_at <= sa.bindparam("now"), FREE)
                .order_by(_table.c.next_at)
                .limit(sa.bindparam("most", type_=sa.Integer))
                .with_for_update(skip_locked=True)
            )
        )
    )


_CLAIM_URGENT, _CLAIM_OTHERS = _due(IS_URGENT), _due(IS_NOT_URGENT)
_CLAIM_ONE = Fixed(
    lambda: _claim(sa.and_(_table.c.id == sa.bindparam("id_"), LIVE, _table.c.next_at <= sa.bindparam("now"), FREE))
)
_PAST = Fixed(
    lambda: (
        sa.select(
            _attempts.c.push_id,
            _attempts.c.channel,
            _attempts.c.way,
            _attempts.c.outcome,
            _attempts.c.code,
            _attempts.c.began_at,
        )
        .where(Among(_attempts.c.push_id, "ids"), _attempts.c.fence > sa.literal_column(str(BEFORE)))
        .order_by(_attempts.c.id)
    )
)
_CARRIED = Fixed(
    lambda: (
        sa.select(_table.c.carrier_id, *[_table.c[name] for name in _LETTER])
        .where(Among(_table.c.carrier_id, "ids"), _table.c.state == sa.literal_column("'carried'"))
        .order_by(_table.c.id)
    )
)


_NONE = datetime.min.replace(tzinfo=UTC)
"""The lease of a row that another carries: it has none."""


def _times(now: datetime, machine: datetime) -> dict[str, datetime]:
    return {
        "now": now,
        "machine": machine,
        "too_long": machine + NO_LEASE_IS_LONGER,
        "lease_until_": machine + LEASE,
    }


def _letter(row: Sequence[Any]) -> Letter:
    return Letter(
        id=row[0],
        fence=row[1],
        number=row[2],
        person_id=row[3],
        kind=kind_of(row[4]),
        data=data_of(row[5]),
        urgency=Urgency(row[6]),
        due_at=utc(row[7]),
        expires_at=utc(row[8]),
        attempts=row[9],
        lease_until=utc(row[10]) if row[10] is not None else _NONE,
        held_for=row[11],
        counted=row[12],
        outcome=row[13],
        paced_at=None if row[14] is None else utc(row[14]),
    )


def claim_due(session: Session, most: int, *, now: datetime, machine: datetime) -> list[Letter]:
    """Take due rows that nobody holds, urgent ones first, each with what it carries and what was tried before."""
    times = _times(now, machine)
    rows = list(_CLAIM_URGENT.all(session, **times, most=most))
    if len(rows) < most:
        rows += _CLAIM_OTHERS.all(session, **times, most=most - len(rows))
    letters = sorted(map(_letter, rows), key=lambda it: (it.urgency is not Urgency.URGENT, it.due_at, it.id))
    return _complete(session, letters)


def claim_these(session: Session, push_ids: Iterable[int], *, now: datetime, machine: datetime) -> list[Letter]:
    """Take rows by id, those that are due and that nobody holds."""
    times = _times(now, machine)
    rows = [row for push_id in push_ids if (row := _CLAIM_ONE.one(session, id_=push_id, **times)) is not None]
    return _complete(session, list(map(_letter, rows)))


def _complete(session: Session, letters: list[Letter]) -> list[Letter]:
    again = [it.id for it in letters if it.fence > 1]  # a row that was never claimed carries nothing and tried nothing
    if not again:
        return letters
    past: dict[int, list[Past]] = {}
    for row in _PAST.all(session, ids=json_ids(again)):
        past.setdefault(row[0], []).append(Past(row[1], row[2], AttemptOutcome(row[3]), row[4], utc(row[5])))
    carried: dict[int, list[Letter]] = {}
    for row in _CARRIED.all(session, ids=json_ids(again)):
        carried.setdefault(row[0], []).append(_letter(row[1:]))
    return [replace(it, past=tuple(past.get(it.id, ())), carried=tuple(carried.get(it.id, ()))) for it in letters]


_RENEW = Fixed(
    lambda: (
        sa.update(_table)
        .values(lease_until=sa.bindparam("lease_until_"))
        .where(
            _table.c.id == sa.bindparam("id_"),
            _table.c.fence == sa.bindparam("fence_"),
            _table.c.state == sa.literal_column("'sending'"),
            _table.c.lease_until > sa.bindparam("machine"),
        )
    )
)


def renew(session: Session, letter: Letter, *, machine: datetime) -> datetime | None:
    """Keep a claim for another lease, and say until when; None when it had run out, whoever holds the row now."""
    until = machine + LEASE
    kept = _RENEW.run(session, id_=letter.id, fence_=letter.fence, machine=machine, lease_until_=until).rowcount
    return until if kept == 1 else None


_PUT_OFF = Fixed(
    lambda: (
        sa.update(_table)
        .values(
            state=sa.literal_column("'queued'"),
            next_at=sa.bindparam("until_"),
            held_for=sa.bindparam("held_for_"),
            lease_until=sa.null(),
        )
        .where(_table.c.id == sa.bindparam("id_"), _table.c.fence == sa.bindparam("fence_"))
        .where(_table.c.state == sa.literal_column("'sending'"))
    )
)


def put_off(session: Session, letters: Iterable[tuple[Letter, datetime, str]]) -> None:
    """Give rows back until a moment, with why: nothing was tried. One that ends before is looked at as it ends."""
    _PUT_OFF.many(
        session,
        [
            {"id_": it.id, "fence_": it.fence, "until_": min(until, it.expires_at), "held_for_": why}
            for it, until, why in letters
        ],
    )
