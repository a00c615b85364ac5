"""Taking a time: hold it, let it go, and what happens when the engine says that somebody else has it.

Only here are rows of `appointment` inserted. Expired holds stand in nobody's way: whoever wants their time sweeps them first, in
the same transaction.
"""

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import make_transient_to_detached
from sqlmodel import Session

from models.booking.choices import Mode
from models.booking.rules import lock
from models.booking.slots import Slot, slot_at
from models.booking.table import (
    FIRM,
    LIVE,
    PASSING,
    Appointment,
    AppointmentState,
    Side,
    Waiter,
    WaiterEvent,
    WaiterLog,
    WaiterState,
)
from models.db import Fixed
from models.errors import TimeTakenError
from models.policy import BookingPolicy

_TAKEN = ("no_overlap", "one_hold", "one_offer", "UNIQUE constraint failed: appointment.student_id")
"""How the engines name what was in the way; SQLite names an index by its columns."""


_it = Appointment.__table__  # type: ignore[attr-defined]


def _states(states: Collection[AppointmentState]) -> list[Any]:
    return [sa.literal_column(f"'{state.value}'") for state in states]


def _covering() -> sa.Select[Any]:
    """A live row of a counselor, or of a room by itself, in whose stretch a moment lies; not the student's own."""
    whose = (_it.c.counselor_id == sa.bindparam("counselor_id")) | (
        _it.c.counselor_id.is_(None) & (_it.c.room_id == sa.bindparam("room_id"))
    )
    return (
        sa.select(_it.c.id)
        .where(whose, _it.c.state.in_(_states(LIVE)), _it.c.student_id != sa.bindparam("student_id"))
        .where(_it.c.busy_from <= sa.bindparam("at"), _it.c.busy_to > sa.bindparam("at"))
        .where(_it.c.state.in_(_states(FIRM)) | (_it.c.until > sa.bindparam("now")))
        .limit(sa.literal_column("1"))
    )


_TAKEN_BY = Fixed(_covering)
_LET_GO = Fixed(
    lambda: sa.delete(_it).where(
        _it.c.student_id == sa.bindparam("student_id"), _it.c.state == sa.literal_column("'held'")
    )
)
_PASSED = Fixed(
    lambda: (
        sa.select(_it.c.id)
        .where(_it.c.state.in_(_states(PASSING)), _it.c.until <= sa.bindparam("now"))
        .where(
            (_it.c.student_id == sa.bindparam("student_id"))
            | (_it.c.counselor_id == sa.bindparam("counselor_id"))
            | (_it.c.room_id == sa.bindparam("room_id"))
        )
        .where(_it.c.busy_from < sa.bindparam("busy_to"), _it.c.busy_to > sa.bindparam("busy_from"))
        .order_by(_it.c.id)
    )
)
_GIVEN = (
    "student_id", "counselor_id", "room_id", "mode", "state", "starts_at", "ends_at", "busy_from", "busy_to", "until",
    "serves_id", "proposal_id", "waiter_id", "first", "version", "moves", "made_at", "made_by", "late_cancel", "face",
)  # fmt: skip
_INSERT = Fixed(
    lambda: (
        # PostgreSQL's exclusion says nothing here, and gives no row; it would end the transaction otherwise.
        upsert(_it).values({name: sa.bindparam(name) for name in _GIVEN}).on_conflict_do_nothing().returning(_it.c.id)
    )
)


@dataclass(frozen=True, slots=True)
class By:
    """Who acts: a person and on which side; the system itself has no person."""

    person_id: int | None
    side: Side


SYSTEM = By(None, Side.SYSTEM)


def hold(  # noqa: PLR0913 — a time and everything that it depends on
    session: Session,
    by: By,
    student_id: int,
    starts_at: datetime,
    mode: Mode,
    *,
    policy: BookingPolicy,
    now: datetime,
    counselor_id: int | None = None,
    room_id: int | None = None,
    serves_id: int | None = None,
) -> Appointment:
    """Keep a time for a student while they decide; the one they had on hold before is free again.

    `serves_id`: the appointment that would move there. Raises: TimeTakenError.
    """
    from models.booking.offering import lapse_offers  # noqa: PLC0415 — what gives times away takes them here

    wanted: dict[str, Any] = {"counselor_id": counselor_id, "room_id": room_id, "now": now}
    if _is_taken(session, student_id, starts_at, **wanted):
        raise TimeTakenError
    lock(session)
    if _is_taken(session, student_id, starts_at, **wanted):  # by somebody who was before us in the line for the lock
        raise TimeTakenError
    let_go(session, student_id)
    lapse_offers(session, policy=policy, now=now)
    slot = slot_at(
        session,
        starts_at,
        policy=policy,
        now=now,
        student_id=student_id,
        counselor_id=counselor_id,
        room_id=room_id,
        mode=mode,
        instead_of=serves_id,
        by_staff=by.side is not Side.STUDENT,
    )
    if slot is None:
        raise TimeTakenError
    return insert(
        session,
        by,
        student_id,
        slot,
        mode,
        AppointmentState.HELD,
        until=now + policy.hold,
        now=now,
        serves_id=serves_id,
    )


