"""How visits were: told by students, seen by the centre in totals only. Rules: domain 6.5, 2.2.

What is told stands apart from whose visit it was: a counselor, a month, a face. Of the appointment only that it was told.
"""

import secrets
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import Session, col, select

from models.booking.acting import locked
from models.booking.table import Again, Appointment, AppointmentState, Face, Feedback
from models.errors import NotFoundError, WrongStateError
from models.policy import BookingPolicy
from models.post import CENTRE_LEADS
from models.talk import Actor

TOLD_WITHIN = timedelta(days=14)
_IDS = 2**31 - 2
FEWEST = 5
"""Below so many nobody's words could be told apart from them, so no counselor's total is shown."""


@dataclass(frozen=True, slots=True)
class Totals:
    """How many said what."""

    count: int
    faces: dict[Face, int]
    again: dict[Again, int]


def visit_to_tell_of(session: Session, actor: Actor, *, now: datetime) -> Appointment | None:
    """The asker's newest visit of which they have not told how it was; None when there is none of the last two weeks."""
    return session.exec(
        select(Appointment)
        .where(Appointment.student_id == actor.person, col(Appointment.counselor_id).is_not(None))
        .where(col(Appointment.state).in_((AppointmentState.BOOKED, AppointmentState.DONE)))
        .where(col(Appointment.ends_at) <= now, col(Appointment.ends_at) > now - TOLD_WITHIN)
        .where(col(Appointment.face).is_(False))
        .order_by(col(Appointment.starts_at).desc())
        .limit(1)
    ).first()


def tell_how_it_was(
    session: Session,
    actor: Actor,
    appointment_id: int,
    face: Face,
    again: Again | None,
    *,
    policy: BookingPolicy,
    now: datetime,
) -> None:
    """Keep how a visit was, apart from whose it was; no fact is recorded, for the same reason.

    Raises: NotFoundError unless it is the asker's; WrongStateError when it was told before, or has not been.
    """
    it = locked(session, appointment_id)
    if it.student_id != actor.person or it.counselor_id is None:
        raise NotFoundError
    if it.face:
        raise WrongStateError("feedback.told_before")
    if it.ends_at > now or it.state not in {AppointmentState.BOOKED, AppointmentState.DONE}:
        raise WrongStateError("booking.over")
    it.face = True
    session.add(it)
    month = f"{it.starts_at.astimezone(policy.zone):%Y-%m}"
    session.add(Feedback(id=_new_id(session), counselor_id=it.counselor_id, month=month, face=face, again=again))
    session.flush()


def _new_id(session: Session) -> int:
    """A number by chance: counted ones would say in which order it was told, and so by whom."""
    while True:
        id_ = 1 + secrets.randbelow(_IDS)
        if session.get(Feedback, id_) is None:
            return id_


def totals(session: Session, actor: Actor) -> dict[str, Totals]:
    """What was told, by month (`2026-11`), newest first; a month with few answers waits for more.

    Raises: NotFoundError but for the centre.
    """
    return _totals(session, actor, lambda it: it.month)


def totals_of_counselors(session: Session, actor: Actor) -> dict[int, Totals]:
    """The same by counselor id, over all months. Raises: NotFoundError but for the centre."""
    found = _totals(session, actor, lambda it: str(it.counselor_id or 0))
    return {int(id_): each for id_, each in found.items() if id_ != "0"}


def _totals(session: Session, actor: Actor, group: Callable[[Feedback], str]) -> dict[str, Totals]:
    if not any(post.role in CENTRE_LEADS for post in actor.posts):
        raise NotFoundError
    groups: dict[str, list[Feedback]] = {}
    for it in session.exec(select(Feedback)):
        groups.setdefault(group(it), []).append(it)
    return {
        key: Totals(
            count=len(rows),
            faces=dict(Counter(it.face for it in rows)),
            again=dict(Counter(it.again for it in rows if it.again is not None)),
        )
        for key, rows in sorted(groups.items(), reverse=True)
        if len(rows) >= FEWEST
    }
