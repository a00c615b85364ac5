"""When a counselor, or a room by itself, can be booked: weekly hours, extra hours, closings. Rules: docs/rules.md#booking; K-42.

What a change would hit is counted by `booked_in`; nobody's appointment moves by itself: leave asks each of them (`leaving.py`).
Weekly hours that end keep their row with a last day, so that hours on duty can be counted (K-42).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import sqlalchemy as sa
from sqlmodel import Session, col, select

from models.audit import Fact, record
from models.booking.rules import lock
from models.booking.table import (
    FIRM,
    PASSING,
    Appointment,
    AppointmentState,
    ChangeKind,
    Opening,
    OpeningChange,
)
from models.booking.taking import By, end_passing
from models.errors import RefusedError
from models.policy import BookingPolicy

DAY = 24 * 60
"""Minutes."""

_ONE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Weekly:
    """A weekly stretch as somebody wishes it. Units: minutes from local midnight; no days: from today on, for ever."""

    weekday: int
    starts: int
    ends: int
    modes: str = ""
    room_id: int | None = None
    from_day: date | None = None
    to_day: date | None = None


def hours_of(session: Session, counselor_id: int, day: date) -> list[Opening]:
    """A counselor's weekly hours that hold on a day or begin after it, by weekday and start."""
    return _hours(session, col(Opening.counselor_id) == counselor_id, day)


def hours_of_room(session: Session, room_id: int, day: date) -> list[Opening]:
    """The same of a room by itself."""
    return _hours(session, col(Opening.counselor_id).is_(None) & (col(Opening.room_id) == room_id), day)


def _hours(session: Session, whose: sa.ColumnElement[bool], day: date) -> list[Opening]:
    lasts = col(Opening.to_day).is_(None) | (col(Opening.to_day) >= day)
    query = select(Opening).where(whose, lasts).order_by(col(Opening.weekday), col(Opening.starts), col(Opening.id))
    return list(session.exec(query))


def changes_of(session: Session, counselor_id: int, since: datetime, until: datetime) -> list[OpeningChange]:
    """A counselor's own extra hours, closings and leave between two moments, by start."""
    return list(
        session.exec(
            select(OpeningChange)
            .where(OpeningChange.counselor_id == counselor_id)
            .where(col(OpeningChange.ends_at) > since, col(OpeningChange.starts_at) < until)
            .order_by(col(OpeningChange.starts_at), col(OpeningChange.id))
        )
    )


def booked_in(session: Session, counselor_id: int, start: datetime, end: datetime) -> list[int]:
    """The appointments that lie in a stretch, by start."""
    rows = session.exec(
        select(col(Appointment.id))
        .where(Appointment.counselor_id == counselor_id, col(Appointment.state).in_(FIRM))
        .where(col(Appointment.starts_at) < end, col(Appointment.starts_at) > start - _ONE)
        .where(col(Appointment.ends_at) > start)
        .order_by(col(Appointment.starts_at))
    )
    return [id_ for id_ in rows if id_ is not None]


def open_hours(
    session: Session, by: By, counselor_id: int, hours: Weekly, *, policy: BookingPolicy, now: datetime
) -> int:
    """A weekly stretch more; returns its id. Raises: RefusedError when it is no stretch or overlaps one that there is."""
    lock(session)
    today = today_of(policy, now)
    _check(hours)
    if any(_clash(hours, each) for each in hours_of(session, counselor_id, today)):
        raise RefusedError("supply.hours_twice")
    id_ = _open(session, hours, today, counselor_id=counselor_id)
    note(session, by, f"counselor:{counselor_id}", now, what="hours")
    return id_


def close_hours(
    session: Session,
    by: By,
    counselor_id: int,
    weekday: int,
    starts: int,
    ends: int,
    *,
    policy: BookingPolicy,
    now: datetime,
) -> int:
    """From today on a weekly stretch is closed; what is left of hours around it stays. Returns how many it cut."""
    lock(session)
    today, cut = today_of(policy, now), 0
    for it in hours_of(session, counselor_id, today):
        if it.weekday != weekday or it.ends <= starts or ends <= it.starts:
            continue
        cut += 1
        for begin, end in ((it.starts, starts), (ends, it.ends)):
            if begin < end:
                rest = Weekly(weekday, begin, end, it.modes, it.room_id, it.from_day, it.to_day)
                _open(session, rest, today, counselor_id=counselor_id)
        _end(session, it, today)
    if cut:
        note(session, by, f"counselor:{counselor_id}", now, what="hours", cut=cut)
    return cut


