"""What the workers ask of the outbox is answered by an index, however many rows there are."""

import re
from datetime import timedelta

import pytest
import sqlalchemy as sa

from models import clock, db
from models.db import Database, Fixed
from models.outbox import Push, PushAttempt, claiming, looking, pacing
from models.person import Person

STATEMENTS = {
    "claim urgent": claiming._CLAIM_URGENT,
    "claim others": claiming._CLAIM_OTHERS,
    "claim one": claiming._CLAIM_ONE,
    "carried": claiming._CARRIED,
    "past": claiming._PAST,
    "lately": pacing._LATELY,
    "urgent due": looking._URGENT,
    "others due": looking._OTHERS,
    "next urgent": looking._NEXT_URGENT,
    "next others": looking._NEXT_OTHERS,
}


@pytest.fixture
def many(database: Database) -> Database:
    """Twenty thousand pushes that have ended, and a few that have not."""
    now = clock.now()
    row = {"fact": "", "number": "7K3F", "kind": "concern_unsent", "urgency": "important", "data": "{}"}
    times = {"created_at": now, "due_at": now, "next_at": now, "expires_at": now + timedelta(days=1)}
    with database.engine.begin() as connection:
        people = [{"id": n, "number": str(n), "name": "", "kind": "staff"} for n in range(1, 1001)]
        connection.execute(sa.insert(Person), people)
        rows = [
            {"dedupe_key": str(n), "person_id": n % 1000 + 1, "state": "queued" if n < 20 else "accepted"} | row | times
            for n in range(20_000)
        ]
        connection.execute(sa.insert(Push), rows)
        tried = {"fence": 1, "channel": "wecom", "way": "text", "began_at": now, "outcome": "accepted"}
        connection.execute(sa.insert(PushAttempt), [{"push_id": n} | tried for n in range(1, 20_001)])
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE")
    return database


def test_an_index_answers_every_statement(many: Database) -> None:
    plans = {name: _plan(many, statement) for name, statement in STATEMENTS.items()}

    walk = re.compile(r"SCAN (outbox|push_attempt)(?! USING INDEX)|Seq Scan on (outbox|push_attempt)")
    assert {name: plan for name, plan in plans.items() if walk.search(plan)} == {}


def _plan(database: Database, statement: Fixed) -> str:
    moment = clock.now()
    given = {"ids": "[1, 2, 3]", "most": 64, "id_": 1}
    with db.unit_of_work() as session:
        sql, constants = statement._compiled(is_sqlite=database.is_sqlite)
        names = set(re.findall(r"(?<!:):(\w+)" if database.is_sqlite else r"%\((\w+)\)s", sql))
        values = {name: given.get(name, moment) for name in names} | constants
        raw = db.driver(session)
        explain = "EXPLAIN QUERY PLAN " if database.is_sqlite else "EXPLAIN "
        rows = raw.cursor().execute(explain + sql, values).fetchall()
    return "\n".join(str(row[-1]) for row in rows)
