"""Working days on which nobody at all can be seen. Rules: docs/rules.md#booking; domain D-20.

Open hours count, whoever has taken their times: a full day is open, a day without hours is bare.
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from sqlmodel import Session

from models.booking.reads import Bookable, Changes, Hours, changes, counselors, openings
from models.booking.rules import bounds, is_closed, is_workday
from models.policy import BookingPolicy

LOOKED_AHEAD = 2
"""Working days after today of which the centre hears."""

_FURTHEST = 30
_DAY = timedelta(days=1)


def coming_workdays(policy: BookingPolicy, *, now: datetime) -> list[date]:
    """The next working days after today on which somebody should be there: none outside term, nor on public holidays."""
    today = now.astimezone(policy.zone).date()
    ahead = (today + at * _DAY for at in range(1, _FURTHEST))
    return [day for day in ahead if is_workday(day)][:LOOKED_AHEAD]


def bare_days(session: Session, *, policy: BookingPolicy, now: datetime) -> list[date]:
    """Those of the next working days without any open hour; [] when the school offers no hours at all."""
    days = [day for day in coming_workdays(policy, now=now) if not is_closed(day, policy)]
    who = counselors(session, None, policy=policy)
    if not days or not who or not openings(session, who):
        return []
    return [day for day in days if is_bare(session, day, policy=policy)]


def is_bare(session: Session, day: date, *, policy: BookingPolicy) -> bool:
    """Whether no counselor has room for a single session on a day; three statements."""
    since, until = bounds(day, policy)
    who = counselors(session, None, policy=policy)
    weekly = openings(session, who)
    differing = changes(session, since, until)
    return not any(
        _fits(it, hours, differing)
        for it in who
        if it.last_day >= day.toordinal()
        for hours in _hours(it, day, since, weekly.get(it.counselor_id or 0), differing)
    )


def _hours(
    it: Bookable, day: date, since: datetime, weekly: list[list[Hours]] | None, differing: Changes
) -> Iterator[tuple[int, int]]:
    """Open stretches of a day. Units: seconds since 1970."""
    midnight = int(since.timestamp())
    for hours in weekly[day.weekday()] if weekly else []:
        if hours.from_day <= day.toordinal() <= hours.to_day:
            yield midnight + hours.starts, midnight + hours.ends
    for hours in differing.extra.get(it.counselor_id, []):
        yield max(midnight, hours.starts), hours.ends


def _fits(it: Bookable, hours: tuple[int, int], differing: Changes) -> bool:
    """Whether a session fits into what closings and leave have left of a stretch."""
    at, ends = hours
    shut = sorted([*differing.shut.get(None, []), *differing.shut.get(it.counselor_id, [])])
    for closed, opens in shut:
        if opens <= at or closed >= ends:
            continue
        if closed - at >= it.session:
            return True
        at = max(at, opens)
    return ends - at >= it.session
