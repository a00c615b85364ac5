"""Applying a checked import: staged first, decided in one short transaction, then applied in short ones that anybody may finish.

Until it is decided an import has touched nobody. From then on it only goes forward: its steps are rows, each deleted in the
transaction that applies it, so that whoever comes next after a kill, the ticker or another import, goes on where it stopped.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from itertools import groupby, islice
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlmodel import Session, col, select

from models.audit import Fact, record
from models.db import driver
from models.errors import WrongStateError
from models.failpoint import hit
from models.person import Person
from models.post import Post
from models.roster.accounts import bind_accounts
from models.roster.comparing import Totals
from models.roster.table import ImportState, RosterImport, RosterStep
from models.unit import Level, Unit, find_school

BUDGET = timedelta(milliseconds=50)
"""How long one transaction works before it commits: SQLite's only writer must be free for turns within 250 ms."""

ABANDONED_AFTER = timedelta(hours=1)
_AT_ONCE = 50
_SWEEP = 500

Reference = tuple[str, str | None, str | None]
"""A unit as a step names it: level, name, and for a class its college's name."""

_SCHOOL: Reference = (Level.SCHOOL.value, None, None)


@dataclass(frozen=True)
class Applied:
    """How far an import is."""

    import_id: int
    done: int
    steps: int
    finished: bool


def begin(session: Session, *, now: datetime, machine: datetime) -> int:
    """A new import's number. One that was still being staged, dead or alive, is given up: it had touched nothing."""
    session.connection().execute(
        sa.update(RosterImport)
        .where(col(RosterImport.state) == ImportState.STAGING)
        .values(state=ImportState.ABANDONED)
    )
    it = RosterImport(state=ImportState.STAGING, at=now, touched_at=machine)
    session.add(it)
    session.flush()
    return it.id or 0


def stage(session: Session, import_id: int, steps: Iterator[tuple[str, str]], *, machine: datetime) -> bool:
    """Keep the next steps, as many as fit into a short transaction; False when there were none left.

    Raises: WrongStateError when another import began meanwhile.
    """
    it = _staging(session, import_id)
    until = time.monotonic() + BUDGET.total_seconds()
    seq = it.steps
    while rows := list(islice(steps, _AT_ONCE)):
        session.connection().execute(
            sa.insert(_step),
            [
                {"import_id": import_id, "seq": seq + n, "kind": kind, "body": body}
                for n, (kind, body) in enumerate(rows, 1)
            ],
        )
        seq += len(rows)
        if time.monotonic() > until:
            break
    more, it.steps, it.touched_at = seq > it.steps, seq, machine
    session.add(it)
    hit("roster.staging")
    return more


def _staging(session: Session, import_id: int) -> RosterImport:
    it = session.exec(select(RosterImport).where(RosterImport.id == import_id).with_for_update()).one()
    if it.state is not ImportState.STAGING:
        raise WrongStateError("roster.another_import")
    return it


def decide(session: Session, import_id: int, totals: Totals, *, base: int | None) -> None:
    """From here on the import happens. `base` is the last import that had been decided when the sheet was compared.

    Raises: WrongStateError when another import came between.
    """
    if hasattr(driver(session), "pgconn"):
        # SQLite has one writer; here nobody else may decide until this is committed.
        session.connection().execute(sa.text("LOCK TABLE roster_import IN SHARE ROW EXCLUSIVE MODE"))
    it = _staging(session, import_id)
    if _last_decided(session) != base or _current(session) is not None:
        raise WrongStateError("roster.another_import")
    it.state = ImportState.APPLYING
    it.totals = json.dumps(asdict(totals))
    session.add(it)
    hit("roster.deciding")


def _last_decided(session: Session) -> int | None:
    states = [ImportState.APPLYING, ImportState.DONE]
    return session.exec(select(sa.func.max(RosterImport.id)).where(col(RosterImport.state).in_(states))).one()


def _current(session: Session) -> RosterImport | None:
    query = select(RosterImport).where(RosterImport.state == ImportState.APPLYING)
    return session.exec(query.with_for_update()).first()


def totals_of(session: Session, import_id: int) -> Totals:
    """What an import that was decided does."""
    return Totals(**json.loads(session.get_one(RosterImport, import_id).totals))


def resume_import(session: Session, *, now: datetime, machine: datetime) -> Applied | None:
    """Apply the next steps of the import that was decided and is not done, as many as fit into a short transaction.

    None when there is no such import and nothing of abandoned ones is left to sweep. Safe to run anywhere, twice, at once.
    """
    it = _current(session)
    if it is None:
        return Applied(0, 0, 0, finished=False) if sweep_abandoned(session, machine=machine) else None
    until = time.monotonic() + BUDGET.total_seconds()
    done = it.steps
    while rows := session.connection().execute(_NEXT, {"import_id": it.id}).all():
        for kind, group in groupby(rows, key=lambda row: row.kind):
            _APPLY[kind](session, [json.loads(row.body) for row in group], it.at)
        done = rows[-1].seq
        session.connection().execute(sa.delete(_step).where(_step.c.import_id == it.id, _step.c.seq <= done))
        if time.monotonic() > until:
            break
    finished = done == it.steps
    if finished:
        it.state, it.finished_at = ImportState.DONE, now
        session.add(it)
        record(session, Fact.ROSTER_IMPORTED, None, f"roster_import:{it.id}", at=now, **json.loads(it.totals))
    hit("roster.applying")
    return Applied(it.id or 0, done, it.steps, finished)


