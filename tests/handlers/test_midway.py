"""In the middle of a talk: unclear answers, start words, taps, and a day's pause."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

from handlers.dialogue.steps import Dialogue, ask, once
from handlers.dialogue.talk import Talk
from models import clock
from tests.handlers.small import (
    COLOUR,
    COUNT,
    EXTRA,
    NOTE,
    Chat,
    SmallWords,
    small,
    unwrite,
    write_note,
)
from tests.world import SUNDAY_EVENING

# ── unclear answers ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_unclear_answer_is_asked_again_in_other_words_and_the_third_time_with_the_way_out(chat: Chat) -> None:
    @small
    def script(talk: Talk) -> Dialogue:
        yield from ask(COLOUR)
        return talk.say("small.done")

    chat.release(script)
    chat.says("小事")
    replies = [chat.says("？？") for _ in range(8)]

    assert all(one != other for one, other in pairwise(replies))
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


# ── start words and taps inside a talk ────────────────────────────────────────────────────────────────────────────────


def test_a_start_word_is_an_answer_where_the_open_question_takes_it(chat: Chat) -> None:
    @small
    def script(talk: Talk) -> Dialogue:
        colour = yield from ask(COLOUR)
        note = yield from ask(NOTE)
        return talk.say("small.result", result=[colour.value, note])

    @small
    def another(talk: Talk) -> Dialogue:
        yield from ask(EXTRA)
        return talk.say("small.done")

    red = replace(another, name="other", start=("朱红",))
    chat.words = SmallWords(other__title="朱红")
    chat.release(script, red)

    assert "说说看。" in chat.talks("小事", "朱红")  # words that mean one of its options
    assert chat.says("朱红") == "结果：red、朱红"  # a free text
    assert "还有呢？" in chat.says("朱红")


def test_elsewhere_a_start_word_or_a_tap_asks_once_which_it_is(chat: Chat) -> None:
    @small
    def script(talk: Talk) -> Dialogue:
        yield from ask(COLOUR)
        yield from once("hold", lambda: write_note(talk.session, "留着"), undo=unwrite)
        yield from ask(NOTE)
        return talk.say("small.done")

    @small
    def another(talk: Talk) -> Dialogue:
        yield from ask(EXTRA)
        return talk.say("small.done")

    chat.words = SmallWords(other__title="别的事")
    chat.release(script, replace(another, name="other", start=("别的",)))
    which = chat.words("dialogue.leave", current="小事", other="别的事")
    colour = chat.says("小事")

    assert chat.says("别的") == which
    assert chat.says("3") == colour  # no third option was shown, so it is none of the colours either
    assert chat.talks("别的", "接着") == colour
    note = chat.says("1")
    assert chat.says("别的", tapped=True) == which  # a text would be the answer, a tap never is
    assert chat.says("2") == note
    assert chat.notes == ["留着"]
    chat.says("别的", tapped=True)
    assert "还有呢？" in chat.says("去别的事")
    assert (chat.notes, [frame.name for frame in chat.frames]) == ([], ["other"])


# ── the day after ─────────────────────────────────────────────────────────────────────────────────────────────────────


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
