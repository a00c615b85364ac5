"""Callbacks are signed and sealed as the fact sheets' test vectors say, and answers are read as strictly as a platform does."""

import itertools
import queue
import time

import pytest
from flask import Flask, Response, request

from bot.sandbox.callbacks import (
    CallbackDoor,
    SignedRequest,
    deliver,
    event,
    read_answer,
    read_reply,
    sign,
    tell_events,
    text_message,
    verification,
)
from bot.sandbox.card_update import BadReplyError, CardUpdate
from bot.sandbox.cipher import BadEnvelopeError, Sealer, signature
from bot.sandbox.ledger import PlatformEvent
from bot.sandbox.listen import listening
from models.channel import Channel

KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
OFFICIAL = CallbackDoor(
    Channel.OFFICIAL_ACCOUNT, "/callback/official-account", "QDG6eK", KEY, "wx0123456789abcdef", "gh_1"
)
WECOM = CallbackDoor(Channel.WECOM, "/callback/wecom", "QDG6eK", KEY, "ww0123456789abcdef", "ww0123456789abcdef", 7)
VECTORS = [
    (
        "wx0123456789abcdef",
        "<xml><Content>你好</Content></xml>",
        "Q3stYC6hdFzMh9T8HCvyDMqYq+3LWRBafgYE/6+E3kaIPVItdlEZTk22y1bcb56F/KKWgZwAccwnMJZZFIu7ojEpjPqrNLRUqK8TcR0mnZog0kfoHe0IP3DxivXV44u6",
        "74a8439c7f59c8b19540f026c66764b15ffb03ea",
    ),
    (
        "ww0123456789abcdef",
        "echo-4711",
        "Q3stYC6hdFzMh9T8HCvyDPp3vRE5Cm9nQlcL+RM34oSqPYU2DBguOxCrff2IKKE4Usm9+ZZE3JG1Mj8tZQXidg==",
        "28eaed4541944b3ffd72c9b30725e6965cb1b066",
    ),
]


@pytest.mark.parametrize(("receiver", "clear", "sealed", "signed"), VECTORS)
def test_the_envelope_is_the_platforms(receiver: str, clear: str, sealed: str, signed: str) -> None:
    assert Sealer(KEY, receiver).open(sealed) == clear
    assert signature("QDG6eK", "1700000000", "nonce42", sealed) == signed
    assert signature("QDG6eK", "1700000000", "nonce42") == "3206a0224e1f71409dd9e1e2a3f3620d579c46ca"


@pytest.mark.parametrize("length", range(40))
def test_what_is_sealed_opens_again_at_every_length(length: int) -> None:
    sealer = Sealer(KEY, "wx0123456789abcdef")

    assert sealer.open(sealer.seal("a" * length)) == "a" * length


@pytest.mark.parametrize(
    "sealed",
    ["", "AAAA", "不是", Sealer(KEY, "other").seal("x"), "A" * 64],
    ids=["empty", "short", "no base64", "somebody else's", "long"],  # what is sealed looks different each time
)
def test_a_bad_envelope_is_refused(sealed: str) -> None:
    with pytest.raises(BadEnvelopeError):
        Sealer(KEY, "wx0123456789abcdef").open(sealed)


def answer_with(door: CallbackDoor, content: str, sender: str) -> bytes:
    """What a bot would answer."""
    return sealed_answer(door, f"<MsgType>text</MsgType><Content><![CDATA[{content}]]></Content>", sender)


def sealed_answer(door: CallbackDoor, nodes: str, sender: str) -> bytes:
    """Any answer of a bot."""
    xml = (
        f"<xml><ToUserName>{sender}</ToUserName><FromUserName>{door.account}</FromUserName><CreateTime>1</CreateTime>"
        f"{nodes}</xml>"
    )
    sealed = Sealer(door.aes_key, door.receiver_id).seal(xml)
    return (
        f"<xml><Encrypt>{sealed}</Encrypt><MsgSignature>{signature(door.token, '5', 'n', sealed)}</MsgSignature>"
        "<TimeStamp>5</TimeStamp><Nonce>n</Nonce></xml>"
    ).encode()


@pytest.mark.parametrize("door", [OFFICIAL, WECOM])
def test_an_answer_is_read(door: CallbackDoor) -> None:
    assert read_reply(door, answer_with(door, "收到", "someone"), sender="someone") == "收到"
    assert read_reply(door, b"success") is None
    assert read_reply(door, b"") is None


CARD_XML = """<MsgType>update_template_card</MsgType><TemplateCard><CardType>button_interaction</CardType>
<MainTitle><Title>2 件紧急</Title></MainTitle><TaskId>t-2</TaskId>
<HorizontalContentList><KeyName>单位</KeyName><Value>软件2301</Value></HorizontalContentList>
<ButtonList><Text>一</Text><Key>a</Key></ButtonList><ButtonList><Text>二</Text><Key>b</Key></ButtonList>
<ReplaceText>已认领</ReplaceText></TemplateCard>"""


