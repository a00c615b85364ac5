"""Quiet hours, digests, storms: who is written to how often."""

import threading
from datetime import timedelta

import pytest
from sqlmodel import select

from bot.sandbox.faults import FaultKind
from models import clock, db
from models.channel import Channel
from models.contact import Contact
from models.outbox import Mute, Push, PushKind, PushState, Reason, WayName, cancel, note_opened
from tests.workers.office import Office
from workers.delivery import deliver_these, drain

ROUTINE = PushKind.REBIND_DONE
ALERT = PushKind.ALERT


def all_due(office: Office) -> None:
    """Half a day of ticks: what was put off for a while is looked at again and again."""
    for _ in range(60):
        drain()
        office.world.forward(minutes=2)


def test_no_more_than_six_in_ten_minutes_and_nothing_is_dropped(office: Office) -> None:
    userid = office.bind("advisor", Channel.WECOM)
    rows = [office.plan("advisor", fact=f"test:{n}") for n in range(20)]

    drain()

    assert len(office.arrived(userid)) == 6
    assert {office.row(push_id).state for push_id in rows} == {PushState.ACCEPTED}
    assert any("有 15 条消息" in message["text"] for message in office.arrived(userid))
    assert sum(office.row(push_id).reason == Reason.IN_DIGEST for push_id in rows) == 15


def test_what_comes_after_the_sixth_waits_and_comes_together(office: Office) -> None:
    userid = office.bind("advisor", Channel.WECOM)
    for number in range(9):
        office.plan("advisor", fact=f"test:{number}")
    drain()
    late = [office.plan("advisor", fact=f"late:{n}") for n in range(4)]

    drain()
    assert {office.row(push_id).state for push_id in late} == {PushState.QUEUED}
    office.world.forward(minutes=11)
    drain()

    assert {office.row(push_id).state for push_id in late} == {PushState.ACCEPTED}
    assert len(office.arrived(userid)) == 7


