"""Any sequence of messages, over generated scripts and over the real conversations: nobody is ever held or left without a word."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import Session

from handlers.chat.conversations import CONVERSATIONS
from handlers.chat.urgent import urgent
from handlers.dialogue.conversation import BOUND, GLOBAL_WORDS, Conversation, Registry, conversation, undoes
from handlers.dialogue.question import Heard, Question, YesOrNo
from handlers.dialogue.replay import wall_after
from handlers.dialogue.router import Router, Stack
from handlers.dialogue.steps import Dialogue, ask, once, remember, tell
from handlers.dialogue.talk import Talk
from models import clock, db, seal
from models.channel import Channel
from models.db import savepoint
from models.policy import Policy
from models.talk import Actor, keep, meet
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
    UndoneError,
    all_notes,
    drop_note,
    write_note,
)
from tests.world import SUNDAY_EVENING, World, make_world

LAW = settings(
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
PHONES = "急救 120"
FITTING = ["2", "周一帆", "0104", "这周有三次没来上课"]
REPLY_BYTES = 2048


@dataclass
class Stage:
    """One account in one transaction; a message is a turn of its own, with a session that remembers nothing."""

    session: Session
    router: Router
    channel: Channel
    address: str

    def says(self, heard: Heard, now: datetime) -> str:
        """Say something, and keep what became of it."""
        met = meet(self.session, self.channel, self.address)
        reply, talk = self.router.respond(self.session, met, heard, now=now)
        self.session.flush()
        keep(self.session, met.actor.contact_id, talk, now=now)
        self.session.expunge_all()
        return reply

    @contextmanager
    def trial(self) -> Iterator[None]:
        """Whatever is said in here was never said."""
        try:
            with savepoint(self.session):
                yield
                raise UndoneError
        except UndoneError:
            pass

    @property
    def frames(self) -> list[dict[str, Any]]:
        """The open conversations, the one being answered last."""
        return [frame.as_json() for frame in Stack.load(meet(self.session, self.channel, self.address).talk).frames]

    @property
    def place(self) -> tuple[str, ...]:
        """The open conversations and the open question's name."""
        frames = self.frames
        return (*(frame["name"] for frame in frames), *(frame["log"][-1]["n"].split("#")[0] for frame in frames[-1:]))

    def fitting(self) -> list[str]:
        """Answers that the open question may well take; [] when none is open."""
        frames = self.frames
        if not frames:
            return []
        options = frames[-1]["log"][-1]["o"]
        return [str(at) for at in range(1, len(options) + 1)] or FITTING

    def can_leave(self, now: datetime) -> bool:
        """Whether 「取消」 leads out, one conversation a time."""
        with self.trial():
            left = [len(self.frames)]
            while left[-1]:
                self.says(Heard("取消"), now)
                left.append(len(self.frames))
        return left == sorted(left, reverse=True) and len(set(left)) == len(left)

    def is_helped(self, now: datetime) -> bool:
        """Whether 「0」 leads to the phones and to somebody to call."""
        with self.trial():
            reply = self.says(Heard("0"), now)
            top = self.frames[-1]["name"]
        return PHONES in reply and top == "urgent"


# ── generated scripts ───────────────────────────────────────────────────────────────────────────────────────────


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
    lambda steps: st.builds(Step, st.sampled_from(["branch", "loop", "sub"]), inner=st.lists(steps, max_size=3).map(tuple)),
    max_leaves=8,
)


def play(talk: Talk, steps: Sequence[Step], trail: list[str]) -> Any:
    """Run generated steps; `trail` is what the script knows so far."""
    for step in steps:
        if step.kind == "ask":
            trail.append(str((yield from ask(step.question))))
        elif step.kind == "remember":
            trail.append(str((yield from remember("read", lambda: [len(all_notes(talk.session)), talk.now.isoformat()]))))
        elif step.kind in {"hold", "send"}:
            text = f"{step.kind} {len(trail)} {talk.now:%H:%M}"
            yield from once(step.kind, lambda text=text: write_note(talk.session, text), erase if step.kind == "hold" else None)
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
    ["1 2", "9", "红的", "确定", "再想想", "返回", "返回", "返回", "返回", "返回", "小事", "取消", "帮助", "查看", "0", "紧急", "110", "我不想活了", "救命", "", "😀", "长" * 2100, "？？", "12"]
)


def draw_words(data: st.DataObject, fitting: list[str], other: st.SearchStrategy[str]) -> str:
    """Mostly an answer that fits, so that talks go deep; else anything."""
    fits = fitting and data.draw(st.integers(0, 9)) < 7
    return data.draw(st.sampled_from(fitting) if fits else other)



@pytest.fixture
def chat(tmp_path: Path) -> Iterator[Chat]:
    """An account with nothing open."""
    seal.use_keys([KEY])
    connected = db.connect(fresh_database_url("sqlite", tmp_path))
    yield Chat([])
    connected.dispose()


