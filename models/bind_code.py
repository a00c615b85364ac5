"""Bind codes: what stands for the telephone's last four digits, once. Rules: design, Binding."""

import secrets
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Field, Session, SQLModel, col, select

from models.audit import Fact, record
from models.db import UTCDateTime
from models.errors import NotFoundError
from models.person import find_by_number
from models.seal import digest

CODE_LASTS = timedelta(days=3)
_ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"


class BindCode(SQLModel, table=True):
    """A code that stands for the telephone's last four digits, once."""

    __tablename__ = "bind_code"

    id: int | None = Field(default=None, primary_key=True)
    person_id: int = Field(foreign_key="person.id", index=True)
    code_digest: str
    expires_at: datetime = Field(sa_type=UTCDateTime)
    used_at: datetime | None = Field(default=None, sa_type=UTCDateTime)


def make_code(session: Session, number: str, *, now: datetime) -> str:
    """A new one-time code for a person, e.g. `7K3F9Q`; the ones before stop working. Raises: NotFoundError."""
    person = find_by_number(session, number)
    if person is None:
        raise NotFoundError("errors.no_such_number")
    use_up_codes(session, person.id or 0, now=now)
    code = "".join(secrets.choice(_ALPHABET) for _ in range(6))
    session.add(BindCode(person_id=person.id or 0, code_digest=digest(code, "bind code"), expires_at=now + CODE_LASTS))
    record(session, Fact.BIND_CODE_MADE, None, f"person:{person.id}", at=now)
    return code


def is_code_of(session: Session, person_id: int, code: str, *, now: datetime) -> bool:
    """Whether this is a code of the person's that still works."""
    found = session.exec(
        select(BindCode.id).where(
            BindCode.person_id == person_id,
            BindCode.code_digest == digest(code, "bind code"),
            BindCode.expires_at > now,
            col(BindCode.used_at).is_(None),
        )
    ).first()
    return found is not None


def use_up_codes(session: Session, person_id: int, *, now: datetime) -> None:
    """An account of the person's was bound, or a new code was made: codes made before stop working."""
    live = (col(BindCode.person_id) == person_id) & col(BindCode.used_at).is_(None)
    session.execute(sa.update(BindCode).where(live).values(used_at=now))
