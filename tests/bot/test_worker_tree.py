"""`xinqiao worker -n`: real processes, watched, started again, ended after the job at hand, gone with their parent."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot.sandbox.faults import FaultKind
from bot.sandbox.platform import Platform
from bot.sandbox.swift import serving
from models import db
from models.channel import Channel
from models.contact import Contact
from models.outbox import Push, PushKind, PushState, plan
from tests.conftest import KEY
from tests.proofs.processes import clock_file, environment
from tests.workers.office import new_platform
from tests.world import World, write_settings
from workers.queue import Doorbell
from workers.valkey import EmbeddedValkey

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps these promises"),
    pytest.mark.parametrize("engine", ["sqlite"], indirect=True),
]


def soon(true: Callable[[], object], seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.02)
    return False


def lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


class Watcher:
    """The command and its log."""

    def __init__(self, config: Path, log: Path, queue: str, count: int) -> None:
        self.log, self.queue = log, queue
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "bot.cli", "worker", "-n", str(count), "-c", str(config)],
                cwd=ROOT, stdout=out, stderr=out,
                env=environment() | {"XINQIAO_CLOCK_FILE": str(clock_file(log.with_suffix(".clock")))},
            )  # fmt: skip

    def children(self) -> list[int]:
        """The workers that have begun to work."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        with contextlib.suppress(FileNotFoundError):
            return [pid for pid in map(int, path.read_text().split()) if lives(pid) and self.said(pid)]
        return []

    def said(self, pid: int) -> bool:
        """Whether a worker has said that it started."""
        return any(f'"pid": {pid}' in line and "worker started" in line for line in self.log.read_text().splitlines())


@pytest.fixture
def platform() -> Platform:
    """Both platforms."""
    return new_platform()


@pytest.fixture
def workers(world: World, platform: Platform, tmp_path: Path) -> Iterator[Watcher]:
    """Two of them, at work."""
    queue = EmbeddedValkey()
    queue.start()
    with serving(platform) as address:
        config = write_settings(tmp_path, world.settings.database.url, KEY, queue=queue.url, api=address)
        it = Watcher(config, tmp_path / "workers.log", queue.url, 2)
        try:
            assert soon(lambda: len(it.children()) == 2), it.log.read_text()
            yield it
        finally:
            it.process.kill()
            it.process.wait()
            queue.stop()


def test_a_worker_that_is_killed_comes_back(workers: Watcher) -> None:
    killed, other = workers.children()

    os.kill(killed, signal.SIGKILL)

    assert soon(lambda: len(workers.children()) == 2 and killed not in workers.children())
    assert other in workers.children()


def test_workers_end_with_a_parent_that_is_killed(workers: Watcher) -> None:
    family = workers.children()

    workers.process.kill()

    assert soon(lambda: not any(lives(pid) for pid in family))


def test_told_to_end_each_ends_after_the_job_at_hand(world: World, platform: Platform, workers: Watcher) -> None:
    family = workers.children()
    platform.faults.order("message/send", FaultKind.SLOW, count=1, seconds=2)
    platform.joined("advisor")
    with db.unit_of_work() as session:
        session.add(
            Contact(channel=Channel.WECOM, address="advisor", person_id=world.people["advisor"], bound_at=world.now)
        )
        push_id = plan(session, "concern:1", PushKind.CONCERN_CAME, world.people["advisor"], now=world.now, unit="软件")
    Doorbell(workers.queue).ring_drain()
    assert soon(lambda: world.rows(Push, Push.state == PushState.SENDING))

    workers.process.terminate()

    assert workers.process.wait(12) == 0
    assert not any(lives(pid) for pid in family)
    assert [it.state for it in world.rows(Push, Push.id == push_id)] == [PushState.ACCEPTED]
    assert workers.log.read_text().count("worker stopped") == 2


def test_workers_that_cannot_run_say_why_in_one_line(world: World, tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "bot.cli", "worker", "-n", "2", "-c", str(world.settings.folder / "config.toml")],
        cwd=ROOT, env=environment(), capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert ran.returncode == 2
    assert ran.stderr.startswith("xinqiao: queue.url is empty")
    assert ran.stderr.count("\n") == 1