@contextmanager
def on_stage(chat: Chat, steps: Sequence[Step]) -> Iterator[Stage]:
    words = SmallWords()
    router = Router(Registry([script_of(steps), urgent], words), words, Policy(), savepoint)
    try:
        with db.unit_of_work() as session:
            yield Stage(session, router, Channel.OFFICIAL_ACCOUNT, chat.address)
            raise UndoneError
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


def keep_count(answered: list[tuple[dict[str, Any], list[str]]], before: tuple[list[Any], list[str]], after: list[Any]) -> None:
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


# ── the real conversations ──────────────────────────────────────────────────────────────────────────────────────

CAST = ["committee", "second", "officer", "student", "advisor", "head", "duty", "leader", "stranger"]
STAFF = {"advisor", "head", "duty", "leader"}
OFTEN = {"committee": ["周报"], "second": ["小结"], "officer": ["宿舍"], "stranger": ["绑定"]} | {who: ["看小结", "进度"] for who in STAFF}
STARTS = [word for each in CONVERSATIONS for word in each.start]
GLOBALS = [word for words in GLOBAL_WORDS.values() for word in words]
NAMES = ["何小雨", "0102", "2023010104", "王同学", "林晓禾", "9999", "０１０３"]
JUNK = ["😀🌧️", "", "   ", "？", "长" * 10_000, "x" * 41, "{phones}", "%s", "]]>", "第一行\n第二行", "两三个", "-1", "1.5", "null", "<a>", "\u200b"]
BINDING = ["绑定 2023010103 何小雨 0103", "绑定 2023010199 某某 0000", "绑定", "2023010103", "0103"]
TOKEN = re.compile(r"/open/\S+")


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A school whose people are bound; nothing that happens in a test stays."""
    folder = tmp_path_factory.mktemp("school")
    seal.use_keys([KEY])
    connected = db.connect(fresh_database_url("sqlite", folder))
    world = make_world(folder, connected.url.render_as_string(hide_password=False), KEY)
    for who in CAST[:-1]:
        world.phone(who, address=who)
    yield world
    connected.dispose()
    clock.stop_moving()


def labels(world: World) -> list[str]:
    """Every label that any question shows."""
    questions = [question for each in CONVERSATIONS for question in each.questions]
    return sorted({label for question in questions for label in question.labels(world.words)})


@contextmanager
def in_school(world: World, who: str) -> Iterator[Stage]:
    router = Router(Registry(CONVERSATIONS, world.words), world.words, world.policy, savepoint)
    channel = Channel.WECOM if who in STAFF else Channel.OFFICIAL_ACCOUNT
    try:
        with db.database().unit_of_work() as session:
            yield Stage(session, router, channel, who)
            raise UndoneError
    except UndoneError:
        pass


NUMBERS = st.sampled_from(["5", "1 3", "９", "二", "第三个", "1、", "选1", "2吧", "110", "120", "12"])
KINDS = st.sampled_from(["text"] * 18 + ["tap", "picture"])
PAUSES = st.sampled_from([1] * 20 + [40, 300, 1500])


@given(st.data(), st.sampled_from([*CAST, *["committee", "officer", "student"] * 3]), st.integers(4, 25))
@settings(LAW, max_examples=200)
def test_the_real_conversations_never_fail_and_can_always_be_left(school: World, data: st.DataObject, who: str, count: int) -> None:
    words = st.one_of(
        NUMBERS,
        st.sampled_from(labels(school)),
        st.sampled_from(STARTS),
        st.sampled_from(GLOBALS + ["返回", "返回"]),
        st.sampled_from(NAMES + BINDING),
        st.sampled_from(JUNK + ["救命", "他说不想活了"]),
        st.text(max_size=12),
    )
    now = SUNDAY_EVENING
    seen: set[tuple[str, ...]] = set()
    with in_school(school, who) as stage:
        for _ in range(count):
            now += timedelta(minutes=data.draw(PAUSES))
            kind = data.draw(KINDS)
            text = draw_words(data, stage.fitting() or [*OFTEN.get(who, []), "有事", "我的数据"], words)
            heard = Heard("", is_text=False) if kind == "picture" else Heard(text, tapped=kind == "tap")

            with stage.trial():
                first = stage.says(heard, now), stage.frames
            reply = stage.says(heard, now)

            assert without_tokens(reply, stage.frames) == without_tokens(*first)
            assert reply.strip()
            assert len(reply.encode()) <= REPLY_BYTES
            if stage.place not in seen:
                seen.add(stage.place)
                assert stage.can_leave(now)
                assert stage.is_helped(now)


def without_tokens(reply: str, frames: list[dict[str, Any]]) -> tuple[str, list[dict[str, Any]]]:
    """A link's token is the one thing that is new each time."""
    for frame in frames:
        for entry in frame["log"]:
            if entry["k"] == "once" and entry["n"].startswith("link"):
                entry["v"] = "token"
            if "s" in entry:
                entry["s"] = TOKEN.sub("", entry["s"])
    return TOKEN.sub("", reply), frames
