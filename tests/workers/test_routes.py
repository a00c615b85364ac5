"""Over what a push goes, what is kept of every request, and who hears of it when nothing arrived."""

from datetime import timedelta

import pytest

from bot.sandbox.faults import FaultKind
from bot.sandbox.ledger import LogRow
from bot.sandbox.listen import free_port
from models import clock, db
from models.audit import Audit, Fact
from models.channel import Channel
from models.contact import Contact
from models.outbox import (
    AttemptOutcome,
    Push,
    PushKind,
    PushState,
    PushTally,
    Reason,
    Route,
    WayName,
    match_receipts,
    note_receipt,
)
from models.person import Person
from tests.workers.office import Office
from workers.delivery import drain

SERVICE, TEMPLATES, WECOM = "custom/send", "template/send", "message/send"


def receipt(office: Office, push_id: int, *, arrived: bool) -> None:
    """The platform's event about the template message of a push."""
    (attempt,) = [each for each in office.attempts(push_id) if each.handle]
    with db.unit_of_work() as session:
        note_receipt(
            session,
            Route.OFFICIAL_ACCOUNT,
            attempt.handle or "",
            arrived=arrived,
            code="success" if arrived else "failed:user block",
            now=clock.now(),
        )


def notices(office: Office) -> list[LogRow]:
    """What went over the school's other ways."""
    return [row for row in office.platform.log if "/fallback/" in row["api"]]


def test_every_request_is_kept_apart_from_what_it_said(office: Office) -> None:
    userid = office.bind("advisor", Channel.WECOM)
    office.bind("advisor", Channel.OFFICIAL_ACCOUNT)
    office.platform.wecom.leave(userid)
    push_id = office.plan("advisor")

    drain()

    kept = [(each.channel, each.way, each.code, each.outcome) for each in office.attempts(push_id)]
    assert kept == [
        (Route.WECOM, WayName.TEXT, "81013", AttemptOutcome.REFUSED),
        (Route.OFFICIAL_ACCOUNT, WayName.TEMPLATE, "0", AttemptOutcome.ACCEPTED),
    ]
    assert all(each.ended_at is not None for each in office.attempts(push_id))
    assert (office.row(push_id).channel, office.row(push_id).way) == (Route.OFFICIAL_ACCOUNT, WayName.TEMPLATE)


def test_ends_and_attempts_are_summed_as_they_happen(office: Office) -> None:
    office.bind("advisor", Channel.WECOM)
    office.plan("advisor")
    office.plan("head")

    drain()

    sums = {(it.subject, it.outcome, it.channel, it.code): it.count for it in office.world.rows(PushTally)}
    assert sums["row", "accepted", "wecom", ""] == 1
    assert sums["row", "exhausted", "", "unreachable"] == 1
    assert sums["attempt", "accepted", "wecom", "0"] == 1


def test_what_is_urgent_goes_over_all_channels_at_once(office: Office) -> None:
    office.fallback = (office.address.replace("http", "json") + "/fallback/{number}",)
    office.equip()
    userid = office.bind("duty", Channel.WECOM)
    openid = office.bind("duty", Channel.OFFICIAL_ACCOUNT, window=True)
    push_id = office.plan("duty", PushKind.ALERT)

    drain()

    assert office.row(push_id).state is PushState.ACCEPTED
    assert len(office.arrived(userid)) == len(office.arrived(openid)) == 1
    (notice,) = notices(office)
    assert "编号" in str(notice["body"])
    assert {each.channel for each in office.attempts(push_id)} == set(Route)


def test_one_channel_that_takes_an_urgent_push_is_enough(office: Office) -> None:
    office.bind("duty", Channel.WECOM)
    office.bind("duty", Channel.OFFICIAL_ACCOUNT, window=True)
    push_id = office.plan("duty", PushKind.ALERT)
    office.platform.faults.order(WECOM, FaultKind.ERRCODE, errcode=-1, count=9)

    drain()

    assert (office.row(push_id).state, office.row(push_id).channel) == (PushState.ACCEPTED, Route.OFFICIAL_ACCOUNT)


def test_the_schools_other_ways_come_last_and_only_for_what_matters(office: Office) -> None:
    office.fallback = (office.address.replace("http", "json") + "/fallback/{number}",)
    office.equip()
    userid = office.bind("advisor", Channel.WECOM)
    office.platform.wecom.leave(userid)
    important = office.plan("advisor")
    routine = office.plan("advisor", PushKind.REBIND_DONE)

    drain()

    assert (office.row(important).state, office.row(important).channel) == (PushState.ACCEPTED, Route.FALLBACK)
    assert office.row(routine).state is PushState.EXHAUSTED
    assert len(notices(office)) == 1


def test_an_address_that_wants_a_telephone_is_left_out_for_whoever_has_none(office: Office) -> None:
    office.fallback = (office.address.replace("http", "json") + "/fallback/{phone}",)
    office.equip()
    push_id = office.plan("advisor")
    with db.unit_of_work() as session:
        session.get_one(Person, office.world.people["advisor"]).phone = None

    drain()

    assert (office.row(push_id).state, office.row(push_id).reason) == (PushState.EXHAUSTED, Reason.UNREACHABLE)


