"""Many that are due as everything ends: the whole tree killed, all of Redis lost, no Redis at all."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from models import clock
from models.alert import Alert, Trigger
from models.channel import Channel
from models.db import unit_of_work
from models.outbox import PushKind, plan
from tests.engines import EngineName
from tests.proofs.household import Commanded, Household, Start, forking, tell, until
from tests.proofs.processes import CHAOS, Nursery
from tests.proofs.scene import bind, crowd
import signal

MANY = 10_000 if CHAOS else 500
SECONDS = 30.0
"""From the loss of Redis until all are sent."""

TICKER_TAKES_OVER = 2.0
GRACE = 3.0


@contextmanager
def household(folder: Path, engine: EngineName, start: Start, count: int) -> Iterator[Household]:
    """One where so many are due."""
    home = Household(folder / "home", engine, start)
    try:
        with home.set_up():
            pass
        crowd(home, count)
        yield home
    finally:
        home.end()
        clock.stop_moving()


def some_are_sent(home: Household) -> None:
    """A part of them has gone out."""
    until(lambda: len(home.platform.log) > len(home.planned) // 5, seconds=40)


def is_right(home: Household) -> None:
    """Each was told once."""
    time.sleep(0.5)
    verdict = home.verdict()
    assert verdict.faults == [], str(verdict)
    assert verdict.doubles == []
    assert len(home.platform.delivered()) >= len(home.planned)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_tree_killed_with_many_due_and_started_again_loses_and_doubles_nothing(
    engine: EngineName, tmp_path: Path
) -> None:
    with household(tmp_path, engine, Commanded, MANY) as home:
        tree = home.begin("run")
        some_are_sent(home)

        tell(tree.pids, signal.SIGKILL)
        until(lambda: not tree.pids, seconds=5)
        waiting = home.ask("SELECT count(*) FROM outbox WHERE state IN ('queued', 'sending')")[0][0]
        assert waiting
        home.begin("run")
        home.until_quiet(seconds=200)

        is_right(home)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_all_of_redis_lost_with_many_pending_costs_seconds_and_no_message(
    engine: EngineName, nursery: Nursery, tmp_path: Path
) -> None:
    with household(tmp_path, engine, forking(nursery), MANY) as home:
        home.platform.faults.latency = 0.03
        home.begin("scheduler")
        home.begin("worker")
        some_are_sent(home)

        at = time.monotonic()
        with redis.Redis.from_url(home.valkey.url) as client:
            client.flushall()
        home.valkey.kill()
        home.valkey.start()
        took = home.until_quiet(seconds=SECONDS + 30) - at

        is_right(home)
        print(f"{took:6.1f} s  {MANY} pending, {engine}")
        assert took <= SECONDS


@pytest.mark.slow
def test_without_any_redis_what_is_urgent_still_goes_at_once(
    engine: EngineName, nursery: Nursery, tmp_path: Path
) -> None:
    with household(tmp_path, engine, forking(nursery), 0) as home:
        home.with_valkey = False
        with home.set_up() as world:
            contact = bind(world, home.platform, "duty", Channel.WECOM)
        home.begin("worker")
        home.begin("scheduler")
        time.sleep(1.5)  # as they are in the middle of a day
        with home.set_up() as world, unit_of_work() as session:
            alert = Alert(contact_id=contact, trigger=Trigger.CALL, created_at=world.now)
            session.add(alert)
            session.flush()
            duty = world.people["duty"]
            home.planned.append(plan(session, "alert:1", PushKind.ALERT, duty, now=world.now, alert=alert.id, unit="") or 0)
        began = time.monotonic()
        until(lambda: home.platform.delivered("duty-wecom") != [], seconds=TICKER_TAKES_OVER + GRACE)

        print(f"{time.monotonic() - began:6.1f} s  urgent, without Redis, {engine}")
        until(home.is_quiet, seconds=10)
        assert home.verdict().faults == []
