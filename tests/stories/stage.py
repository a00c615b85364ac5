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
from models.booking.acting import book
from models.booking.alternatives import could_propose
from models.booking.calendar import make_calendar
from models.booking.choices import Mode
from models.booking.proposing import propose
from models.booking.slots import slot_at
from models.booking.table import (
    Appointment,
    AppointmentState,
    Counselor,
    Haste,
    Opening,
    Proposal,
    ProposalState,
    Room,
    RoomUse,
    Side,
)
from models.booking.taking import SYSTEM, By, hold, insert
from models.booking.waiting import join
from models.channel import Channel
from models.contact import Contact
from models.db import Database, savepoint
from models.outbox import Push
from models.person import Kind, Person
from models.post import Post, Role
from models.rebinding import RebindState, RebindWish
from models.talk import keep, meet
from models.unit import Level, Unit
from tests.supply import SHEN, STATION, Supply
from tests.world import SUNDAY_EVENING, World
from workers.still_true import holds

PLAYER = "advisor"
CLIENT = "neighbour"
"""Who books: a student who is nobody's officer."""

CENTRE = "duty"
"""Who has the centre's post, and no profile."""

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
    supply: Supply
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
            it = dice.choice([each for each in CONVERSATIONS if missing & asked_by(each.name)])
            scene = dice.choice(SCENES_FOR.get(it.name, GENERAL))
            who = PLAYERS.get(scene, PLAYER)
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
        return numbers or SAID.get(question.kind, ["一句话"])


SAID = {
    "number": ["1", "0"],
    "person": ["班里新来的同学", "何小雨"],
    "stretch": ["周四上午", "周四上午关掉", "周四下午关掉", "周六上午9点到11点加开", "12月1日到3日请假"],
}
"""What may be said to a question that shows no options, by its kind."""

QUESTIONS = sorted({question.key for it in CONVERSATIONS for question in it.questions})
"""Every question there is, by key."""

INTO = {"desk": ("open_hours", "proposing")}
"""Conversations that lead into what others ask."""


def asked_by(name: str) -> set[str]:
    """The questions, by key, that a conversation may come to."""
    names = {name, *INTO.get(name, ())}
    return {question.key for it in CONVERSATIONS if it.name in names for question in it.questions}


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


def _quiet(_session: Session, _stage: Stage) -> None:
    """Nothing has happened."""


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


def _nine(days: int) -> datetime:
    """Nine o'clock, so many days after tomorrow."""
    return SUNDAY_EVENING.replace(hour=9, minute=0) + timedelta(days=days + 1)


def _held(session: Session, stage: "Stage", counselor: int, at: datetime, mode: Mode = Mode.IN_PERSON) -> int:
    """A time on hold for the client, or a room by itself where there is no counselor."""
    by = By(stage.world.people[CLIENT], Side.STUDENT)
    policy = stage.world.policy.booking
    it = hold(session, by, by.person_id or 0, at, mode, policy=policy, now=stage.now, counselor_id=counselor)
    return it.id or 0


def _booked(session: Session, stage: "Stage", counselor: int, at: datetime) -> int:
    by = By(stage.world.people[CLIENT], Side.STUDENT)
    held = _held(session, stage, counselor, at)
    return book(session, by, held, policy=stage.world.policy.booking, now=stage.now).id


def _client(session: Session, stage: "Stage") -> None:
    """A student whose number nobody knows, and a school where rooms can be used by themselves."""
    session.get_one(Person, stage.world.people[CLIENT]).phone = None
    _room_alone(session, stage)


def _room_alone(session: Session, stage: "Stage") -> int:
    room = Room(name="放松室", place="综合楼 302", unit_id=stage.world.units["测试学院"], use=RoomUse.RELAX, alone=True)
    session.add(room)
    session.flush()
    session.add(Opening(room_id=room.id, weekday=3, starts=9 * 60, ends=12 * 60))
    session.flush()
    return room.id or 0


def _coming(session: Session, stage: "Stage") -> None:
    """A student with an appointment and a room of their own, both more than a day off; they have agreed."""
    _booked(session, stage, stage.supply.shen, _nine(2))
    room_id = _room_alone(session, stage)
    by, policy = By(stage.world.people[CLIENT], Side.STUDENT), stage.world.policy.booking
    at = _nine(3)
    it = hold(session, by, by.person_id or 0, at, Mode.IN_PERSON, policy=policy, now=stage.now, room_id=room_id)
    book(session, by, it.id or 0, policy=policy, now=stage.now)


def _soon(session: Session, stage: "Stage") -> None:
    """A student with an appointment tomorrow morning."""
    _booked(session, stage, stage.supply.shen, _nine(0))


