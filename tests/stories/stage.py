"""A stage: conversations met through the router and the real database, and nothing of it kept.

`routes()` finds, by walking at random with a fixed seed, a way to every question of every conversation in the registry: what
is tested there covers a new conversation by itself. A question that no walk reaches fails the tests and wants a scene.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from sqlmodel import Session, func, select

from handlers.chat.conversations import CONVERSATIONS
from handlers.dialogue.conversation import Registry
from handlers.dialogue.question import Heard, Question
from handlers.dialogue.replay import Frame
from handlers.dialogue.router import Router
from handlers.dialogue.stack import Stack
from models.channel import Channel
from models.contact import Contact
from models.db import Database, savepoint
from models.outbox import Push
from models.person import Kind, Person
from models.post import Post, Role
from models.rebinding import RebindState, RebindWish
from models.talk import keep, meet
from models.unit import Level, Unit
from tests.world import World
from workers.still_true import holds

PLAYER = "advisor"
WALKS = 600
STEPS = 24


class OverError(Exception):
    """The play is over; nothing of it was."""


@dataclass
class Talker:
    """One account in the play."""

    stage: "Stage"
    session: Session
    address: str
    last: str = ""

    def says(self, text: str, *, is_text: bool = True, tapped: bool = False, after: timedelta = timedelta()) -> str:
        """Say something; `after` how long since the beginning."""
        met = meet(self.session, Channel.OFFICIAL_ACCOUNT, self.address)
        heard = Heard(text, is_text, tapped)
        now = self.stage.now + after
        reply, talk = self.stage.router.respond(self.session, met, heard, now=now)
        self.session.flush()
        keep(self.session, met.actor.contact_id, talk, now=now)
        self.session.expunge_all()
        self.stage.replies.append(reply)
        self.last = reply
        return reply

    def talks(self, *texts: str) -> str:
        """Say several things; returns the last reply."""
        return [self.says(text) for text in texts][-1]

    def tries(self, text: str, *, is_text: bool = True) -> tuple[str, list[str]]:
        """The reply to something, and which questions would be open then; it was never said."""
        try:
            with savepoint(self.session):
                reply = self.says(text, is_text=is_text)
                asked = [str((frame.open_question or {"n": ""})["n"]) for frame in self.frames]
                raise OverError  # noqa: TRY301 — it ends the savepoint, not this function
        except OverError:
            return reply, asked

    @property
    def frames(self) -> list[Frame]:
        """The open conversations, the one being answered last."""
        return Stack.load(meet(self.session, Channel.OFFICIAL_ACCOUNT, self.address).talk).frames

    @property
    def open_question(self) -> tuple[str, Question[Any]] | None:
        """The conversation being answered, and its open question."""
        frames = self.frames
        entry = frames[-1].open_question if frames else None
        if entry is None:
            return None
        return frames[-1].name, self.stage.router.registry.questions[entry["n"].split("#")[0]]

    def pushes(self) -> int:
        """How many pushes were planned."""
        return self.session.exec(select(func.count()).select_from(Push)).one()


Scene = Callable[[Session, "Stage"], None]


@dataclass(frozen=True)
class Route:
    """How to get to a question: who, in which scene, saying what."""

    conversation: str
    question: str
    who: str | None
    scene: str
    texts: tuple[str, ...]


@dataclass
class Stage:
    """The school, its router, its own database, the moment of all plays, and every reply so far."""

    world: World
    database: Database
    now: datetime
    replies: list[str] = field(default_factory=list)

    @cached_property
    def router(self) -> Router:
        """The router with every conversation there is."""
        words = self.world.words
        return Router(Registry(CONVERSATIONS, words), words, self.world.policy, savepoint, holds)

    @contextmanager
    def play(self, who: str | None, scene: str = "plain") -> Iterator[Talker]:
        """Somebody's talk; None is a stranger."""
        try:
            with self.database.unit_of_work() as session:
                SCENES[scene](session, self)
                if who is not None:
                    self.bind(session, who, "player")
                session.flush()
                yield Talker(self, session, "player")
                raise OverError  # noqa: TRY301 — it ends the unit of work, not this function
        except OverError:
            pass

    @contextmanager
    def at(self, route: Route) -> Iterator[Talker]:
        """Somebody who stands before a question."""
        with self.play(route.who, route.scene) as talker:
            for text in route.texts:
                talker.says(text)
                HAPPENINGS.get(route.scene, nothing)(talker)
            yield talker

    def bind(self, session: Session, who: str, address: str) -> None:
        """An account of somebody's."""
        person_id = self.world.people[who]
        contact = Contact(channel=Channel.OFFICIAL_ACCOUNT, address=address, person_id=person_id, bound_at=self.now)
        session.add(contact)

    @cached_property
    def routes(self) -> dict[tuple[str, str], Route]:
        """A way to every question that was found, by conversation and key."""
        dice = random.Random(7)
        found: dict[tuple[str, str], Route] = {}
        for _ in range(WALKS):
            missing = set(QUESTIONS) - {key for _, key in found}
            if not missing:
                break
            scene = dice.choice(list(SCENES))
            who = None if scene == "stranger" else PLAYER
            it = dice.choice(
                [each for each in CONVERSATIONS if missing & {question.key for question in each.questions}]
            )
            with self.play(who, scene) as talker:
                self._walk(talker, dice, found, who, scene, [dice.choice(it.start or ("0", "救命"))])
        return found

    def routes_to(self, key: str) -> list[Route]:
        """Every route to a question: several conversations may ask it."""
        return [route for route in self.routes.values() if route.question == key]

    def _walk(
        self,
        talker: Talker,
        dice: random.Random,
        found: dict[tuple[str, str], Route],
        who: str | None,
        scene: str,
        texts: list[str],
    ) -> None:
        talker.says(texts[0])
        HAPPENINGS.get(scene, nothing)(talker)
        while (at := talker.open_question) is not None and len(texts) < STEPS:
            name, question = at
            known = found.get((name, question.key))
            if known is None or len(texts) < len(known.texts):
                found[name, question.key] = Route(name, question.key, who, scene, tuple(texts))
            texts.append(dice.choice(self.answers(talker, question)))
            talker.says(texts[-1])
            HAPPENINGS.get(scene, nothing)(talker)

    @staticmethod
    def answers(talker: Talker, question: Question[Any]) -> list[str]:
        """What may be said to a question: an option's number, or something of its kind."""
        entry = talker.frames[-1].open_question or {}
        numbers = [str(at) for at in range(1, len(entry["o"]) + 1)]
        return numbers or {"number": ["1", "0"], "person": ["班里新来的同学", "何小雨"]}.get(question.kind, ["一句话"])


