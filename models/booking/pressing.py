"""A button under a push about a booking, pressed at once, twice, or days later. Rules: docs/rules.md#booking-pushes.

What needs no further answer is done; for the rest the card says what to reply. Whatever is over is said to be, as it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlmodel import Session

from models.booking.access import access_appointment, say_coming
from models.booking.acting import confirm
from models.booking.answering import go_on_waiting, take_offer
from models.booking.table import FIRM, PASSING, Appointment, AppointmentState, Side
from models.booking.taking import By
from models.db import savepoint
from models.errors import DomainError, NotFoundError
from models.outbox import Button
from models.policy import BookingPolicy
from models.talk import Actor

BUTTONS = frozenset(
    [Button.CONFIRM, Button.PROPOSE, Button.COMING, Button.MOVE, Button.CANCEL, Button.TAKE, Button.WAIT_ON]
)
SPOKEN = frozenset([Button.COMING, Button.MOVE, Button.CANCEL, Button.TAKE, Button.WAIT_ON])
"""Those whose captions are start words: what a tap on a message menu sends."""

_OF_AN_OFFER = frozenset([Button.TAKE, Button.WAIT_ON])


class Came(StrEnum):
    """What a press came to; the value is the last part of its sentence's key."""

    CONFIRM = "confirm"
    PROPOSE = "propose"
    COMING = "coming"
    MOVE = "move"
    CANCEL = "cancel"
    TAKE = "take"
    TAKE_WAITS = "take_waits"  # the centre answers
    WAIT_ON = "wait_on"
    DEAD = "dead"  # called off
    MOVED = "moved"  # to another time, or to somebody else
    PAST = "past"
    GONE = "gone"  # an offer that was given to the next
    OVER = "over"  # there is no such appointment any more


_ENDS = frozenset([Came.DEAD, Came.MOVED, Came.PAST, Came.GONE])


def press(
    session: Session, actor: Actor, data: Mapping[str, Any], button: Button, *, policy: BookingPolicy, now: datetime
) -> Came:
    """Do what a button says, of the appointment that its push spoke of and of no other."""
    it = _spoken_of(session, actor, data)
    if it is None:
        return Came.OVER
    version = data.get("version")
    if (over := _over(it, button, version, now=now)) is not None:
        return over
    id_ = it.id or 0
    try:
        with savepoint(session):
            return _do(session, actor, id_, button, policy=policy, now=now)
    except DomainError:  # somebody else was faster: what is so by now
        it = session.get(Appointment, id_, populate_existing=True)
        over = _over(it, button, version, now=now) if it is not None else None
        return over or (Came.GONE if button in _OF_AN_OFFER else Came.OVER)


@dataclass(frozen=True, slots=True)
class Meant:
    """The appointment that a button spoke of, and why nothing can be done with it any more, if so."""

    appointment_id: int | None
    over: Came | None


def meant_by(session: Session, actor: Actor, data: Mapping[str, Any], button: Button, *, now: datetime) -> Meant:
    """What a button that only says its caption spoke of."""
    it = _spoken_of(session, actor, data)
    if it is None:
        return Meant(None, Came.OVER)
    over = _over(it, button, data.get("version"), now=now)
    return Meant(it.id, over if over in _ENDS else None)


def _spoken_of(session: Session, actor: Actor, data: Mapping[str, Any]) -> Appointment | None:
    id_ = data.get("appointment")
    try:
        return access_appointment(session, actor, id_) if isinstance(id_, int) else None
    except NotFoundError:
        return None


def _over(it: Appointment, button: Button, version: object, *, now: datetime) -> Came | None:
    """Why nothing can be done any more; None when something can."""
    if button in _OF_AN_OFFER:
        return _offer_over(it, button, now=now)
    if it.state in {AppointmentState.DONE, AppointmentState.MISSED}:
        return Came.PAST
    if it.state not in FIRM:
        return Came.DEAD
    if it.starts_at <= now:
        return Came.PAST
    return None if it.version == version else Came.MOVED


def _offer_over(it: Appointment, button: Button, *, now: datetime) -> Came | None:
    if it.state is AppointmentState.PENDING:
        return Came.TAKE_WAITS
    if it.state is AppointmentState.BOOKED:
        return Came.TAKE
    if it.state not in PASSING:
        return Came.WAIT_ON if button is Button.WAIT_ON else Came.GONE
    return Came.GONE if it.until is None or it.until <= now else None


def _do(session: Session, actor: Actor, id_: int, button: Button, *, policy: BookingPolicy, now: datetime) -> Came:
    """Raises: DomainError."""
    match button:
        case Button.CONFIRM:
            confirm(session, By(actor.person, Side.COUNSELOR), id_, policy=policy, now=now)
        case Button.COMING:
            say_coming(session, actor, id_, now=now)
        case Button.TAKE:
            taken = take_offer(session, By(actor.person, Side.STUDENT), id_, policy=policy, now=now)
            return Came.TAKE if taken.certain else Came.TAKE_WAITS
        case Button.WAIT_ON:
            go_on_waiting(session, By(actor.person, Side.STUDENT), id_, policy=policy, now=now)
        case _:  # what is to be done takes an answer more
            pass
    return Came(button.value)
