"""Faults to order: what the platform's API does wrong on its next calls."""

import threading
from dataclasses import dataclass
from enum import StrEnum


class FaultKind(StrEnum):
    """How a call goes wrong."""

    ERRCODE = "errcode"  # answered with this errcode, nothing done
    HTTP_500 = "http_500"  # answered 500, nothing done
    SILENCE = "silence"  # nothing done, no answer for `seconds`, then the connection ends
    LOST = "lost"  # done, but the answer never arrives
    SLOW = "slow"  # done and answered, after `seconds`


@dataclass
class Fault:
    """One order: the next `count` calls of the API whose path ends with `path`."""

    path: str
    kind: FaultKind
    count: int = 1
    errcode: int = -1
    seconds: float = 0.0


class Faults:
    """The orders still open, first come, first served."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: list[Fault] = []

    def order(self, path: str, kind: FaultKind, *, count: int = 1, errcode: int = -1, seconds: float = 0.0) -> None:
        """Let the next `count` calls of this path (`/cgi-bin/message/custom/send`, or its end) go wrong."""
        with self._lock:
            self._open.append(Fault(path, kind, count, errcode, seconds))

    def clear(self) -> None:
        """All is well again."""
        with self._lock:
            self._open.clear()

    def take(self, path: str) -> Fault | None:
        """The fault that strikes this call, if any; uses it up."""
        with self._lock:
            for fault in self._open:
                if path.endswith(fault.path):
                    fault.count -= 1
                    if fault.count <= 0:
                        self._open.remove(fault)
                    return fault
        return None