def replace_hours(
    session: Session,
    by: By,
    hours: Sequence[Weekly],
    *,
    counselor_id: int | None = None,
    room_id: int | None = None,
    policy: BookingPolicy,
    now: datetime,
) -> tuple[int, int]:
    """From today on these are the weekly hours of a counselor, or of a room by itself; returns how many began and ended."""
    today = today_of(policy, now)
    if counselor_id is not None:
        lock(session)
        old = hours_of(session, counselor_id, today)
    else:
        old = hours_of_room(session, room_id or 0, today)
        hours = [Weekly(it.weekday, it.starts, it.ends, it.modes, room_id, it.from_day, it.to_day) for it in hours]
    wanted, ended = list(hours), 0
    for it in old:
        same = next((each for each in wanted if _same(each, it, today)), None)
        if same is None:
            _end(session, it, today)
            ended += 1
        else:
            wanted.remove(same)
    for each in wanted:
        _check(each)
        _open(session, each, today, counselor_id=counselor_id)
    if wanted or ended:
        note(session, by, _whose(counselor_id, room_id), now, what="hours", began=len(wanted), ended=ended)
    return len(wanted), ended


def today_of(policy: BookingPolicy, now: datetime) -> date:
    """The local day."""
    return now.astimezone(policy.zone).date()


def _check(hours: Weekly) -> None:
    if not (0 <= hours.starts < hours.ends <= DAY and 0 <= hours.weekday <= 6):  # noqa: PLR2004 — Sunday
        raise RefusedError("supply.no_stretch")
    if hours.from_day and hours.to_day and hours.to_day < hours.from_day:
        raise RefusedError("supply.no_stretch")


def _clash(one: Weekly, other: Opening) -> bool:
    days = (one.from_day or date.min) <= (other.to_day or date.max) and (other.from_day or date.min) <= (
        one.to_day or date.max
    )
    return days and one.weekday == other.weekday and one.starts < other.ends and other.starts < one.ends


def _same(wanted: Weekly, it: Opening, today: date) -> bool:
    begins = wanted.from_day == it.from_day or ((wanted.from_day or today) <= today and (it.from_day or today) <= today)
    return begins and all(
        getattr(wanted, name) == getattr(it, name)
        for name in ("weekday", "starts", "ends", "modes", "room_id", "to_day")
    )


def _open(session: Session, hours: Weekly, today: date, *, counselor_id: int | None) -> int:
    it = Opening(
        counselor_id=counselor_id,
        room_id=hours.room_id,
        weekday=hours.weekday,
        starts=hours.starts,
        ends=hours.ends,
        modes=hours.modes,
        from_day=max(hours.from_day or today, today),
        to_day=hours.to_day,
    )
    session.add(it)
    session.flush()
    return it.id or 0


def _end(session: Session, it: Opening, today: date) -> None:
    """What has been open keeps its row; what had not begun goes."""
    if it.from_day is not None and it.from_day >= today:
        session.delete(it)
    else:
        it.to_day = today - _ONE
        session.add(it)
    session.flush()


def open_extra(  # noqa: PLR0913 — a stretch
    session: Session,
    by: By,
    counselor_id: int | None,
    start: datetime,
    end: datetime,
    *,
    policy: BookingPolicy,
    now: datetime,
    modes: str = "",
    room_id: int | None = None,
) -> int:
    """Open a stretch besides, or again: own closings of it are lifted, and where the plan is open already nothing is added.

    Without a counselor it is the room's by itself, or everybody's. Returns how many stretches were added.
    Raises: RefusedError when it is no stretch or over.
    """
    _check_stretch(start, end, now)
    lock(session)
    left = [(start, end)]
    if counselor_id is not None:
        left = _reopened(session, by, counselor_id, start, end)
        if not modes and room_id is None:
            for begin, rest in _planned(session, counselor_id, start, end, policy=policy):
                left = _without(left, begin, rest)
    for begin, rest in left:
        _change(session, by, counselor_id, ChangeKind.EXTRA, begin, rest, now=now, modes=modes, room_id=room_id)
    session.flush()
    note(session, by, _whose(counselor_id, room_id), now, what="extra", added=len(left))
    return len(left)


def _reopened(
    session: Session, by: By, counselor_id: int, start: datetime, end: datetime
) -> list[tuple[datetime, datetime]]:
    """Lift own closings of a stretch; what of it no extra hours cover yet."""
    left = [(start, end)]
    for it in changes_of(session, counselor_id, start, end):
        if it.kind is ChangeKind.EXTRA:
            left = _without(left, it.starts_at, it.ends_at)
            continue
        for begin, rest in _without([(it.starts_at, it.ends_at)], start, end):
            _change(session, by, counselor_id, it.kind, begin, rest, now=it.made_at, modes=it.modes)
        session.delete(it)
    return left


