"""What an operator sees of the outbox and decides about it. Each decision is a fact; an operator has no account, so no actor."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Session, col, select

from models.audit import Fact, record
from models.db import UTCDateTime
from models.outbox.changing import cancel, release, retry
from models.outbox.kinds import PushKind, Urgency
from models.outbox.table import Push, PushState
from models.person import Kind, Person

WAITING = (PushState.QUEUED, PushState.SENDING, PushState.CARRIED, PushState.HELD)
WANT_A_LOOK = (PushState.UNCERTAIN, PushState.EXHAUSTED)
LOOKED_AT_FOR = timedelta(days=7)
"""How long an end that wants a look stands in the list by itself."""

LATE_AFTER = timedelta(seconds=30)
BATCH = 100
"""Rows that one transaction changes, so that turns go on."""


@dataclass(frozen=True)
class Listed:
    """A push and whom it is for; `name` is None for a student, whom nobody names here."""

    push: Push
    number: str
    name: str | None


@dataclass(frozen=True)
class Wanted:
    """Which pushes to list. Nothing said: what waits, and what ended in a way that wants a look, of the last days."""

    states: Collection[PushState] = ()
    kinds: Collection[PushKind] = ()
    person_id: int | None = None
    late: bool = False

    def conditions(self, *, now: datetime) -> list[sa.ColumnElement[bool]]:
        """As the database is asked."""
        asked: list[sa.ColumnElement[bool]] = []
        if self.kinds:
            asked.append(col(Push.kind).in_(self.kinds))
        if self.person_id is not None:
            asked.append(col(Push.person_id) == self.person_id)
        if self.late:
            return [*asked, _is_late(now)]
        if self.states:
            asked.append(col(Push.state).in_(self.states))
        elif self.person_id is None:
            recent = col(Push.state).in_(WANT_A_LOOK) & (col(Push.due_at) > now - LOOKED_AT_FOR)
            asked.append(col(Push.state).in_(WAITING) | recent)
        return asked


def _is_late(now: datetime) -> sa.ColumnElement[bool]:
    return col(Push.state).in_([PushState.QUEUED, PushState.SENDING]) & (col(Push.next_at) < now - LATE_AFTER)


def listed(session: Session, wanted: Wanted, *, now: datetime, most: int) -> list[Listed]:
    """What an operator asked for, the most pressing first.

    Shape: what is late or ended badly, urgent first, newest first; then what waits, the soonest first; then the rest.
    """
    presses = _is_late(now) | col(Push.state).in_(WANT_A_LOOK)
    waits = col(Push.state).in_(WAITING)
    hurry = sa.case({each: at for at, each in enumerate(reversed(Urgency))}, value=col(Push.urgency), else_=9)
    query = (
        select(Push, Person)
        .join(Person, col(Person.id) == col(Push.person_id))
        .where(*wanted.conditions(now=now))
        .order_by(
            sa.case((presses, 0), (waits, 1), else_=2),
            sa.case((presses, hurry), else_=0),
            sa.case((presses, None), (waits, col(Push.due_at)), else_=None),
            col(Push.due_at).desc(),
            col(Push.id).desc(),
        )
        .limit(most)
    )
    return [_listed(push, person) for push, person in session.exec(query)]


def _listed(push: Push, person: Person) -> Listed:
    return Listed(push, person.number, person.name if person.kind is Kind.STAFF else None)


def count_by_state(session: Session, wanted: Wanted, *, now: datetime) -> dict[PushState, int]:
    """How many there are of what was asked for, states in their own order."""
    query = select(Push.state, sa.func.count()).where(*wanted.conditions(now=now)).group_by(col(Push.state))
    found = dict(session.exec(query).all())
    return {state: found[state] for state in PushState if state in found}


def count_held(session: Session) -> dict[PushKind, int]:
    """How many wait for the operator's word, by kind."""
    query = select(Push.kind, sa.func.count()).where(Push.state == PushState.HELD).group_by(col(Push.kind))
    found = dict(session.exec(query).all())
    return {kind: found[kind] for kind in PushKind if kind in found}