def sweep_abandoned(session: Session, *, machine: datetime) -> bool:
    """Give up imports that nobody stages any more and delete some of what they had staged; whether there was anything."""
    stale = (col(RosterImport.state) == ImportState.STAGING) & (
        col(RosterImport.touched_at) < machine - ABANDONED_AFTER
    )
    session.connection().execute(sa.update(RosterImport).where(stale).values(state=ImportState.ABANDONED))
    left = (
        sa.select(_step.c.import_id, _step.c.seq)
        .join(_import, _import.c.id == _step.c.import_id)
        .where(_import.c.state == ImportState.ABANDONED)
        .limit(_SWEEP)
    )
    rows = session.connection().execute(left).all()
    if rows:
        gone = (_step.c.import_id == sa.bindparam("of")) & (_step.c.seq == sa.bindparam("at"))
        session.connection().execute(
            sa.delete(_step).where(gone), [{"of": row.import_id, "at": row.seq} for row in rows]
        )
    return bool(rows)


_import, _step = RosterImport.__table__, RosterStep.__table__  # type: ignore[attr-defined]
_unit, _person, _post = Unit.__table__, Person.__table__, Post.__table__  # type: ignore[attr-defined]
_NEXT = (
    sa.select(_step.c.seq, _step.c.kind, _step.c.body)
    .where(_step.c.import_id == sa.bindparam("import_id"))
    .order_by(_step.c.seq)
    .limit(_AT_ONCE)
)
_REFERENCES = {"college": "college_id", "class": "class_id", "dorm": "dorm_id"}


def _apply_school(session: Session, steps: Sequence[Any], _at: datetime) -> None:
    school = find_school(session)
    if school is not None:
        school.name = steps[-1]
        session.add(school)
        session.flush()


def _apply_units(session: Session, steps: Sequence[Any], _at: datetime) -> None:
    for level, same in groupby(steps, key=lambda step: step[0]):
        of_level = list(same)
        above = _find_units(session, [_above(step) for step in of_level if level != Level.SCHOOL])
        rows = [
            {"level": level, "name": step[1], "parent_id": above.get(_above(step)) if level != Level.SCHOOL else None}
            for step in of_level
        ]
        session.connection().execute(upsert(_unit).on_conflict_do_nothing(), rows)


def _above(reference: Sequence[str | None]) -> Reference:
    """The unit that a unit belongs to: a class to its college, the rest to the school."""
    if reference[2] is not None:
        return (Level.COLLEGE.value, reference[2], None)
    return _SCHOOL


def _find_units(session: Session, references: Iterable[Reference]) -> dict[Reference, int]:
    """The ids of units by level, name and, for a class, its college's name."""
    wanted = set(references)
    found: dict[Reference, int] = {}
    if _SCHOOL in wanted:
        school = find_school(session)
        found[_SCHOOL] = (school.id or 0) if school else 0
    names = {name for level, name, _ in wanted if level != Level.SCHOOL}
    above = _unit.alias()
    query = (
        sa.select(_unit.c.id, _unit.c.level, _unit.c.name, above.c.name.label("college"))
        .select_from(_unit.outerjoin(above, (above.c.id == _unit.c.parent_id) & (_unit.c.level == Level.CLASS)))
        .where(_unit.c.name.in_(names))
    )
    for row in session.connection().execute(query):
        found[(row.level.value, row.name, row.college)] = row.id
    return found


def _apply_people(session: Session, steps: Sequence[Any], at: datetime) -> None:
    units = _find_units(session, [tuple(each) for step in steps for each in _named_units(step)])
    rows = [_row(step, units) for step in steps]
    statement = upsert(_person)
    written = {name: statement.excluded[name] for name in rows[0] if name != "number"} | {"ended_at": sa.null()}
    session.connection().execute(statement.on_conflict_do_update(index_elements=["number"], set_=written), rows)
    numbers = [step["number"] for step in steps]
    found = session.connection().execute(sa.select(_person.c.number, _person.c.id).where(_person.c.number.in_(numbers)))
    ids = {row.number: row.id for row in found}
    posts = [
        {"person_id": ids[step["number"]], "role": role, "unit_id": units[tuple(unit)], "started_at": at}
        for step in steps
        for role, unit in step["posts"]
    ]
    if posts:
        session.connection().execute(upsert(_post).on_conflict_do_nothing(), posts)
    accounts = {step["account"]: ids[step["number"]] for step in steps if step["account"]}
    if accounts:
        bind_accounts(session, accounts, now=at)


def _named_units(step: Mapping[str, Any]) -> Iterator[Any]:
    yield from (step["person"][name] for name in _REFERENCES if step["person"].get(name) is not None)
    yield from (unit for _, unit in step["posts"])


def _row(step: Mapping[str, Any], units: Mapping[Reference, int]) -> dict[str, Any]:
    row = {"number": step["number"]}
    for name, value in step["person"].items():
        if name in _REFERENCES:
            row[_REFERENCES[name]] = None if value is None else units[tuple(value)]
        else:
            row[name] = int(value) if name == "birth_year" and value is not None else value
    return row


def _end(table: sa.Table) -> Callable[[Session, Sequence[Any], datetime], None]:
    def end(session: Session, steps: Sequence[Any], at: datetime) -> None:
        live = table.c.id.in_(steps) & table.c.ended_at.is_(None)
        session.connection().execute(sa.update(table).where(live).values(ended_at=at))

    return end


_APPLY: Mapping[str, Callable[[Session, Sequence[Any], datetime], None]] = {
    "school": _apply_school,
    "unit": _apply_units,
    "person": _apply_people,
    "ended_post": _end(_post),
    "ended_person": _end(_person),
}
