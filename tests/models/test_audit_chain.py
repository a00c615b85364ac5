"""The journal's chain: what was sealed cannot be changed, removed or re-ordered unseen; details can be erased."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import Session

from models import chain, clock, db
from models.audit import Fact, record
from models.db import Database

ROWS = 9
NOW = datetime(2026, 11, 15, 12, tzinfo=UTC)
Tamper = Callable[[Session, int, int], None]


class UndoneError(Exception):
    """Ends a transaction that shall leave nothing."""


@contextmanager
def undone() -> Iterator[Session]:
    """A session whose work leaves nothing."""
    with suppress(UndoneError), db.unit_of_work() as session:
        yield session
        raise UndoneError


def note(count: int, *, first: int = 1) -> None:
    with db.unit_of_work() as session:
        for at in range(first, first + count):
            details = {"count": at} if at % 3 else {}
            record(
                session,
                Fact.CHECKIN_SENT,
                at if at % 2 else None,
                f"checkin:{at}",
                at=NOW + timedelta(seconds=at),
                **details,
            )


def seal(most: int = chain.BATCH) -> int:
    with db.unit_of_work() as session:
        return chain.seal(session, machine=clock.machine(), most=most)


def broken(*, newest: int | None = None, batch: int = 4) -> int | None:
    with db.unit_of_work(write=False) as session:
        return chain.verify(session, newest=newest, batch=batch)


def run(session: Session, sql: str, **values: object) -> None:
    session.connection().execute(sa.text(sql), values)


def rows(session: Session, what: str, **values: object) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in session.connection().execute(sa.text(f"SELECT {what}"), values)]


def erase(session: Session, seq: int) -> None:
    chain.erase_details(session, rows(session, "id FROM audit WHERE seq = :seq", seq=seq)[0][0])


def an_edit(column: str, value: object) -> Tamper:
    sql = f"UPDATE audit SET {column} = :value WHERE seq = :seq"  # noqa: S608 — a column of ours
    return lambda session, seq, _: run(session, sql, value=value, seq=seq)


def remove(session: Session, seq: int, _: int) -> None:
    run(session, "DELETE FROM audit WHERE seq = :seq", seq=seq)


def remove_and_close_up(session: Session, seq: int, _: int) -> None:
    remove(session, seq, 0)
    for each in range(seq + 1, ROWS + 1):
        run(session, "UPDATE audit SET seq = :to WHERE seq = :seq", to=each - 1, seq=each)


def cut_off(session: Session, seq: int, _: int) -> None:
    run(session, "DELETE FROM audit WHERE seq >= :seq", seq=seq)


def swap(session: Session, seq: int, other: int) -> None:
    for place, to in ((seq, -1), (other, seq), (-1, other)):
        run(session, "UPDATE audit SET seq = :to WHERE seq = :seq", to=to, seq=place)


def unseal(session: Session, seq: int, _: int) -> None:
    run(session, "UPDATE audit SET seq = NULL, salt = NULL, digest = NULL, chain = NULL WHERE seq = :seq", seq=seq)


TAMPERS: dict[str, Tamper] = {
    "at": an_edit("at", "2026-11-15 13:00:00.000000"),
    "fact": an_edit("fact", "bound"),
    "actor": an_edit("actor_id", 77),
    "an actor more or less": lambda session, seq, _: run(
        session, "UPDATE audit SET actor_id = CASE WHEN actor_id IS NULL THEN 1 END WHERE seq = :seq", seq=seq
    ),
    "subject": an_edit("subject", "checkin:77"),
    "details": an_edit("details", '{"count": 77}'),
    "details emptied by hand": an_edit("details", ""),
    "salt": an_edit("salt", b"0123456789abcdef"),
    "digest": an_edit("digest", bytes(32)),
    "no digest": an_edit("digest", None),
    "chain": an_edit("chain", bytes(32)),
    "id": lambda session, seq, _: run(session, "UPDATE audit SET id = id + 1000 WHERE seq = :seq", seq=seq),
    "number": lambda session, seq, _: run(session, "UPDATE audit SET seq = seq + 1000 WHERE seq = :seq", seq=seq),
    "removed": remove,
    "removed and closed up": remove_and_close_up,
    "end cut off": cut_off,
    "taken out": unseal,
    "swapped": swap,
}


def test_facts_are_sealed_in_their_order_and_the_chain_holds(database: Database) -> None:
    note(ROWS)

    assert [seal(4), seal(4), seal(4), seal(4)] == [4, 4, 1, 0]
    note(3, first=ROWS + 1)
    assert seal() == 3

    with db.unit_of_work(write=False) as session:
        assert rows(session, "seq FROM audit ORDER BY id") == [(at,) for at in range(1, ROWS + 4)]
    assert broken() is None
    assert broken(newest=5) is None


def test_an_empty_journal_holds(database: Database) -> None:
    assert seal() == 0
    assert broken() is None
    assert broken(newest=1000) is None


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    how=st.sampled_from(sorted(TAMPERS)),
    erased=st.sets(st.integers(1, ROWS), max_size=3),
    seq=st.integers(1, ROWS),
    away=st.integers(1, ROWS - 1),
    later=st.booleans(),
)
def test_whatever_is_done_to_a_sealed_row_is_found(
    database: Database, how: str, erased: set[int], seq: int, away: int, *, later: bool
) -> None:
    with db.unit_of_work(write=False) as session:
        empty = not rows(session, "id FROM audit")
    if empty:
        note(ROWS)
        seal()
    other = (seq + away - 1) % ROWS + 1

    with undone() as session:
        for each in erased - {seq, other}:
            erase(session, each)
        assert chain.verify(session, batch=4) is None

        TAMPERS[how](session, seq, other)
        if later:  # what is sealed afterwards hides nothing
            record(session, Fact.BOUND, None, "contact:1", at=NOW)
            chain.seal(session, machine=clock.machine())
        found = chain.verify(session, batch=4)
        assert found is not None
        assert found <= max(seq, other)


def test_a_quick_look_sees_the_newest_rows_and_that_none_is_missing(database: Database) -> None:
    note(ROWS)
    seal()

    def after(how: str, seq: int) -> int | None:
        with undone() as session:
            TAMPERS[how](session, seq, 1)
            return chain.verify(session, newest=3)

    assert after("subject", ROWS - 2) == ROWS - 2
    assert after("subject", 2) is None
    assert after("removed", 2) == 2
    assert after("taken out", 2) == 2


def test_erased_details_are_gone_and_the_chain_still_holds(database: Database) -> None:
    note(ROWS)
    seal()

    with db.unit_of_work() as session:
        for seq in (1, 4, ROWS):
            erase(session, seq)

    with db.unit_of_work(write=False) as session:
        assert rows(session, "details, salt FROM audit WHERE seq IN (1, 4, 9)") == [("", None)] * 3
    assert broken() is None


def test_details_erased_before_the_sealing_stay_erased(database: Database) -> None:
    note(2)
    with db.unit_of_work() as session:
        chain.erase_details(session, 1)

    seal()

    assert broken() is None


def test_many_who_seal_at_once_make_one_chain(database: Database) -> None:
    note(60)
    start = threading.Barrier(4)

    def work(_: int) -> int:
        start.wait(5)
        return sum(seal(5) for _ in range(12))

    with ThreadPoolExecutor(4) as pool:
        done = sum(pool.map(work, range(4)))
    while more := seal(5):
        done += more

    assert done == 60
    assert broken() is None
