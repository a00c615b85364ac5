"""What a counselor sees of their own days, and the centre of everybody's. Rules: domain 2.2, 6.6.

In chat there are times and how many times somebody has come; names stand behind a ten-minute link, and each one shown is a fact
that its student can see.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any

from sqlmodel import Session, col, select

from models.audit import Fact, record
from models.booking.choices import Mode
from models.booking.table import FIRM, Appointment, AppointmentState, Counselor, Proposal, ProposalState
from models.errors import NotFoundError
from models.person import Person
from models.policy import BookingPolicy
from models.post import CENTRE_LEADS, posts_of
from models.seal import SealBrokenError, unseal_json
from models.talk import Actor

AHEAD = timedelta(days=7)
"""After today."""

_SHOWN = (*FIRM, AppointmentState.DONE, AppointmentState.MISSED)
_CAME = (*FIRM, AppointmentState.DONE)


@dataclass(frozen=True, slots=True)
class Row:
    """One appointment as its counselor sees it in chat. `visit`: the student's n-th with this counselor."""

    id: int
    starts_at: datetime
    ends_at: datetime
    mode: Mode
    state: AppointmentState
    visit: int
    arrived: bool
    late: int
    asked: bool  # another time was proposed, and is not answered yet


@dataclass(frozen=True, slots=True)
class Taken:
    """One appointment as the centre sees it: whose time, and nothing of whom."""

    counselor: str
    starts_at: datetime
    mode: Mode
    state: AppointmentState


def profile_of(session: Session, person_id: int) -> Counselor | None:
    """Somebody's profile as a counselor, if they are one still."""
    return session.exec(
        select(Counselor).where(Counselor.person_id == person_id, col(Counselor.ended_at).is_(None))
    ).first()


def is_of_the_centre(session: Session, person_id: int) -> bool:
    """Whether somebody is on the centre's staff."""
    return any(post.role in CENTRE_LEADS for post in posts_of(session, person_id))


def is_on_duty(actor: Actor) -> bool:
    """Whether somebody has a desk: counselors, and the centre's staff."""
    if actor.person_id is None:
        return False
    centre = any(post.role in CENTRE_LEADS for post in actor.posts)
    return centre or profile_of(actor.session, actor.person_id) is not None


def day_begins(policy: BookingPolicy, now: datetime) -> datetime:
    """Today's first moment, local time."""
    return datetime.combine(now.astimezone(policy.zone).date(), time(), policy.zone)


def agenda(session: Session, counselor_id: int, since: datetime, until: datetime) -> list[Row]:
    """A counselor's appointments between two moments, by start."""
    rows = session.exec(
        select(Appointment)
        .where(Appointment.counselor_id == counselor_id, col(Appointment.state).in_(_SHOWN))
        .where(Appointment.starts_at >= since, Appointment.starts_at < until)
        .order_by(col(Appointment.starts_at))
    ).all()
    before = _visits(session, counselor_id, {it.student_id for it in rows}, since)
    ids = [it.id for it in rows]
    asked = set(
        session.exec(
            select(Proposal.appointment_id).where(
                col(Proposal.appointment_id).in_(ids), Proposal.state == ProposalState.OPEN
            )
        )
    )
    found = []
    for it in rows:
        before[it.student_id] += it.state in _CAME
        found.append(
            Row(
                id=it.id or 0,
                starts_at=it.starts_at,
                ends_at=it.ends_at,
                mode=it.mode,
                state=it.state,
                visit=max(1, before[it.student_id]),
                arrived=it.arrived_at is not None,
                late=it.late_minutes or 0,
                asked=it.id in asked,
            )
        )
    return found


def _visits(session: Session, counselor_id: int, students: set[int], before: datetime) -> Counter[int]:
    """How often each came before."""
    rows = session.exec(
        select(Appointment.student_id)
        .where(Appointment.counselor_id == counselor_id, col(Appointment.student_id).in_(students))
        .where(col(Appointment.state).in_(_CAME), Appointment.starts_at < before)
    )
    return Counter(rows)


def everybodys(session: Session, since: datetime, until: datetime) -> list[Taken]:
    """The appointments of all counselors between two moments, by start: times only."""
    rows = session.exec(
        select(Person.name, Appointment.starts_at, Appointment.mode, Appointment.state)
        .join(Counselor, col(Counselor.id) == col(Appointment.counselor_id))
        .join(Person, col(Person.id) == col(Counselor.person_id))
        .where(col(Appointment.state).in_(_SHOWN))
        .where(Appointment.starts_at >= since, Appointment.starts_at < until)
        .order_by(col(Appointment.starts_at), col(Counselor.id))
    )
    return [Taken(name, starts_at, Mode(mode), AppointmentState(state)) for name, starts_at, mode, state in rows]


def access_client(session: Session, actor: Actor, appointment_id: int) -> Appointment:
    """An appointment of the asker's own, as its counselor. Raises: NotFoundError."""
    it = session.get(Appointment, appointment_id, populate_existing=True)
    profile = profile_of(session, actor.person) if it is not None else None
    if it is None or profile is None or it.counselor_id != profile.id:
        raise NotFoundError
    return it


@dataclass(frozen=True, slots=True)
class Client:
    """One line of the page behind the link."""

    name: str
    number: str
    phone: str
    starts_at: datetime
    mode: Mode
    state: AppointmentState
    visit: int
    said: dict[str, Any]  # topic and note, as the student gave them


def access_clients_page(
    session: Session, person_id: int, counselor_id: int, *, policy: BookingPolicy, now: datetime
) -> list[Client]:
    """Who comes today and in the coming days, for their counselor alone; each one shown is a fact. Raises: NotFoundError."""
    profile = profile_of(session, person_id)
    if profile is None or profile.id != counselor_id:
        raise NotFoundError
    since = day_begins(policy, now)
    found = []
    for row in agenda(session, counselor_id, since, since + AHEAD + timedelta(days=1)):
        it = session.get_one(Appointment, row.id)
        student = session.get_one(Person, it.student_id)
        subject = f"person:{student.id}"
        record(session, Fact.APPOINTMENTS_SHOWN, person_id, subject, at=now, appointment=row.id)
        found.append(
            Client(
                name=student.name,
                number=student.number,
                phone=student.phone or "",
                starts_at=row.starts_at,
                mode=row.mode,
                state=row.state,
                visit=row.visit,
                said=words_of(it),
            )
        )
    return found


def phone_of(session: Session, it: Appointment) -> str:
    """Where an appointment's student is rung up: the number they left for it, else the roster's; "" without either."""
    return words_of(it).get("phone") or session.get_one(Person, it.student_id).phone or ""


def words_of(it: Appointment) -> dict[str, Any]:
    """What the student said of an appointment; {} when it was forgotten or nobody can read it."""
    if it.body is None:
        return {}
    try:
        found: dict[str, Any] = unseal_json(it.body, f"appointment.body:{it.id}")
    except SealBrokenError:
        return {}
    return found
