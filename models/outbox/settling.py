"""Settling: what became of a claimed push, written only by whoever still holds it, with every request that was made for it."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlmodel import Session

from models.db import Fixed
from models.outbox.claiming import LEASE, Letter
from models.outbox.table import AttemptOutcome, Push, PushAttempt, PushState, PushTally, Reason, late_bucket


@dataclass(frozen=True)
class Try:
    """One request. `attempt_id` is set when it had been written before it went out."""

    channel: str
    way: str
    began_at: datetime
    ended_at: datetime
    outcome: AttemptOutcome
    code: str | None = None
    handle: str | None = None
    attempt_id: int | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of a claimed push. `again_at` set: not an end, look then; `tried` says whether that used up an attempt."""

    letter: Letter
    state: PushState
    channel: str | None = None
    way: str | None = None
    code: str | None = None
    reason: Reason | None = None
    again_at: datetime | None = None
    tried: bool = True
    tries: Sequence[Try] = ()


_table, _attempts, _tally = Push.__table__, PushAttempt.__table__, PushTally.__table__  # type: ignore[attr-defined]
_SETTLE = Fixed(
    lambda: (
        sa.update(_table)
        .values(
            state=sa.bindparam("state_", type_=sa.String),
            channel=sa.bindparam("channel_"),
            way=sa.bindparam("way_"),
            outcome=sa.bindparam("outcome_"),
            reason=sa.bindparam("reason_"),
            attempts=_table.c.attempts + sa.bindparam("tried_", type_=sa.Integer),
            next_at=sa.func.coalesce(sa.bindparam("next_"), _table.c.next_at),
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
_CARRIED_END = Fixed(
    lambda: (
        sa.update(_table)
        .values(
            state=sa.bindparam("state_", type_=sa.String),
            channel=sa.bindparam("channel_"),
            way=sa.bindparam("way_"),
            reason=sa.bindparam("reason_"),
            settled_at=sa.bindparam("settled_"),
        )
        .where(_table.c.carrier_id == sa.bindparam("id_"), _table.c.state == sa.literal_column("'carried'"))
    )
)
_SET_DOWN = Fixed(
    lambda: (
        sa.update(_table)
        .values(state=sa.literal_column("'queued'"), carrier_id=sa.null(), next_at=sa.bindparam("now_"))
        .where(_table.c.carrier_id == sa.bindparam("id_"), _table.c.state == sa.literal_column("'carried'"))
    )
)
_HELD = (
    _table.c.id == sa.bindparam("id_"),
    _table.c.fence == sa.bindparam("fence_"),
    _table.c.state == sa.literal_column("'sending'"),
    _table.c.lease_until > sa.bindparam("machine"),
)
_RENEW = Fixed(lambda: sa.update(_table).values(lease_until=sa.bindparam("lease_until_")).where(*_HELD))
_ATTEMPT = ("push_id", "fence", "channel", "way", "began_at", "ended_at", "code", "outcome", "handle")
_TRIED = Fixed(
    lambda: sa.insert(_attempts).values({name: sa.bindparam(name, type_=sa.types.NullType()) for name in _ATTEMPT})
)
_BEGUN = Fixed(
    lambda: (
        sa.insert(_attempts)
        .values({name: sa.bindparam(name, type_=sa.types.NullType()) for name in _ATTEMPT})
        .returning(_attempts.c.id)
    )
)
_ANSWERED = Fixed(
    lambda: (
        sa.update(_attempts)
        .values(
            ended_at=sa.bindparam("ended_"),
            code=sa.bindparam("code_"),
            outcome=sa.bindparam("outcome_", type_=sa.String),
            handle=sa.bindparam("handle_"),
        )
        .where(_attempts.c.id == sa.bindparam("id_"))
    )
)
_COUNT = Fixed(
    lambda: (
        upsert(_tally)
        .values({name: sa.bindparam(name) for name in ("subject", "outcome", "channel", "code", "count")})
        .on_conflict_do_update(
            index_elements=["subject", "outcome", "channel", "code"],
            set_={"count": _tally.c.count + sa.text("excluded.count")},
        )
    )
)


def begin(session: Session, letter: Letter, channel: str, way: str, *, now: datetime, machine: datetime) -> int | None:
    """Write that a request is about to go out whose repeat nobody could tell, and keep the claim for it.

    Shape: the attempt's id; None when the claim had run out.
    """
    kept = _RENEW.run(session, id_=letter.id, fence_=letter.fence, machine=machine, lease_until_=machine + LEASE)
    if kept.rowcount != 1:
        return None
    row = _BEGUN.one(
        session,
        push_id=letter.id,
        fence=letter.fence,
        channel=channel,
        way=way,
        began_at=now,
        ended_at=None,
        code=None,
        outcome=AttemptOutcome.ASKED.value,
        handle=None,
    )
    return None if row is None else int(row[0])


def settle(session: Session, outcomes: Sequence[Outcome], *, now: datetime) -> list[Outcome]:
    """Write what became of claimed pushes, and of those they carried; returns those that were still ours to write."""
    ours = [it for it in outcomes if _settle_one(session, it, now=now)]
    # What was asked is history whoever holds the row now.
    tries = [(it.letter, each) for it in outcomes for each in it.tries]
    _TRIED.many(session, [_row_of(letter, each) for letter, each in tries if each.attempt_id is None])
    _ANSWERED.many(
        session,
        [
            {
                "id_": each.attempt_id,
                "ended_": each.ended_at,
                "code_": each.code,
                "outcome_": each.outcome.value,
                "handle_": each.handle,
            }
            for _, each in tries
            if each.attempt_id is not None
        ],
    )
    tally(session, _sums(ours, [each for _, each in tries], now))
    return ours


def _row_of(letter: Letter, it: Try) -> dict[str, object]:
    return {
        "push_id": letter.id,
        "fence": letter.fence,
        "channel": it.channel,
        "way": it.way,
        "began_at": it.began_at,
        "ended_at": it.ended_at,
        "code": it.code,
        "outcome": it.outcome.value,
        "handle": it.handle,
    }


def _settle_one(session: Session, it: Outcome, *, now: datetime) -> bool:
    ended = it.again_at is None
    settled = _SETTLE.run(
        session,
        id_=it.letter.id,
        fence_=it.letter.fence,
        state_=(it.state if ended else PushState.QUEUED).value,
        channel_=it.channel,
        way_=it.way,
        outcome_=it.code,
        reason_=it.reason.value if it.reason else None,
        tried_=int(it.tried),
        next_=it.again_at,
        settled_=now if ended else None,
    )
    if settled.rowcount != 1:
        return False
    if it.letter.carried and ended:
        if it.state is PushState.SUPPRESSED:
            _SET_DOWN.run(session, id_=it.letter.id, now_=now)  # what it carried still holds
        else:
            together = Reason.IN_DIGEST if it.letter.counted is None else Reason.IN_COUNT
            reason = together if it.state is PushState.ACCEPTED else it.reason
            _CARRIED_END.run(
                session,
                id_=it.letter.id,
                state_=it.state.value,
                channel_=it.channel,
                way_=it.way,
                reason_=reason.value if reason else None,
                settled_=now,
            )
    return True


Sum = tuple[str, str, str, str]
"""Subject, outcome, channel, code or reason."""


def _sums(ended: Iterable[Outcome], tries: Iterable[Try], now: datetime) -> Counter[Sum]:
    sums: Counter[Sum] = Counter()
    for it in ended:
        if it.again_at is None:
            others = 0 if it.state is PushState.SUPPRESSED else len(it.letter.carried)
            sums["row", it.state.value, it.channel or "", it.reason or ""] += 1 + others
        if it.state is PushState.ACCEPTED:
            sums["late", late_bucket((now - it.letter.due_at).total_seconds()), it.channel or "", ""] += 1
    for each in tries:
        sums["attempt", each.outcome.value, each.channel, each.code or ""] += 1
    return sums


def tally(session: Session, sums: Counter[Sum]) -> None:
    """Add to the sums that `/metrics` shows; a count may be negative when a row's end turned out another."""
    for (subject, outcome, channel, code), count in sorted(sums.items()):  # in one order, so that nobody deadlocks
        _COUNT.run(session, subject=subject, outcome=outcome, channel=channel, code=code, count=count)
