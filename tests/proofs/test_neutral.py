"""Neutral by proof: in a school where every stored text is a canary, no push, log line, address, metric or Redis key has one.

Declared fields aside, and those hold staff and units, nobody else.
"""

import json
import logging
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import redis
from prometheus_client import CollectorRegistry, Counter, generate_latest
from sqlmodel import Session, select

from bot.log import JsonFormatter, Record
from bot.sandbox.faults import FaultKind
from bot.sandbox.official_account import Account, Follower, Template
from bot.sandbox.swift import serving
from bot.sandbox.wecom import Corp
from bot.settings import load_settings
from models import clock, db
from models.audit import Audit
from models.booking.acting import book, cancel, move
from models.booking.attending import missed
from models.booking.choices import Mode
from models.booking.proposing import decline, propose
from models.booking.slots import free_slots
from models.booking.table import ChangeKind, Counselor, Haste, Opening, OpeningChange, Room, Side
from models.booking.taking import By, hold
from models.booking.waiting import join
from models.channel import Channel
from models.contact import Contact, contacts_of
from models.outbox import (
    ENDS,
    KINDS,
    PLANNED_NEVER,
    Audience,
    PushAttempt,
    PushKind,
    Reason,
    Route,
    WayName,
    plan,
)
from models.person import Kind, Person
from models.post import Post, Role
from models.pulse import last_beat
from models.roster.table import ImportState, RosterImport, RosterStep
from models.unit import Unit
from tests.conftest import KEY
from tests.phone import Phone
from tests.proofs.canaries import (
    MAY_HOLD,
    NOT_PLANTED,
    PLANTED,
    STAFF,
    STUDENT,
    UNIT,
    Aviary,
    Call,
    FoundError,
    Overheard,
    Tap,
    queue_content,
    search_calls,
    text_columns,
    undeclared,
)
from tests.proofs.processes import Nursery, Web, until
from tests.proofs.talking import Talker
from tests.workers.office import FORM, KEYWORDS, SECRETS, TEMPLATE, Office
from tests.world import AGENT_ID, APP_ID, CORP_ID, DOORS, World, write_settings
from workers import attempt, delivery
from workers.queue import Job, open_queue
from workers.valkey import EmbeddedValkey

ADDITIONS = """
[checkin]
dorm_every_weeks = 1
[fallback]
urls = ["{fallback}/fallback/{{phone}}", "{dead}/gateway/{{number}}"]
[official_account.templates.digest]
id = "{template}"
fields = {{ {fields} }}
"""
ONE = """
[official_account.templates.{kind}]
id = "{template}"
fields = {{ {fields} }}
"""


