"""Any script and any messages: a talk can be left, helped, replayed and taken back, whatever it is made of."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlmodel import Session

from handlers.chat.urgent import urgent
from handlers.dialogue.conversation import BOUND, Conversation, Registry, conversation, undoes
from handlers.dialogue.question import Heard, Question, YesOrNo
from handlers.dialogue.replay import wall_after
from handlers.dialogue.router import Router
from handlers.dialogue.steps import Dialogue, ask, once, remember, tell
from handlers.dialogue.talk import Talk
from models import db
from models.channel import Channel
from models.db import savepoint
from models.policy import Policy
from models.talk import Actor
from tests.handlers.small import (
    COLOUR,
    COLOURS,
    COUNT,
    NOTE,
    SURE,
    Chat,
    Colour,
    SmallWords,
    UndoneError,
    all_notes,
    drop_note,
    undo,
    write_note,
)
from tests.handlers.stage import LAW, Stage, draw_words
from tests.world import SUNDAY_EVENING
from workers.still_true import holds


@undoes
def erase(session: Session, _actor: Actor, result: Any, *, now: datetime) -> None:
    """Take a small note back."""
    assert now.tzinfo is not None
    drop_note(session, result)


@dataclass(frozen=True)
class Step:
    """One step of a generated script; `inner` is what a branch or a loop holds."""

    kind: str
    question: Question[Any] = COLOUR
    inner: tuple["Step", ...] = ()


PLAIN = st.one_of(
    st.builds(Step, st.just("ask"), st.sampled_from([COLOUR, COLOURS, SURE, COUNT, NOTE])),
    st.builds(Step, st.sampled_from(["remember", "hold", "hold", "send", "tell"])),
)
STEPS = st.recursive(
    PLAIN,
    lambda steps: st.builds(
        Step, st.sampled_from(["branch", "loop", "sub"]), inner=st.lists(steps, max_size=3).map(tuple)
    ),
    max_leaves=8,
)


def play(talk: Talk, steps: Sequence[Step], trail: list[str]) -> Any:
    """Run generated steps; `trail` is what the script knows so far."""
    for step in steps:
        if step.kind == "ask":
            trail.append(str((yield from ask(step.question))))
        elif step.kind == "remember":
            trail.append(
                str((yield from remember("read", lambda: [len(all_notes(talk.session)), talk.now.isoformat()])))
            )
        elif step.kind in {"hold", "send"}:
            write = partial(write_note, talk.session, f"{step.kind} {len(trail)} {talk.now:%H:%M}")
            yield from once(step.kind, write, erase if step.kind == "hold" else None)
        elif step.kind == "tell":
            yield from tell("small.lead", what=len(trail))
        elif step.kind == "branch":
            if (yield from ask(COLOUR)) is Colour.RED:
                yield from play(talk, step.inner, trail)
        elif step.kind == "loop":
            while (yield from ask(SURE)) is YesOrNo.YES:
                yield from play(talk, step.inner, trail)
        else:
            yield from play(talk, step.inner, trail)


def script_of(steps: Sequence[Step]) -> Conversation:
    """A conversation of generated steps."""

    def script(talk: Talk) -> Dialogue:
        trail: list[str] = []
        yield from play(talk, steps, trail)
        return talk.say("small.result", result=trail)

    return conversation("small", start=["小事"], who=BOUND)(script)


ELSE = st.sampled_from(
    [
        *["1 2", "9", "12", "红的", "确定", "再想想", "小事", *["返回"] * 5, "取消", "帮助", "查看"],
        *["0", "紧急", "110", "我不想活了", "救命", "", "😀", "长" * 2100, "？？"],
    ]
)


@contextmanager
def on_stage(chat: Chat, steps: Sequence[Step]) -> Iterator[Stage]:
    words = SmallWords()
    router = Router(Registry([script_of(steps), urgent], words), words, Policy(), savepoint, holds)
    try:
        with db.unit_of_work() as session:
            yield Stage(session, router, Channel.OFFICIAL_ACCOUNT, chat.address)
            undo()
    except UndoneError:
        pass


@given(st.data(), st.lists(STEPS, min_size=1, max_size=6), st.integers(2, 14))
@settings(LAW, max_examples=120)
def test_any_script_and_any_messages_can_be_left_helped_replayed_and_taken_back(
    chat: Chat, data: st.DataObject, steps: list[Step], count: int
) -> None:
    now = SUNDAY_EVENING
    with on_stage(chat, steps) as stage:
        answered: list[tuple[dict[str, Any], list[str]]] = []  # the talk and the notes as they were before each answer
        for _ in range(count):
            now += timedelta(minutes=1)
            text = draw_words(data, stage.fitting() or ["小事"], ELSE)
            before = stage.frames[:1], all_notes(stage.session)

            with stage.trial():
                first = stage.says(Heard(text), now), stage.frames, all_notes(stage.session)
            reply = stage.says(Heard(text), now)

            assert (reply, stage.frames, all_notes(stage.session)) == first
            assert reply.strip()
            assert stage.can_leave(now)
            assert stage.is_helped(now)
            keep_count(answered, before, stage.frames[:1])
            back_restores(stage, answered, now)


def keep_count(
    answered: list[tuple[dict[str, Any], list[str]]], before: tuple[list[Any], list[str]], after: list[Any]
) -> None:
    """Note the state that stood before an answer; forget it when the answer was taken back or the talk is over."""
    frames, notes = before
    had, has = (sum("a" in entry for entry in frame[0]["log"]) if frame else 0 for frame in (frames, after))
    if not after or not frames:
        answered.clear()
    elif has == had + 1:
        answered.append((frames[0], notes))
    elif has < had:
        del answered[has:]


def back_restores(stage: Stage, answered: list[tuple[dict[str, Any], list[str]]], now: datetime) -> None:
    """Each 「返回」 leads exactly to what stood before the answer, and never over a wall."""
    with stage.trial():
        for frame, notes in reversed(answered):
            standing = stage.frames, all_notes(stage.session)
            if [each["name"] for each in standing[0]] != ["small"]:
                return
            walled = wall_after(standing[0][0]["log"], len(frame["log"]) - 1)
            stage.says(Heard("返回"), now)
            assert (stage.frames, all_notes(stage.session)) == (standing if walled else ([frame], notes))
            if walled:
                return
