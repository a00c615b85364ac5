"""Appointments for tests, made the way everybody makes them: hold, then book."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from models import db
from models.booking.acting import book
from models.booking.choices import Mode
from models.booking.table import Appointment, Side
from models.booking.taking import By, hold
from models.policy import BookingPolicy
from tests.world import World

ZONE = ZoneInfo("Asia/Shanghai")


def local(text: str) -> datetime:
    """`2026-11-16 09:00` in the school's time."""
    return datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=ZONE)


def book_at(
    world: World,
    who: str,
    counselor_id: int,
    at: datetime,
    *,
    mode: Mode = Mode.IN_PERSON,
    policy: BookingPolicy | None = None,
    body: dict[str, Any] | None = None,
) -> int:
    """Somebody books a time with a counselor; returns the appointment's id."""
    policy = policy or world.policy.booking
    by = By(world.people[who], Side.STUDENT)
    with db.unit_of_work() as session:
        held = hold(session, by, world.people[who], at, mode, policy=policy, now=world.now, counselor_id=counselor_id)
        return book(session, by, held.id or 0, policy=policy, now=world.now, body=body).id


def appointment(world: World, id_: int) -> Appointment:
    """An appointment as it is."""
    found: Appointment = world.rows(Appointment, Appointment.id == id_)[0]
    return found