QUESTIONS = sorted({question.key for it in CONVERSATIONS for question in it.questions})
"""Every question there is, by key."""


def _appoint(session: Session, stage: "Stage", role: Role, unit: str) -> None:
    world = stage.world
    session.add(Post(person_id=world.people[PLAYER], role=role, unit_id=world.units[unit], started_at=stage.now))


def _plain(session: Session, stage: Stage) -> None:
    """As the world is, but that one person does everything."""
    _appoint(session, stage, Role.COMMITTEE_MEMBER, "软件2301")
    _appoint(session, stage, Role.DORM_OFFICER, "3-301")
    _appoint(session, stage, Role.STATION_HEAD, "信息学院")


def _sent(session: Session, stage: Stage) -> None:
    """Somebody else has sent this week's check-ins already, with something to look at."""
    _plain(session, stage)
    for who, texts in (
        ("second", ("周报", "1", "1", "2", "何小雨", "1", "这周没来上课", "1", "2", "1", "1")),
        ("officer", ("宿舍", "2", "1", "熄灯很晚", "2", "1")),
    ):
        stage.bind(session, who, who)
        session.flush()
        Talker(stage, session, who).talks(*texts)


def _two(session: Session, stage: Stage) -> None:
    """Two classes and two rooms to look after, and more classes than a reply holds."""
    _plain(session, stage)
    _appoint(session, stage, Role.COMMITTEE_MEMBER, "软件2302")
    _appoint(session, stage, Role.DORM_OFFICER, "3-302")
    college = stage.world.units["信息学院"]
    classes = [Unit(level=Level.CLASS, name=f"网络与新媒体工程23{at:02}", parent_id=college) for at in range(60)]
    session.add_all(classes)
    session.flush()
    session.add_all(
        Person(number=f"30{at:02}", name="新同学", kind=Kind.STUDENT, class_id=it.id) for at, it in enumerate(classes)
    )


def _no_phone(session: Session, stage: Stage) -> None:
    """Nobody knows the caller's number; somebody of the centre listens."""
    _plain(session, stage)
    session.get_one(Person, stage.world.people[PLAYER]).phone = None
    stage.bind(session, "duty", "duty")


def _wishes(session: Session, stage: Stage) -> None:
    """Two accounts ask to stand for others: one for the player, and one for a student whose own account was silent."""
    _plain(session, stage)
    for address, who, state in (("new one", PLAYER, RebindState.ASKED), ("new two", "student", RebindState.PASSED_ON)):
        contact = Contact(channel=Channel.OFFICIAL_ACCOUNT, address=address)
        session.add(contact)
        session.flush()
        wish = RebindWish(
            contact_id=contact.id or 0,
            person_id=stage.world.people[who],
            state=state,
            created_at=stage.now,
            asked_until=stage.now + timedelta(days=1),
        )
        session.add(wish)


def _stranger(session: Session, stage: Stage) -> None:
    """The caller is nobody we know; somebody of the centre listens."""
    stage.bind(session, "duty", "duty")


def nothing(_talker: Talker) -> None:
    """Nobody else does anything."""


def _rival(talker: Talker) -> None:
    """The other officer of the class sends first, just as the player is about to."""
    asked = talker.open_question
    if asked is not None and asked[1].key == "class_checkin.review":
        rival = Talker(talker.stage, talker.session, "second")
        rival.talks("周报", "1", "1", "1", "1")


def _with_a_rival(session: Session, stage: Stage) -> None:
    """As the world is; the other officer listens."""
    _plain(session, stage)
    stage.bind(session, "second", "second")


HAPPENINGS: dict[str, Callable[[Talker], None]] = {"rival": _rival}
"""What happens after each thing the player says, by scene."""

SCENES: dict[str, Scene] = {
    "rival": _with_a_rival,
    "plain": _plain,
    "sent": _sent,
    "two": _two,
    "no phone": _no_phone,
    "wishes": _wishes,
    "stranger": _stranger,
}