def test_an_answer_to_a_pressed_button_says_what_becomes_of_the_card() -> None:
    grey = "<MsgType>update_button</MsgType><Button><ReplaceName>已认领</ReplaceName></Button>"

    assert read_answer(WECOM, sealed_answer(WECOM, grey, "wang"), sender="wang") == CardUpdate("已认领")
    assert read_answer(WECOM, sealed_answer(WECOM, CARD_XML, "wang")) == CardUpdate(
        "已认领",
        {
            "card_type": "button_interaction",
            "main_title": {"title": "2 件紧急"},
            "task_id": "t-2",
            "horizontal_content_list": [{"keyname": "单位", "value": "软件2301"}],
            "button_list": [{"text": "一", "key": "a"}, {"text": "二", "key": "b"}],
            "replace_text": "已认领",
        },
    )
    assert read_reply(WECOM, sealed_answer(WECOM, grey, "wang")) is None


@pytest.mark.parametrize(
    "nodes",
    [
        "<MsgType>update_button</MsgType>",
        "<MsgType>update_button</MsgType><Button></Button>",
        "<MsgType>update_template_card</MsgType>",
        "<MsgType>update_template_card</MsgType><TemplateCard><MainTitle></MainTitle></TemplateCard>",
    ],
)
def test_a_card_update_without_its_parts_is_a_fault(nodes: str) -> None:
    with pytest.raises(BadReplyError):
        read_answer(WECOM, sealed_answer(WECOM, nodes, "wang"))
    with pytest.raises(BadReplyError):
        read_answer(OFFICIAL, sealed_answer(OFFICIAL, CARD_XML, "wang"))


def test_what_the_platform_itself_has_to_say_goes_through_the_door() -> None:
    events: queue.SimpleQueue[PlatformEvent] = queue.SimpleQueue()
    fields = {"MsgID": "7", "Status": "success"}
    for address in ("one", "two"):
        events.put(PlatformEvent(Channel.OFFICIAL_ACCOUNT, address, "TEMPLATESENDJOBFINISH", fields))
    sent: list[SignedRequest] = []

    assert tell_events(events, {Channel.OFFICIAL_ACCOUNT: OFFICIAL}, sent.append) == 2
    assert tell_events(events, {Channel.OFFICIAL_ACCOUNT: OFFICIAL}, sent.append) == 0
    assert [it.query["openid"] for it in sent] == ["one", "two"]


@pytest.mark.parametrize(
    "body",
    [
        None,
        b"<html>",
        b'{"a": 1}',
        b"<xml></xml>",
        answer_with(OFFICIAL, "x", "someone").replace(b"<Nonce>n", b"<Nonce>m"),
        answer_with(OFFICIAL, "长" * 700, "someone"),
        answer_with(OFFICIAL, "x", "somebody else"),
        b'<!DOCTYPE xml [<!ENTITY a "b">]><xml>&a;</xml>',
    ],
)
def test_an_answer_that_a_platform_would_not_take_is_a_fault(body: bytes | None) -> None:
    with pytest.raises(BadReplyError):
        read_reply(OFFICIAL, body, sender="someone")


def test_a_request_carries_what_its_platform_sends() -> None:
    official = sign(OFFICIAL, text_message(OFFICIAL, "openid", "周报 ]]> 完", msg_id=7, menu_id="m"), sender="openid")
    wecom = sign(WECOM, event(WECOM, "wang", "click", {"EventKey": "k"}, created=5))

    assert set(official.query) == {"signature", "timestamp", "nonce", "openid", "encrypt_type", "msg_signature"}
    assert set(wecom.query) == {"timestamp", "nonce", "msg_signature"}
    assert b"AgentID" in wecom.body
    assert "周报".encode() not in official.body
    assert set(verification(OFFICIAL, "echo").query) == {"timestamp", "nonce", "echostr", "signature"}
    assert verification(WECOM, "echo").query["echostr"] != "echo"


def test_a_bot_that_does_not_answer_hears_the_same_message_three_times() -> None:
    app = Flask(__name__)
    heard: list[bytes] = []

    @app.post("/callback/official-account")
    def callback() -> Response:
        heard.append(request.get_data())
        return Response(status=500)

    again: list[int] = []
    with listening(app) as address:
        made = sign(OFFICIAL, text_message(OFFICIAL, "openid", "周报", msg_id=7))
        outcome = deliver(made, address, patience=0.05, again=again.append)

    assert outcome.body is None
    assert outcome.statuses == [500, 500, 500]
    assert heard == [made.body] * 3
    assert again == [2, 3]


def test_a_late_answer_counts_as_none_and_the_repeat_is_taken() -> None:
    app = Flask(__name__)
    turns = itertools.count()

    @app.post("/callback/official-account")
    def callback() -> Response:
        if next(turns) == 0:
            time.sleep(0.4)
        return Response("success")

    with listening(app) as address:
        outcome = deliver(sign(OFFICIAL, text_message(OFFICIAL, "o", "周报", msg_id=7)), address, patience=0.2)

    assert outcome.statuses == [0, 200]
    assert read_reply(OFFICIAL, outcome.body) is None
