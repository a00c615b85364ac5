"""Checking the rows of each person against each other and against the units; what holds becomes people and posts on the bench.

Rules: design, Roster. A blank cell says nothing: a person's rows are read together.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

from models.person import Kind
from models.post import Role
from models.roster.cells import scope_names
from models.roster.columns import Column
from models.roster.draft import Draft
from models.roster.units import SCHOOL
from models.unit import Level

_AGREE = (Column.NAME, Column.KIND, Column.PHONE, Column.WECOM_USERID, Column.BIRTH_YEAR)
_PLACES = ((Column.COLLEGE, Level.COLLEGE), (Column.CLASS, Level.CLASS), (Column.DORM, Level.DORM))
_LEVEL_OF = {Role.COMMITTEE_MEMBER: Level.CLASS, Role.DORM_OFFICER: Level.DORM}
"""Roles that check in: each for one level only."""

_OF_CLASSES = {Role.COMMITTEE_MEMBER, Role.ADVISOR, Role.CLASS_TEACHER}
_STEP = 1000


@dataclass
class Row:
    """One row, its own places found; None where it names none."""

    line: int
    cells: dict[str, str]
    college: str | None
    class_group: str | None
    dorm: str | None

    def place(self, level: Level) -> str | None:
        """The key of the row's own unit of a level."""
        return {Level.COLLEGE: self.college, Level.CLASS: self.class_group, Level.DORM: self.dorm}.get(level)


class Unsettled(Exception):  # noqa: N818 — not an error of the program: the problem is noted, the row is left out
    """A row cannot be understood; its problem has been noted."""


def settle(draft: Draft, *, progress: Callable[[int], None]) -> None:
    """Turn the rows on the bench into people and posts; what does not hold becomes problems."""
    if any(column not in draft.heads for column in (Column.NUMBER, Column.NAME, Column.KIND)):
        return
    _collect_units(draft)
    for done, (number, rows) in enumerate(_by_number(draft), start=1):
        if not any(row["flawed"] for row in rows):
            _settle_person(draft, number, rows)
        if done % _STEP == 0:
            progress(done)
    _check_accounts(draft)
    _name_the_school(draft)


def _by_number(draft: Draft) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    found = draft.db.execute("SELECT * FROM row ORDER BY number, line")
    names = [each[0] for each in found.description]
    rows = (dict(zip(names, row, strict=True)) for row in found)
    for number, group in groupby(rows, key=itemgetter("number")):
        yield number, list(group)


def _collect_units(draft: Draft) -> None:
    """Every unit that the sheet names as somebody's own place; the spelling that comes first stays."""
    units = draft.units
    for (college,) in draft.db.execute("SELECT college FROM row WHERE college <> '' GROUP BY college ORDER BY min(line)"):
        units.add(Level.COLLEGE, college)
    classes = "SELECT college, class FROM row WHERE class <> '' GROUP BY college, class ORDER BY min(line)"
    for college, name in draft.db.execute(classes).fetchall():
        college_name, name_in_it = _split(draft, college, name)
        if college_name:
            units.add(Level.CLASS, name_in_it, units.add(Level.COLLEGE, college_name))
    for (dorm,) in draft.db.execute("SELECT dorm FROM row WHERE dorm <> '' GROUP BY dorm ORDER BY min(line)"):
        units.add(Level.DORM, dorm)


def _split(draft: Draft, college: str, name: str) -> tuple[str, str]:
    """A class as `学院/班级` taken apart; a slash that is part of the class's own name stays where it is."""
    before, slash, after = (part.strip() for part in name.replace("／", "/").partition("/"))
    if not slash or not before or not after:
        return college, name
    if not college:
        return before, after
    known = draft.units.get(Level.COLLEGE, before)
    if known is None:
        return college, name
    return (college, after) if known == draft.units.get(Level.COLLEGE, college) else (before, after)


