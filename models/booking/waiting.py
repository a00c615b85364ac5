"""The waiting list: who joins it, where they stand, when they leave it. Rules: docs/rules.md#waiting-list.

Who is asked when a time is free, and why somebody is not, is in `offering.py`; what the asked one answers in `answering.py`.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, func, select

from models.audit import Fact, record
from models.booking.choices import Mode
from models.booking.offering import offer_stretch
from models.booking.rules import lock
from models.booking.slots import Slot
from models.booking.table import FIRM, Appointment, AppointmentState, Haste, Waiter, WaiterEvent, WaiterLog, WaiterState
from models.booking.taking import By, end_passing
from models.db import Fixed
from models.errors import WrongStateError
from models.policy import BookingPolicy
from models.seal import seal_json

RANK = {haste: rank for rank, haste in enumerate(Haste)}
OPEN = (WaiterState.WAITING, WaiterState.OFFERED)
LATELY = timedelta(weeks=4)
"""Over which it is counted how many a day are served."""


_waiter = Waiter.__table__  # type: ignore[attr-defined]
_WAITS = Fixed(
    lambda: sa.select(_waiter.c.id).where(
        _waiter.c.student_id == sa.bindparam("student_id"),
        _waiter.c.state.in_([sa.literal_column(f"'{each.value}'") for each in OPEN]),
    )
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where somebody stands. `days`: roughly how long it takes, None where nobody was served lately."""

    before: int
    days: int | None
    since: datetime
    haste: Haste


def offer_freed(session: Session, it: Appointment, *, policy: BookingPolicy, now: datetime) -> None:
    """A time was freed: the first on the list whom it suits is asked, and has it kept for the school's hours."""
    offer_stretch(session, it, policy=policy, now=now)


def waiter_of(session: Session, student_id: int) -> Waiter | None:
    """A student's place on the list, as it is now."""
    return session.exec(
        select(Waiter)
        .where(Waiter.student_id == student_id, col(Waiter.state).in_(OPEN))
        .execution_options(populate_existing=True)
    ).first()


def join(  # noqa: PLR0913 — everything they may wish
    session: Session,
    by: By,
    student_id: int,
    haste: Haste,
    *,
    now: datetime,
    counselor_id: int | None = None,
    mode: Mode | None = None,
    earlier_than_id: int | None = None,
    thread: int | None = None,
    body: dict[str, Any] | None = None,
) -> int:
    """Put a student on the list; returns the place's id. Who is on it already keeps since when, and says anew what they wish.

    `counselor_id` and `mode`: only those. `earlier_than_id`: their own appointment, which an earlier one would replace.
    `body`: the topic, sealed. Raises: WrongStateError when that appointment is no longer to come.
    """
    lock(session)
    haste = Haste.EARLIER if earlier_than_id is not None else haste
    if earlier_than_id is not None:
        own = session.get(Appointment, earlier_than_id, populate_existing=True)
        if own is None or own.student_id != student_id or own.state not in FIRM or own.starts_at <= now:
            raise WrongStateError("booking.over")
    it = waiter_of(session, student_id)
    if it is None:
        it = Waiter(student_id=student_id, haste=haste, rank=RANK[haste], since=now)
        session.add(it)
        session.flush()
        record(session, Fact.WAIT_BEGUN, by.person_id, f"waiter:{it.id}", at=now, rank=RANK[haste])
    it.haste, it.rank = haste, RANK[haste]
    it.counselor_id, it.mode, it.earlier_than_id, it.thread = counselor_id, mode, earlier_than_id, thread
    session.add(it)
    session.flush()
    it.body = seal_json(body, f"waiter.body:{it.id}") if body else None
    session.add(it)
    session.flush()
    return it.id or 0


def pass_over(session: Session, waiter_id: int, slots: Iterable[Slot], *, now: datetime) -> None:
    """Somebody who joins has seen what is free and wants none of it: nobody asks them for just that a moment later."""
    for slot in slots:
        session.add(
            WaiterLog(
                waiter_id=waiter_id,
                at=now,
                event=WaiterEvent.LET_GO,
                counselor_id=slot.counselor_id,
                starts_at=slot.starts_at,
            )
        )
    session.flush()


def leave(session: Session, by: By, student_id: int, *, policy: BookingPolicy, now: datetime) -> bool:
    """Take a student off the list; what was offered to them goes to the next one. False when they were not on it."""
    lock(session)
    it = waiter_of(session, student_id)
    if it is None:
        return False
    record(session, Fact.WAIT_LEFT, by.person_id, f"waiter:{it.id}", at=now)
    _close(session, it, WaiterState.LEFT, policy=policy, now=now)
    return True