def person_id_of(session: Session, number: str) -> int | None:
    """Whose number this is, also when they have left the roster."""
    return session.exec(select(Person.id).where(Person.number == number)).first()


def named(session: Session, word: str) -> list[Listed]:
    """The pushes that a word names: `id:12`, an id, or the number that their readers see; newest first."""
    query = select(Push, Person).join(Person, col(Person.id) == col(Push.person_id)).order_by(col(Push.id).desc())
    head, mark, tail = word.rpartition(":")
    its_id = col(Push.id) == int(tail) if tail.isascii() and tail.isdigit() and len(tail) < 18 else sa.false()  # noqa: PLR2004
    if mark:
        return [] if head != "id" else [_listed(*row) for row in session.exec(query.where(its_id))]
    return [_listed(*row) for row in session.exec(query.where(its_id | (col(Push.number) == word.upper())))]


def carried_by(session: Session, push_id: int) -> Sequence[int]:
    """The ids of what a push's message carries or carried."""
    return [found for found in session.exec(select(Push.id).where(Push.carrier_id == push_id)) if found is not None]


def ids_in(
    session: Session, state: PushState, *, after: int = 0, settled_since: datetime | None = None, most: int = BATCH
) -> list[int]:
    """The ids of rows in a state, upwards from `after`; with `settled_since` only those that ended then or later."""
    query = select(Push.id).where(Push.state == state, col(Push.id) > after).order_by(col(Push.id)).limit(most)
    if settled_since is not None:
        query = query.where(col(Push.settled_at) >= settled_since)
    return [found for found in session.exec(query) if found is not None]


def cancel_by_hand(session: Session, push_id: int, *, now: datetime) -> Push:
    """Take a push back. Raises: WrongStateError when it is under way or has ended."""
    it = _locked(session, push_id)
    cancel(session, it, now=now)
    record(session, Fact.PUSH_CANCELLED, None, f"outbox:{push_id}", at=now)
    return it


def retry_by_hand(session: Session, push_id: int, *, now: datetime) -> Push:
    """Send a push once more, now. Raises: WrongStateError when it is under way or has arrived."""
    it = _locked(session, push_id)
    before = it.state
    retry(session, it, now=now)
    record(session, Fact.PUSH_RETRIED, None, f"outbox:{push_id}", at=now, was=before.value)
    return it


def release_some(session: Session, *, now: datetime, most: int = BATCH) -> int:
    """The operator's word after a restore, for as many as one short transaction takes; returns how many."""
    count = release(session, now=now, most=most)
    if count:
        record(session, Fact.PUSHES_RELEASED, None, "outbox", at=now, count=count)
    return count


def hold_due(session: Session, columns: Collection[str], *, now: datetime) -> int:
    """After a restore: what should have gone out before waits for the operator's word, and nobody holds a lease.

    Shape: `columns` are those of the outbox as it stands, which an older version has written; returns how many wait.
    """
    table = sa.table(
        "outbox",
        sa.column("state", sa.String()),
        sa.column("due_at", UTCDateTime()),
        *(sa.column(name) for name in ("lease_until", "carrier_id")),
    )
    live = table.c.state.in_([each.value for each in (PushState.QUEUED, PushState.SENDING, PushState.CARRIED)])
    hold = sa.update(table).where(live, table.c.due_at <= now).values(state=PushState.HELD.value)
    if "carrier_id" in columns:
        hold = hold.values(carrier_id=sa.null())
    connection = session.connection()
    count = connection.execute(hold).rowcount
    connection.execute(sa.update(table).where(live).values(state=PushState.QUEUED.value))
    connection.execute(sa.update(table).where(table.c.lease_until.is_not(None)).values(lease_until=sa.null()))
    return count


def _locked(session: Session, push_id: int) -> Push:
    return session.get_one(Push, push_id, with_for_update=True, populate_existing=True)
