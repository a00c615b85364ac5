"""What ends by itself: holds, offers, proposals, and promises that were not kept. Rules: docs/rules.md#booking, #waiting-list.

Nothing waits for this: whoever wants a time that has passed takes it (`taking.py`). Here rows are put in order, and people told.
"""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session, col, select

from models.audit import Fact, record
from models.booking.acting import end
from models.booking.offering import lapse_offers
from models.booking.proposing import lapse_proposals
from models.booking.rules import answered_by, lock
from models.booking.table import PASSING, Appointment, AppointmentState, Proposal, ProposalState
from models.booking.taking import SYSTEM, end_passing
from models.booking.telling import tell_centre, tell_student
from models.booking.waiting import offer_freed
from models.outbox import PushKind
from models.policy import BookingPolicy


def next_moment(session: Session) -> datetime | None:
    """When the next of these is over; None when nothing passes."""
    found = [
        session.exec(select(sa.func.min(Appointment.until)).where(col(Appointment.until).is_not(None))).one(),
        session.exec(select(sa.func.min(Proposal.until)).where(Proposal.state == ProposalState.OPEN)).one(),
    ]
    return min((moment for moment in found if moment is not None), default=None)


def lapse(session: Session, *, policy: BookingPolicy, now: datetime, most: int = 50) -> int:
    """End whatever has passed, the oldest first; returns how many rows that were. Safe to run twice, anywhere, late."""
    lock(session)
    count = lapse_offers(session, policy=policy, now=now)
    count += lapse_proposals(session, policy=policy, now=now, most=most)
    passed = session.exec(
        select(Appointment.id)
        .where(col(Appointment.until) <= now, col(Appointment.state).in_((*PASSING, AppointmentState.PENDING)))
        .order_by(col(Appointment.until), col(Appointment.id))
        .limit(most)
    ).all()
    for id_ in passed:
        it = session.get(Appointment, id_, populate_existing=True)
        if it is None or it.until is None or it.until > now:
            continue
        if it.state is AppointmentState.PENDING:
            _ask_again(session, it, policy=policy, now=now)
        else:
            kept = it.state is not AppointmentState.HELD
            end_passing(session, it, AppointmentState.LAPSED, now=now)
            if kept:
                offer_freed(session, it, policy=policy, now=now)
    return count + len(passed)


def _ask_again(session: Session, it: Appointment, *, policy: BookingPolicy, now: datetime) -> None:
    """The centre has not answered as was promised: it is told again each working day; when the time itself comes it is off."""
    if it.starts_at <= now:
        end(session, SYSTEM, it, AppointmentState.DECLINED, now=now)
        record(session, Fact.APPOINTMENT_DECLINED, None, f"appointment:{it.id}", at=now, version=it.version)
        tell_student(session, it, PushKind.BOOKING_DECLINED, policy=policy, now=now)
        return
    it.until = min(answered_by(policy, now), it.starts_at)
    session.add(it)
    session.flush()
    tell_centre(session, it, PushKind.BOOKING_WAITS, policy=policy, now=now, step=f"again {it.until:%Y-%m-%d}")
