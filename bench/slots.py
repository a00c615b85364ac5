"""What looking for free times costs: 30 counselors over 8 weeks, for one student, with 0 and with 100,000 past appointments.

`python -m bench.slots` measures both engines, `python -m bench.slots sqlite` one.
"""

import gc
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from models import db, schema
from models.booking.slots import free_slots, slot_at
from models.booking.table import Appointment, Counselor, Opening, Room
from models.person import Person
from models.policy import BookingPolicy
from models.unit import Unit
from tests.engines import EngineName, drop, empty_database_url

COUNSELORS = 30
STUDENTS = 5_000
PAST = 100_000
BOOKED = 0.5
"""Of the coming times, those that somebody has already."""

TIMES = 300
NOW = datetime(2026, 3, 9, 8, tzinfo=ZoneInfo("Asia/Shanghai")).astimezone(UTC)
POLICY = BookingPolicy(horizon=timedelta(weeks=8), counselor_a_day=6, counselor_a_week=30)
HOURS = ((9 * 60, 12 * 60), (14 * 60, 17 * 60))
BATCH = 5_000
_SESSION, _HOUR = timedelta(minutes=50), timedelta(hours=1)


def build(database: db.Database) -> None:
    """A school whose counselors are open every morning and afternoon: three sessions each."""
    with database.engine.begin() as connection:

        def add(table: type, rows: list[dict[str, object]]) -> None:
            for at in range(0, len(rows), BATCH):
                connection.execute(sa.insert(table), rows[at : at + BATCH])

        add(Unit, [{"id": 1, "level": "school", "name": "S", "parent_id": None}])
        add(Unit, [{"id": 2, "level": "college", "name": "C", "parent_id": 1}])
        add(Unit, [{"id": 3, "level": "class", "name": "K", "parent_id": 2}])
        staff = {"name": "咨询师", "kind": "staff"}
        add(Person, [{"id": n + 1, "number": f"T{n}"} | staff for n in range(COUNSELORS)])
        student = {"name": "同学", "kind": "student", "college_id": 2, "class_id": 3}
        add(Person, [{"id": 1001 + n, "number": f"S{n}"} | student for n in range(STUDENTS)])
        room = {"place": "", "unit_id": 1, "use": "talk", "alone": False}
        add(Room, [{"id": n + 1, "name": f"R{n}"} | room for n in range(COUNSELORS)])
        profile = {"qualification": "q", "full_time": True, "tier": "centre", "unit_id": 1, "topics": "", "place": ""}
        profile |= {"modes": "in_person phone", "created_at": NOW}
        own = [{"id": n, "person_id": n, "room_id": n, "firsts": n % 3} for n in range(1, COUNSELORS + 1)]
        add(Counselor, [each | profile for each in own])
        add(
            Opening,
            [
                {"counselor_id": n + 1, "weekday": day, "starts": starts, "ends": ends, "modes": ""}
                for n in range(COUNSELORS)
                for day in range(5)
                for starts, ends in HOURS
            ],
        )


def fill(database: db.Database, *, past: int, coming: int) -> None:
    """Appointments before and after now, one an hour for each counselor."""
    day = NOW.astimezone(POLICY.zone).replace(hour=0)
    hours = [hour for starts, ends in HOURS for hour in range(starts // 60, ends // 60)]

    def rows(count: int, state: str, direction: int) -> list[dict[str, object]]:
        found: list[dict[str, object]] = []
        at = 0
        while len(found) < count:
            at += direction
            if (date := day + timedelta(days=at)).weekday() >= 5:
                continue
            # Not all of a day is taken where only a part is to be: every other hour.
            for hour in hours[:: 2 if state == "booked" else 1]:
                for n in range(COUNSELORS):
                    starts = (date + timedelta(hours=hour)).astimezone(UTC)
                    found.append(_row(len(found), n + 1, starts, state))
        return found[:count]

    with database.engine.begin() as connection:
        for some in (rows(past, "done", -1), rows(coming, "booked", 1)):
            for at in range(0, len(some), BATCH):
                connection.execute(sa.insert(Appointment), some[at : at + BATCH])
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE")


def _row(number: int, counselor_id: int, starts: datetime, state: str) -> dict[str, object]:
    stretch = {"starts_at": starts, "ends_at": starts + _SESSION, "busy_from": starts, "busy_to": starts + _HOUR}
    flags = {"first": False, "version": 1, "moves": 0, "late_cancel": False, "face": False}
    whose = {"student_id": 1002 + number % (STUDENTS - 1), "counselor_id": counselor_id, "room_id": counselor_id}
    return {"mode": "in_person", "state": state, "made_at": starts - _HOUR} | stretch | flags | whose


def measure(what: str, times: int = TIMES) -> None:
    """Print how long it takes to find everything, and one."""
    student = 1001
    gc.collect()
    gc.freeze()  # as a web process does when it has loaded
    wide, one, processor = [], [], []
    with db.unit_of_work(write=False, until=time.monotonic() + 600) as session:
        for n in range(times + 20):
            began, worked = time.perf_counter(), time.thread_time()
            found = free_slots(session, policy=POLICY, now=NOW, student_id=student)
            between, worked = time.perf_counter(), time.thread_time() - worked
            wish = found[n % len(found)]
            slot_at(session, wish.starts_at, policy=POLICY, now=NOW, student_id=student, counselor_id=wish.counselor_id)
            ended = time.perf_counter()
            if n >= 20:  # the first ones compile statements and fill caches
                wide.append(between - began)
                processor.append(worked)
                one.append(ended - between)
    own = 1000 * statistics.median(processor)
    print(f"{what}: {len(found):,} free", end="; ")
    print(f"all of them {_said(wide)}, {own:.1f} ms of processor; one of them {_said(one)}", flush=True)


def _said(seconds: list[float]) -> str:
    cuts = statistics.quantiles(seconds, n=100)
    return f"p50 {1000 * cuts[49]:.1f} ms, p99 {1000 * cuts[98]:.1f} ms"


def main(engines: list[EngineName]) -> None:
    """Measure and print."""
    for engine in engines:
        with tempfile.TemporaryDirectory() as folder:
            url = empty_database_url(engine, Path(folder))
            database = db.connect(url)
            schema.upgrade(database)
            build(database)
            measure(f"{engine}, nothing booked")
            coming = int(COUNSELORS * 6 * 40 * BOOKED)
            fill(database, past=0, coming=coming)
            measure(f"{engine}, {coming:,} coming appointments, none past")
            fill(database, past=PAST, coming=0)
            measure(f"{engine}, {coming:,} coming, {PAST:,} past")
            database.dispose()
            drop(url)


if __name__ == "__main__":
    which = [each for each in ("sqlite", "postgresql") if each in sys.argv[1:]]
    main(which or ["sqlite", "postgresql"])
