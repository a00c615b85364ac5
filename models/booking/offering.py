"""Giving a free time to whoever waits: the first in line whom it suits is asked; why the others were not is kept.

The line's order is haste, then since when, then number. Everything here runs under the one lock of booking (`rules.lock`), so two
times that are freed at once go to two people, in order. Rules: docs/rules.md#waiting-list.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from models.audit import Fact, record
from models.booking.choices import Mode
from models.booking.rules import check_limits
from models.booking.slots import Slot, free_slots, slot_at
from models.booking.table import (
    FIRM,
    IS_LIVE,
    Appointment,
    AppointmentState,
    Haste,
    Referral,
    Tier,
    Waiter,
    WaiterEvent,
    WaiterLog,
    WaiterState,
)
from models.booking.taking import SYSTEM, end_passing, insert
from models.booking.telling import when
from models.booking.ties import relations
from models.contact import Contact
from models.db import Fixed
from models.errors import RefusedError, TimeTakenError
from models.outbox import PushKind, plan
from models.policy import BookingPolicy
from models.quiet import awake_for, waking

TO_GET_THERE = timedelta(minutes=30)
"""Between the end of an offer and its start."""

TO_ANSWER = timedelta(minutes=30)
"""Whatever leaves less than this for an answer is not offered."""

LONGEST = timedelta(days=1)
"""No stretch is longer: the engine's own rule."""

SAID_NO = (WaiterEvent.LET_GO, WaiterEvent.LAPSED)
"""After these nobody is asked for the same time again."""


_it = Appointment.__table__  # type: ignore[attr-defined]
_PASSED = Fixed(
    lambda: (
        sa.select(_it.c.id)
        .where(_it.c.state == sa.literal_column("'offered'"), _it.c.until <= sa.bindparam("now"))
        .order_by(_it.c.until, _it.c.id)
    )
)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Time that was freed, as it was."""

    counselor_id: int | None
    room_id: int | None
    busy_from: datetime
    busy_to: datetime

    @classmethod
    def of(cls, it: Appointment) -> "Stretch":
        """An appointment's."""
        return cls(it.counselor_id, it.room_id, it.busy_from, it.busy_to)


@dataclass(frozen=True, slots=True)
class InLine:
    """Somebody who waits, as a plain value: rows do not outlive a time that the engine refuses."""

    id: int
    student_id: int
    haste: Haste
    counselor_id: int | None
    mode: Mode | None
    earlier_than_id: int | None
    earlier_than: datetime | None  # when what they have begins
    reached: bool


def the_line(session: Session, *, now: datetime) -> list[InLine]:
    """Everybody who waits and has no offer, in order; not who waits for something earlier than what is over."""
    reached = sa.exists().where(col(Contact.person_id) == col(Waiter.student_id), col(Contact.listening).is_(True))
    rows = session.execute(
        sa.select(
            col(Waiter.id), col(Waiter.student_id), col(Waiter.haste), col(Waiter.counselor_id), col(Waiter.mode),
            col(Waiter.earlier_than_id), col(Appointment.starts_at), reached,
        )
        .outerjoin(Appointment, col(Appointment.id) == col(Waiter.earlier_than_id))
        .where(col(Waiter.state) == WaiterState.WAITING, (col(Waiter.haste) != Haste.EARLIER) | _stands(now))
        .order_by(col(Waiter.rank), col(Waiter.since), col(Waiter.id))
    )  # fmt: skip
    return [InLine(*row) for row in rows]


def _stands(now: datetime) -> sa.ColumnElement[bool]:
    """Whether the appointment that somebody would give up for an earlier one is still to come."""
    return col(Appointment.state).in_(FIRM) & (col(Appointment.starts_at) > now)


def retire(session: Session, *, now: datetime) -> int:
    """Whoever waited for something earlier than what is over waits no more; returns how many those were."""
    stands = sa.exists().where(col(Appointment.id) == col(Waiter.earlier_than_id), _stands(now))
    done: sa.CursorResult[Any] = session.connection().execute(
        sa.update(Waiter)
        .where(col(Waiter.state) == WaiterState.WAITING, col(Waiter.haste) == Haste.EARLIER, ~stands)
        .values(state=WaiterState.LAPSED, ended_at=now)
    )
    return int(done.rowcount)


