"""What a pass of the auditor costs beside many pushes: the median over a hundred passes, on each engine."""

import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa
from sqlmodel import Session

from models import clock, db, schema
from models.db import Database
from models.person import Kind, Person
from models.policy import CheckinPolicy
from workers.auditor import LOOK_BACK, stalled

SIZES = (1_000, 100_000, 1_000_000)
PASSES = 100
GOAL = 20.0  # ms at 100,000 rows
LIVE = 0.02
"""Of the rows, how many are still to go; one in a thousand is being sent, and as many were carried."""

_NUMBERS = {
    True: "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count) SELECT {} FROM n",
    False: "SELECT {} FROM generate_series(1, :count) AS n(i)",
}
_COLUMNS = {
    "dedupe_key": "'bench:' || :first || ':' || i",
    "fact": "'bench:' || i",
    "number": "'AAAA'",
    "person_id": "(SELECT min(id) FROM person)",
    "kind": "'concern_came'",
    "data": "'{{}}'",
    "urgency": "CASE WHEN i % 50 = 0 THEN 'urgent' ELSE 'important' END",
    "state": """CASE WHEN i % 1000 = 1 THEN 'sending' WHEN i % 1000 = 2 THEN 'carried' WHEN i % 50 = 3 THEN 'queued'
                     WHEN i % 100 = 4 THEN 'suppressed' WHEN i % 500 = 5 THEN 'uncertain' ELSE 'accepted' END""",
    "created_at": ":old",
    "due_at": ":old",
    "next_at": ":soon",
    "expires_at": ":later",
    "lease_until": "CASE WHEN i % 1000 = 1 THEN :lease END",
    "carrier_id": "CASE WHEN i % 1000 = 2 THEN (SELECT coalesce(max(id), 0) FROM outbox) + i + 1 END",
    "fence": "1",
    "attempts": "1",
    "settled_at": "CASE WHEN i % 1000 IN (1, 2) OR i % 50 = 3 THEN NULL ELSE :old END",
}


_ATTEMPT = {
    "push_id": "(SELECT coalesce(max(push_id), 0) FROM push_attempt) + i",
    "fence": "1",
    "channel": "'wecom'",
    "way": "'text'",
    "began_at": ":old",
    "outcome": "'accepted'",
    "handle": "'handle-' || :first || '-' || i",
}
_FACT = {
    "at": ":old",
    "fact": "'checkin_sent'",
    "subject": "'checkin:' || i",
    "details": "'{{}}'",
    "seq": "CAST(:first AS integer) + i",
}


def fill(session: Session, count: int) -> None:
    """Add so many pushes with their attempts and as many facts, nearly all of them over; none of them stands still."""
    is_sqlite = not db.is_postgresql(session)
    now = clock.now()
    moments = {
        "old": now - timedelta(days=9),
        "soon": now + timedelta(hours=1),
        "later": now + timedelta(days=1),
        "lease": clock.machine() + timedelta(seconds=30),
    }
    first = str(session.connection().scalar(sa.text("SELECT coalesce(max(id), 0) FROM outbox")))
    given: dict[str, object] = {"count": count, "first": first, **moments}
    for table, columns in (("outbox", _COLUMNS), ("push_attempt", _ATTEMPT), ("audit", _FACT)):
        values = ", ".join(columns.values()).replace("{{}}", "{}")
        select = _NUMBERS[is_sqlite].replace("{}", values, 1).replace(":count", "CAST(:count AS integer)")
        for name in () if is_sqlite else moments:
            select = select.replace(f":{name}", f"CAST(:{name} AS timestamptz)")
        statement = sa.text(f"INSERT INTO {table} ({', '.join(columns)}) {select}")
        names = [name for name in given if f":{name}" in select]
        session.connection().execute(statement, {name: given[name] for name in names})


def one_pass(policy: CheckinPolicy) -> float:
    """Milliseconds of one look at everything."""
    with db.unit_of_work(write=False) as session:
        now, machine = clock.now(), clock.machine()
        began = time.perf_counter()
        found = stalled(session, policy, now=now, machine=machine, since=now - LOOK_BACK)
        spent = time.perf_counter() - began
    assert not set(found) - {"round", "unsealed"}, found
    return spent * 1000


def measure(database: Database, sizes: tuple[int, ...] = SIZES) -> Iterator[tuple[int, float, float]]:
    """Rows, median and slowest of a hundred passes in milliseconds, as the table grows."""
    rows = 0
    for size in sizes:
        while rows < size:
            some = min(size - rows, 100_000)
            with database.unit_of_work(until=time.monotonic() + 300) as session:
                fill(session, some)
            rows += some
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("ANALYZE")
        database.dispose()  # an open connection would go on by what it knew before
        spent = sorted(one_pass(CheckinPolicy()) for _ in range(PASSES))
        yield size, statistics.median(spent), spent[-1]


@contextmanager
def _databases(folder: str) -> Iterator[list[str]]:
    from tests.engines import drop, empty_database_url

    urls = [f"sqlite:///{folder}/bench.db", empty_database_url("postgresql", Path(folder))]
    yield urls
    drop(urls[1])


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="xinqiao-bench-") as folder, _databases(folder) as urls:
        for url in urls:
            database = db.connect(url)
            schema.upgrade(database)
            with database.unit_of_work() as session:
                session.add(Person(number="T1", name="陈默", kind=Kind.STAFF))
            for rows, median, slowest in measure(database):
                verdict = "" if rows != 100_000 else f"  goal < {GOAL} ms: {'met' if median < GOAL else 'MISSED'}"
                engine = database.url.get_backend_name()
                print(f"auditor, {engine}, {rows:>9,} rows: median {median:.2f} ms, slowest {slowest:.2f} ms{verdict}")
            database.dispose()


if __name__ == "__main__":
    main()
