"""Turns that share one sync of SQLite's write-ahead log."""

import os
import threading
from pathlib import Path

import pytest

from models.durable import LogSync


class Disk:
    """Stands where the system's call is: a disk that can be slow and can fail cannot be had otherwise."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.syncs = 0
        self.entered = threading.Event()
        self.go_on = threading.Event()
        self.fails = False
        monkeypatch.setattr(os, "fdatasync", self._sync)

    def _sync(self, _file: int) -> None:
        self.syncs += 1
        self.entered.set()
        assert self.go_on.wait(10)
        if self.fails:
            raise OSError(5, "Input/output error")


@pytest.fixture
def sync(tmp_path: Path) -> LogSync:
    (tmp_path / "x.db-wal").write_bytes(b"frames")
    return LogSync(tmp_path / "x.db")


def together(sync: LogSync, count: int) -> tuple[list[threading.Thread], list[str]]:
    ends: list[str] = []

    def wait() -> None:
        try:
            sync.wait()
            ends.append("on disk")
        except OSError:
            ends.append("unknown")

    threads = [threading.Thread(target=wait) for _ in range(count)]
    for thread in threads:
        thread.start()
    return threads, ends


def test_whoever_comes_while_a_sync_runs_waits_for_the_next_which_covers_them_all(
    sync: LogSync, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch)
    first, first_end = together(sync, 1)
    assert disk.entered.wait(10)

    rest, rest_ends = together(sync, 7)
    assert rest_ends == []
    disk.go_on.set()
    for thread in first + rest:
        thread.join(10)

    assert first_end + rest_ends == ["on disk"] * 8
    # The seven share one sync; one more where a thread had not yet asked as it began.
    assert 2 <= disk.syncs <= 8


def test_a_sync_that_failed_is_never_made_good_by_a_later_one(sync: LogSync, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(monkeypatch)
    disk.fails = True
    disk.go_on.set()
    with pytest.raises(OSError, match="Input/output"):
        sync.wait()

    disk.fails = False
    sync.wait()

    assert disk.syncs == 2


def test_a_log_that_was_made_anew_is_found(sync: LogSync, tmp_path: Path) -> None:
    sync.wait()
    (tmp_path / "x.db-wal").unlink()
    (tmp_path / "x.db-wal").write_bytes(b"other frames")

    sync.wait()

    assert os.fstat(sync._file).st_ino == (tmp_path / "x.db-wal").stat().st_ino
