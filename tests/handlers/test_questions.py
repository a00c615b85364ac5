"""Questions: how each kind shows itself, reads an answer, and keeps it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from handlers.chat.concern import SUBJECT, near
from handlers.dialogue.people import Named, PersonOf
from handlers.dialogue.question import FreeText, Heard, Number, OneOf, Question, Read, Unclear
from handlers.dialogue.talk import Talk
from models import clock, db, seal
from models.channel import Channel
from models.policy import Policy
from models.talk import meet
from tests.conftest import KEY
from tests.engines import fresh_database_url
from tests.handlers.small import COLOUR, COLOURS, COUNT, NOTE, SURE, Colour, SmallWords
from tests.world import make_world

MEDIA = Heard("", is_text=False)


@pytest.fixture
def talk(tmp_path: Path) -> Iterator[Talk]:
    """The committee member of a small school, in the middle of a conversation."""
    url = fresh_database_url("sqlite", tmp_path)
    seal.use_keys([KEY])
    connected = db.connect(url)
    phone = make_world(tmp_path, url, KEY).phone("committee")
    with db.unit_of_work() as session:
        met = meet(session, Channel.OFFICIAL_ACCOUNT, phone.address)
        yield Talk(session, met.actor, SmallWords(), Policy(), clock.now())
    connected.dispose()
    clock.stop_moving()


def reads(question: Question[Any], text: str, talk: Talk, **values: object) -> object:
    """The JSON form of an answer, or why there is none."""
    result = question.read(Heard(text), question.options(talk, values), talk)
    return f"unclear: {result.why}" if isinstance(result, Unclear) else getattr(result, "value", result)


def test_an_option_stands_on_a_line_of_its_own(talk: Talk) -> None:
    shown = COLOUR.show(talk.words, COLOUR.options(talk, {}), {})

    assert shown == "什么颜色？\n1. 红的\n2. 绿的\n3. 蓝的"


@pytest.mark.parametrize("said", ["2", "２", "2、", "二", "选2", "  2", "绿的", "绿的。", "我要绿的", "第二个"])
def test_one_choice_is_read(talk: Talk, said: str) -> None:
    assert reads(COLOUR, said, talk) == "green"
    assert COLOUR.from_json("green") is Colour.GREEN


def test_a_synonym_counts_as_its_option(talk: Talk) -> None:
    assert reads(COLOUR, "朱红", talk) == "red"


@pytest.mark.parametrize("said", ["", "4", "0", "黑的", "不要绿的", "绿的或蓝的", "😀", "长" * 10_000, "绿的\n蓝的"])
def test_an_unclear_choice_is_asked_again(talk: Talk, said: str) -> None:
    assert reads(COLOUR, said, talk) == "unclear: choice"


@pytest.mark.parametrize("question", [COLOUR, COLOURS, SURE, COUNT, NOTE, OneOf("small.which"), SUBJECT])
def test_a_picture_is_asked_again_in_words(talk: Talk, question: Question[Any]) -> None:
    assert question.read(MEDIA, [], talk) == Unclear("media")


def test_a_voice_may_be_an_answer_where_a_text_may_not_come(talk: Talk) -> None:
    question = FreeText("small.note", media=True)

    assert question.read(MEDIA, [], talk) == Read(talk.words("dialogue.sent_media"))


def test_several_choices_are_read(talk: Talk) -> None:
    assert reads(COLOURS, "1 3", talk) == ["red", "blue"]
    assert reads(COLOURS, "蓝的和红的", talk) == ["red", "blue"]
    assert reads(COLOURS, "1 7", talk) == "unclear: several"
    assert COLOURS.from_json(["red", "blue"]) == [Colour.RED, Colour.BLUE]


@pytest.mark.parametrize(
    ("said", "answer"), [("1", "yes"), ("确定", "yes"), ("嗯", "yes"), ("好的", "yes"), ("OK", "yes"), ("2", "no")]
)
def test_yes_and_no_are_read(talk: Talk, said: str, answer: str) -> None:
    assert reads(SURE, said, talk) == answer


@pytest.mark.parametrize("said", ["不", "不用", "不要", "再想想", "没有", "No"])
def test_no_has_many_words(talk: Talk, said: str) -> None:
    assert reads(SURE, said, talk) == "no"


@pytest.mark.parametrize("said", ["不确定", "也许", "", "3"])
def test_neither_yes_nor_no_is_unclear(talk: Talk, said: str) -> None:
    assert reads(SURE, said, talk) == "unclear: choice"


@pytest.mark.parametrize(("said", "number"), [("3", 3), ("３个", 3), ("三", 3), ("0", 0), ("9.", 9)])
def test_a_number_is_read(talk: Talk, said: str, number: int) -> None:
    assert reads(COUNT, said, talk) == number


@pytest.mark.parametrize(
    ("said", "why"),
    [("10", "range"), ("一百", "range"), ("两三个", "number"), ("-1", "number"), ("很少", "number"), ("1.5", "number")],
)
def test_a_number_out_of_range_is_no_answer(talk: Talk, said: str, why: str) -> None:
    assert reads(COUNT, said, talk) == f"unclear: {why}"


def test_the_moment_may_set_a_numbers_upper_end(talk: Talk) -> None:
    talk.asked = {"high": 3}

    assert reads(Number("small.count"), "4", talk) == "unclear: range"
    assert reads(Number("small.count"), "3", talk) == 3


@pytest.mark.parametrize("said", ["😀", "多行\n的话", "x" * 20, "<b>&amp;]]>", "{phones} %s", "1"])
def test_free_text_is_kept_as_written(talk: Talk, said: str) -> None:
    assert reads(NOTE, f"  {said} ", talk) == said


@pytest.mark.parametrize(("said", "why"), [("", "empty"), (" \n ", "empty"), ("x" * 21, "too_long")])
def test_free_text_has_a_length(talk: Talk, said: str, why: str) -> None:
    assert reads(NOTE, said, talk) == f"unclear: {why}"


def test_the_options_of_the_moment_are_read_as_they_were_shown(talk: Talk) -> None:
    question = OneOf("small.which")
    options = question.options(talk, {"options": [["12", "软件2301"], ["7", "软件2302"]]})

    assert question.read(Heard("2"), options, talk) == Read("7")
    assert question.read(Heard("软件2301"), options, talk) == Read("12")
    assert question.read(Heard("软件"), options, talk) == Unclear("choice")


def test_a_person_is_found_by_name_number_or_its_tail(talk: Talk) -> None:
    found = {text: reads(SUBJECT, text, talk) for text in ("周一帆", "2023010102", "0102", "０１０２", " 周 一 帆 ")}

    assert len(set(found.values())) == 1
    assert SUBJECT.from_json(found["0102"]) == Named(int(str(found["0102"])), None)


def test_two_of_one_name_are_told_apart(talk: Talk) -> None:
    result = SUBJECT.read(Heard("何小雨"), [], talk)

    assert isinstance(result, Unclear)
    assert [label for _, label in result.options or []] == ["何小雨（学号尾号 0103）", "何小雨（学号尾号 0104）"]
    assert SUBJECT.read(Heard("2"), result.options or [], talk) == Read((result.options or [])[1][0])
    assert SUBJECT.read(Heard("0104"), result.options or [], talk) == Read((result.options or [])[1][0])


def test_the_tail_of_a_number_is_no_pick(talk: Talk) -> None:
    shown = [["11", "许多（学号尾号 0002）"], ["12", "许多（学号尾号 0001）"]]

    assert SUBJECT.read(Heard("0001"), shown, talk) != Read("11")
    assert SUBJECT.read(Heard("1"), shown, talk) == Read("11")


@pytest.mark.parametrize("said", ["王老师家的孩子", "Ann", "小雨", "陈默"])
def test_any_other_name_is_kept_as_typed(talk: Talk, said: str) -> None:
    value = reads(SUBJECT, said, talk)

    assert SUBJECT.from_json(value) == Named(None, said)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("", "empty"),
        ("。。", "empty"),
        ("9999", "person_number"),
        ("2023020199", "person_number"),
        ("名" * 41, "person_only"),
    ],
)
def test_what_is_no_person_is_asked_again(talk: Talk, said: str, why: str) -> None:
    assert reads(SUBJECT, said, talk) == f"unclear: {why}"


def test_nobody_names_themselves(talk: Talk) -> None:
    assert talk.actor.person_id not in [person.id for person in near(talk)]
    assert {person.number[-4:] for person in near(talk)} == {"0102", "0103", "0104", "0105", "0106"}


def test_a_fingerprint_changes_with_what_an_answer_means() -> None:
    prints = {
        COLOUR.fingerprint,
        COLOURS.fingerprint,
        SURE.fingerprint,
        COUNT.fingerprint,
        NOTE.fingerprint,
        FreeText("small.extra").fingerprint,
        PersonOf("small.note", near).fingerprint,
    }

    assert len(prints) == 7
    assert FreeText("small.note").fingerprint == NOTE.fingerprint  # a longer text is still the same answer
