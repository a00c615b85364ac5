"""Faults to order: what the platform's API does wrong on its next calls, for a while, or now and then by chance."""

import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from models import clock

FOR_EVER = 1 << 62


class FaultKind(StrEnum):
    """How a call goes wrong."""

    ERRCODE = "errcode"  # answered with this errcode, nothing done
    HTTP_500 = "http_500"  # answered 500, nothing done
    HTML = "html"  # answered with a web page instead of JSON, nothing done
    RESET = "reset"  # the connection is reset before anything is done
    SILENCE = "silence"  # nothing done, no answer for `seconds`, then the connection ends
    LOST = "lost"  # done, but the answer never arrives
    SLOW = "slow"  # done and answered, after `seconds`
    REVOKED = "revoked"  # every token of this platform dies now: 40001
    EXPIRED = "expired"  # every token of this platform has outlived its time: 42001


UNDONE = frozenset([FaultKind.ERRCODE, FaultKind.HTTP_500, FaultKind.HTML, FaultKind.RESET, FaultKind.SILENCE])
"""After these the call has had no effect."""


@dataclass
class Fault:
    """One order: the next `count` calls of the API whose path ends with `path`, of one recipient when named.

    Units: `seconds` before the answer; `until` is a moment of `clock.now()`.
    """

    path: str
    kind: FaultKind
    count: int = 1
    errcode: int = -1
    seconds: float = 0.0
    until: datetime | None = None
    recipient: str | None = None

    def strikes(self, path: str, recipient: str | None) -> bool:
        """Whether this call is meant."""
        return path.endswith(self.path) and self.recipient in {None, recipient}


@dataclass
class Chaos:
    """Faults by chance; a number among the kinds is an errcode."""

    dice: random.Random
    rate: float
    kinds: tuple[FaultKind | int, ...]
    path: str
    seconds: float

    def throw(self, path: str) -> Fault | None:
        """The fault that chance has for this call."""
        if not path.endswith(self.path) or self.dice.random() >= self.rate:
            return None
        kind = self.dice.choice(self.kinds)
        if isinstance(kind, FaultKind):
            return Fault(path, kind, seconds=self.seconds)
        return Fault(path, FaultKind.ERRCODE, errcode=kind)


class Faults:
    """The orders still open, first come, first served, before what chance brings.

    Units: `latency` is seconds before every answer, with or without a fault.
    """

    def __init__(self) -> None:
        self.latency = 0.0
        self._lock = threading.Lock()
        self._open: list[Fault] = []
        self._chaos: Chaos | None = None

    def order(  # each is a separate choice
        self,
        path: str,
        kind: FaultKind,
        *,
        count: int | None = None,
        errcode: int = -1,
        seconds: float = 0.0,
        lasts: timedelta | None = None,
        recipient: str | None = None,
    ) -> None:
        """Let calls of this path (`/cgi-bin/message/custom/send`, or its end; "" is every path) go wrong.

        The next call, the next `count` calls, or with `lasts` all calls for that long.
        """
        until = None if lasts is None else clock.now() + lasts
        number = count or (1 if lasts is None else FOR_EVER)
        with self._lock:
            self._open.append(Fault(path, kind, number, errcode, seconds, until, recipient))

    def chaos(
        self, seed: int, rate: float, kinds: Sequence[FaultKind | int], *, path: str = "send", seconds: float = 5.0
    ) -> None:
        """From now on this share of the calls goes wrong in one of these ways, the same for the same seed and order."""
        with self._lock:
            self._chaos = Chaos(random.Random(seed), rate, tuple(kinds), path, seconds)

    def clear(self) -> None:
        """All is well again; the latency stays."""
        with self._lock:
            self._open.clear()
            self._chaos = None

    def open(self, now: datetime) -> list[Fault]:
        """The orders that have not run out."""
        with self._lock:
            return [fault for fault in self._open if fault.until is None or now < fault.until]

    @property
    def ordered(self) -> bool:
        """Whether anything may go wrong."""
        return bool(self._open) or self._chaos is not None

    def take(self, path: str, recipient: str | None = None) -> Fault | None:
        """The fault that strikes this call, if any; uses it up."""
        if not self.ordered:
            return None
        with self._lock:
            now = clock.now()
            self._open = [fault for fault in self._open if fault.until is None or now < fault.until]
            for fault in self._open:
                if fault.strikes(path, recipient):
                    fault.count -= 1
                    if fault.count <= 0:
                        self._open.remove(fault)
                    return fault
            return self._chaos.throw(path) if self._chaos is not None else None
