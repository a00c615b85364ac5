"""A new release meets talks that an older one began."""

from handlers.dialogue.steps import Dialogue, ask, once, remember
from handlers.dialogue.talk import Talk
from tests.handlers.small import (
    COLOUR,
    COLOURS,
    EXTRA,
    NOTE,
    Chat,
    small,
    unwrite,
    write_note,
)


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
