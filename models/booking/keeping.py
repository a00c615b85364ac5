"""How long booking is remembered: the words of an appointment for a month, the rest for two years. Rules: domain L-10."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session, SQLModel, col, select

from models.booking.table import (
    PASSING,
    Appointment,
    AppointmentState,
    OpeningChange,
    Proposal,
    ProposalState,
    Referral,
    Waiter,
    WaiterLog,
    WaiterState,
)

_OVER = tuple(
    state for state in AppointmentState if state not in {*PASSING, AppointmentState.PENDING, AppointmentState.BOOKED}
)
_GONE = (WaiterState.TOOK, WaiterState.LEFT, WaiterState.LAPSED)


def empty_words(session: Session, *, before: datetime, most: int) -> int:
    """Forget topics, notes and reasons of what was over before a moment; returns how many rows that were."""
    count = 0
    for table, ended in ((Appointment, Appointment.closed_at), (Waiter, Waiter.ended_at)):
        for it in session.exec(select(table).where(col(ended) < before, col(table.body).is_not(None)).limit(most)):
            it.body = None
            session.add(it)
            count += 1
    return count


def forget(session: Session, *, before: datetime, most: int) -> int:
    """Forget what was over before a moment, and what hung on it; returns how many appointments and waits that were.

    An appointment that an open one still refers to, by a proposal or the waiting list, waits for that one.
    """
    waits = _ids(session, Waiter, col(Waiter.state).in_(_GONE), col(Waiter.ended_at) < before, most=most)
    _delete(session, WaiterLog, col(WaiterLog.waiter_id).in_(waits))
    _delete(session, Waiter, col(Waiter.id).in_(waits))
    open_ones = select(Waiter.earlier_than_id).where(col(Waiter.earlier_than_id).is_not(None))
    asked = select(Proposal.appointment_id).where(Proposal.state == ProposalState.OPEN)
    over = _ids(
        session,
        Appointment,
        col(Appointment.state).in_(_OVER),
        col(Appointment.closed_at) < before,
        col(Appointment.id).not_in(open_ones),
        col(Appointment.id).not_in(asked),
        most=most,
    )
    _delete(session, Proposal, col(Proposal.appointment_id).in_(over))
    _delete(session, Appointment, col(Appointment.id).in_(over))
    _delete(session, Referral, col(Referral.made_at) < before)
    _delete(session, OpeningChange, col(OpeningChange.ends_at) < before)
    return len(waits) + len(over)


def _ids(
    session: Session, table: type[Appointment | Waiter], *conditions: sa.ColumnElement[bool], most: int
) -> list[int]:
    return [id_ for id_ in session.exec(select(table.id).where(*conditions).limit(most)) if id_ is not None]


def _delete(session: Session, table: type[SQLModel], condition: sa.ColumnElement[bool]) -> None:
    session.execute(sa.delete(table).where(condition))
