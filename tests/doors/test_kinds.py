"""The table: everything the platforms can send, and what is done with it."""

import re
from pathlib import Path

import pytest

from bot.doors.errors import UnreadableError
from bot.doors.inbound import Inbound, InboundKind
from bot.doors.kinds import TABLE, inbound_of, name_of
from bot.doors.parse import parse
from models.channel import Channel
from tests.doors.platforms import PAYLOADS, payload

FILES = sorted(PAYLOADS.glob("*/*.xml"))

# What starts a turn, as a list of its own: a row that changes must be changed here too.
TURNS = {
    "text": InboundKind.TEXT,
    "image": InboundKind.IMAGE,
    "voice": InboundKind.VOICE,
    "video": InboundKind.VIDEO,
    "shortvideo": InboundKind.VIDEO,
    "location": InboundKind.LOCATION,
    "link": InboundKind.LINK,
    "event/subscribe": InboundKind.FOLLOW,
    "event/unsubscribe": InboundKind.UNFOLLOW,
    "event/click": InboundKind.MENU,
    "event/template_card_event": InboundKind.PRESS,
    "event/templatesendjobfinish": InboundKind.RECEIPT,
    "event/subscribe_msg_popup_event": InboundKind.SUBSCRIPTION,
    "event/subscribe_msg_change_event": InboundKind.SUBSCRIPTION,
    "event/subscribe_msg_sent_event": InboundKind.SUBSCRIPTION,
    "event/user_authorization_revoke": InboundKind.REVOKED,
    "event/user_authorization_cancellation": InboundKind.REVOKED,
}


def read(channel: Channel, xml: str) -> Inbound:
    nodes = parse(xml.encode())
    kind = TABLE[name_of(nodes)]
    assert kind is not None
    return inbound_of(kind, nodes, channel, 7.5)


def without(xml: str, node: str) -> str:
    return re.sub(rf"<{node}>.*?</{node}>", "", xml, flags=re.DOTALL)


def test_what_starts_a_turn() -> None:
    assert {name: kind for name, kind in TABLE.items() if kind is not None} == TURNS


def test_every_row_has_a_payload_and_every_payload_a_row() -> None:
    assert {name_of(parse(file.read_bytes())) for file in FILES} == set(TABLE)


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_a_payload_is_what_its_file_name_says(file: Path) -> None:
    nodes = parse(file.read_bytes())
    name = file.stem.replace("event-", "event/", 1).split("-")[0]

    assert name_of(nodes) == name
    kind = TABLE[name]
    if kind is not None:
        inbound = inbound_of(kind, nodes, Channel(file.parent.name), 7.5)
        assert (inbound.kind, inbound.received) == (TURNS[name], 7.5)
        assert inbound.to == nodes["ToUserName"]


@pytest.mark.parametrize(
    ("channel", "name", "text", "tapped"),
    [
        (Channel.OFFICIAL_ACCOUNT, "text", "周报", False),
        (Channel.OFFICIAL_ACCOUNT, "text-tapped", "都还平稳", True),
        (Channel.OFFICIAL_ACCOUNT, "text-cdata-end", "a]]>b &lt;", False),
        (Channel.OFFICIAL_ACCOUNT, "event-click", "booking", True),
        (Channel.OFFICIAL_ACCOUNT, "voice", "", False),
        (Channel.OFFICIAL_ACCOUNT, "event-subscribe-qrscene", "", False),
        (Channel.WECOM, "text", "待办", False),
        (Channel.WECOM, "event-click", "todo", True),
        (Channel.WECOM, "event-template_card_event", "claim", False),
    ],
)
def test_what_a_turn_gets_to_read(*, channel: Channel, name: str, text: str, tapped: bool) -> None:
    inbound = read(channel, payload(channel, name))

    assert (inbound.text, inbound.tapped, inbound.channel) == (text, tapped, channel)


def test_a_wecom_member_is_one_person_in_any_case() -> None:
    xml = payload(Channel.WECOM, "event-click")

    upper, lower = read(Channel.WECOM, xml), read(Channel.WECOM, xml.replace("Lisi.Redacted", "lisi.redacted"))

    assert upper.address == "lisi.redacted"
    assert (upper.address, upper.key) == (lower.address, lower.key)
    assert (upper.spelled, lower.spelled) == ("Lisi.Redacted", None)