def _settle_person(draft: Draft, number: str, raw: list[dict[str, Any]]) -> None:
    try:
        _check_agreement(draft, raw)
        rows = [_located(draft, row) for row in raw]
        person = _person(draft, rows)
        posts = {post for row in rows for post in _posts(draft, row, rows)}
    except Unsettled:
        return
    draft.db.execute(
        "INSERT INTO person VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (number, rows[0].line, *(person[column] for column in _PERSON)),
    )
    draft.db.executemany("INSERT INTO post VALUES (?, ?, ?)", [(number, role.value, unit) for role, unit in posts])
    colleges = {row.college for row in rows if row.college}
    draft.db.executemany("INSERT OR IGNORE INTO named VALUES (?)", [(college,) for college in colleges])


_PERSON = (
    Column.NAME,
    Column.KIND,
    Column.COLLEGE,
    Column.CLASS,
    Column.DORM,
    Column.PHONE,
    Column.WECOM_USERID,
    Column.BIRTH_YEAR,
)


def _check_agreement(draft: Draft, raw: list[dict[str, Any]]) -> None:
    flaws = draft.flaws
    first: dict[Column, dict[str, Any]] = {}
    for row in raw:
        for column in _AGREE:
            other = first.setdefault(column, row) if row[column] else row
            if other[column] != row[column]:
                shown = {"value": row[column], "line": other["line"], "other": other[column]}
                draft.problem(row["line"], column, "disagrees", **(shown if column is not Column.KIND else _kinds(draft, shown)))
    if draft.flaws > flaws:
        raise Unsettled


def _kinds(draft: Draft, shown: dict[str, Any]) -> dict[str, Any]:
    words = {kind.value: word for word, kind in reversed(draft.names.read_kinds().items())}
    return shown | {"value": words[shown["value"]], "other": words[shown["other"]]}


def _located(draft: Draft, raw: dict[str, Any]) -> Row:
    units, line = draft.units, raw["line"]
    college = units.get(Level.COLLEGE, raw[Column.COLLEGE]) if raw[Column.COLLEGE] else None
    class_group = None
    if raw[Column.CLASS]:
        class_group = _class_of_row(draft, raw)
        its_college = units.places[class_group].college
        if college is not None and its_college != college:
            draft.problem(line, Column.CLASS, "other_college", value=raw[Column.CLASS], college=raw[Column.COLLEGE])
            raise Unsettled
        college = its_college
    dorm = units.get(Level.DORM, raw[Column.DORM]) if raw[Column.DORM] else None
    return Row(line, raw, college, class_group, dorm)


def _class_of_row(draft: Draft, raw: dict[str, Any]) -> str:
    units, name = draft.units, raw[Column.CLASS]
    college, name_in_it = _split(draft, raw[Column.COLLEGE], name)
    if college:
        return units.add(Level.CLASS, name_in_it, units.add(Level.COLLEGE, college))
    found = units.named(name, Level.CLASS)
    if len(found) == 1:
        return found[0]
    if found:
        draft.problem(raw["line"], Column.CLASS, "ambiguous", value=name, choices=_shown(draft, found))
    else:
        draft.problem(raw["line"], Column.CLASS, "class_without_college", value=name)
    raise Unsettled


def _person(draft: Draft, rows: list[Row]) -> dict[Column, str | None]:
    person: dict[Column, str | None] = {
        column: next((row.cells[column] for row in rows if row.cells[column]), None) for column in _AGREE
    }
    student = person[Column.KIND] == Kind.STUDENT
    for column, level in _PLACES:
        places = {key: row for row in reversed(rows) if (key := row.place(level)) is not None}
        if student and len(places) > 1:
            _, (_, second) = sorted(((row.line, row) for row in places.values()), key=itemgetter(0))[:2]
            first = next(row for row in rows if row.place(level) is not None)
            draft.problem(
                second.line,
                column,
                "disagrees",
                value=draft.units.full_name(second.place(level) or ""),
                line=first.line,
                other=draft.units.full_name(first.place(level) or ""),
            )
            raise Unsettled
        # Staff who work in several classes are at home in none; of several colleges the first row's is theirs.
        mine = [key for row in rows if (key := row.place(level)) is not None]
        person[column] = mine[0] if mine and (len(places) == 1 or level is Level.COLLEGE) else None
    if student and person[Column.CLASS] is None:
        draft.problem(rows[0].line, Column.CLASS, "student_without_class")
        raise Unsettled
    return person


