"""Calls that are not made for a while, because the platform asked for it or cannot be reached.

Quotas end when the platform's day or minute does, which the demo may move: their pauses follow `clock.now()`. Everything else
is trouble between machines and follows the machine.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from models import clock
from models.channel import Channel
from models.errors import ChannelBusyError
from workers.senders.codes import QUOTAS, pause_after

ALL = ""
"""Stands for every path: the platform cannot be reached."""


def _quota_clock() -> float:
    return clock.now().timestamp()


@dataclass(frozen=True)
class _Pause:
    """`since` and `until` on the pause's own clock; `set_at` always on the machine's."""

    code: int | None
    times: int
    clock: Callable[[], float]
    since: float
    until: float
    set_at: float

    @property
    def left(self) -> float:
        """Seconds; none when its clock was set back to before it began."""
        now = self.clock()
        return self.until - now if now >= self.since else 0.0


class Pauses:
    """One account's, by path. Every call tells when it began: those in the air when a pause begins change nothing about it."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._lock = threading.Lock()
        self._known: dict[str, _Pause] = {}

    def heed(self, path: str) -> None:
        """Raises: ChannelBusyError while this call is not to be made."""
        if not self._known:
            return
        for of in (ALL, path):
            if (pause := self._known.get(of)) is not None and (left := pause.left) > 0:
                raise ChannelBusyError(pause.code, retry_after=timedelta(seconds=left))

    def begin(self, path: str, code: int | None, *, began: float) -> timedelta:
        """The platform wants no such call for now; returns for how long. Asked again at once, it may want more."""
        with self._lock:
            before = self._known.get(path)
            if before is not None and began < before.set_at:
                return timedelta(seconds=max(1.0, before.left))
            times = 1 + (before.times if before is not None and before.code == code else 0)
            span = pause_after(self._channel, code, times=times, now=clock.now())
            its_clock = _quota_clock if code in QUOTAS else time.monotonic
            now = its_clock()
            self._known[path] = _Pause(code, times, its_clock, now, now + span.total_seconds(), time.monotonic())
            return span

    def end(self, path: str, *, began: float) -> None:
        """A call that began after the pause went well."""
        if (pause := self._known.get(path)) is not None and began >= pause.set_at:
            with self._lock:
                if self._known.get(path) is pause:
                    del self._known[path]
