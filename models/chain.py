"""The chain of the journal: whoever changes, removes or re-orders a sealed row is found out. Rules: design, idea 5.

A row's digest is taken over its salted details, its link over the link before, its own facts and that digest: details can be
erased, and the chain still holds. How far it goes stands beside it as the pulse `chain`, so that a lost end is missed too.
"""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlmodel import Session

from models.audit import Audit
from models.db import Fixed, is_postgresql, to_utc_text, utc
from models.pulse import beat, last_beat

PULSE = "chain"
"""The pulse whose `found` is the last row's `seq`."""

BATCH = 500
FIRST = bytes(32)
"""What stands before the first link."""

ERASED = ""
"""Details that were erased; those of a fact without any are `{}`."""

_LOCK = 0x78_71_63_68  # any number, the same everywhere
_table = Audit.__table__  # type: ignore[attr-defined]
_facts = (_table.c.id, _table.c.at, _table.c.fact, _table.c.actor_id, _table.c.subject, _table.c.details)
_UNSEALED = Fixed(
    lambda: (
        sa.select(*_facts)
        .where(_table.c.seq.is_(None))
        .order_by(_table.c.id)
        .limit(sa.bindparam("most", type_=sa.Integer))
        .with_for_update()
    )
)
_ANY = Fixed(lambda: sa.select(_table.c.id).where(_table.c.seq.is_(None)).limit(sa.literal_column("1")))
_LAST = Fixed(
    lambda: (
        sa.select(_table.c.seq, _table.c.chain)
        .where(_table.c.seq.is_not(None))
        .order_by(_table.c.seq.desc())
        .limit(sa.literal_column("1"))
    )
)
_SEAL = Fixed(
    lambda: (
        sa.update(_table)
        .values({name: sa.bindparam(f"{name}_") for name in ("seq", "salt", "digest", "chain")})
        .where(_table.c.id == sa.bindparam("id_"))
    )
)
_SEALED = Fixed(
    lambda: (
        sa.select(_table.c.seq, _table.c.salt, _table.c.digest, _table.c.chain, *_facts)
        .where(_table.c.seq > sa.bindparam("after"))
        .order_by(_table.c.seq)
        .limit(sa.bindparam("most", type_=sa.Integer))
    )
)
_LINK_OF = Fixed(lambda: sa.select(_table.c.chain).where(_table.c.seq == sa.bindparam("seq")))
_COUNT = Fixed(lambda: sa.select(sa.func.count(), sa.func.max(_table.c.seq)).where(_table.c.seq.is_not(None)))
_ERASE = Fixed(
    lambda: (
        sa.update(_table)
        .values(details=sa.literal_column("''"), salt=sa.null())
        .where(_table.c.id == sa.bindparam("id_"))
    )
)


def anything_to_seal(session: Session) -> bool:
    """Whether a fact is in no chain yet; only reads."""
    return _ANY.one(session) is not None


def seal(session: Session, *, machine: datetime, most: int = BATCH) -> int:
    """Add the oldest rows that are not in the chain yet, and return how many; 0 also while somebody else does it."""
    if is_postgresql(session):
        taken = session.connection().scalar(sa.text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _LOCK})
        if not taken:
            return 0
    rows = _UNSEALED.all(session, most=most)
    if not rows:
        return 0
    seq, link = _end(session)
    sealed = []
    for row in rows:
        seq += 1
        salt = secrets.token_bytes(16)
        digest = _digest(salt, row[5])
        link = _link(link, seq, row, digest)
        sealed.append({"id_": row[0], "seq_": seq, "salt_": salt, "digest_": digest, "chain_": link})
    _SEAL.many(session, sealed)
    beat(session, PULSE, machine=machine, found=seq)
    return len(sealed)


def _end(session: Session) -> tuple[int, bytes]:
    """The last number given and the last link. Where rows were removed from the end the numbers go on: the gap stays."""
    row, pulse = _LAST.one(session), last_beat(session, PULSE)
    seq, link = (0, FIRST) if row is None else (row[0], bytes(row[1] or FIRST))
    return max(seq, pulse[1] if pulse else 0), link


def verify(session: Session, *, newest: int | None = None, batch: int = BATCH) -> int | None:
    """The `seq` of the first row that is not as it was sealed, or None; with `newest` only so many rows are looked at."""
    last, count, pulse = _LAST.one(session), _COUNT.one(session), last_beat(session, PULSE)
    at, end = 0, max(last[0] if last else 0, pulse[1] if pulse else 0)
    link = FIRST
    if newest is not None and end > newest:
        at = end - newest
        before = _LINK_OF.one(session, seq=at)
        if count is None or count[0] != end or before is None:
            return verify(session, batch=batch)  # something is missing further back
        link = bytes(before[0])
    while rows := _SEALED.all(session, after=at, most=batch):
        for row in rows:
            at += 1
            if not _holds(row, at, link):
                return at
            link = bytes(row[3])
    return None if at >= end else at + 1


def erase_details(session: Session, audit_id: int) -> None:
    """Forget what a fact's details say; its place in the chain stays. Without the salt nobody can guess them from the digest."""
    _ERASE.run(session, id_=audit_id)


def _holds(row: Sequence[Any], seq: int, before: bytes) -> bool:
    number, salt, digest, link, *facts = row
    if number != seq or digest is None or link is None:
        return False
    erased = salt is None and facts[5] == ERASED
    if not erased and (salt is None or _digest(bytes(salt), facts[5]) != bytes(digest)):
        return False
    return _link(before, seq, facts, bytes(digest)) == bytes(link)


def _digest(salt: bytes, details: str) -> bytes:
    return hashlib.sha256(salt + details.encode()).digest()


def _link(before: bytes, seq: int, row: Sequence[Any], digest: bytes) -> bytes:
    """Over the link before and the digest, of fixed length, and the rest as JSON: no two rows spell the same bytes."""
    audit_id, at, fact, actor_id, subject = row[:5]
    facts = orjson.dumps([seq, audit_id, to_utc_text(utc(at)), fact, actor_id, subject])
    return hashlib.sha256(before + digest + facts).digest()
