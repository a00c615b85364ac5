"""Delivery: claim what is due, ask whether it still holds, send it, settle it. Rules: design, idea 3.

A crash anywhere loses nothing: a claim is a lease of 8 s, and a row whose holder fell silent is taken again by whoever comes
next. Which channel a push takes is decided here, at the moment of sending, not when it was planned.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime

from sqlmodel import Session

from models import clock
from models.contact import Contact, listening
from models.db import unit_of_work
from models.failpoint import hit
from models.outbox import Letter, Outcome, PushState, claim_due, claim_one, renew, settle
from models.person import those_who_left
from workers.attempt import Equipment, Reason, attempt, exhausted
from workers.kinds import KINDS

log = logging.getLogger(__name__)

AT_ONCE = 16
"""Requests in the air at the same time."""

RENEW_EVERY = 2.5
"""Seconds after which the leases of those still waiting are renewed, so that a request always begins with 5 s of lease."""

_equipment: Equipment | None = None
_pool: ThreadPoolExecutor | None = None
_pool_lock = threading.Lock()


def equip(equipment: Equipment) -> None:
    """Hand delivery its channels and words; once, when a process starts."""
    global _equipment  # noqa: PLW0603 — like the database, one per process
    _equipment = equipment


def drain(limit: int = 100) -> int:
    """Deliver what is due, urgent ones first; returns how many rows were settled. Safe to run twice, anywhere, late.

    Queue `push`. The row holds attempts, lease and next due time; RQ's own retry is not used.
    """
    with unit_of_work() as session:
        letters = claim_due(session, limit, now=clock.now(), machine=clock.machine())
    return _deliver(letters)


def deliver_one(push_id: int) -> int:
    """Deliver one row if it is due and nobody has it; returns 1 when it was settled. Safe to run twice, anywhere, late.

    Queue `push`, for urgent rows.
    """
    return deliver_these([push_id])


def deliver_these(push_ids: Sequence[int]) -> int:
    """Deliver rows by id, those that are due and that nobody has; returns how many were settled."""
    with unit_of_work() as session:
        now, machine = clock.now(), clock.machine()
        claimed = [claim_one(session, push_id, now=now, machine=machine) for push_id in push_ids]
    return _deliver([letter for letter in claimed if letter is not None])


def _deliver(letters: list[Letter]) -> int:
    if not letters:
        return 0
    hit("delivery.claimed")
    with unit_of_work(write=False) as session:
        to_send, outcomes = _sorted_out(session, letters)
    tally: Counter[str] = Counter()
    for ended in _as_they_end(to_send, outcomes):
        tally.update(_settle(ended))
    log.info("pushes settled", extra={"count": tally.total(), **tally})
    return tally.total()


def _sorted_out(session: Session, letters: list[Letter]) -> tuple[list[tuple[Letter, list[Contact]]], list[Outcome]]:
    """What is to be sent and to which contacts; and the ends of what is not."""
    now = clock.now()
    people = {letter.person_id for letter in letters}
    left, contacts = those_who_left(session, people), listening(session, people)
    to_send, ended = [], []
    for letter in letters:
        if letter.expires_at <= now:
            ended.append(_suppressed(letter, Reason.EXPIRED))
        elif letter.person_id in left:
            ended.append(_suppressed(letter, Reason.LEFT))
        elif not _still_true(session, letter, now):
            ended.append(_suppressed(letter, Reason.OVERTAKEN))
        elif letter.person_id not in contacts:
            ended.append(exhausted(letter, Reason.UNREACHABLE))
        else:
            to_send.append((letter, contacts[letter.person_id]))
    return to_send, ended


def _still_true(session: Session, letter: Letter, now: datetime) -> bool:
    try:
        return KINDS[letter.kind].still_true(session, letter, now)
    except LookupError:
        # Data that its own kind cannot read: sent rather than held back, and somebody looks.
        log.exception(
            "nobody can tell whether a push still holds", extra={"push": letter.id, "kind": letter.kind.value}
        )
        return True


def _suppressed(letter: Letter, reason: Reason) -> Outcome:
    return Outcome(letter, PushState.SUPPRESSED, code=letter.outcome, reason=reason)


def _as_they_end(to_send: list[tuple[Letter, list[Contact]]], ended: list[Outcome]) -> Iterator[list[Outcome]]:
    """Outcomes in the groups in which they come, while the leases of the rest are kept alive."""
    equipment = _equipped()
    if ended:
        yield ended
    if len(to_send) == 1:  # the common case: one push, nothing to hand to other threads
        outcome = attempt(*to_send[0], equipment)
        yield [] if outcome is None else [outcome]
        return
    waiting: dict[Future[Outcome | None], Letter] = {
        _threads().submit(attempt, letter, contacts, equipment): letter for letter, contacts in to_send
    }
    renewed = time.monotonic()
    while waiting:
        done, _ = wait(waiting, timeout=RENEW_EVERY, return_when=FIRST_COMPLETED)
        for future in done:
            del waiting[future]
        if waiting and time.monotonic() - renewed >= RENEW_EVERY:
            _renew(waiting.values())
            renewed = time.monotonic()
        yield [outcome for future in done if (outcome := future.result()) is not None]


def _renew(letters: Iterable[Letter]) -> None:
    with unit_of_work() as session:
        for letter in letters:
            renew(session, letter, machine=clock.machine())


def _settle(outcomes: list[Outcome]) -> list[str]:
    """Write a group of outcomes; returns the states of those that were still ours to write."""
    if not outcomes:
        return []
    hit("delivery.before_settle")
    with unit_of_work() as session:
        settled = [outcome for outcome in outcomes if settle(session, outcome, now=clock.now())]
    if len(settled) < len(outcomes):
        log.warning("pushes had gone to another worker", extra={"count": len(outcomes) - len(settled)})
    return [outcome.state.value for outcome in settled]


def _equipped() -> Equipment:
    if _equipment is None:
        msg = "workers.delivery.equip() has not been called"
        raise RuntimeError(msg)
    return _equipment


def _threads() -> ThreadPoolExecutor:
    """Threads that stay, and with them the connections they opened."""
    global _pool  # noqa: PLW0603 — one pool per process
    with _pool_lock:
        _pool = _pool or ThreadPoolExecutor(AT_ONCE, thread_name_prefix="delivery")
        return _pool
