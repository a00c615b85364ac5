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
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path

from bot.sandbox.listen import LOOPBACK
from workers import leash

FAREWELL = 8.0
POLL = 0.1
PATIENCE = 30.0


class BotState(StrEnum):
    """What the page shows of the bot."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPED = "stopped"
    FAILED = "failed"


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
