"""The watch: whoever looks after the rows is looked after too. Every worker and the web look at their pulses."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta

from models import clock
from models.db import unit_of_work
from models.outbox import Urgency, planned
from models.policy import DutyPolicy
from models.pulse import last_beat
from models.stall import AUDITOR, tell_operators
from workers.seldom import Seldom

log = logging.getLogger(__name__)

WATCHED = ("ticker", "auditor")
EVERY = 5.0
SILENCE = timedelta(seconds=45)
"""With two looks and the pulse's own pace: found within a minute."""

SURE = 4.0
"""Seconds for which somebody must have been silent under our eyes: a machine that slept finds everybody silent at first."""


class Watch:
    """Looks at the pulses; tells the operators once an hour. Whoever has just started gives the others time to start."""

    def __init__(self, policy: DutyPolicy) -> None:
        self._policy = policy
        self._silent_from: float | None = None
        self._patient_until = time.monotonic() + SILENCE.total_seconds()
        self._seldom = Seldom(60)

    def look(self) -> list[tuple[int, Urgency]]:
        """Look once; returns the pushes that this planned, for whoever hurries them."""
        silent = self.silent()
        moment = time.monotonic()
        if not silent or moment < self._patient_until:
            self._silent_from = None
            return []
        self._silent_from = self._silent_from or moment
        if moment - self._silent_from < SURE or not self._seldom.may():
            return []
        log.error("whoever looks after the pushes gives no sign", extra=dict.fromkeys(silent, "silent"))
        with unit_of_work() as session:
            tell_operators(session, self._policy, AUDITOR, len(silent), now=clock.now())
            return planned(session)

    @staticmethod
    def silent() -> list[str]:
        """Those whose pulse is old, or lies in the future of a clock that was put back."""
        machine = clock.machine()
        with unit_of_work(write=False) as session:
            beats = {name: last_beat(session, name) for name in WATCHED}
        return [name for name, last in beats.items() if last is None or abs(machine - last[0]) > SILENCE]


_watch: Watch | None = None


def equip(policy: DutyPolicy) -> None:
    """Say who runs the system; once, when a process starts."""
    global _watch  # noqa: PLW0603 — like delivery's equipment, one per process
    _watch = Watch(policy)


def watch_until(stop: threading.Event, deliver: Callable[[Sequence[int]], object]) -> None:
    """Look every few seconds, beside what the process does, and deliver what is to be said at once: Redis may be down too."""
    while not stop.wait(EVERY):
        if _watch is None:
            continue
        try:
            if pushes := _watch.look():
                deliver([push_id for push_id, _ in pushes])
        except Exception:
            log.exception("the watch could not look")
