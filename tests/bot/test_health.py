"""Health: what `/readyz` and `/metrics` tell, to whom, and that it costs the same among millions of rows."""

import re
import time
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from werkzeug.test import TestResponse

from bench.auditor import fill
from bot.web import health
from models import clock, db
from models.outbox import LATE_NAMES, PushKind, late_bucket, plan, tally
from models.pulse import beat
from tests.world import World
from workers import watch

FROM_AFAR = {"REMOTE_ADDR": "10.1.2.3"}


def ask(world: World, path: str, **how: Any) -> TestResponse:
    return world.app.test_client().get(path, **how)


def metrics(world: World) -> dict[str, float]:
    text = ask(world, "/metrics").text
    found = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in found}


def alive(found: int = 0) -> None:
    with db.unit_of_work() as session:
        beat(session, "ticker", machine=clock.machine() - timedelta(seconds=3))
        beat(session, "auditor", machine=clock.machine() - timedelta(seconds=8), found=found)


def a_push(world: World, fact: str, state: str) -> None:
    with db.unit_of_work() as session:
        plan(session, fact, PushKind.CLASS_LIST, world.people["head"], now=world.now, unit="", came=0, missing=0)
        values = {"fact": fact, "state": state}
        session.connection().execute(sa.text("UPDATE outbox SET state = :state WHERE fact = :fact"), values)


def test_readiness_tells_who_looks_after_the_pushes(world: World) -> None:
    alive(found=2)
    a_push(world, "test:1", "held")

    answer = ask(world, "/readyz")

    assert answer.status_code == 200
    body = answer.get_json()
    assert 3 <= body["ticker"].pop("age") < 30
    assert 8 <= body["auditor"].pop("age") < 30
    assert body == {"database": True, "queue": False, "ticker": {}, "auditor": {"found": 2}, "held": 1}


def test_before_anybody_was_heard_there_is_no_age(world: World) -> None:
    body = ask(world, "/readyz").get_json()

    assert (body["ticker"], body["auditor"]) == ({"age": None}, {"age": None, "found": 0})


def test_strangers_learn_nothing_but_whether_it_is_ready(world: World) -> None:
    alive()
    for how in ({"environ_base": FROM_AFAR}, {"headers": {"X-Forwarded-For": "10.1.2.3"}}):
        assert ask(world, "/readyz", **how).get_json() == {}
        assert ask(world, "/metrics", **how).status_code == 403


def test_a_silent_auditor_leaves_the_process_ready_and_is_told_of(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "SURE", 0.0)
    monkeypatch.setattr(watch, "SILENCE", timedelta(seconds=-1))

    assert ask(world, "/readyz", environ_base=FROM_AFAR).status_code == 200

    told = world.pushes("duty")
    assert [it.kind for it in told] == [PushKind.STALLED]
    assert [push_id for push_id, _ in world.rung] == [told[0].id]


def test_without_a_database_nothing_is_ready_and_nothing_breaks(world: World, database: db.Database) -> None:
    with database.engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0000'"))

    answer = ask(world, "/readyz")

    assert (answer.status_code, answer.get_json()) == (503, {"database": False, "queue": False})


def test_metrics_show_what_is_under_way_and_how_the_rest_ended(world: World) -> None:
    alive(found=3)
    for at, state in enumerate(["queued", "queued", "sending", "carried", "held", "accepted"]):
        a_push(world, f"test:{at}", state)
    with db.unit_of_work() as session:
        ends = {("row", "accepted", "wecom", "in digest"): 4, ("attempt", "refused", "wecom", "81013"): 2}
        tally(session, Counter(ends))
        late = {("late", late_bucket(seconds), "wecom", ""): count for seconds, count in ((0.2, 5), (7, 2), (9_999, 1))}
        tally(session, Counter(late))
    world.forward(seconds=90)

    shown = metrics(world)

    states = {state: shown[f'outbox_rows{{state="{state}"}}'] for state in ("queued", "sending", "carried", "held")}
    assert states == {"queued": 2, "sending": 1, "carried": 1, "held": 1}
    assert 90 <= shown["outbox_oldest_due_seconds"] < 120
    assert shown["appointment_oldest_step_seconds"] == 0
    assert shown['outbox_ended{channel="wecom",reason="in digest",state="accepted"}'] == 4
    assert shown['push_attempts{channel="wecom",code="81013",outcome="refused"}'] == 2
    buckets = [shown[f'push_lateness_seconds_bucket{{channel="wecom",le="{name}"}}'] for name in LATE_NAMES]
    assert buckets == [5, 5, 5, 7, 7, 7, 7, 7, 7, 8]
    assert 3 <= shown['pulse_age_seconds{name="ticker"}'] < 30
    assert shown["auditor_found"] == 3


def test_lateness_falls_into_the_bucket_that_holds_it() -> None:
    assert [late_bucket(seconds) for seconds in (-1, 0, 1, 1.01, 60, 3600, 3601)] == [
        "1", "1", "1", "2", "60", "3600", "+Inf"
    ]  # fmt: skip


def test_metrics_cost_the_same_among_a_hundred_thousand_rows(world: World, database: db.Database) -> None:
    with database.unit_of_work(until=time.monotonic() + 60) as session:
        fill(session, 100_000)
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE")
    database.dispose()

    explain = "EXPLAIN QUERY PLAN " if database.is_sqlite else "EXPLAIN "
    walk = re.compile(r"SCAN outbox(?! USING (COVERING )?INDEX outbox_)|Seq Scan on outbox")
    with db.unit_of_work(write=False) as session:
        for statement in health.COUNTS.values():
            sql, _ = statement._compiled(is_sqlite=database.is_sqlite)
            plans = [str(row[-1]) for row in db.driver(session).execute(explain + sql).fetchall()]
            assert not any(walk.search(line) for line in plans), plans

    shown = metrics(world)
    assert shown['outbox_rows{state="queued"}'] == 2_000
