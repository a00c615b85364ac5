"""What free times are computed from, read in a few statements that no history makes longer.

Units: seconds since 1970 for moments, seconds for lengths: the loops over candidates compare whole numbers only.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlmodel import Session

from models.booking.choices import Mode
from models.booking.table import (
    FIRM,
    LIVE,
    Appointment,
    AppointmentState,
    ChangeKind,
    Counselor,
    Opening,
    OpeningChange,
    Room,
    RoomUse,
    Tier,
)
from models.db import Among, Fixed, json_ids, utc
from models.person import Person
from models.policy import BookingPolicy
from models.unit import Level, Unit

_it, _counselor, _room = Appointment.__table__, Counselor.__table__, Room.__table__  # type: ignore[attr-defined]
_opening, _change = Opening.__table__, OpeningChange.__table__  # type: ignore[attr-defined]
_person, _unit = Person.__table__, Unit.__table__  # type: ignore[attr-defined]
NEVER, ALWAYS = date.min.toordinal(), date.max.toordinal()
_MINUTE = 60
_WORKED = (AppointmentState.DONE, AppointmentState.MISSED)
"""What has been, and counts for a counselor's week."""


def _literals(states: Collection[AppointmentState]) -> list[Any]:
    return [sa.literal_column(f"'{state.value}'") for state in states]


class _Seconds(sa.sql.expression.ColumnElement[int]):
    """A moment as whole seconds; SQLite gives its text, for which `seconds` is quicker than the engine's own reckoning."""

    inherit_cache = False

    def __init__(self, column: Any) -> None:
        self.column = column


@compiles(_Seconds, "sqlite")
def _seconds_sqlite(it: _Seconds, compiler: Any, **_: Any) -> str:
    return str(compiler.process(it.column))


@compiles(_Seconds, "postgresql")
def _seconds_postgresql(it: _Seconds, compiler: Any, **_: Any) -> str:
    return f"CAST(EXTRACT(EPOCH FROM {compiler.process(it.column)}) AS BIGINT)"


@lru_cache(maxsize=16384)
def seconds(moment: str | int) -> int:
    """A moment as `_Seconds` comes back. Many appointments begin at the same one: each is reckoned once."""
    return moment if isinstance(moment, int) else int(utc(moment).timestamp())


def _stands() -> Any:
    """Not a hold, offer or proposal that has passed, and not the asking student's own hold: the next one replaces it."""
    lasts = _it.c.state.in_(_literals((*FIRM, *_WORKED))) | _it.c.until.is_(None) | (_it.c.until > sa.bindparam("now"))
    return lasts & sa.not_(
        (_it.c.state == sa.literal_column("'held'")) & (_it.c.student_id == sa.bindparam("student_id"))
    )


COUNSELORS = Fixed(
    lambda: (
        sa.select(
            _counselor.c.id, _counselor.c.tier, _counselor.c.modes, _counselor.c.room_id, _counselor.c.term_ends,
            _counselor.c.session_minutes, _counselor.c.buffer_before, _counselor.c.buffer_after,
            _counselor.c.most_a_day, _counselor.c.most_a_week,
        )
        .select_from(_counselor.join(_person, _person.c.id == _counselor.c.person_id))
        .where(_counselor.c.ended_at.is_(None), _person.c.ended_at.is_(None))
        .where((sa.bindparam("only") == 0) | (_counselor.c.id == sa.bindparam("only")))
        .order_by(_counselor.c.firsts, _counselor.c.id)
    )
)  # fmt: skip
ROOM = Fixed(
    lambda: (
        sa.select(_room.c.unit_id, _unit.c.level, _room.c.use)
        .select_from(_room.join(_unit, _unit.c.id == _room.c.unit_id))
        .where(_room.c.id == sa.bindparam("room_id"), _room.c.ended_at.is_(None), _room.c.alone.is_(sa.true()))
    )
)
ROOMS = Fixed(lambda: sa.select(_room.c.id).where(_room.c.ended_at.is_(None)))
OPENINGS = Fixed(
    lambda: sa.select(
        _opening.c.counselor_id, _opening.c.room_id, _opening.c.weekday, _opening.c.starts, _opening.c.ends,
        _opening.c.modes, _opening.c.from_day, _opening.c.to_day,
    )
    .where(
        Among(_opening.c.counselor_id, "ids")
        | (_opening.c.counselor_id.is_(None) & (_opening.c.room_id == sa.bindparam("room_id")))
    )
    .order_by(_opening.c.starts, _opening.c.id)
)  # fmt: skip
CHANGES = Fixed(
    lambda: (
        sa.select(
            _change.c.counselor_id, _change.c.room_id, _change.c.kind, _Seconds(_change.c.starts_at),
            _Seconds(_change.c.ends_at), _change.c.modes,
        )
        .where(_change.c.ends_at > sa.bindparam("since"), _change.c.starts_at < sa.bindparam("until"))
        .order_by(_change.c.starts_at, _change.c.id)
    )
)  # fmt: skip
OVER, PASSES, STANDS = 0, 1, 2
"""What an appointment does: counts only; takes time only; both."""


