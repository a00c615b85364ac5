"""One import of the roster from a file to the database: the order of its steps, and its many short transactions."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from models import clock
from models.db import Database, is_database_error
from models.errors import CentreError, CommitUnknownError, DeadlineError
from models.failpoint import hit
from models.roster import (
    Applied,
    Draft,
    Problem,
    SchoolNames,
    Totals,
    begin,
    compare,
    decide,
    lay_out,
    new_draft,
    resume_import,
    settle,
    stage,
    steps,
    take_down,
    totals_of,
)

REST = 1.0
"""Of the time that each short transaction took: SQLite's waiting writers look up now and then, and find it free."""

_WAIT = 0.05

_READ_WITHIN = 600.0
_TRIES = 5


class RosterRefusedError(CentreError):
    """The sheet has problems, all of them told; nothing was imported."""

    def __init__(self, count: int) -> None:
        super().__init__(f"{count} problems")
        self.count = count


class TooManyEndingsError(CentreError):
    """More would end than goes without somebody's yes; nothing was imported."""

    def __init__(self, totals: Totals) -> None:
        super().__init__("too many endings")
        self.totals = totals


class BusyError(CentreError):
    """The database did not take it; `decided` when it perhaps did, or did a part: the import then goes on by itself."""

    def __init__(self, *, decided: bool) -> None:
        super().__init__("busy")
        self.decided = decided


class View:
    """Whom an import tells; this one listens to nothing."""

    def progress(self, phase: str, done: int, total: int | None) -> None:
        """How far `reading`, `checking` or `applying` is; `total` None: unknown."""

    def resumed(self, import_id: int, totals: Totals) -> None:
        """An import that had been killed is finished now."""

    def unknown_headers(self, headers: list[str]) -> None:
        """Columns that mean nothing here."""

    def problem(self, problem: Problem) -> None:
        """Something in the sheet that stops the import."""

    def planned(self, draft: Draft) -> None:
        """The sheet holds and is compared: what would happen can be looked at."""


@dataclass(frozen=True)
class Imported:
    """What came of it; `import_id` None when nothing was to be written."""

    import_id: int | None
    totals: Totals


def import_roster(
    database: Database | None,
    path: Path,
    names: SchoolNames,
    *,
    view: View | None = None,
    agreed: bool = False,
    dry_run: bool = False,
) -> Imported:
    """Import a sheet, all of it or nothing. `database` None: an empty one, for a dry run.

    Raises: SheetError, RosterRefusedError, TooManyEndingsError, BusyError, WrongStateError.
    """
    view = view or View()
    now = clock.now()
    if database is not None and not dry_run:
        finish_imports(database, view)
    with new_draft(names) as draft:
        unknown = lay_out(draft, path, year=now.year, progress=partial(view.progress, "reading"))
        if unknown:
            view.unknown_headers(unknown)
        if database is not None:
            _take_down(database, draft)
        settle(draft, progress=partial(view.progress, "checking"))
        if draft.flaws:
            for problem in draft.problems():
                view.problem(problem)
            raise RosterRefusedError(draft.flaws)
        totals = compare(draft)
        view.planned(draft)
        if database is None or dry_run:
            return Imported(None, totals)
        if totals.too_many_endings and not agreed:
            raise TooManyEndingsError(totals)
        import_id = _decide(database, draft, totals)
    _apply(database, view)
    return Imported(import_id, totals)


def _take_down(database: Database, draft: Draft) -> None:
    until = time.monotonic() + _READ_WITHIN
    with _or_busy(), database.unit_of_work(write=False, until=until) as session:
        take_down(draft, session)


def _decide(database: Database, draft: Draft, totals: Totals) -> int:
    with _or_busy():
        with database.unit_of_work() as session:
            import_id = begin(session, now=clock.now(), machine=clock.machine())
        left, more = steps(draft), True
        while more:
            with _resting(database), database.unit_of_work() as session:
                more = stage(session, import_id, left, machine=clock.machine())
            hit("roster.staged")
        try:
            with database.unit_of_work() as session:
                decide(session, import_id, totals, base=draft.base)
        except CommitUnknownError as error:
            raise BusyError(decided=True) from error
        hit("roster.decided")
    return import_id


def finish_imports(database: Database, view: View) -> None:
    """Finish what a kill left behind, and sweep up what it had only begun."""
    applied = _apply(database, view)
    if applied is not None:
        with database.unit_of_work(write=False) as session:
            totals = totals_of(session, applied.import_id)
        view.resumed(applied.import_id, totals)


def _apply(database: Database, view: View) -> Applied | None:
    """Apply until nothing is left; the last import that was finished here."""
    finished = None
    while applied := _patiently(lambda: _apply_some(database)):
        hit("roster.applied")
        if applied.steps:
            view.progress("applying", applied.done, applied.steps)
        finished = applied if applied.finished else finished
    return finished


def _apply_some(database: Database) -> Applied | None:
    with _resting(database), database.unit_of_work() as session:
        return resume_import(session, now=clock.now(), machine=clock.machine())


def _patiently(work: Callable[[], Applied | None]) -> Applied | None:
    """Steps that a busy database did not take, or perhaps took, can be asked for again: each is done once."""
    for tried in range(_TRIES):
        try:
            return work()
        except Exception as error:
            if not _passing(error):
                raise
            time.sleep(tried * _WAIT)
    raise BusyError(decided=True)


@contextmanager
def _or_busy() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if _passing(error):
            raise BusyError(decided=False) from error
        raise


def _passing(error: Exception) -> bool:
    return isinstance(error, DeadlineError | CommitUnknownError) or is_database_error(error)


@contextmanager
def _resting(database: Database) -> Iterator[None]:
    began = time.monotonic()
    yield
    if database.is_sqlite:
        time.sleep((time.monotonic() - began) * REST)
