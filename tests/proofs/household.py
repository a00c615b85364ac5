"""A household: one school with all its processes, a Valkey and a platform of its own, so that one can strike any of them.

Set up in the test's thread, with the bot's own verbs; then run and struck from a thread of its own, by signals, raw SQL and
HTTP: many households live through their trouble at the same time.
"""

import contextlib
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol, TypeVar

import sqlalchemy as sa

from bot.sandbox.listen import free_port
from bot.sandbox.swift import serving
from bot.settings import load_settings
from models import clock, db, seal
from models.db import to_utc_text
from tests.conftest import KEY
from tests.engines import EngineName, drop, fresh_database_url
from tests.proofs.oracle import Evidence, Verdict, judge
from tests.proofs.processes import ROOT, Nursery, clock_file, environment, until
from tests.proofs.server import Server
from tests.proofs.signals import GONE, everybody, field_of, state, tell
from tests.workers.office import FORM, new_platform
from tests.world import World, write_settings
from workers.valkey import EmbeddedValkey

POLL = 0.1
AWAY = 30.0
"""Seconds for which a struck database may be away."""

LOADING = 45.0
"""Seconds in which a program is loaded, however many houses share the machine."""

PATIENCE = 10.0
"""Seconds in which a moment comes when nothing is due, however much is planned: nothing stands still for longer."""

T = TypeVar("T")
_PEOPLING = threading.Lock()
TEMPLATE = """
[official_account.templates.digest]
id = "{id}"
fields = {{ {fields} }}
[fallback]
urls = ["{fallback}"]
"""


class Part(Protocol):
    """One of the processes that `xinqiao` starts."""

    @property
    def pids(self) -> list[int]:
        """Itself and whatever it has started."""

    @property
    def log(self) -> Path:
        """What it says."""


Start = Callable[["Household", str, str], Part]
"""Starts a part of a household by its role, with a fail point or ""."""


@dataclass
class Forked:
    """A process out of the nursery."""

    pid: int
    port: int
    log: Path

    @property
    def pids(self) -> list[int]:
        return [self.pid] if state(self.pid) not in GONE else []


def forking(nursery: Nursery) -> Start:
    """Parts that are ready in a tenth of a second."""

    def start(home: "Household", role: str, failpoint: str) -> Forked:
        web = nursery.start(role, home.config, failpoint=failpoint, wrong_clock=home.wrong_clocks.get(role))
        if role == "web":
            home.port = web.port
        return Forked(web.pid, web.port, web.log)

    return start


class Commanded:
    """The real command, in a process group of its own."""

    def __init__(self, home: "Household", role: str, failpoint: str) -> None:
        self.log = home.folder / f"{role}-{len(home.parts)}-{time.monotonic_ns()}.log"
        if role in {"web", "run"}:
            home.port = free_port()
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "bot.cli", role, "-c", str(home.config)],
                cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
                env=environment()
                | {
                    "XINQIAO_WEB__PORT": str(home.port),
                    "XINQIAO_FAILPOINT": failpoint,
                    "XINQIAO_CLOCK_FILE": str(clock_file(self.log.with_suffix(".clock"))),
                }
                | ({"XINQIAO_QUEUE__URL": ""} if role == "run" else {}),
            )  # fmt: skip

    @property
    def pids(self) -> list[int]:
        group = str(self._process.pid)
        found = [pid for pid in everybody() if field_of(pid, "group") == group and state(pid) not in GONE]
        if not found:
            self._process.wait(10)  # its threads may end after it
        return found


