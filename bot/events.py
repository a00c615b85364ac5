"""Events inside a turn: what a platform tells about somebody, and a card's button. Neither touches the open talk."""

import logging
from datetime import datetime

from sqlmodel import Session

from bot.doors.inbound import Consent, Inbound, InboundKind, Receipt
from bot.doors.told import BLOCKED
from handlers.words.catalogue import Words
from models.card import press
from models.channel import Channel
from models.contact import lose, revoke
from models.outbox import Route, note_receipt
from models.policy import BookingPolicy
from models.subscription import allow, refuse, use
from models.talk import Met

log = logging.getLogger(__name__)


def note_told(session: Session, met: Met, inbound: Inbound, *, now: datetime) -> None:
    """Keep what a platform tells; its person has not been heard by it."""
    if inbound.receipt is not None:
        _note_receipt(session, met, inbound.channel, inbound.receipt, now=now)
    elif inbound.kind is InboundKind.SUBSCRIPTION:
        _note_consents(session, met, inbound, now=now)
    elif inbound.kind is InboundKind.REVOKED:
        revoke(session, met.actor.contact_id, met.actor.person_id, inbound.text, now=now)


def _note_receipt(session: Session, met: Met, channel: Channel, it: Receipt, *, now: datetime) -> None:
    attempt = note_receipt(session, Route(channel.value), it.handle, arrived=it.arrived, code=it.code, now=now)
    if it.code == BLOCKED:
        asked_at = now if attempt is None else attempt.began_at
        lose(session, met.actor.contact_id, it.code, asked_at=asked_at, now=now)
    if not it.arrived:
        log.warning("a push did not arrive", extra={"push": attempt.push_id if attempt else None, "code": it.code})


def _note_consents(session: Session, met: Met, inbound: Inbound, *, now: datetime) -> None:
    for template_id, consent in inbound.consents:
        match consent:
            case Consent.ACCEPTED:
                allow(session, met.actor, template_id, now=now)
            case Consent.REJECTED:
                refuse(session, met.actor, template_id, now=now)
            case Consent.USED:
                use(session, met.actor, template_id)


def note_press(
    session: Session, met: Met, inbound: Inbound, words: Words, *, policy: BookingPolicy, now: datetime
) -> str:
    """Act on a pressed button; returns what the card's buttons say from now on."""
    came = press(session, met.actor, inbound.task, inbound.text, policy=policy, now=now)
    return words(f"push.pressed.{came.value}")
