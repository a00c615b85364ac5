"""Every column that holds sealed values, in one list, and their re-sealing under the newest key. Rules: design, idea 5.

A new sealed column is a line here; a test finds any column of bytes that is in neither list.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, SQLModel

from models.alert import Alert
from models.booking.table import Appointment, Waiter
from models.check_value import CheckValue
from models.checkin import CheckinVersion
from models.concern import Concern
from models.inbox import Inbox
from models.seal import Keyring, SealBrokenError, fingerprint
from models.talk import TalkLog

_KEY_ID = 4


@dataclass(frozen=True)
class SealedColumn:
    """A column and the columns whose values, with dots between them, name a row's place."""

    model: type[SQLModel]
    column: str
    place: tuple[str, ...]

    @property
    def table(self) -> sa.Table:
        """Its table."""
        found: sa.Table = self.model.__table__  # type: ignore[attr-defined]
        return found

    @property
    def name(self) -> str:
        """`table.column`."""
        return f"{self.table.name}.{self.column}"


SEALED = (
    SealedColumn(Inbox, "reply", ("key",)),
    SealedColumn(TalkLog, "log", ("contact_id",)),
    SealedColumn(CheckinVersion, "body", ("checkin_id", "version")),
    SealedColumn(Concern, "body", ("ref",)),
    SealedColumn(Alert, "body", ("id",)),
    SealedColumn(Appointment, "body", ("id",)),
    SealedColumn(Waiter, "body", ("id",)),
    # The last one: as long as it opens with an old key only, nobody starts without that key.
    SealedColumn(CheckValue, "sealed", ("id",)),
)
NOT_SEALED = frozenset(["audit.salt", "audit.digest", "audit.chain"])
"""Columns of bytes that are no text about anybody."""


@dataclass(frozen=True)
class Value:
    """A sealed value as it was read; `key` is its row's primary key."""

    key: tuple[Any, ...]
    place: str
    sealed: bytes


def _head(it: SealedColumn) -> sa.ColumnElement[bytes]:
    return sa.func.substr(it.table.c[it.column], 1, _KEY_ID, type_=sa.LargeBinary())


def _is_old(it: SealedColumn, newest: bytes) -> sa.ColumnElement[bool]:
    column = it.table.c[it.column]
    return column.is_not(None) & (_head(it) != sa.bindparam(None, newest, type_=sa.LargeBinary()))


def old_values(
    session: Session, it: SealedColumn, newest: bytes, *, after: tuple[Any, ...] | None, most: int
) -> list[Value]:
    """Values that another key than the newest has sealed, by primary key, from behind `after`."""
    keys = list(it.table.primary_key.columns)
    query = sa.select(*keys, *(it.table.c[name] for name in it.place), it.table.c[it.column])
    query = query.where(_is_old(it, newest)).order_by(*keys).limit(most)
    if after is not None:
        query = query.where(sa.tuple_(*keys) > sa.tuple_(*after))
    found = []
    for row in session.connection().execute(query):
        key, place = tuple(row[: len(keys)]), row[len(keys) : -1]
        found.append(Value(key, f"{it.name}:{'.'.join(map(str, place))}", bytes(row[-1])))
    return found


def count_old(session: Session, newest: bytes) -> int:
    """How many values another key than the newest has sealed."""
    queries = [sa.select(sa.func.count()).select_from(it.table).where(_is_old(it, newest)) for it in SEALED]
    return sum(session.connection().execute(query).scalar_one() for query in queries)


def resealed(ring: Keyring, values: Sequence[Value]) -> tuple[list[tuple[Value, bytes]], list[Value]]:
    """Values with what the newest key makes of them, and those that no key opens."""
    fresh, broken = [], []
    for value in values:
        try:
            fresh.append((value, ring.seal(ring.open(value.sealed, value.place), value.place)))
        except SealBrokenError:
            broken.append(value)
    return fresh, broken


def replace(session: Session, it: SealedColumn, fresh: Sequence[tuple[Value, bytes]]) -> None:
    """Write them where nobody has written since: a turn that was faster has used the newest key itself."""
    keys = list(it.table.primary_key.columns)
    column = it.table.c[it.column]
    statement = (
        sa.update(it.table)
        .values({it.column: sa.bindparam("new_")})
        .where(*(key == sa.bindparam(f"{key.name}_") for key in keys), column == sa.bindparam("old_"))
    )
    session.connection().execute(
        statement,
        [
            {"new_": new, "old_": value.sealed}
            | {f"{key.name}_": part for key, part in zip(keys, value.key, strict=True)}
            for value, new in fresh
        ],
    )


def fingerprints(session: Session, tables: Collection[str]) -> list[str]:
    """The fingerprints of all keys that these tables' values were sealed with."""
    found = set()
    for it in SEALED:
        if it.table.name in tables:
            heads = sa.select(_head(it)).where(it.table.c[it.column].is_not(None)).distinct()
            found |= {fingerprint(row[0]) for row in session.connection().execute(heads)}
    return sorted(found)


def check_fingerprint(session: Session) -> str | None:
    """That of the key which opens the check value; None when there is none yet."""
    value = session.get(CheckValue, 1)
    return None if value is None else fingerprint(value.sealed)
