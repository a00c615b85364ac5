"""Consent to how booking keeps what is said: given to the very words that were shown. Rules: domain L-30.

A school that rewords them asks anew: the version is a digest of the words.
"""

import hashlib
from datetime import datetime

from sqlmodel import Session, col, select

from models.audit import Fact, record
from models.booking.table import Consent, Haste, Side
from models.booking.taking import By
from models.booking.waiting import leave, waiter_of
from models.errors import RefusedError
from models.policy import BookingPolicy
from models.talk import Actor

BOOKING = "booking"


def version_of(*words: str) -> str:
    """What a consent is given to: a digest of the sentences that were shown."""
    return hashlib.blake2b("\n".join(words).encode(), digest_size=8).hexdigest()


def has_consent(session: Session, actor: Actor, version: str | None = None) -> bool:
    """Whether the asker has agreed, and not taken it back; to this version when one is named."""
    query = select(Consent.id).where(
        Consent.person_id == actor.person, Consent.subject == BOOKING, col(Consent.withdrawn_at).is_(None)
    )
    if version is not None:
        query = query.where(Consent.version == version)
    return session.exec(query.limit(1)).first() is not None


def given_consent(session: Session, actor: Actor) -> Consent | None:
    """The asker's newest consent that holds; None without any."""
    return session.exec(
        select(Consent)
        .where(Consent.person_id == actor.person, Consent.subject == BOOKING, col(Consent.withdrawn_at).is_(None))
        .order_by(col(Consent.given_at).desc(), col(Consent.id).desc())
        .limit(1)
    ).first()


def check_not_withdrawn(session: Session, person_id: int) -> None:
    """Raises: RefusedError for whoever took their consent back and has not agreed anew: nothing new is booked for them."""
    withdrawn = session.exec(
        select(Consent.withdrawn_at)
        .where(Consent.person_id == person_id, Consent.subject == BOOKING)
        .order_by(col(Consent.withdrawn_at).is_not(None))
        .limit(1)
    ).first()
    if withdrawn is not None:
        raise RefusedError("booking.consent_withdrawn")


def give(session: Session, actor: Actor, version: str, *, now: datetime) -> None:
    """Agree to a version; saying so twice is said once."""
    if has_consent(session, actor, version):
        return
    it = Consent(person_id=actor.person, subject=BOOKING, version=version, given_at=now)
    session.add(it)
    session.flush()
    record(session, Fact.CONSENT_GIVEN, actor.person_id, f"consent:{it.id}", at=now)


def withdraw(session: Session, actor: Actor, *, now: datetime) -> bool:
    """Take back every consent to booking; returns whether there was one. What is booked stays until it is cancelled."""
    given = session.exec(
        select(Consent).where(
            Consent.person_id == actor.person, Consent.subject == BOOKING, col(Consent.withdrawn_at).is_(None)
        )
    ).all()
    for it in given:
        it.withdrawn_at = now
        session.add(it)
        record(session, Fact.CONSENT_WITHDRAWN, actor.person_id, f"consent:{it.id}", at=now)
    session.flush()
    return bool(given)


def withdraw_and_leave(session: Session, actor: Actor, *, policy: BookingPolicy, now: datetime) -> bool:
    """「撤回同意」: besides, nothing new comes of the waiting list any more; returns whether they waited for something new.

    Appointments stay, also where an earlier time is waited for in place of one: that books nothing new.
    """
    withdraw(session, actor, now=now)
    waiting = waiter_of(session, actor.person)
    if waiting is None or waiting.haste is Haste.EARLIER:
        return False
    return leave(session, By(actor.person, Side.STUDENT), actor.person, policy=policy, now=now)