def test_a_kind_without_a_template_uses_the_one_that_only_says_that_something_waits(office: Office) -> None:
    del office.templates[PushKind.CONCERN_UNSENT]
    office.equip()
    office.bind("student", Channel.OFFICIAL_ACCOUNT)
    office.plan("student")

    drain()

    (call,) = office.calls(TEMPLATES)
    assert call["body"]["data"]["thing1"]["value"] == "有新消息，回复「查看」"


def test_the_platforms_event_makes_it_delivered(office: Office) -> None:
    office.bind("student", Channel.OFFICIAL_ACCOUNT)
    push_id = office.plan("student")
    drain()

    receipt(office, push_id, arrived=True)
    receipt_again = office.row(push_id)

    assert receipt_again.state is PushState.DELIVERED
    assert [each.outcome for each in office.attempts(push_id)] == [AttemptOutcome.DELIVERED]


def test_what_did_not_arrive_after_all_is_tried_another_way(office: Office) -> None:
    office.fallback = (office.address.replace("http", "json") + "/fallback/{number}",)
    office.equip()
    office.bind("student", Channel.OFFICIAL_ACCOUNT)
    push_id = office.plan("student")
    drain()

    receipt(office, push_id, arrived=False)
    assert office.row(push_id).state is PushState.QUEUED
    drain()

    assert (office.row(push_id).state, office.row(push_id).channel) == (PushState.ACCEPTED, Route.FALLBACK)
    assert len(office.calls(TEMPLATES)) == 1


def test_an_event_that_is_faster_than_our_own_note_is_kept_and_matched(office: Office) -> None:
    office.bind("student", Channel.OFFICIAL_ACCOUNT)
    with db.unit_of_work() as session:
        note_receipt(session, Route.OFFICIAL_ACCOUNT, "77", arrived=True, code="success", now=clock.now())
    push_id = office.plan("student")
    drain()
    with db.unit_of_work() as session:
        (attempt,) = office.attempts(push_id)
        session.merge(attempt).handle = "77"

    with db.unit_of_work() as session:
        match_receipts(session, now=clock.now())

    assert office.row(push_id).state is PushState.DELIVERED


def test_an_account_that_the_platform_calls_gone_is_marked_and_heard_again_when_it_writes(office: Office) -> None:
    userid = office.bind("advisor", Channel.WECOM)
    office.platform.wecom.leave(userid)
    office.plan("advisor")

    drain()

    (contact,) = office.world.rows(Contact)
    assert contact.listening is False
    assert [row.fact for row in office.world.rows(Audit)] == [Fact.CONTACT_LOST]


def test_somebody_above_hears_that_a_person_could_not_be_reached_but_not_about_what(office: Office) -> None:
    office.bind("head", Channel.WECOM)
    push_id = office.plan("advisor")

    drain()
    drain()

    (told,) = office.world.rows(Push, Push.kind == PushKind.UNREACHABLE)
    assert (told.person_id, told.fact, told.state) == (
        office.world.people["head"],
        f"push:{push_id}",
        PushState.ACCEPTED,
    )
    (message,) = office.arrived()
    assert "软件2301" not in message["text"]
    assert "老师" in message["text"]


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_platform_that_is_out_of_order_uses_up_no_attempt(office: Office) -> None:
    office.bind("advisor", Channel.WECOM)
    push_id = office.plan("advisor", lasts=timedelta(days=30))
    office.platform.faults.order("gettoken", FaultKind.ERRCODE, errcode=-1, count=50)

    for _ in range(12):
        drain()
        assert office.row(push_id).state is PushState.QUEUED
        clock.move_to(office.row(push_id).next_at)

    assert office.row(push_id).attempts == 0


def test_a_platform_that_is_not_reached_uses_up_nobodys_window(office: Office) -> None:
    address = office.bind("student", Channel.OFFICIAL_ACCOUNT, window=True)
    push_id = office.plan("student", PushKind.REBIND_ASK)
    there, office.address = office.address, f"http://127.0.0.1:{free_port()}"
    office.equip()

    for _ in range(6):
        drain()
        office.world.forward(seconds=15)
        office.equip()  # the pause was in the process's memory

    (contact,) = [it for it in office.world.rows(Contact) if it.address == address]
    assert contact.window_left == 5
    assert [(each.code, each.outcome) for each in office.attempts(push_id)] == [(None, AttemptOutcome.BUSY)]
    office.address = there
    office.equip()
    drain()
    assert [row["kind"] for row in office.arrived(address)] == ["text"]
    (contact,) = [it for it in office.world.rows(Contact) if it.address == address]
    assert contact.window_left == 4
    assert office.row(push_id).way == WayName.TEXT


def test_a_busy_platform_has_not_counted_the_message(office: Office) -> None:
    address = office.bind("student", Channel.OFFICIAL_ACCOUNT, window=True)
    office.plan("student", PushKind.REBIND_ASK)
    office.platform.faults.order(SERVICE, FaultKind.ERRCODE, errcode=-1, count=2)

    for _ in range(3):
        drain()
        office.world.forward(seconds=15)

    (contact,) = [it for it in office.world.rows(Contact) if it.address == address]
    assert (len(office.arrived(address)), contact.window_left) == (1, 4)
