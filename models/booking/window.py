"""The days in which free times are looked for, and what stands in their way there. Units: seconds since 1970."""

import math
import sys
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from sqlmodel import Session

from models.booking import reads
from models.booking.reads import OVER, PASSES, Bookable, seconds
from models.booking.rules import is_closed
from models.booking.table import FIRM, AppointmentState, RoomUse
from models.db import json_ids
from models.policy import BookingPolicy

_DAY = timedelta(days=1)
_HALF = timedelta(hours=12)

Stretch = tuple[int, int]
Stretches = Mapping[int, Sequence[Stretch]]
"""By day of the window, what touches it."""

NONE: Stretches = {}


@dataclass(frozen=True, slots=True)
class Day:
    """An open day; `index` counts from the window's first Monday."""

    index: int
    midnight: int
    date: int  # ordinal

    @property
    def weekday(self) -> int:
        """0 is Monday."""
        return self.index % 7


@dataclass(frozen=True, slots=True)
class Window:
    """From the Monday before the first possible start to the Sunday after the last; sessions start in `since`..`until`."""

    since: int
    until: int
    begins: datetime
    ends: datetime
    midnights: Sequence[int]  # and one that never comes
    open: Sequence[Day]

    def day_of(self, moment: int) -> int:
        """The day that a moment is in; below 0 before all of them."""
        return bisect_right(self.midnights, moment) - 1

    def days_of(self, stretch: Stretch, around: int) -> range:
        """The days that a stretch touches, or comes as close to as `around`."""
        first, last = self.day_of(stretch[0] - around), self.day_of(stretch[1] + around - 1)
        return range(max(first, 0), min(last, len(self.midnights) - 2) + 1)

    def by_day(
        self, stretches: Iterable[Stretch], *, around: int = 0, known: dict[Stretch, range] | None = None
    ) -> dict[int, list[Stretch]]:
        """Stretches by those days. `known` is shared by calls for many: their appointments begin and end together."""
        found: dict[int, list[Stretch]] = {}
        known = {} if known is None else known
        for each in stretches:
            days = known.get(each)
            if days is None:
                days = known[each] = self.days_of(each, around)
            for day in days:
                if day in found:
                    found[day].append(each)
                else:
                    found[day] = [each]
        return found


def window_of(
    policy: BookingPolicy, *, now: datetime, first: datetime | None, last: datetime | None, by_staff: bool
) -> Window | None:
    """Where to look; None where nothing can be. Staff may look beyond the horizon when they say how far."""
    soonest = now if by_staff else now + policy.notice
    latest = now + policy.horizon
    if last is not None:
        latest = last if by_staff else min(last, latest)
    since = max(math.ceil(max(soonest, first or soonest).timestamp()), int(now.timestamp()) + 1)
    until = int(latest.timestamp())
    if since > until:
        return None
    zone = policy.zone
    day, end = (datetime.fromtimestamp(each, zone).date() for each in (since, until))
    monday, sunday = day - day.weekday() * _DAY, end + (6 - end.weekday()) * _DAY
    # From noon: where clocks change, they do so at night.
    noons = [
        datetime.combine(monday + n * _DAY, time(12), zone).astimezone(UTC) for n in range((sunday - monday).days + 1)
    ]
    midnights = [int((noon - _HALF).timestamp()) for noon in noons]
    days = range((day - monday).days, (end - monday).days + 1)
    is_open = [Day(n, midnights[n], monday.toordinal() + n) for n in days if not is_closed(monday + n * _DAY, policy)]
    if not is_open:
        return None
    return Window(since, until, noons[0] - _HALF, noons[-1] + _HALF, [*midnights, sys.maxsize], is_open)


@dataclass(frozen=True, slots=True)
class Own:
    """A student's own times, and the weeks in which they may have no more."""

    busy: Stretches
    full_weeks: frozenset[int]


