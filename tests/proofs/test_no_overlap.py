# ruff: noqa: S608 — raw SQL is what this is about
"""No two live appointments of a counselor, a room or a student overlap, whoever writes: the engine refuses it, not our code.

Raw SQL on the driver's own connection; one contract, two engines. Allowed is what only touches.
"""

import itertools
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from models.booking.table import IS_LIVE, LIVE
from models.db import Database
from tests.engines import EngineName
from tests.proofs import hostile
from tests.proofs.hostile import MONDAY, SPARE, Attempt, Hostile, full_book, insert, must_pass

ATTEMPTS = 10_000
ERRORS = (sqlite3.Error, psycopg.Error)
SECONDS = 10
SEED = 1
PEOPLE = """
    INSERT INTO unit (id, level, name) VALUES (1, 'school', 'S');
    INSERT INTO person (id, number, name, kind) VALUES {people};
    INSERT INTO room (id, name, place, unit_id, "use", alone) VALUES {rooms};
    INSERT INTO counselor (id, person_id, qualification, full_time, tier, unit_id, modes, topics, place, firsts, created_at)
    VALUES {counselors}"""


class Raw:
    """A connection as anybody has it who knows the password, with one cursor for all."""

    def __init__(self, database: Database) -> None:
        self.engine: EngineName = "sqlite" if database.is_sqlite else "postgresql"
        self._driver: Any
        if database.is_sqlite:
            self._driver = sqlite3.connect(
                str(database.url.database), isolation_level=None, timeout=SECONDS, check_same_thread=False
            )
            self._driver.execute("PRAGMA foreign_keys=ON")
        else:
            url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
            self._driver = psycopg.connect(url, autocommit=True)
        self._cursor = self._driver.cursor()

    def does(self, *statements: str) -> int:
        """Run; returns how many rows the last one changed."""
        for statement in statements:
            self._cursor.execute(statement)
        return int(self._cursor.rowcount)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return list(self._cursor.execute(query).fetchall())

    def refuses(self, attempt: Attempt) -> bool:
        """Whether an attempt fails, or, where it asks to be ignored, changes nothing. Undone in any case."""
        before = [it for it in attempt.settings if it.startswith("PRAGMA")]
        self.does(*before, "BEGIN")
        try:
            changed = self.does(*[it for it in attempt.settings if it not in before], *attempt.statements)
        except ERRORS:
            return True
        else:
            says = attempt.statements[-1]
            return changed == 0 and ("OR IGNORE" in says or "DO NOTHING" in says)
        finally:
            self.does("ROLLBACK")
            self.does(*(_undo(it) for it in before))

    def close(self) -> None:
        self._driver.close()


def _undo(pragma: str) -> str:
    name, _, value = pragma.partition("=")
    usual_on = "foreign_keys" in name or "trusted_schema" in name
    assert value in {"ON", "OFF"}
    return f"{name}={'ON' if usual_on else 'OFF'}"


@contextmanager
def connected(database: Database, count: int = 1) -> Iterator[list[Raw]]:
    found = [Raw(database) for _ in range(count)]
    try:
        yield found
    finally:
        for each in found:
            each.close()


@pytest.fixture
def full(database: Database) -> Database:
    """A book in which every counselor has somebody every hour of a week."""
    with connected(database) as [raw]:
        now = hostile.literal(MONDAY, raw.engine)
        people = ", ".join(f"({n}, '{n}', 'N', 'student')" for n in range(1, hostile.STUDENTS + 1))
        rooms = ", ".join(f"({n}, 'R{n}', '', 1, 'talk', false)" for n in range(1, 10))
        counselors = ", ".join(
            f"({n}, {300 + n}, 'Q', true, 'centre', 1, 'in_person', '', '', 0, {now})" for n in range(1, 10)
        )
        for statement in PEOPLE.format(people=people, rooms=rooms, counselors=counselors).split(";"):
            raw.does(statement)
        raw.does(*(insert([row], raw.engine) for row in full_book()))
        if raw.engine == "postgresql":  # which does not count what was numbered by hand
            raw.does("ALTER SEQUENCE appointment_id_seq RESTART WITH 9000")
    return database


def test_every_hostile_statement_is_refused(full: Database) -> None:
    with connected(full) as [raw]:
        before = everything(raw)

        got_through = [it for it in Hostile(raw.engine, SEED).attempts(ATTEMPTS) if not raw.refuses(it)]

        assert got_through == []
        assert everything(raw) == before
        assert overlaps(raw) == []