def _weight() -> Any:
    passes = (_it.c.state == sa.literal_column("'proposed'")) | (_it.c.id == sa.bindparam("but"))
    return sa.case(
        (_it.c.state.in_(_literals(_WORKED)), sa.literal_column("0")),
        (passes, sa.literal_column("1")),
        else_=sa.literal_column("2"),
    )


# Thousands of rows come back: what a small number can say, or what another column says already, is no text.
OF_COUNSELORS = Fixed(
    lambda: sa.select(
        _it.c.counselor_id, _it.c.room_id, _weight(), _Seconds(sa.func.nullif(_it.c.starts_at, _it.c.busy_from)),
        _Seconds(_it.c.busy_from), _Seconds(_it.c.busy_to),
    ).where(
        Among(_it.c.counselor_id, "ids"),
        _it.c.starts_at >= sa.bindparam("since"),
        _it.c.starts_at < sa.bindparam("until"),
        _it.c.state != sa.literal_column("'lapsed'"),  # as the index says it
        _it.c.state.in_(_literals((*LIVE, *_WORKED))),
        _stands(),
    )
)  # fmt: skip
OF_ROOMS = Fixed(
    lambda: sa.select(_it.c.room_id, _Seconds(_it.c.busy_from), _Seconds(_it.c.busy_to)).where(
        Among(_it.c.room_id, "rooms"),
        _it.c.busy_from >= sa.bindparam("since"),
        _it.c.busy_from < sa.bindparam("until"),
        _it.c.state.in_(_literals(LIVE)),
        _it.c.counselor_id.is_(None) | sa.not_(Among(_it.c.counselor_id, "ids")),
        _stands(),
    )
)
"""What others than these counselors do in these rooms."""

OF_STUDENT = Fixed(
    lambda: (
        sa.select(
            _it.c.id, _it.c.counselor_id, _room.c.use, _it.c.state, _Seconds(_it.c.starts_at), _Seconds(_it.c.ends_at)
        )
        .select_from(_it.outerjoin(_room, _room.c.id == _it.c.room_id))
        .where(_it.c.student_id == sa.bindparam("student_id"), _it.c.starts_at >= sa.bindparam("since"))
        .where(_it.c.state.in_(_literals((*LIVE, AppointmentState.DONE))), _stands())
    )
)
COLLEGE = Fixed(lambda: sa.select(_person.c.college_id).where(_person.c.id == sa.bindparam("student_id")))


class Hours(NamedTuple):
    """A stretch in which somebody can be booked. `modes` and `room_id` empty: as they usually do."""

    starts: int
    ends: int
    modes: tuple[Mode, ...]
    room_id: int | None
    from_day: int = NEVER
    to_day: int = ALWAYS


@dataclass(slots=True)
class Bookable:
    """A counselor, or a room by itself."""

    counselor_id: int | None
    room_id: int | None
    tier: Tier
    modes: tuple[Mode, ...]
    session: int
    before: int
    after: int
    most_a_day: int = 0
    most_a_week: int = 0
    last_day: int = ALWAYS

    @property
    def whole(self) -> int:
        """Session and buffers."""
        return self.before + self.session + self.after


def modes_of(text: str) -> tuple[Mode, ...]:
    """Modes as a column holds them, in the order of `Mode`."""
    given = text.split()
    return tuple(mode for mode in Mode if mode in given)