@dataclass
class Place:
    """The school with a platform and a queue that are listened in to, and what its processes have said."""

    world: World
    nursery: Nursery
    platform: Overheard
    address: str
    valkey: EmbeddedValkey
    aviary: Aviary = field(default_factory=Aviary)
    processes: list[Web] = field(default_factory=list)
    config: Path = Path()

    def furnish(self, folder: Path, *, templates: bool) -> None:
        """Write the config; with `templates` each kind has one of its own, else there is the one that only hints."""
        url = db.database().url.render_as_string(hide_password=False)
        self.config = write_settings(folder, url, KEY, queue=self.valkey.url, api=self.address)
        form = {
            "template": TEMPLATE,
            "fields": ", ".join(f'{keyword} = "{shown}"' for keyword, shown in FORM.fields.items()),
        }
        text = self.config.read_text("utf-8")
        text += ADDITIONS.format(fallback=self.address.replace("http", "json"), dead="json://127.0.0.1:9", **form)
        if templates:
            kinds = [kind for kind, rule in KINDS.items() if Route.OFFICIAL_ACCOUNT in rule.routes]
            text += "".join(ONE.format(kind=kind.value, **form) for kind in [*kinds, PushKind.URGENT_COUNT])
        self.config.write_text(text, "utf-8")

    def rename(self) -> None:
        """Let every person, unit and account be called by canaries."""
        config, aviary = self.config.read_text("utf-8"), self.aviary
        with db.unit_of_work() as session:
            for unit in session.exec(select(Unit)):
                unit.name = aviary.text(UNIT)
            for person in session.exec(select(Person)):
                is_student = person.kind is Kind.STUDENT
                number = aviary.latin("a person's number")
                config = config.replace(f'"{person.number}"', f'"{number}"')
                person.number, person.name = number, aviary.text(STUDENT if is_student else STAFF)
                person.phone = aviary.phone()
            staged = RosterImport(state=ImportState.STAGING, at=self.world.now, touched_at=self.world.now, steps=1)
            session.add(staged)
            session.flush()
            body = json.dumps({"name": aviary.text("a staged row")}, ensure_ascii=False)
            session.add(RosterStep(import_id=staged.id or 0, seq=1, kind="person", body=body))
        self.config.write_text(config, "utf-8")
        load_settings(self.config)

    def start(self, role: str) -> Web:
        """One more process."""
        self.processes.append(self.nursery.start(role, self.config))
        return self.processes[-1]

    def bind(self, person_id: int, channel: Channel, *, window: bool = False, cards: bool = False) -> Phone:
        """An account called by canaries, which the platform knows."""
        address = self.aviary.latin("an account's address")
        spelled = self.aviary.latin("an account's spelling") if channel is Channel.WECOM else None
        contact = Contact(
            channel=channel, address=address, spelled=spelled, person_id=person_id, bound_at=self.world.now, cards=cards
        )
        if channel is Channel.WECOM:
            self.platform.joined(spelled or address)
        elif window:
            self.platform.heard(address)
            contact.window_until, contact.window_left = self.world.now + timedelta(hours=48), 5
        else:
            self.platform.official.followers[address] = Follower()
        with db.unit_of_work() as session:
            session.add(contact)
        return Phone(self.world.app, DOORS[channel], address, self.world.next_id)

    def spelling_of(self, who: str) -> str:
        """How the platform is told to find somebody's first account."""
        with db.unit_of_work(write=False) as session:
            return contacts_of(session, self.world.people[who])[0].send_to

    def all_ended(self) -> bool:
        """Whether nothing is due any more."""
        return all(it.state in ENDS or it.next_at > self.world.now for it in self.world.pushes())

    def deliver(self) -> None:
        """Ring, and wait for the workers."""
        open_queue(self.valkey.url).enqueue(Job.DRAIN.value)
        until(self.all_ended, seconds=60)

    def search(self, tap: Tap) -> int:
        """Look through all that has left the database; returns how many messages that was. Raises: FoundError."""
        aviary = self.aviary
        count = search_calls(aviary, self.platform.calls, self.world.pushes())
        for process in self.processes:
            aviary.search(f"the log {process.log.name}", process.log.read_bytes())
        for where, content in queue_content(self.valkey.url):
            aviary.search(f"the queue ({where})", content)
        aviary.search("what the queue was sent", tap.content())
        for web in self.processes:
            for path in ("metrics", "readyz") if web.log.name.startswith("web") else ():
                with urllib.request.urlopen(f"{web.address}/{path}") as answer:  # noqa: S310 — our own address
                    aviary.search(f"/{path}", answer.read())
        for it in self.world.rows(Audit):
            aviary.search("the journal", f"{it.subject} {it.details}".encode())
        for push in self.world.pushes():
            aviary.search("what a push is called", f"{push.dedupe_key} {push.fact}".encode())
        return count


@pytest.fixture
def place(world: World, nursery: Nursery, tmp_path: Path) -> Iterator[Place]:
    """A school before anything has happened."""
    account = Account(APP_ID, SECRETS[Channel.OFFICIAL_ACCOUNT], templates={TEMPLATE: Template("事项提醒", KEYWORDS)})
    platform = Overheard(account, Corp(CORP_ID, SECRETS[Channel.WECOM], AGENT_ID))
    valkey = EmbeddedValkey()
    valkey.start()
    with serving(platform) as address:
        it = Place(world, nursery, platform, address, valkey)
        it.furnish(tmp_path, templates=True)
        yield it
    for process in it.processes:
        process.kill()
    valkey.stop()


@pytest.fixture
def tap(place: Place) -> Iterator[Tap]:
    """An ear at its queue."""
    it = Tap(place.valkey)
    yield it
    it.close()


# ── the lists are whole ─────────────────────────────────────────────────────────────────────────────────────────


