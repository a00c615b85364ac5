"""A race for a few times: how many attempts a second are decided, ours against the same race in plain SQL on the same engine.

200 clients want 20 times, ten each; who is first has it, the others are told. Plain: a transaction with one INSERT a client, on
the driver's own connection, into the same table with the same rules of the engine, committed as durably. Ours: `hold` and `book`,
with the search for what is on offer, limits, thread, count of firsts, audit, push and next reminder. In interleaved rounds, by as
many threads.
"""

import random
import sqlite3
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa

from bench.school import new_key
from models import clock, db, schema, seal
from models.booking.acting import book
from models.booking.choices import Mode
from models.booking.table import Counselor, Opening, Side
from models.booking.taking import By, hold
from models.db import Database, to_utc_text
from models.errors import TimeTakenError
from models.person import Person
from models.policy import BookingPolicy
from models.unit import Unit

CLIENTS, TIMES = 200, 20
COUNSELORS = 4
THREADS = 4
ROUNDS = 5
RACES = 5  # a round
MONDAY = datetime(2026, 11, 16, tzinfo=UTC)
POLICY = BookingPolicy(horizon=timedelta(weeks=30), most_a_week=0, counselor_a_week=0)
COLUMNS = (
    "student_id", "counselor_id", "mode", "state", "starts_at", "ends_at", "busy_from", "busy_to", "first", "version", "moves",
    "made_at", "late_cancel", "face",
)  # fmt: skip
Race = list[tuple[int, int, datetime]]
"""Who wants which counselor when."""


def build(database: Database, students: int) -> None:
    """Four counselors who see five people a day, and everybody who will ever race."""
    schema.upgrade(database)
    with database.engine.begin() as connection:
        connection.execute(sa.insert(Unit), [{"id": 1, "level": "school", "name": "S", "parent_id": None}])
        staff = [{"id": n + 1, "number": f"T{n}", "name": "T", "kind": "staff"} for n in range(COUNSELORS)]
        connection.execute(sa.insert(Person), staff)
        everybody = [{"id": 101 + n, "number": f"S{n}", "name": "N", "kind": "student"} for n in range(students)]
        connection.execute(sa.insert(Person), everybody)
        profile = {
            "unit_id": 1, "qualification": "Q", "full_time": True, "tier": "centre", "modes": "in_person", "topics": "",
            "place": "", "firsts": 0, "created_at": MONDAY,
        }  # fmt: skip
        connection.execute(
            sa.insert(Counselor), [{"id": n + 1, "person_id": n + 1} | profile for n in range(COUNSELORS)]
        )
        hours = [
            {"counselor_id": n + 1, "weekday": day, "starts": 9 * 60, "ends": 14 * 60, "modes": ""}
            for n in range(COUNSELORS)
            for day in range(7)
        ]
        connection.execute(sa.insert(Opening), hours)
        if not database.is_sqlite:
            connection.exec_driver_sql("ANALYZE")


class Races:
    """Races nobody has run yet: each on a day of its own, with people of its own."""

    def __init__(self) -> None:
        self._next = 0
        self._luck = random.Random(1)

    def take(self) -> Race:
        """The next one."""
        day = MONDAY + timedelta(days=1 + self._next)
        times = [
            (counselor + 1, day + timedelta(hours=1 + hour)) for counselor in range(COUNSELORS) for hour in range(5)
        ]
        assert len(times) == TIMES
        first = 101 + self._next * CLIENTS
        self._next += 1
        race = [(first + n, *times[n % TIMES]) for n in range(CLIENTS)]
        self._luck.shuffle(race)
        return race


