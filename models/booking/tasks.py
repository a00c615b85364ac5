"""What waits for the centre: bookings to answer, changes to settle, somebody who often did not come. Rules: X-17, K-35.

Nothing is stored of a task but who took it; each stands as long as what it speaks of does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlmodel import Session, col, func, select

from models.audit import Audit, Fact, record
from models.booking.acting import confirm, count_first, locked, move, withdraw_proposals
from models.booking.attending import misses_of
from models.booking.choices import Mode
from models.booking.desk import is_of_the_centre, phone_of
from models.booking.slots import Slot, free_slots
from models.booking.steps import set_next
from models.booking.table import FIRM, Appointment, AppointmentState, Counselor, Proposal, ProposalState
from models.booking.taking import By, hold, refused_as_taken
from models.booking.telling import tell_counselor, tell_student
from models.booking.ties import relations
from models.booking.waiting import offer_freed
from models.errors import NotFoundError, TimeTakenError, WrongStateError
from models.outbox import PushKind
from models.person import Person
from models.policy import BookingPolicy
from models.talk import Actor


class TaskKind(StrEnum):
    """What is to be done."""

    CONFIRM = "confirm"
    SETTLE = "settle"
    MISSES = "misses"


@dataclass(frozen=True, slots=True)
class Task:
    """One thing that waits. `why` of a change: unanswered, declined, leave."""

    kind: TaskKind
    appointment_id: int
    proposal_id: int | None
    counselor: str
    starts_at: datetime
    mode: Mode
    until: datetime | None = None
    why: str = ""


def access_tasks(session: Session, actor: Actor, *, policy: BookingPolicy, now: datetime) -> list[Task]:
    """Everything that waits, what presses most first; for the centre's staff. Raises: NotFoundError."""
    if not is_of_the_centre(session, actor.person):
        raise NotFoundError
    return [*_to_confirm(session, now), *_to_settle(session, now), *_misses(session, policy, now)]


def _names(session: Session, rows: Sequence[Appointment]) -> dict[int | None, str]:
    query = select(Counselor.id, Person.name).join(Person, col(Person.id) == col(Counselor.person_id))
    return dict(session.exec(query.where(col(Counselor.id).in_({row.counselor_id for row in rows}))).all())


def _to_confirm(session: Session, now: datetime) -> list[Task]:
    rows = session.exec(
        select(Appointment)
        .where(Appointment.state == AppointmentState.PENDING, Appointment.starts_at > now)
        .order_by(col(Appointment.until), col(Appointment.id))
    ).all()
    names = _names(session, rows)
    return [
        Task(TaskKind.CONFIRM, it.id or 0, None, names.get(it.counselor_id, ""), it.starts_at, it.mode, it.until)
        for it in rows
    ]


def _to_settle(session: Session, now: datetime) -> list[Task]:
    """Appointments whose newest proposal got no answer, or a no, and that stand as they were."""
    rows = session.exec(
        select(Proposal, Appointment)
        .join(Appointment, col(Appointment.id) == col(Proposal.appointment_id))
        .where(col(Appointment.state).in_(FIRM), Appointment.starts_at > now)
        .where(Proposal.version == Appointment.version)
        .order_by(col(Appointment.starts_at), col(Proposal.id))
    ).all()
    newest = {it.id: (proposal, it) for proposal, it in rows}
    open_ones = [
        (proposal, it)
        for proposal, it in newest.values()
        if proposal.settled_by is None and proposal.state in {ProposalState.LAPSED, ProposalState.DECLINED}
    ]
    names = _names(session, [it for _, it in open_ones])
    return [
        Task(
            TaskKind.SETTLE,
            it.id or 0,
            proposal.id,
            names.get(it.counselor_id, ""),
            it.starts_at,
            it.mode,
            why="leave" if proposal.for_leave else proposal.state.value,
        )
        for proposal, it in open_ones
    ]


def _misses(session: Session, policy: BookingPolicy, now: datetime) -> list[Task]:
    """Students who often did not come, until somebody at the centre has looked who it is."""
    last = func.max(Appointment.id)
    found = session.exec(
        select(last)
        .where(Appointment.state == AppointmentState.MISSED, Appointment.starts_at > now - policy.misses_within)
        .group_by(col(Appointment.student_id))
        .having(func.count() >= policy.misses)
        .order_by(last)
    ).all()
    rows = session.exec(select(Appointment).where(col(Appointment.id).in_(found))).all()
    seen = set(
        session.exec(
            select(Audit.subject)
            .where(Audit.fact == Fact.APPOINTMENTS_SHOWN, col(Audit.details).contains('"misses"'))
            .where(col(Audit.subject).in_([_subject(it) for it in rows]), Audit.at > now - policy.misses_within)
            .where(col(Audit.at) >= min((it.closed_at or it.starts_at for it in rows), default=now))
        )
    )
    return [
        Task(TaskKind.MISSES, it.id or 0, None, "", it.starts_at, it.mode) for it in rows if _subject(it) not in seen
    ]


def _subject(it: Appointment) -> str:
    return f"person:{it.student_id}"


def still_waits(
    session: Session, actor: Actor, kind: TaskKind, appointment_id: int, *, policy: BookingPolicy, now: datetime
) -> Appointment | None:
    """The appointment of a task that waits still; None when somebody has done it, or it is no task any more.

    Raises: NotFoundError but for the centre's staff.
    """
    waiting = access_tasks(session, actor, policy=policy, now=now)
    if all((it.kind, it.appointment_id) != (kind, appointment_id) for it in waiting):
        return None
    return session.get_one(Appointment, appointment_id)


