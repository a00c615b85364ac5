"""The watch: a ticker or an auditor that falls silent is noticed within a minute, by whoever still lives."""

import logging
import threading
from datetime import timedelta

import pytest

from models import clock, db
from models.outbox import PushKind, Urgency
from models.policy import DutyPolicy
from models.pulse import Pulse, beat
from tests.world import World
from workers import watch
from workers.watch import SILENCE, WATCHED, Watch

LONG_AGO = SILENCE + timedelta(seconds=1)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looks has been up for long, and is sure at the second look."""
    monkeypatch.setattr(watch, "SURE", 0.0)


def awake(policy: DutyPolicy) -> Watch:
    """A watch that has been looking for a while."""
    it = Watch(policy)
    it._patient_until = 0
    return it


def pulses(**ages: timedelta) -> None:
    with db.unit_of_work() as session:
        for name in WATCHED:
            if name in ages:
                beat(session, name, machine=clock.machine() - ages[name])


@pytest.mark.parametrize("dead", WATCHED)
@pytest.mark.parametrize("how", [LONG_AGO, -LONG_AGO, None])
def test_whoever_is_silent_is_told_of_once_an_hour(
    world: World, dead: str, how: timedelta | None, caplog: pytest.LogCaptureFixture
) -> None:
    pulses(**(dict.fromkeys(WATCHED, timedelta()) | {dead: how or timedelta()}))
    if how is None:
        with db.unit_of_work() as session:
            session.delete(session.get_one(Pulse, dead))
    policy = world.policy.duty

    with caplog.at_level(logging.ERROR, "workers.watch"):
        planned = awake(policy).look()
    assert [urgency for _, urgency in planned] == [Urgency.URGENT]
    assert [record.__dict__.get(dead) for record in caplog.records] == ["silent"]
    assert [it.kind for it in world.pushes("duty")] == [PushKind.STALLED]

    assert awake(policy).look() == []
    assert len(world.pushes("duty")) == 1
    world.forward(hours=1)
    assert len(awake(policy).look()) == 1


def test_whoever_goes_on_is_told_of_to_nobody(world: World) -> None:
    pulses(ticker=timedelta(seconds=6), auditor=timedelta(seconds=20))

    assert awake(world.policy.duty).look() == []
    assert world.pushes() == []


def test_whoever_has_just_started_gives_the_others_time_to_start(world: World) -> None:
    assert Watch(world.policy.duty).look() == []
    assert world.pushes() == []


def test_a_machine_that_slept_accuses_nobody_at_the_first_look(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "SURE", 60.0)
    pulses(ticker=LONG_AGO, auditor=LONG_AGO)
    it = awake(world.policy.duty)

    assert it.look() == []
    pulses(ticker=timedelta(), auditor=timedelta())
    assert it.look() == []
    assert world.pushes() == []


def test_a_worker_delivers_what_the_watch_has_to_say_itself(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "EVERY", 0.05)
    monkeypatch.setattr(watch, "_watch", awake(world.policy.duty))
    stop, told = threading.Event(), threading.Event()
    delivered: list[int] = []

    def deliver(push_ids: list[int]) -> None:
        delivered.extend(push_ids)
        told.set()

    it = threading.Thread(target=watch.watch_until, args=(stop, deliver))
    it.start()
    assert told.wait(5)
    stop.set()
    it.join(5)

    assert delivered == [push.id for push in world.pushes("duty")]


def test_the_threshold_leaves_room_to_find_it_within_a_minute() -> None:
    beats_every, looks_every = timedelta(seconds=5), timedelta(seconds=watch.EVERY)

    assert SILENCE + beats_every + 2 * looks_every <= timedelta(minutes=1)
