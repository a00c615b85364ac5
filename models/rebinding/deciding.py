"""Deciding a wish: who may, what they see, and the one transaction that moves the person."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session, col, select

from models.audit import Fact, record
from models.bind_code import use_up_codes
from models.channel import ACCOUNT_NAMES
from models.contact import Contact
from models.errors import NotFoundError
from models.outbox import PushKind, plan
from models.person import Person
from models.rebinding.checkers import DECIDERS, checks, where_from
from models.rebinding.table import LIVE, OPEN, RebindState, RebindWish, end
from models.talk import Actor, TalkLog


@dataclass(frozen=True, slots=True)
class OpenWish:
    """A wish as whoever may decide it sees it: never the account's own address."""

    id: int
    mine: bool
    account: str
    at: datetime
    name: str
    number: str
    unit: str


def open_wishes(session: Session, actor: Actor) -> list[OpenWish]:
    """The wishes that the actor may decide, the oldest first; those about the actor before all others."""
    query = (
        select(RebindWish, Person, Contact)
        .join(Person, col(Person.id) == col(RebindWish.person_id))
        .join(Contact, col(Contact.id) == col(RebindWish.contact_id))
        .where(OPEN, col(Person.ended_at).is_(None))
        .order_by(col(RebindWish.id))
    )
    if not any(post.role in DECIDERS for post in actor.posts):
        query = query.where(RebindWish.person_id == actor.person_id)
    shown = [
        OpenWish(
            it.id or 0,
            person.id == actor.person_id,
            ACCOUNT_NAMES[contact.channel],
            it.created_at,
            person.name,
            person.number,
            where_from(session, person),
        )
        for it, person, contact in session.exec(query)
        if _may_decide(session, actor, it, person)
    ]
    return sorted(shown, key=lambda each: not each.mine)


def access_wish(session: Session, actor: Actor, wish_id: int) -> RebindWish:
    """A wish that the actor may decide, or might have. Raises: NotFoundError."""
    it = session.get(RebindWish, wish_id)
    if it is None:
        raise NotFoundError
    person = session.get_one(Person, it.person_id)
    if person.ended_at is not None:
        raise NotFoundError
    if not _may_decide(session, actor, it, person):
        raise NotFoundError
    return it


def _may_decide(session: Session, actor: Actor, it: RebindWish, person: Person) -> bool:
    """Oneself, from an account that one has; about others, whoever checks in person what was passed on to them."""
    if actor.person_id is None:
        return False
    if actor.person_id == person.id:
        return True
    return it.state is not RebindState.ASKED and checks(session, actor, person)


def answer_wish(session: Session, actor: Actor, wish_id: int, *, yes: bool, now: datetime) -> bool:
    """Decide a wish: yes moves the person to the account that asked, in this transaction. False: it was over by then.

    Raises: NotFoundError.
    """
    it = access_wish(session, actor, wish_id)
    wisher = session.get_one(Contact, it.contact_id)
    held = select(Contact).where(Contact.person_id == it.person_id, Contact.channel == wisher.channel)
    # Always the account that is there before the one that asks, then the wish: two who decide at once wait, one for the other.
    old = session.exec(held.with_for_update().execution_options(populate_existing=True)).first()
    session.refresh(wisher, with_for_update=True)
    session.refresh(it, with_for_update=True)
    if it.state not in LIVE:
        return False
    if yes and _is_somebody_else(session, wisher, it.person_id):
        end(session, it, RebindState.EXPIRED, None, now=now)
        return False
    if not yes:
        end(session, it, RebindState.REFUSED, actor.person_id, now=now)
        record(session, Fact.REBIND_REFUSED, actor.person_id, it.fact, at=now)
        return True
    if old is not None and old.id != wisher.id:
        _take_off(session, old, keep_talk=old.id == actor.contact_id)
    wisher.person_id, wisher.bound_at = it.person_id, now
    session.add(wisher)
    use_up_codes(session, it.person_id, now=now)
    end(session, it, RebindState.DONE, actor.person_id, now=now)
    session.flush()
    moved = {"contact": wisher.id, "before": old.id if old else None}
    record(session, Fact.REBOUND, actor.person_id, it.fact, at=now, **moved)
    platform = ACCOUNT_NAMES[wisher.channel]
    plan(session, it.fact, PushKind.REBIND_DONE, it.person_id, now=now, wish=it.id, platform=platform)
    return True


def _is_somebody_else(session: Session, wisher: Contact, person_id: int) -> bool:
    """Whether the account that asked has become somebody else's meanwhile."""
    if wisher.person_id is None or wisher.person_id == person_id:
        return False
    return session.get_one(Person, wisher.person_id).ended_at is None


def _take_off(session: Session, old: Contact, *, keep_talk: bool) -> None:
    """An account stands for nobody now; what was being written there goes. The talk of a turn's own account is the turn's."""
    old.person_id, old.bound_at = None, None
    session.add(old)
    session.flush()  # before the other account gets the person: one account a platform
    if not keep_talk:
        nothing = {"log": None, "failures": 0, "dropped": None, "unsent_for": None, "reminded": False}
        session.execute(sa.update(TalkLog).where(col(TalkLog.contact_id) == old.id).values(nothing))