def _is_taken(
    session: Session,
    student_id: int,
    starts_at: datetime,
    *,
    counselor_id: int | None,
    room_id: int | None,
    now: datetime,
) -> bool:
    """Whether somebody else has a time, as far as one look can tell: whoever comes too late need not stand in line to hear it."""
    found = _TAKEN_BY.one(
        session, counselor_id=counselor_id or 0, room_id=room_id or 0, student_id=student_id, at=starts_at, now=now
    )
    return found is not None


def insert(  # noqa: PLR0913 — a row
    session: Session,
    by: By,
    student_id: int,
    slot: Slot,
    mode: Mode,
    state: AppointmentState,
    *,
    until: datetime | None,
    now: datetime,
    serves_id: int | None = None,
    proposal_id: int | None = None,
    waiter_id: int | None = None,
) -> Appointment:
    """Put a time into the book, in a state that may pass or stay. Raises: TimeTakenError when the engine refuses it."""
    sweep(session, slot, student_id, now=now)
    it = Appointment(
        student_id=student_id,
        counselor_id=slot.counselor_id,
        room_id=slot.room_id if mode is Mode.IN_PERSON or slot.counselor_id is None else None,
        mode=mode,
        state=state,
        starts_at=slot.starts_at,
        ends_at=slot.ends_at,
        busy_from=slot.busy_from,
        busy_to=slot.busy_to,
        until=until,
        serves_id=serves_id,
        proposal_id=proposal_id,
        waiter_id=waiter_id,
        made_at=now,
        made_by=by.person_id,
    )
    given = {name: getattr(it, name) for name in _GIVEN}
    try:
        row = _INSERT.one(session, **given | {"mode": mode.value, "state": state.value})
    except sqlite3.IntegrityError as refused:  # by a trigger, which undoes this statement alone
        if not any(word in str(refused) for word in _TAKEN):
            raise
        raise TimeTakenError from refused
    if row is None:
        raise TimeTakenError
    it.id = row[0]
    make_transient_to_detached(it)  # as if it had been read: the session knows the row without another look
    session.add(it)
    return it


@contextmanager
def refused_as_taken(session: Session) -> Iterator[None]:
    """Turn the engine's refusal of an overlap into TimeTakenError; the transaction goes on; rows must be read anew.

    SQLAlchemy's own savepoint: where a flush fails outside one of these it takes the whole transaction back by itself. So what
    may be refused is changed inside the block; what was changed before it has been flushed by then.
    """
    try:
        with session.begin_nested():
            yield
            session.flush()
    except (sa.exc.IntegrityError, sqlite3.IntegrityError, psycopg.errors.IntegrityError) as refused:
        if not any(word in str(refused) for word in _TAKEN):
            raise
        raise TimeTakenError from refused


def sweep(session: Session, slot: Slot, student_id: int, *, now: datetime) -> None:
    """Let go of what has passed and overlaps a stretch; offers and proposals keep their row, which says that they lapsed."""
    session.flush()
    for (id_,) in _PASSED.all(
        session,
        student_id=student_id,
        counselor_id=slot.counselor_id,
        room_id=slot.room_id,
        busy_from=slot.busy_from,
        busy_to=slot.busy_to,
        now=now,
    ):
        it = session.get_one(Appointment, id_, populate_existing=True)
        end_passing(session, it, AppointmentState.LAPSED, now=now)


def let_go(session: Session, student_id: int) -> None:
    """Free what a student has on hold."""
    session.flush()
    _LET_GO.run(session, student_id=student_id)


def end_passing(session: Session, it: Appointment, state: AppointmentState, *, now: datetime) -> None:
    """A held, offered or proposed time is free again. What was only on hold leaves no trace; who was offered one waits on."""
    if it.state is AppointmentState.HELD:
        session.delete(it)
    else:
        if it.state is AppointmentState.OFFERED:
            _wait_on(session, it, state, now=now)
        it.state, it.closed_at, it.until = state, now, None
        session.add(it)
    session.flush()


def _wait_on(session: Session, it: Appointment, state: AppointmentState, *, now: datetime) -> None:
    waiting = session.get(Waiter, it.waiter_id, populate_existing=True) if it.waiter_id is not None else None
    if waiting is None:
        return
    if waiting.state is WaiterState.OFFERED:
        waiting.state = WaiterState.WAITING
        session.add(waiting)
    event = WaiterEvent.LAPSED if state is AppointmentState.LAPSED else WaiterEvent.LET_GO
    session.add(
        WaiterLog(waiter_id=waiting.id or 0, at=now, event=event, counselor_id=it.counselor_id, starts_at=it.starts_at)
    )
