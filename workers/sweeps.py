"""Sweeps: what is put away when its time is over, a small batch a transaction, so that turns go on meanwhile."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlmodel import Session

from models import binding, clock, inbox, link, talk
from models.db import unit_of_work
from models.roster import resume_import

BATCH = 200
PATIENCE = 0.5
"""Seconds of one pass; what is left waits for the next tick, which does what is more pressing first."""

PAUSE = 0.01
"""Seconds between two batches, for whoever waits for SQLite's writer."""


def put_away_talks(lasts: timedelta, *, now: datetime) -> int:
    """Drop conversations that nobody touched for so long; their people are told with their next message."""
    return _in_batches(lambda session: talk.put_away(session, before=now - lasts, most=BATCH))


def sweep_inbox(keys_kept: timedelta, replies_kept: timedelta, *, now: datetime) -> int:
    """Empty old stored replies and forget old message keys."""
    return _in_batches(lambda session: inbox.sweep(session, now=now, keys=keys_kept, replies=replies_kept, most=BATCH))


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


def _in_batches(batch: Callable[[Session], int]) -> int:
    count, end = 0, time.monotonic() + PATIENCE
    while True:
        with unit_of_work() as session:
            done = batch(session)
        count += done
        if done < BATCH or time.monotonic() > end:
            return count
        time.sleep(PAUSE)
