"""Appointments and time: each step of their lives, mornings, and what nobody answered. Rules: docs/rules.md#booking-pushes.

Everything here looks before it takes the writer, and is harmless twice, late, and by two processes at once.
"""

from datetime import date, datetime

from models.booking import lapsing, matching, mornings, profiles, walking
from models.db import unit_of_work
from models.policy import BookingPolicy
from workers.sweeps import in_batches

BATCH = 50
"""Appointments a transaction: nobody holds SQLite's one writer for long."""

PATIENCE = 0.9
"""Seconds of one run; the ticker comes again in a second."""


def take_steps(policy: BookingPolicy, *, now: datetime) -> int:
    """Remind, ask how it was, and close: whatever is due; returns of how many appointments."""
    with unit_of_work(write=False) as session:
        at = walking.next_step(session)
    if at is None or at > now:
        return 0
    return in_batches(
        lambda session: walking.walk(session, policy=policy, now=now, most=BATCH), most=BATCH, patience=PATIENCE
    )


def end_what_passed(policy: BookingPolicy, *, now: datetime) -> int:
    """Free what nobody answered in time, and tell whose it was; returns how many rows ended."""
    with unit_of_work(write=False) as session:
        at = lapsing.next_moment(session)
    if at is None or at > now:
        return 0
    return in_batches(
        lambda session: lapsing.lapse(session, policy=policy, now=now, most=BATCH), most=BATCH, patience=PATIENCE
    )


def match_waiting(policy: BookingPolicy, *, now: datetime) -> int:
    """Offer free times to those on the waiting list whom they suit; returns how many were asked."""
    with unit_of_work(write=False) as session:
        slots = matching.find_matches(session, policy=policy, now=now)
    if not slots:
        return 0
    with unit_of_work() as session:
        return matching.offer_these(session, slots, policy=policy, now=now)


class Mornings:
    """Says each morning how many will come; remembers that it did, so that it looks only once a day."""

    def __init__(self) -> None:
        self._done: date | None = None

    def tell(self, policy: BookingPolicy, *, now: datetime) -> int:
        """Tell the counselors who have somebody today; returns how many heard of it."""
        today = now.astimezone(policy.zone).date()
        if self._done == today or not mornings.is_morning(policy, now=now):
            return 0
        with unit_of_work() as session:
            count = mornings.tell_counselors(session, policy=policy, now=now)
        self._done = today
        return count


def tell_bare_days(policy: BookingPolicy, *, now: datetime) -> int:
    """Tell the centre of working days on which nobody can be seen; returns how many pushes were new."""
    with unit_of_work(write=False) as session:
        if not mornings.untold_bare_days(session, policy=policy, now=now):
            return 0
    with unit_of_work() as session:
        return mornings.tell_bare_days(session, policy=policy, now=now)


def end_those_who_left(*, now: datetime) -> int:
    """Whom the roster no longer names takes no more bookings, and the centre settles what they had; returns how many."""
    with unit_of_work(write=False) as session:
        if not profiles.somebody_left(session):
            return 0
    with unit_of_work() as session:
        return profiles.end_those_who_left(session, now=now)
