"""Many book at once, and die at it: nothing overlaps, nothing that was told is lost, nobody is passed over in line.

The short form runs for seconds on both engines at once; `make chaos` has a hundred thousand operations each, `SIZE=full` a
million.
"""

import json
import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from models import clock, db, seal
from models.booking.table import Counselor, Opening, Room
from models.channel import Channel
from models.contact import Contact
from models.person import Kind, Person
from models.unit import Level, Unit
from tests.engines import ENGINES, EngineName, drop, fresh_database_url
from tests.proofs.bookers import KEY
from tests.proofs.booking_oracle import Book, journals, judge, overlaps, read
from tests.proofs.processes import CHAOS, ROOT, clock_file, environment

FULL = os.environ.get("SIZE") == "full"
OPERATIONS = 1_000_000 if FULL else 100_000
STUDENTS, COUNSELORS = 90, 3
MONDAY = datetime(2026, 11, 16, tzinfo=UTC)
"""Eight in the morning at school."""


def people(url: str) -> None:
    """Three counselors, two of whom share a room, and more students than they have time for."""
    seal.use_keys([KEY])
    database = db.connect(url)
    with db.unit_of_work() as session:
        session.add(Unit(id=1, level=Level.SCHOOL, name="S"))
        session.add(Unit(id=2, level=Level.COLLEGE, name="C", parent_id=1))
        session.flush()
        session.add(Room(id=1, name="R", unit_id=1))
        for n in range(COUNSELORS):
            session.add(Person(number=f"T{n}", name="T", kind=Kind.STAFF))
        session.flush()
        for n in range(STUDENTS):
            session.add(Person(number=f"S{n}", name="N", kind=Kind.STUDENT, college_id=2))
        session.flush()
        for n in range(STUDENTS):
            id_ = COUNSELORS + 1 + n
            session.add(Contact(channel=Channel.OFFICIAL_ACCOUNT, address=f"a{n}", person_id=id_, bound_at=clock.now()))
        for n in range(COUNSELORS):
            session.add(
                Counselor(
                    person_id=n + 1, unit_id=1, qualification="Q", modes="in_person phone" if n else "in_person",
                    room_id=1 if n < 2 else None, buffer_after=10, created_at=clock.now(),
                )
            )  # fmt: skip
        session.flush()
        for n in range(COUNSELORS):
            for weekday in range(7):
                starts = 9 * 60 + 30 * n
                session.add(Opening(counselor_id=n + 1, weekday=weekday, starts=starts, ends=starts + 6 * 60))
    database.dispose()


class Chaos:
    """One engine's run."""

    def __init__(self, engine: EngineName, folder: Path) -> None:
        self.folder = folder / engine
        self.folder.mkdir()
        self.url = fresh_database_url(engine, self.folder)
        people(self.url)

    def run(self, operations: int, seconds: float, kill_every: float, seed: int = 1) -> None:
        """Until so much is done; looks for overlap all the while."""
        self.said = ""
        self.faults: list[str] = []
        moved = clock_file(self.folder / "clock")
        keeper = subprocess.Popen(
            [sys.executable, "-m", "tests.proofs.bookers", self.url, str(self.folder), str(operations), str(seconds),
             str(seed), str(kill_every)],
            cwd=ROOT, env=environment() | {"XINQIAO_CLOCK_FILE": str(moved)}, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        while keeper.poll() is None:
            time.sleep(1)
            self.faults += overlaps(Book(read(self.url)))
        self.said = keeper.communicate()[1]
        for trouble in self.folder.glob("trouble-*"):
            self.said += trouble.read_text("utf-8")

    @property
    def kept(self) -> dict[str, int]:
        """How much was done."""
        found: dict[str, int] = json.loads((self.folder / "kept.json").read_text())
        return found

    def is_right(self, *, least: int, kills: int) -> None:
        """The judgement."""
        assert self.said == ""
        told = journals(self.folder)
        book = Book(read(self.url), told)
        assert self.faults == []
        assert judge(book) == []
        assert self.kept["operations"] >= least
        assert self.kept["kills"] >= kills
        ops = {line["op"] for line in told}
        events = {line["event"] for line in book.tables["waiter_log"]}
        assert ops >= {"booked", "cancelled", "joined"}, ops
        assert "offered" in events
        if least >= 10_000:
            assert ops >= {"moved", "confirmed", "declined", "left", "not_blocked"}, ops
            assert events >= {"took", "let_go", "lapsed", "skipped_mode", "skipped_counselor", "skipped_later"}, events

    def end(self) -> None:
        """Give the room back."""
        drop(self.url)


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_many_book_and_die_and_nothing_is_lost_doubled_or_out_of_turn(tmp_path: Path) -> None:
    clock.move_to(MONDAY)
    runs = [Chaos(engine, tmp_path) for engine in ENGINES]
    hands = [threading.Thread(target=it.run, args=(10_000, 20.0, 1.0)) for it in runs]
    for hand in hands:
        hand.start()
    for hand in hands:
        hand.join()

    for it in runs:
        it.is_right(least=100, kills=3)
        it.end()
    clock.stop_moving()


@pytest.mark.skipif(not CHAOS, reason="takes half an hour; `make chaos` runs it")
@pytest.mark.timeout(36_000)
def test_a_hundred_thousand_operations(engine: EngineName, tmp_path: Path) -> None:
    clock.move_to(MONDAY)
    it = Chaos(engine, tmp_path)

    it.run(OPERATIONS, 36_000, 2.0)

    it.is_right(least=OPERATIONS, kills=OPERATIONS // 10_000)
    it.end()
    clock.stop_moving()
