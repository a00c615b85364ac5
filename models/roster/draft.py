"""The bench on which a sheet is laid out beside what the database has: a private SQLite file without a name.

It is gone with the process, and memory stays flat however long the sheet is.
"""

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from models.roster.columns import Column, SchoolNames
from models.roster.reading import Head, letter
from models.roster.units import Units

Progress = Callable[[int, int | None], None]
"""Told how many lines are done, and of how many where that is known."""

# A WeCom userid is the same in any case, and is kept as the sheet spells it.
_TABLES = """
CREATE TABLE row (line INTEGER PRIMARY KEY, number, name, kind, college, class, dorm, role, scope, phone,
                  wecom_userid COLLATE NOCASE, birth_year, flawed);
CREATE TABLE problem (line, at, letter, header, key, shown);
CREATE TABLE person (number PRIMARY KEY, line, name, kind, college, class, dorm, phone, wecom_userid COLLATE NOCASE,
                     birth_year) WITHOUT ROWID;
CREATE TABLE post (number, role, unit, PRIMARY KEY (number, role, unit)) WITHOUT ROWID;
CREATE TABLE named (home PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE old_person (id INTEGER PRIMARY KEY, number UNIQUE, name, kind, college, class, dorm, phone,
                         wecom_userid COLLATE NOCASE, birth_year, live, home);
CREATE TABLE old_post (id INTEGER PRIMARY KEY, number, role, unit, home);
CREATE INDEX old_post_number ON old_post (number);
CREATE TABLE change (number PRIMARY KEY, what) WITHOUT ROWID;
CREATE TABLE ended_person (id INTEGER PRIMARY KEY, number, name);
CREATE TABLE ended_post (id INTEGER PRIMARY KEY, number, role, unit);
CREATE VIEW new_post AS
    SELECT number, role, unit FROM post p
    WHERE NOT EXISTS (SELECT 1 FROM old_post o WHERE o.number = p.number AND o.role = p.role AND o.unit = p.unit);
CREATE VIEW new_account AS
    SELECT p.number, p.wecom_userid FROM person p LEFT JOIN old_person o USING (number)
    WHERE p.wecom_userid IS NOT NULL AND p.wecom_userid IS NOT o.wecom_userid;
"""


@dataclass(frozen=True)
class Problem:
    """Something in the sheet that stops the import; `header` is "" where it is the whole line, `line` 0 where the whole sheet."""

    line: int
    letter: str
    header: str
    key: str
    values: dict[str, Any]


class Draft:
    """A sheet laid out."""

    def __init__(self, names: SchoolNames) -> None:
        self.names = names
        self.units = Units(names)
        self.heads: dict[Column, Head] = {}
        self.rows = 0
        self.flaws = 0
        self.base: int | None = None  # the last import that had been decided when the database was read
        # No journal, no waiting for the disk: it is thrown away whatever happens.
        self.db = sqlite3.connect("", isolation_level=None)
        self.db.executescript(
            "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-8000; BEGIN;" + _TABLES
        )

    def has(self, *columns: Column) -> bool:
        """Whether the sheet has one of these columns; what it does not have it does not change."""
        return any(column in self.heads for column in columns)

    def problem(self, line: int, column: Column | None, key: str, /, **values: object) -> None:
        """Note what is wrong."""
        head = self.heads.get(column) if column else None
        header = head.text if head else self.names.header(column) if column else ""
        place = letter(head.at) if head else ""
        self.flaws += 1
        self.db.execute(
            "INSERT INTO problem VALUES (?, ?, ?, ?, ?, ?)",
            (
                line,
                head.at if head else -1,
                place,
                header,
                f"roster.problem.{key}",
                json.dumps(values, ensure_ascii=False),
            ),
        )

    def problems(self) -> Iterator[Problem]:
        """Everything that is wrong, line by line, left to right."""
        found = self.db.execute("SELECT line, letter, header, key, shown FROM problem ORDER BY line, at, rowid")
        for line, place, header, key, shown in found:
            yield Problem(line, place, header, key, json.loads(shown))

    def count(self, query: str, *values: object) -> int:
        """The one number that a query gives."""
        return int(self.db.execute(query, values).fetchone()[0])


@contextmanager
def new_draft(names: SchoolNames) -> Iterator[Draft]:
    """An empty bench, cleared at the end."""
    draft = Draft(names)
    with closing(draft.db):
        yield draft
