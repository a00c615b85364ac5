"""A counselor's calendar behind a secret address that they can take back. It knows times and places, and no student."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import Session, col, select

from models.audit import Fact, record
from models.booking.choices import Mode
from models.booking.table import FIRM, Appointment, AppointmentState, Counselor, Room
from models.errors import NotFoundError
from models.person import Person
from models.policy import BookingPolicy

BACK = timedelta(weeks=4)
_SHOWN = (
    *FIRM,
    AppointmentState.DONE,
    AppointmentState.MISSED,
    AppointmentState.CANCELLED,
    AppointmentState.DECLINED,
)
_OFF = (AppointmentState.CANCELLED, AppointmentState.DECLINED)


@dataclass(frozen=True, slots=True)
class Entry:
    """One event. `made`: since when it exists, which with its id names it for ever."""

    id: int
    made: datetime
    version: int
    starts_at: datetime
    ends_at: datetime
    mode: Mode
    place: str
    certain: bool
    off: bool


def _digest(secret: str) -> str:
    """Without a key, unlike `models.seal.digest`: nobody guesses 192 random bits, and an address must outlive the keys."""
    return hashlib.sha256(f"calendar:{secret}".encode()).hexdigest()


def make_calendar(session: Session, counselor: Counselor, *, now: datetime) -> str:
    """A new secret; an older address ends with it. Only its digest is kept, so nobody can show it a second time."""
    secret = secrets.token_urlsafe(24)
    counselor.calendar = _digest(secret)
    session.add(counselor)
    record(session, Fact.CALENDAR_MADE, counselor.person_id, f"counselor:{counselor.id}", at=now)
    return secret


def revoke_calendar(session: Session, counselor: Counselor, *, now: datetime) -> None:
    """The address leads nowhere from now on."""
    counselor.calendar = None
    session.add(counselor)
    record(session, Fact.CALENDAR_REVOKED, counselor.person_id, f"counselor:{counselor.id}", at=now)


def access_calendar(session: Session, secret: str, *, policy: BookingPolicy, now: datetime) -> list[Entry]:
    """The events behind an address, from four weeks ago to as far as can be booked.

    Raises: NotFoundError: unknown, taken back, or its counselor has left.
    """
    found = session.exec(
        select(Counselor)
        .join(Person, col(Person.id) == col(Counselor.person_id))
        .where(Counselor.calendar == _digest(secret))
        .where(col(Counselor.ended_at).is_(None), col(Person.ended_at).is_(None))
    ).first()
    if found is None:
        raise NotFoundError
    rows = session.exec(
        select(Appointment, Room)
        .outerjoin(Room, col(Room.id) == col(Appointment.room_id))
        .where(Appointment.counselor_id == found.id, col(Appointment.state).in_(_SHOWN))
        .where(Appointment.starts_at >= now - BACK, Appointment.starts_at <= now + policy.horizon)
        .order_by(col(Appointment.starts_at), col(Appointment.id))
    )
    return [_entry(it, room, found) for it, room in rows]


def _entry(it: Appointment, room: Room | None, counselor: Counselor) -> Entry:
    place = ""
    if it.mode is Mode.IN_PERSON:
        place = " ".join(part for part in (room.name, room.place) if part) if room else counselor.place
    off = it.state in _OFF
    return Entry(
        id=it.id or 0,
        made=it.made_at,
        version=it.version + off,
        starts_at=it.starts_at,
        ends_at=it.ends_at,
        mode=it.mode,
        place=place,
        certain=it.state is not AppointmentState.PENDING,
        off=off,
    )
