"""`xinqiao run`: web, worker, scheduler and the embedded Valkey as one process tree.

The process that prepares (settings, schema, port) replaces itself by a small one that only watches: it starts the children in
its own process group, starts again what dies, and ends them when it is told to. Each child hangs on a leash
(`workers.leash`): when the watcher is gone, however that happened, so are they.
"""

import contextlib
import fcntl
import logging
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from models.errors import SettingsError
from workers import leash
from workers.valkey import EmbeddedValkey

if TYPE_CHECKING:
    from bot.settings import Settings

log = logging.getLogger("bot.tree")  # also when it runs as `__main__`

EMBEDDED = "embedded"
OWN = "own"

FIRST_PAUSE = 0.2
LONGEST_PAUSE = 5.0
SETTLED = 30.0
"""Seconds after which a child that dies is started again at once."""

FAREWELL = 12.0
"""Seconds that children have to end; systemd and the sandbox wait longer than that."""

REFUSED = 2
"""A child's exit status that another start would not change: its settings are wrong, and it has said so.

It ends a tree that has only just begun; later the others go on, and somebody mends it while they do.
"""


def run_tree(settings: "Settings") -> NoReturn:
    """Prepare the data, then become the watcher. Raises: SettingsError when this cannot run here."""
    from bot.app import open_data  # noqa: PLC0415 — all of this is gone from memory once the watcher stands here
    from bot.serving import check_port  # noqa: PLC0415
    from models import db, schema  # noqa: PLC0415

    lock = take_lock(lock_path(settings))
    check_port(settings.web.host, settings.web.port)
    schema.upgrade(db.connect(settings.database.url))
    open_data(settings).dispose()
    os.set_inheritable(lock, True)
    queue = OWN if settings.queue.url else EMBEDDED
    os.execv(sys.executable, [sys.executable, "-m", "bot.tree", str(lock), queue])  # noqa: S606 — ourselves, no shell


def lock_path(settings: "Settings") -> Path:
    """The file that says that a tree runs on this data: beside SQLite's file, else beside the config."""
    _, slashes, file = settings.database.url.partition(":///")
    if settings.database.url.startswith("sqlite") and slashes:
        return Path(f"{file.partition('?')[0]}.lock")
    return settings.folder / "xinqiao.lock"


def take_lock(path: Path) -> int:
    """Hold the file until this process, or the one it becomes, ends. Raises: SettingsError when another holds it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        msg = f"{path} cannot be written ({error.strerror}): give this user the right to"
        raise SettingsError(msg) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        msg = f"{path} is held: another `xinqiao run` works on this data; stop it first"
        raise SettingsError(msg) from error
    return lock


@dataclass
class Child:
    """One program of the tree."""

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = None
    began: float = 0.0
    start_at: float = 0.0
    pause: float = field(default=FIRST_PAUSE)

    def start(self) -> None:
        """Start it, in our process group."""
        self.began = time.monotonic()
        self.process = subprocess.Popen(  # noqa: S603 — our own programs
            self.argv, env=self.environment, stdin=subprocess.DEVNULL
        )
        log.info("child started", extra={"child": self.name, "pid": self.process.pid})

    def look(self) -> int | None:
        """Start it when it is time to; returns its exit status in the moment it is found dead."""
        now = time.monotonic()
        if self.process is None:
            if now >= self.start_at:
                self.start()
            return None
        status = self.process.poll()
        if status is None:
            return None
        self.process = None
        lived = now - self.began
        self.pause = FIRST_PAUSE if lived > SETTLED else min(self.pause * 2, LONGEST_PAUSE)
        self.start_at = now + self.pause
        log.error("child ended", extra={"child": self.name, "status": status, "seconds": round(lived, 1)})
        return status

    def signal(self, signum: signal.Signals) -> None:
        """Tell it, if it lives."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signum)

    def wait(self, until: float) -> None:
        """Wait for its end, then make sure of it."""
        if self.process is None:
            return
        try:
            self.process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            log.warning("child did not end in time and is killed", extra={"child": self.name})
            self.process.kill()
            self.process.wait()


class Tree:
    """The children, and the seconds that they have to end.

    The first one is started first and stopped last: it is what the others talk to, unless they are all `alike`.
    """

    def __init__(self, children: Sequence[Child], *, farewell: float = FAREWELL, alike: bool = False) -> None:
        self._children = children
        self._farewell = farewell
        self._alike = alike
        self._stopping = False

    def watch(self) -> int:
        """Run until SIGTERM or SIGINT, or until a child cannot run at all; returns the exit status."""
        ear, mouth = os.pipe()
        os.set_blocking(mouth, False)
        signal.set_wakeup_fd(mouth, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, self._stop)
        began = time.monotonic()
        while not self._stopping:
            statuses = [child.look() for child in self._children]
            if REFUSED in statuses and time.monotonic() - began < SETTLED:
                self._end()
                return REFUSED
            select.select([ear], [], [], self._next_look())
            self._drain(ear)
        self._end()
        return 0

    def _next_look(self) -> float:
        """Seconds until a child is to be started again; a death wakes us by itself."""
        waits = [child.start_at - time.monotonic() for child in self._children if child.process is None]
        return max(0.01, min([1.0, *waits]))

    @staticmethod
    def _drain(ear: int) -> None:
        while select.select([ear], [], [], 0)[0]:
            os.read(ear, 512)

    def _stop(self, *_: object) -> None:
        self._stopping = True

    def _end(self) -> None:
        until = time.monotonic() + self._farewell
        for group in (self._children,) if self._alike else (self._children[1:], self._children[:1]):
            for child in group:
                child.signal(signal.SIGTERM)
            for child in group:
                child.wait(until)


def main(lock: int, queue: str) -> int:
    """Be the watcher; `lock` is the descriptor that says so."""
    from bot.log import setup_logging  # noqa: PLC0415 — small, and only this process needs it here

    os.set_inheritable(lock, False)
    setup_logging(os.environ.get("XINQIAO_LOG_LEVEL", "INFO"))
    environment = dict(os.environ)
    children = []
    valkey = None
    _clear_away(lock)
    if queue == EMBEDDED:
        valkey = EmbeddedValkey()
        os.pwrite(lock, str(valkey.folder).encode(), 0)
        environment["XINQIAO_QUEUE__URL"] = valkey.url
        children.append(Child("valkey", valkey.command(), environment))
    children += [
        Child(name, leash.command(sys.executable, "-m", "bot.cli", name), environment)
        for name in ("web", "worker", "scheduler")
    ]
    try:
        return Tree(children).watch()
    finally:
        if valkey is not None:
            valkey.stop()
            os.ftruncate(lock, 0)


def _clear_away(lock: int) -> None:
    """Remove the socket's folder that a killed tree has left; the lock file remembers where it was."""
    left = Path(os.pread(lock, 4096, 0).decode(errors="replace"))
    os.ftruncate(lock, 0)
    if left.name.startswith("xq") and left.parent == Path(tempfile.gettempdir()):
        with contextlib.suppress(OSError):
            shutil.rmtree(left)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2]))