@dataclass(frozen=True, slots=True)
class TaskPage:
    """Whom to ring up."""

    name: str
    number: str
    phone: str
    counselor: str
    starts_at: datetime
    misses: int


def access_task_page(
    session: Session, person_id: int, appointment_id: int, *, policy: BookingPolicy, now: datetime
) -> TaskPage:
    """Who an appointment's student is, for the centre while it waits for them; the look is a fact. Raises: NotFoundError."""
    if not is_of_the_centre(session, person_id):
        raise NotFoundError
    waiting = [*_to_confirm(session, now), *_to_settle(session, now), *_misses(session, policy, now)]
    task = next((it for it in waiting if it.appointment_id == appointment_id), None)
    if task is None:
        raise NotFoundError
    it = session.get_one(Appointment, appointment_id)
    student = session.get_one(Person, it.student_id)
    details = {"appointment": appointment_id}
    if task.kind is TaskKind.MISSES:
        details["misses"] = misses_of(session, it.student_id, policy=policy, now=now)
    record(session, Fact.APPOINTMENTS_SHOWN, person_id, _subject(it), at=now, **details)
    names = _names(session, [it])
    return TaskPage(
        student.name,
        student.number,
        phone_of(session, it),
        names.get(it.counselor_id, ""),
        it.starts_at,
        details.get("misses", 0),
    )


def settle(session: Session, by: By, proposal_id: int, *, now: datetime) -> None:
    """Somebody at the centre has talked to the student: the task is theirs, and done. The second who says so changes nothing."""
    proposal = session.get(Proposal, proposal_id)
    if proposal is None:
        raise NotFoundError
    locked(session, proposal.appointment_id)
    session.refresh(proposal)
    if proposal.settled_by is not None:
        return
    proposal.settled_by = by.person_id
    session.add(proposal)
    record(session, Fact.CHANGE_ANSWERED, by.person_id, f"appointment:{proposal.appointment_id}", at=now, settled=1)


def who_else(session: Session, it: Appointment, *, policy: BookingPolicy, now: datetime) -> list[Slot]:
    """Other counselors who are free at an appointment's own time, and whom its student may see."""
    may = relations(session, it.student_id, policy=policy)
    found = free_slots(
        session, policy=policy, now=now, mode=it.mode, first=it.starts_at, last=it.starts_at, by_staff=True
    )
    return [
        slot for slot in found if slot.counselor_id != it.counselor_id and slot.counselor_id in may.allowed - may.tied
    ]


def assign(
    session: Session, by: By, appointment_id: int, counselor_id: int, *, policy: BookingPolicy, now: datetime
) -> None:
    """Give an appointment to another counselor at the same time; one that waited is certain then.

    Raises: WrongStateError when it is over; TimeTakenError when they are not free.
    """
    it = locked(session, appointment_id)
    if it.state not in FIRM or it.starts_at <= now:
        raise WrongStateError("booking.over")
    slots = who_else(session, it, policy=policy, now=now)
    slot = next((each for each in slots if each.counselor_id == counselor_id), None)
    if slot is None:
        raise TimeTakenError
    was = Appointment.model_validate(it.model_dump())
    with refused_as_taken(session):
        it.counselor_id, it.room_id = slot.counselor_id, slot.room_id if it.mode is Mode.IN_PERSON else None
        it.ends_at, it.busy_from, it.busy_to = slot.ends_at, slot.busy_from, slot.busy_to
        it.state, it.until = AppointmentState.BOOKED, None
        it.version += 1
        set_next(it, policy, now=now)
        session.add(it)
    if was.first and was.counselor_id is not None:  # not before: what is refused leaves no count behind
        count_first(session, was.counselor_id, -1)
        count_first(session, counselor_id, 1)
    withdraw_proposals(session, it, now=now)
    subject = f"appointment:{it.id}"
    record(session, Fact.APPOINTMENT_CONFIRMED, by.person_id, subject, at=now, version=it.version, other=1)
    if was.state is AppointmentState.BOOKED:
        tell_counselor(session, was, PushKind.BOOKING_GONE, by=by, policy=policy, now=now)
    tell_student(session, it, PushKind.BOOKING_CONFIRMED, policy=policy, now=now)
    tell_counselor(session, it, PushKind.BOOKING_NEW, by=by, policy=policy, now=now)
    offer_freed(session, was, policy=policy, now=now)


def move_as_agreed(
    session: Session, by: By, appointment_id: int, slot: Slot, *, policy: BookingPolicy, now: datetime
) -> Appointment:
    """Move an appointment to what was agreed on the telephone; the student gets it in writing. Raises: TimeTakenError."""
    it = session.get_one(Appointment, appointment_id)
    target = hold(
        session, by, it.student_id, slot.starts_at, it.mode,
        policy=policy, now=now, counselor_id=slot.counselor_id, serves_id=appointment_id,
    )  # fmt: skip
    move(session, by, appointment_id, target.id or 0, policy=policy, now=now)
    it = session.get_one(Appointment, appointment_id, populate_existing=True)
    if it.state is AppointmentState.PENDING:  # who moves it has said yes to it
        confirm(session, by, appointment_id, policy=policy, now=now)
        return it
    tell_student(session, it, PushKind.BOOKING_CONFIRMED, policy=policy, now=now)
    return it
