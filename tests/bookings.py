"""Booking by its verbs, for tests: each in a transaction of its own, at the world's time."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlmodel import Session, col

from models import db
from models.booking import acting, answering, lapsing, matching, taking, waiting
from models.booking.acting import Booked
from models.booking.choices import Mode
from models.booking.slots import Slot, free_slots
from models.booking.table import Appointment, AppointmentState, Haste, Side, Waiter, WaiterEvent, WaiterLog
from models.booking.taking import By
from models.channel import Channel
from models.contact import Contact
from models.person import Kind, Person
from models.policy import BookingPolicy
from tests.supply import Supply, make_supply
from tests.world import World

T = TypeVar("T")
ZONE = ZoneInfo("Asia/Shanghai")


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """A moment of November 2026 in the school's time; the world begins on Sunday the 15th."""
    return datetime(2026, 11, day, hour, minute, tzinfo=ZONE)


@dataclass
class Bookings:
    """The centre's book, with a supply of two counselors and a station."""

    world: World
    policy: BookingPolicy = field(default_factory=BookingPolicy)
    supply: Supply = field(init=False)

    def __post_init__(self) -> None:
        """Rules as the school sets them, and who offers time."""
        self.policy = self.world.policy.booking
        self.supply = make_supply(self.world)
        self.listens("student", "twin", "second", "neighbour", "committee", "officer")

    def rules(self, **other: Any) -> None:
        """Rules other than the usual ones, from here on."""
        self.policy = replace(self.policy, **other)

    def do(self, verb: Callable[[Session], T]) -> T:
        """In a transaction."""
        with db.unit_of_work() as session:
            return verb(session)

    @property
    def how(self) -> dict[str, Any]:
        """What every verb takes."""
        return {"policy": self.policy, "now": self.world.now}

    def person(self, who: str) -> int:
        """Somebody's id; new students come as they are named."""
        if who not in self.world.people:
            with db.unit_of_work() as session:
                home: dict[str, Any] = {
                    "class_id": self.world.units["软件2302"],
                    "college_id": self.world.units["信息学院"],
                }
                it = Person(number=f"S-{who}", name=who, kind=Kind.STUDENT, **home)
                session.add(it)
                session.flush()
                self.world.people[who] = it.id or 0
            self.listens(who)
        return self.world.people[who]

    def listens(self, *people: str) -> None:
        """Give them an account that takes pushes."""
        with db.unit_of_work() as session:
            for who in people:
                session.add(
                    Contact(
                        channel=Channel.OFFICIAL_ACCOUNT, address=f"of-{who}", person_id=self.world.people[who],
                        bound_at=self.world.now,
                    )
                )  # fmt: skip

    def by(self, who: str) -> By:
        """A student who acts."""
        return By(self.person(who), Side.STUDENT)

    @property
    def staff(self) -> By:
        """Somebody at the centre who acts."""
        return By(self.world.people["duty"], Side.CENTRE)

    def free(self, who: str | None = None, **narrow: Any) -> list[Slot]:
        """Free times."""
        student = self.person(who) if who else None
        return self.do(lambda session: free_slots(session, student_id=student, **self.how, **narrow))

    def hold(
        self, who: str, when: datetime, *, mode: Mode = Mode.IN_PERSON, counselor: int | None = None, **more: Any
    ) -> int:
        """Hold a time; its id."""
        student = self.person(who)
        by = more.pop("by", None) or self.by(who)
        given: dict[str, Any] = {"counselor_id": counselor or self.supply.shen} if "room_id" not in more else {}
        return self.do(
            lambda session: taking.hold(session, by, student, when, mode, **given, **more, **self.how).id or 0
        )

    def confirm_hold(self, who: str, hold_id: int, **more: Any) -> Booked:
        """Book what is on hold."""
        by = more.pop("by", None) or self.by(who)
        return self.do(lambda session: acting.book(session, by, hold_id, **more, **self.how))

    def book(self, who: str, when: datetime, **more: Any) -> int:
        """Hold and book; the appointment's id."""
        by = more.get("by")
        return self.confirm_hold(who, self.hold(who, when, **more), by=by).id

    def cancel(self, who: str, id_: int, **more: Any) -> bool:
        """Cancel; whether it was late."""
        return self.do(lambda session: acting.cancel(session, self.by(who), id_, **more, **self.how))

    def move(self, who: str, id_: int, when: datetime, **more: Any) -> None:
        """Hold another time and move there."""
        held = self.hold(who, when, serves_id=id_, **more)
        self.do(lambda session: acting.move(session, self.by(who), id_, held, **self.how))

    def join(self, who: str, haste: Haste = Haste.NORMAL, **wishes: Any) -> int:
        """Wait; a second later than whoever came before."""
        by, student = self.by(who), self.person(who)
        found = self.do(lambda session: waiting.join(session, by, student, haste, now=self.world.now, **wishes))
        self.world.forward(seconds=1)
        return found

    def leave(self, who: str) -> bool:
        """Wait no more."""
        return self.do(lambda session: waiting.leave(session, self.by(who), self.person(who), **self.how))

    def answer(self, who: str, *, take: bool) -> Booked | None:
        """「要」 or 「继续等」."""
        offered = self.offer_to(who)
        assert offered is not None
        return self.do(
            lambda session: answering.answer_offer(session, self.by(who), offered.id or 0, take=take, **self.how)
        )

    def offer_to(self, who: str) -> Appointment | None:
        """What is kept for somebody."""
        return self.do(lambda session: answering.offer_to(session, self.person(who), now=self.world.now))

    def match(self, most: int = 5) -> int:
        """What the duty does."""
        return self.do(lambda session: matching.match_waiting(session, most=most, **self.how))

    def lapse(self, most: int = 50) -> int:
        """What the duty does."""
        return self.do(lambda session: lapsing.lapse(session, most=most, **self.how))

    def row(self, id_: int) -> Appointment:
        """An appointment as it is."""
        [found] = self.world.rows(Appointment, Appointment.id == id_)
        return found  # type: ignore[no-any-return]

    def states(self, who: str) -> list[AppointmentState]:
        """Of somebody's appointments, by number."""
        return [it.state for it in self.world.rows(Appointment, Appointment.student_id == self.person(who))]

    def waits(self, who: str) -> Waiter:
        """Somebody's last place on the list."""
        return self.world.rows(Waiter, Waiter.student_id == self.person(who))[-1]  # type: ignore[no-any-return]

    def events(self, who: str) -> list[WaiterEvent]:
        """What the log says of somebody."""
        places = sa.select(col(Waiter.id)).where(col(Waiter.student_id) == self.person(who))
        return [it.event for it in self.world.rows(WaiterLog, col(WaiterLog.waiter_id).in_(places))]

    def fill(self, day: int, *, counselor: int | None = None) -> None:
        """Book a counselor's whole day for strangers, as the centre would have done by telephone."""
        whose = counselor or self.supply.shen
        since, until = at(day, 0), at(day, 0) + timedelta(days=1)
        home: dict[str, Any] = {
            "class_id": self.world.units["软件2302"], "college_id": self.world.units["信息学院"],
        }  # fmt: skip
        with db.unit_of_work() as session:
            for slot in free_slots(session, **self.how, counselor_id=whose, first=since, last=until, by_staff=True):
                who = f"stranger-{whose}-{slot.starts_at.astimezone(ZONE):%d-%H%M}"
                person = Person(number=who, name=who, kind=Kind.STUDENT, **home)
                session.add(person)
                session.flush()
                student = self.world.people[who] = person.id or 0
                session.add(Contact(channel=Channel.OFFICIAL_ACCOUNT, address=who, person_id=student))
                it = taking.insert(
                    session,
                    self.staff,
                    student,
                    slot,
                    slot.modes[0],
                    AppointmentState.HELD,
                    until=None,
                    now=self.world.now,
                )
                it.state, it.thread = AppointmentState.BOOKED, it.id
                session.add(it)
