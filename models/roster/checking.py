"""Checking the rows of each person against each other and against the units; what holds becomes people and posts on the bench.

Rules: design, Roster. A blank cell says nothing: a person's rows are read together.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

from models.person import Kind
from models.post import ADVISORS, Role
from models.roster.cells import scope_names
from models.roster.columns import KINDS, REQUIRED, Column
from models.roster.draft import Draft, Progress
from models.roster.units import SCHOOL
from models.unit import Level

_AGREE = (Column.NAME, Column.KIND, Column.PHONE, Column.WECOM_USERID, Column.BIRTH_YEAR)
_PLACES = ((Column.COLLEGE, Level.COLLEGE), (Column.CLASS, Level.CLASS), (Column.DORM, Level.DORM))
_LEVEL_OF = {Role.COMMITTEE_MEMBER: Level.CLASS, Role.DORM_OFFICER: Level.DORM}
"""Roles that check in: each for one level only."""

_STEP = 1000


@dataclass
class Row:
    """One row and the keys of the units that are its own place."""

    line: int
    cells: dict[str, str]
    places: dict[Level, str]

    @property
    def college(self) -> str | None:
        """The college's key."""
        return self.places.get(Level.COLLEGE)


class Unsettled(Exception):  # noqa: N818 — not an error of the program: the problem is noted, the row is left out
    """A row cannot be understood; its problem has been noted."""


def settle(draft: Draft, *, progress: Progress) -> None:
    """Turn the rows on the bench into people and posts; what does not hold becomes problems."""
    if any(column not in draft.heads for column in REQUIRED):
        return
    _collect_units(draft)
    done = 0
    for number, rows in _by_number(draft):
        if not any(row["flawed"] for row in rows):
            _settle_person(draft, number, rows)
        if done // _STEP < (done := done + len(rows)) // _STEP:
            progress(done, draft.rows)
    progress(draft.rows, draft.rows)
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
    for (college,) in draft.db.execute(
        "SELECT college FROM row WHERE college <> '' GROUP BY college ORDER BY min(line)"
    ):
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
                if column is Column.KIND:
                    shown |= {"value": KINDS[Kind(row[column])][0], "other": KINDS[Kind(other[column])][0]}
                draft.problem(row["line"], column, "disagrees", **shown)
    if draft.flaws > flaws:
        raise Unsettled


def _located(draft: Draft, raw: dict[str, Any]) -> Row:
    units, places = draft.units, {}
    for column, level in ((Column.COLLEGE, Level.COLLEGE), (Column.DORM, Level.DORM)):
        if raw[column]:
            places[level] = units.add(level, raw[column])
    if raw[Column.CLASS]:
        class_group = _class_of_row(draft, raw)
        college = units.places[class_group].college or SCHOOL
        if places.get(Level.COLLEGE, college) != college:
            shown = {"value": raw[Column.CLASS], "college": raw[Column.COLLEGE]}
            draft.problem(raw["line"], Column.CLASS, "other_college", **shown)
            raise Unsettled
        places |= {Level.CLASS: class_group, Level.COLLEGE: college}
    return Row(raw["line"], raw, places)


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
        homes = {row.places[level]: row for row in reversed(rows) if level in row.places}
        if student and len(homes) > 1:
            first, second = sorted(homes.values(), key=lambda row: row.line)[:2]
            value, other = _shown(draft, [row.places[level] for row in (second, first)])
            draft.problem(second.line, column, "disagrees", value=value, line=first.line, other=other)
            raise Unsettled
        # Staff who work in several classes are at home in none; of several colleges the first row's is theirs.
        mine = [row.places[level] for row in rows if level in row.places]
        person[column] = mine[0] if mine and (len(homes) == 1 or level is Level.COLLEGE) else None
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
        mine = next((each.places[level] for each in (row, *rows) if level in each.places), None)
        if mine is None:
            shown = {"role": draft.names.role(role), "level": draft.names.level(level)}
            draft.problem(row.line, Column.SCOPE, "no_own_unit", **shown)
            raise Unsettled
        return mine
    if role in ADVISORS and Level.CLASS in row.places:
        return row.places[Level.CLASS]
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
