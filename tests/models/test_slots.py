"""What is on offer: open hours without what is taken, away, full, too soon, too far, or not for this student."""

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from sqlmodel import Session

from models import clock, db
from models.booking import reads, ties
from models.booking.choices import Mode
from models.booking.slots import Slot, free_slots, slot_at
from models.booking.table import (
    Appointment,
    AppointmentState,
    ChangeKind,
    Counselor,
    CounselorTie,
    Opening,
    OpeningChange,
    Room,
    RoomUse,
    Tier,
)
from models.db import Database, Fixed
from models.person import Person
from models.policy import BookingPolicy, Term, Ties
from models.post import Post, Role
from models.unit import Level, Unit
from tests.supply import Supply, add, counselor, make_supply, opening
from tests.world import World

ZONE = ZoneInfo("Asia/Shanghai")
MONDAY = datetime(2026, 11, 16, tzinfo=ZONE)
"""The day after the world's Sunday evening."""

HOUR, SESSION = timedelta(hours=1), timedelta(minutes=50)
NO_LIMITS: dict[str, Any] = {"most_open": 0, "most_a_week": 0, "counselor_a_day": 0, "counselor_a_week": 0}


def at(days: int, hour: int, minute: int = 0) -> datetime:
    """A moment, counted from Monday."""
    return (MONDAY + timedelta(days=days, hours=hour, minutes=minute)).astimezone(UTC)


def shown(slots: Iterable[Slot]) -> list[str]:
    """Starts as 「11-16 09:00」."""
    return [slot.starts_at.astimezone(ZONE).strftime("%m-%d %H:%M") for slot in slots]


