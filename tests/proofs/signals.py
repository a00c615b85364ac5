"""Processes of this machine as the kernel sees them: what they are doing, who belongs to whom, and telling them things."""

import contextlib
import os
import signal
from collections.abc import Iterable
from pathlib import Path

GONE = frozenset(["", "Z"])
"""States of a process that has ended, buried or not."""


def tell(pids: Iterable[int], signum: signal.Signals) -> None:
    """Send a signal to whoever of them lives."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signum)


def are_gone(pids: Iterable[int]) -> bool:
    """Whether all of them have ended."""
    return all(state(pid) in GONE for pid in pids)


def everybody() -> list[int]:
    """The ids of all processes."""
    return [int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdigit()]


def state(pid: int) -> str:
    """One letter: "T" is stopped, "Z" has ended; "" when there is none."""
    return field_of(pid, "state")


def field_of(pid: int, name: str) -> str:
    """Of a process; "" when there is none."""
    try:
        rest = Path(f"/proc/{pid}/stat").read_text("utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return rest[("state", "parent", "group").index(name)]
