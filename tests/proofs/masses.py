"""Many that are due as everything ends: the whole tree killed, all of Redis lost; and what is urgent with no Redis at all."""

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import redis

from models.alert import Alert, Trigger
from models.channel import Channel
from models.db import unit_of_work
from models.outbox import PushKind, plan
from tests.engines import EngineName
from tests.proofs.household import Commanded, Household, Start
from tests.proofs.processes import until
from tests.proofs.scene import bind, crowd
from tests.proofs.signals import tell
from tests.proofs.stories import Life, Story

SECONDS = 30.0
"""From the loss of Redis until all are sent."""

TICKER_TAKES_OVER = 2.0
GRACE = 3.0
PLATFORM_TAKES = 0.03


def tree_killed(engine: EngineName, folder: Path, count: int) -> Story:
    """SIGKILL of the whole tree with so many due; it takes as long as sending them after a new start."""

    def prepared() -> Life:
        home = Household(folder / f"{engine}-tree", engine, Commanded)
        crowd(home, count)

        def happens(_: ThreadPoolExecutor) -> float:
            tree = home.begin("run")
            _some_are_sent(home)
            tell(tree.pids, signal.SIGKILL)
            until(lambda: not tree.pids, seconds=10)
            assert home.ask("SELECT count(*) FROM outbox WHERE state IN ('queued', 'sending')")[0][0]
            at = time.monotonic()
            home.begin("run")
            took = home.until_quiet(seconds=200) - at
            _each_was_told_once(home)
            return took

        return home, happens

    return Story(f"{engine}: the tree killed, {count} due", prepared)


def redis_lost(engine: EngineName, start: Start, folder: Path, count: int) -> Story:
    """Every key and then the server; it takes as long as sending all that is left."""

    def prepared() -> Life:
        home = Household(folder / f"{engine}-redis", engine, start)
        crowd(home, count)
        home.platform.faults.latency = PLATFORM_TAKES

        def happens(_: ThreadPoolExecutor) -> float:
            home.begin("scheduler")
            home.begin("worker")
            _some_are_sent(home)
            at = time.monotonic()
            with redis.Redis.from_url(home.valkey.url) as client:
                client.flushall()
            home.valkey.kill()
            home.valkey.start()
            took = home.until_quiet(seconds=2 * SECONDS) - at
            _each_was_told_once(home)
            assert took <= SECONDS
            return took

        return home, happens

    return Story(f"{engine}: all of Redis lost, {count} pending", prepared)


def redis_down(engine: EngineName, start: Start, folder: Path, grace: float = GRACE) -> Story:
    """No Redis at all; it takes as long as an alert to arrive."""

    def prepared() -> Life:
        home = Household(folder / f"{engine}-no-redis", engine, start, with_valkey=False)
        with home.set_up() as world:
            contact = bind(world, home.platform, "duty", Channel.WECOM)

        def happens(_: ThreadPoolExecutor) -> float:
            home.begin("worker")
            home.begin("scheduler")
            time.sleep(1.5)  # they are in the middle of a day
            with home.set_up() as world, unit_of_work() as session:
                alert = Alert(contact_id=contact, trigger=Trigger.CALL, created_at=world.now)
                session.add(alert)
                session.flush()
                said: dict[str, Any] = {"alert": alert.id, "unit": "软件2301"}
                push = plan(session, "alert:1", PushKind.ALERT, world.people["duty"], now=world.now, **said)
                home.planned.append(push or 0)
            at = time.monotonic()
            until(lambda: home.platform.delivered(f"duty-{Channel.WECOM.value}") != [], seconds=15)
            took = time.monotonic() - at
            assert took <= TICKER_TAKES_OVER + grace
            home.valkey.start()  # the others have waited
            home.until_quiet(seconds=30)
            verdict = home.verdict()
            assert not verdict.faults, str(verdict)
            return took

        return home, happens

    return Story(f"{engine}: urgent, without Redis", prepared)


def _some_are_sent(home: Household) -> None:
    """A part of them has gone out."""
    until(lambda: len(home.platform.delivered()) > len(home.planned) // 5, seconds=60)


def _each_was_told_once(home: Household) -> None:
    time.sleep(0.5)
    verdict = home.verdict()
    assert not verdict.faults, str(verdict)
    assert not verdict.doubles
    assert len(home.platform.delivered()) >= len(home.planned)
