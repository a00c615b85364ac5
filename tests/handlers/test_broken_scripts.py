"""Errors in a script: a rule's no, and bugs, which hold nobody."""

from typing import Any

import pytest

from handlers.dialogue.steps import Dialogue, ask, once, tell
from handlers.dialogue.talk import Talk
from models.errors import RefusedError
from tests.handlers.small import (
    COLOUR,
    EXTRA,
    NOTE,
    Chat,
    Colour,
    small,
    write_note,
)


def test_a_rules_no_takes_back_every_row_of_its_run_and_keeps_the_open_question(chat: Chat) -> None:
    def refuse(why: str) -> None:
        raise RefusedError("small.refused", why=why)

    @small
    def script(talk: Talk) -> Dialogue:
        yield from once("kept", lambda: write_note(talk.session, "早先"))
        colour = yield from ask(COLOUR)
        yield from once("first", lambda: write_note(talk.session, "一"))
        yield from once("second", lambda: write_note(talk.session, "二"))
        if colour is Colour.RED:
            yield from once("third", lambda: refuse("红"))
        return talk.say("small.done")

    chat.release(script)
    chat.says("小事")
    before = chat.frames

    assert chat.says("1") == "不行：红"
    assert (chat.frames, chat.notes) == (before, ["早先"])
    assert chat.says("2") == "好了。"
    assert chat.notes == ["早先", "一", "二"]


def test_a_rules_no_at_the_start_leaves_nothing_open(chat: Chat) -> None:
    @small
    def script(talk: Talk) -> Dialogue:
        yield from once("write", lambda: write_note(talk.session, "一"))
        raise RefusedError("small.refused", why="现在")
        yield from ask(COLOUR)
        return talk.say("small.done")

    chat.release(script)

    assert chat.says("小事") == "不行：现在"
    assert (chat.frames, chat.notes) == ([], [])


def test_a_third_unexpected_error_in_one_talk_closes_it(chat: Chat) -> None:
    @small
    def script(talk: Talk) -> Dialogue:
        note = yield from ask(NOTE)
        yield from ask(EXTRA)
        if note == "坏":
            raise ZeroDivisionError
        return talk.say("small.done")

    chat.release(script)
    chat.talks("小事", "坏")
    replies = []
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            chat.says("好")
        replies.append(chat.fails("好"))
        chat.says("帮助")  # what goes well in between does not start the count anew
    with pytest.raises(ZeroDivisionError):
        chat.says("好")
    replies.append(chat.fails("好"))

    sorry, closed = chat.words("dialogue.sorry"), chat.words("dialogue.sorry_closed")
    assert replies == [sorry, sorry, closed]
    assert chat.frames == []
    assert "说说看。" in chat.says("小事")
    assert chat.failures == 0


def test_errors_of_another_talk_do_not_count(chat: Chat) -> None:
    @small
    def script(talk: Talk) -> Dialogue:
        yield from ask(NOTE)
        return talk.say("small.done")

    chat.release(script)
    chat.says("小事")
    chat.fails("好")
    chat.fails("好")
    chat.talks("取消", "小事")

    assert chat.fails("好") == chat.words("dialogue.sorry")
    assert chat.frames != []


def test_an_error_with_nothing_open_never_counts(chat: Chat) -> None:
    assert {chat.fails("你好") for _ in range(4)} == {chat.words("dialogue.sorry")}
    assert chat.failures == 0


def test_global_words_work_on_a_script_that_always_fails(chat: Chat) -> None:
    broken = False

    @small
    def script(talk: Talk) -> Dialogue:
        if broken:
            raise ZeroDivisionError
        yield from ask(NOTE)
        yield from ask(EXTRA)
        return talk.say("small.done")

    chat.release(script)
    asked = chat.says("小事")
    chat.says("好")
    broken = True

    assert "还有呢？" in chat.says("帮助")
    assert chat.says("返回") == asked
    assert "急救 120" in chat.says("0")
    assert chat.frames[-1].name == "urgent"
    chat.says("取消")
    chat.says("取消")
    assert chat.frames == []


def test_a_call_for_help_stands_whatever_fails_around_it(chat: Chat) -> None:
    broken = False

    @small
    def script(talk: Talk) -> Dialogue:
        yield from ask(NOTE)
        yield from once("write", lambda: write_note(talk.session, "一"))
        if broken:
            raise ZeroDivisionError
        return talk.say("small.done")

    chat.release(script)
    chat.says("小事")
    broken = True

    assert "急救 120" in chat.says("我不想活了")
    assert [frame.name for frame in chat.frames] == ["small", "urgent"]
    assert chat.notes == []


def test_a_script_without_an_end_is_stopped(chat: Chat) -> None:
    @small
    def script(talk: Talk) -> Dialogue:
        while True:
            yield from tell("small.lead", what="又")
        return talk.say("small.done")

    chat.release(script)

    with pytest.raises(RuntimeError, match="steps without a question"):
        chat.says("小事")


def test_a_script_that_forgets_its_sentence_is_a_bug(chat: Chat) -> None:
    @small
    def script(_talk: Talk) -> Any:
        yield from ask(NOTE)

    chat.release(script)
    chat.says("小事")

    with pytest.raises(TypeError, match="without a sentence"):
        chat.says("好")
