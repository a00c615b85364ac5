"""Other times for an appointment: its counselor's own, and those of colleagues whom its student may see. Rules: domain K-35."""

from datetime import datetime

from sqlmodel import Session

from models.booking.slots import Slot, free_slots
from models.booking.table import Appointment
from models.policy import BookingPolicy

MOST_TIMES = 3
"""That a proposal names."""


def could_propose(
    session: Session, it: Appointment, *, policy: BookingPolicy, now: datetime, first: datetime | None = None
) -> list[Slot]:
    """The counselor's own other times for an appointment, then colleagues' whom its student may see; each by start.

    The school's notice counts for the student, also where the counselor asks.
    """
    since = max(now + policy.notice, first) if first else now + policy.notice
    own = free_slots(
        session,
        policy=policy,
        now=now,
        student_id=it.student_id,
        counselor_id=it.counselor_id,
        mode=it.mode,
        first=since,
        last=now + policy.horizon,
        instead_of=it.id,
        by_staff=True,
    )
    return own + [slot for slot in _of_colleagues(session, it, policy=policy, now=now) if slot.starts_at >= since]


def _of_colleagues(session: Session, it: Appointment, *, policy: BookingPolicy, now: datetime) -> list[Slot]:
    found = free_slots(session, policy=policy, now=now, student_id=it.student_id, mode=it.mode, instead_of=it.id)
    return [slot for slot in found if slot.counselor_id != it.counselor_id and not slot.tied]


def nearest(session: Session, it: Appointment, after: datetime, *, policy: BookingPolicy, now: datetime) -> list[Slot]:
    """For somebody who goes on leave: the first own time after it, and the two nearest of colleagues that leave room for it."""
    slots = could_propose(session, it, policy=policy, now=now)
    own = [slot for slot in slots if slot.counselor_id == it.counselor_id and slot.starts_at >= after][:1]
    others = [slot for slot in slots if slot.counselor_id != it.counselor_id]
    others.sort(key=lambda slot: (abs(slot.starts_at - it.starts_at), slot.starts_at))
    chosen = list(own)
    for slot in others:
        if len(chosen) < MOST_TIMES and all(not _meet(slot, other) for other in chosen):
            chosen.append(slot)
    return sorted(chosen, key=lambda slot: slot.starts_at)


def _meet(one: Slot, other: Slot) -> bool:
    return one.starts_at < other.ends_at and other.starts_at < one.ends_at
