"""A roster comes in while turns go on: 100,000 rows through the real command, a real web process, 30 turns a second meanwhile.

`python -m bench.import_load` measures both engines, `python -m bench.import_load sqlite 20000` one, with so many rows. Each is
imported twice: most of them new to the school, and again with something changed about every one. Those who talk are among them.
"""

import csv
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, product
from pathlib import Path

import sqlalchemy as sa

from bench.load import CALM, Result, exchange, receipts, talks
from bench.school import MEMBERS
from bench.turns import DOOR, RECEIPT, ours
from bot.sandbox.callbacks import read_reply
from tests.engines import EngineName, drop, empty_database_url

ROWS = 100_000
RATE = 30.0
CONNECTIONS = 32
AT_A_TIME = 150
"""Phones that talk in turns: each says its next word when the others have said theirs."""

ALONE = 5.0
"""Seconds of turns without an import, before it begins."""

LONGEST = 400.0
CLASS, ROOM, COLLEGE = 40, 6, 5_000  # students each
UNDONE = "没处理成"
HEADERS = ("学号", "姓名", "身份", "学院", "班级", "宿舍", "角色", "负责范围", "手机号", "企业微信账号", "出生年")


@dataclass
class Measured:
    """What one import did to the turns beside it. Units: seconds."""

    took: float
    alone: Result
    meanwhile: Result
    undone: int

    def line(self) -> str:
        """As a person reads it."""
        before, now = self.alone, self.meanwhile
        return (
            f"{self.took:.0f} s; {len(now.latencies)} turns meanwhile: p50 {now.percentile(0.5):.0f} ms, "
            f"p99 {now.percentile(0.99):.0f} ms, most {1000 * max(now.latencies):.0f} ms "
            f"(without it p50 {before.percentile(0.5):.0f}, p99 {before.percentile(0.99):.0f}); not done {self.undone}"
        )


def write_roster(path: Path, rows: int, *, talking: int = 0, year: int = 2005) -> Path:
    """A school's roster: classes, rooms, officers for both, an advisor for every five classes, a head for every college.

    It begins with the classes of those who talk meanwhile, as `bench.school` built them: their rows are changed under them.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        sheet = csv.writer(file)
        sheet.writerow(HEADERS)
        left = rows
        if talking:
            sheet.writerow(["T1", "陈默", "教师", "C", "", "", "辅导员", "", "13600000000", "advisor", year - 10])
            for n, member in product(range(talking), range(MEMBERS)):
                role = "" if member else "心理委员"
                number = f"{n:06d}{member}"
                sheet.writerow([number, f"同学{n}", "学生", "C", f"班{n}", "", role, "", f"136{number:0>8}", "", year])
            left -= 1 + talking * MEMBERS
        newcomers = left
        for n in count():
            at, kind = divmod(n, CLASS)
            college = f"第{n // COLLEGE + 1}学院"
            lines = []
            if n % COLLEGE == 0:
                head = f"H{n // COLLEGE:03}"
                lines.append([head, f"站长{head}", "教师", college, "", "", "站长", "", f"139{n:08}", head, year - 20])
            if at % 5 == 0 and kind == 0:
                scope = ";".join(
                    f"班{at + more:05}" for more in range(5) if (at + more) * CLASS // COLLEGE == n // COLLEGE
                )
                who = f"A{at:05}"
                # Advisors of classes that the sheet does not hold any more would be a mistake in it.
                if (at + 5) * CLASS <= newcomers * 0.9:
                    lines.append(
                        [who, f"辅导员{who}", "教师", college, "", "", "辅导员", scope, f"138{n:08}", who, year - 10]
                    )
            role = "心理委员" if kind < 2 else "宿舍信息员" if n % ROOM == 0 else ""
            room = f"{n // ROOM // 200 + 1}-{n // ROOM % 200 + 101}"
            lines.append(
                [f"S{n:07}", f"学生{n}", "学生", college, f"班{at:05}", room, role, "", f"137{n:08}", "", year]
            )
            for line in lines[:left]:
                sheet.writerow(line)
            left -= len(lines)
            if left <= 0:
                return path
    return path


class Crowd:
    """Phones that talk at a steady rate until they are told to stop; an answer counts from when its word should have gone."""

    def __init__(self, port: int, rate: float, *, first: int, run: int, longest: float) -> None:
        self.rate = rate
        self._port = port
        self._said: list[tuple[float, float, bytes, bool]] = []  # due, how long, the reply, whether it ends a talk
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._words = enumerate(_words(first, run, int(rate * longest)))
        self._began = time.perf_counter() + 0.2
        self._threads = [threading.Thread(target=self._drive) for _ in range(CONNECTIONS)]
        for thread in self._threads:
            thread.start()

    def _drive(self) -> None:
        with socket.create_connection(("127.0.0.1", self._port)) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while not self._stop.is_set():
                with self._lock:
                    number, (request, ends) = next(self._words, (-1, (b"", False)))
                if number < 0:
                    return
                due = self._began + number / self.rate
                time.sleep(max(0.0, due - time.perf_counter()))
                reply = exchange(sock, request)
                self._said.append((due, time.perf_counter() - due, reply, ends))

    def stop(self) -> None:
        """Let everybody finish their word."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def between(self, begin: float, end: float) -> Result:
        """What was said between two moments of `time.perf_counter()`."""
        said = [each for each in self._said if begin <= each[0] < end]
        bodies = [body for _, _, body, ends in said if ends]
        return Result(end - begin, [took for _, took, _, _ in said], bodies)

    @property
    def undone(self) -> int:
        """How many were told that nothing of it was kept."""
        return sum((read_reply(DOOR, body) or "").startswith(UNDONE) for _, _, body, _ in self._said)


