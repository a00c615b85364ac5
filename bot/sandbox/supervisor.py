"""Starts and kills the bot: an ordinary `xinqiao run`, a process tree of its own beside the sandbox."""

import contextlib
import http.client
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from bot.sandbox.listen import LOOPBACK
from workers import leash

FAREWELL = 15.0
POLL = 0.1
PATIENCE = 60.0
PROC = Path("/proc")
PARTS = ("web", "worker", "scheduler", "valkey")
STOPPED = "T"


class BotState(StrEnum):
    """What the page shows of the bot."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True)
class Part:
    """One program of the bot's tree that runs now."""

    name: str
    pid: int
    frozen: bool


class Supervisor:
    """One bot at a time. One thread does all the starting and lives as long as the sandbox: it holds the leash."""

    def __init__(self, arguments: Sequence[str], port: int, environment: Mapping[str, str], log_file: Path) -> None:
        """Shape: `arguments` are the interpreter's, such as `-m bot.cli run -c FILE`; the bot answers on `port`."""
        self._command = leash.command(sys.executable, *arguments)
        self._environment = dict(environment)
        self._log_file = log_file
        self._port = port
        self._child: subprocess.Popen[bytes] | None = None
        self._wanted = False
        self._ready = False
        self._orders: queue.SimpleQueue[tuple[Callable[[], None], threading.Event]] = queue.SimpleQueue()
        threading.Thread(target=self._serve, name="supervisor", daemon=True).start()

    @property
    def state(self) -> BotState:
        """How the bot is now."""
        child = self._child
        if child is None or not self._wanted:
            return BotState.STOPPED
        if child.poll() is not None:
            return BotState.FAILED
        return BotState.RUNNING if self._ready else BotState.STARTING

    def start(self) -> None:
        """Start the bot unless it runs."""
        self._order(self._start)

    def kill(self) -> None:
        """SIGKILL the whole tree, as a power cut would."""
        self._order(lambda: self._end(signal.SIGKILL))

    def stop(self) -> None:
        """Ask the tree to end, and kill what does not."""
        self._order(lambda: self._end(signal.SIGTERM))

    def parts(self) -> list[Part]:
        """The programs of the tree that run now; [] where the system does not show them."""
        child = self._child
        if child is None or child.poll() is not None:
            return []
        named = ((_name_of(pid), pid) for pid in _children(child.pid))
        return [Part(name, pid, _is_frozen(pid)) for name, pid in named if name]

    def kill_part(self, name: str) -> bool:
        """SIGKILL one program with all it started; its tree starts it again. False when it does not run."""
        return self._signal(name, signal.SIGKILL)

    def freeze_part(self, name: str, *, on: bool) -> bool:
        """Let one program stand still, or go on. False when it does not run."""
        return self._signal(name, signal.SIGSTOP if on else signal.SIGCONT)

    def _signal(self, name: str, how: signal.Signals) -> bool:
        found = [part.pid for part in self.parts() if part.name == name]
        for pid in found:
            for each in (pid, *_descendants(pid)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(each, how)
        return bool(found)

    def wait_ready(self, seconds: float = PATIENCE) -> bool:
        """Wait until the bot answers; False when it ended or time is up."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.state is not BotState.FAILED:
            if self.state is BotState.RUNNING:
                return True
            time.sleep(POLL)
        return False

    def _order(self, what: Callable[[], None]) -> None:
        done = threading.Event()
        self._orders.put((what, done))
        done.wait(FAREWELL + 2)

    def _serve(self) -> None:
        while True:
            with contextlib.suppress(queue.Empty):
                what, done = self._orders.get(timeout=POLL)
                try:
                    what()
                finally:
                    done.set()
            self._ready = self._wanted and (self._ready or self._answers())

    def _start(self) -> None:
        if self._child is not None and self._child.poll() is None:
            return
        self._ready = False
        self._wanted = True
        with self._log_file.open("ab") as output:
            self._child = subprocess.Popen(  # noqa: S603  # our own interpreter and our own arguments
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def _end(self, how: signal.Signals) -> None:
        self._wanted = self._ready = False
        child, self._child = self._child, None
        if child is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, how)
        try:
            child.wait(FAREWELL)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection(LOOPBACK, self._port, timeout=1)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for file in (PROC / str(pid) / "task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [int(word) for word in file.read_text().split()]
    return found


def _descendants(pid: int) -> Iterator[int]:
    for child in _children(pid):
        yield child
        yield from _descendants(child)


def _name_of(pid: int) -> str:
    """Which program this is; "" when none of ours."""
    try:
        words = (PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return ""
    if any("valkey" in word for word in words):
        return "valkey"
    after = iter(words)
    return next((name for word in after if word == "bot.cli" and (name := next(after, "")) in PARTS), "")


def _is_frozen(pid: int) -> bool:
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] == STOPPED
    except (OSError, IndexError):
        return False