@dataclass
class Household:
    """What one story needs."""

    folder: Path
    engine: EngineName
    start: Start
    server: Server | None = None  # a PostgreSQL of its own, to be struck
    parts: dict[str, Part] = field(default_factory=dict)
    logs: list[Path] = field(default_factory=list)
    wrong_clocks: dict[str, Path] = field(default_factory=dict)
    planned: list[int] = field(default_factory=list)
    cancelled: dict[int, datetime] = field(default_factory=dict)
    world: World | None = None
    port: int = field(default_factory=free_port)
    with_valkey: bool = True
    url: str = ""

    def __post_init__(self) -> None:
        """Set up: database, platform, Valkey, config."""
        self.folder.mkdir()
        self._stack = contextlib.ExitStack()
        self.platform = new_platform()
        self.address = self._stack.enter_context(serving(self.platform))
        self.valkey = EmbeddedValkey()
        self._stack.callback(self.valkey.stop)
        if not self.url:
            self.url = fresh_database_url(self.engine, self.folder) if self.server is None else self.server.create()
            self._stack.callback(drop if self.server is None else _leave, self.url)
        self.config = write_settings(self.folder, self.url, KEY, queue=self.valkey.url, api=self.address)
        fields = ", ".join(f'{keyword} = "{shown}"' for keyword, shown in FORM.fields.items())
        fallback = f"{self.address.replace('http', 'json')}/fallback/{{number}}"
        with self.config.open("a", encoding="utf-8") as file:
            file.write(TEMPLATE.format(id=FORM.id, fields=fields, fallback=fallback))

    @contextlib.contextmanager
    def set_up(self) -> Iterator[World]:
        """The school, to be peopled with the bot's own verbs; one household at a time, as a process has one database."""
        with _PEOPLING:
            seal.use_keys([KEY])
            database = db.connect(self.url)
            try:
                self.world = self.world or World(load_settings(self.config))
                yield self.world
            finally:
                database.dispose()

    @property
    def now(self) -> datetime:
        """The rules' clock."""
        return clock.now()

    def begin(self, role: str, failpoint: str = "", *, name: str = "") -> Part:
        """Start a part; a second one of a role gets a name of its own."""
        if self.with_valkey and role != "run" and not self.valkey.is_alive():
            self.valkey.start()
        part = self.parts[name or role] = self.start(self, role, failpoint)
        self.logs.append(part.log)
        return part

    def until_loaded(self, *, but: str) -> float:
        """Wait until its workers and its scheduler are at work, one role aside; returns when that was."""

        def at_work() -> bool:
            awaited = [(name.split()[-1], part.log) for name, part in list(self.parts.items())]
            return all(
                log.exists() and f"{role} started" in log.read_text("utf-8", errors="replace")
                for role, log in awaited
                if role in {"worker", "scheduler"} - {but}
            )

        end = time.monotonic() + LOADING
        while not at_work():
            assert time.monotonic() < end, "a worker or the scheduler does not begin"
            time.sleep(POLL)
        return time.monotonic()

    def end(self) -> None:
        """End everything that was started."""
        for part in self.parts.values():
            tell(part.pids, signal.SIGKILL)
            until_gone(part)
        with contextlib.suppress(ProcessLookupError):
            if self.valkey.is_alive():
                tell([pid_of(self.valkey)], signal.SIGCONT)
        self._stack.close()
        if self.server is not None:
            self.server.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    # Looking.

    def ask(self, text: str, **values: object) -> list[Any]:
        """Rows of a statement; waits while the database is away."""
        return self._run(text, values)

    def change(self, text: str, **values: object) -> None:
        """Change rows, as soon as the database lets us."""
        self._run(text, values)

    def _run(self, text: str, values: dict[str, object]) -> list[Any]:
        patience = {"timeout": AWAY} if self.engine == "sqlite" else {}
        engine = sa.create_engine(self.url, poolclass=sa.pool.NullPool, connect_args=patience)

        def run() -> list[Any]:
            with engine.begin() as connection:
                found = connection.execute(sa.text(text), self._bound(values))
                return list(found) if found.returns_rows else []

        return self._patiently(run)

    @staticmethod
    def _patiently(look: Callable[[], T]) -> T:
        """What a look shows, as soon as the database lets us."""
        end = time.monotonic() + AWAY
        while True:
            try:
                return look()
            except sa.exc.OperationalError:
                if time.monotonic() > end:
                    raise
                time.sleep(POLL)

    def _bound(self, values: dict[str, object]) -> dict[str, object]:
        if self.engine == "sqlite":
            return {name: to_utc_text(it) if isinstance(it, datetime) else it for name, it in values.items()}
        return values

    def is_quiet(self) -> bool:
        """Whether no row is under way and none is due."""
        found = self.ask(
            """SELECT 1 FROM outbox WHERE state = 'sending' OR (state = 'queued' AND next_at <= :now) LIMIT 1""",
            now=clock.now(),
        )
        return not found

    def until_quiet(self, *, seconds: float) -> float:
        """Wait until nothing is due; returns when that was. A part that ended by itself is started again, as the tree does."""
        end = time.monotonic() + seconds
        while True:
            for name, part in list(self.parts.items()):
                if not part.pids:
                    self.begin(name.split()[-1])
            if self.is_quiet():
                return time.monotonic()
            assert time.monotonic() < end, f"after {seconds} s: {self.verdict(patience=0)}"
            time.sleep(POLL)

    def verdict(self, *, patience: float = PATIENCE) -> Verdict:
        """What the oracle says of a look that shows nothing due and nobody sending; of the last one, when none does for so long.

        Something falls due at any moment, a sweep plans it, a digest's time comes: the look that ends a story is the one that is
        judged. What stands still is due in every look.
        """
        end = time.monotonic() + patience
        while True:
            now, heard = clock.now(), len(self.platform.log)
            evidence = self._patiently(lambda: Evidence(self.url, self.platform.log, self._lines()))
            if (evidence.is_quiet(now) and heard == len(self.platform.log)) or time.monotonic() > end:
                return judge(evidence, self.planned, now=now, cancelled=self.cancelled)
            time.sleep(POLL)

    def _lines(self) -> Iterator[str]:
        """What its processes have logged, read when it is asked for."""
        for log in self.logs:
            if log.exists():
                yield from log.read_text("utf-8", errors="replace").splitlines()

    def history(self) -> str:
        """Every row with its claims and attempts, for whoever wonders."""
        rows = self.ask("SELECT id, kind, state, fence, due_at, settled_at, reason FROM outbox ORDER BY settled_at")
        tried = self.ask(
            "SELECT push_id, fence, channel, way, outcome, code, began_at, ended_at FROM push_attempt ORDER BY id"
        )
        return "\n".join(" ".join(str(it).removeprefix("2026-11-15 ") for it in row) for row in [*rows, *tried])

    def said(self) -> str:
        """The last of what its processes logged, for whoever wonders."""
        return "\n".join(f"{log.name}: {log.read_text('utf-8')[-800:]}" for log in self.logs if log.exists())


def _leave(url: str) -> None:
    """A server of its own goes whole."""


def is_stopped(part: Part) -> bool:
    """Whether it stands at its fail point."""
    return any(state(pid) == "T" for pid in part.pids)


def until_gone(part: Part) -> None:
    """Wait until it has ended."""
    until(lambda: not part.pids, seconds=15)


def pid_of(valkey: EmbeddedValkey) -> int:
    """The process of an embedded Valkey."""
    assert valkey._process is not None
    return valkey._process.pid


def wrong_by(file: Path, span: timedelta) -> Path:
    """A file that says by how much a machine's clock is wrong."""
    file.write_bytes(struct.pack("<d", span.total_seconds()))
    return file