def test_two_workers_do_not_both_take_the_sixth_place(office: Office) -> None:
    userid = office.bind("advisor", Channel.WECOM)
    rows = [office.plan("advisor", fact=f"test:{n}") for n in range(40)]

    threads = [threading.Thread(target=deliver_these, args=(rows[at::8],)) for at in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(office.arrived(userid)) == 6
    all_due(office)
    assert {office.row(push_id).state for push_id in rows} == {PushState.ACCEPTED}
    assert len(office.arrived(userid)) == 7


def test_routine_pushes_wait_for_morning_and_come_as_one(office: Office) -> None:
    userid = office.bind("advisor", Channel.WECOM)
    office.world.forward(hours=4)  # 23:30
    rows = [office.plan("advisor", ROUTINE, fact=f"test:{n}") for n in range(3)]
    important = office.plan("advisor")

    drain()
    assert office.row(important).state is PushState.ACCEPTED
    assert {office.row(push_id).state for push_id in rows} == {PushState.QUEUED}
    office.world.forward(hours=7, minutes=36)
    drain()

    assert {office.row(push_id).state for push_id in rows} == {PushState.ACCEPTED}
    assert len(office.arrived(userid)) == 2
    assert all(office.row(push_id).due_at < office.row(important).due_at for push_id in rows)


def test_one_alone_in_the_morning_is_itself(office: Office) -> None:
    userid = office.bind("advisor", Channel.WECOM)
    office.world.forward(hours=4)
    push_id = office.plan("advisor", ROUTINE)

    drain()
    office.world.forward(hours=7, minutes=36)
    drain()

    (message,) = office.arrived(userid)
    assert office.row(push_id).number in message["text"]
    assert "条消息" not in message["text"]


def test_a_muted_kind_is_not_sent_and_one_that_cannot_be_muted_is(office: Office) -> None:
    office.bind("advisor", Channel.WECOM)
    with db.unit_of_work() as session:
        for kind in (PushKind.CLASS_LIST, PushKind.CONCERN_UNSENT):
            session.add(Mute(person_id=office.world.people["advisor"], kind=kind, at=office.world.now))
    muted, firm = office.plan("advisor", PushKind.CLASS_LIST), office.plan("advisor")

    drain()

    assert (office.row(muted).state, office.row(muted).reason) == (PushState.SUPPRESSED, Reason.MUTED)
    assert office.row(firm).state is PushState.ACCEPTED


def test_urgent_pushes_are_never_delayed_and_the_sixth_unopened_is_a_count(office: Office) -> None:
    userid = office.bind("duty", Channel.WECOM)
    office.world.forward(hours=6)  # in the middle of the night
    rows = [office.plan("duty", ALERT, fact=f"test:{n}") for n in range(6)]

    drain()

    assert {office.row(push_id).state for push_id in rows} == {PushState.ACCEPTED}
    assert len(office.arrived(userid)) == 6
    assert any("还有 1 件紧急" in message["text"] for message in office.arrived(userid))
    assert office.row(rows[-1]).reason == Reason.IN_COUNT


def test_a_count_rises_at_most_every_fifteen_seconds(office: Office) -> None:
    userid = office.bind("duty", Channel.WECOM)
    for number in range(6):
        office.plan("duty", ALERT, fact=f"test:{number}")
    drain()
    later = [office.plan("duty", ALERT, fact=f"later:{n}") for n in range(5)]

    drain()
    assert len(office.arrived(userid)) == 6
    office.world.forward(seconds=16)
    drain()

    assert len(office.arrived(userid)) == 7
    assert "还有 6 件紧急" in office.arrived(userid)[-1]["text"]
    assert {(office.row(push_id).state, office.row(push_id).reason) for push_id in later} == {
        (PushState.ACCEPTED, Reason.IN_COUNT)
    }


def test_a_thousand_at_once_are_six_messages(office: Office) -> None:
    userid = office.bind("duty", Channel.WECOM)
    rows = [office.plan("duty", ALERT, fact=f"test:{n}") for n in range(200)]

    while drain():
        office.world.forward(seconds=16)

    assert len(office.arrived(userid)) <= 10
    assert {office.row(push_id).state for push_id in rows} == {PushState.ACCEPTED}
    assert "还有 195 件紧急" in office.arrived(userid)[-1]["text"]


@pytest.mark.parametrize("opens", ["message", "page"])
def test_whoever_opened_what_came_gets_the_next_one_whole(office: Office, opens: str) -> None:
    userid = office.bind("duty", Channel.WECOM)
    for number in range(7):
        office.plan("duty", ALERT, fact=f"test:{number}")
    drain()
    office.world.forward(seconds=20)
    with db.unit_of_work() as session:
        if opens == "page":
            note_opened(session, office.world.people["duty"], now=clock.now())
        else:
            contact = session.exec(select(Contact).where(Contact.address == userid)).one()
            contact.seen_at = clock.now()
            session.add(contact)

    push_id = office.plan("duty", ALERT, fact="next:1")
    office.world.forward(seconds=1)
    drain()

    assert office.row(push_id).reason is None
    assert office.row(push_id).number in office.arrived(userid)[-1]["text"]


def test_a_count_on_a_card_is_updated_in_place_once(office: Office) -> None:
    userid = office.bind("duty", Channel.WECOM)
    with db.unit_of_work() as session:
        session.get_one(Contact, 1).cards = True
    for number in range(6):
        office.plan("duty", ALERT, fact=f"test:{number}")
    drain()
    push_id = office.plan("duty", ALERT, fact="next:1")

    drain()

    assert (office.row(push_id).state, office.row(push_id).way) == (PushState.ACCEPTED, WayName.UPDATE)
    (update,) = [row for row in office.platform.log if row["api"].endswith("update_template_card")]
    assert "还有 2 件紧急" in str(update["body"])
    assert [row["kind"] for row in office.arrived(userid)].count("template_card") >= 1


def test_never_more_than_the_platform_takes_in_a_minute(office: Office) -> None:
    userid = office.bind("duty", Channel.WECOM)
    for number in range(60):
        office.plan("duty", ALERT, fact=f"test:{number}")
        with db.unit_of_work() as session:  # somebody who answers everything at once
            note_opened(session, office.world.people["duty"], now=clock.now())
        drain()

    assert len(office.arrived(userid)) <= 26
    assert not [row for row in office.platform.log if row["outcome"] == "rate dropped"]


def test_a_digest_that_was_lost_comes_again_unchanged(office: Office) -> None:
    userid = office.bind("advisor", Channel.WECOM)
    for number in range(9):
        office.plan("advisor", fact=f"test:{number}")
    office.platform.faults.order("message/send", FaultKind.LOST, count=6)

    drain()
    office.plan("advisor", fact="more:1")
    office.world.forward(seconds=5)
    drain()

    assert len(office.arrived(userid)) == 6
    assert [row["outcome"] for row in office.platform.log if row["recipient"] == userid].count("duplicate") == 6


def test_what_a_cancelled_digest_carried_goes_by_itself(office: Office) -> None:
    office.bind("advisor", Channel.WECOM)
    rows = [office.plan("advisor", fact=f"test:{n}") for n in range(9)]
    office.platform.faults.order("message/send", FaultKind.LOST, count=6)  # it may have arrived: it stays as it is
    drain()
    carriers = {office.row(push_id).carrier_id for push_id in rows} - {None}
    (carrier,) = carriers
    assert carrier is not None
    with db.unit_of_work() as session:
        cancel(session, session.get_one(Push, carrier), now=clock.now())

    office.world.forward(minutes=30)
    drain()

    assert office.row(carrier).reason == Reason.CANCELLED
    others = [push_id for push_id in rows if push_id != carrier]
    assert {office.row(push_id).state for push_id in others} == {PushState.ACCEPTED}
    assert timedelta() <= office.row(others[0]).paced_at - office.row(others[0]).due_at  # type: ignore[operator]
