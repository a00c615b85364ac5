"""Going on leave: how many are booked in it comes first, then each is asked for another time. Rules: docs/rules.md#booking."""

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from models.audit import Fact, record
from models.booking.alternatives import nearest
from models.booking.proposing import leave_to_centre, propose, tell_unsettled
from models.booking.rules import lock
from models.booking.supply import booked_in, close_stretch
from models.booking.table import Appointment, ChangeKind
from models.booking.taking import By
from models.errors import RefusedError, TimeTakenError
from models.policy import BookingPolicy


@dataclass(frozen=True, slots=True)
class Leave:
    """What a leave has set going: how many students were asked, and how many the centre rings up."""

    asked: int
    left: int


def booked_and_coming(
    session: Session, counselor_id: int, start: datetime, end: datetime, *, now: datetime
) -> list[int]:
    """The appointments in a stretch that have not begun yet, by start."""
    ids = booked_in(session, counselor_id, max(start, now), end)
    return [id_ for id_ in ids if session.get_one(Appointment, id_, populate_existing=True).starts_at > now]


def take_leave(
    session: Session, by: By, counselor_id: int, start: datetime, end: datetime, *, policy: BookingPolicy, now: datetime
) -> Leave:
    """Be away from `start` until `end`. Each student booked in it is asked for a nearer own time or a colleague.

    For whom there is none, the centre is told at once. Raises: RefusedError when the stretch is over.
    """
    start = max(start, now)
    if end <= start:
        raise RefusedError("desk.stretch_over")
    lock(session)
    close_stretch(session, by, counselor_id, start, end, now=now, kind=ChangeKind.LEAVE)
    asked = left = 0
    for appointment_id in booked_and_coming(session, counselor_id, start, end, now=now):
        if _ask(session, by, appointment_id, end, policy=policy, now=now):
            asked += 1
        else:
            leave_to_centre(session, by, session.get_one(Appointment, appointment_id, populate_existing=True), now=now)
            left += 1
    if left:
        tell_unsettled(session, left, f"counselor:{counselor_id}@{now.isoformat()}", now=now)
    record(session, Fact.LEAVE_TAKEN, by.person_id, f"counselor:{counselor_id}", at=now, booked=asked + left, left=left)
    return Leave(asked, left)


def _ask(
    session: Session, by: By, appointment_id: int, after: datetime, *, policy: BookingPolicy, now: datetime
) -> bool:
    """Whether there was something to propose."""
    it = session.get_one(Appointment, appointment_id, populate_existing=True)
    slots = nearest(session, it, after, policy=policy, now=now)
    if not slots:
        return False
    try:
        propose(session, by, appointment_id, slots, policy=policy, now=now, for_leave=True)
    except TimeTakenError:
        return False
    return True