def own_times(
    session: Session,
    student_id: int,
    window: Window,
    *,
    use: RoomUse | None,
    policy: BookingPolicy,
    now: datetime,
    but: int | None,
    limited: bool,
) -> Own | None:
    """What a student has already; None when they may have nothing more. `use`: of the room by itself that is asked for."""
    rows = reads.OF_STUDENT.all(session, student_id=student_id, since=min(now, window.begins) - _DAY, now=now)
    weeks: Counter[int] = Counter()
    coming, moment = 0, now.timestamp()
    busy = []
    for id_, counselor_id, room_use, state, begin, end in rows:
        starts, ends = seconds(begin), seconds(end)
        if state != AppointmentState.DONE:
            busy.append((starts, ends))
        if id_ == but:
            continue
        firm = state in FIRM
        if use is not None:
            coming += firm and counselor_id is None and room_use == use and starts > moment
        elif counselor_id is not None and (firm or state == AppointmentState.DONE):
            coming += firm and starts > moment
            weeks[window.day_of(starts) // 7] += 1
    if not limited:
        return Own(window.by_day(busy), frozenset())
    most, a_week = (1, 0) if use is not None else (policy.most_open, policy.most_a_week)
    if most and coming >= most:
        return None
    full = frozenset(week for week, count in weeks.items() if a_week and count >= a_week)
    return Own(window.by_day(busy), full)


@dataclass(frozen=True, slots=True)
class Taken:
    """What is taken, by counselor and by room, and the days and weeks in which a counselor has enough."""

    counselors: Mapping[int, Stretches]
    rooms: Mapping[int, Stretches]
    full_days: frozenset[tuple[int, int]]
    full_weeks: frozenset[tuple[int, int]]


def taken(
    session: Session,
    who: Sequence[Bookable],
    rooms: Mapping[int, set[int]],
    window: Window,
    *,
    now: datetime,
    student_id: int,
    but: int | None,
    limited: bool,
) -> Taken:
    """What appointments of these counselors and rooms leave no time for. `rooms`: who of the counselors meets people there."""
    bounds = {"since": window.begins - _DAY, "until": window.ends, "now": now, "student_id": student_id}
    around = max(it.whole for it in who)
    by_id = {it.counselor_id: it for it in who if it.counselor_id is not None}
    ids = json_ids(by_id)
    busy: dict[int, list[Stretch]] = {id_: [] for id_ in by_id}
    starts_of: dict[int, list[str | int]] = {id_: [] for id_ in by_id}
    in_rooms: dict[int, list[Stretch]] = {room_id: [] for room_id in rooms}
    shared = {room_id for room_id, users in rooms.items() if len(users) > 1}
    rows = reads.OF_COUNSELORS.all(session, ids=ids, but=but or 0, **bounds) if by_id else ()
    for counselor_id, room_id, weight, starts, begins, ends in rows:
        if weight != OVER:
            stretch = seconds(begins), seconds(ends)
            busy[counselor_id].append(stretch)
            if room_id in shared or (room_id in rooms and counselor_id not in rooms[room_id]):
                in_rooms[room_id].append(stretch)
        if weight != PASSES:
            starts_of[counselor_id].append(starts or begins)
    for room_id, begins, ends in reads.OF_ROOMS.all(session, rooms=json_ids(rooms), ids=ids, **bounds) if rooms else ():
        in_rooms[room_id].append((seconds(begins), seconds(ends)))
    full_days, full_weeks = _enough(by_id.values(), starts_of, window) if limited else (frozenset(), frozenset())
    known: dict[Stretch, range] = {}
    return Taken(
        {id_: window.by_day(each, around=around, known=known) for id_, each in busy.items()},
        {id_: window.by_day(each, around=around, known=known) for id_, each in in_rooms.items() if each},
        full_days,
        full_weeks,
    )


def _enough(
    who: Iterable[Bookable], starts_of: Mapping[int, Sequence[str | int]], window: Window
) -> tuple[frozenset[tuple[int, int]], frozenset[tuple[int, int]]]:
    """The days and the weeks in which a counselor has as many appointments as they may."""
    day_at = {each: window.day_of(seconds(each)) for each in set().union(*starts_of.values())}
    days: set[tuple[int, int]] = set()
    weeks: set[tuple[int, int]] = set()
    for it in who:
        id_ = it.counselor_id or 0
        by_day = Counter([day_at[each] for each in starts_of[id_]])
        by_week: Counter[int] = Counter()
        for day, count in by_day.items():
            by_week[day // 7] += count
        days |= _full(id_, by_day, it.most_a_day)
        weeks |= _full(id_, by_week, it.most_a_week)
    return frozenset(days), frozenset(weeks)


def _full(id_: int, counts: Mapping[int, int], most: int) -> set[tuple[int, int]]:
    """Where a counselor has enough; 0 is no limit."""
    return {(id_, each) for each, count in counts.items() if count >= most} if most else set()


def overlaps(stretches: Sequence[Stretch], begins: int, ends: int) -> bool:
    """Whether one of the stretches shares time with this one."""
    for begin, end in stretches:  # noqa: SIM110 — a generator would cost more than all it looks at
        if begin < ends and begins < end:
            return True
    return False
