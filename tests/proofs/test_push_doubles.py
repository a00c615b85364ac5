"""Doubles that nobody orders: what may have arrived is not sent in another form, another way, or when it is forgotten."""

import signal
from collections.abc import Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa

from bot.sandbox.faults import FaultKind
from bot.sandbox.swift import serving
from models import clock, db
from models.channel import Channel
from models.contact import Contact
from models.outbox import Push, PushKind, PushState, Route
from models.rebinding import RebindState, RebindWish
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


def test_what_a_second_platform_may_have_taken_does_not_go_over_the_first(office: Office) -> None:
    office.bind("student", Channel.WECOM)
    office.bind("student", Channel.OFFICIAL_ACCOUNT)
    office.platform.faults.order("message/send", FaultKind.ERRCODE, errcode=-1, count=2)
    office.platform.faults.order("template/send", FaultKind.LOST)
    push_id = office.plan("student")
    for _ in range(3):
        drain()
        office.world.forward(seconds=30)

    assert judged(office).faults == []
    assert office.row(push_id).state is PushState.ACCEPTED


def test_what_a_killed_worker_may_have_sent_does_not_go_another_way(office: Office) -> None:
    office.bind("student", Channel.WECOM)
    office.bind("student", Channel.OFFICIAL_ACCOUNT)
    office.plan("student")
    assert office.elsewhere("delivery.drain()", failpoint="delivery.after_request").returncode == -signal.SIGKILL
    for code in (45009, -1):
        office.let_leases_run_out()
        office.platform.faults.order("message/send", FaultKind.ERRCODE, errcode=code)
        drain()
        office.world.forward(minutes=5)
    drain()

    assert judged(office).faults == []


def test_what_a_killed_worker_may_have_sent_a_second_way_goes_over_no_other(office: Office) -> None:
    office.bind("student", Channel.WECOM)
    office.bind("student", Channel.OFFICIAL_ACCOUNT)
    office.platform.faults.order("message/send", FaultKind.ERRCODE, errcode=-1, count=2)
    push_id = office.plan("student")
    drain()
    office.world.forward(seconds=30)
    assert office.elsewhere("delivery.drain()", failpoint="delivery.after_request").returncode == -signal.SIGKILL
    assert len(office.arrived()) == 1
    office.let_leases_run_out()
    drain()

    assert judged(office).faults == []
    assert office.row(push_id).channel == Route.OFFICIAL_ACCOUNT


def test_what_may_have_arrived_as_a_template_does_not_come_as_a_text_when_the_window_opens(office: Office) -> None:
    address = office.bind("student", Channel.OFFICIAL_ACCOUNT)
    office.platform.faults.order("template/send", FaultKind.LOST)
    push_id = office.plan("student")
    drain()
    office.platform.heard(address)
    with db.unit_of_work() as session:
        session.get_one(Contact, 1).window_until = office.world.now + timedelta(hours=48)
        session.get_one(Contact, 1).window_left = 5
    office.world.forward(seconds=30)
    drain()

    assert judged(office).faults == []
    assert office.row(push_id).state is PushState.ACCEPTED


def test_what_travels_in_a_digest_that_may_have_arrived_does_not_come_again_when_its_first_is_over(
    office: Office,
) -> None:
    office.bind("advisor", Channel.WECOM)
    with db.unit_of_work() as session:
        wish = RebindWish(
            contact_id=1,
            person_id=office.world.people["student"],
            created_at=office.world.now,
            asked_until=office.world.now + timedelta(days=1),
        )
        session.add(wish)
        session.flush()
        wish_id = wish.id or 0
    rows = [
        office.plan("advisor", fact="together:2"),
        office.plan("advisor", PushKind.REBIND_CONFIRM, fact="together:1", wish=wish_id),
    ]
    with db.unit_of_work() as session:
        session.execute(sa.update(Push).values(held_for="pace"))
    office.platform.faults.order("message/send", FaultKind.LOST)
    drain()
    with db.unit_of_work() as session:
        session.get_one(RebindWish, wish_id).state = RebindState.REFUSED
    office.world.forward(seconds=30)
    drain()

    assert len(office.arrived()) == 1
    assert {office.row(push_id).state for push_id in rows} == {PushState.UNCERTAIN}
    assert judged(office).faults == []
