"""Events in which a platform tells something by itself: read whole, or not at all, and never taken for another."""

import re

import pytest

from bot.doors.errors import UnreadableError
from bot.doors.inbound import Consent, Inbound, Receipt
from bot.doors.kinds import TABLE, inbound_of, name_of
from bot.doors.parse import parse
from bot.doors.reply import button_reply
from models.channel import Channel
from tests.doors.platforms import SITES, Hearer, payload, post

ACCOUNT = Channel.OFFICIAL_ACCOUNT
ARRIVED, BLOCKED = "event-templatesendjobfinish", "event-templatesendjobfinish-blocked"
POPUP, TWO = "event-subscribe_msg_popup_event", "event-subscribe_msg_popup_event-two"
CHANGE, SENT = "event-subscribe_msg_change_event", "event-subscribe_msg_sent_event"


def read(xml: str, channel: Channel = ACCOUNT) -> Inbound:
    nodes = parse(xml.encode())
    kind = TABLE[name_of(nodes)]
    assert kind is not None
    return inbound_of(kind, nodes, channel, 7.5)


def swap(xml: str, node: str, value: str) -> str:
    """The same event with another value in one node, or without it."""
    return re.sub(rf"<{node}>.*?</{node}>", f"<{node}>{value}</{node}>" if value else "", xml, flags=re.DOTALL)


# ── receipts ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("status", "arrived", "code"),
    [
        ("success", True, "success"),
        (" Success ", True, "success"),
        ("failed:user block", False, "failed:user block"),
        ("failed: user block", False, "failed:user block"),
        ("FAILED : User  Block", False, "failed:user block"),
        ("failed: system failed", False, "failed:system failed"),
        ("failed:system failed", False, "failed:system failed"),
        ("failed:something new", False, "failed:other"),
        ("何小雨没有收到", False, "failed:other"),
        ("successful", False, "failed:other"),
    ],
)
def test_a_status_is_one_of_a_short_list(status: str, *, arrived: bool, code: str) -> None:
    inbound = read(swap(payload(ACCOUNT, ARRIVED), "Status", status))

    assert inbound.receipt == Receipt("200163836", arrived=arrived, code=code)
    assert (inbound.text, inbound.tapped) == ("", False)


def test_two_receipts_of_one_second_are_two() -> None:
    xml = payload(ACCOUNT, ARRIVED)

    assert read(xml).key == read(swap(xml, "Status", "failed:user block")).key
    assert read(xml).key != read(swap(xml, "MsgID", "200163999")).key


def test_a_receipt_may_spell_its_message_either_way() -> None:
    xml = payload(ACCOUNT, ARRIVED)

    assert read(xml.replace("MsgID", "MsgId")).receipt == read(xml).receipt


@pytest.mark.parametrize(
    ("node", "value"),
    [
        ("MsgID", ""),
        ("MsgID", " "),
        ("MsgID", "abc"),
        ("MsgID", "9" * 21),
        ("MsgID", "１２"),
        ("MsgID", "<in>1</in>"),
        ("Status", ""),
        ("Status", "  "),
        ("Status", "<in>success</in>"),
    ],
)
def test_a_receipt_of_nothing_is_unreadable(node: str, value: str) -> None:
    with pytest.raises(UnreadableError):
        read(swap(payload(ACCOUNT, ARRIVED), node, value))


# ── subscriptions ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "consents"),
    [
        (POPUP, (("TPL_REDACTED_1", Consent.ACCEPTED),)),
        (TWO, (("TPL_REDACTED_1", Consent.ACCEPTED), ("TPL_REDACTED_2", Consent.REJECTED))),
        (CHANGE, (("TPL_REDACTED_1", Consent.REJECTED),)),
        (SENT, (("TPL_REDACTED_1", Consent.USED),)),
    ],
)
def test_one_list_node_or_several(name: str, consents: tuple[tuple[str, Consent], ...]) -> None:
    assert read(payload(ACCOUNT, name)).consents == consents


