"""「返回」 and 「取消」: what is taken back, and the walls."""

from typing import Any

import pytest
from sqlmodel import Session

from handlers.dialogue.conversation import undoes
from handlers.dialogue.steps import Dialogue, ask, once, remember
from handlers.dialogue.talk import Talk
from models.talk import Actor
from tests.handlers.small import (
    COLOUR,
    EXTRA,
    NOTE,
    Chat,
    drop_note,
    refuse_to_unwrite,
    small,
    unwrite,
    write_note,
)


def test_back_drops_the_last_answer_and_all_after_it(chat: Chat) -> None:
    reads: list[int] = []

    def read() -> int:
        reads.append(1)
        return len(reads)

    @small
    def script(talk: Talk) -> Dialogue:
        yield from ask(COLOUR)
        value = yield from remember("value", read)
        yield from once("hold", lambda: write_note(talk.session, f"留着 {value}"), undo=unwrite)
        yield from ask(NOTE)
        return talk.say("small.result", result=value)

    chat.release(script)
    asked = chat.says("小事")
    before = chat.frames
    chat.says("1")
    assert chat.notes == ["留着 1"]

    assert chat.says("返回") == asked
    assert chat.frames == before
    assert chat.notes == []
    assert chat.talks("2", "好") == "结果：2"


def test_back_runs_several_undos_newest_first(chat: Chat) -> None:
    undone: list[str] = []

    @undoes
    def remember_the_order(session: Session, _actor: Actor, result: Any, *, now: Any) -> None:
        assert now is not None
        undone.append(result[1])
        drop_note(session, result[0])

    def written(talk: Talk, text: str) -> tuple[int, str]:
        return write_note(talk.session, text), text

    @small
    def script(talk: Talk) -> Dialogue:
        yield from ask(COLOUR)
        yield from once("one", lambda: written(talk, "一"), undo=remember_the_order)
        yield from once("two", lambda: written(talk, "二"), undo=remember_the_order)
        yield from ask(NOTE)
        return talk.say("small.done")

    chat.release(script)
    chat.talks("小事", "1", "返回")

    assert undone == ["二", "一"]
    assert chat.notes == []


def test_back_at_the_first_question_says_so_and_shows_it(chat: Chat) -> None:
    @small
    def script(talk: Talk) -> Dialogue:
        yield from ask(COLOUR)
        return talk.say("small.done")

    chat.release(script)
    chat.says("小事")

    assert chat.words("dialogue.first_step") in chat.says("返回")
    assert chat.says("1") == "好了。"


def test_a_write_without_undo_is_a_wall(chat: Chat) -> None:
    @small
    def script(talk: Talk) -> Dialogue:
        yield from ask(COLOUR)
        yield from once("send", lambda: write_note(talk.session, "送出"))
        yield from ask(NOTE)
        yield from ask(EXTRA)
        return talk.say("small.done")

    chat.release(script)
    asked = chat.talks("小事", "1")
    before = chat.frames

    assert chat.words("dialogue.wall") in chat.says("返回")
    assert chat.frames == before
    assert chat.talks("好", "返回") == asked  # as far as the wall it goes
    assert chat.words("dialogue.wall") in chat.says("返回")
    assert chat.notes == ["送出"]


def test_cancel_after_a_wall_does_not_say_that_nothing_is_left(chat: Chat) -> None:
    @small
    def script(talk: Talk) -> Dialogue:
        yield from ask(COLOUR)
        yield from once("send", lambda: write_note(talk.session, "送出"))
        yield from ask(NOTE)
        return talk.say("small.done")

    chat.release(script)
    chat.says("小事")

    assert chat.says("取消") == chat.words("dialogue.cancelled", title="小事")
    assert chat.talks("小事", "1", "取消") == chat.words("dialogue.cancelled_sent", title="小事")
    assert chat.notes == ["送出"]


def test_cancel_takes_back_what_can_be_taken_back(chat: Chat) -> None:
    @small
    def script(talk: Talk) -> Dialogue:
        yield from ask(COLOUR)
        yield from once("hold", lambda: write_note(talk.session, "留着"), undo=unwrite)
        yield from ask(NOTE)
        return talk.say("small.done")

    chat.release(script)
    chat.talks("小事", "1", "取消")

    assert (chat.frames, chat.notes) == ([], [])


def test_an_undo_that_a_rule_refuses_keeps_the_step_but_never_the_person(chat: Chat) -> None:
    @small
    def script(talk: Talk) -> Dialogue:
        yield from ask(COLOUR)
        yield from once("hold", lambda: write_note(talk.session, "一"), undo=unwrite)
        yield from once("late", lambda: write_note(talk.session, "二"), undo=refuse_to_unwrite)
        yield from ask(NOTE)
        return talk.say("small.done")

    chat.release(script)
    chat.talks("小事", "1")
    before = chat.frames

    said = chat.says("返回")
    assert said.startswith("不行：太晚了 11")
    assert "说说看。" in said
    assert (chat.frames, chat.notes) == (before, ["一", "二"])

    assert "不行：太晚了" in chat.says("取消")
    assert chat.frames == []


def test_an_undo_that_a_release_took_away_is_a_wall(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    @small
    def script(talk: Talk) -> Dialogue:
        yield from ask(COLOUR)
        yield from once("hold", lambda: write_note(talk.session, "留着"), undo=unwrite)
        yield from ask(NOTE)
        return talk.say("small.done")

    chat.release(script)
    chat.talks("小事", "1")
    monkeypatch.setattr("handlers.dialogue.conversation._UNDOS", {})

    assert chat.words("dialogue.wall") in chat.says("返回")


def test_an_undo_that_nobody_registered_is_a_bug_at_once(chat: Chat) -> None:
    def forgotten(_session: Session, _actor: Actor, _result: Any, *, now: Any) -> None:
        """Lacks the decorator."""

    @small
    def script(talk: Talk) -> Dialogue:
        yield from once("hold", lambda: 1, undo=forgotten)
        yield from ask(NOTE)
        return talk.say("small.done")

    chat.release(script)

    with pytest.raises(RuntimeError, match="lacks @undoes"):
        chat.says("小事")
