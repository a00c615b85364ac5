"""The ticker: a loop that asks of every duty whether something is due. Run it anywhere, twice, late."""

import logging
import os
import signal
import threading
import time
from collections.abc import Sequence
from datetime import datetime

from models import clock
from workers.schedule import Duty

log = logging.getLogger(__name__)

TICK = 1.0


def tick(duties: Sequence[Duty], now: datetime) -> int:
    """Do every duty once, as of `now`; returns how much was done. A duty that fails does not stop the others."""
    return sum(_do(duty, now) for duty in duties)


def run_forever(duties: Sequence[Duty], stop: threading.Event | None = None) -> None:
    """Tick every second until `stop` is set; without one, until SIGTERM or SIGINT."""
    if stop is None:
        stop = threading.Event()
        _stop_on_signals(stop)
    log.info("scheduler started", extra={"pid": os.getpid()})
    next_at = {duty.name: 0.0 for duty in duties}
    aside = [threading.Thread(target=_repeat, args=(duty, stop), name=duty.name) for duty in duties if duty.aside]
    for thread in aside:
        thread.start()
    duties = [duty for duty in duties if not duty.aside]
    while not stop.is_set():
        began = time.monotonic()
        for duty in duties:
            if next_at[duty.name] > began or stop.is_set():
                continue
            next_at[duty.name] = began + duty.every.total_seconds() * 0.99  # a tick comes a moment early or late
            _do(duty, clock.now())
        stop.wait(max(0.05, TICK - (time.monotonic() - began)))
    for thread in aside:
        thread.join()
    log.info("scheduler stopped", extra={"pid": os.getpid()})


def _repeat(duty: Duty, stop: threading.Event) -> None:
    """A duty that may wait for a platform, in a thread of its own for as long as the ticker runs."""
    while not stop.wait(duty.every.total_seconds()):
        _do(duty, clock.now())


def _do(duty: Duty, now: datetime) -> int:
    try:
        done = duty.run(now)
    except Exception:
        log.exception("a duty failed", extra={"duty": duty.name})
        return 0
    if done:
        log.debug("a duty did something", extra={"duty": duty.name, "count": done})
    return done


def _stop_on_signals(stop: threading.Event) -> None:
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: stop.set())