def test_an_openid_keeps_its_case() -> None:
    inbound = read(Channel.OFFICIAL_ACCOUNT, payload(Channel.OFFICIAL_ACCOUNT, "text"))

    assert inbound.address == "oREDACTED0000000000000000001"


@pytest.mark.parametrize("name", ["SUBSCRIBE", "Subscribe", "subscribe"])
def test_names_are_compared_in_any_case(name: str) -> None:
    xml = payload(Channel.WECOM, "event-subscribe").replace("[subscribe]", f"[{name}]")

    assert read(Channel.WECOM, xml).kind is InboundKind.FOLLOW


def test_a_message_is_known_by_its_msgid() -> None:
    xml = payload(Channel.OFFICIAL_ACCOUNT, "text")

    key = read(Channel.OFFICIAL_ACCOUNT, xml).key

    assert key == "official_account:24300000000000001"
    assert read(Channel.WECOM, xml).key == "wecom:24300000000000001"
    assert read(Channel.OFFICIAL_ACCOUNT, xml.replace("周报", "又")).key == key
    assert read(Channel.OFFICIAL_ACCOUNT, xml.replace("24300000000000001", "24300000000000002")).key != key


@pytest.mark.parametrize("node", ["FromUserName", "CreateTime", "Event", "EventKey", "TaskId"])
def test_an_event_is_known_by_all_that_makes_it_one(node: str) -> None:
    xml = payload(Channel.WECOM, "event-template_card_event")
    other = {"Event": "click", "CreateTime": "1700009999"}.get(node, "other")
    changed = re.sub(rf"(<{node}>).*?(</{node}>)", rf"\g<1>{other}\g<2>", xml)

    one, same, different = (read(Channel.WECOM, it).key for it in (xml, xml, changed))

    assert one == same != different
    assert one.startswith("wecom:event:")


def test_two_events_never_join_to_the_same_key() -> None:
    xml = payload(Channel.WECOM, "event-template_card_event")
    one = xml.replace("[claim]", "[a:b]").replace("[task-7K3F]", "[c]")
    two = xml.replace("[claim]", "[a]").replace("[task-7K3F]", "[b:c]")

    assert read(Channel.WECOM, one).key != read(Channel.WECOM, two).key


@pytest.mark.parametrize("message_id", ["1" * 1000, "abc", "１２", "event:x", "1 "])
def test_an_odd_msgid_becomes_a_short_key_of_its_own(message_id: str) -> None:
    xml = payload(Channel.OFFICIAL_ACCOUNT, "text").replace("24300000000000001", message_id)

    key = read(Channel.OFFICIAL_ACCOUNT, xml).key

    assert key.startswith("official_account:id:")
    assert len(key) < 128


@pytest.mark.parametrize(
    ("name", "node"),
    [
        ("text", "MsgType"),
        ("text", "FromUserName"),
        ("text", "ToUserName"),
        ("text", "MsgId"),
        ("event-click", "Event"),
        ("event-click", "FromUserName"),
        ("event-click", "CreateTime"),
    ],
)
def test_a_message_that_lacks_what_it_needs_is_unreadable(name: str, node: str) -> None:
    xml = payload(Channel.OFFICIAL_ACCOUNT, name)

    for broken in (
        without(xml, node),
        re.sub(rf"<{node}>.*?</{node}>", f"<{node}> </{node}>", xml),
        re.sub(rf"<{node}>.*?</{node}>", f"<{node}>a</{node}><{node}>b</{node}>", xml),
        re.sub(rf"<{node}>.*?</{node}>", f"<{node}><in>a</in></{node}>", xml),
    ):
        with pytest.raises(UnreadableError):
            read(Channel.OFFICIAL_ACCOUNT, broken)


@pytest.mark.parametrize("sender", ["o" * 65, "o\nne", "o\u202ene"])
def test_a_sender_nobody_can_be_is_unreadable(sender: str) -> None:
    xml = payload(Channel.OFFICIAL_ACCOUNT, "text").replace("oREDACTED0000000000000000001", sender)

    with pytest.raises(UnreadableError):
        read(Channel.OFFICIAL_ACCOUNT, xml)