def test_every_stored_text_is_planted_or_about_nobody() -> None:
    assert text_columns() == PLANTED.keys() | NOT_PLANTED.keys()
    assert not PLANTED.keys() & NOT_PLANTED.keys()


def test_no_push_may_show_anything_but_staff_units_and_counts() -> None:
    assert {name for rule in KINDS.values() for name in rule.fields} == MAY_HOLD.keys()
    assert {of for held in MAY_HOLD.values() for of in held} == {STAFF, UNIT}


# ── every kind over every way ───────────────────────────────────────────────────────────────────────────────────

HARMLESS: dict[str, Any] = {
    "unit": "某班",
    "units": ["某班", "另一班"],
    "name": "某某",
    "who": "某老师",
    "platform": "微信",
}
NAMES = (
    "student",
    "name",
    "number",
    "phone",
    "openid",
    "topic",
    "reason",
    "facts",
    "words",
    "body",
    "level",
    "answers",
)
READERS = MappingProxyType(
    {
        "text": {"channel": Channel.WECOM},
        "card": {"channel": Channel.WECOM, "cards": True},
        "window": {"channel": Channel.OFFICIAL_ACCOUNT, "window": True},
        "template": {"channel": Channel.OFFICIAL_ACCOUNT},
        "fallback": None,
        "nobody": None,
    }
)
"""Who can be reached how; the last two have no account, the very last no telephone either."""


def data_for(kind: PushKind, canaries: Mapping[str, str]) -> dict[str, Any]:
    """What a row of this kind could hold at the very most: its fields with harmless values, everything else a canary."""
    shown = {name: HARMLESS.get(name, 3) for name in KINDS[kind].fields}
    return {**canaries, "nested": {"deep": [canaries["words"]]}, **shown}


