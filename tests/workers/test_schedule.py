"""What recurs: each duty does its part, late, twice, and when another fails."""

import threading
from datetime import datetime, timedelta

import pytest

from models import clock, db, talk
from models.alert import Trigger, raise_alert
from models.channel import Channel
from models.inbox import Inbox
from models.outbox import PushKind, PushState
from models.talk import Met, OpenTalk
from tests.workers.office import Office
from tests.world import World
from workers.queue import Doorbell
from workers.schedule import Duty, duties, next_moment
from workers.ticker import run_forever, tick

NOWHERE = "unix:///nowhere/at/all"


def meet(world: World, who: str) -> Met:
    with db.unit_of_work() as session:
        return talk.meet(session, Channel.WECOM, f"{who}-wecom")


def test_an_unanswered_question_calls_the_centre_once(office: Office) -> None:
    world = office.world
    office.bind("student", Channel.WECOM)
    with db.unit_of_work() as session:
        actor = talk.meet(session, Channel.WECOM, "student-wecom").actor
        asked = raise_alert(session, actor, Trigger.CALL, policy=world.policy.duty, now=world.now, asks=True)
    every = duties(world.policy, Doorbell(NOWHERE))
    with db.unit_of_work(write=False) as session:
        assert next_moment(session, world.policy, world.now) == asked.ask_until

    world.forward(seconds=119)
    tick(every, world.now)
    assert world.pushes("duty") == []
    world.forward(seconds=2)
    tick(every, world.now)
    tick(every, world.now)

    assert [push.kind for push in world.pushes("duty")] == [PushKind.ALERT]


def test_with_redis_down_an_urgent_push_goes_after_two_seconds(office: Office) -> None:
    office.bind("duty", Channel.WECOM)
    routine = office.plan("duty", fact="test:routine")
    urgent = office.plan("duty", PushKind.ALERT)
    every = duties(office.world.policy, Doorbell(NOWHERE))

    tick(every, office.world.now)
    assert office.row(urgent).state is PushState.QUEUED
    office.world.forward(seconds=2.1)
    tick(every, office.world.now)

    assert office.row(urgent).state is PushState.ACCEPTED
    assert office.row(routine).state is PushState.QUEUED
    assert len(office.arrived()) == 1


def test_a_conversation_is_put_away_after_a_day_and_its_name_is_kept(world: World) -> None:
    begun = world.phone("committee")
    begun.talks("周报", "1")
    every = duties(world.policy, Doorbell(NOWHERE))

    world.forward(hours=23)
    tick(every, world.now)
    with db.unit_of_work() as session:
        assert talk.meet(session, Channel.OFFICIAL_ACCOUNT, begun.address).talk.log is not None
    world.forward(hours=1.1)
    tick(every, world.now)

    with db.unit_of_work() as session:
        left = talk.meet(session, Channel.OFFICIAL_ACCOUNT, begun.address).talk
    assert (left.log, left.dropped) == (None, "class_checkin")


def test_a_conversation_is_put_away_once_and_only_when_it_is_old(world: World) -> None:
    contact_id, now = meet(world, "student").actor.contact_id, world.now
    with db.unit_of_work() as session:
        talk.keep(session, contact_id, OpenTalk(b'{"stack": [{"name": "booking"}]}', None, 0, None), now=now)

    with db.unit_of_work() as session:
        assert talk.put_away(session, before=now) == []
        assert [it.contact_id for it in talk.put_away(session, before=now + timedelta(seconds=1))] == [contact_id]
        assert talk.put_away(session, before=now + timedelta(seconds=1)) == []


def test_old_replies_are_emptied_and_old_keys_forgotten(world: World) -> None:
    phone = world.phone("committee")
    phone.says("帮助")
    every = duties(world.policy, Doorbell(NOWHERE))

    world.forward(hours=25)
    tick(every, world.now)
    assert [row.reply for row in world.rows(Inbox)] == [None]
    world.forward(days=30)
    tick(every, world.now)

    assert world.rows(Inbox) == []


def test_a_duty_that_fails_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    done: list[datetime] = []

    def fail(_: datetime) -> int:
        raise ZeroDivisionError

    def note(now: datetime) -> int:
        done.append(now)
        return 1

    second = timedelta(seconds=1)
    assert tick([Duty("bad", second, fail), Duty("good", second, note)], clock.now()) == 1
    assert len(done) == 1
    assert "a duty failed" in caplog.messages


def test_the_loop_goes_on_while_a_duty_waits_and_stops_when_told() -> None:
    stop, ticks = threading.Event(), threading.Event()
    count: list[int] = []

    def wait(_: datetime) -> int:
        stop.wait(10)
        return 0

    def note(_: datetime) -> int:
        count.append(1)
        if len(count) == 3:
            ticks.set()
        return 0

    every = [Duty("slow", timedelta(), wait, aside=True), Duty("quick", timedelta(), note)]
    loop = threading.Thread(target=run_forever, args=(every, stop))
    loop.start()

    assert ticks.wait(10)
    stop.set()
    loop.join(5)
    assert not loop.is_alive()
