"""The process tree: one at a time, whole, restarted in parts, and gone without a trace."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot.tree import FAREWELL, take_lock
from models.errors import SettingsError
from workers.valkey import EmbeddedValkey

ROOT = Path(__file__).parents[2]

WATCHER = """
import sys
from bot.tree import Child, Tree
from workers import leash
children = [
    Child(name, leash.command(sys.executable, "-c", code), None)
    for name, code in zip(sys.argv[1::2], sys.argv[2::2])
]
sys.exit(Tree(children).watch())
"""
"""A watcher over children that are given as name and code."""

WITH_GRANDCHILD = """
import pathlib, subprocess, sys, time
from workers import leash
child = subprocess.Popen(leash.command(sys.executable, "-c", "import time; time.sleep(100)"))
pathlib.Path({folder!r}, "pids").open("a").write(f"{{__import__('os').getpid()}} {{child.pid}}\\n")
time.sleep(100)
"""

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(100)"
)


def soon(true: Callable[[], object], seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.02)
    return False


def pids(folder: Path) -> list[int]:
    path = folder / "pids"
    return [int(pid) for pid in path.read_text().split()] if path.exists() else []


def lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@contextlib.contextmanager
def watcher(*children: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", WATCHER, *children], cwd=ROOT, stdout=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps this promise")
def test_children_and_grandchildren_end_with_a_watcher_that_is_killed(tmp_path: Path) -> None:
    with watcher("a", WITH_GRANDCHILD.format(folder=str(tmp_path))) as process:
        assert soon(lambda: len(pids(tmp_path)) == 2)
        family = pids(tmp_path)
        assert all(lives(pid) for pid in family)
        assert os.getpgid(family[0]) == os.getpgid(process.pid)

        process.kill()

        assert soon(lambda: not any(lives(pid) for pid in family))


def test_a_child_that_dies_is_started_again(tmp_path: Path) -> None:
    with watcher("a", WITH_GRANDCHILD.format(folder=str(tmp_path))):
        for number in range(1, 3):
            assert soon(lambda number=number: len(pids(tmp_path)) == 2 * number)  # type: ignore[misc]
            os.kill(pids(tmp_path)[-2], signal.SIGKILL)
        assert soon(lambda: len(pids(tmp_path)) == 6)


def test_a_watcher_that_is_told_to_ends_its_children(tmp_path: Path) -> None:
    with watcher("a", WITH_GRANDCHILD.format(folder=str(tmp_path))) as process:
        assert soon(lambda: len(pids(tmp_path)) == 2)
        family = pids(tmp_path)

        process.terminate()

        assert process.wait(8) == 0
        assert soon(lambda: not any(lives(pid) for pid in family))


@pytest.mark.slow
def test_a_child_that_does_not_listen_is_killed_in_time() -> None:
    with watcher("a", STUBBORN) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"

        process.terminate()

        assert process.wait(FAREWELL + 3) == 0


def test_a_child_that_cannot_run_ends_the_tree() -> None:
    with watcher("a", "import time; time.sleep(100)", "b", "import sys; sys.exit(2)") as process:
        assert process.wait(10) == 2


def test_a_second_tree_on_the_same_data_is_refused_and_leftovers_are_not(tmp_path: Path) -> None:
    path = tmp_path / "data" / "xinqiao.db.lock"
    first = take_lock(path)
    with pytest.raises(SettingsError, match="another `xinqiao run`"):
        take_lock(path)

    os.close(first)  # as the kernel does for a killed process

    os.close(take_lock(path))


def test_the_embedded_queue_keeps_nothing_and_comes_back_at_the_same_place() -> None:
    from redis import Redis

    server = EmbeddedValkey()
    server.start()
    with Redis.from_url(server.url) as client:
        client.set("key", "value")
        assert client.config_get("save")["save"] == ""
        assert client.config_get("appendonly")["appendonly"] == "no"
        assert client.config_get("port")["port"] == "0"
        server.kill()
        assert not server.is_alive()
        server.start()
        assert client.get("key") is None
    assert server.folder.stat().st_mode & 0o077 == 0
    server.stop()
    assert not server.folder.exists()
