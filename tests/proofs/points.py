"""Strikes at points: a process stops at a labelled point, and then something happens to one of the five parts of the house.

It is killed, frozen for longer than a lease and thawed, or restarted; what comes of it is watched until nothing is due.
"""

import itertools
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from typing_extensions import override

from tests.engines import EngineName
from tests.proofs.household import Household, Start, is_stopped
from tests.proofs.processes import POINTS, until
from tests.proofs.scene import Scene, people
from tests.proofs.server import Server
from tests.proofs.signals import tell
from tests.proofs.stories import Life, Story
from tests.proofs.strikes import WAYS

DELIVERY = ("claimed", "before_request", "asked", "after_request", "before_settle")
EVERYWHERE = (*(f"delivery.{each}" for each in DELIVERY), *POINTS)
STRIKES = tuple(itertools.product(("web", "worker", "scheduler", "valkey", "database"), WAYS))
RECOVERY = 10.0
"""Seconds after the strike until everything that was due has an end."""

CROWDED = 5.0
"""Seconds more in the short form, where thirty houses share a machine with whatever else it does."""

CANCEL_AFTER = 3.0
AT_A_TIME = 4


@dataclass(frozen=True)
class Cell:
    """One story: at `point`, `victim` is struck this way. `holder` is the part that stands there."""

    point: str
    victim: str
    way: str

    @property
    def holder(self) -> str:
        return "worker" if self.point.startswith("delivery") else "web"

    @override
    def __str__(self) -> str:
        return f"{self.point}, {self.way} {self.victim}"


def strike(cell: Cell, engine: EngineName, start: Start, folder: Path, recovery: float = RECOVERY) -> Story:
    """The story of a cell: it takes as long as recovering took."""

    def prepared() -> Life:
        server = Server() if cell.victim == "database" and engine == "postgresql" else None
        name = f"{engine}-{cell.point}-{cell.victim}-{cell.way}"
        scene = people(Household(folder / name, engine, start, server))
        return scene.home, lambda hands: _live(cell, scene, hands, recovery)

    return Story(f"{engine}: {cell}", prepared)


def _live(cell: Cell, scene: Scene, hands: ThreadPoolExecutor, recovery: float) -> float:
    home = scene.home
    holder = home.begin(cell.holder, f"{cell.point}:1:SIGSTOP")
    turn = hands.submit(scene.answers) if cell.holder == "web" else None
    if turn is None:
        home.begin("scheduler")
    until(lambda: is_stopped(holder), seconds=30)
    for part in ("worker", "scheduler", cell.victim):
        if part not in home.parts and part in {"web", "worker", "scheduler"}:
            home.begin(part)
    if cell.holder == cell.victim == "worker" and cell.way == "freeze":
        home.begin("worker", name="another worker")
    if cell.victim == "web" != cell.holder and cell.way == "freeze":
        # One that is frozen in the middle of starting gives up as it thaws, and its supervisor would start it again.
        until(lambda: _answers(home.port), seconds=30)
    loaded = hands.submit(home.until_loaded, but=cell.victim)
    if turn is not None:
        _until_something_is_sent(home)
    struck = hands.submit(WAYS[cell.way], home, cell.victim)
    over = hands.submit(_cancel, scene) if turn is None else None
    if cell.holder != cell.victim:
        time.sleep(0.2)
        tell(holder.pids, signal.SIGCONT)
    at = struck.result()
    if turn is not None:
        assert "已送到" in turn.result()
        found = home.ask("SELECT count(*) FROM outbox WHERE kind IN ('checkin_came', 'checkin_waits')")
        assert found[0][0] == 1, "a turn's effect"
    quiet = home.until_quiet(seconds=45)
    if over is not None:
        over.result()
    time.sleep(1.5 if cell.way == "freeze" else 0.3)  # for ghosts
    home.until_quiet(seconds=20)
    verdict = home.verdict()
    assert not verdict.faults, str(verdict)
    # What the story itself had only just begun to load had nothing to recover from.
    took = max(0.0, quiet - max(at, loaded.result()))
    assert took <= recovery, f"took {took:.1f} s"
    return took


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _cancel(scene: Scene) -> None:
    time.sleep(CANCEL_AFTER)
    scene.arrives()


def _until_something_is_sent(home: Household) -> None:
    """The workers are at it; on SQLite they wait while a turn stands in the middle of its transaction."""
    end = time.monotonic() + 2
    while not home.platform.log and time.monotonic() < end:
        time.sleep(0.05)


def short_form(engine: EngineName) -> list[Cell]:
    """One strike a point, another on each engine, between them every strike there is; and the worker killed at all of its own."""
    first = 0 if engine == "sqlite" else len(EVERYWHERE)
    cells = [Cell(point, *STRIKES[(first + at) * 4 % len(STRIKES)]) for at, point in enumerate(EVERYWHERE)]
    return list(dict.fromkeys([*cells, *(Cell(point, "worker", "kill") for point in EVERYWHERE[: len(DELIVERY)])]))
