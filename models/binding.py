"""Binding: which person an account belongs to. Rules: design, Binding.

Five wrong tries close binding for an account for an hour, twenty a day for a number; nobody is told which part was wrong.
"""

import hmac
import unicodedata
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from sqlmodel import Field, Session, SQLModel, col, delete, select

from models.audit import Fact, record
from models.bind_code import is_code_of, use_up_codes
from models.contact import Contact
from models.db import UTCDateTime
from models.person import Person, find_by_number
from models.rebinding import RebindState, settle_wishes, wish_for
from models.seal import digest
from models.talk import Actor

TRIES_AN_ACCOUNT = 5
ACCOUNT_CLOSED = timedelta(hours=1)
TRIES_A_NUMBER = 20
NUMBER_CLOSED = timedelta(days=1)


class BindFailure(SQLModel, table=True):
    """One wrong try; the number only as a keyed digest, so that tries at unknown numbers count too."""

    __tablename__ = "bind_failure"

    id: int | None = Field(default=None, primary_key=True)
    contact_id: int = Field(foreign_key="contact.id", index=True)
    number_digest: str = Field(index=True)
    at: datetime = Field(sa_type=UTCDateTime)


class BindResult(StrEnum):
    """What came of a try; the value is the last part of its sentence's key."""

    BOUND = "bound"
    ALREADY = "already"
    WRONG = "wrong"
    ACCOUNT_CLOSED = "account_closed"
    NUMBER_CLOSED = "number_closed"
    ASKED = "asked"  # the person has another account on this platform, which is asked now
    PASSED_ON = "passed_on"  # the advisor or the centre is
    REFUSED = "refused"  # one of them said no not long ago


_OF_A_WISH = MappingProxyType(
    {
        RebindState.ASKED: BindResult.ASKED,
        RebindState.PASSED_ON: BindResult.PASSED_ON,
        RebindState.REFUSED: BindResult.REFUSED,
    }
)


def account_closed(session: Session, contact_id: int, *, now: datetime) -> bool:
    """Whether an account has used up its tries."""
    query = select(BindFailure.id).where(BindFailure.contact_id == contact_id, BindFailure.at > now - ACCOUNT_CLOSED)
    return len(session.exec(query.limit(TRIES_AN_ACCOUNT)).all()) >= TRIES_AN_ACCOUNT


def bind(session: Session, actor: Actor, number: str, name: str, proof: str, *, now: datetime) -> BindResult:
    """Bind the actor's account to a person; `proof` is the last four digits of their telephone, or a code."""
    number, name, proof = number.strip(), "".join(name.split()), proof.strip().upper()
    number_digest = digest(number.upper(), "bind number")
    if account_closed(session, actor.contact_id, now=now):
        return BindResult.ACCOUNT_CLOSED
    tries = session.exec(
        select(BindFailure.id)
        .where(BindFailure.number_digest == number_digest, BindFailure.at > now - NUMBER_CLOSED)
        .limit(TRIES_A_NUMBER)
    ).all()
    if len(tries) >= TRIES_A_NUMBER:
        return BindResult.NUMBER_CLOSED
    person = find_by_number(session, number) or find_by_number(session, number.upper())
    if person is None or not _same_name(person.name, name) or not _proves(session, person, proof, now=now):
        session.add(BindFailure(contact_id=actor.contact_id, number_digest=number_digest, at=now))
        record(session, Fact.BINDING_REFUSED, None, f"contact:{actor.contact_id}", at=now)
        return BindResult.WRONG
    return _attach(session, actor, person, now=now)


def _same_name(one: str, other: str) -> bool:
    """Whether two spellings are one name: blanks, width, case and the dot between names do not count."""
    first, second = (
        "".join(c for c in unicodedata.normalize("NFKC", name).casefold() if c.isalnum()) for name in (one, other)
    )
    return first == second and bool(first)


def _proves(session: Session, person: Person, proof: str, *, now: datetime) -> bool:
    if person.phone and len(person.phone) >= 4 and hmac.compare_digest(person.phone[-4:].encode(), proof.encode()):  # noqa: PLR2004
        return True
    return is_code_of(session, person.id or 0, proof, now=now)


def forget_failures(session: Session, *, now: datetime) -> None:
    """Drop wrong tries that count no more."""
    session.exec(delete(BindFailure).where(col(BindFailure.at) < now - NUMBER_CLOSED))


def _attach(session: Session, actor: Actor, person: Person, *, now: datetime) -> BindResult:
    mine = session.get_one(Contact, actor.contact_id)
    if mine.person_id == person.id:
        return BindResult.ALREADY
    other = session.exec(select(Contact).where(Contact.person_id == person.id, Contact.channel == mine.channel)).first()
    if other is not None:
        return _OF_A_WISH[wish_for(session, mine, person, now=now)]
    mine.person_id = person.id
    mine.bound_at = now
    mine.listening = True
    session.add(mine)
    session.flush()
    use_up_codes(session, person.id or 0, now=now)
    settle_wishes(session, mine.id or 0, person.id or 0, now=now)
    record(session, Fact.BOUND, person.id, f"contact:{mine.id}", at=now)
    return BindResult.BOUND


def unbind(session: Session, actor: Actor, *, now: datetime) -> None:
    """Take the account off the person; what was sent stays, pushes to this account end."""
    mine = session.get_one(Contact, actor.contact_id)
    mine.person_id = None
    mine.bound_at = None
    session.add(mine)
    record(session, Fact.UNBOUND, actor.person_id, f"contact:{mine.id}", at=now)