def somebody_waits(session: Session) -> bool:
    """Whether there is a line at all."""
    return session.exec(select(Waiter.id).where(Waiter.state == WaiterState.WAITING).limit(1)).first() is not None


def offer_stretch(session: Session, it: Appointment, *, policy: BookingPolicy, now: datetime) -> int:
    """Offer whatever is free now where an appointment was; returns how many were asked."""
    others = take_back(session, now=now)
    return sum(_offer_in(session, each, policy=policy, now=now) for each in (Stretch.of(it), *others))


def lapse_offers(session: Session, *, policy: BookingPolicy, now: datetime) -> int:
    """Whatever was offered and has passed goes to the next in line, before anybody else may take it; returns how many had."""
    freed = take_back(session, now=now)
    for each in freed:
        _offer_in(session, each, policy=policy, now=now)
    return len(freed)


def take_back(session: Session, *, now: datetime) -> list["Stretch"]:
    """End the offers that have passed: whoever had one is in line again, in their place, before the next time is given away."""
    session.flush()
    freed = []
    for (id_,) in _PASSED.all(session, now=now):
        it = session.get_one(Appointment, id_, populate_existing=True)
        end_passing(session, it, AppointmentState.LAPSED, now=now)
        plan(session, f"offer:{id_}", PushKind.OFFER_OVER, it.student_id, now=now, waiter=it.waiter_id)
        freed.append(Stretch.of(it))
    return freed


def _offer_in(session: Session, freed: "Stretch", *, policy: BookingPolicy, now: datetime) -> int:
    if freed.busy_to <= now or not somebody_waits(session):
        return 0
    given: list[Slot] = []
    for slot in free_slots(session, policy=policy, now=now, first=freed.busy_from - LONGEST, last=freed.busy_to):
        same = slot.counselor_id == freed.counselor_id or (freed.room_id is not None and slot.room_id == freed.room_id)
        if not same or slot.busy_to <= freed.busy_from or slot.busy_from >= freed.busy_to:
            continue
        if not any(meet(slot, other) for other in given) and offer(session, slot, policy=policy, now=now) is not None:
            given.append(slot)
    return len(given)


def meet(one: Slot, other: Slot) -> bool:
    """Whether two slots cannot both be given away."""
    same = one.counselor_id == other.counselor_id or (one.room_id is not None and one.room_id == other.room_id)
    return same and one.busy_from < other.busy_to and other.busy_from < one.busy_to


def _until(slot: Slot, policy: BookingPolicy, now: datetime) -> datetime:
    """Until when an offer made now is kept: whoever sleeps does not lose it."""
    return min(awake_for(policy.quiet, now, policy.offer), slot.starts_at - TO_GET_THERE)


def is_worth_asking(slot: Slot, policy: BookingPolicy, now: datetime) -> bool:
    """Whether there is time enough for an answer."""
    return _until(slot, policy, now) - waking(policy.quiet, now) >= min(TO_ANSWER, policy.offer)


def offer(session: Session, slot: Slot, *, policy: BookingPolicy, now: datetime, freed: bool = True) -> int | None:
    """Ask the first in line whom a free slot suits; returns who that was. Everybody before is logged with why.

    `freed`: it is logged also when it suits nobody; a duty that looks again and again would write the same for ever.
    """
    if not is_worth_asking(slot, policy, now):
        return None
    line = the_line(session, now=now)
    said_no = _said_no(session, slot)
    log: list[tuple[InLine, WaiterEvent]] = []
    asked: InLine | None = None
    for waiting in line:
        why = _why_not(session, waiting, slot, said_no, policy=policy, now=now)
        if why is None:
            try:
                _give(session, waiting, slot, policy=policy, now=now)
            except TimeTakenError:
                why = WaiterEvent.SKIPPED_BUSY
            else:
                asked = waiting
                log.append((waiting, WaiterEvent.OFFERED))
                break
        log.append((waiting, why))
    if asked is not None or freed:
        _log(session, log, slot, now=now)
    return None if asked is None else asked.id