def _posts(draft: Draft, row: Row, rows: list[Row]) -> Iterable[tuple[Role, str]]:
    if not row.cells[Column.ROLE]:
        return
    role = Role(row.cells[Column.ROLE])
    names = scope_names(row.cells[Column.SCOPE])
    if not names:
        yield role, _own_unit(draft, role, row, rows)
    for name in names:
        yield role, _scope_unit(draft, role, name, row)


def _own_unit(draft: Draft, role: Role, row: Row, rows: list[Row]) -> str:
    """What a role covers that names no scope."""
    if role in _LEVEL_OF:
        level = _LEVEL_OF[role]
        mine = row.place(level) or next((key for each in rows if (key := each.place(level))), None)
        if mine is None:
            draft.problem(
                row.line, Column.SCOPE, "no_own_unit", role=draft.names.role(role), level=draft.names.level(level)
            )
            raise Unsettled
        return mine
    if role in _OF_CLASSES and row.class_group is not None:
        return row.class_group
    return row.college or SCHOOL


def _scope_unit(draft: Draft, role: Role, name: str, row: Row) -> str:
    units, level = draft.units, _LEVEL_OF.get(role)
    found = units.named(name) or _class_in_college(draft, name)
    if not found:
        draft.problem(row.line, Column.SCOPE, "unknown_unit", value=name)
        raise Unsettled
    if level is not None:
        fitting = [key for key in found if units.places[key].level is level]
        if not fitting:
            shown = {"role": draft.names.role(role), "level": draft.names.level(level)}
            draft.problem(row.line, Column.SCOPE, "wrong_level", value=name, **shown)
            raise Unsettled
        found = fitting
    if len(found) > 1:
        # Two classes of one name: the one in the row's own college is meant. Beyond that nobody guesses.
        found = [key for key in found if row.college is not None and units.places[key].college == row.college] or found
    if len(found) > 1:
        draft.problem(row.line, Column.SCOPE, "ambiguous", value=name, choices=_shown(draft, found))
        raise Unsettled
    return found[0]


def _class_in_college(draft: Draft, name: str) -> list[str]:
    before, _, after = (part.strip() for part in name.replace("／", "/").partition("/"))
    college = draft.units.get(Level.COLLEGE, before)
    key = draft.units.get(Level.CLASS, after, college) if college else None
    return [key] if key else []


def _shown(draft: Draft, keys: list[str]) -> list[str]:
    return [draft.units.full_name(key) for key in keys]


def _check_accounts(draft: Draft) -> None:
    """One WeCom account belongs to one person."""
    twice = """
        SELECT b.line, b.wecom_userid, a.line, a.number FROM person a JOIN person b USING (wecom_userid)
        WHERE a.line < b.line AND a.line = (SELECT min(line) FROM person c WHERE c.wecom_userid = b.wecom_userid)
    """
    draft.db.execute("CREATE INDEX person_account ON person (wecom_userid, line)")
    for line, userid, other_line, number in draft.db.execute(twice).fetchall():
        draft.problem(line, Column.WECOM_USERID, "account_twice", value=userid, line=other_line, number=number)


def _name_the_school(draft: Draft) -> None:
    """A sheet that holds posts for the whole school and names every college speaks for the school itself too ('' is its home)."""
    named = {home for (home,) in draft.db.execute("SELECT home FROM named")}
    speaks = draft.count("SELECT count(*) FROM post WHERE unit = ?", SCHOOL)
    if speaks and draft.units.colleges(known=True) <= named:
        draft.db.execute("INSERT INTO named VALUES ('')")
