"""Who takes bookings, and the rooms. Rules: K-31 (no qualification, no booking), K-32 (a part-timer's term), D-13, J-07, L-34."""

from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from models.booking.choices import Mode
from models.booking.proposing import leave_to_centre, tell_unsettled
from models.booking.rules import lock
from models.booking.supply import booked_in, let_passing_go, note
from models.booking.table import Appointment, Counselor, CounselorTie, Room, RoomUse, Waiter
from models.booking.taking import SYSTEM, By
from models.booking.waiting import OPEN
from models.errors import NotFoundError, RefusedError
from models.person import Person

_MINE = ("id", "person_id", "firsts", "calendar", "created_at", "ended_at")
"""What of a profile nobody sets by hand."""


def in_order(modes: Iterable[Mode]) -> str:
    """Modes as a column holds them."""
    given = set(modes)
    return " ".join(mode for mode in Mode if mode in given)


def make_counselor(session: Session, by: By, person_id: int, *, now: datetime, **profile: Any) -> Counselor:
    """Somebody takes bookings from now on; whoever did so before takes them again, their first bookings counted on.

    `profile` holds columns of Counselor. Raises: RefusedError without a qualification or off the roster.
    """
    person = session.get(Person, person_id)
    if person is None or person.ended_at is not None:
        raise RefusedError("supply.not_on_roster")
    it = session.exec(select(Counselor).where(Counselor.person_id == person_id)).first()
    if it is None:
        # Newcomers would get every first booking until they had caught up: they begin where the others are.
        fewest = session.exec(select(sa.func.min(Counselor.firsts)).where(col(Counselor.ended_at).is_(None))).one()
        it = Counselor(person_id=person_id, qualification="", unit_id=0, firsts=fewest or 0, created_at=now)
    it.ended_at = None
    return _set(session, by, it, profile, now=now)


def change_counselor(session: Session, by: By, counselor_id: int, *, now: datetime, **profile: Any) -> Counselor:
    """Change a profile. Raises: NotFoundError, RefusedError without a qualification."""
    return _set(session, by, _counselor(session, counselor_id), profile, now=now)


def _set(session: Session, by: By, it: Counselor, profile: dict[str, Any], *, now: datetime) -> Counselor:
    if unknown := [name for name in profile if name in _MINE or name not in Counselor.model_fields]:
        msg = f"not of a profile: {unknown}"
        raise TypeError(msg)
    if not str(profile.get("qualification", it.qualification)).strip():
        raise RefusedError("supply.unqualified")
    for name, value in profile.items():
        setattr(it, name, value)
    session.add(it)
    session.flush()
    note(session, by, f"counselor:{it.id}", now, what="profile")
    return it


def end_counselor(session: Session, by: By, counselor_id: int, *, now: datetime) -> list[int]:
    """Somebody takes no more bookings; returns what is still booked with them, which the centre settles by telephone.

    Whoever waited for them alone waits for their colleagues from then on: nothing would ever come otherwise.
    """
    lock(session)
    it = _counselor(session, counselor_id)
    it.ended_at = now
    session.add(it)
    ever = datetime.max.replace(tzinfo=UTC)
    let_passing_go(session, now, ever, now=now, counselor_id=counselor_id)
    session.connection().execute(
        sa.update(Waiter)
        .where(col(Waiter.counselor_id) == counselor_id, col(Waiter.state).in_(OPEN))
        .values(counselor_id=None)
    )
    booked = booked_in(session, counselor_id, now, ever)
    for id_ in booked:
        leave_to_centre(session, by, session.get_one(Appointment, id_), now=now)
    if booked:
        tell_unsettled(session, len(booked), f"counselor:{counselor_id}@{now.isoformat()}", now=now)
    note(session, by, f"counselor:{counselor_id}", now, what="end")
    return booked


def somebody_left(session: Session) -> bool:
    """Whether a counselor is no longer on the roster and still takes bookings."""
    return session.exec(_who_left().limit(1)).first() is not None


def end_those_who_left(session: Session, *, now: datetime) -> int:
    """A counselor whom the roster no longer names takes no more bookings, as if they had been ended by hand; returns how many."""
    gone = list(session.exec(_who_left()))
    for counselor_id in gone:
        end_counselor(session, SYSTEM, counselor_id or 0, now=now)
    return len(gone)


def _who_left() -> SelectOfScalar[int | None]:
    return (
        select(col(Counselor.id))
        .join(Person, col(Person.id) == col(Counselor.person_id))
        .where(col(Person.ended_at).is_not(None), col(Counselor.ended_at).is_(None))
        .order_by(col(Counselor.id))
    )


def _counselor(session: Session, counselor_id: int) -> Counselor:
    it = session.get(Counselor, counselor_id, populate_existing=True)
    if it is None or it.ended_at is not None:
        raise NotFoundError
    return it


def set_ties(session: Session, by: By, counselor_id: int, unit_ids: Collection[int], *, now: datetime) -> bool:
    """The classes and colleges whose students know a counselor otherwise (L-34); whether anything changed."""
    old = {
        tie.unit_id: tie for tie in session.exec(select(CounselorTie).where(CounselorTie.counselor_id == counselor_id))
    }
    if old.keys() == set(unit_ids):
        return False
    for unit_id in old.keys() - set(unit_ids):
        session.delete(old[unit_id])
    session.add_all(CounselorTie(counselor_id=counselor_id, unit_id=unit_id) for unit_id in set(unit_ids) - old.keys())
    note(session, by, f"counselor:{counselor_id}", now, what="ties", count=len(set(unit_ids)))
    return True


def make_room(
    session: Session,
    by: By,
    name: str,
    unit_id: int,
    *,
    now: datetime,
    place: str = "",
    use: RoomUse = RoomUse.TALK,
    alone: bool = False,
) -> Room:
    """A room of this name, new or as it is from now on."""
    it = session.exec(select(Room).where(Room.name == name)).first() or Room(name=name, unit_id=unit_id)
    it.unit_id, it.place, it.use, it.alone, it.ended_at = unit_id, place, use, alone, None
    session.add(it)
    session.flush()
    note(session, by, f"room:{it.id}", now, what="room")
    return it


def end_room(session: Session, by: By, room_id: int, *, now: datetime) -> None:
    """Nobody meets there any more; what is booked stays and is for the centre to move. Raises: NotFoundError."""
    it = session.get(Room, room_id)
    if it is None or it.ended_at is not None:
        raise NotFoundError
    it.ended_at = now
    session.add(it)
    note(session, by, f"room:{room_id}", now, what="end")
