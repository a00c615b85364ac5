"""A counselor's change is a proposal: up to three times, kept for the student until they answer. Rules: domain K-35, L-35.

Nothing moves without the student's answer. What is not answered, or finds no time, the centre settles by telephone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from models.audit import Fact, record
from models.booking.access import names_of
from models.booking.acting import locked, move, withdraw_proposals
from models.booking.alternatives import MOST_TIMES
from models.booking.choices import Mode
from models.booking.slots import Slot
from models.booking.table import FIRM, Appointment, AppointmentState, Counselor, Proposal, ProposalState, Side
from models.booking.taking import By, end_passing, insert
from models.booking.telling import fact_of, the_centre, when
from models.booking.waiting import offer_freed
from models.db import savepoint
from models.errors import NotFoundError, RefusedError, TimeTakenError, WrongStateError
from models.outbox import PushKind, plan
from models.policy import BookingPolicy
from models.quiet import awake_for, waking

_YES, _NO, _OTHER = "可以", "先不改", "这几个时间都不合适"
"""How a push tells the counselor of the answer."""


@dataclass(frozen=True, slots=True)
class Offered:
    """One proposed time. `colleague`: not the counselor of the appointment itself."""

    id: int
    starts_at: datetime
    ends_at: datetime
    mode: Mode
    counselor_id: int | None
    counselor: str
    colleague: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """An open proposal as its student sees it; `times` by start."""

    id: int
    appointment_id: int
    starts_at: datetime
    counselor: str
    for_leave: bool
    until: datetime
    times: tuple[Offered, ...]


def propose(
    session: Session,
    by: By,
    appointment_id: int,
    slots: Sequence[Slot],
    *,
    policy: BookingPolicy,
    now: datetime,
    for_leave: bool = False,
) -> Proposal:
    """Ask an appointment's student for another time; what was asked before is withdrawn. A time that has gone is left out.

    Raises: WrongStateError when there is nothing to move any more; TimeTakenError when none of the times is left.
    """
    it = locked(session, appointment_id)
    if it.state not in FIRM or it.starts_at <= now:
        raise WrongStateError("booking.over")
    if not slots:
        raise RefusedError("booking.nothing_to_propose")
    until, version, student_id = _answer_by(it, policy, now), it.version, it.student_id
    with savepoint(session):  # with no time left nothing has happened, and what was asked before stands
        proposal_id, kept = _keep(session, by, it, slots[:MOST_TIMES], until=until, now=now, for_leave=for_leave)
        if not kept:
            raise TimeTakenError
    record(
        session, Fact.CHANGE_PROPOSED, by.person_id, f"appointment:{appointment_id}", at=now, times=kept,
        leave=int(for_leave),
    )  # fmt: skip
    plan(
        session, f"proposal:{proposal_id}@{version}", PushKind.PROPOSAL_MADE, student_id, now=now,
        lasts=until - now, proposal=proposal_id, appointment=appointment_id, version=version,
        until=when(until, policy),
    )  # fmt: skip
    return session.get_one(Proposal, proposal_id, populate_existing=True)


def _answer_by(it: Appointment, policy: BookingPolicy, now: datetime) -> datetime:
    """Early enough for the centre to ring up whoever has not answered, and never later than half the time that is left."""
    heard = waking(policy.quiet, now)
    if heard >= it.starts_at:  # nobody who sleeps until then could come either way
        heard = now
    last = max(it.starts_at - policy.notice, heard + (it.starts_at - heard) / 2)
    return min(awake_for(policy.quiet, now, policy.proposal), last)


def _keep(
    session: Session,
    by: By,
    it: Appointment,
    slots: Sequence[Slot],
    *,
    until: datetime,
    now: datetime,
    for_leave: bool,
) -> tuple[int, int]:
    """Write a proposal and keep its times; its id, and how many there were to keep."""
    withdraw_proposals(session, it, now=now)
    appointment_id, student_id, mode = it.id, it.student_id, it.mode
    proposal_id = _write(session, by, it, ProposalState.OPEN, until=until, now=now, for_leave=for_leave).id or 0
    kept = 0
    for slot in slots:
        try:
            insert(
                session, by, student_id, slot, mode, AppointmentState.PROPOSED,
                until=until, now=now, serves_id=appointment_id, proposal_id=proposal_id,
            )  # fmt: skip
            kept += 1
        except TimeTakenError:
            continue
    return proposal_id, kept


def leave_to_centre(session: Session, by: By, it: Appointment, *, now: datetime) -> Proposal:
    """An appointment that cannot stay and for which there is no time to propose: the centre settles it by telephone."""
    withdraw_proposals(session, it, now=now)
    return _write(session, by, it, ProposalState.LAPSED, until=now, now=now, for_leave=True)


def _write(
    session: Session, by: By, it: Appointment, state: ProposalState, *, until: datetime, now: datetime, for_leave: bool
) -> Proposal:
    proposal = Proposal(
        appointment_id=it.id or 0,
        version=it.version,
        for_leave=for_leave,
        state=state,
        made_by=by.person_id,
        made_at=now,
        until=until,
    )
    session.add(proposal)
    session.flush()
    return proposal


def open_proposal(session: Session, student_id: int, *, now: datetime) -> Asked | None:
    """What a student is asked now, the nearest appointment first; only the times that are still to come."""
    found = session.exec(
        select(Proposal, Appointment)
        .join(Appointment, col(Appointment.id) == col(Proposal.appointment_id))
        .where(Appointment.student_id == student_id, Proposal.state == ProposalState.OPEN)
        .where(col(Proposal.until) > now, col(Appointment.state).in_(FIRM), col(Appointment.starts_at) > now)
        .order_by(col(Appointment.starts_at))
    ).first()
    if found is None:
        return None
    proposal, it = found
    times = [time for time in _times(session, proposal) if time.starts_at > now]
    names = names_of(session, [each.counselor_id for each in (it, *times)])
    return Asked(
        id=proposal.id or 0,
        appointment_id=it.id or 0,
        starts_at=it.starts_at,
        counselor=names.get(it.counselor_id or 0, ""),
        for_leave=proposal.for_leave,
        until=proposal.until,
        times=tuple(
            Offered(
                id=time.id or 0,
                starts_at=time.starts_at,
                ends_at=time.ends_at,
                mode=time.mode,
                counselor_id=time.counselor_id,
                counselor=names.get(time.counselor_id or 0, ""),
                colleague=time.counselor_id != it.counselor_id,
            )
            for time in times
        ),
    )


def _times(session: Session, proposal: Proposal) -> list[Appointment]:
    """The times that a proposal keeps."""
    return list(
        session.exec(
            select(Appointment)
            .where(Appointment.proposal_id == proposal.id, Appointment.state == AppointmentState.PROPOSED)
            .order_by(col(Appointment.starts_at))
        )
    )


def _asked(session: Session, by: By, proposal_id: int) -> tuple[Proposal, Appointment]:
    """An open proposal and its appointment, held. Raises: NotFoundError, WrongStateError."""
    proposal = session.get(Proposal, proposal_id)
    if proposal is None:
        raise NotFoundError
    it = locked(session, proposal.appointment_id)
    if by.side is Side.STUDENT and it.student_id != by.person_id:
        raise NotFoundError
    session.refresh(proposal)
    if proposal.state is not ProposalState.OPEN or proposal.version != it.version:
        raise WrongStateError("booking.proposal_over")
    return proposal, it


def accept(
    session: Session, by: By, proposal_id: int, time_id: int, *, policy: BookingPolicy, now: datetime
) -> Appointment:
    """The student takes one of the times: the appointment moves there, the others are free again. Returns the appointment.

    Raises: NotFoundError, WrongStateError when it was answered or went another way; TimeTakenError.
    """
    proposal, it = _asked(session, by, proposal_id)
    times = _times(session, proposal)
    if all(time.id != time_id for time in times):
        raise TimeTakenError
    freed = [time for time in times if time.id != time_id]
    for time in freed:
        end_passing(session, time, AppointmentState.DECLINED, now=now)
    proposal.state, proposal.answered_at = ProposalState.ACCEPTED, now
    session.add(proposal)
    counselor_id, version = it.counselor_id, proposal.version
    move(session, by, proposal.appointment_id, time_id, policy=policy, now=now)
    it = session.get_one(Appointment, proposal.appointment_id, populate_existing=True)
    _answered(session, by, it, counselor_id, _YES, version, policy=policy, now=now)
    for time in freed:
        offer_freed(session, time, policy=policy, now=now)
    return it


def decline(
    session: Session, by: By, proposal_id: int, *, other: bool, policy: BookingPolicy, now: datetime
) -> Appointment:
    """The student takes none of the times: nothing moves, and they are free again. Returns the appointment, as it was.

    `other`: 「都不行，换一位」; until the student has booked with a colleague or cancelled, the centre sees it among what waits.
    So it is for somebody whose counselor is on leave. Raises: NotFoundError, WrongStateError.
    """
    proposal, it = _asked(session, by, proposal_id)
    proposal.state, proposal.answered_at = ProposalState.DECLINED, now
    if not other and not proposal.for_leave:
        proposal.settled_by = by.person_id  # the time stays: nobody has anything left to do
    session.add(proposal)
    freed = _times(session, proposal)
    for time in freed:
        end_passing(session, time, AppointmentState.DECLINED, now=now)
    answer = _OTHER if other else _NO
    _answered(session, by, it, it.counselor_id, answer, proposal.version, policy=policy, now=now)
    for time in freed:
        offer_freed(session, time, policy=policy, now=now)
    return it


def _answered(
    session: Session,
    by: By,
    it: Appointment,
    counselor_id: int | None,
    answer: str,
    version: int,
    *,
    policy: BookingPolicy,
    now: datetime,
) -> None:
    """Record the answer, and tell the counselor who asked."""
    subject = f"appointment:{it.id}"
    record(session, Fact.CHANGE_ANSWERED, by.person_id, subject, at=now, version=version, moved=int(answer == _YES))
    counselor = session.get(Counselor, counselor_id) if counselor_id is not None else None
    if counselor is not None and counselor.person_id != by.person_id:
        plan(
            session, f"{fact_of(it)}:of:{version}", PushKind.PROPOSAL_ANSWERED, counselor.person_id, now=now,
            appointment=it.id, version=it.version, when=when(it.starts_at, policy), answer=answer,
        )  # fmt: skip


def lapse_proposals(session: Session, *, policy: BookingPolicy, now: datetime, most: int = 50) -> int:
    """What was not answered in time becomes the centre's, which is told once of all of it; returns how many proposals that were.

    Safe to run twice. What went another way meanwhile is withdrawn, and nobody's task.
    """
    due = session.exec(
        select(Proposal.id, Proposal.appointment_id)
        .where(Proposal.state == ProposalState.OPEN, col(Proposal.until) <= now)
        .order_by(col(Proposal.id))
        .limit(most)
    ).all()
    waits = 0
    for proposal_id, appointment_id in due:
        it = locked(session, appointment_id)
        proposal = session.get_one(Proposal, proposal_id, populate_existing=True)
        if proposal.state is not ProposalState.OPEN:
            continue
        stands = it.state in FIRM and it.version == proposal.version
        proposal.state = ProposalState.LAPSED if stands else ProposalState.WITHDRAWN
        session.add(proposal)
        waits += stands
        for time in _times(session, proposal):
            end_passing(session, time, AppointmentState.LAPSED, now=now)
            offer_freed(session, time, policy=policy, now=now)
    if waits:
        tell_unsettled(session, waits, f"proposal:{due[-1][0]}", now=now)
    return len(due)


def tell_unsettled(session: Session, count: int, fact: str, *, now: datetime) -> None:
    """Tell the centre that so many appointments want to be settled by telephone; once a fact."""
    for person in the_centre(session):
        plan(session, fact, PushKind.PROPOSAL_UNANSWERED, person.id or 0, now=now, count=count)
