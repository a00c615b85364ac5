"""Comparing the bench with the database: what an import would add, change and end, counted before anything is touched."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from models.channel import Channel
from models.contact import Contact
from models.person import Person
from models.post import Post, Role
from models.roster.columns import Column
from models.roster.draft import Draft
from models.roster.table import ImportState, RosterImport
from models.roster.units import SCHOOL
from models.unit import Level, Unit

MOST_ENDINGS = 0.10
"""The share of people or posts that may end without somebody saying yes."""

_AT_ONCE = 2000
_CHANGES = {
    "name": (Column.NAME,),
    "kind": (Column.KIND,),
    "college": (Column.COLLEGE, Column.CLASS),
    "class": (Column.CLASS,),
    "dorm": (Column.DORM,),
    "phone": (Column.PHONE,),
    "birth_year": (Column.BIRTH_YEAR,),
}
"""What an import writes of a person, and the columns it comes from; without those it leaves it as it is."""


@dataclass(frozen=True)
class Totals:
    """What an import does; `people` and `posts` are those that stood before in the colleges that the sheet names."""

    people: int = 0
    posts: int = 0
    people_added: int = 0
    people_returned: int = 0
    people_changed: int = 0
    people_ended: int = 0
    posts_added: int = 0
    posts_ended: int = 0
    units_added: int = 0
    accounts_bound: int = 0

    @property
    def too_many_endings(self) -> bool:
        """Whether so much ends that somebody must say yes."""
        return self.people_ended > self.people * MOST_ENDINGS or self.posts_ended > self.posts * MOST_ENDINGS


@dataclass(frozen=True)
class Change:
    """One line of what an import would do; `role` and `unit` where it is about a post."""

    number: str
    name: str
    role: Role | None = None
    unit: str = ""


def take_down(draft: Draft, session: Session) -> None:
    """Copy what the database has of units, people and posts to the bench. Memory stays flat."""
    decided = select(sa.func.max(RosterImport.id)).where(
        col(RosterImport.state).in_([ImportState.APPLYING, ImportState.DONE])
    )
    draft.base = session.exec(decided).one()
    keys = _take_units(draft, session)
    _take_people(draft, session, keys)
    _take_posts(draft, session, keys)


def _take_units(draft: Draft, session: Session) -> dict[int | None, str]:
    order = list(Level)
    found = session.connection().execute(sa.select(_table(Unit)))
    keys: dict[int | None, str] = {}
    for unit_id, level, name, parent_id in sorted(found, key=lambda row: order.index(row.level)):
        if level is Level.SCHOOL:
            draft.units.set_school(unit_id or 0, name)
            keys[unit_id] = SCHOOL
        else:
            college = keys.get(parent_id) if level is Level.CLASS else None
            keys[unit_id] = draft.units.add(level, name, college, unit_id)
    return keys


def _rows(session: Session, statement: sa.Select[Any]) -> Iterator[Any]:
    yield from session.connection().execute(statement.execution_options(yield_per=_AT_ONCE))


def _take_people(draft: Draft, session: Session, keys: dict[int | None, str]) -> None:
    person, contact = _table(Person), _table(Contact)
    bound = (contact.c.person_id == person.c.id) & (contact.c.channel == Channel.WECOM)
    columns = ("id", "number", "name", "kind", "college_id", "class_id", "dorm_id", "phone", "birth_year", "ended_at")
    statement = sa.select(*[person.c[name] for name in columns], contact.c.address).select_from(
        person.outerjoin(contact, bound)
    )
    draft.db.executemany(
        "INSERT INTO old_person VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (
                row.id,
                row.number,
                row.name,
                row.kind.value,
                keys.get(row.college_id),
                keys.get(row.class_id),
                keys.get(row.dorm_id),
                row.phone,
                row.address,
                None if row.birth_year is None else str(row.birth_year),
                row.ended_at is None,
                keys.get(row.college_id) or "",
            )
            for row in _rows(session, statement)
        ),
    )


def _take_posts(draft: Draft, session: Session, keys: dict[int | None, str]) -> None:
    post, person = _table(Post), _table(Person)
    statement = (
        sa.select(post.c.id, person.c.number, post.c.role, post.c.unit_id, person.c.college_id)
        .select_from(post.join(person, person.c.id == post.c.person_id))
        .where(post.c.ended_at.is_(None))
    )
    places = draft.units.places

    def home(unit: str, college_id: int | None) -> str:
        """The college that speaks for a post: its unit's own, for a dorm the holder's, '' for the whole school."""
        it = places[unit]
        if it.level is Level.DORM:
            return keys.get(college_id) or ""
        return unit if it.level is Level.COLLEGE else it.college or ""

    draft.db.executemany(
        "INSERT INTO old_post VALUES (?, ?, ?, ?, ?)",
        (
            (row.id, row.number, row.role.value, keys[row.unit_id], home(keys[row.unit_id], row.college_id))
            for row in _rows(session, statement)
        ),
    )


def _table(model: type[Any]) -> sa.Table:
    table: sa.Table = model.__table__
    return table


def compare(draft: Draft) -> Totals:
    """Work out on the bench what the import would do."""
    fields = [name for name, columns in _CHANGES.items() if draft.has(*columns)]
    differs = " OR ".join(f"p.{name} IS NOT o.{name}" for name in fields)
    draft.db.execute(f"""
        INSERT INTO change
        SELECT p.number,
               CASE WHEN o.id IS NULL THEN 'added' WHEN NOT o.live THEN 'returned' WHEN {differs} THEN 'changed' ELSE 'same' END
        FROM person p LEFT JOIN old_person o USING (number)
    """)  # noqa: S608 — the names of our own columns
    draft.db.execute("""
        INSERT INTO ended_post
        SELECT id, number, role, unit FROM old_post o
        WHERE home IN (SELECT home FROM named)
          AND NOT EXISTS (SELECT 1 FROM post p WHERE p.number = o.number AND p.role = o.role AND p.unit = o.unit)
    """)
    # Whoever still holds a post that this sheet does not speak for stays.
    draft.db.execute("""
        INSERT INTO ended_person
        SELECT id, number, name FROM old_person o
        WHERE live AND home IN (SELECT home FROM named)
          AND NOT EXISTS (SELECT 1 FROM person p WHERE p.number = o.number)
          AND NOT EXISTS (SELECT 1 FROM old_post s WHERE s.number = o.number AND s.home NOT IN (SELECT home FROM named))
    """)
    return Totals(
        people=draft.count("SELECT count(*) FROM old_person WHERE live AND home IN (SELECT home FROM named)"),
        posts=draft.count("SELECT count(*) FROM old_post WHERE home IN (SELECT home FROM named)"),
        people_added=draft.count("SELECT count(*) FROM change WHERE what = 'added'"),
        people_returned=draft.count("SELECT count(*) FROM change WHERE what = 'returned'"),
        people_changed=draft.count("SELECT count(*) FROM change WHERE what = 'changed'"),
        people_ended=draft.count("SELECT count(*) FROM ended_person"),
        posts_added=draft.count("SELECT count(*) FROM new_post"),
        posts_ended=draft.count("SELECT count(*) FROM ended_post"),
        units_added=len(draft.units.new()),
        accounts_bound=draft.count("SELECT count(*) FROM new_account"),
    )


def changes(draft: Draft, what: str) -> Iterator[Change]:
    """The people whom an import would leave `added`, `returned` or `changed`, by number."""
    found = "SELECT c.number, p.name FROM change c JOIN person p USING (number) WHERE what = ? ORDER BY c.number"
    for number, name in draft.db.execute(found, (what,)):
        yield Change(number, name)


def endings(draft: Draft) -> Iterator[Change]:
    """The people and posts that an import would end, by number; a person before their posts."""
    found = draft.db.execute("""
        SELECT number, name, NULL, NULL FROM ended_person
        UNION ALL
        SELECT e.number, o.name, e.role, e.unit FROM ended_post e JOIN old_person o USING (number)
        ORDER BY 1, 3
    """)
    for number, name, role, unit in found:
        yield Change(number, name, Role(role) if role else None, draft.units.full_name(unit) if unit else "")


def steps(draft: Draft) -> Iterator[tuple[str, str]]:
    """What has to be done, in order, as kind and JSON: units, then people with their new posts and accounts, then endings.

    The new holder of a post comes before the old one goes: nobody's class is without, not even for a moment.
    """
    for key in draft.units.new():
        level, _, college = _reference(draft, key)
        yield "unit", json.dumps([level, draft.units.places[key].name, college], ensure_ascii=False)
    fields = [name for name, columns in _CHANGES.items() if draft.has(*columns)]
    people = draft.db.execute(f"""
        SELECT p.number, a.wecom_userid, {", ".join(f"p.{name}" for name in fields)}
        FROM person p JOIN change c USING (number) LEFT JOIN new_account a USING (number)
        WHERE c.what <> 'same' OR a.wecom_userid IS NOT NULL OR p.number IN (SELECT number FROM new_post)
        ORDER BY p.line
    """)  # noqa: S608 — the names of our own columns
    for number, account, *values in people:
        person: dict[str, Any] = dict(zip(fields, values, strict=True))
        for name in ("college", "class", "dorm"):
            if person.get(name) is not None:
                person[name] = _reference(draft, person[name])
        posts = draft.db.execute("SELECT role, unit FROM new_post WHERE number = ? ORDER BY role, unit", (number,))
        step = {
            "number": number,
            "person": person,
            "posts": [[role, _reference(draft, unit)] for role, unit in posts],
            "account": account,
        }
        yield "person", json.dumps(step, ensure_ascii=False)
    for kind in ("ended_post", "ended_person"):
        for (row_id,) in draft.db.execute(f"SELECT id FROM {kind} ORDER BY id"):  # noqa: S608 — one of the two above
            yield kind, str(row_id)
    if draft.units.school_renamed:
        yield "school", json.dumps(draft.names.school, ensure_ascii=False)


def _reference(draft: Draft, key: str) -> list[str | None]:
    """A unit as a step names it: level, name, and for a class its college's name. Ids come when it is applied."""
    it = draft.units.places[key]
    name = None if it.level is Level.SCHOOL else it.name
    return [it.level.value, name, None if it.college is None else draft.units.places[it.college].name]