def _words(first: int, run: int, most: int) -> Iterator[tuple[bytes, bool]]:
    """Requests, and whether each ends its talk: some phones after the other, each of them one word at a time."""
    for at in range(-(-most // (AT_A_TIME * len(CALM)))):
        phones = range(first + at * AT_A_TIME, first + (at + 1) * AT_A_TIME)
        each = talks(DOOR, phones, "127.0.0.1", run * 10_000_000 + at * AT_A_TIME * len(CALM))
        for step in range(len(CALM)):
            for talk in each:
                yield talk[step], step == len(CALM) - 1


def phones_for(longest: float, rate: float = RATE) -> int:
    """How many phones have something to say for so long. Units: seconds."""
    return (int(rate * longest / (AT_A_TIME * len(CALM))) + 1) * AT_A_TIME


def measure(
    port: int, folder: Path, sheet: Path, *, run: int = 0, longest: float = LONGEST, alone: float = ALONE
) -> Measured:
    """Import a sheet while phones talk, others in each run. Raises: RuntimeError when the import fails."""
    crowd = Crowd(port, RATE, first=run * phones_for(longest), run=run + 1, longest=longest)
    try:
        time.sleep(alone)
        began = time.perf_counter()
        command = [
            sys.executable,
            "-m",
            "bot.cli",
            "roster",
            "import",
            str(sheet),
            "--yes",
            "-c",
            str(folder / "config.toml"),
        ]
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        ended = time.perf_counter()
    finally:
        crowd.stop()
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return Measured(ended - began, crowd.between(began - alone + 1, began), crowd.between(began, ended), crowd.undone)


@contextmanager
def _database(engine: EngineName, folder: Path) -> Iterator[str]:
    """A database of its own; PostgreSQL's syncs its disk, as a school's does."""
    url = empty_database_url(engine, folder)
    if engine == "postgresql":
        server = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.pool.NullPool)
        with server.connect() as connection:
            connection.exec_driver_sql("ALTER SYSTEM SET fsync = on")
            connection.exec_driver_sql("SELECT pg_reload_conf()")
    yield url
    drop(url)


def main(engines: list[EngineName], rows: int) -> None:
    """Measure and print."""
    phones = 2 * phones_for(LONGEST)
    for engine in engines:
        with tempfile.TemporaryDirectory() as name, _database(engine, Path(name)) as url:
            folder = Path(name)
            with ours(folder, classes=phones, url=url, core="") as port:
                for again in range(2):
                    sheet = write_roster(folder / f"roster-{again}.csv", rows, talking=phones, year=2005 + again)
                    found = measure(port, folder, sheet, run=again)
                    ends = receipts(DOOR, found.meanwhile, RECEIPT)
                    assert ends == len(found.meanwhile.last_bodies), "some talks did not end as they should"
                    what = "again, every row changed" if again else "most of them new"
                    print(f"{engine}, {rows:,} rows {what}: {found.line()}", flush=True)


if __name__ == "__main__":
    which: list[EngineName] = [each for each in ("sqlite", "postgresql") if each in sys.argv[1:]]  # type: ignore[misc]
    sizes = [int(word) for word in sys.argv[1:] if word.isdigit()]
    main(which or ["sqlite", "postgresql"], sizes[0] if sizes else ROWS)
