"""A station sends somebody on to the centre; what they talk about stays one thread. Rules: domain J-11, L-36."""

from datetime import datetime

from sqlmodel import Session

from models.audit import Fact, record
from models.booking.acting import end, locked
from models.booking.offering import is_sent_on
from models.booking.table import FIRM, AppointmentState, Counselor, Referral, Side, Tier
from models.booking.taking import By
from models.booking.telling import tell_student
from models.booking.waiting import offer_freed, stop_waiting_for_earlier
from models.errors import RefusedError, WrongStateError
from models.outbox import PushKind
from models.policy import BookingPolicy

_SEEN = (*FIRM, AppointmentState.DONE)


def send_on(session: Session, by: By, appointment_id: int, *, policy: BookingPolicy, now: datetime) -> None:
    """Send an appointment's student on to the centre: they are told, and see its counselors alone when they book.

    One that is still to come is freed, so that it stands in no booking's way. Once is enough; the second time nothing happens.
    Raises: RefusedError when it is not a station's, WrongStateError when it never was.
    """
    it = locked(session, appointment_id)
    if it.counselor_id is None or session.get_one(Counselor, it.counselor_id).tier is not Tier.STATION:
        raise RefusedError("desk.not_a_station")
    if it.state not in _SEEN:
        raise WrongStateError("booking.over")
    if is_sent_on(session, it.student_id):
        return
    thread = it.thread or it.id or 0
    session.add(Referral(student_id=it.student_id, from_id=it.counselor_id, thread=thread, made_at=now))
    session.flush()
    record(session, Fact.REFERRED, by.person_id, f"appointment:{it.id}", at=now, thread=thread)
    tell_student(session, it, PushKind.SENT_ON, policy=policy, now=now)
    if it.state in FIRM and it.starts_at > now:
        end(session, By(by.person_id, Side.COUNSELOR), it, AppointmentState.CANCELLED, now=now)
        record(session, Fact.APPOINTMENT_CANCELLED, by.person_id, f"appointment:{it.id}", at=now, late=0)
        stop_waiting_for_earlier(session, it, policy=policy, now=now)
        offer_freed(session, it, policy=policy, now=now)
