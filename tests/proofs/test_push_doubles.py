"""Doubles that nobody orders: what may have arrived is not sent in another form, another way, or when it is forgotten."""

import signal
from collections.abc import Iterator
from datetime import timedelta

import pytest

from bot.sandbox.faults import FaultKind
from bot.sandbox.swift import serving
from models import clock
from models.channel import Channel
from models.outbox import PushKind, PushState
from tests.proofs.oracle import Evidence, Verdict, judge
from tests.workers.office import Office, new_platform
from tests.world import World
from workers.delivery import drain

TEMPLATE_IS_REMEMBERED = timedelta(minutes=10)


@pytest.fixture
def office(world: World) -> Iterator[Office]:
    """The school with a platform that answers, on each engine in turn."""
    with serving(platform := new_platform()) as address:
        yield Office(world, platform, address)


def judged(office: Office) -> Verdict:
    evidence = Evidence(office.world.settings.database.url, office.platform.log)
    return judge(evidence, now=clock.now())


def test_what_a_killed_worker_may_have_sent_is_not_put_into_a_digest(office: Office) -> None:
    office.bind("advisor", Channel.WECOM)
    for n in range(6):
        office.plan("advisor", PushKind.REBIND_DONE, fact=f"routine:{n}")
    assert office.elsewhere("delivery.drain()", failpoint="delivery.before_settle").returncode == -signal.SIGKILL
    assert office.arrived()
    office.let_leases_run_out()

    for n in range(6):
        office.plan("advisor", fact=f"important:{n}")
    drain()
    office.world.forward(minutes=11)
    drain()

    assert judged(office).faults == []


def test_a_message_whose_answer_was_lost_is_not_repeated_when_the_platform_has_forgotten_it(office: Office) -> None:
    office.bind("student", Channel.OFFICIAL_ACCOUNT)
    office.platform.faults.order("template/send", FaultKind.LOST)
    push_id = office.plan("student", PushKind.REBIND_DONE)
    drain()
    office.platform.faults.order("template/send", FaultKind.ERRCODE, errcode=45009)
    office.world.forward(seconds=10)
    drain()

    office.world.forward(hours=16)  # the quota is there again, and it is day
    drain()

    assert judged(office).faults == []
    assert office.row(push_id).state is PushState.UNCERTAIN


def test_what_a_killed_worker_may_have_sent_is_not_sent_an_hour_later(office: Office) -> None:
    office.bind("student", Channel.OFFICIAL_ACCOUNT)
    push_id = office.plan("student")
    assert office.elsewhere("delivery.drain()", failpoint="delivery.after_request").returncode == -signal.SIGKILL
    office.let_leases_run_out()

    office.world.forward(seconds=6 * TEMPLATE_IS_REMEMBERED.total_seconds())
    drain()

    assert judged(office).faults == []
    assert office.row(push_id).state is PushState.UNCERTAIN


def test_a_message_that_may_have_arrived_does_not_go_another_way(office: Office) -> None:
    office.bind("student", Channel.WECOM)
    office.bind("student", Channel.OFFICIAL_ACCOUNT)
    office.platform.faults.order("message/send", FaultKind.LOST)
    office.plan("student")
    drain()
    office.platform.faults.order("message/send", FaultKind.ERRCODE, errcode=45009)
    office.world.forward(seconds=10)
    drain()
    office.world.forward(minutes=5)
    drain()

    assert judged(office).faults == []
