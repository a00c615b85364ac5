"""The web process: answers, comes back, ends with its parent, and refuses what cannot work."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot import serving
from bot.sandbox.listen import free_port
from models.errors import SettingsError

ROOT = Path(__file__).parents[2]


@contextlib.contextmanager
def served(name: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bot.small_app", name, str(port)], cwd=ROOT, stderr=subprocess.PIPE
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


def answer(port: int, *, unlike: int = 0) -> int:
    """The process id that answers, once there is one that is not `unlike`; 0 when none does for ten seconds."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=1) as reply:
            if (pid := int(reply.read())) != unlike:
                return pid
        time.sleep(0.02)
    return 0


def is_closed(port: int) -> bool:
    end = time.monotonic() + 5
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return True
        time.sleep(0.02)
    return False


def test_it_answers_comes_back_and_ends_with_its_parent() -> None:
    port = free_port()
    with served("sound", port) as process:
        first = answer(port)
        assert first not in {0, process.pid}

        os.kill(first, signal.SIGKILL)
        second = answer(port, unlike=first)
        assert second not in {0, process.pid}

        process.kill()
        assert is_closed(port)


def test_it_stops_when_told_to() -> None:
    port = free_port()
    with served("sound", port) as process:
        assert answer(port)

        process.terminate()

        assert process.wait(10) == 0
        assert is_closed(port)


def test_an_application_that_cannot_be_made_ends_it_with_the_reason() -> None:
    with served("broken", free_port()) as process:
        assert process.wait(10) == 1
        assert process.stderr is not None
        assert b"refused: words/: a.sentence is missing; put it back" in process.stderr.read()


def test_a_port_that_is_taken_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "LEFTOVERS", 0.1)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        with pytest.raises(SettingsError, match=rf"web\.host, web\.port: 127\.0\.0\.1 port {port}"):
            serving.check_port("127.0.0.1", port)
