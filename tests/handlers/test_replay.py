"""The laws of a replayed conversation (design, idea 1), on small scripts of the test's own."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session

from handlers.dialogue.conversation import BOUND, Conversation, conversation, undoes
from handlers.dialogue.question import Choice, FreeText
from handlers.dialogue.steps import Dialogue, ask, once, remember, tell
from handlers.dialogue.talk import Talk
from models import clock, db, seal
from models.errors import RefusedError
from models.talk import Actor
from tests.conftest import KEY
from tests.engines import fresh_database_url
from tests.handlers.small import (
    COLOUR,
    COLOURS,
    COUNT,
    NOTE,
    SURE,
    Chat,
    Colour,
    SmallWords,
    drop_note,
    write_note,
)
from tests.world import SUNDAY_EVENING

EXTRA = FreeText("small.extra")
QUESTIONS = (COLOUR, COLOURS, SURE, COUNT, NOTE, EXTRA)  # as a real file has them: above its script


@pytest.fixture
def chat(tmp_path: Path) -> Iterator[Chat]:
    """An account with nothing open."""
    seal.use_keys([KEY])
    connected = db.connect(fresh_database_url("sqlite", tmp_path))
    clock.move_to(SUNDAY_EVENING)
    yield Chat([])
    connected.dispose()
    clock.stop_moving()


@undoes
def unwrite(session: Session, _actor: Actor, result: Any, *, now: Any) -> None:
    """Take a small note back."""
    assert now is not None
    drop_note(session, result)


@undoes
def refuse_to_unwrite(_session: Session, _actor: Actor, _result: Any, *, now: Any) -> None:
    """Some things are too late to take back."""
    raise RefusedError("small.refused", why=f"太晚了 {now:%H}")


def small(script: Any) -> Conversation:
    """The script as the conversation that 「小事」 starts."""
    return conversation("small", start=["小事"], who=BOUND)(script)


# ── what is logged, and how it is found again ───────────────────────────────────────────────────────────────────


def test_a_conversation_goes_on_where_it_was(chat: Chat) -> None:
    @small
    def script(talk: Talk) -> Dialogue:
        colour = yield from ask(COLOUR)
        note = yield from ask(NOTE)
        return talk.say("small.result", result=f"{colour.value} {note}")

    chat.release(script)
    chat.talks("小事", "2")
    fresh = Chat([script])  # another process: the same rows, nothing else

    assert fresh.says("叶子") == "结果：green 叶子"
    assert fresh.frames == []


def test_an_entry_says_what_was_shown_and_what_was_meant(chat: Chat) -> None:
    @small
    def script(talk: Talk) -> Dialogue:
        yield from ask(COLOUR)
        yield from ask(NOTE)
        return talk.say("small.done")

    chat.release(script)
    chat.talks("小事", "２、")

    first, second = chat.log
    assert (first["k"], first["n"], first["a"]) == ("ask", COLOUR.key, "green")
    assert first["o"] == [["red", "红的"], ["green", "绿的"], ["blue", "蓝的"]]
    assert (second["n"], second["s"]) == (NOTE.key, "说说看。")
    assert "a" not in second


def test_a_later_two_means_what_the_person_saw(chat: Chat) -> None:
    @small
    def script(talk: Talk) -> Dialogue:
        colour = yield from ask(COLOUR)
        return talk.say("small.result", result=colour.value)

    chat.release(script)
    chat.says("小事")
    chat.words = SmallWords(small__colour__red="绿的", small__colour__green="红的", small__colour__blue="黑的")

    assert chat.says("2") == "结果：green"


def test_names_are_numbered_in_a_loop(chat: Chat) -> None:
    @small
    def script(talk: Talk) -> Dialogue:
        found = []
        while len(found) < 3:
            found.append((yield from ask(NOTE)))
            yield from remember("seen", lambda: len(found))
        return talk.say("small.result", result="".join(found))

    chat.release(script)
    chat.talks("小事", "甲", "乙")

    assert [entry["n"] for entry in chat.log] == [NOTE.key, "seen", f"{NOTE.key}#2", "seen#2", f"{NOTE.key}#3"]
    assert chat.says("丙") == "结果：甲乙丙"


def test_one_name_may_be_a_question_and_a_read(chat: Chat) -> None:
    @small
    def script(talk: Talk) -> Dialogue:
        one = yield from remember(NOTE.key, lambda: 1)
        two = yield from ask(NOTE)
        return talk.say("small.result", result=f"{one}{two}")

    chat.release(script)

    assert chat.talks("小事", "二") == "结果：1二"


def test_a_script_may_be_made_of_others(chat: Chat) -> None:
    def pair() -> Any:
        colour = yield from ask(COLOUR)
        if colour is Colour.RED:
            yield from tell("small.lead", what="红")
        return colour.value, (yield from ask(NOTE))

    @small
    def script(talk: Talk) -> Dialogue:
        pairs = [(yield from pair()), (yield from pair())]
        return talk.say("small.result", result=pairs)

    chat.release(script)
    chat.talks("小事", "1", "甲", "2")

    assert [entry["n"] for entry in chat.log if entry["k"] == "ask"] == [COLOUR.key, NOTE.key, f"{COLOUR.key}#2", f"{NOTE.key}#2"]
    assert "甲" in chat.says("乙")


def test_an_answer_passes_through_json_on_the_first_run_too(chat: Chat) -> None:
    seen = []

    @small
    def script(talk: Talk) -> Dialogue:
        read = yield from remember("read", lambda: {"pair": (1, 2), "deep": [(3,)]})
        wrote = yield from once("wrote", lambda: (4, 5))
        several = yield from ask(COLOURS)
        seen.append((read, wrote, several, type(several[0]) if several else None))
        yield from ask(NOTE)
        return talk.say("small.done")

    chat.release(script)
    chat.talks("小事", "1 3", "好")

    assert seen == [({"pair": [1, 2], "deep": [[3]]}, [4, 5], [Colour.RED, Colour.BLUE], Colour)] * 2


def test_a_script_may_do_what_it_likes_to_what_it_was_given(chat: Chat) -> None:
    @small
    def script(talk: Talk) -> Dialogue:
        read = yield from remember("read", lambda: {"left": [1, 2, 3]})
        first = read["left"].pop()
        yield from ask(COLOUR)
        wrote = yield from once("wrote", lambda: [7, 8])
        second = wrote.pop()
        several = yield from ask(COLOURS)
        several.clear()
        yield from ask(NOTE)
        return talk.say("small.result", result=[first, second, *read.pop("left")])

    chat.release(script)

    assert chat.talks("小事", "1", "1 2", "好") == "结果：3、8、1、2"


def test_what_was_remembered_does_not_change_under_the_talk(chat: Chat) -> None:
    reads: list[int] = []

    @small
    def script(talk: Talk) -> Dialogue:
        value = yield from remember("value", lambda: reads.append(1) or len(reads))
        yield from ask(COLOUR)
        yield from ask(NOTE)
        return talk.say("small.result", result=value)

    chat.release(script)

    assert chat.talks("小事", "1", "好") == "结果：1"
    assert len(reads) == 1


def test_a_write_runs_a_single_time(chat: Chat) -> None:
    @small
    def script(talk: Talk) -> Dialogue:
        yield from ask(COLOUR)
        yield from once("write", lambda: write_note(talk.session, "一次"))
        yield from ask(COLOUR)
        yield from ask(NOTE)
        return talk.say("small.done")

    chat.release(script)
    chat.talks("小事", "1", "不清楚", "2", "帮助", "好")

    assert chat.notes == ["一次"]


# ── time ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_replay_sees_the_logged_moments_and_only_the_newest_step_the_present(chat: Chat) -> None:
    runs: list[list[int]] = []

    @small
    def script(talk: Talk) -> Dialogue:
        minutes: list[int] = []
        runs.append(minutes)

        def note_the_time() -> None:
            minutes.append(round((talk.now - SUNDAY_EVENING).total_seconds() / 60))

        note_the_time()
        yield from remember("read", note_the_time)
        yield from ask(COLOUR)
        note_the_time()
        yield from once("write", note_the_time)
        yield from ask(NOTE)
        note_the_time()
        return talk.say("small.done")

    chat.release(script)
    for text in ("小事", "1", "好"):
        chat.says(text)
        clock.move_to(clock.now() + timedelta(minutes=10))

    assert runs == [[0, 0], [0, 10, 10], [0, 10, 20]]


def test_the_options_of_a_new_question_are_of_the_present(chat: Chat) -> None:
    class Clocked(Choice[Colour]):
        def options(self, talk: Talk, values: dict[str, Any]) -> list[list[str]]:  # type: ignore[override] # noqa: ARG002
            return [["red", f"{talk.now:%H:%M}"]]

    later = Clocked(COLOUR.key, Colour)

    def script(talk: Talk) -> Dialogue:
        yield from ask(NOTE)
        yield from ask(EXTRA)
        return talk.say("small.done")

    def changed(talk: Talk) -> Dialogue:
        yield from ask(NOTE)
        yield from ask(later)
        return talk.say("small.done")

    chat.release(small(script))
    chat.talks("小事", "好")
    clock.move_to(SUNDAY_EVENING + timedelta(minutes=7))
    chat.release(small(changed))

    assert "1. 11:37" in chat.says("再说")


# ── what is told ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_sentence_is_told_once_above_the_next_question_or_the_end(chat: Chat) -> None:
    @small
    def script(talk: Talk) -> Dialogue:
        yield from tell("small.lead", what="甲")
        yield from ask(COLOUR)
        yield from ask(NOTE)
        yield from tell("small.lead", what="乙")
        yield from tell("small.lead", what="丙")
        return talk.say("small.done")

    chat.release(script)
    replies = [chat.says(text) for text in ("小事", "不清楚", "1", "好")]

    assert replies[0].startswith("先说一句：甲\n\n什么颜色？")
    assert "先说一句" not in replies[1] + replies[2]
    assert replies[3] == "先说一句：乙\n\n先说一句：丙\n\n好了。"


def test_a_told_sentence_comes_back_with_its_question(chat: Chat) -> None:
    @small
    def script(talk: Talk) -> Dialogue:
        yield from ask(COLOUR)
        yield from tell("small.lead", what="甲")
        yield from ask(NOTE)
        yield from ask(EXTRA)
        return talk.say("small.done")

    chat.release(script)
    shown = chat.talks("小事", "1")

    assert chat.talks("好", "返回") == shown


# ── unclear answers ─────────────────────────────────────────────────────────────────────────────────────────────


def test_an_unclear_answer_is_asked_again_in_other_words_and_the_third_time_with_the_way_out(chat: Chat) -> None:
    @small
    def script(talk: Talk) -> Dialogue:
        yield from ask(COLOUR)
        return talk.say("small.done")

    chat.release(script)
    chat.says("小事")
    replies = [chat.says("？？") for _ in range(8)]

    assert all(one != other for one, other in zip(replies, replies[1:], strict=False))
    assert all("1. 红的\n2. 绿的\n3. 蓝的" in reply for reply in replies)
    ways_out = chat.words.also("dialogue.way_out")
    assert [any(way in reply for way in ways_out) for reply in replies[:4]] == [False, False, True, True]
    assert chat.says("1") == "好了。"


def test_a_number_says_its_range_and_a_text_its_length(chat: Chat) -> None:
    @small
    def script(talk: Talk) -> Dialogue:
        yield from ask(COUNT)
        yield from ask(COUNT, high=3)
        yield from ask(NOTE)
        return talk.say("small.done")

    chat.release(script)
    chat.says("小事")

    assert "0 到 9" in chat.says("10")
    chat.says("9")
    assert "0 到 3" in chat.says("9")
    chat.says("3")
    assert " 20 个字" in chat.says("长" * 21)


# ── back and cancel ─────────────────────────────────────────────────────────────────────────────────────────────


def test_back_drops_the_last_answer_and_all_after_it(chat: Chat) -> None:
    reads: list[int] = []

    @small
    def script(talk: Talk) -> Dialogue:
        yield from ask(COLOUR)
        value = yield from remember("value", lambda: reads.append(1) or len(reads))
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


# ── a new release ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_release_that_changed_a_question_cuts_the_log_there(chat: Chat) -> None:
    def script(talk: Talk) -> Dialogue:
        yield from ask(NOTE)
        yield from ask(COLOUR)
        yield from ask(EXTRA)
        return talk.say("small.done")

    def changed(talk: Talk) -> Dialogue:
        note = yield from ask(NOTE)
        colours = yield from ask(COLOURS)
        return talk.say("small.result", result=[note, *(colour.value for colour in colours)])

    chat.release(small(script))
    chat.talks("小事", "好", "2")
    chat.release(small(changed))

    assert "哪些颜色？" in chat.says("还有呢")
    assert chat.says("1 2") == "结果：好、red、green"


def test_a_cut_takes_back_what_can_be_taken_back(chat: Chat) -> None:
    def script(talk: Talk) -> Dialogue:
        yield from ask(COLOUR)
        yield from once("hold", lambda: write_note(talk.session, "留着"), undo=unwrite)
        yield from ask(NOTE)
        return talk.say("small.done")

    def changed(talk: Talk) -> Dialogue:
        yield from ask(COLOURS)
        yield from once("hold", lambda: write_note(talk.session, "新的"), undo=unwrite)
        yield from ask(NOTE)
        return talk.say("small.done")

    chat.release(small(script))
    chat.talks("小事", "1")
    chat.release(small(changed))

    assert "哪些颜色？" in chat.says("好")
    assert chat.notes == []
    chat.says("1")
    assert chat.notes == ["新的"]


def test_a_cut_never_crosses_a_wall(chat: Chat) -> None:
    def script(talk: Talk) -> Dialogue:
        yield from ask(COLOUR)
        yield from once("send", lambda: write_note(talk.session, "送出"))
        yield from ask(NOTE)
        return talk.say("small.done")

    def changed(talk: Talk) -> Dialogue:
        yield from ask(COLOURS)
        yield from once("send", lambda: write_note(talk.session, "又送一次"))
        yield from ask(NOTE)
        return talk.say("small.done")

    chat.release(small(script))
    chat.talks("小事", "1")
    chat.release(small(changed))

    said = chat.says("好")
    assert said.startswith(chat.words("dialogue.changed"))
    assert (chat.frames, chat.notes) == ([], ["送出"])
    assert "哪些颜色？" in chat.says("小事")


def test_a_change_behind_the_wall_cuts_only_there(chat: Chat) -> None:
    def script(talk: Talk) -> Dialogue:
        yield from once("send", lambda: write_note(talk.session, "送出"))
        yield from ask(COLOUR)
        yield from ask(NOTE)
        return talk.say("small.done")

    def changed(talk: Talk) -> Dialogue:
        yield from once("send", lambda: write_note(talk.session, "送出"))
        yield from ask(COLOURS)
        return talk.say("small.done")

    chat.release(small(script))
    chat.talks("小事", "1")
    chat.release(small(changed))

    assert "哪些颜色？" in chat.says("好")
    assert chat.notes == ["送出"]


def test_a_new_step_between_old_ones_cuts_too(chat: Chat) -> None:
    def script(talk: Talk) -> Dialogue:
        yield from ask(COLOUR)
        yield from ask(NOTE)
        return talk.say("small.done")

    def changed(talk: Talk) -> Dialogue:
        yield from ask(COLOUR)
        yield from remember("new", lambda: 1)
        yield from ask(NOTE)
        return talk.say("small.done")

    chat.release(small(script))
    chat.talks("小事", "1")
    chat.release(small(changed))

    assert "说说看。" in chat.says("这句没有听见")
    assert chat.says("好") == "好了。"


def test_a_conversation_that_a_release_took_away_ends_with_a_word(chat: Chat) -> None:
    @small
    def script(talk: Talk) -> Dialogue:
        yield from ask(COLOUR)
        return talk.say("small.done")

    chat.release(script)
    chat.says("小事")
    chat.release()

    assert chat.says("1").startswith(chat.words("dialogue.changed"))
    assert chat.frames == []


# ── errors ──────────────────────────────────────────────────────────────────────────────────────────────────────


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
    def script(_talk: Talk) -> Dialogue:
        yield from ask(NOTE)

    chat.release(script)
    chat.says("小事")

    with pytest.raises(TypeError, match="without a sentence"):
        chat.says("好")


# ── the day after ───────────────────────────────────────────────────────────────────────────────────────────────


def test_after_a_day_the_talk_is_put_away_with_one_line(chat: Chat) -> None:
    @small
    def script(talk: Talk) -> Dialogue:
        yield from ask(NOTE)
        return talk.say("small.done")

    chat.release(script)
    chat.says("小事")
    clock.move_to(SUNDAY_EVENING + timedelta(hours=24, minutes=1))
    line = chat.words("dialogue.put_away", title="小事", word="小事")

    assert chat.says("好").startswith(line)
    assert line not in chat.says("好")
    assert chat.frames == []


def test_within_a_day_it_goes_on_with_one_line_on_where_it_was(chat: Chat) -> None:
    @small
    def script(talk: Talk) -> Dialogue:
        yield from ask(NOTE)
        yield from ask(EXTRA)
        return talk.say("small.done")

    chat.release(script)
    chat.says("小事")
    clock.move_to(SUNDAY_EVENING + timedelta(hours=23))

    assert chat.says("好").startswith(chat.words("dialogue.resumed", title="小事") + "\n\n还有呢？")
    assert chat.says("没了") == "好了。"
