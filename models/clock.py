"""Two clocks: one for the centre's rules, one for the machine.

`now()` is what rounds, due times, windows, quotas, expiry and retention follow; a demo may move it for all processes at once.
`machine()` is what leases, tokens, timeouts and callback timestamps follow; nothing moves it.
"""

import mmap
import os
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path

SHIFT_FILE = "XINQIAO_CLOCK_FILE"
"""Environment variable naming a file that holds the shift; only the sandbox sets it."""

_SHIFT = struct.Struct("<d")


def machine() -> datetime:
    """The machine's own time, aware UTC."""
    return datetime.now(UTC)


class _Shift:
    """Seconds that `now()` runs ahead of the machine, shared by every process that maps the same file."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._shared: mmap.mmap | None = None
        if path := os.environ.get(SHIFT_FILE):
            self._map(Path(path))

    def _map(self, path: Path) -> None:
        if not path.exists() or path.stat().st_size < _SHIFT.size:
            path.write_bytes(_SHIFT.pack(0.0))
        with path.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), _SHIFT.size)

    def get(self) -> float:
        if self._shared is None:
            return self._seconds
        return float(_SHIFT.unpack_from(self._shared)[0])

    def set(self, seconds: float) -> None:
        if self._shared is None:
            self._seconds = seconds
        else:
            _SHIFT.pack_into(self._shared, 0, seconds)


_shift = _Shift()


def now() -> datetime:
    """The time that the centre's rules follow, aware UTC; read once at the edge and handed down as `now`."""
    return machine() + timedelta(seconds=_shift.get())


def move_to(moment: datetime) -> None:
    """Set `now()` for every process that shares the shift. Sandbox and tests only."""
    _shift.set((moment - machine()).total_seconds())


def stop_moving() -> None:
    """Back to the machine's time."""
    _shift.set(0.0)
