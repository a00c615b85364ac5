"""Passive replies: well-formed whatever the text, and never longer than the platforms take."""

import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.doors.parse import parse
from bot.doors.reply import MOST_BYTES, fit, text_reply


def test_a_reply_says_who_to_whom_and_when() -> None:
    reply = text_reply("好的", to="oOne", sender="gh_1", created=1700000000)

    assert parse(reply) == {
        "ToUserName": "oOne",
        "FromUserName": "gh_1",
        "CreateTime": "1700000000",
        "MsgType": "text",
        "Content": "好的",
    }


@pytest.mark.parametrize("text", ["]]>", "a]]>b]]>c", "]]]]>>", "<a href='x'>&amp;</a>", "1. 是\n2. 否", "😀", "]]"])
def test_a_reply_arrives_as_it_was_said(text: str) -> None:
    assert parse(text_reply(text, to="o]]>", sender="g&<", created=1))["Content"] == text


def test_what_xml_forbids_is_left_out() -> None:
    assert fit("a\x00b\x08c\x0bd\x1fe\ufffef\ud800g\th\ni\u00a0j") == "abcdefg\th\ni\u00a0j"


def test_what_fits_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    text = "安" * 666 + "ab"
    assert len(text.encode()) == MOST_BYTES

    assert fit(text) == text
    assert caplog.records == []


@pytest.mark.parametrize("text", ["安" * 700, "ab" + "安" * 700, "a" + "😀" * 700, "x" * 2001])
def test_what_does_not_fit_is_cut_between_characters_and_is_an_error(
    text: str, caplog: pytest.LogCaptureFixture
) -> None:
    cut = fit(text)

    assert text.startswith(cut)
    assert MOST_BYTES - 4 < len(cut.encode()) <= MOST_BYTES
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert text[:3] not in record.getMessage()


@settings(deadline=None)
@given(st.text(st.characters(), max_size=3000))
def test_any_text_makes_a_reply_that_reads_back(text: str) -> None:
    fitted = fit(text)

    assert len(fitted.encode()) <= MOST_BYTES
    # XML itself makes one line end of the three there are.
    expected = fitted.replace("\r\n", "\n").replace("\r", "\n")
    assert parse(text_reply(fitted, to="o", sender="g", created=1))["Content"] == expected
