"""Times that became free in another way than by somebody's leaving them: new hours, lapsed holds, a day that came into reach.

A duty looks for them; a look changes nothing and locks nothing. Rules: docs/rules.md#waiting-list.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session, col

from models.booking.offering import (
    SAID_NO,
    InLine,
    is_sent_on,
    is_worth_asking,
    lapse_offers,
    meet,
    offer,
    retire,
    somebody_waits,
    the_line,
)
from models.booking.rules import lock
from models.booking.slots import Slot, free_slots
from models.booking.table import Tier, Waiter, WaiterLog, WaiterState
from models.policy import BookingPolicy

LOOKS = 40
"""Searches a pass, each for somebody who waits, with one counselor."""


def match_waiting(session: Session, *, policy: BookingPolicy, now: datetime, most: int = 5) -> int:
    """Offer what is free to whom it suits, in order; returns how many were asked. Safe to run twice, anywhere, late."""
    found = find_matches(session, policy=policy, now=now, most=most)
    return offer_these(session, found, policy=policy, now=now) if found else 0


def offer_these(session: Session, slots: Iterable[Slot], *, policy: BookingPolicy, now: datetime) -> int:
    """Offer what a look has found, each slot to the first in line as they are now; returns how many were asked."""
    lock(session)
    retire(session, now=now)
    lapse_offers(session, policy=policy, now=now)
    return sum(offer(session, slot, policy=policy, now=now, freed=False) is not None for slot in slots)


def find_matches(session: Session, *, policy: BookingPolicy, now: datetime, most: int = 5) -> list[Slot]:
    """Free slots that suit somebody who waits, none in another's way. Searched for by turns, `LOOKS` at once."""
    if not somebody_waits(session):
        return []
    free = [slot for slot in free_slots(session, policy=policy, now=now) if slot.counselor_id is not None]
    if not free:
        return []
    told = _told(session, now=now)
    found: list[Slot] = []
    served: set[int] = set()
    for waiting, counselor_id in _by_turns(list(_perhaps(the_line(session, now=now), free, told)), now):
        if len(found) >= most:
            break
        if waiting.id in served:
            continue
        sent_on = is_sent_on(session, waiting.student_id)
        for slot in free_slots(
            session, policy=policy, now=now, student_id=waiting.student_id, counselor_id=counselor_id, mode=waiting.mode,
            last=waiting.earlier_than, instead_of=waiting.earlier_than_id,
        ):  # fmt: skip
            asked = (waiting.id, counselor_id, slot.starts_at) in told
            if (
                not asked
                and not slot.tied
                and not (sent_on and slot.tier is Tier.STATION)
                and (waiting.earlier_than is None or slot.starts_at < waiting.earlier_than)
                and is_worth_asking(slot, policy, now)
                and not any(meet(slot, it) for it in found)
            ):
                found.append(slot)
                served.add(waiting.id)
                break
    return found


def _told(session: Session, *, now: datetime) -> set[tuple[int, int | None, datetime]]:
    """Who was asked for which time, and did not take it."""
    rows = session.execute(
        sa.select(col(WaiterLog.waiter_id), col(WaiterLog.counselor_id), col(WaiterLog.starts_at))
        .join(Waiter, col(Waiter.id) == col(WaiterLog.waiter_id))
        .where(col(WaiterLog.event).in_(SAID_NO), col(Waiter.state) == WaiterState.WAITING)
        .where(col(WaiterLog.starts_at) > now)
    )
    return {(row[0], row[1], row[2]) for row in rows}


def _perhaps(
    line: Iterable[InLine], free: Iterable[Slot], told: set[tuple[int, int | None, datetime]]
) -> Iterator[tuple[InLine, int | None]]:
    """Each who waits with each counselor who may have something for them, in order."""
    free = list(free)
    for it in line:
        if not it.reached:
            continue
        fits = {
            slot.counselor_id: None
            for slot in free
            if it.counselor_id in {None, slot.counselor_id}
            and (it.mode is None or it.mode in slot.modes)
            and (it.earlier_than is None or slot.starts_at < it.earlier_than)
            and (it.id, slot.counselor_id, slot.starts_at) not in told
        }
        yield from ((it, counselor_id) for counselor_id in fits)


def _by_turns(found: list[tuple[InLine, int | None]], now: datetime) -> list[tuple[InLine, int | None]]:
    """As many as a pass looks at; when there are more, another stretch of them every time."""
    if len(found) <= LOOKS:
        return found
    first = int(now.timestamp()) * LOOKS % len(found)
    return (found[first:] + found[:first])[:LOOKS]