def _why_not(  # noqa: PLR0911 — one line a reason
    session: Session, it: InLine, slot: Slot, said_no: set[int], *, policy: BookingPolicy, now: datetime
) -> WaiterEvent | None:
    """Why somebody is not asked; None when the slot suits them. What costs least is asked first."""
    if it.counselor_id not in {None, slot.counselor_id}:
        return WaiterEvent.SKIPPED_COUNSELOR
    if it.mode is not None and it.mode not in slot.modes:
        return WaiterEvent.SKIPPED_MODE
    if it.earlier_than is not None and slot.starts_at >= it.earlier_than:
        return WaiterEvent.SKIPPED_LATER
    if it.id in said_no:
        return WaiterEvent.SKIPPED_ASKED
    if not it.reached:
        return WaiterEvent.SKIPPED_UNREACHED
    if _is_busy(session, it.student_id, slot, now=now):
        return WaiterEvent.SKIPPED_BUSY
    try:
        check_limits(session, it.student_id, slot.starts_at, policy=policy, now=now, but=it.earlier_than_id or 0)
    except RefusedError:
        return WaiterEvent.SKIPPED_LIMIT
    if slot.tier is Tier.STATION and is_sent_on(session, it.student_id):
        return WaiterEvent.SKIPPED_COUNSELOR
    found = slot_at(
        session,
        slot.starts_at,
        policy=policy,
        now=now,
        student_id=it.student_id,
        counselor_id=slot.counselor_id,
        mode=it.mode,
        instead_of=it.earlier_than_id,
    )
    if found is not None and not found.tied:
        return None
    known = relations(session, it.student_id, policy=policy)
    tied = slot.counselor_id in known.tied or slot.counselor_id in known.own
    return WaiterEvent.SKIPPED_TIE if tied else WaiterEvent.SKIPPED_COUNSELOR


def _is_busy(session: Session, student_id: int, slot: Slot, *, now: datetime) -> bool:
    """Whether a student has something else then, their own hold included."""
    return (
        session.exec(
            select(Appointment.id)
            .where(Appointment.student_id == student_id, sa.text(IS_LIVE))
            .where(Appointment.starts_at < slot.ends_at, Appointment.ends_at > slot.starts_at)
            .where(col(Appointment.until).is_(None) | (col(Appointment.until) > now) | col(Appointment.state).in_(FIRM))
            .limit(1)
        ).first()
        is not None
    )


def is_sent_on(session: Session, student_id: int) -> bool:
    """Whether a station has sent somebody on to the centre, and they have not booked there yet (J-11)."""
    query = select(Referral.id).where(Referral.student_id == student_id, col(Referral.taken_at).is_(None))
    return session.exec(query.limit(1)).first() is not None


def _said_no(session: Session, slot: Slot) -> set[int]:
    """Who was asked for this very time before, and did not take it."""
    return set(
        session.exec(
            select(WaiterLog.waiter_id).where(
                WaiterLog.counselor_id == slot.counselor_id,
                WaiterLog.starts_at == slot.starts_at,
                col(WaiterLog.event).in_(SAID_NO),
            )
        )
    )


def _give(session: Session, it: InLine, slot: Slot, *, policy: BookingPolicy, now: datetime) -> None:
    """Keep the slot for somebody, and ask them. Raises: TimeTakenError."""
    until = _until(slot, policy, now)
    row = insert(
        session, SYSTEM, it.student_id, slot, it.mode or slot.modes[0], AppointmentState.OFFERED,
        until=until, now=now, serves_id=it.earlier_than_id, waiter_id=it.id,
    )  # fmt: skip
    session.connection().execute(sa.update(Waiter).where(col(Waiter.id) == it.id).values(state=WaiterState.OFFERED))
    record(session, Fact.TIME_OFFERED, None, f"waiter:{it.id}", at=now, appointment=row.id)
    plan(
        session, f"offer:{row.id}", PushKind.OFFER_MADE, it.student_id, now=now, lasts=until - now,
        waiter=it.id, appointment=row.id, version=row.version, when=when(slot.starts_at, policy),
        until=when(until, policy),
    )  # fmt: skip


def _log(session: Session, events: list[tuple[InLine, WaiterEvent]], slot: Slot, *, now: datetime) -> None:
    for it, event in events:
        session.add(
            WaiterLog(waiter_id=it.id, at=now, event=event, counselor_id=slot.counselor_id, starts_at=slot.starts_at)
        )
    session.flush()
