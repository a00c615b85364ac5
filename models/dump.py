r"""Whole tables out of a database and into one, as the text of PostgreSQL's COPY, on both engines.

A line is a row, tabs stand between its values, `\N` is NULL, `t` and `f` are truth values, bytes are `\x` and hex, moments are
UTC. SQLite reads and writes the same, so what one engine gave the other takes. Tables are looked up in the database, not in
the models: an older version's are known there only.
"""

import re
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from models.db import Database, driver, is_postgresql, to_utc_text

MOMENT_LENGTH = 26
"""How SQLite's columns of moments are told from other texts: `UTCDateTime` declares them so."""

ROWS = 1000
NOT_DUMPED = frozenset(["alembic_version", "pulse"])
"""The version stands in the backup's own note; a pulse says what goes on here and now."""


class Kind(StrEnum):
    """What a column holds."""

    TEXT = "text"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    BYTES = "bytes"
    MOMENT = "moment"
    DATE = "date"


@dataclass(frozen=True)
class Shape:
    """A table as it stands in a database."""

    name: str
    columns: tuple[tuple[str, Kind], ...]

    @property
    def names(self) -> list[str]:
        """Its columns."""
        return [name for name, _ in self.columns]


def shapes(database: Database, names: Container[str] | None = None) -> list[Shape]:
    """Every table, or those of these names that are there; each behind those that it refers to."""

    def wanted(name: str, _: object) -> bool:
        return name not in NOT_DUMPED and (names is None or name in names)

    found = sa.MetaData()
    with database.engine.connect() as connection:
        found.reflect(connection, only=wanted)
    return [
        Shape(table.name, tuple((column.name, _kind(column.type)) for column in table.columns))
        for table in found.sorted_tables
    ]


def _kind(it: sa.types.TypeEngine[Any]) -> Kind:
    match it:
        case sa.Boolean():
            return Kind.BOOLEAN
        case sa.Integer():
            return Kind.INTEGER
        case sa.LargeBinary():
            return Kind.BYTES
        case sa.DateTime():
            return Kind.MOMENT
        case sa.Date():
            return Kind.DATE
        case sa.String():
            return Kind.MOMENT if it.length == MOMENT_LENGTH else Kind.TEXT
    msg = f"a backup does not know columns of {it!r}"
    raise RuntimeError(msg)


def begin_snapshot(session: Session) -> None:
    """From here on the session reads one moment of the database. Call it before anything else."""
    if is_postgresql(session):
        driver(session).execute(
            "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL TIME ZONE 'UTC';"
            " SET LOCAL datestyle = 'ISO'; SET LOCAL bytea_output = 'hex'; SET LOCAL client_encoding = 'UTF8'"
        )


def count(session: Session, shape: Shape) -> int:
    """How many rows a table has."""
    row = driver(session).execute(f"SELECT count(*) FROM {_quoted(shape.name)}").fetchone()  # noqa: S608 — our own tables
    return int(row[0])


def lines_of(session: Session, shape: Shape) -> Iterator[bytes]:
    """A table's rows, many lines at a time; each ends with a newline."""
    columns = ", ".join(map(_quoted, shape.names))
    cursor = driver(session).cursor()
    if is_postgresql(session):
        with cursor.copy(f"COPY {_quoted(shape.name)} ({columns}) TO STDOUT") as copy:
            for block in copy:
                yield bytes(block)
        return
    cursor.execute(f"SELECT {columns} FROM {_quoted(shape.name)}")  # noqa: S608 — our own tables
    writers = [_WRITERS[kind] for _, kind in shape.columns]
    while rows := cursor.fetchmany(ROWS):
        yield "".join(_line(row, writers) for row in rows).encode()


def load(session: Session, shape: Shape, lines: Iterable[bytes]) -> int:
    """Put rows into an empty table; `lines` one by one, columns in the order of `shape`. Returns how many."""
    columns = ", ".join(map(_quoted, shape.names))
    cursor = driver(session).cursor()
    done = 0
    if is_postgresql(session):
        with cursor.copy(f"COPY {_quoted(shape.name)} ({columns}) FROM STDIN") as copy:
            for line in lines:
                copy.write(line)
                done += 1
        _go_on_counting(session, shape)
        return done
    marks = ", ".join("?" * len(shape.columns))
    statement = f"INSERT INTO {_quoted(shape.name)} ({columns}) VALUES ({marks})"  # noqa: S608 — as above
    readers = [_READERS[kind] for _, kind in shape.columns]
    some: list[list[Any]] = []
    for line in lines:
        some.append(_row(line, readers))
        done += 1
        if len(some) == ROWS:
            cursor.executemany(statement, some)
            some.clear()
    cursor.executemany(statement, some)
    return done


def begin_load(session: Session) -> None:
    """Rows may refer to rows that come later. Call it before anything else."""
    if is_postgresql(session):
        driver(session).execute("SET LOCAL client_encoding = 'UTF8'")
    else:
        driver(session).execute("PRAGMA defer_foreign_keys=ON")


def _go_on_counting(session: Session, shape: Shape) -> None:
    """PostgreSQL numbers new rows from where the loaded ones end."""
    for name, kind in shape.columns:
        if kind is not Kind.INTEGER:
            continue
        raw = driver(session)
        sequence = raw.execute("SELECT pg_get_serial_sequence(%s, %s)", (shape.name, name)).fetchone()[0]
        if sequence is not None:
            raw.execute(
                f"SELECT setval(%s, max({_quoted(name)})) FROM {_quoted(shape.name)} HAVING count(*) > 0",  # noqa: S608
                (sequence,),
            )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


# ── SQLite's own reading and writing of the lines ───────────────────────────────────────────────────────────────

_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
_MEANT = {"t": "\t", "n": "\n", "r": "\r", "b": "\b", "f": "\f", "v": "\v"}
_TO_ESCAPE = re.compile(r"[\\\t\n\r]")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def _escaped(text: str) -> str:
    return _TO_ESCAPE.sub(lambda found: _ESCAPES[found[0]], text)


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda found: _MEANT.get(found[1], found[1]), text) if "\\" in text else text


_WRITERS: dict[Kind, Callable[[Any], str]] = {
    Kind.TEXT: _escaped,
    Kind.INTEGER: str,
    Kind.BOOLEAN: lambda value: "t" if value else "f",
    Kind.BYTES: lambda value: f"\\\\x{bytes(value).hex()}",
    Kind.MOMENT: lambda value: f"{value}+00",
    Kind.DATE: str,
}
_READERS: dict[Kind, Callable[[str], Any]] = {
    Kind.TEXT: _unescaped,
    Kind.INTEGER: int,
    Kind.BOOLEAN: lambda text: int(text == "t"),
    Kind.BYTES: lambda text: bytes.fromhex(text.removeprefix("\\\\x")),
    Kind.MOMENT: lambda text: to_utc_text(datetime.fromisoformat(text)),
    Kind.DATE: str,
}


def _line(row: Sequence[Any], writers: Sequence[Callable[[Any], str]]) -> str:
    values = ("\\N" if value is None else write(value) for value, write in zip(row, writers, strict=True))
    return "\t".join(values) + "\n"


def _row(line: bytes, readers: Sequence[Callable[[str], Any]]) -> list[Any]:
    values = line.decode().removesuffix("\n").split("\t")
    return [None if value == "\\N" else read(value) for value, read in zip(values, readers, strict=True)]