def test_every_sort_of_hostility_is_tried(engine: EngineName) -> None:
    tried = Counter(it.name for it in Hostile(engine, SEED).attempts(1000))

    assert len(tried) >= 25


def test_what_only_touches_is_allowed(full: Database) -> None:
    with connected(full) as [raw]:
        for attempt in must_pass(raw.engine):
            raw.does("BEGIN")
            assert raw.does(*attempt.statements) >= 1, attempt.name
            assert overlaps(raw) == [], attempt.name
            raw.does("ROLLBACK")


def test_a_bundle_is_refused_whole(full: Database) -> None:
    with connected(full) as [raw], pytest.raises(ERRORS):
        raw.does(insert([SPARE, full_book()[0]], raw.engine))
    with connected(full) as [raw]:
        assert raw.rows(f"SELECT id FROM appointment WHERE student_id = {hostile.SOMEBODY}") == []


@pytest.mark.parametrize("has_read", [False, True], ids=["", "after a look"])
def test_of_two_connections_at_once_one_gets_the_time(full: Database, *, has_read: bool) -> None:
    with connected(full, 2) as raws:
        for number in range(50):
            start = SPARE.starts_at + timedelta(hours=number)
            it = SPARE.at(start, start + timedelta(minutes=50))
            line = threading.Barrier(2)

            def takes(n: int, it: hostile.Row = it, line: threading.Barrier = line) -> bool:
                raw = raws[n]
                try:
                    if has_read:  # in a transaction that did not ask for the writer at once
                        raw.does("BEGIN", "SELECT count(*) FROM appointment")
                    line.wait(SECONDS)
                    raw.does(insert([replace(it, student_id=hostile.SOMEBODY + n)], raw.engine))
                    raw.does(*["COMMIT"] * has_read)
                except ERRORS:
                    raw.does(*["ROLLBACK"] * has_read)
                    return False
                return True

            with ThreadPoolExecutor(2) as pool:
                assert sum(pool.map(takes, range(2))) == 1

        assert overlaps(raws[0]) == []


def test_a_time_that_is_being_freed_is_taken_only_when_it_is_free(full: Database) -> None:
    first = full_book()[0]
    with connected(full, 2) as [one, other]:
        taken = insert([replace(first, id=None, student_id=hostile.SOMEBODY, state="booked")], one.engine)
        if one.engine == "sqlite":
            other.does("PRAGMA busy_timeout=50")
        else:
            other.does("SET lock_timeout = '50ms'")
        one.does("BEGIN", f"UPDATE appointment SET state = 'cancelled' WHERE id = {first.id}")

        with pytest.raises(ERRORS):
            other.does(taken)

        one.does("ROLLBACK")
        with pytest.raises(ERRORS):
            other.does(taken)
        one.does(f"UPDATE appointment SET state = 'cancelled' WHERE id = {first.id}")
        assert other.does(taken) == 1
        assert overlaps(one) == []


def test_the_rules_name_every_live_state(database: Database) -> None:
    """The migration spells the states by itself; this is where the two are held together."""
    with database.engine.connect() as connection:
        if database.is_sqlite:
            found = connection.exec_driver_sql("SELECT sql FROM sqlite_master WHERE type = 'trigger'").scalars().all()
        else:
            found = [
                row[0]
                for row in connection.execute(
                    sa.text("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname LIKE 'no_overlap_%'")
                )
            ]

    assert found
    for text in found:
        assert IS_LIVE in text or all(f"'{each.value}'" in text for each in LIVE)


def everything(raw: Raw) -> list[tuple[Any, ...]]:
    return raw.rows("SELECT * FROM appointment ORDER BY id")


def overlaps(raw: Raw) -> list[tuple[Any, ...]]:
    """Pairs of live rows that share somebody and a moment, found without the engine's help."""
    rows = raw.rows(
        "SELECT id, counselor_id, room_id, student_id, busy_from, busy_to, starts_at, ends_at FROM appointment"
        " WHERE state IN ('held', 'offered', 'proposed', 'pending', 'booked')"
    )
    found = []
    for who, start, end in ((1, 4, 5), (2, 4, 5), (3, 6, 7)):
        stretches = sorted((row[who], _moment(row[start]), _moment(row[end]), row[0]) for row in rows if row[who])
        found += [
            (one[3], other[3])
            for one, other in itertools.pairwise(stretches)
            if one[0] == other[0] and one[2] > other[1]
        ]
    return found


def _moment(value: str | datetime) -> str:
    return value if isinstance(value, str) else value.isoformat()
