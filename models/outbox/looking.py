"""Looking at the outbox: what is due, what waits for somebody, what happened to one row."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Session, col, select

from models.db import Fixed, utc
from models.outbox.claiming import FREE, IS_NOT_URGENT, IS_URGENT, LIVE, NO_LEASE_IS_LONGER
from models.outbox.kinds import KINDS, PushKind
from models.outbox.table import FULL_WAYS, Push, PushAttempt, PushState, Reason

_table = Push.__table__  # type: ignore[attr-defined]


def _any(urgency: sa.ColumnElement[bool]) -> Fixed:
    return Fixed(
        lambda: (
            sa.select(_table.c.id)
            .where(LIVE, urgency, _table.c.next_at <= sa.bindparam("now"), FREE)
            .order_by(_table.c.next_at)
            .limit(sa.bindparam("most", type_=sa.Integer))
        )
    )


def _soonest(urgency: sa.ColumnElement[bool]) -> Fixed:
    return Fixed(lambda: sa.select(_table.c.next_at).where(LIVE, urgency).order_by(_table.c.next_at).limit(1))


_TELLING = tuple(kind for kind in KINDS if kind not in {PushKind.CARD_TRIAL, PushKind.CARD_CLOSED})
"""Kinds that say something in a list: not those about cards, nor what another release has planned."""

_URGENT, _OTHERS = _any(IS_URGENT), _any(IS_NOT_URGENT)
_NEXT_URGENT, _NEXT_OTHERS = _soonest(IS_URGENT), _soonest(IS_NOT_URGENT)


def anything_due(session: Session, *, now: datetime, machine: datetime) -> bool:
    """Whether a drain would find something."""
    times = {"now": now, "machine": machine, "too_long": machine + NO_LEASE_IS_LONGER, "most": 1}
    return _URGENT.one(session, **times) is not None or _OTHERS.one(session, **times) is not None


def late_urgent(session: Session, *, now: datetime, machine: datetime, after: timedelta) -> list[int]:
    """Urgent rows that nobody claimed `after` they were due, oldest first."""
    times = {"now": now - after, "machine": machine, "too_long": machine + NO_LEASE_IS_LONGER, "most": 100}
    return [int(row[0]) for row in _URGENT.all(session, **times)]


def next_due(session: Session) -> datetime | None:
    """When the next live row is to be looked at."""
    found = [row for row in (_NEXT_URGENT.one(session), _NEXT_OTHERS.one(session)) if row is not None]
    return min((utc(row[0]) for row in found), default=None)


def waiting_for(session: Session, person_id: int, *, now: datetime, since: timedelta = timedelta(days=7)) -> list[Push]:
    """What 「查看」 has to show a person, oldest first: what is due and not sent, and what was only hinted at and not seen."""
    told_whole = col(Push.way).in_(FULL_WAYS) & col(Push.reason).is_(None)
    on_its_way = (col(Push.state).in_([PushState.QUEUED, PushState.CARRIED])) & (col(Push.due_at) <= now)
    hinted = col(Push.state).in_([PushState.ACCEPTED, PushState.DELIVERED]) & ~told_whole
    missed = (col(Push.state) == PushState.UNCERTAIN) | (
        (col(Push.state) == PushState.EXHAUSTED) & (col(Push.reason) != Reason.EXPIRED)
    )
    query = (
        select(Push)
        .where(Push.person_id == person_id, col(Push.seen_at).is_(None), col(Push.due_at) > now - since)
        .where(on_its_way | hinted | missed, col(Push.expires_at) > now, col(Push.kind).in_(_TELLING))
        .order_by(col(Push.due_at), col(Push.id))
    )
    return list(session.exec(query))


def attempts_of(session: Session, push_id: int) -> Sequence[PushAttempt]:
    """Every request that was made for a push, oldest first."""
    return session.exec(
        select(PushAttempt)
        .where(PushAttempt.push_id == push_id)
        .order_by(col(PushAttempt.began_at), col(PushAttempt.id))
    ).all()


def told_of(session: Session, fact: str) -> Sequence[Push]:
    """Everybody's rows about one fact, oldest first."""
    return session.exec(select(Push).where(Push.fact == fact).order_by(col(Push.id))).all()