@pytest.mark.parametrize(
    ("name", "node", "value"),
    [
        (POPUP, "SubscribeStatusString", "maybe"),
        (POPUP, "SubscribeStatusString", ""),
        (CHANGE, "SubscribeStatusString", "accept"),  # switching notices on in the settings gives none to send
        (SENT, "ErrorCode", "43101"),
        (SENT, "ErrorCode", ""),
    ],
)
def test_what_changes_nothing_is_read_and_changes_nothing(name: str, node: str, value: str) -> None:
    assert read(swap(payload(ACCOUNT, name), node, value)).consents == ()


@pytest.mark.parametrize("name", [POPUP, CHANGE, SENT])
@pytest.mark.parametrize(
    "broken", ["", "<List></List>", "<List>text</List>", "<List><TemplateId></TemplateId></List>", "text", "TOO LONG"]
)
def test_a_subscription_that_names_no_template_is_unreadable(name: str, broken: str) -> None:
    if broken == "TOO LONG":
        broken = f"<List><TemplateId>{'T' * 65}</TemplateId></List>"
    xml = re.sub(r"(<Subscribe\w+Event>).*(</Subscribe\w+Event>)", rf"\g<1>{broken}\g<2>", payload(ACCOUNT, name))

    with pytest.raises(UnreadableError):
        read(xml)


@pytest.mark.parametrize(("name", "node"), [(POPUP, "TemplateId"), (POPUP, "SubscribeStatusString"), (SENT, "MsgID")])
def test_two_subscriptions_of_one_second_are_two(name: str, node: str) -> None:
    xml = payload(ACCOUNT, name)

    assert read(xml).key != read(swap(xml, node, "700")).key


# ── taken back ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("which", ["revoke", "cancellation"])
def test_whoever_took_something_back_is_the_openid_in_it(which: str) -> None:
    xml = swap(payload(ACCOUNT, f"event-user_authorization_{which}"), "FromUserName", "oThePlatformItself")

    inbound = read(xml)

    assert (inbound.address, inbound.text) == ("oREDACTED0000000000000000001", f"user_authorization_{which}")
    assert inbound.key != read(swap(xml, "OpenID", "oSomebodyElse")).key
    assert read(swap(xml, "OpenID", "")).address == "oThePlatformItself"


# ── presses ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_press_names_its_card_and_its_button() -> None:
    inbound = read(payload(Channel.WECOM, "event-template_card_event"), Channel.WECOM)

    assert (inbound.task, inbound.text, inbound.tapped) == ("task-7K3F", "claim", False)


@pytest.mark.parametrize("node", ["TaskId", "EventKey", "CardType", "ResponseCode"])
def test_a_press_that_lacks_something_is_a_press_all_the_same(node: str) -> None:
    inbound = read(swap(payload(Channel.WECOM, "event-template_card_event"), node, ""), Channel.WECOM)

    assert (inbound.task == "", inbound.text == "") == (node == "TaskId", node == "EventKey")


def test_the_answer_to_a_press_changes_the_card() -> None:
    site = SITES["wecom"]
    xml = payload(Channel.WECOM, "event-template_card_event")

    answer = post(site, site.callback(xml), Hearer("已知道"))

    nodes = parse(site.said(answer).encode())
    assert nodes["MsgType"] == "update_button"
    assert nodes["Button"] == {"ReplaceName": "已知道"}
    assert (nodes["ToUserName"], nodes["FromUserName"]) == ("Lisi.Redacted", "ww0123456789abcdef")


def test_where_there_are_no_cards_a_press_gets_no_answer() -> None:
    site = SITES["safe"]
    answer = post(site, site.callback(payload(Channel.WECOM, "event-template_card_event")), Hearer("已知道"))

    assert (answer.status, answer.body) == (200, site.silence)


@pytest.mark.parametrize("caption", ["]]>", "a]]>b", "<Button>", "&lt;", "已知道"])
def test_a_caption_arrives_as_it_was_said(caption: str) -> None:
    nodes = parse(button_reply(caption, to="o]]>", sender="g&<", created=1))

    assert (nodes["Button"], nodes["ToUserName"]) == ({"ReplaceName": caption}, "o]]>")
