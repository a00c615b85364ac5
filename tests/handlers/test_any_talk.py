"""Any messages to the real conversations: they never fail, always answer, and can always be left."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.chat.conversations import CONVERSATIONS
from handlers.dialogue.conversation import GLOBAL_WORDS, Registry
from handlers.dialogue.question import Heard
from handlers.dialogue.router import Router
from models import clock, db, seal
from models.booking.alternatives import could_propose
from models.booking.proposing import lapse_proposals, propose
from models.booking.table import Appointment, Side
from models.booking.taking import By
from models.channel import Channel
from models.db import savepoint
from models.policy import Confirming
from tests.appointments import book_at, local
from tests.conftest import KEY
from tests.engines import fresh_database_url
from tests.handlers.small import (
    UndoneError,
    undo,
)
from tests.handlers.stage import LAW, REPLY_BYTES, Stage, draw_words
from tests.supply import SHEN, STATION, make_supply
from tests.world import SUNDAY_EVENING, World, make_world
from workers.still_true import holds

CAST = ["committee", "second", "officer", "student", "advisor", "head", "duty", "leader", SHEN, STATION, "stranger"]
STAFF = {"advisor", "head", "duty", "leader"}
OFTEN = {"committee": ["周报"], "second": ["小结"], "officer": ["宿舍"], "stranger": ["绑定"]}
OFTEN |= {who: ["看小结", "进度"] for who in STAFF}
OFTEN |= {key: ["值班", "建议改期", "加开", "请假"] for key in (SHEN, STATION)} | {"duty": ["待办", "值班", "看小结"]}
STARTS = [word for each in CONVERSATIONS for word in each.start]
GLOBALS = [word for words in GLOBAL_WORDS.values() for word in words]
NAMES = ["何小雨", "0102", "2023010104", "王同学", "林晓禾", "9999", "０１０３"]
JUNK = [
    "😀🌧️",
    "",
    "   ",
    "\u200b",
    "？",
    "长" * 10_000,
    "x" * 41,
    "{phones}",
    "%s",
    "]]>",
    "<a>",
    "null",
    "第一行\n第二行",
]
JUNK += ["两三个", "-1", "1.5", "救命", "他说不想活了"]
BINDING = ["绑定 2023010103 何小雨 0103", "绑定 2023010199 某某 0000", "绑定", "2023010103", "0103"]
STRETCHES = ["周四下午关掉", "周六上午9点到11点加开", "12月1日到3日请假", "周四", "每周四关掉", "昨天请假"]
TOKEN = re.compile(r"/(?:open|calendar)/\S+")
TOKENS = {"link", "names", "who", "calendar"}
"""The steps that make one."""


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A school whose people are bound; nothing that happens in a test stays."""
    folder = tmp_path_factory.mktemp("school")
    seal.use_keys([KEY])
    connected = db.connect(fresh_database_url("sqlite", folder))
    world = make_world(folder, connected.url.render_as_string(hide_password=False), KEY)
    busy(world)
    for who in CAST[:-1]:
        world.phone(who, address=who)
    yield world
    connected.dispose()
    clock.stop_moving()


def busy(world: World) -> None:
    """Counselors with something in their calendars, and something that waits for the centre."""
    supply, policy = make_supply(world), world.policy.booking
    by_hand = replace(policy, confirming=Confirming.BY_HAND)
    book_at(world, "student", supply.shen, local("2026-11-16 09:00"))
    book_at(world, "officer", supply.shen, local("2026-11-17 14:00"), policy=by_hand)
    book_at(world, "second", supply.station, local("2026-11-18 14:00"))
    id_ = book_at(world, "neighbour", supply.shen, local("2026-11-19 14:00"))
    with db.unit_of_work() as session:
        slots = could_propose(session, session.get_one(Appointment, id_), policy=policy, now=world.now)[:1]
        propose(session, By(world.people[SHEN], Side.COUNSELOR), id_, slots, policy=policy, now=world.now)
        lapse_proposals(session, policy=policy, now=world.now + timedelta(hours=25))


def labels(world: World) -> list[str]:
    """Every label that any question shows."""
    questions = [question for each in CONVERSATIONS for question in each.questions]
    return sorted({label for question in questions for label in question.labels(world.words)})


@contextmanager
def in_school(world: World, who: str) -> Iterator[Stage]:
    router = Router(Registry(CONVERSATIONS, world.words), world.words, world.policy, savepoint, holds)
    channel = Channel.WECOM if who in STAFF else Channel.OFFICIAL_ACCOUNT
    try:
        with db.database().unit_of_work() as session:
            yield Stage(session, router, channel, who)
            undo()
    except UndoneError:
        pass


NUMBERS = st.sampled_from(["5", "1 3", "９", "二", "第三个", "1、", "选1", "2吧", "110", "120", "12"])
KINDS = st.sampled_from(["text"] * 18 + ["tap", "picture"])
PAUSES = st.sampled_from([1] * 20 + [40, 300, 1500])


@given(st.data(), st.sampled_from([*CAST, *["committee", "officer", "student", "duty", SHEN] * 3]), st.integers(4, 25))
@settings(LAW, max_examples=200)
def test_the_real_conversations_never_fail_and_can_always_be_left(
    school: World, data: st.DataObject, who: str, count: int
) -> None:
    words = st.one_of(
        NUMBERS,
        st.sampled_from(labels(school)),
        st.sampled_from(STARTS),
        st.sampled_from([*GLOBALS, "返回", "返回"]),
        st.sampled_from(NAMES + BINDING + STRETCHES),
        st.sampled_from(JUNK),
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
            if entry["k"] == "once" and entry["n"].split("#")[0] in TOKENS:
                entry["v"] = "token"
            if "s" in entry:
                entry["s"] = TOKEN.sub("", entry["s"])
    return TOKEN.sub("", reply), frames
