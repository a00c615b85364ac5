"""Web processes for tests: started, spoken to as the platforms speak, killed."""

import contextlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bot.sandbox.callbacks import CallbackDoor, Outcome, SignedRequest, deliver, read_reply
from bot.sandbox.listen import free_port
from models import clock

ROOT = Path(__file__).parents[2]
POINTS = ("turn.begun", "turn.taken", "turn.answered", "turn.stored", "turn.committed", "turn.rung")
CHAOS = bool(os.environ.get("XINQIAO_CHAOS"))
"""Whether there is time for the longer forms, with the real web command."""


@dataclass
class Web:
    """One web process. `pid` is what dies at a fail point."""

    pid: int
    port: int
    log: Path

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def hears(self, request: SignedRequest, *, patience: float = 5.0) -> Outcome:
        """Deliver once."""
        return deliver(request, self.address, attempts=1, patience=patience)

    def replies(self, door: CallbackDoor, request: SignedRequest) -> str | None:
        """Deliver once; the text, None when there was no answer."""
        outcome = self.hears(request)
        return None if outcome.body is None else read_reply(door, outcome.body) or ""

    @property
    def is_alive(self) -> bool:
        """Whether the process still runs."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    @property
    def listens(self) -> bool:
        """Whether it takes connections."""
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        until(lambda: not self.is_alive)


class Nursery:
    """Forks processes from one that has everything loaded; for several threads at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.proofs.nursery"],
            cwd=ROOT, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._started: list[Web] = []
        self._hears()  # it is ready

    def _hears(self) -> dict[str, int]:
        assert self._process.stdout is not None
        answer: dict[str, int] = json.loads(self._process.stdout.readline())
        return answer

    def web(self, config: Path, *, failpoint: str = "") -> Web:
        """Start a web process beside this test's clock."""
        return self.start("web", config, failpoint=failpoint)

    def start(self, role: str, config: Path, *, failpoint: str = "", wrong_clock: Path | None = None) -> Web:
        """Start a web process, a worker or a scheduler beside this test's clock; only the first listens anywhere."""
        ear = self._process.stdin
        assert ear is not None
        shift = (clock.now() - clock.machine()).total_seconds()
        port = free_port() if role == "web" else 0
        with self._lock:
            log = self._folder / f"{role}-{len(self._started)}.log"
            wanted = {"role": role, "config": str(config), "log": str(log), "failpoint": failpoint, "shift": shift}
            ear.write(json.dumps(wanted | {"port": port, "wrong": str(wrong_clock or "")}) + "\n")
            ear.flush()
            it = Web(self._hears()["pid"], port, log)
            self._started.append(it)
        if role == "web":
            until(lambda: it.listens or not it.is_alive, seconds=20)
            assert it.is_alive, log.read_text("utf-8")
        return it

    def empty(self) -> None:
        """End every process that was started."""
        for web in self._started:
            web.kill()

    def close(self) -> None:
        """End with all children."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()


class Command:
    """The real `xinqiao web`: granian and the process that answers, which it starts again when it dies."""

    def __init__(self, config: Path, log: Path, *, failpoint: str = "") -> None:
        self.port = free_port()
        self.log = log
        shifted = log.with_suffix(".clock")
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "bot.cli", "web", "-c", str(config)],
                cwd=ROOT, stdout=out, stderr=out, start_new_session=True,
                env=environment()
                | {
                    "XINQIAO_WEB__PORT": str(self.port),
                    "XINQIAO_FAILPOINT": failpoint,
                    "XINQIAO_CLOCK_FILE": str(clock_file(shifted)),
                },
            )  # fmt: skip
        until(self._is_ready, seconds=20)
        self.web = Web(self._process.pid, self.port, log)

    def _is_ready(self) -> bool:
        assert self._process.poll() is None, self.log.read_text("utf-8")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=2) as response:
                return bool(response.status == 200)
        except OSError:
            return False

    def kill(self) -> None:
        """SIGKILL the whole tree."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def environment() -> dict[str, str]:
    """This one, without what was meant for others."""
    return {name: value for name, value in os.environ.items() if not name.startswith("XINQIAO_")}


def clock_file(path: Path) -> Path:
    """A file that moves another process's clock to where this one's is."""
    path.write_bytes(struct.pack("<d", (clock.now() - clock.machine()).total_seconds()))
    return path


def until(holds: Callable[[], bool], *, seconds: float = 5.0) -> None:
    """Wait for something to become true."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)
