"""Counselors, their hours and what is booked with them, as rows: for tests of what comes after the booking."""

from datetime import datetime, timedelta
from typing import Any

from models import db
from models.booking.choices import Mode
from models.booking.steps import set_next
from models.booking.table import Appointment, AppointmentState, Counselor, Opening
from tests.world import World

SESSION = timedelta(minutes=50)


def counselor(world: World, who: str = "teacher", **fields: Any) -> int:
    """Somebody who takes bookings; without hours, unless some are opened."""
    with db.unit_of_work() as session:
        it = Counselor(
            person_id=world.people[who],
            qualification="心理咨询师",
            unit_id=world.units["测试学院"],
            created_at=world.now,
            **fields,
        )
        session.add(it)
        session.flush()
        return it.id or 0


def opens(counselor_id: int, *weekdays: int, hours: tuple[int, int] = (14, 17)) -> None:
    """Weekly hours on some weekdays, Monday is 0."""
    with db.unit_of_work() as session:
        for weekday in weekdays:
            starts, ends = (hour * 60 for hour in hours)
            session.add(Opening(counselor_id=counselor_id, weekday=weekday, starts=starts, ends=ends))


def appointment(
    world: World,
    counselor_id: int | None,
    starts_at: datetime,
    *,
    who: str = "student",
    state: AppointmentState = AppointmentState.BOOKED,
    **fields: Any,
) -> int:
    """A time that somebody has; what is booked takes its steps from now on."""
    with db.unit_of_work() as session:
        ends_at = starts_at + SESSION
        it = Appointment(
            student_id=world.people[who], counselor_id=counselor_id, mode=Mode.IN_PERSON, state=state,
            starts_at=starts_at, ends_at=ends_at, busy_from=starts_at, busy_to=ends_at, made_at=world.now, **fields,
        )  # fmt: skip
        if state is AppointmentState.BOOKED:
            set_next(it, world.policy.booking, now=world.now)
        session.add(it)
        session.flush()
        return it.id or 0


def row(id_: int) -> Appointment:
    """An appointment as it stands."""
    with db.unit_of_work(write=False) as session:
        return session.get_one(Appointment, id_)


def change(id_: int, **fields: Any) -> None:
    """An appointment is otherwise."""
    with db.unit_of_work() as session:
        it = session.get_one(Appointment, id_)
        for name, value in fields.items():
            setattr(it, name, value)
        session.add(it)
