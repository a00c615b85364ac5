"""One message, exactly once (design, idea 2), on both engines, in one process. Several processes: tests/proofs."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from bot.doors.inbound import InboundKind
from bot.sandbox.callbacks import event, sign, text_message
from handlers.dialogue.steps import Dialogue, ask
from handlers.dialogue.talk import Talk
from models import clock, db, inbox
from models.audit import Fact
from models.channel import Channel
from models.checkin import Checkin
from models.contact import Contact
from models.inbox import Inbox
from tests.bot.turns import (
    ASKED,
    said,
    small,
    turn_of,
)
from tests.rows import everything
from tests.world import DOORS, World

CALM = ("周报", "1", "1", "1", "1")


# ── a repeat ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_repeat_gets_the_same_reply_and_changes_nothing(world: World) -> None:
    phone = world.phone("committee")
    for text in CALM:
        reply = phone.says(text)
        rows = everything()

        assert [phone.repeats(), phone.repeats()] == [reply, reply]
        assert everything() == rows
    assert reply.startswith("已送到")
    assert len(world.rung) == 1


def test_a_repeat_after_a_day_is_silent_and_changes_nothing(world: World) -> None:
    phone = world.phone("committee")
    phone.talks(*CALM)
    world.forward(hours=24, minutes=1)
    with db.unit_of_work() as session:
        assert inbox.sweep(session, now=world.now) == len(CALM)
    rows = everything()

    assert phone.repeats() == ""
    assert everything() == rows


def test_a_month_later_the_keys_are_gone_and_earlier_ones_stay(world: World) -> None:
    phone = world.phone("committee")
    phone.says("帮助")
    world.forward(days=29)
    phone.says("帮助")
    world.forward(days=2)

    with db.unit_of_work() as session:
        inbox.sweep(session, now=world.now)

    assert len(world.rows(Inbox)) == 1


def test_a_reply_that_no_key_opens_any_more_is_not_answered_anew(world: World) -> None:
    turn = turn_of(world)
    message = said("帮助")
    turn(message)
    with db.unit_of_work() as session:
        session.connection().execute(sa.update(Inbox).values(reply=b"another key's"))
    rows = everything()

    assert turn(message) is None
    assert everything() == rows


def test_one_number_on_two_platforms_is_two_messages(world: World) -> None:
    one, other = world.phone("committee"), world.phone("advisor")

    assert one.says("帮助", msg_id=7)
    assert other.says("帮助", msg_id=7)
    assert len(world.rows(Inbox)) == 2


@pytest.mark.parametrize(
    ("name", "fields", "other"),
    [
        ("subscribe", {}, {"EventKey": "qrscene_1"}),
        ("CLICK", {"EventKey": "周报"}, {"EventKey": "帮助"}),
        ("template_card_event", {"EventKey": "周报", "TaskId": "1"}, {"EventKey": "周报", "TaskId": "2"}),
    ],
)
def test_an_event_is_known_by_sender_second_name_key_and_task(
    world: World, name: str, fields: dict[str, str], other: dict[str, str]
) -> None:
    phone = world.phone("advisor" if name.startswith("template") else "committee")

    def tells(values: dict[str, str], *, address: str = phone.address, created: int = 1_800_000_000) -> None:
        request = sign(phone.door, event(phone.door, address, name, values, created=created))
        phone._reply(phone._post(request))

    tells(fields)
    tells(fields)
    assert len(world.rows(Inbox)) == 1

    tells(other)
    tells(fields, created=1_800_000_001)
    tells(fields, address="somebody-else")
    assert len(world.rows(Inbox)) == 4


def test_three_deliveries_at_once_act_once_and_hear_the_same(world: World, people: ThreadPoolExecutor) -> None:
    phone = world.phone("committee")
    phone.talks(*CALM[:-1])
    request = sign(phone.door, text_message(phone.door, phone.address, "1", msg_id=world.next_id()))

    replies = list(people.map(lambda _: phone._reply(phone._post(request)), range(3)))

    assert len(set(replies)) == 1
    assert replies[0].startswith("已送到")
    assert len(world.rows(Checkin)) == 1
    assert world.facts(Fact.CHECKIN_SENT) == [Fact.CHECKIN_SENT]


# ── one person, one message at a time ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("known", [True, False])
def test_two_messages_of_one_person_are_taken_one_after_the_other(
    world: World, people: ThreadPoolExecutor, *, known: bool
) -> None:
    inside, go_on = threading.Event(), threading.Event()

    @small
    def slow(talk: Talk) -> Dialogue:
        inside.set()
        go_on.wait(5)
        one = yield from ask(ASKED)
        two = yield from ask(ASKED)
        return talk.say("small.result", result=[one, two])

    turn = turn_of(world, slow)
    if known:
        turn(said("帮助"))
    first = people.submit(turn, said("小事"))
    inside.wait(5)
    second = people.submit(turn, said("一"))
    time.sleep(0.2)
    go_on.set()

    assert "说说看。" in (first.result() or "")
    assert "说说看。" in (second.result() or "")
    assert turn(said("二")) == "结果：一、二"


def test_many_messages_of_one_person_at_once_are_all_heard(world: World, people: ThreadPoolExecutor) -> None:
    @small
    def counting(talk: Talk) -> Dialogue:
        found: list[str] = []
        while len(found) < 10:
            found.append((yield from ask(ASKED)))
        return talk.say("small.result", result=sorted(found))

    turn = turn_of(world, counting)
    turn(said("小事"))

    replies = list(people.map(turn, [said(f"第{at}句") for at in range(10)]))

    assert f"结果：{'、'.join(f'第{at}句' for at in range(10))}" in replies


# ── what a message opens ──────────────────────────────────────────────────────────────────────────────────────────────


LONG, SHORT = timedelta(hours=48), timedelta(minutes=1)


def contact_of(world: World, address: str) -> Contact:
    """The row of an account."""
    (contact,) = world.rows(Contact, sa.column("address") == address)
    assert isinstance(contact, Contact)
    return contact


@pytest.mark.parametrize(
    ("kind", "tapped", "lasts", "count"),
    [
        (InboundKind.TEXT, False, LONG, 5),
        (InboundKind.IMAGE, False, LONG, 5),
        (InboundKind.VOICE, False, LONG, 5),
        (InboundKind.LOCATION, False, LONG, 5),
        (InboundKind.TEXT, True, SHORT, 3),  # an item of a message menu
        (InboundKind.MENU, True, SHORT, 3),
        (InboundKind.FOLLOW, False, SHORT, 3),
    ],
)
def test_a_message_opens_the_platforms_window(
    world: World,
    kind: InboundKind,
    tapped: bool,  # noqa: FBT001 — a table's column
    lasts: timedelta,
    count: int,
) -> None:
    turn = turn_of(world)
    before = clock.now()

    turn(replace(said("帮助"), kind=kind, tapped=tapped))

    contact = contact_of(world, "somebody")
    assert contact.window_until is not None
    assert before + lasts <= contact.window_until <= clock.now() + lasts
    assert (contact.window_left, contact.listening) == (count, True)


def test_a_tap_never_shortens_a_window_that_is_open(world: World) -> None:
    turn = turn_of(world)
    tap = replace(said("帮助"), kind=InboundKind.MENU, tapped=True)
    turn(said("帮助"))
    opened = contact_of(world, "somebody").window_until

    turn(replace(tap, key="official_account:1"))
    assert contact_of(world, "somebody").window_until == opened

    with db.unit_of_work() as session:  # five messages later
        session.connection().execute(sa.update(Contact).values(window_left=0))
    turn(replace(tap, key="official_account:2"))
    contact = contact_of(world, "somebody")
    assert contact.window_until is not None
    assert contact.window_until <= clock.now() + SHORT
    assert contact.window_left == 3

    world.forward(hours=1)
    turn(said("帮助"))
    assert contact_of(world, "somebody").window_left == 5


def test_wecom_has_no_window(world: World) -> None:
    phone = world.phone("advisor")
    phone.says("帮助")

    contact = contact_of(world, phone.address)

    assert (contact.window_until, contact.window_left) == (None, 0)


def test_unfollowing_ends_the_window_and_is_told_to_nobody_but_the_journal(world: World) -> None:
    phone = world.phone("committee")
    phone.says("周报")

    assert phone.event("unsubscribe") == ""
    contact = contact_of(world, phone.address)
    assert (contact.listening, contact.window_until, contact.window_left) == (False, None, 0)
    assert world.facts(Fact.UNFOLLOWED) == [Fact.UNFOLLOWED]
    assert world.pushes() == []

    assert world.words("follow.welcome_back", name="林晓禾") == phone.event("subscribe")
    assert contact_of(world, phone.address).listening
    assert "有一位" not in phone.says("1")  # the talk goes on where it was
    assert world.facts(Fact.FOLLOWED) == [Fact.FOLLOWED]


def test_a_new_follower_reads_who_we_are(world: World) -> None:
    phone = world.phone("student", bound=False)

    assert phone.event("subscribe") == world.words("follow.welcome")
    assert phone.door is DOORS[Channel.OFFICIAL_ACCOUNT]
