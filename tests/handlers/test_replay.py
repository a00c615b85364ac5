"""The laws of a replayed conversation (design, idea 1): what is logged, when, and how it is found again."""

from datetime import timedelta
from typing import Any

from typing_extensions import override

from handlers.dialogue.question import Choice
from handlers.dialogue.steps import Dialogue, ask, once, remember, tell
from handlers.dialogue.talk import Talk
from models import clock
from tests.handlers.small import (
    COLOUR,
    COLOURS,
    EXTRA,
    NOTE,
    Chat,
    Colour,
    SmallWords,
    small,
    write_note,
)
from tests.world import SUNDAY_EVENING

# ── what is logged, and how it is found again ─────────────────────────────────────────────────────────────────────────


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
        found: list[str] = []
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

    assert [entry["n"] for entry in chat.log if entry["k"] == "ask"] == [
        COLOUR.key,
        NOTE.key,
        f"{COLOUR.key}#2",
        f"{NOTE.key}#2",
    ]
    assert "甲" in chat.says("乙")


def test_an_answer_passes_through_json_on_the_first_run_too(chat: Chat) -> None:
    seen: list[Any] = []

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

    def read() -> int:
        reads.append(1)
        return len(reads)

    @small
    def script(talk: Talk) -> Dialogue:
        value = yield from remember("value", read)
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


# ── time ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


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
        @override
        def options(self, talk: Talk, values: dict[str, Any]) -> list[list[str]]:
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


# ── what is told ──────────────────────────────────────────────────────────────────────────────────────────────────────


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
