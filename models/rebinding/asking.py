"""Asking: a wish, who hears of it, and what becomes of it as time passes."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Session, col, select

from models.audit import Fact, record
from models.channel import ACCOUNT_NAMES
from models.contact import Contact
from models.outbox import PushKind, plan
from models.person import Person
from models.post import reachable
from models.rebinding.checkers import Checker, checker_of, to_ask, where_from
from models.rebinding.table import LIVE, OPEN, RebindState, RebindWish, end

ASKED_FOR = timedelta(hours=24)
"""How long the person's own accounts have to answer."""

PASSED_ON_FOR = timedelta(days=7)
"""How long the teachers have."""

CLOSED_FOR = timedelta(days=1)
"""How long an account that was told no may not ask for the same person again, and hears on asking what came of its wish."""


def wish_for(session: Session, contact: Contact, person: Person, *, now: datetime) -> RebindState:
    """An account has proved that it knows who a bound person is: ask for it, once. Returns where its wish stands."""
    wishes = session.exec(select(RebindWish).where(RebindWish.contact_id == contact.id).order_by(col(RebindWish.id)))
    for old in wishes:
        if old.person_id == person.id and old.state in LIVE:
            if old.state is RebindState.ASKED and not _can_ask(session, person):
                _pass_on(session, old, contact, person, now=now)
            return old.state
        if old.person_id == person.id and _was_refused(old, now=now):
            return RebindState.REFUSED
        if old.state in LIVE:  # it says now that it is somebody else
            end(session, old, RebindState.EXPIRED, None, now=now)
    session.flush()
    it = RebindWish(contact_id=contact.id or 0, person_id=person.id or 0, created_at=now, asked_until=now + ASKED_FOR)
    session.add(it)
    session.flush()
    record(session, Fact.REBIND_ASKED, None, it.fact, at=now, contact=contact.id, person=person.id)
    if _can_ask(session, person):
        platform = ACCOUNT_NAMES[contact.channel]
        plan(session, it.fact, PushKind.REBIND_ASK, person.id or 0, now=now, wish=it.id, platform=platform)
    else:
        _pass_on(session, it, contact, person, now=now)
    return it.state


def _can_ask(session: Session, person: Person) -> bool:
    return bool(reachable(session, [person]))


def _was_refused(it: RebindWish, *, now: datetime) -> bool:
    return it.state is RebindState.REFUSED and it.decided_at is not None and it.decided_at > now - CLOSED_FOR


def _pass_on(session: Session, it: RebindWish, contact: Contact, person: Person, *, now: datetime) -> None:
    """The person's own accounts do not answer: whoever can check in person is asked."""
    it.state, it.asked_until = RebindState.PASSED_ON, now + PASSED_ON_FOR
    session.add(it)
    unit, platform = where_from(session, person), ACCOUNT_NAMES[contact.channel]
    for asked in to_ask(session, person):
        plan(session, it.fact, PushKind.REBIND_CONFIRM, asked, now=now, wish=it.id, unit=unit, platform=platform)


@dataclass(frozen=True, slots=True)
class Standing:
    """What an account that asked may hear; `checker` is who checks, or would."""

    state: RebindState
    checker: Checker
    number: int


def standing_of(session: Session, contact_id: int, *, now: datetime) -> Standing | None:
    """Where an account's wish stands, also for a day after it ended without a yes; None without one."""
    it = session.exec(
        select(RebindWish).where(RebindWish.contact_id == contact_id).order_by(col(RebindWish.id).desc())
    ).first()
    if it is None or it.state is RebindState.DONE:
        return None
    if it.state not in LIVE and (it.decided_at is None or it.decided_at <= now - CLOSED_FOR):
        return None
    return Standing(it.state, checker_of(session, session.get_one(Person, it.person_id)), it.id or 0)


def settle_wishes(session: Session, contact_id: int, person_id: int, *, now: datetime) -> None:
    """An account was bound without anybody's yes: what it had wished for is over."""
    for it in session.exec(select(RebindWish).where(RebindWish.contact_id == contact_id, OPEN)):
        done = it.person_id == person_id
        end(session, it, RebindState.DONE if done else RebindState.EXPIRED, None, now=now)


def next_step(session: Session) -> datetime | None:
    """When the next open wish has had its time; None without one."""
    return session.exec(select(RebindWish.asked_until).where(OPEN).order_by(col(RebindWish.asked_until))).first()


def anything_to_move(session: Session, *, now: datetime) -> bool:
    """Whether a wish's time has come, or one is asked where nobody listens any more."""
    return session.exec(select(RebindWish.id).where(*_due(now)).limit(1)).first() is not None


def _due(now: datetime) -> list[sa.ColumnElement[bool] | sa.TextClause]:
    listens = sa.exists().where(col(Contact.person_id) == col(RebindWish.person_id), col(Contact.listening).is_(True))
    unheard = (col(RebindWish.state) == RebindState.ASKED) & ~listens
    return [OPEN, (col(RebindWish.asked_until) <= now) | unheard]


def move_on(session: Session, *, now: datetime, most: int) -> int:
    """Pass on what the person's own accounts did not answer, and let go what nobody did; returns how many moved."""
    query = select(RebindWish).where(*_due(now)).order_by(col(RebindWish.id)).limit(most)
    # A wish that somebody is deciding right now is theirs; it moves next time, should it still be open.
    due = session.exec(query.with_for_update(skip_locked=True).execution_options(populate_existing=True)).all()
    for it in due:
        person = session.get_one(Person, it.person_id)
        if it.state is RebindState.ASKED and person.ended_at is None:
            _pass_on(session, it, session.get_one(Contact, it.contact_id), person, now=now)
        else:
            end(session, it, RebindState.EXPIRED, None, now=now)
    return len(due)
