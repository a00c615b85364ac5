"""Who is written to how often: what goes alone, what travels together, what waits. Rules: docs/rules.md#pushes.

Six routine or important messages in ten minutes at most, the rest in one digest; five unopened urgent ones, then a count that
rises. Decided in the transaction that claims, with the people locked, so that two workers cannot both take the sixth.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Session

from models.db import Among, Fixed, is_postgresql, json_ids, utc
from models.outbox.claiming import IS_URGENT, Letter, put_off
from models.outbox.kinds import KINDS, Urgency
from models.outbox.table import Push, PushAttempt
from models.person import Person

SPAN = timedelta(minutes=10)
MOST = 6
"""Routine and important messages to one person within `SPAN`."""

MOST_URGENT = 5
"""Unopened urgent pushes to one person within `SPAN` before they are counted instead."""

COUNT_APART = timedelta(seconds=15)
"""At most so often a new count goes out; a card is updated in place at once."""

MINUTE = timedelta(minutes=1)
MOST_A_MINUTE = 25
"""To one person, of any kind: WeCom drops the thirty-first without a word."""

PACE, COUNT = "pace", "count"
TOGETHER = frozenset(["quiet", PACE])
"""What was put off for these travels together."""

_table, _person, _attempt = Push.__table__, Person.__table__, PushAttempt.__table__  # type: ignore[attr-defined]


@dataclass
class Lately:
    """What was begun for one person in the last ten minutes, oldest first."""

    others: list[datetime] = field(default_factory=list)
    urgent: list[datetime] = field(default_factory=list)  # unopened ones that went alone
    counts: list[tuple[datetime, int, int]] = field(default_factory=list)  # unopened counts, their N and id
    all: list[datetime] = field(default_factory=list)
    last_count: datetime | None = None  # opened or not


_LOCK = Fixed(
    lambda: (
        sa.select(_person.c.id).where(Among(_person.c.id, "ids")).order_by(_person.c.id).with_for_update(key_share=True)
    )
)
_LATELY = Fixed(
    lambda: (
        sa.select(
            _table.c.id, _table.c.person_id, _table.c.paced_at, sa.case((IS_URGENT, 1), else_=0), _table.c.counted,
            _table.c.seen_at,
        )
        .where(Among(_table.c.person_id, "ids"), _table.c.paced_at > sa.bindparam("since"))
        .where(_table.c.carrier_id.is_(None))
        .order_by(_table.c.paced_at)
    )
)  # fmt: skip
_CARD = Fixed(
    lambda: sa.select(_attempt.c.id, _attempt.c.handle).where(
        _attempt.c.push_id == sa.bindparam("push_id"),
        _attempt.c.way == sa.literal_column("'card'"),
        _attempt.c.handle.is_not(None),
    )
)
_CARD_USED = Fixed(lambda: sa.update(_attempt).values(handle=sa.null()).where(_attempt.c.id == sa.bindparam("id_")))
_PACE = Fixed(
    lambda: (
        sa.update(_table)
        .values(paced_at=sa.bindparam("now_"), counted=sa.bindparam("counted_"), held_for=sa.null())
        .where(_table.c.id == sa.bindparam("id_"))
    )
)
_CARRY = Fixed(
    lambda: (
        sa.update(_table)
        .values(
            state=sa.literal_column("'carried'"),
            carrier_id=sa.bindparam("carrier_"),
            lease_until=sa.null(),
            held_for=sa.null(),
        )
        .where(_table.c.id == sa.bindparam("id_"))
    )
)


def pace(
    session: Session, letters: Sequence[Letter], heard: Mapping[int, datetime | None], *, now: datetime
) -> list[Letter]:
    """Decide for each claimed letter; returns those whose messages go now, with what they carry.

    Shape: `heard` is when each person was last heard of: what was sent before that has been opened.
    """
    by_person: dict[int, list[Letter]] = {}
    for it in letters:
        by_person.setdefault(it.person_id, []).append(it)
    lately = _lately(session, by_person, {it.id for it in letters}, heard, now)
    going: list[Letter] = []
    waiting: list[tuple[Letter, datetime, str]] = []
    for person_id, theirs in by_person.items():
        past = lately[person_id]
        urgent = [it for it in theirs if it.urgency is Urgency.URGENT]
        others = [it for it in theirs if it.urgency is not Urgency.URGENT]
        for goes, waits in (_urgent(session, urgent, past, now), _others(others, past, now)):
            going += goes
            waiting += waits
    _PACE.many(session, [{"id_": it.id, "now_": now, "counted_": it.counted} for it in going])
    _CARRY.many(session, [{"id_": each.id, "carrier_": it.id} for it in going for each in it.carried])
    put_off(session, waiting)
    order = {it.id: at for at, it in enumerate(letters)}
    return sorted(going, key=lambda it: order[it.id])


def _lately(
    session: Session, people: Iterable[int], but: set[int], heard: Mapping[int, datetime | None], now: datetime
) -> dict[int, Lately]:
    found = {person_id: Lately() for person_id in people}
    ids = json_ids(found)
    if is_postgresql(session):  # SQLite's one writer is lock enough
        _LOCK.all(session, ids=ids)
    for push_id, person_id, paced_at, is_urgent, counted, seen_at in _LATELY.all(session, ids=ids, since=now - SPAN):
        at, its = utc(paced_at), found[person_id]
        if push_id in but or at > now + MINUTE:  # that far ahead it was written by a clock that was wrong
            continue
        its.all.append(at)
        if counted is not None:
            its.last_count = at
        if not is_urgent:
            its.others.append(at)
        elif seen_at is None and ((last := heard.get(person_id)) is None or last < at):
            if counted is None:
                its.urgent.append(at)
            else:
                its.counts.append((at, counted, push_id))
    return found


Decision = tuple[list[Letter], list[tuple[Letter, datetime, str]]]


def _is_set(it: Letter) -> bool:
    """Whether its message stands as it was: it carries others already, or may have arrived unchanged."""
    return bool(it.carried) or it.answer_was_lost


def _urgent(session: Session, letters: list[Letter], past: Lately, now: datetime) -> Decision:
    going = [it for it in letters if _is_set(it)]
    fresh = [replace(it, counted=None) for it in letters if not _is_set(it)]
    room = max(0, min(MOST_URGENT - len(past.urgent) - len(going), _left_this_minute(past, now) - len(going)))
    going += fresh[:room]
    rest = fresh[room:]
    if not rest:
        return going, []
    first, *others = rest
    count = replace(first, counted=len(rest), carried=tuple(others))
    _, so_far, carrier_id = past.counts[-1] if past.counts else (None, 0, None)
    card = _take_card(session, carrier_id) if carrier_id is not None else None
    if card is None and past.last_count is not None and now - past.last_count < COUNT_APART:
        return going, [(it, past.last_count + COUNT_APART, COUNT) for it in rest]
    return [*going, replace(count, counted=so_far + len(rest), update=card)], []


def card_of(session: Session, push_id: int) -> str | None:
    """The handle of a push's card, which can be updated once; None when it has none, or has become a count's."""
    row = _CARD.one(session, push_id=push_id)
    return None if row is None else str(row[1])


def _take_card(session: Session, push_id: int) -> str | None:
    """The same for a count, which nobody else shall update."""
    row = _CARD.one(session, push_id=push_id)
    if row is None:
        return None
    _CARD_USED.run(session, id_=row[0])
    return str(row[1])


def _others(letters: list[Letter], past: Lately, now: datetime) -> Decision:
    going = [it for it in letters if _is_set(it)]
    fresh = sorted((it for it in letters if not _is_set(it)), key=lambda it: (not _weighs(it), it.due_at, it.id))
    room = min(MOST - len(past.others), _left_this_minute(past, now)) - len(going)
    if not fresh:
        return going, []
    together = [it for it in fresh if it.held_for in TOGETHER and KINDS[it.kind].bundles]
    if len(together) < 2:  # noqa: PLR2004 — one alone is no digest
        together = []
    alone = [it for it in fresh if it not in together]
    if len(alone) + bool(together) > room:
        keep = max(0, room - 1)
        spill = [it for it in alone[keep:] if KINDS[it.kind].bundles]
        alone = [*alone[:keep], *(it for it in alone[keep:] if not KINDS[it.kind].bundles)]
        together = [*together, *spill]
    waits: list[tuple[Letter, datetime, str]] = []
    if together and room > 0:
        # It goes as far as the weightiest of it may; among those the one that was tried most, so that each has six tries.
        first = max(
            together, key=lambda it: (len(KINDS[it.kind].routes), _weighs(it), it.attempts, it.expires_at, -it.id)
        )
        others = sorted((it for it in together if it.id != first.id), key=lambda it: it.id)
        going.append(replace(first, carried=tuple(others)))
        room -= 1
    elif together:
        waits += [(it, _frees_at(past, now), PACE) for it in together]
    going += alone[: max(0, room)]
    waits += [(it, _frees_at(past, now), PACE) for it in alone[max(0, room) :]]
    return going, waits


def _weighs(it: Letter) -> bool:
    """Whether it is more than routine."""
    return it.urgency is not Urgency.ROUTINE


def _left_this_minute(past: Lately, now: datetime) -> int:
    return MOST_A_MINUTE - sum(at > now - MINUTE for at in past.all)


def _frees_at(past: Lately, now: datetime) -> datetime:
    """When the next of the six places, or of the minute's, is free."""
    by_span = past.others[0] + SPAN if len(past.others) >= MOST else now
    by_minute = past.all[-MOST_A_MINUTE] + MINUTE if len(past.all) >= MOST_A_MINUTE else now
    return max(by_span, by_minute, now + timedelta(seconds=1))