class Rows:
    """Plans pushes to people made for them."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._count = 0
        self._beside = {name: place.aviary.text(f"undeclared {name}") for name in {*MAY_HOLD, *NAMES}}
        self._name = place.aviary.text(STUDENT)

    def reader(self, how: str) -> tuple[int, Phone | None]:
        """A new student of the class whom pushes reach so."""
        world, aviary = self._place.world, self._place.aviary
        self._count += 1
        with db.unit_of_work() as session:
            it = Person(
                number=aviary.latin("a person's number"), name=self._name, kind=Kind.STUDENT,
                class_id=world.units["软件2301"],
                phone=None if how == "nobody" else aviary.phone(),
            )  # fmt: skip
            session.add(it)
            session.flush()
            person_id = it.id or 0
        ways = READERS[how]
        return person_id, None if ways is None else self._place.bind(person_id, **ways)

    def plan(self, person_id: int, kind: PushKind, **data: Any) -> int:
        """One row that is due."""
        self._count += 1
        with db.unit_of_work() as session:
            push_id = plan(
                session, f"sweep:{self._count}", kind, person_id,
                now=self._place.world.now, **(data_for(kind, self._beside) | data),
            )  # fmt: skip
        assert push_id is not None
        return push_id


def the_workers_deliver(place: Place) -> None:
    """Until nothing is due any more."""
    worker = place.start("worker")
    place.deliver()
    worker.kill()


@pytest.mark.parametrize("templates", [True, False], ids=["own-templates", "hint"])
def test_every_kind_over_every_way_shows_nothing_that_it_does_not_declare(
    place: Place, tap: Tap, tmp_path: Path, *, templates: bool
) -> None:
    place.furnish(tmp_path, templates=templates)
    place.rename()
    rows, world = Rows(place), place.world
    place.bind(world.people["advisor"], Channel.WECOM)  # hears whom nobody reaches
    web = place.start("web")

    phones: list[Phone | None] = []
    cards: list[int] = []
    for kind in KINDS:
        for how in READERS:
            person_id, phone = rows.reader(how)
            push_id = rows.plan(person_id, kind)
            phones.append(phone)
            cards += [push_id] if how == "card" and kind is PushKind.CONCERN_CAME else []
    bundled, _ = rows.reader("text")
    for kind in [kind for kind in KINDS if kind not in {PushKind.CARD_TRIAL, PushKind.CARD_CLOSED}] * 2:
        rows.plan(bundled, kind)
    stormed = [rows.reader(how)[0] for how in ("card", "text", "window", "template")]
    for person_id in stormed * 7:
        rows.plan(person_id, PushKind.ALERT)
    the_workers_deliver(place)
    for person_id in stormed:
        rows.plan(person_id, PushKind.ALERT)  # the card that counts says one more
    rows.plan(world.people["advisor"], PushKind.CARD_CLOSED, of=cards[0])
    the_workers_deliver(place)
    world.forward(minutes=11)  # what was one too many comes together
    the_workers_deliver(place)
    for phone in filter(None, phones):
        place.aviary.search("the answer to 「查看」", Talker(world, web, phone).says("查看").encode())

    assert place.search(tap) > 60
    ways = {(it.channel, it.way) for it in world.rows(PushAttempt)}
    assert ways >= {
        ("wecom", WayName.TEXT), ("wecom", WayName.CARD), ("wecom", WayName.UPDATE), ("official_account", WayName.TEXT),
        ("official_account", WayName.TEMPLATE), ("fallback", WayName.NOTICE),
    }  # fmt: skip
    pushes = world.pushes()
    assert {it.kind for it in pushes} == set(PushKind) - PLANNED_NEVER
    assert {Reason.IN_DIGEST, Reason.IN_COUNT, Reason.UNREACHABLE} <= {it.reason for it in pushes}
    assert any(it.seen_at for it in pushes if it.way == WayName.TEMPLATE)  # 「查看」 has shown what was only hinted at
    assert all(undeclared(it) for it in pushes if it.fact.startswith("sweep"))


# ── what really happens ─────────────────────────────────────────────────────────────────────────────────────────


def everything_is_said(place: Place, web: Web, phones: Mapping[str, Phone]) -> None:
    """A canary for each free-text answer there is, one of them in a talk that stays open; and calls for help."""
    talkers = {who: Talker(place.world, web, phone) for who, phone in phones.items()}
    typed = place.aviary.text
    officer, committee, student, second = (talkers[who] for who in ("officer", "committee", "student", "second"))
    officer.says("宿舍", "2", "1", typed("a dorm's note"), "2", "1")
    note, name, facts = typed("a check-in's note"), typed("a name in a check-in"), typed("facts in a check-in")
    committee.says("周报", "2", "1", "1", note, "1", "2", name, facts, "1", "2", "1")
    assert committee.says("1").startswith("已送到")
    student.says("0", "2", typed("words after a call"))
    student.says("取消")
    named = typed("a name in a concern")
    assert named in student.says("有事", "2", named, typed("facts in a concern"), "1", "1", "1")
    student.says("1")
    talkers["neighbour"].says("有事", "2", typed("another name"), typed("other facts"), "1", "1", "1", "1")
    second.says("有事", "2", typed("a name not sent"), typed("facts not sent"))


def another_account(place: Place, web: Web, who: str) -> None:
    """Somebody with an account asks for another one to stand for them."""
    with db.unit_of_work(write=False) as session:
        it = session.get_one(Person, place.world.people[who])
        line = f"绑定 {it.number} {it.name} {(it.phone or '')[-4:]}"
    phone = Phone(
        place.world.app, DOORS[Channel.OFFICIAL_ACCOUNT], place.aviary.latin("a new account"), place.world.next_id
    )
    place.platform.heard(phone.address)
    assert Talker(place.world, web, phone).says(line).startswith("对上了")


def trouble(place: Place) -> None:
    """The platform refuses, forgets, hangs up and asks for a pause, so that the log has something to tell."""
    order = place.platform.faults.order
    order("message/send", FaultKind.ERRCODE, errcode=-1, count=2)
    order("message/send", FaultKind.LOST, count=1)
    order("template/send", FaultKind.ERRCODE, errcode=40037, count=1)
    order("template/send", FaultKind.ERRCODE, errcode=40003, count=1)
    order("custom/send", FaultKind.LOST, count=1)
    order("custom/send", FaultKind.HTML, count=1)
    order("/fallback/", FaultKind.RESET, count=1)


MOMENTS = {
    "Sunday evening": 0, "Monday morning": 13.5, "after due": 3.6, "before a talk is put away": 5.4, "a day later": 1.6,
    "Friday evening": 95.9, "next Sunday afternoon": 44.6, "as the next round opens": 3.0,
}  # fmt: skip
"""Hours from one to the next, beginning on Sunday at 19:30."""


def a_week_passes(place: Place) -> None:
    """At each of the moments the ticker looks once at least, and the workers deliver what is due."""
    for name, hours in MOMENTS.items():
        place.world.forward(hours=hours)
        if name == "a day later":
            trouble(place)
        began = clock.machine()
        scheduler = place.start("scheduler")
        until(partial(ticked_since, began), seconds=20)
        scheduler.kill()
        the_workers_deliver(place)


def ticked_since(moment: datetime) -> bool:
    """Whether the ticker has gone through its list."""
    with db.unit_of_work(write=False) as session:
        last = last_beat(session, "ticker")
    return last is not None and last[0] > moment


OF_BOOKINGS = {kind for kind, rule in KINDS.items() if rule.audience in {Audience.CLIENT, Audience.COUNSELOR}} | {
    PushKind.BOOKING_WAITS, PushKind.PROPOSAL_UNANSWERED, PushKind.NO_OPEN_SLOT, PushKind.OFTEN_MISSED,
}  # fmt: skip
NEVER_HERE = {PushKind.CARD_TRIAL, PushKind.CARD_CLOSED, PushKind.STALLED} | OF_BOOKINGS
"""Kinds of which this week has none."""


def test_in_a_week_of_check_ins_concerns_and_calls_nothing_leaks(place: Place, tap: Tap) -> None:
    place.rename()
    world = place.world
    with db.unit_of_work() as session:
        person_id, unit_id = world.people["neighbour"], world.units["软件2302"]
        session.add(Post(person_id=person_id, role=Role.COMMITTEE_MEMBER, unit_id=unit_id, started_at=world.now))
        session.get_one(Person, world.people["teacher"]).phone = None
    students = ("committee", "officer", "student", "second", "neighbour")
    phones = {
        who: place.bind(world.people[who], Channel.OFFICIAL_ACCOUNT, window=who != "neighbour") for who in students
    }
    phones["advisor"] = place.bind(world.people["advisor"], Channel.WECOM, cards=True)
    for who in ("head", "duty"):
        phones[who] = place.bind(world.people[who], Channel.WECOM)
    place.bind(world.people["duty"], Channel.OFFICIAL_ACCOUNT)
    place.bind(world.people["teacher"], Channel.WECOM)
    place.platform.wecom.members -= {place.spelling_of("teacher")}  # nobody reaches them
    web = place.start("web")

    everything_is_said(place, web, phones)
    another_account(place, web, "student")
    place.search(tap)  # with every job still in the queue
    a_week_passes(place)
    talkers = {who: Talker(world, web, phone) for who, phone in phones.items()}
    assert talkers["advisor"].says("换绑", "1").startswith("换好了")
    assert talkers["committee"].says("周报", "1", "1", "1", "1", "1").startswith("已送到")
    the_workers_deliver(place)
    for talker in talkers.values():
        talker.says("查看")

    assert place.search(tap) > 20
    assert {it.kind for it in world.pushes()} >= set(KINDS) - NEVER_HERE


# ── bookings ────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Desk:
    """Two counselors with hours, of whom every text is a canary."""

    place: Place
    counselors: list[int] = field(default_factory=list)

    def open(self) -> None:
        """Weekdays from nine to five, in a room."""
        world, aviary = self.place.world, self.place.aviary
        with db.unit_of_work() as session:
            where, inside = aviary.text("how to get to a room"), world.units["测试学院"]
            for who in ("teacher", "head"):
                room = Room(name=aviary.text("a room's name"), place=where, unit_id=inside)
                session.add(room)
                session.flush()
                it = Counselor(
                    person_id=world.people[who], qualification=aviary.text("a qualification"), unit_id=inside,
                    place=aviary.text("a counselor's place"), room_id=room.id, created_at=world.now,
                )  # fmt: skip
                session.add(it)
                session.flush()
                self.counselors.append(it.id or 0)
                for weekday in range(5):
                    session.add(Opening(counselor_id=it.id, weekday=weekday, starts=9 * 60, ends=17 * 60))

    def by(self, who: str, side: Side = Side.STUDENT) -> By:
        """Somebody who acts."""
        return By(self.place.world.people[who], side)

    def holds(self, session: Session, who: str, day: int, hour: int, **more: Any) -> int:
        """Somebody keeps a time; returns its id."""
        starts_at = datetime(2026, 11, day, hour, tzinfo=self.place.world.policy.booking.zone)
        it = hold(
            session, self.by(who), self.place.world.people[who], starts_at, Mode.IN_PERSON,
            counselor_id=self.counselors[0], **self.rules, **more,
        )  # fmt: skip
        return it.id or 0

    def books(self, session: Session, who: str, day: int, hour: int) -> int:
        """Somebody books a time, and says what about."""
        body = {"topic": self.place.aviary.text("a topic"), "note": self.place.aviary.text("a note")}
        return book(session, self.by(who), self.holds(session, who, day, hour), body=body, **self.rules).id

    @property
    def rules(self) -> dict[str, Any]:
        """The policy and the moment, as every verb takes them."""
        return {"policy": self.place.world.policy.booking, "now": self.place.world.now}


def test_in_a_week_of_bookings_nothing_leaks(place: Place, tap: Tap) -> None:
    place.rename()
    world, desk, text = place.world, Desk(place), place.aviary.text
    desk.open()
    for who in ("student", "twin", "second", "officer"):
        place.bind(world.people[who], Channel.OFFICIAL_ACCOUNT, window=who != "twin")
    for who in ("teacher", "head", "duty"):
        place.bind(world.people[who], Channel.WECOM, cards=True)
    counselor = desk.by("teacher", Side.COUNSELOR)
    with db.unit_of_work() as session:
        first = desk.books(session, "student", 18, 10)
        body = {"topic": text("what somebody who waits wants")}
        join(session, desk.by("twin"), world.people["twin"], Haste.SOON, now=world.now, body=body)
        move(session, desk.by("student"), first, desk.holds(session, "student", 18, 14, serves_id=first), **desk.rules)
        second = desk.books(session, "second", 19, 11)
        slots = free_slots(session, student_id=world.people["second"], instead_of=second, **desk.rules)
        asked = propose(session, counselor, second, slots[:2], **desk.rules)
        decline(session, desk.by("second"), asked.id or 0, other=True, **desk.rules)
        third = desk.books(session, "officer", 20, 9)
        cancel(session, desk.by("officer"), third, reason=text("a reason"), **desk.rules)
        cancel(session, counselor, desk.books(session, "officer", 20, 15), reason=text("a reason"), **desk.rules)
        day = world.now + timedelta(days=8)
        session.add(
            OpeningChange(kind=ChangeKind.CLOSED, starts_at=day - timedelta(days=1), ends_at=day, made_at=world.now)
        )
    the_workers_deliver(place)
    for hours in (24.5 + 36, 6, 3, 24, 24):  # to Wednesday morning, its afternoon, after it, Thursday and Friday
        world.forward(hours=hours)
        began = clock.machine()
        scheduler = place.start("scheduler")
        until(partial(ticked_since, began), seconds=20)
        scheduler.kill()
        the_workers_deliver(place)
    with db.unit_of_work() as session:
        missed(session, counselor, second, **desk.rules)
    the_workers_deliver(place)

    assert place.search(tap) > 10
    kinds = {it.kind for it in world.pushes()}
    assert kinds >= {
        PushKind.BOOKING_NEW, PushKind.BOOKING_MOVED, PushKind.BOOKING_GONE, PushKind.PROPOSAL_MADE,
        PushKind.PROPOSAL_ANSWERED, PushKind.BOOKING_CALLED_OFF, PushKind.OFFER_MADE, PushKind.MORNING_LIST,
        PushKind.BOOKING_AFTER, PushKind.BOOKING_MISSED,
    }  # fmt: skip
    assert PushKind.UNREACHABLE not in kinds


# ── the search finds what it looks for ──────────────────────────────────────────────────────────────────────────


@pytest.fixture
def overheard(world: World) -> Iterator[tuple[Office, Overheard, Aviary]]:
    """A post office whose platform is listened in to; the advisor can be written to."""
    account = Account(APP_ID, SECRETS[Channel.OFFICIAL_ACCOUNT], templates={TEMPLATE: Template("事项提醒", KEYWORDS)})
    platform = Overheard(account, Corp(CORP_ID, SECRETS[Channel.WECOM], AGENT_ID))
    with serving(platform) as address:
        office = Office(world, platform, address)
        office.bind("advisor", Channel.WECOM)
        yield office, platform, Aviary()


only_sqlite = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


@only_sqlite
@pytest.mark.parametrize("of", [STUDENT, "a name in a concern", "a person's number"])
def test_it_finds_a_student_in_a_field_that_may_hold_a_unit(
    overheard: tuple[Office, Overheard, Aviary], of: str
) -> None:
    office, platform, aviary = overheard
    office.plan("advisor", unit=f"软件2301的{aviary.text(of)}")
    delivery.drain()

    with pytest.raises(FoundError, match=f"message/send holds {of}"):
        search_calls(aviary, platform.calls, office.world.pushes())


@only_sqlite
def test_it_lets_a_declared_unit_pass(overheard: tuple[Office, Overheard, Aviary]) -> None:
    office, platform, aviary = overheard
    office.plan("advisor", unit=aviary.text(UNIT))
    delivery.drain()

    assert search_calls(aviary, platform.calls, office.world.pushes()) == 1


@only_sqlite
def test_it_finds_a_kind_whose_words_show_a_student(
    overheard: tuple[Office, Overheard, Aviary], monkeypatch: pytest.MonkeyPatch
) -> None:
    office, platform, aviary = overheard
    talkative = replace(KINDS[PushKind.CONCERN_UNSENT], fields=frozenset(["unit", "student"]))
    monkeypatch.setattr(attempt, "KINDS", {**KINDS, PushKind.CONCERN_UNSENT: talkative})
    office.world.words._sentences["push.concern_unsent"] = "{unit}的{student}，回复「查看」。编号 {number}"
    office.plan("advisor", student=aviary.text(STUDENT))
    delivery.drain()

    with pytest.raises(FoundError, match=f"message/send holds {STUDENT}"):
        search_calls(aviary, platform.calls, office.world.pushes())


def test_it_finds_an_account_or_a_name_in_an_address() -> None:
    aviary = Aviary()
    openid, name = aviary.latin("an openid"), aviary.text(STUDENT)

    for path, query in (
        (f"/cgi-bin/user/{openid}", {}), ("/cgi-bin/message/send", {"who": openid}), ("/open", {"name": name}),
    ):  # fmt: skip
        with pytest.raises(FoundError, match="the address"):
            search_calls(aviary, [Call("GET", path, query, b"")], [])
    assert search_calls(aviary, [Call("GET", "/cgi-bin/user", {"access_token": openid}, b"")], []) == 0


def test_it_finds_an_openid_in_a_log_line() -> None:
    aviary = Aviary()
    openid = aviary.latin("an openid")
    record = Record("workers.delivery", logging.ERROR, __file__, 1, "a push could not be delivered", (), None)
    record.__dict__["contact"] = openid  # as `extra` would put it there

    with pytest.raises(FoundError, match="the log holds an openid"):
        aviary.search("the log", JsonFormatter().format(record).encode())


@pytest.mark.parametrize("spelled", [str, lambda name: json.dumps([name]), lambda name: name.encode().hex()])
def test_it_finds_a_name_in_the_queue_and_in_what_the_queue_was_sent(spelled: Callable[[str], str]) -> None:
    aviary, server = Aviary(), EmbeddedValkey()
    name = spelled(aviary.text(STUDENT))
    server.start()
    tap = Tap(server)
    try:
        open_queue(server.url).enqueue(Job.DELIVER_ONE.value, name)
        with redis.Redis.from_url(server.url) as client:
            client.get(name)  # leaves nothing behind
        until(lambda: aviary.in_(tap.content()) == {STUDENT})
        content = b" ".join(value for _, value in queue_content(server.url))
        with pytest.raises(FoundError, match="the queue holds"):
            aviary.search("the queue", content)
    finally:
        tap.close()
        server.stop()


def test_it_finds_a_name_in_a_metric() -> None:
    aviary, registry = Aviary(), CollectorRegistry()
    Counter("pushes", "By reader.", ["reader"], registry=registry).labels(aviary.text(STAFF)).inc()

    with pytest.raises(FoundError, match="/metrics holds"):
        aviary.search("/metrics", generate_latest(registry))