def counselors(session: Session, counselor_id: int | None, *, policy: BookingPolicy) -> list[Bookable]:
    """Those who take bookings, by fewest first bookings; only one when named."""
    found = []
    for row in COUNSELORS.all(session, only=counselor_id or 0):
        id_, tier, modes, room_id, term_ends, minutes, before, after, a_day, a_week = row
        found.append(
            Bookable(
                id_,
                room_id,
                Tier(tier),
                modes_of(modes),
                _length(minutes, policy.session),
                _length(before, policy.buffer_before),
                _length(after, policy.buffer_after),
                policy.counselor_a_day if a_day is None else a_day,
                policy.counselor_a_week if a_week is None else a_week,
                _ordinal(term_ends, ALWAYS),
            )
        )
    return found


def _length(minutes: int | None, usual: Any) -> int:
    return int(usual.total_seconds()) if minutes is None else minutes * _MINUTE


def _ordinal(day: str | date | None, otherwise: int) -> int:
    """A day as a number; SQLite gives it as text."""
    if day is None:
        return otherwise
    return (date.fromisoformat(day) if isinstance(day, str) else day).toordinal()


def room_alone(session: Session, room_id: int, *, policy: BookingPolicy) -> tuple[Bookable, int | None, RoomUse] | None:
    """A room that can be booked by itself, the college it is for (None: everybody) and its use."""
    row = ROOM.one(session, room_id=room_id)
    if row is None:
        return None
    unit_id, level, use = row
    lengths = (_length(None, each) for each in (policy.session, policy.buffer_before, policy.buffer_after))
    of_school = level == Level.SCHOOL
    tier = Tier.CENTRE if of_school else Tier.STATION
    return Bookable(None, room_id, tier, (Mode.IN_PERSON,), *lengths), None if of_school else unit_id, RoomUse(use)


def openings(session: Session, who: Sequence[Bookable]) -> dict[int, list[list[Hours]]]:
    """Weekly hours by counselor, 0 for a room by itself, and weekday. Units: seconds from local midnight."""
    found: dict[int, list[list[Hours]]] = {}
    ids, room_id = _ids(who)
    for counselor_id, room, weekday, starts, ends, modes, since, until in OPENINGS.all(
        session, ids=ids, room_id=room_id
    ):
        hours = Hours(
            starts * _MINUTE, ends * _MINUTE, modes_of(modes), room, _ordinal(since, NEVER), _ordinal(until, ALWAYS)
        )
        found.setdefault(counselor_id or 0, [[] for _ in range(7)])[weekday].append(hours)
    return found


def _ids(who: Sequence[Bookable]) -> tuple[str, int]:
    """The counselors, and the room by itself, as statements take them."""
    ids = [it.counselor_id for it in who if it.counselor_id is not None]
    room_id = next((it.room_id for it in who if it.counselor_id is None), None)
    return json_ids(ids), room_id or 0


@dataclass(slots=True)
class Changes:
    """What differs from the weekly plan, by counselor or room; None stands for everybody."""

    extra: dict[int | None, list[Hours]]
    extra_rooms: dict[int, list[Hours]]
    shut: dict[int | None, list[tuple[int, int]]]
    shut_rooms: dict[int, list[tuple[int, int]]]


def changes(session: Session, since: datetime, until: datetime) -> Changes:
    """Extra hours, closings and leave between two moments."""
    found = Changes({}, {}, {}, {})
    for counselor_id, room_id, kind, begin, end, modes in CHANGES.all(session, since=since, until=until):
        starts, ends = seconds(begin), seconds(end)
        of_a_room = counselor_id is None and room_id is not None
        if kind == ChangeKind.EXTRA:
            hours = Hours(starts, ends, modes_of(modes), room_id)
            if of_a_room:
                found.extra_rooms.setdefault(room_id, []).append(hours)
            else:
                found.extra.setdefault(counselor_id, []).append(hours)
        elif of_a_room:
            found.shut_rooms.setdefault(room_id, []).append((starts, ends))
        else:
            found.shut.setdefault(counselor_id, []).append((starts, ends))
    return found


def live_rooms(session: Session) -> set[int]:
    """Rooms that are still there."""
    return {room_id for (room_id,) in ROOMS.all(session)}


def college_of(session: Session, student_id: int) -> int | None:
    """A student's college."""
    row = COLLEGE.one(session, student_id=student_id)
    return None if row is None else row[0]