def plain(database: Database) -> tuple[Callable[[int, int, datetime], bool], Callable[[], None]]:
    """One INSERT a client; and how to let go of the connections."""
    own = threading.local()
    opened: list[Any] = []
    mark = "?" if database.is_sqlite else "%s"
    statement = f"INSERT INTO appointment ({', '.join(COLUMNS)}) VALUES ({', '.join([mark] * len(COLUMNS))})"  # noqa: S608
    # A bare INSERT deadlocks there: two that have each put their row in wait for the other's end, for a second.
    statement += "" if database.is_sqlite else " ON CONFLICT DO NOTHING"
    turn = threading.Lock()

    def connection() -> Any:
        if not hasattr(own, "it"):
            if database.is_sqlite:
                own.it = sqlite3.connect(
                    str(database.url.database), isolation_level=None, check_same_thread=False, timeout=30
                )
                own.it.execute("PRAGMA synchronous=FULL")
            else:
                url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
                own.it = psycopg.connect(url, autocommit=True)
            opened.append(own.it)
        return own.it

    def attempt(student: int, counselor: int, start: datetime) -> bool:
        moments = (start, start + timedelta(minutes=50), start, start + timedelta(minutes=60))
        row = [student, counselor, "in_person", "booked", *moments, False, 1, 0, MONDAY, False, False]
        try:
            if database.is_sqlite:
                row = [to_utc_text(each) if isinstance(each, datetime) else each for each in row]
                with turn:  # fairer and faster than SQLite's own sleep-and-try-again
                    it = connection()
                    it.execute("BEGIN IMMEDIATE")
                    it.execute(statement, row)
                    it.execute("COMMIT")
                return True
            with connection().transaction():
                return bool(connection().execute(statement, row).rowcount)
        except sqlite3.IntegrityError:
            connection().execute("ROLLBACK")
            return False

    return attempt, lambda: [each.close() for each in opened] and None


def ours(student: int, counselor: int, start: datetime) -> bool:
    """What a turn does: the refusal is caught within, and whoever is refused is told."""
    by = By(student, Side.STUDENT)
    with db.unit_of_work() as session:
        try:
            held = hold(session, by, student, start, Mode.IN_PERSON, policy=POLICY, now=MONDAY, counselor_id=counselor)
            book(session, by, held.id or 0, policy=POLICY, now=MONDAY)
        except TimeTakenError:
            return False
    return True


def run(pool: ThreadPoolExecutor, races: Races, attempt: Callable[[int, int, datetime], bool]) -> float:
    """Attempts a second over some races; each has exactly as many winners as times."""
    count, spent = 0, 0.0
    for _ in range(RACES):
        race = races.take()
        begun = time.perf_counter()
        won = sum(pool.map(lambda it: attempt(*it), race))
        spent += time.perf_counter() - begun
        assert won == TIMES, won
        count += len(race)
    return count / spent


def measure(url: str) -> None:
    """Interleaved rounds on one engine."""
    database = db.connect(url)
    build(database, CLIENTS * RACES * (ROUNDS + 1) * 2)
    seal.use_keys([new_key()])
    races = Races()
    attempt, close = plain(database)
    found: dict[str, list[float]] = {"plain": [], "ours": []}
    with ThreadPoolExecutor(THREADS) as pool:
        for number in range(ROUNDS + 1):
            results = {"plain": run(pool, races, attempt), "ours": run(pool, races, ours)}
            if number:  # the first one warms up
                for name, value in results.items():
                    found[name].append(value)
    close()
    ratios = [mine / theirs for mine, theirs in zip(found["ours"], found["plain"], strict=True)]
    name = "SQLite" if database.is_sqlite else "PostgreSQL"
    for who, values in found.items():
        print(f"{name}, {who}: median {statistics.median(values):.0f} attempts/s ({min(values):.0f}–{max(values):.0f})")
    print(
        f"{name}, ours ÷ plain: median {statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})",
        flush=True,
    )
    database.dispose()


def main(names: list[str]) -> None:
    """Both engines, or the one that is named."""
    clock.move_to(MONDAY)
    with tempfile.TemporaryDirectory() as folder:
        if "postgresql" not in names:
            measure(f"sqlite:///{Path(folder) / 'race.db'}")
        if "sqlite" not in names:
            from tests.engines import empty_database_url

            measure(empty_database_url("postgresql", Path(folder)))


if __name__ == "__main__":
    main(sys.argv[1:])
