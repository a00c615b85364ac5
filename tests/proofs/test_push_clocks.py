"""Clocks that are wrong, a disk that is full: nothing is lost or doubled."""

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from models import clock
from tests.engines import EngineName
from tests.proofs.household import Household, forking, wrong_by
from tests.proofs.processes import CHAOS, Nursery, until
from tests.proofs.scene import crowd, people
from tests.proofs.server import Server

SIZES = {"sqlite": "6m", "postgresql": "96m"}


@pytest.fixture
def homes(engine: EngineName, nursery: Nursery, tmp_path: Path) -> Iterator["Homes"]:
    """Makes households and ends them."""
    it = Homes(engine, nursery, tmp_path)
    yield it
    for home in it.made:
        home.end()
    clock.stop_moving()


@dataclass
class Homes:
    """A maker of households."""

    engine: EngineName
    nursery: Nursery
    folder: Path

    def __post_init__(self) -> None:
        self.made: list[Household] = []

    def new(self, folder: Path | None = None, server: Server | None = None) -> Household:
        """One with its processes out of the nursery; its school is there, and its clock stands."""
        name = f"home-{len(self.made)}"
        home = Household((folder or self.folder) / name, self.engine, forking(self.nursery), server)
        self.made.append(home)
        with home.set_up():
            return home


def in_turn(engine: EngineName, hours: int, *, sqlite: int) -> None:
    """The short form has one direction on each engine."""
    if not CHAOS and (hours == sqlite) != (engine == "sqlite"):
        pytest.skip("`make chaos` has both directions on both engines")


@pytest.mark.slow
@pytest.mark.parametrize("hours", [-1, 1])
def test_a_worker_whose_clock_is_an_hour_wrong_loses_and_doubles_nothing(homes: Homes, hours: int) -> None:
    """Leases are the machine's: what it writes means nothing to the others, and the others' means nothing to it."""
    in_turn(homes.engine, hours, sqlite=1)
    home = homes.new()
    crowd(home, 150, at=home.now - timedelta(hours=2))
    scene = people(home)
    home.platform.faults.latency = 0.1
    home.begin("scheduler")
    home.wrong_clocks["worker"] = wrong_by(home.folder / "clock", timedelta(hours=hours))
    home.begin("worker", name="a wrong worker")
    home.wrong_clocks.clear()
    home.begin("worker")
    scene.arrives()
    home.until_quiet(seconds=30)
    time.sleep(0.5)
    verdict = home.verdict()
    assert verdict.faults == [], str(verdict)


@pytest.mark.slow
@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_jumps_an_hour_under_everybody_loses_and_doubles_nothing(homes: Homes, hours: int) -> None:
    in_turn(homes.engine, hours, sqlite=-1)
    home = homes.new()
    crowd(home, 300, at=home.now - timedelta(hours=2))
    file = wrong_by(home.folder / "clock", timedelta())
    home.wrong_clocks = dict.fromkeys(("worker", "scheduler"), file)
    home.platform.faults.latency = 0.2
    home.begin("scheduler")
    home.begin("worker")
    until(lambda: len(home.platform.delivered()) > 30, seconds=20)
    wrong_by(file, timedelta(hours=hours))
    clock.move_to(clock.now() + timedelta(hours=hours))
    home.until_quiet(seconds=30)
    time.sleep(0.5)
    verdict = home.verdict()
    assert verdict.faults == [], str(verdict)
    assert verdict.ends["accepted"] >= 300


@pytest.fixture
def small_disk(engine: EngineName, tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with a few MiB more than the engine takes; only root can have one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZES[engine]}", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, check=False).returncode:
        pytest.skip("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)  # noqa: S607


def fill(file: Path) -> None:
    """Leave no room on a disk."""
    with file.open("wb", buffering=0) as opened, contextlib.suppress(OSError):
        while True:
            opened.write(bytes(4096))


@pytest.mark.slow
def test_a_full_disk_loses_and_doubles_nothing(small_disk: Path, homes: Homes) -> None:
    """SQLite refuses to write until there is room; PostgreSQL ends itself, and cannot even start again until then."""
    server = Server(small_disk) if homes.engine == "postgresql" else None
    home = homes.new(None if server else small_disk, server)
    crowd(home, 200)
    home.platform.faults.latency = 0.1
    home.begin("scheduler")
    home.begin("worker")
    until(lambda: len(home.platform.delivered()) > 20, seconds=20)
    filler = small_disk / "filler"
    fill(filler)
    if server is not None:
        home.ask("SELECT pg_switch_wal()")  # the next change needs a new file
        until(lambda: server.has_ended, seconds=20)
    time.sleep(4.0)
    filler.unlink()
    if server is not None:
        server.begin_again()
    at = time.monotonic()
    took = home.until_quiet(seconds=40) - at
    time.sleep(0.5)
    verdict = home.verdict()
    assert verdict.faults == [], str(verdict)
    assert verdict.ends["accepted"] >= 200
    assert took < 20.0
