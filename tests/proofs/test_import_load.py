"""A roster comes in through the real command while a real web process answers: turns do not starve. Rules: design, Roster."""

from pathlib import Path

from sqlmodel import func, select

from bench.import_load import measure, phones_for, write_roster
from bench.load import receipts
from bench.turns import DOOR, RECEIPT, ours
from models.db import Database
from models.person import Person
from tests.engines import EngineName, drop, empty_database_url
from tests.proofs.processes import CHAOS

ROWS, LONGEST = (100_000, 300.0) if CHAOS else (10_000, 45.0)
SLOW = 1000
"""Milliseconds that the slowest turn of a hundred may take."""


def test_turns_go_on_while_a_roster_comes_in(engine: EngineName, tmp_path: Path) -> None:
    url, phones = empty_database_url(engine, tmp_path), phones_for(LONGEST)
    sheet = write_roster(tmp_path / "roster.csv", ROWS, talking=phones)

    with ours(tmp_path, classes=phones, url=url, core="") as port:
        found = measure(port, tmp_path, sheet, longest=LONGEST, alone=2.0)

    print(found.line())  # noqa: T201 — `pytest -s` shows it
    assert found.meanwhile.percentile(0.99) <= SLOW
    assert found.undone == 0
    assert receipts(DOOR, found.meanwhile, RECEIPT) == len(found.meanwhile.last_bodies)
    database = Database(url)
    with database.unit_of_work(write=False) as session:
        assert session.exec(select(func.count()).select_from(Person)).one() == ROWS
    database.dispose()
    drop(url)
