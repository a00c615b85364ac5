"""Settling: what became of a claimed push, written only by whoever still holds it, with every request that was made for it."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlmodel import Session

from models.db import Fixed
from models.outbox.claiming import Letter, renew
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
_END: dict[str, Any] = {
    "state": sa.bindparam("state_", type_=sa.String),
    "channel": sa.bindparam("channel_"),
    "way": sa.bindparam("way_"),
    "reason": sa.bindparam("reason_"),
    "settled_at": sa.bindparam("settled_"),
}
"""What an end writes, into a row and into those that it carried."""

_SETTLE = Fixed(
    lambda: (
        sa.update(_table)
        .values(
            **_END,
            outcome=sa.bindparam("outcome_"),
            attempts=_table.c.attempts + sa.bindparam("tried_", type_=sa.Integer),
            next_at=sa.func.coalesce(sa.bindparam("next_"), _table.c.next_at),
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
        .values(**_END)
        .where(_table.c.carrier_id == sa.bindparam("id_"), _table.c.state == sa.literal_column("'carried'"))
        .where(
            (sa.bindparam("all", type_=sa.Integer) == sa.literal_column("1"))
            | (_table.c.attempts >= sa.bindparam("least")) & (_table.c.expires_at <= sa.bindparam("until"))
        )
    )
)
_SET_DOWN = Fixed(
    lambda: (
        sa.update(_table)
        .values(state=sa.literal_column("'queued'"), carrier_id=sa.null(), next_at=sa.bindparam("now_"))
        .where(_table.c.carrier_id == sa.bindparam("id_"), _table.c.state == sa.literal_column("'carried'"))
    )
)
_TAKE_APART = Fixed(
    lambda: (
        sa.update(_table)
        .values(
            state=sa.literal_column("'queued'"),
            carrier_id=sa.null(),
            next_at=sa.bindparam("next_"),
            held_for=sa.literal_column("'pace'"),
            attempts=_table.c.attempts
            + sa.case((_table.c.carrier_id == sa.bindparam("id_"), sa.bindparam("tried_", type_=sa.Integer)), else_=0),
        )
        .where(
            (_table.c.id == sa.bindparam("id_"))
            | ((_table.c.carrier_id == sa.bindparam("id_")) & (_table.c.state == sa.literal_column("'carried'")))
        )
    )
)
_ABOUT_ITSELF = frozenset([Reason.EXPIRED, Reason.UNKNOWN_KIND])
"""Why a push ends that says nothing about those it carries."""

_NOT_THERE = frozenset([AttemptOutcome.BUSY, AttemptOutcome.REFUSED])
"""After these nothing has arrived."""
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
_FORGET = Fixed(lambda: sa.delete(_attempts).where(_attempts.c.id == sa.bindparam("id_")))
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
    if renew(session, letter, machine=machine) is None:
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


def drop_attempt(session: Session, attempt_id: int) -> None:
    """The request of this attempt did not go out, and an earlier attempt says so already."""
    _FORGET.run(session, id_=attempt_id)


def settle(session: Session, outcomes: Sequence[Outcome], *, now: datetime) -> list[Outcome]:
    """Write what became of claimed pushes, and of those they carried; returns those that were still ours to write."""
    settled = [(it, _settle_one(session, it, now=now)) for it in outcomes]
    ours = [(it, rows) for it, rows in settled if rows is not None]
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
    return [it for it, _ in ours]


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


def _settle_one(session: Session, it: Outcome, *, now: datetime) -> int | None:
    """How many rows ended with it; None when it was not ours any more."""
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
        return None
    if it.letter.carried:
        return int(ended) + _settle_carried(session, it, now=now)
    return int(ended)


def _settle_carried(session: Session, it: Outcome, *, now: datetime) -> int:
    """What becomes of those that a push carries; returns how many ended."""
    known = bool(it.tries) or not it.tried
    unseen = known and all(each.outcome in _NOT_THERE for each in it.tries) and not it.letter.answer_was_lost
    if it.again_at is not None:
        # Nobody has seen the digest: the next time it is put together anew, of what holds by then.
        if unseen and it.letter.counted is None:
            _TAKE_APART.run(session, id_=it.letter.id, next_=it.again_at, tried_=int(it.tried))
        return 0
    if it.state is PushState.SUPPRESSED or it.reason in _ABOUT_ITSELF:
        _SET_DOWN.run(session, id_=it.letter.id, now_=now)  # what it carried still holds
        return 0
    together = Reason.IN_DIGEST if it.letter.counted is None else Reason.IN_COUNT
    reason = together if it.state is PushState.ACCEPTED else it.reason
    # Whoever joined a digest that nobody has seen was not tried as often, or has more time left: it goes on.
    some = it.reason is Reason.GAVE_UP and unseen and it.letter.counted is None
    ended = _CARRIED_END.run(
        session,
        id_=it.letter.id,
        state_=it.state.value,
        channel_=it.channel,
        way_=it.way,
        reason_=reason.value if reason else None,
        settled_=now,
        all=int(not some),
        least=it.letter.attempts,
        until=it.letter.expires_at,
    ).rowcount
    if some:
        _SET_DOWN.run(session, id_=it.letter.id, now_=now)
    return ended


Sum = tuple[str, str, str, str]
"""Subject, outcome, channel, code or reason."""


def _sums(ended: Iterable[tuple[Outcome, int]], tries: Iterable[Try], now: datetime) -> Counter[Sum]:
    sums: Counter[Sum] = Counter()
    for it, rows in ended:
        if rows:
            sums["row", it.state.value, it.channel or "", it.reason or ""] += rows
        if it.state is PushState.ACCEPTED:
            sums["late", late_bucket((now - it.letter.due_at).total_seconds()), it.channel or "", ""] += 1
    for each in tries:
        sums["attempt", each.outcome.value, each.channel, each.code or ""] += 1
    return sums


def tally(session: Session, sums: Counter[Sum]) -> None:
    """Add to the sums that `/metrics` shows; a count may be negative when a row's end turned out another."""
    for (subject, outcome, channel, code), count in sorted(sums.items()):  # in one order, so that nobody deadlocks
        _COUNT.run(session, subject=subject, outcome=outcome, channel=channel, code=code, count=count)
