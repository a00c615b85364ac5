"""From bytes to nodes: what the platforms send is read, everything else is one error of ours."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.doors.errors import Flaw, UnreadableError
from bot.doors.parse import MOST_DEPTH, MOST_NODES, parse, several, text_of
from models.channel import Channel
from tests.doors.platforms import payload


def flaw_of(body: bytes) -> Flaw:
    with pytest.raises(UnreadableError) as caught:
        parse(body)
    return caught.value.flaw


def test_a_message_is_flat() -> None:
    nodes = parse(payload(Channel.OFFICIAL_ACCOUNT, "text").encode())

    assert nodes["MsgType"] == "text"
    assert nodes["Content"] == "周报"
    assert all(isinstance(node, str) for node in nodes.values())


def test_text_keeps_its_lines_its_emoji_and_an_escaped_end_mark() -> None:
    assert parse(payload(Channel.OFFICIAL_ACCOUNT, "text-article").encode())["Content"] == "你好😀\n第二行"
    assert parse(payload(Channel.OFFICIAL_ACCOUNT, "text-cdata-end").encode())["Content"] == "a]]>b &lt;"
    assert parse(b"<xml><Content>a &lt;b&gt; &amp; &#20320;</Content></xml>")["Content"] == "a <b> & 你"


@pytest.mark.parametrize(("name", "count"), [("subscribe_msg_popup_event", 1), ("subscribe_msg_popup_event-two", 2)])
def test_one_list_node_and_several_read_alike(name: str, count: int) -> None:
    event = parse(payload(Channel.OFFICIAL_ACCOUNT, f"event-{name}").encode())["SubscribeMsgPopupEvent"]
    assert isinstance(event, dict)

    lists = several(event, "List")

    assert len(lists) == count
    assert all(isinstance(one, dict) and one["PopupScene"] == "1" for one in lists)


def test_chosen_options_of_a_card() -> None:
    nodes = parse(payload(Channel.WECOM, "event-template_card_event-selected").encode())

    assert nodes["SelectedItems"] == {
        "SelectedItem": [
            {"QuestionKey": "q1", "OptionIds": {"OptionId": "a"}},
            {"QuestionKey": "q2", "OptionIds": {"OptionId": ["b", "c"]}},
        ]
    }


def test_repeats_are_kept_even_when_they_are_equal() -> None:
    nodes = parse(b"<xml><a>x</a><a>x</a><a/><b/><b/></xml>")

    assert nodes == {"a": ["x", "x", ""], "b": ["", ""]}
    assert text_of(nodes, "a") == ""
    assert several(nodes, "a") == ["x", "x", ""]
    assert several(nodes, "c") == []


def test_text_of_takes_nothing_but_text() -> None:
    nodes = parse(b"<xml><plain>x</plain><nested><in/></nested></xml>")

    assert [text_of(nodes, name) for name in ("plain", "nested", "missing")] == ["x", "", ""]


@pytest.mark.parametrize(
    "declaration", ["", '<?xml version="1.0"?>', '<?xml version="1.0" encoding="UTF-8"?>', "\ufeff"]
)
def test_utf_8_is_the_one_encoding(declaration: str) -> None:
    assert parse(f"{declaration}<xml><Content>好</Content></xml>".encode()) == {"Content": "好"}


@pytest.mark.parametrize("encoding", ["gbk", "gb2312", "utf-16", "iso-8859-1", "utf-7", "idna", "rot13", "x"])
def test_a_document_that_claims_another_encoding_is_refused(encoding: str) -> None:
    assert flaw_of(f'<?xml version="1.0" encoding="{encoding}"?><xml><a>b</a></xml>'.encode()) is Flaw.ENCODING


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{}",
        b"success",
        b"\x00",
        b"<xml><a>\x00</a></xml>",
        b"<xml><a>\x01</a></xml>",
        b"<xml><a>&#0;</a></xml>",
        b"<xml><a>&#1;</a></xml>",
        b"<xml><a>&#xD800;</a></xml>",
        b"<xml><a>b</a>",
        b"<xml><a>b</b></xml>",
        b"<xml><a>b</a></xml><xml/>",
        b"<xml><a>b</a></xml>tail",
        b"<xml><a>&nbsp;</a></xml>",
        b"<xml><a><![CDATA[b</a></xml>",
    ],
)
def test_what_is_no_xml_is_refused(body: bytes) -> None:
    assert flaw_of(body) is Flaw.XML


@pytest.mark.parametrize(
    "body",
    [
        b"<xml><a>\xff\xfe</a></xml>",
        b"<xml><a>\xed\xa0\x80</a></xml>",  # half a surrogate pair
        b"<xml><a>\xc0\xaf</a></xml>",  # overlong
        *("<xml><a>好</a></xml>".encode(name) for name in ("gbk", "utf-16", "utf-32")),
    ],
)
def test_bytes_that_are_no_utf_8_are_refused(body: bytes) -> None:
    assert flaw_of(body) is Flaw.ENCODING


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_wide_characters_without_a_mark_are_refused(encoding: str) -> None:
    assert flaw_of("<xml><a>x</a></xml>".encode(encoding)) is Flaw.XML


@pytest.mark.parametrize("body", [b"<xml/>", b"<xml>text</xml>"])
def test_a_root_without_nodes_is_refused(body: bytes) -> None:
    assert flaw_of(body) is Flaw.MISSING


@pytest.mark.parametrize(
    "doctype",
    [
        "<!DOCTYPE xml>",
        '<!DOCTYPE xml SYSTEM "file:///etc/passwd">',
        '<!DOCTYPE xml [<!ENTITY e "x">]>',
        '<!DOCTYPE xml [<!ENTITY e SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE xml [<!ENTITY % p SYSTEM "http://example.invalid/"> %p;]>',
        "<!DOCTYPE xml ["
        '<!ENTITY a0 "lol">' + "".join(f'<!ENTITY a{n + 1} "{f"&a{n};" * 10}">' for n in range(12)) + "]>",
    ],
)
def test_a_document_type_is_refused_whatever_it_declares(doctype: str) -> None:
    assert flaw_of(f"{doctype}<xml><a>&e;&a12;</a></xml>".encode()) is Flaw.DOCTYPE


def test_depth_and_size_have_an_end() -> None:
    deep = "<a>" * (MOST_DEPTH - 1) + "x" + "</a>" * (MOST_DEPTH - 1)
    wide = "<a/>" * (MOST_NODES - 1)

    assert parse(f"<xml>{deep}</xml>".encode())
    assert flaw_of(f"<xml><a>{deep}</a></xml>".encode()) is Flaw.DEEP
    assert parse(f"<xml>{wide}</xml>".encode())
    assert flaw_of(f"<xml>{wide}<a/></xml>".encode()) is Flaw.LONG
    assert flaw_of(b"<a>" * 300_000) is Flaw.DEEP


@settings(deadline=None)
@given(
    st.binary(max_size=300)
    | st.text(max_size=300).map(lambda text: f"<xml><a>{text}</a></xml>".encode(errors="replace"))
)
def test_any_bytes_are_nodes_or_our_own_error(body: bytes) -> None:
    try:
        nodes = parse(body)
    except UnreadableError:
        return
    assert isinstance(nodes, dict)