class Desk:
    """Asks for free times in the world, and puts rows into it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.supply: Supply = make_supply(world)
        self.policy: BookingPolicy = world.policy.booking

    def on(self, days: int = 0, **asked: Any) -> list[Slot]:
        """What is free on one day, counted from Monday."""
        return self.all(first=at(days, 0), last=at(days, 23, 59), **asked)

    def all(self, **asked: Any) -> list[Slot]:
        """Everything that is free."""
        with db.unit_of_work(write=False) as session:
            return free_slots(session, policy=self.policy, now=self.world.now, **asked)

    def write(self, work: Callable[[Session], object]) -> None:
        """Change rows."""
        with db.unit_of_work() as session:
            work(session)

    def take(self, starts: datetime, counselor_id: int | None, who: str = "neighbour", **cells: Any) -> int:
        """An appointment; booked and an hour long with its buffer unless said otherwise."""
        row: dict[str, Any] = {
            "student_id": self.world.people[who],
            "counselor_id": counselor_id,
            "mode": Mode.PHONE,
            "state": AppointmentState.BOOKED,
            "starts_at": starts,
            "ends_at": starts + SESSION,
            "busy_from": starts,
            "busy_to": starts + HOUR,
            "made_at": self.world.now,
        }
        with db.unit_of_work() as session:
            return add(session, Appointment(**(row | cells)))

    def change(self, kind: ChangeKind, start: datetime, end: datetime, **cells: Any) -> None:
        """A stretch that differs."""
        row: dict[str, Any] = {"kind": kind, "starts_at": start, "ends_at": end, "made_at": self.world.now}
        self.write(lambda session: add(session, OpeningChange(**row, **cells)))

    def profile(self, counselor_id: int, **cells: Any) -> None:
        """Change a counselor."""
        self.write(lambda session: session.execute(sa.update(Counselor).filter_by(id=counselor_id).values(**cells)))


@pytest.fixture
def desk(world: World) -> Desk:
    """Monday to come, nothing booked."""
    return Desk(world)


def test_sessions_follow_each_other_within_the_hours(desk: Desk) -> None:
    assert shown(desk.on(0)) == [f"11-16 {hour}" for hour in ("09:00", "10:00", "11:00", "14:00", "15:00", "16:00")]
    first = desk.on(0)[0]
    assert (first.counselor_id, first.room_id) == (desk.supply.shen, desk.supply.room)
    assert (first.ends_at, first.busy_from, first.busy_to) == (at(0, 9, 50), at(0, 9), at(0, 10))
    assert (first.modes, first.tier, first.tied) == ((Mode.IN_PERSON, Mode.PHONE), Tier.CENTRE, False)


def test_own_lengths_go_before_the_schools_and_steps_are_whole(desk: Desk) -> None:
    desk.profile(desk.supply.shen, session_minutes=40, buffer_before=5, buffer_after=8)

    mornings = desk.on(0)[:4]

    assert shown(mornings) == ["11-16 09:00", "11-16 09:55", "11-16 10:50", "11-16 14:00"]
    assert (mornings[0].busy_from, mornings[0].busy_to) == (at(0, 8, 55), at(0, 9, 48))


def test_what_is_taken_goes_and_shifts_nothing(desk: Desk) -> None:
    desk.take(at(0, 9, 30), desk.supply.shen)
    desk.take(at(0, 15), desk.supply.shen, who="second")

    assert shown(desk.on(0)) == ["11-16 11:00", "11-16 14:00", "11-16 16:00"]


@pytest.mark.parametrize("state", [AppointmentState.HELD, AppointmentState.OFFERED, AppointmentState.PROPOSED])
def test_what_has_passed_stands_in_nobodys_way(desk: Desk, state: AppointmentState) -> None:
    desk.take(at(0, 9), desk.supply.shen, state=state, until=desk.world.now + timedelta(minutes=1))
    assert shown(desk.on(0))[0] == "11-16 10:00"

    desk.world.forward(minutes=1)

    assert shown(desk.on(0))[0] == "11-16 09:00"


@pytest.mark.parametrize("state", [AppointmentState.CANCELLED, AppointmentState.DECLINED, AppointmentState.LAPSED])
def test_what_has_ended_leaves_its_time(desk: Desk, state: AppointmentState) -> None:
    desk.take(at(0, 9), desk.supply.shen, state=state)

    assert shown(desk.on(0))[0] == "11-16 09:00"


def test_a_student_sees_the_time_they_hold_and_others_do_not(desk: Desk) -> None:
    until = desk.world.now + timedelta(minutes=5)
    desk.take(at(0, 9), desk.supply.shen, who="student", state=AppointmentState.HELD, until=until)

    assert shown(desk.on(0, student_id=desk.world.people["student"]))[0] == "11-16 09:00"
    assert shown(desk.on(0, student_id=desk.world.people["twin"]))[0] == "11-16 10:00"


def test_a_room_that_is_taken_leaves_the_telephone(desk: Desk) -> None:
    desk.take(at(0, 9), None, room_id=desk.supply.room, mode=Mode.IN_PERSON)
    desk.change(ChangeKind.CLOSED, at(0, 10), at(0, 11), room_id=desk.supply.room)

    first, second, third = desk.on(0)[:3]

    assert [(each.modes, each.room_id) for each in (first, second)] == [((Mode.PHONE,), None)] * 2
    assert (third.modes, third.room_id) == ((Mode.IN_PERSON, Mode.PHONE), desk.supply.room)
    assert shown(desk.on(0, mode=Mode.IN_PERSON))[0] == "11-16 11:00"


def test_two_in_one_room_are_in_each_others_way(desk: Desk) -> None:
    def share(session: Session) -> None:
        school = desk.world.units["测试学院"]
        other = counselor(desk.world, session, "高远", "K504", school, room_id=desk.supply.room)
        opening(session, other, 0, time(9), time(12))

    desk.write(share)
    desk.take(at(0, 9), desk.supply.shen, room_id=desk.supply.room, mode=Mode.IN_PERSON)

    assert shown(desk.on(0))[0] == "11-16 10:00", "高远 only meets people there"
    assert len([slot for slot in desk.on(0) if slot.starts_at == at(0, 10)]) == 2


def test_a_room_that_is_gone_is_no_room(desk: Desk) -> None:
    desk.write(lambda session: session.execute(sa.update(Room).values(ended_at=desk.world.now)))

    assert {slot.modes for slot in desk.on(0)} == {(Mode.PHONE,)}


def test_hours_have_their_own_modes_and_days(desk: Desk) -> None:
    def plan(session: Session) -> None:
        session.execute(sa.delete(Opening))
        days = {"from_day": MONDAY.date() + timedelta(days=7), "to_day": MONDAY.date() + timedelta(days=14)}
        opening(session, desk.supply.shen, 0, time(9), time(10), modes="online", **days)

    desk.write(plan)

    assert shown(desk.all()) == ["11-23 09:00", "11-30 09:00"]
    assert {slot.modes for slot in desk.all()} == {(Mode.ONLINE,)}


@pytest.mark.parametrize("whose", ["own", "everybody's"])
@pytest.mark.parametrize("kind", [ChangeKind.CLOSED, ChangeKind.LEAVE])
def test_away_is_away(desk: Desk, kind: ChangeKind, whose: str) -> None:
    counselor_id = desk.supply.shen if whose == "own" else None

    desk.change(kind, at(0, 10), at(0, 16), counselor_id=counselor_id)

    assert shown(desk.on(0)) == ["11-16 09:00", "11-16 16:00"], "a buffer may lie in it, a session may not"


def test_a_long_leave_shuts_every_day_of_it(desk: Desk) -> None:
    desk.change(ChangeKind.LEAVE, at(0, 0), at(8, 0), counselor_id=desk.supply.shen)

    assert shown(desk.all(counselor_id=desk.supply.shen))[0] == "11-24 09:00"


def test_extra_hours_are_open_besides_and_nothing_is_offered_twice(desk: Desk) -> None:
    desk.change(ChangeKind.EXTRA, at(5, 9), at(5, 11), counselor_id=desk.supply.jiang, modes="phone")
    desk.change(ChangeKind.EXTRA, at(0, 16), at(0, 18), counselor_id=desk.supply.shen)

    saturday = desk.on(5)

    assert shown(saturday) == ["11-21 09:00", "11-21 10:00"]
    assert {slot.modes for slot in saturday} == {(Mode.PHONE,)}
    assert shown(desk.on(0))[-2:] == ["11-16 16:00", "11-16 17:00"]


def test_extra_hours_of_everybody(desk: Desk) -> None:
    desk.change(ChangeKind.EXTRA, at(5, 9), at(5, 10))

    assert [slot.counselor_id for slot in desk.on(5)] == [desk.supply.shen, desk.supply.jiang, desk.supply.station]


def test_notice_and_horizon_bound_what_students_see(desk: Desk) -> None:
    desk.policy = replace(desk.policy, notice=timedelta(hours=2), horizon=timedelta(days=2))
    clock.move_to(at(0, 8, 30))

    assert shown(desk.all())[0] == "11-16 11:00"
    assert shown(desk.all())[-1] == "11-17 16:00"
    assert shown(desk.all(by_staff=True))[0] == "11-16 09:00"
    assert shown(desk.on(9, by_staff=True))[0] == "11-25 09:00", "staff who say how far look beyond the horizon"
    assert desk.on(9) == []
    assert desk.on(-1, by_staff=True) == []


def test_closed_days_have_no_times(desk: Desk) -> None:
    desk.policy = replace(desk.policy, terms=(Term(MONDAY.date(), MONDAY.date() + timedelta(days=1)),))
    assert {text[:5] for text in shown(desk.all())} == {"11-16", "11-17"}

    desk.policy = replace(desk.policy, terms=(), horizon=timedelta(days=14))
    clock.move_to(datetime(2026, 9, 28, tzinfo=ZONE))
    days = [text[:5] for text in shown(desk.all())]
    assert list(dict.fromkeys(days)) == ["09-28", "09-29", "09-30", "10-08", "10-09"], (
        "on the 10th nobody has weekly hours"
    )


def test_a_term_that_ends_closes_booking(desk: Desk) -> None:
    desk.profile(desk.supply.shen, term_ends=MONDAY.date() + timedelta(days=1), full_time=False)

    assert shown(desk.all(counselor_id=desk.supply.shen))[-1] == "11-17 16:00"


@pytest.mark.parametrize("who", ["profile", "person"])
def test_who_has_left_has_no_times(desk: Desk, who: str) -> None:
    def leave(session: Session) -> None:
        it = session.get_one(Counselor, desk.supply.shen)
        (it if who == "profile" else session.get_one(Person, it.person_id)).ended_at = desk.world.now

    desk.write(leave)

    assert desk.all(counselor_id=desk.supply.shen) == []


def test_a_counselor_has_enough(desk: Desk) -> None:
    desk.policy = replace(desk.policy, counselor_a_day=2, counselor_a_week=3)
    desk.take(at(0, 9), desk.supply.shen, state=AppointmentState.DONE)
    desk.take(at(0, 10), desk.supply.shen, state=AppointmentState.MISSED)
    desk.take(at(1, 9), desk.supply.shen, state=AppointmentState.CANCELLED)
    desk.take(at(1, 9), desk.supply.shen, state=AppointmentState.PROPOSED, until=at(1, 0))
    assert desk.on(0) == []
    assert desk.on(1, counselor_id=desk.supply.shen) != []

    it = desk.take(at(2, 9), desk.supply.shen, who="second")
    assert desk.on(1, counselor_id=desk.supply.shen) == [], "three a week"
    assert desk.on(7) != []
    assert desk.on(0, by_staff=True) != []
    assert desk.on(1, counselor_id=desk.supply.shen, instead_of=it) != []

    desk.profile(desk.supply.shen, most_a_day=0, most_a_week=0)
    assert desk.on(0) != []


def test_a_student_has_enough(desk: Desk) -> None:
    student = desk.world.people["student"]
    it = desk.take(at(2, 9), desk.supply.shen, who="student")
    assert desk.all(student_id=student) == []
    assert desk.all(student_id=student, instead_of=it) != []
    assert desk.all(student_id=student, by_staff=True) != []

    desk.policy = replace(desk.policy, most_open=2)
    assert shown(desk.all(student_id=student))[0] == "11-23 09:00", "one a week, not in this one"

    desk.policy = replace(desk.policy, most_open=0, most_a_week=0)
    assert "11-18 09:00" not in shown(desk.all(student_id=student))
    assert "11-18 10:00" in shown(desk.all(student_id=student))


def test_nobody_is_in_two_places(desk: Desk) -> None:
    desk.policy = replace(desk.policy, **NO_LIMITS)
    desk.take(at(1, 14), desk.supply.shen, who="student")

    free = desk.on(1, student_id=desk.world.people["student"])

    assert "11-17 14:00" not in shown(free)
    assert shown(free).count("11-17 15:00") == 2
    assert "11-17 14:00" in shown(desk.on(1, student_id=desk.world.people["twin"]))


def test_what_would_move_is_not_offered_again(desk: Desk) -> None:
    it = desk.take(at(0, 9), desk.supply.shen, who="student")

    assert shown(desk.on(0, student_id=desk.world.people["student"], instead_of=it))[0] == "11-16 10:00"


def test_a_station_serves_its_own_college(desk: Desk) -> None:
    def stranger(session: Session) -> None:
        college = add(session, Unit(level=Level.COLLEGE, name="文学院", parent_id=desk.world.units["测试学院"]))
        student = session.get_one(Person, desk.world.people["neighbour"])
        student.college_id, student.class_id = college, None

    desk.write(stranger)

    mine = desk.all(student_id=desk.world.people["student"], counselor_id=desk.supply.station)
    assert {slot.tier for slot in mine} == {Tier.STATION}
    assert desk.all(student_id=desk.world.people["neighbour"], counselor_id=desk.supply.station) == []
    assert desk.all(student_id=desk.world.people["neighbour"], counselor_id=desk.supply.shen) != []


def test_own_advisors_are_never_offered(desk: Desk) -> None:
    def advise(session: Session) -> None:
        person = desk.world.people["沈岚"]
        unit = desk.world.units["软件2301"]
        session.add(Post(person_id=person, role=Role.CLASS_TEACHER, unit_id=unit, started_at=desk.world.now))

    desk.write(advise)
    for way in Ties:
        desk.policy = replace(desk.policy, ties=way)
        assert desk.all(student_id=desk.world.people["student"], counselor_id=desk.supply.shen) == []
        assert desk.all(student_id=desk.world.people["neighbour"], counselor_id=desk.supply.shen) != []
    assert desk.all(student_id=desk.world.people["student"], counselor_id=desk.supply.shen, by_staff=True) != []


@pytest.mark.parametrize("tie", ["class", "college", "faculty"])
def test_who_knows_a_student_otherwise_is_hidden_or_comes_last(desk: Desk, tie: str) -> None:
    def know(session: Session) -> None:
        if tie == "faculty":
            it = session.get_one(Counselor, desk.supply.shen)
            it.full_time = False
            session.get_one(Person, it.person_id).college_id = desk.world.units["信息学院"]
        else:
            unit = desk.world.units["软件2301" if tie == "class" else "信息学院"]
            session.add(CounselorTie(counselor_id=desk.supply.shen, unit_id=unit))

    desk.write(know)
    student = desk.world.people["student"]
    assert desk.supply.shen not in {slot.counselor_id for slot in desk.all(student_id=student)}

    desk.policy = replace(desk.policy, ties=Ties.WARN)
    found = desk.on(1, student_id=student)
    assert [slot.tied for slot in found] == [False] * 3 + [True] * 6
    assert {slot.counselor_id for slot in found if slot.tied} == {desk.supply.shen}


def test_at_one_moment_fewest_first_bookings_come_first(desk: Desk) -> None:
    desk.profile(desk.supply.shen, firsts=2)
    desk.profile(desk.supply.jiang, firsts=1)

    both = [slot.counselor_id for slot in desk.on(1) if slot.starts_at == at(1, 14)]

    assert both == [desk.supply.jiang, desk.supply.shen]
    starts = [slot.starts_at for slot in desk.all()]
    assert starts == sorted(starts)


def test_a_room_by_itself(desk: Desk) -> None:
    rooms: dict[str, int] = {}

    def rest(session: Session) -> None:
        for name, unit, use in (("放松室", "测试学院", RoomUse.RELAX), ("沙盘室", "信息学院", RoomUse.SANDPLAY)):
            row = Room(name=name, unit_id=desk.world.units[unit], use=use, alone=True)
            rooms[name] = add(session, row)
            opening(session, None, 0, time(13), time(15), room_id=rooms[name])

    desk.write(rest)
    student = desk.world.people["student"]
    found = desk.on(0, room_id=rooms["放松室"], student_id=student)
    assert shown(found) == ["11-16 13:00", "11-16 14:00"]
    assert {(slot.counselor_id, slot.room_id, slot.modes) for slot in found} == {
        (None, rooms["放松室"], (Mode.IN_PERSON,))
    }

    desk.take(at(0, 13), None, room_id=rooms["放松室"], mode=Mode.IN_PERSON, who="student")
    assert desk.on(0, room_id=rooms["放松室"], student_id=student) == [], "one open of its kind"
    assert shown(desk.on(0, room_id=rooms["放松室"])) == ["11-16 14:00"]
    assert shown(desk.on(0, room_id=rooms["沙盘室"], student_id=student)) == ["11-16 14:00"]
    assert desk.on(0, student_id=student) != [], "it is no appointment with a counselor"

    desk.change(ChangeKind.CLOSED, at(0, 14), at(0, 15), room_id=rooms["放松室"])
    assert desk.on(0, room_id=rooms["放松室"]) == []
    assert desk.on(0, room_id=desk.supply.room) == [], "not to be had by itself"


def test_one_time_is_looked_up_by_itself(desk: Desk) -> None:
    with db.unit_of_work(write=False) as session:
        asked: dict[str, Any] = {
            "policy": desk.policy,
            "now": desk.world.now,
            "student_id": desk.world.people["student"],
        }
        for slot in desk.all(student_id=desk.world.people["student"]):
            assert slot_at(session, slot.starts_at, counselor_id=slot.counselor_id, **asked) == slot
        assert slot_at(session, at(0, 9, 5), counselor_id=desk.supply.shen, **asked) is None


# ── a fixed number of statements, each answered by an index ─────────────────────────────────────────────────────────

PAST = 20_000


@pytest.fixture
def worked(desk: Desk, database: Database) -> Desk:
    """Years of appointments behind them."""
    students = [desk.world.people[who] for who in ("student", "twin", "second", "neighbour")]
    rows = [
        {
            "student_id": students[n % len(students)],
            "counselor_id": desk.supply.shen,
            "room_id": desk.supply.room,
            "mode": "in_person",
            "state": ("done", "missed", "cancelled", "lapsed")[n % 4],
            **{name: at(-2 - n, 9) for name in ("starts_at", "busy_from", "made_at")},
            **{name: at(-2 - n, 10) for name in ("ends_at", "busy_to")},
            **dict.fromkeys(("first", "late_cancel", "face"), False),
            "version": 1,
            "moves": 0,
        }
        for n in range(PAST)
    ]
    with database.engine.begin() as connection:
        connection.execute(sa.insert(Appointment), rows)
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE")
    return desk


def test_the_number_of_statements_does_not_grow(worked: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    run: list[Fixed] = []
    was = Fixed.run

    def count(self: Fixed, session: Session, **values: object) -> object:
        run.append(self)
        return was(self, session, **values)

    monkeypatch.setattr(Fixed, "run", count)

    assert len(worked.all(student_id=worked.world.people["twin"])) > 0

    assert len(run) <= 8
    assert len(set(map(id, run))) == len(run)


def test_an_index_finds_the_appointments(worked: Desk, database: Database) -> None:
    statements = {
        "of counselors": reads.OF_COUNSELORS,
        "of rooms": reads.OF_ROOMS,
        "of a student": reads.OF_STUDENT,
        "relations": ties._OF_A_STUDENT,
    }

    plans = {name: _plan(database, statement) for name, statement in statements.items()}

    walk = re.compile(r"SCAN appointment|Seq Scan on appointment")
    assert {name: plan for name, plan in plans.items() if walk.search(plan)} == {}
    if database.is_sqlite:
        assert "appointment_counselor (counselor_id=? AND starts_at>? AND starts_at<?)" in plans["of counselors"]
        assert "live_room (room_id=? AND busy_from>? AND busy_from<?)" in plans["of rooms"]
        assert "appointment_student (student_id=? AND starts_at>?)" in plans["of a student"]


def _plan(database: Database, statement: Fixed) -> str:
    given = {
        "ids": "[1, 2, 3]",
        "rooms": "[1]",
        "student_id": 3,
        "but": 0,
        "until": at(28, 0),
        "since": at(-1, 0),
        "now": at(0, 0),
    }
    with db.unit_of_work() as session:
        sql, constants = statement._compiled(is_sqlite=database.is_sqlite)
        names = set(re.findall(r"(?<!:):(\w+)" if database.is_sqlite else r"%\((\w+)\)s", sql))
        values = {name: given[name] for name in names - set(constants)} | constants
        explain = "EXPLAIN QUERY PLAN " if database.is_sqlite else "EXPLAIN "
        rows = db.driver(session).cursor().execute(explain + sql, values).fetchall()
    return "\n".join(str(row[-1]) for row in rows)