def stop_waiting(session: Session, it: Appointment, *, policy: BookingPolicy, now: datetime) -> None:
    """Whoever has an appointment waits no more, unless for an earlier one; what else was offered to them goes to the next."""
    if it.counselor_id is None or _WAITS.one(session, student_id=it.student_id) is None:
        return
    waiting = waiter_of(session, it.student_id)
    if waiting is None:
        return
    took = it.waiter_id == waiting.id
    if took:
        session.add(
            WaiterLog(
                waiter_id=waiting.id or 0,
                at=now,
                event=WaiterEvent.TOOK,
                counselor_id=it.counselor_id,
                starts_at=it.starts_at,
            )
        )
    elif waiting.haste is Haste.EARLIER:
        return
    _close(session, waiting, WaiterState.TOOK if took else WaiterState.LEFT, policy=policy, now=now)


def stop_waiting_for_earlier(session: Session, it: Appointment, *, policy: BookingPolicy, now: datetime) -> None:
    """An appointment is over: nobody waits for an earlier one in its place."""
    waiting = session.exec(
        select(Waiter)
        .where(Waiter.student_id == it.student_id, Waiter.earlier_than_id == it.id, col(Waiter.state).in_(OPEN))
        .execution_options(populate_existing=True)
    ).first()
    if waiting is not None:
        _close(session, waiting, WaiterState.LAPSED, policy=policy, now=now)


def has_been(session: Session, it: Appointment, *, now: datetime) -> None:
    """The time of an appointment has passed: nobody waits for an earlier one any more."""
    session.connection().execute(
        sa.update(Waiter)
        .where(col(Waiter.student_id) == it.student_id, col(Waiter.earlier_than_id) == it.id)
        .where(col(Waiter.state) == WaiterState.WAITING)
        .values(state=WaiterState.LAPSED, ended_at=now)
    )


def take_back_later_offer(session: Session, it: Appointment, *, policy: BookingPolicy, now: datetime) -> None:
    """An appointment has moved: what was offered in its place and is no earlier now goes to the next in line."""
    offered = session.exec(
        select(Appointment)
        .where(Appointment.serves_id == it.id, Appointment.state == AppointmentState.OFFERED)
        .where(Appointment.starts_at >= it.starts_at)
        .execution_options(populate_existing=True)
    ).first()
    if offered is not None:
        end_passing(session, offered, AppointmentState.DECLINED, now=now)
        offer_freed(session, offered, policy=policy, now=now)


def _close(session: Session, it: Waiter, state: WaiterState, *, policy: BookingPolicy, now: datetime) -> None:
    """Nobody waits there any more; an offer that is still out goes on."""
    offered = session.exec(
        select(Appointment)
        .where(Appointment.waiter_id == it.id, Appointment.state == AppointmentState.OFFERED)
        .execution_options(populate_existing=True)
    ).first()
    if offered is not None:
        end_passing(session, offered, AppointmentState.DECLINED, now=now)
    it.state, it.ended_at = state, now
    session.add(it)
    session.flush()
    if offered is not None:
        offer_freed(session, offered, policy=policy, now=now)


def place_of(session: Session, student_id: int, *, now: datetime) -> Place | None:
    """How many are before a student whom the same time might suit, and a rough number of days; None when they do not wait.

    Units: whole days, by how many were served each day of the last weeks, rounded up.
    """
    it = waiter_of(session, student_id)
    if it is None:
        return None
    ahead = (
        (col(Waiter.rank) < it.rank)
        | ((col(Waiter.rank) == it.rank) & (col(Waiter.since) < it.since))
        | ((col(Waiter.rank) == it.rank) & (col(Waiter.since) == it.since) & (col(Waiter.id) < it.id))
    )
    query = sa.select(func.count()).select_from(Waiter).where(col(Waiter.state).in_(OPEN), ahead)
    for column, mine in ((col(Waiter.counselor_id), it.counselor_id), (col(Waiter.mode), it.mode)):
        if mine is not None:
            query = query.where(column.is_(None) | (column == mine))
    before = int(session.execute(query).scalar_one())
    served = session.exec(
        select(func.count())
        .select_from(Waiter)
        .where(Waiter.state == WaiterState.TOOK, col(Waiter.ended_at) > now - LATELY)
    ).one()
    days = math.ceil((before + 1) * LATELY.days / served) if served else None
    return Place(before, days, it.since, it.haste)