def close_stretch(
    session: Session,
    by: By,
    counselor_id: int | None,
    start: datetime,
    end: datetime,
    *,
    now: datetime,
    kind: ChangeKind = ChangeKind.CLOSED,
    room_id: int | None = None,
) -> list[int]:
    """Nothing new is booked in a stretch; returns what is booked in it and stays. Neither counselor nor room: everybody's.

    Raises: RefusedError when it is no stretch or over.
    """
    _check_stretch(start, end, now)
    lock(session)
    if counselor_id is not None:
        for it in changes_of(session, counselor_id, start, end):
            if it.kind is ChangeKind.EXTRA:
                for begin, rest in _without([(it.starts_at, it.ends_at)], start, end):
                    _change(
                        session,
                        by,
                        counselor_id,
                        it.kind,
                        begin,
                        rest,
                        now=it.made_at,
                        modes=it.modes,
                        room_id=it.room_id,
                    )
                session.delete(it)
    _change(session, by, counselor_id, kind, start, end, now=now, room_id=room_id)
    session.flush()
    let_passing_go(session, start, end, now=now, counselor_id=counselor_id, room_id=room_id)
    note(session, by, _whose(counselor_id, room_id), now, what=kind.value)
    return [] if counselor_id is None else booked_in(session, counselor_id, start, end)


def let_passing_go(
    session: Session,
    start: datetime,
    end: datetime,
    *,
    now: datetime,
    counselor_id: int | None = None,
    room_id: int | None = None,
) -> None:
    """What is on hold, offered or proposed in a stretch that closes is not to be had any more; nobody has it yet."""
    query = select(Appointment).where(
        col(Appointment.state).in_(PASSING), col(Appointment.starts_at) < end, col(Appointment.ends_at) > start
    )
    if counselor_id is not None:
        query = query.where(Appointment.counselor_id == counselor_id)
    elif room_id is not None:
        query = query.where(Appointment.room_id == room_id)
    for it in session.exec(query.order_by(col(Appointment.id))).all():
        end_passing(session, it, AppointmentState.LAPSED, now=now)


def _check_stretch(start: datetime, end: datetime, now: datetime) -> None:
    if start >= end:
        raise RefusedError("supply.no_stretch")
    if end <= now:
        raise RefusedError("supply.stretch_over")


def _change(  # noqa: PLR0913 — as above
    session: Session,
    by: By,
    counselor_id: int | None,
    kind: ChangeKind,
    start: datetime,
    end: datetime,
    *,
    now: datetime,
    modes: str = "",
    room_id: int | None = None,
) -> None:
    session.add(
        OpeningChange(
            counselor_id=counselor_id,
            room_id=room_id,
            kind=kind,
            starts_at=start,
            ends_at=end,
            modes=modes,
            made_by=by.person_id,
            made_at=now,
        )
    )


def _without(
    stretches: Iterable[tuple[datetime, datetime]], start: datetime, end: datetime
) -> list[tuple[datetime, datetime]]:
    """What is left of stretches when one is taken out of them."""
    parts = ((part for part in ((begin, min(rest, start)), (max(begin, end), rest))) for begin, rest in stretches)
    return [(begin, rest) for pair in parts for begin, rest in pair if begin < rest]


def _planned(
    session: Session, counselor_id: int, start: datetime, end: datetime, *, policy: BookingPolicy
) -> list[tuple[datetime, datetime]]:
    """Weekly hours as moments, on every day that a stretch touches."""
    found, day, last = [], start.astimezone(policy.zone).date(), end.astimezone(policy.zone).date()
    weekly = hours_of(session, counselor_id, day)
    while day <= last:
        midnight = datetime.combine(day, time(), policy.zone)
        for it in weekly:
            if it.weekday == day.weekday() and (it.from_day or day) <= day <= (it.to_day or day):
                begin, rest = (midnight + timedelta(minutes=each) for each in (it.starts, it.ends))
                found.append((begin.astimezone(UTC), rest.astimezone(UTC)))
        day += _ONE
    return found


def _whose(counselor_id: int | None, room_id: int | None) -> str:
    """The subject of a fact."""
    return f"counselor:{counselor_id}" if counselor_id else f"room:{room_id}" if room_id else "school"


def note(session: Session, by: By, subject: str, now: datetime, **details: int | str | None) -> None:
    """Record that the supply changed."""
    session.flush()
    record(session, Fact.SUPPLY_CHANGED, by.person_id, subject, at=now, **details)
