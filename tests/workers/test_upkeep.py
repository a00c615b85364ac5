"""What the ticker keeps in order beside the pushes: its own pulse, the journal, receipts, old rows; several at once, and late."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from bench.auditor import fill
from models import chain, clock, db
from models.alert import Trigger, raise_alert
from models.audit import Audit, Fact
from models.channel import Channel
from models.outbox import (
    AttemptOutcome,
    Push,
    PushAttempt,
    PushKind,
    PushReceipt,
    PushState,
    PushTally,
    Route,
    WayName,
    note_receipt,
    plan,
)
from models.pulse import last_beat
from models.talk import meet
from tests.world import World
from workers.queue import Doorbell
from workers.schedule import Duty, duties
from workers.sweeps import BATCH, match_receipts, sweep_pushes
from workers.ticker import tick

NOWHERE = "unix:///nowhere/at/all"
KEPT = timedelta(days=180)


def every(world: World) -> list[Duty]:
    return duties(world.policy, Doorbell(NOWHERE))


def sent(world: World, fact: str, *, ended: datetime | None, state: PushState = PushState.ACCEPTED) -> int:
    """A push with an attempt."""
    with db.unit_of_work() as session:
        began = ended or world.now - timedelta(days=400)
        push_id = plan(session, fact, PushKind.CLASS_LIST, world.people["head"], now=began, unit="", came=0, missing=0)
        assert push_id is not None
        it = session.get_one(Push, push_id)
        it.state, it.settled_at, it.channel, it.way = state, ended, Route.OFFICIAL_ACCOUNT, WayName.TEMPLATE
        tried: dict[str, Any] = {
            "way": WayName.TEMPLATE,
            "began_at": began,
            "outcome": AttemptOutcome.ACCEPTED,
            "handle": fact,
        }
        session.add(PushAttempt(push_id=push_id, fence=1, channel=Route.OFFICIAL_ACCOUNT, code="0", **tried))
    return push_id


def test_the_duties_are_one_list_and_each_has_its_own_name(world: World) -> None:
    names = [duty.name for duty in every(world)]

    assert len(names) == len(set(names))
    assert {"pulse", "journal", "auditor", "receipts", "old pushes"} <= set(names)


def test_the_ticker_says_that_it_goes_on_and_seals_the_journal(world: World) -> None:
    world.phone("committee").says("帮助")
    tick(every(world), world.now)
    with db.unit_of_work(write=False) as session:
        beat = last_beat(session, "ticker")
        audited = last_beat(session, "auditor")
        assert chain.verify(session) is None

    assert beat is not None
    assert clock.machine() - beat[0] < timedelta(seconds=30)
    assert audited is not None
    assert [row.seq for row in world.rows(Audit)] == [*range(1, len(world.rows(Audit)) + 1)]


@pytest.mark.parametrize("arrived", [True, False])
def test_a_receipt_that_came_before_our_own_note_is_written_down(world: World, *, arrived: bool) -> None:
    code = "success" if arrived else "failed:user block"
    with db.unit_of_work() as session:
        for handle in ("message-1", "somebody-else's"):
            note_receipt(session, Route.OFFICIAL_ACCOUNT, handle, arrived=arrived, code=code, now=world.now)
    push_id = sent(world, "message-1", ended=world.now)

    tick(every(world), world.now)

    (push,) = world.rows(Push, Push.id == push_id)
    assert push.state is (PushState.DELIVERED if arrived else PushState.QUEUED)
    assert [row.handle for row in world.rows(PushReceipt)] == ["somebody-else's"]
    world.forward(hours=25)
    tick(every(world), world.now)
    assert world.rows(PushReceipt) == []


def test_what_ended_long_ago_goes_with_its_attempts_and_the_sums_stay(world: World) -> None:
    old = world.now - KEPT - timedelta(hours=1)
    gone = [sent(world, f"old:{at}", ended=old) for at in range(3)]
    kept = [
        sent(world, "young", ended=world.now - KEPT + timedelta(hours=1)),
        sent(world, "waits for ever", ended=None, state=PushState.QUEUED),
        sent(world, "waits for the operator", ended=None, state=PushState.HELD),
    ]
    with db.unit_of_work() as session:
        session.add(PushTally(subject="row", outcome="accepted", channel="wecom", code="", count=6))

    assert sweep_pushes(KEPT, now=world.now) == 3
    assert sweep_pushes(KEPT, now=world.now) == 0

    assert [row.id for row in world.rows(Push)] == kept
    assert [row.push_id for row in world.rows(PushAttempt)] == kept
    assert not set(gone) & set(kept)
    assert len(world.rows(PushTally)) == 1


def test_many_old_rows_go_in_batches_that_hold_the_writer_for_a_moment(world: World, database: db.Database) -> None:
    with database.unit_of_work(until=time.monotonic() + 30) as session:
        fill(session, 5_000)
        session.connection().execute(sa.text("UPDATE outbox SET created_at = due_at, expires_at = due_at"))
    longest, stop = [0.0], threading.Event()

    def somebody_else() -> None:
        while not stop.wait(0.002):
            began = time.monotonic()
            with db.unit_of_work() as session:
                session.connection().execute(sa.text("UPDATE person SET kind = kind WHERE id = 1"))
            longest[0] = max(longest[0], time.monotonic() - began)

    beside = threading.Thread(target=somebody_else)
    beside.start()
    began, count = time.monotonic(), 0
    while done := sweep_pushes(timedelta(days=8), now=world.now):
        count += done
        assert time.monotonic() - began < 30
    stop.set()
    beside.join()

    with db.unit_of_work(write=False) as session:
        left = session.connection().scalar(sa.text("SELECT count(*) FROM outbox"))
        over = session.connection().scalar(sa.text("SELECT count(*) FROM outbox WHERE settled_at IS NOT NULL"))
    assert (left, over, count > BATCH) == (5_000 - count, 0, True)
    assert longest[0] < 0.25


def test_several_tickers_at_once_do_everything_once(world: World) -> None:
    with db.unit_of_work() as session:
        actor = meet(session, Channel.WECOM, "student-wecom").actor
        raise_alert(session, actor, Trigger.CALL, policy=world.policy.duty, now=world.now, asks=True)
        for at in range(20):
            note_receipt(session, Route.OFFICIAL_ACCOUNT, f"message-{at}", arrived=True, code="success", now=world.now)
    pushes = [sent(world, f"message-{at}", ended=world.now) for at in range(20)]
    world.forward(minutes=3)
    start = threading.Barrier(4)

    def ticker(_: int) -> None:
        mine = [duty for duty in every(world) if duty.name != "late urgent pushes"]
        start.wait(10)
        for _ in range(3):
            tick(mine, world.now)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(ticker, range(4)))

    assert [it.kind for it in world.pushes("duty")] == [PushKind.ALERT]
    opened = [it for it in world.pushes() if it.kind is PushKind.CLASS_OPENED]
    assert len(opened) == len({(it.person_id, it.fact) for it in opened}) == 2
    assert world.facts(Fact.ROUND_OPENED).count(Fact.ROUND_OPENED) == 1
    assert {it.state for it in world.rows(Push) if it.id in pushes} == {PushState.DELIVERED}
    sums = {(it.subject, it.outcome): it.count for it in world.rows(PushTally)}
    assert sums["row", "delivered"] == 20
    assert sums["attempt", "delivered"] == 20
    with db.unit_of_work(write=False) as session:
        assert chain.verify(session) is None
    assert match_receipts(now=world.now) == 0
