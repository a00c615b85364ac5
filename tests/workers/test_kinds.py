"""Every kind of push: declared, worded, short enough, and neutral."""

import re
from zoneinfo import ZoneInfo

import pytest

from handlers.words.catalogue import Words
from models.outbox import PushKind
from workers.kinds import KINDS

WORDS = Words(ZoneInfo("Asia/Shanghai"), {})
LONG_UNIT = "马克思主义学院思想政治教育专业二〇二三级第十二班"
START_WORDS = ("周报", "宿舍", "看小结")


def text_of(kind: PushKind, unit: str = LONG_UNIT) -> str:
    return WORDS(KINDS[kind].words, unit=unit, waiting=12, number="7K3F")


@pytest.mark.parametrize("kind", list(PushKind))
def test_a_push_says_what_to_do_next_and_shows_its_number(kind: PushKind) -> None:
    text = text_of(kind)

    assert "编号 7K3F" in text
    assert any(f"回复「{word}」" in text for word in START_WORDS)
    assert len(text.encode()) <= 600
    assert not re.search(r"^\s*\d+[.、]|[①②③]", text, re.MULTILINE)  # a push never numbers its choices


@pytest.mark.parametrize("kind", list(PushKind))
def test_its_short_form_fits_a_template_and_names_its_word(kind: PushKind) -> None:
    short = WORDS(KINDS[kind].short)

    assert len(short) <= 20
    assert any(f"回复「{word}」" in short for word in START_WORDS)


@pytest.mark.parametrize("kind", list(PushKind))
def test_it_reads_well_without_a_unit(kind: PushKind) -> None:
    assert "  " not in text_of(kind, unit="")


def test_two_pushes_with_the_same_words_have_different_bodies() -> None:
    one, other = (WORDS("push.alert", unit="", number=number) for number in ("7K3F", "7K3G"))
    assert one != other
