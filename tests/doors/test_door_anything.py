"""The doors before anything at all: nothing but 200, 400 and 403 goes out, and a stranger hears nothing."""

import time

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.doors.door import XML
from bot.doors.parse import parse
from tests.doors.platforms import REFUSED, SITES, TEXT, UNREADABLE, Hearer, post

QUERIES = st.text(max_size=200) | st.dictionaries(
    st.sampled_from(["signature", "msg_signature", "timestamp", "nonce", "echostr", "encrypt_type"]),
    st.text(max_size=60) | st.just(str(int(time.time()))),
).map(lambda fields: "&".join(f"{name}={value}" for name, value in fields.items()))
BODIES = st.binary(max_size=400) | st.text(max_size=200).map(
    lambda text: f"<xml><Encrypt>{text}</Encrypt></xml>".encode(errors="replace")
)


@given(query=QUERIES, body=BODIES)
@settings(deadline=None)
def test_a_stranger_is_refused_in_the_same_way_always(query: str, body: bytes) -> None:
    turn = Hearer()
    for site in SITES.values():
        assert site.door.get(query) == REFUSED
        assert post(site, (query, body), turn) == REFUSED
    assert turn.heard == []


@given(
    message=st.binary(max_size=400)
    | st.lists(
        st.tuples(
            st.sampled_from(
                [
                    "ToUserName",
                    "FromUserName",
                    "CreateTime",
                    "MsgType",
                    "Event",
                    "EventKey",
                    "MsgId",
                    "Content",
                    "AgentID",
                ]
            ),
            st.sampled_from(["text", "event", "CLICK", "subscribe", "1", "", "]]>", "好"]) | st.text(max_size=40),
        ),
        max_size=12,
    ).map(
        lambda nodes: "".join(
            ["<xml>", *(f"<{name}><![CDATA[{value}]]></{name}>" for name, value in nodes), "</xml>"]
        ).encode(errors="replace")
    )
)
@settings(deadline=None)
def test_a_signed_callback_is_taken_or_unreadable(message: bytes) -> None:
    for site in SITES.values():
        answer = post(site, site.callback(message))

        assert answer.status in {200, 400}
        if answer.status == 400:
            assert answer == UNREADABLE
        elif answer.content_type == XML:
            assert parse(site.said(answer).encode())["Content"] == "好"
        else:
            assert answer.body == site.silence


@given(encrypted=st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=200))
@settings(deadline=None)
def test_a_signed_envelope_of_anything_is_unreadable(encrypted: str) -> None:
    body = f"<xml><Encrypt><![CDATA[{encrypted.replace(']]>', '')}]]></Encrypt></xml>".encode()
    for site in (SITES["safe"], SITES["wecom"]):
        assert post(site, (site.platform.query(encrypted), body)).status in {400, 403}
        assert site.door.get(site.platform.query(encrypted, echostr=encrypted)).status in {200, 400, 403}


@given(bit=st.integers(0, 7), place=st.integers(0))
@settings(deadline=None)
def test_a_flipped_bit_anywhere_in_the_sealed_text_is_refused(bit: int, place: int) -> None:
    for site in (SITES["safe"], SITES["wecom"]):
        query, body = site.callback(TEXT)
        start, end = body.index(b"CDATA[") + 6, body.index(b"]]>")
        at = start + place % (end - start)
        flipped = body[:at] + bytes([body[at] ^ 1 << bit]) + body[at + 1 :]

        assert post(site, (query, flipped)) == REFUSED


@given(text=st.text(max_size=900))
@settings(deadline=None)
def test_whatever_a_turn_says_arrives(text: str) -> None:
    for site in SITES.values():
        answer = post(site, site.callback(TEXT), Hearer(text))

        assert answer.status == 200
        if answer.content_type == XML:
            assert parse(site.said(answer).encode())["Content"]