def _offered(session: Session, stage: "Stage") -> None:
    """Somebody who waited, for whom a time is kept."""
    by, policy = By(stage.world.people[CLIENT], Side.STUDENT), stage.world.policy.booking
    at = _nine(1)
    slot = slot_at(session, at, policy=policy, now=stage.now, counselor_id=stage.supply.shen, mode=Mode.IN_PERSON)
    assert slot is not None
    waiter_id = join(session, by, by.person_id or 0, Haste.NORMAL, now=stage.now)
    insert(
        session, SYSTEM, by.person_id or 0, slot, Mode.IN_PERSON, AppointmentState.OFFERED,
        until=stage.now + policy.offer, now=stage.now, waiter_id=waiter_id,
    )  # fmt: skip


def _proposed(session: Session, stage: "Stage") -> None:
    """A counselor has proposed other times."""
    id_ = _booked(session, stage, stage.supply.shen, _nine(2))
    by = By(stage.world.people[SHEN], Side.COUNSELOR)
    policy = stage.world.policy.booking
    slots = could_propose(session, session.get_one(Appointment, id_), policy=policy, now=stage.now)
    propose(session, by, id_, slots[:2], policy=policy, now=stage.now)


def _visited(session: Session, stage: "Stage") -> None:
    """Somebody who was there this morning."""
    _stands(session, stage, CLIENT, stage.supply.shen, stage.now - timedelta(hours=10))


def _stands(
    session: Session,
    stage: "Stage",
    who: str,
    counselor_id: int,
    at: datetime,
    state: AppointmentState = AppointmentState.BOOKED,
) -> int:
    """An appointment as a row, at any moment."""
    it = Appointment(
        student_id=stage.world.people[who],
        counselor_id=counselor_id,
        mode=Mode.IN_PERSON,
        state=state,
        starts_at=at,
        ends_at=at + timedelta(minutes=50),
        busy_from=at,
        busy_to=at + timedelta(hours=1),
        until=stage.now + timedelta(hours=12) if state is AppointmentState.PENDING else None,
        made_at=at - timedelta(days=2),
    )
    session.add(it)
    session.flush()
    return it.id or 0


def _on_duty(session: Session, stage: "Stage") -> None:
    """A counselor whom somebody saw this morning, with others to come and a calendar on the phone."""
    _visited(session, stage)
    _stands(session, stage, "student", stage.supply.shen, _nine(1))
    _stands(session, stage, "officer", stage.supply.shen, _nine(3))
    make_calendar(session, session.get_one(Counselor, stage.supply.shen), now=stage.now)


def _at_the_station(session: Session, stage: "Stage") -> None:
    """A station's counselor, with somebody to come."""
    _stands(session, stage, CLIENT, stage.supply.station, _nine(2) + timedelta(hours=5))


def _waits(session: Session, stage: "Stage") -> None:
    """A booking to answer, where a colleague is free; a change that nobody answered; somebody who often did not come."""
    for days in (3, 4, 5):
        _stands(session, stage, "second", stage.supply.shen, _nine(-days - 1), AppointmentState.MISSED)
    two = _nine(1) + timedelta(hours=5)
    _stands(session, stage, "student", stage.supply.shen, two, AppointmentState.PENDING)
    id_ = _booked(session, stage, stage.supply.shen, _nine(3))
    proposal = Proposal(
        appointment_id=id_,
        version=session.get_one(Appointment, id_).version,
        state=ProposalState.LAPSED,
        made_at=stage.now - timedelta(days=2),
        until=stage.now - timedelta(days=1),
    )
    session.add(proposal)
    session.flush()


SCENES: dict[str, Scene] = {
    "client": _client,
    "coming": _coming,
    "soon": _soon,
    "offered": _offered,
    "proposed": _proposed,
    "visited": _visited,
    "on duty": _on_duty,
    "at the station": _at_the_station,
    "at the centre": _quiet,
    "waits": _waits,
    "rival": _with_a_rival,
    "plain": _plain,
    "sent": _sent,
    "two": _two,
    "no phone": _no_phone,
    "wishes": _wishes,
    "stranger": _stranger,
}

PLAYERS: dict[str, str | None] = {
    "stranger": None,
    **dict.fromkeys(("client", "coming", "soon", "offered", "proposed", "visited"), CLIENT),
    "on duty": SHEN,
    "at the station": STATION,
    **dict.fromkeys(("at the centre", "waits"), CENTRE),
}
"""Who plays a scene, when it is not the one who does everything."""

SCENES_FOR = {
    "booking": ["client"],
    "my_appointments": ["coming", "soon", "offered", "proposed"],
    "change_time": ["coming"],
    "cancel_appointment": ["coming", "soon"],
    "feedback": ["visited"],
    "desk": ["on duty", "at the station", "at the centre"],
    "tasks": ["waits"],
    "proposing": ["on duty"],
    "open_hours": ["on duty"],
    "on_leave": ["on duty"],
}
"""The scenes in which a conversation has something to ask."""

GENERAL = [scene for scene in SCENES if scene not in {each for some in SCENES_FOR.values() for each in some}]
