"""A term in fast motion: people book, move and cancel by chance, the worker runs and stands still, the platform too.

What each appointment was at which time is written down here as it happens; the judge compares that with what was planned and
heard.
"""

import heapq
import itertools
import json
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlmodel import Session, col, select

from models import db
from models.booking import acting, taking, walking
from models.booking.slots import Slot, free_slots
from models.booking.table import Appointment, Counselor, Opening, Side
from models.booking.taking import By
from models.errors import DomainError
from models.outbox import Push, PushKind
from models.person import Kind, Person
from models.policy import BookingPolicy
from models.unit import Level, Unit
from workers.still_true import holds

ZONE = ZoneInfo("Asia/Shanghai")
MONDAY = datetime(2026, 10, 12, tzinfo=ZONE)
"""The week after a long holiday."""

LATE = timedelta(seconds=60)
NEVER = datetime.max.replace(tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
POLICY = BookingPolicy(
    most_a_week=0, counselor_a_day=0, counselor_a_week=0, change_notice=timedelta(0), most_changes=99, notice=timedelta(hours=1)
)  # fmt: skip
REMINDERS = (PushKind.BOOKING_TOMORROW, PushKind.BOOKING_SOON)


@dataclass
class Life:
    """An appointment as it was for a while: booked for `starts`, from `since` until something changed."""

    id: int
    version: int
    starts: datetime
    since: datetime
    until: datetime = NEVER


@dataclass(frozen=True)
class Heard:
    """A reminder that reached a phone."""

    appointment: int
    version: int
    at: datetime


@dataclass
class Term:
    """The school, its people, and everything that happens."""

    students: int
    bookings: int
    weeks: int
    counselors: int
    seed: int = 1
    lives: list[Life] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)
    planned: list[tuple[PushKind, int, int, datetime]] = field(default_factory=list)
    kept: Counter[bool] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        """Everybody, and when nothing works."""
        self._luck = random.Random(self.seed)
        self._now = MONDAY.astimezone(UTC)
        self._end = self._now + self.weeks * 7 * DAY
        self._events: list[tuple[datetime, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._open: dict[int, Life] = {}
        self._last: dict[int, int] = {}
        self._seen = 0
        self.outages = list(self._breakdowns())
        self._mute = list(self._breakdowns())
        self._people()

    def _people(self) -> None:
        with db.unit_of_work() as session:
            connection = session.connection()
            connection.execute(sa.insert(Unit), [{"id": 1, "level": Level.SCHOOL, "name": "S", "parent_id": None}])
            staff = [{"id": n, "number": f"T{n}", "name": "T", "kind": Kind.STAFF} for n in self._staff]
            connection.execute(sa.insert(Person), staff)
            self._who = range(1001, 1001 + self.students)
            everybody = [{"id": n, "number": f"S{n}", "name": "N", "kind": Kind.STUDENT} for n in self._who]
            connection.execute(sa.insert(Person), everybody)
            for n in self._staff:
                session.add(Counselor(id=n, person_id=n, unit_id=1, qualification="Q", created_at=self._now))
            session.flush()
            for n, weekday in itertools.product(self._staff, range(5)):
                session.add(Opening(counselor_id=n, weekday=weekday, starts=9 * 60, ends=17 * 60))

    @property
    def _staff(self) -> range:
        return range(1, self.counselors + 1)

    def _breakdowns(self) -> Iterator[tuple[datetime, datetime]]:
        """Stretches of ten minutes to three hours, every other day."""
        at = self._now
        while at < self._end:
            at += timedelta(hours=self._luck.uniform(6, 80))
            until = at + timedelta(minutes=self._luck.uniform(10, 180))
            yield at, until
            at = until

    # ── what happens ───────────────────────────────────────────────────────────────────────────────────────────────

    def run(self) -> None:
        """Go from one moment at which something is due to the next."""
        for _ in range(self.bookings):
            at = self._now + self._luck.random() * (self._end - self._now - 7 * DAY)
            self._at(at, self._books)
        while True:
            due = self._next_run()
            event = self._events[0][0] if self._events else NEVER
            if min(due, event) >= self._end + 14 * DAY:
                return
            self._now = max(self._now, min(due, event))
            if due <= event:
                self._walk()
            else:
                heapq.heappop(self._events)[2]()

    def _at(self, moment: datetime, act: Callable[[], None]) -> None:
        heapq.heappush(self._events, (moment, next(self._numbers), act))

    def _next_run(self) -> datetime:
        """When the worker comes to what is due: in a few seconds, or when it works again."""
        with db.unit_of_work(write=False) as session:
            due = walking.next_step(session)
        if due is None:
            return NEVER
        at = max(due, self._now) + timedelta(seconds=self._luck.uniform(0, 5))
        return next((until + timedelta(seconds=2) for since, until in self.outages if since <= at < until), at)

    def _walk(self) -> None:
        with db.unit_of_work() as session:
            walking.walk(session, policy=POLICY, now=self._now, most=50)
            rows = session.exec(
                select(Push).where(col(Push.id) > self._seen, col(Push.kind).in_(REMINDERS)).order_by(col(Push.id))
            ).all()
        for push in rows:
            self._seen = push.id or 0
            data = json.loads(push.data)
            kind = PushKind(push.kind)
            self.planned.append((kind, data["appointment"], data["version"], push.created_at))
            at = self._now + timedelta(seconds=self._luck.uniform(0, 20))
            at = next((until for since, until in self._mute if since <= at < until), at)
            self._at(at, self._sends(kind, push.person_id, data))

    def _sends(self, kind: PushKind, person_id: int, data: dict[str, int]) -> Callable[[], None]:
        def send() -> None:
            with db.unit_of_work(write=False) as session:
                if holds(session, kind, person_id, data, self._now):
                    self.heard.append(Heard(data["appointment"], data["version"], self._now))

        return send

    def _books(self) -> None:
        student = self._luck.choice([self._luck.choice(self._who) for _ in range(3)])
        with db.unit_of_work() as session:
            slot = self._chosen(session, student)
            if slot is None:
                return
            by = By(student, Side.STUDENT)
            held = self._hold(session, by, student, slot)
            booked = acting.book(session, by, held, policy=POLICY, now=self._now)
        self._last[student] = slot.counselor_id or 0
        self._lives_on(Life(booked.id, 1, slot.starts_at, self._now))
        self._may_change(student, booked.id)

    def _hold(self, session: Session, by: By, student: int, slot: Slot, serves: int | None = None) -> int:
        it = taking.hold(
            session, by, student, slot.starts_at, slot.modes[0], counselor_id=slot.counselor_id, policy=POLICY, now=self._now,
            serves_id=serves,
        )  # fmt: skip
        return it.id or 0

    def _chosen(self, session: Session, student: int, instead_of: int | None = None) -> Slot | None:
        """The counselor whom they know whenever there is time, else anybody; soon or late."""
        slots = free_slots(session, policy=POLICY, now=self._now, student_id=student, instead_of=instead_of)
        known = [slot for slot in slots if slot.counselor_id == self._last.get(student)]
        if student in self._last and instead_of is None and slots:
            self.kept[bool(known)] += 1
        slots = known or slots
        return self._luck.choice(slots[: self._luck.choice((3, 60))]) if slots else None

    def _lives_on(self, life: Life) -> None:
        if life.id in self._open:
            self._open[life.id].until = self._now
        self._open[life.id] = life
        self.lives.append(life)

    def _may_change(self, student: int, id_: int) -> None:
        chance = self._luck.random()
        life = self._open[id_]
        at = self._now + self._luck.random() * (life.starts - self._now)
        if self._luck.random() < 0.3:  # right after a reminder, or while it is on its way
            at = max(self._now, life.starts - POLICY.remind_before + timedelta(seconds=self._luck.uniform(-5, 30)))
        if chance < 0.25:
            self._at(at, lambda: self._cancels(student, id_))
        elif chance < 0.5:
            self._at(at, lambda: self._moves(student, id_))

    def _cancels(self, student: int, id_: int) -> None:
        by = self._luck.choice((By(student, Side.STUDENT), By(1, Side.CENTRE)))
        try:
            with db.unit_of_work() as session:
                acting.cancel(session, by, id_, policy=POLICY, now=self._now)
        except DomainError:
            return
        self._open[id_].until = self._now

    def _moves(self, student: int, id_: int) -> None:
        try:
            with db.unit_of_work() as session:
                slot = self._chosen(session, student, id_)
                if slot is None:
                    return
                by = By(student, Side.STUDENT)
                acting.move(session, by, id_, self._hold(session, by, student, slot, id_), policy=POLICY, now=self._now)
        except DomainError:
            return
        self._last[student] = slot.counselor_id or 0
        life = self._open[id_]
        self._lives_on(replace(life, version=life.version + 1, starts=slot.starts_at, since=self._now, until=NEVER))
        self._may_change(student, id_)

    # ── the judgement ──────────────────────────────────────────────────────────────────────────────────────────────

    def faults(self) -> list[str]:
        """Reminders of the dead, those that are missing, doubled, too many or late; threads that broke."""
        return [*self._of_the_dead(), *self._missing_or_late(), *self._broken_threads()]

    def _of_the_dead(self) -> Iterator[str]:
        lives = {(life.id, life.version): life for life in self.lives}
        for it in self.heard:
            life = lives[it.appointment, it.version]
            if not life.since <= it.at < life.until:
                yield f"{it.appointment}@{it.version} was reminded of at {it.at}, and was over at {life.until}"
            if it.at >= life.starts:
                yield f"{it.appointment}@{it.version} was reminded of after its start"

    def _missing_or_late(self) -> Iterator[str]:
        planned: defaultdict[tuple[PushKind, int, int], list[datetime]] = defaultdict(list)
        for kind, id_, version, at in self.planned:
            planned[kind, id_, version].append(at)
        for life in self.lives:
            for kind, due, last in _moments(life):
                found = planned.pop((kind, life.id, life.version), [])
                ready = next((until for since, until in self.outages if since <= due < until), due)
                name = f"{kind} of {life.id}@{life.version}, due at {due}"
                is_due = life.since < due and ready < life.until and ready < last
                close = abs(life.until - ready) < LATE or abs(last - ready) < LATE or abs(life.since - due) < LATE
                if len(found) > 1:
                    yield f"{name}, was planned {len(found)} times"
                elif found and not is_due and not close:
                    yield f"{name}, should not have been"
                elif not found and is_due and not close:
                    yield f"{name}, is missing"
                elif found and found[0] - ready > LATE:
                    yield f"{name}, came {found[0] - ready} late"
        for kind, id_, version in planned:
            yield f"{kind} of {id_}@{version} is of nothing that ever was"

    def _broken_threads(self) -> Iterator[str]:
        """What a student talks about with a counselor is one thread, except where an appointment went on to somebody else."""
        with db.unit_of_work(write=False) as session:
            moved = set(session.exec(select(Appointment.student_id).where(Appointment.moves > 0)))
            rows = session.exec(select(Appointment.student_id, Appointment.counselor_id, Appointment.thread)).all()
        threads: defaultdict[tuple[int, int | None], set[int | None]] = defaultdict(set)
        for student, counselor, thread in rows:
            threads[student, counselor].add(thread)
        for (student, counselor), found in threads.items():
            if None in found or (len(found) > 1 and student not in moved):
                yield f"student {student} has {len(found)} threads with {counselor}"


def _moments(life: Life) -> list[tuple[PushKind, datetime, datetime]]:
    """When each reminder is due, and until when it is of use."""
    local = life.starts.astimezone(ZONE).date()
    evening = _at_local(local - DAY, time(20))
    return [
        (PushKind.BOOKING_TOMORROW, evening, _at_local(local, time(0))),
        (PushKind.BOOKING_SOON, life.starts - timedelta(hours=2), life.starts - timedelta(minutes=10)),
    ]


def _at_local(day: date, at: time) -> datetime:
    return datetime.combine(day, at, ZONE).astimezone(UTC)


def spread_of_anybody(students: int, counselors: int) -> int:
    """「随便」 for everybody, one after the other, nobody changes anything: the greatest difference of firsts there ever was."""
    term = Term(students, 0, 16, counselors)
    now, worst = MONDAY.astimezone(UTC), 0
    policy = replace(POLICY, horizon=timedelta(weeks=30))
    firsts: Counter[int] = Counter(dict.fromkeys(term._staff, 0))
    for student in term._who:
        by = By(student, Side.STUDENT)
        with db.unit_of_work() as session:
            slots = free_slots(session, policy=policy, now=now, student_id=student, last=now + policy.horizon)
            it = taking.hold(
                session, by, student, slots[0].starts_at, slots[0].modes[0], counselor_id=slots[0].counselor_id,
                policy=policy, now=now,
            )  # fmt: skip
            acting.book(session, by, it.id or 0, policy=policy, now=now)
        firsts[slots[0].counselor_id or 0] += 1
        worst = max(worst, max(firsts.values()) - min(firsts.values()))
    with db.unit_of_work(write=False) as session:
        assert firsts == Counter({it.id or 0: it.firsts for it in session.exec(select(Counselor))})
    return worst
