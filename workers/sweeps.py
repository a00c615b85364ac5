"""Sweeps: what is put away when its time is over, a small batch a transaction, so that turns go on meanwhile."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlmodel import Session

from models import binding, chain, clock, inbox, link, outbox, talk, unsent
from models.booking import keeping
from models.db import unit_of_work
from models.policy import Policy
from models.roster import resume_import

BATCH = 200
PATIENCE = 0.5
"""Seconds of one pass; what is left waits for the next tick, which does what is more pressing first."""

PAUSE = 0.01
"""Seconds between two batches, for whoever waits for SQLite's writer."""


def put_away_talks(lasts: timedelta, *, now: datetime) -> int:
    """Drop conversations that nobody touched for so long; their people are told with their next message.

    Where one held something that was to be sent, the teachers hear that it was not.
    """

    def batch(session: Session) -> int:
        dropped = talk.put_away(session, before=now - lasts, most=BATCH)
        for it in dropped:
            unsent.tell_of_unsent(session, it, now=now)
        return len(dropped)

    return in_batches(batch)


def remind_of_unsent(policy: Policy, *, now: datetime) -> int:
    """Remind, once, whoever has typed something for a teacher and not sent it, before it is put away."""
    with unit_of_work(write=False) as session:
        if not unsent.anybody_to_remind(session, policy, now=now):
            return 0
    return in_batches(lambda session: unsent.remind(session, policy, now=now, most=BATCH))


def sweep_inbox(keys_kept: timedelta, replies_kept: timedelta, *, now: datetime) -> int:
    """Empty old stored replies and forget old message keys."""
    return in_batches(lambda session: inbox.sweep(session, now=now, keys=keys_kept, replies=replies_kept, most=BATCH))


def sweep_pushes(kept: timedelta, *, now: datetime) -> int:
    """Forget pushes that ended so long ago, with their attempts. Looks for them without taking the writer."""
    before, after, count = now - kept, 0, 0
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with unit_of_work(write=False) as session:
            over, goes_on = outbox.over_since(session, before=before, after=after)
        for start in range(0, len(over), BATCH):
            with unit_of_work() as session:
                count += outbox.forget(session, over[start : start + BATCH], before=before)
            time.sleep(PAUSE)
        if goes_on is None:
            break
        after = goes_on
    return count


def sweep_bookings(words_kept: timedelta, kept: timedelta, *, now: datetime) -> int:
    """Empty what was said of appointments that are long over, and forget those that are over for years."""
    count = in_batches(lambda session: keeping.empty_words(session, before=now - words_kept, most=BATCH))
    return count + in_batches(lambda session: keeping.forget(session, before=now - kept, most=BATCH))


def seal_journal() -> int:
    """Add what is new in the journal to its chain; returns how many facts. Whoever comes second leaves it to the first."""
    with unit_of_work(write=False) as session:
        if not chain.anything_to_seal(session):
            return 0
    return in_batches(lambda session: chain.seal(session, machine=clock.machine(), most=BATCH))


def match_receipts(*, now: datetime) -> int:
    """Write down what platforms told of messages before our own note of sending was there; returns how many did not arrive.

    Their accounts were marked by the event itself, which knows whose they are.
    """
    with unit_of_work(write=False) as session:
        if not outbox.receipts_wait(session, now=now):
            return 0
    with unit_of_work() as session:
        return len(outbox.match_receipts(session, now=now))


def sweep_links(*, now: datetime) -> int:
    """Forget links that nobody can open any more, and wrong tries at binding that count no more."""
    with unit_of_work() as session:
        link.forget_links(session, now=now)
        binding.forget_failures(session, now=now)
    return 0


def finish_imports(*, now: datetime) -> int:
    """Go on with a roster import whose process was killed; returns how many short transactions that took."""
    count, end = 0, time.monotonic() + PATIENCE
    while True:
        with unit_of_work() as session:
            applied = resume_import(session, now=now, machine=clock.machine())
        if applied is None or time.monotonic() > end:
            return count
        count += 1
        time.sleep(PAUSE)


def in_batches(batch: Callable[[Session], int], *, most: int = BATCH, patience: float = PATIENCE) -> int:
    """Repeat a batch, a transaction each, until one does less than `most` or the time is over; returns what all of them did."""
    count, end = 0, time.monotonic() + patience
    while True:
        with unit_of_work() as session:
            done = batch(session)
        count += done
        if done < most or time.monotonic() > end:
            return count
        time.sleep(PAUSE)
