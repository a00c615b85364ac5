"""What `xinqiao roster` does: an empty sheet to fill in, the import of a filled one, and what the terminal shows of it."""

import sys
import time
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, Self

import typer
from typing_extensions import override

from bot.policy import make_policy, make_words
from bot.roster_import import BusyError, Imported, RosterRefusedError, TooManyEndingsError, View, import_roster
from models import schema
from models.db import Database, connect, is_database_error
from models.errors import SettingsError, WrongStateError
from models.post import Role
from models.roster import (
    Change,
    Column,
    Draft,
    Problem,
    SchoolNames,
    SheetError,
    Totals,
    changes,
    endings,
    write_template,
)

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from bot.settings import Settings
    from handlers.words.catalogue import Words

SHOWN = 20
"""How many people of one kind of change are listed; endings are listed all."""

_PLAIN_EVERY = 2.0


def write_sheet(settings: "Settings", file: Path) -> None:
    """Write an empty sheet with headers, a few sample rows and an explanation of each column; never overwrites."""
    words, names = _words(settings), school_names(settings)
    roles = [names.role(role) for role in Role]
    explained = {column: words(f"roster.template.{column.value}", roles=roles) for column in Column}
    try:
        write_template(file, names, explained, words("roster.template.sheet"))
    except FileExistsError:
        _refuse(words("roster.template.exists", file=file))
    except OSError as error:
        _refuse(words("roster.file.unreadable", reason=error.strerror or ""))
    typer.echo(words("roster.template.done", file=file))


def import_sheet(settings: "Settings", file: Path, *, dry_run: bool, agreed: bool) -> None:
    """Import a sheet and say what came of it. Exit status 2 when nothing did, with one line that says why."""
    words = _words(settings)
    try:
        database = open_database(settings, dry_run=dry_run)
        with _Screen(words, dry_run=dry_run) as view:
            imported = import_roster(database, file, school_names(settings), view=view, agreed=agreed, dry_run=dry_run)
    except SheetError as error:
        _refuse(f"{file}：{words(error.key, **error.values)}")
    except RosterRefusedError as error:
        _refuse(words("roster.import.refused", file=file, count=error.count))
    except TooManyEndingsError as error:
        _refuse(words("roster.import.too_many", **asdict(error.totals)))
    except WrongStateError as error:
        _refuse(words(error.key, **error.values))
    except BusyError as error:
        _refuse(words("roster.import.too_busy" if error.decided else "roster.import.nothing_done"))
    if imported.import_id is None and imported.totals.too_many_endings:
        typer.echo(words("roster.import.needs_yes"))
    typer.echo(_last_line(words, imported))


def school_names(settings: "Settings") -> SchoolNames:
    """The school's own words, as the sheet may use them."""
    school = settings.school
    return SchoolNames(school.name, school.level_names, {Role(role): name for role, name in school.role_names.items()})


def open_database(settings: "Settings", *, dry_run: bool) -> Database | None:
    """The database, made where there is none yet; a dry run makes nothing: None.

    Raises: SettingsError when its schema is not this release's, or it does not answer.
    """
    try:
        database = connect(settings.database.url)
        if schema.state(database) is schema.SchemaState.EMPTY:
            if dry_run:
                return None
            schema.upgrade(database)
        schema.require_current(database)
    except Exception as error:
        if not is_database_error(error):
            raise
        msg = "database.url: the database does not answer; look whether it runs and whether the address is right"
        raise SettingsError(msg) from error
    return database


def _words(settings: "Settings") -> "Words":
    return make_words(settings, make_policy(settings))


def _refuse(line: str) -> NoReturn:
    typer.echo(f"xinqiao: {line}", err=True)
    raise typer.Exit(2)


def _last_line(words: "Words", imported: Imported) -> str:
    totals = _said(words, imported.totals)
    if imported.import_id is None:
        return words("roster.import.dry_run", totals=totals)
    return words("roster.import.done", number=imported.import_id, totals=totals)


def _said(words: "Words", totals: Totals) -> str:
    return words("roster.import.totals", **asdict(totals))


def problem_line(words: "Words", problem: Problem) -> str:
    """What is wrong in a sheet, and where: by line and column."""
    text = words(problem.key, **problem.values)
    if not problem.line:
        return text
    if not problem.header:
        return words("roster.import.problem_line", line=problem.line, text=text)
    place = {"line": problem.line, "header": problem.header, "text": text}
    if not problem.letter:
        return words("roster.import.problem_missing_cell", **place)
    return words("roster.import.problem_cell", letter=problem.letter, **place)


class _Screen(View):
    """Progress as a bar on a terminal, as lines elsewhere; problems on the error stream, plans on the other."""

    def __init__(self, words: "Words", *, dry_run: bool) -> None:
        self._words = words
        self._dry_run = dry_run
        self._bar: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._said_at = 0.0

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console  # noqa: PLC0415
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn  # noqa: PLC0415

            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
            self._bar = Progress(*columns, console=Console(stderr=True))
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    @override
    def progress(self, phase: str, done: int, total: int | None) -> None:
        if self._bar is not None:
            if phase not in self._tasks:
                self._tasks[phase] = self._bar.add_task(self._words(f"roster.import.{phase}"), total=total)
            self._bar.update(self._tasks[phase], completed=done, total=total)
        elif time.monotonic() - self._said_at > _PLAIN_EVERY or done == total:
            self._said_at = time.monotonic()
            of = f"/{total}" if total else ""
            typer.echo(f"{self._words(f'roster.import.{phase}')} {done}{of}", err=True)

    @override
    def resumed(self, import_id: int, totals: Totals) -> None:
        self._line(self._words("roster.import.resumed", number=import_id, totals=_said(self._words, totals)))

    @override
    def unknown_headers(self, headers: list[str]) -> None:
        self._line(self._words("roster.import.unknown_headers", headers=headers))

    @override
    def problem(self, problem: Problem) -> None:
        self._line(problem_line(self._words, problem), err=True)

    @override
    def planned(self, draft: Draft) -> None:
        if not self._dry_run:
            return
        for what in ("added", "returned", "changed"):
            found = changes(draft, what)
            for change in islice(found, SHOWN):
                self._line(self._change(draft, what, change))
            if more := sum(1 for _ in found):
                self._line(self._words("roster.import.more", what=self._words(f"roster.import.{what}"), count=more))
        for change in endings(draft):
            self._line(self._change(draft, "ended", change))

    def _change(self, draft: Draft, what: str, change: Change) -> str:
        shown = {"what": self._words(f"roster.import.{what}"), "number": change.number, "name": change.name}
        if change.role is None:
            return self._words("roster.import.person", **shown)
        return self._words("roster.import.post", role=draft.names.role(change.role), unit=change.unit, **shown)

    def _line(self, text: str, *, err: bool = False) -> None:
        if self._bar is not None:
            self._bar.stop()  # what follows stands below the bar, and the bar does not draw over it
            self._bar = None
        typer.echo(text, err=err)
