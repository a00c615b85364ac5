"""Free times, computed from openings, changes, limits and what is taken; nothing of it is stored. Rules: docs/rules.md#booking.

A fixed number of queries, whatever the history (`reads.py`). What is compared are whole seconds (`window.py`); only what is on
offer becomes a moment again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain
from typing import NamedTuple

from sqlmodel import Session

from models.booking import reads
from models.booking.choices import Mode
from models.booking.reads import ALWAYS, NEVER, Bookable, Hours
from models.booking.table import RoomUse, Tier
from models.booking.ties import relations
from models.booking.window import NONE, Day, Own, Stretches, Taken, Window, overlaps, own_times, taken, window_of
from models.policy import BookingPolicy

_STEP = 300
"""Sessions follow each other in whole steps of five minutes."""


class Slot(NamedTuple):
    """A time that can be booked now. Units: aware UTC. `counselor_id` is None for a room by itself.

    `tied`: the student knows the counselor otherwise; such slots come only where the school warns of them.
    """

    counselor_id: int | None
    room_id: int | None
    starts_at: datetime
    ends_at: datetime
    busy_from: datetime
    busy_to: datetime
    modes: tuple[Mode, ...]
    tier: Tier
    tied: bool = False


def free_slots(  # noqa: PLR0913 — what may narrow the search
    session: Session,
    *,
    policy: BookingPolicy,
    now: datetime,
    student_id: int | None = None,
    counselor_id: int | None = None,
    room_id: int | None = None,
    mode: Mode | None = None,
    first: datetime | None = None,
    last: datetime | None = None,
    instead_of: int | None = None,
    by_staff: bool = False,
) -> list[Slot]:
    """Times on offer, earliest first, then by fewest first bookings; those of tied counselors behind all others.

    With a student: only what they could really book (dual relation, own limits, own times). `room_id` asks for a room by itself.
    `first` and `last` bound the start. `instead_of` is an appointment that would move: it counts against no limit, and its own
    stretch is not offered. `by_staff`: notice, limits and dual relation do not count, open hours and what is taken do.
    """
    session.flush()  # the statements below go to the driver and see only what is written
    window = window_of(policy, now=now, first=first, last=last, by_staff=by_staff)
    if window is None:
        return []
    for_student = None if by_staff else student_id
    tied: frozenset[int] = frozenset()
    use = None
    if room_id is not None:
        who, use = _room(session, room_id, for_student, policy=policy)
    else:
        who, tied = _counselors(session, counselor_id, for_student, policy=policy)
    if not who:
        return []
    own: Own | None = Own(NONE, frozenset())
    if student_id is not None:
        own = own_times(
            session, student_id, window, use=use, policy=policy, now=now, but=instead_of, limited=not by_staff
        )
    if own is None:
        return []
    search = _Search(session, window, who, own, mode)
    search.taken = taken(
        session, who, search.rooms, window, now=now, student_id=student_id or 0, but=instead_of, limited=not by_staff
    )
    return search.slots(tied)


def slot_at(  # noqa: PLR0913 — as above
    session: Session,
    starts_at: datetime,
    *,
    policy: BookingPolicy,
    now: datetime,
    student_id: int | None = None,
    counselor_id: int | None = None,
    room_id: int | None = None,
    mode: Mode | None = None,
    instead_of: int | None = None,
    by_staff: bool = False,
) -> Slot | None:
    """The slot that starts then, if it is on offer; None otherwise."""
    found = free_slots(
        session,
        policy=policy,
        now=now,
        student_id=student_id,
        counselor_id=counselor_id,
        room_id=room_id,
        mode=mode,
        first=starts_at,
        last=starts_at,
        instead_of=instead_of,
        by_staff=by_staff,
    )
    return found[0] if found else None


def _counselors(
    session: Session, counselor_id: int | None, student_id: int | None, *, policy: BookingPolicy
) -> tuple[list[Bookable], frozenset[int]]:
    """Those who take bookings, of one student where there is one; and which of them the student knows otherwise."""
    who = reads.counselors(session, counselor_id, policy=policy)
    if student_id is None:
        return who, frozenset()
    known = relations(session, student_id, policy=policy)
    return [it for it in who if it.counselor_id in known.allowed], known.tied


def _room(
    session: Session, room_id: int, student_id: int | None, *, policy: BookingPolicy
) -> tuple[list[Bookable], RoomUse | None]:
    """A room by itself, when it can be booked so, by this student where there is one; and what it is for."""
    found = reads.room_alone(session, room_id, policy=policy)
    if found is None:
        return [], None
    it, college_id, use = found
    if student_id is not None and college_id is not None and college_id != reads.college_of(session, student_id):
        return [], use
    return [it], use


@dataclass(slots=True)
class _Offer:
    """What holds for all sessions of one stretch: where, how, and how without its room."""

    hours: Hours
    modes: tuple[Mode, ...]
    room_id: int | None
    without: tuple[Mode, ...] = ()
    taken: Stretches = field(default_factory=dict)
    shut: Stretches = field(default_factory=dict)
    contested: bool = False
    some_days: bool = False

    def __post_init__(self) -> None:
        self.contested = bool(self.taken or self.shut)
        self.some_days = self.hours.from_day > NEVER or self.hours.to_day < ALWAYS

    def is_on(self, day: Day) -> bool:
        """Whether the stretch is open on a day."""
        return self.hours.from_day <= day.date <= self.hours.to_day

    def then(self, it: Bookable, day: int, start: int) -> tuple[tuple[Mode, ...], int | None]:
        """Modes and room of a session: people meet only while the room is free."""
        if self.taken and overlaps(self.taken.get(day, ()), start - it.before, start + it.session + it.after):
            return self.without, None
        if self.shut and overlaps(self.shut.get(day, ()), start, start + it.session):
            return self.without, None
        return self.modes, self.room_id


class _Search:
    """One search: what is open in the window, and a walk through it by counselor, day and time."""

    taken: Taken

    def __init__(self, session: Session, window: Window, who: Sequence[Bookable], own: Own, mode: Mode | None) -> None:
        self._window, self._who, self._own, self._mode = window, who, own, mode
        self._openings = reads.openings(session, who)
        self._changes = reads.changes(session, window.begins, window.ends)
        self._live_rooms = reads.live_rooms(session)
        self._shut_rooms = {id_: window.by_day(each) for id_, each in self._changes.shut_rooms.items()}

    @property
    def rooms(self) -> dict[int, set[int]]:
        """Every room in which somebody may meet people, and who."""
        found: dict[int, set[int]] = {}
        for it in self._who:
            hours = chain(*self._openings.get(it.counselor_id or 0, ()), self._extra_hours(it))
            for room_id in {it.room_id, *(each.room_id for each in hours)} - {None}:
                found.setdefault(room_id or 0, set()).add(it.counselor_id or 0)
        return found

    def slots(self, tied: frozenset[int]) -> list[Slot]:
        """Everything on offer, in order: within one moment they come as the counselors do."""
        offers: tuple[dict[int, list[Slot]], dict[int, list[Slot]]] = ({}, {})
        moments: dict[tuple[int, int, int], dict[int, tuple[datetime, datetime, datetime, datetime]]] = {}
        for it in self._who:
            known = it.counselor_id in tied
            by_start = offers[known]
            times = moments.setdefault((it.session, it.before, it.after), {})
            for start, modes, room_id in self._offered(it):
                if start not in times:
                    end = start + it.session
                    times[start] = _moment(start), _moment(end), _moment(start - it.before), _moment(end + it.after)
                same = by_start.setdefault(start, [])
                if not same or same[-1].counselor_id != it.counselor_id:
                    same.append(Slot(it.counselor_id, room_id, *times[start], modes, it.tier, known))
        return [slot for by_start in offers for start in sorted(by_start) for slot in by_start[start]]

    def _offered(self, it: Bookable) -> Iterator[tuple[int, tuple[Mode, ...], int | None]]:
        """Start, modes and room of what a counselor, or a room by itself, has free."""
        since, until = self._window.since, self._window.until
        busy, shut, own = self._busy(it), self._shut(it), self._own.busy
        grid = [list(self._candidates(it, hours)) for hours in self._openings.get(it.counselor_id or 0, [[]] * 7)]
        extra = self._extra(it)
        for day in self._days(it):
            taken_today, shut_today = busy.get(day.index, ()), [*shut.get(day.index, ()), *own.get(day.index, ())]
            for offset, offer in chain(grid[day.weekday], extra.get(day.index, ())):
                start = day.midnight + offset
                if not since <= start <= until or (offer.some_days and not offer.is_on(day)):
                    continue
                if taken_today and overlaps(taken_today, start - it.before, start + it.session + it.after):
                    continue
                if shut_today and overlaps(shut_today, start, start + it.session):
                    continue
                modes, room_id = offer.then(it, day.index, start) if offer.contested else (offer.modes, offer.room_id)
                if self._mode in modes if self._mode else modes:
                    yield start, modes, room_id

    def _days(self, it: Bookable) -> Iterator[Day]:
        """The days on which neither the student nor the counselor has enough."""
        id_, taken = it.counselor_id or 0, self.taken
        for day in self._window.open:
            if day.date > it.last_day:
                return
            week = day.index // 7
            full = (
                week in self._own.full_weeks or (id_, week) in taken.full_weeks or (id_, day.index) in taken.full_days
            )
            if not full:
                yield day

    def _busy(self, it: Bookable) -> Stretches:
        if it.counselor_id is None:
            return self.taken.rooms.get(it.room_id or 0, NONE)
        return self.taken.counselors.get(it.counselor_id, NONE)

    def _shut(self, it: Bookable) -> Stretches:
        """When somebody is away, or everybody."""
        changes = self._changes
        mine = changes.shut_rooms.get(it.room_id or 0) if it.counselor_id is None else changes.shut.get(it.counselor_id)
        return self._window.by_day([*(mine or ()), *changes.shut.get(None, ())])

    def _extra_hours(self, it: Bookable) -> list[Hours]:
        changes = self._changes
        mine = (
            changes.extra_rooms.get(it.room_id or 0) if it.counselor_id is None else changes.extra.get(it.counselor_id)
        )
        return [*(mine or ()), *changes.extra.get(None, ())]

    def _extra(self, it: Bookable) -> dict[int, list[tuple[int, _Offer]]]:
        """Candidates of extra hours by day."""
        found: dict[int, list[tuple[int, _Offer]]] = {}
        for start, offer in self._candidates(it, self._extra_hours(it)):
            day = self._window.day_of(start)
            if day >= 0:
                found.setdefault(day, []).append((start - self._window.midnights[day], offer))
        return found

    def _candidates(self, it: Bookable, stretches: Sequence[Hours]) -> Iterator[tuple[int, _Offer]]:
        """Sessions one after the other from each stretch's start, as long as they end within it."""
        step = -(-it.whole // _STEP) * _STEP
        for hours in stretches:
            offer = self._offer(it, hours)
            for start in range(hours.starts, hours.ends - it.session + 1, step):
                yield start, offer

    def _offer(self, it: Bookable, hours: Hours) -> _Offer:
        modes, room_id = hours.modes or it.modes, hours.room_id or it.room_id
        if it.counselor_id is None:
            return _Offer(hours, it.modes, it.room_id)  # its own times are what is taken of it
        without = tuple(each for each in modes if each is not Mode.IN_PERSON)
        if room_id is not None and room_id not in self._live_rooms:
            modes = without
        if room_id is None or len(modes) == len(without):
            return _Offer(hours, modes, None)
        return _Offer(
            hours, modes, room_id, without, self.taken.rooms.get(room_id, NONE), self._shut_rooms.get(room_id, NONE)
        )


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
