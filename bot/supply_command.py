"""What `xinqiao supply` does: an empty workbook to fill in, and the import of a filled one, all of it or nothing."""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

from bot.commanding import current_database, words_of
from bot.policy import make_policy
from bot.roster_command import problem_line
from models import clock
from models.booking.sheet import Book, Change, Flaw, Part, apply, lay_out, look_up, settle, write_template
from models.db import Database
from models.errors import CentreError
from models.policy import BookingPolicy
from models.roster import SheetError

if TYPE_CHECKING:
    from bot.settings import Settings
    from handlers.words.catalogue import Words


class SupplyRefusedError(CentreError):
    """The workbook has flaws; nothing was imported."""

    def __init__(self, flaws: list[Flaw]) -> None:
        super().__init__(f"{len(flaws)} flaws")
        self.flaws = flaws


class _OnlyLookedError(Exception):
    """Takes back what a trial run wrote."""


@dataclass(frozen=True)
class Imported:
    """What came of it."""

    changes: Sequence[Change]
    unknown: Sequence[str]


def write_workbook(settings: "Settings", file: Path) -> None:
    """Write an empty workbook, with sample rows and an explanation of each column; never overwrites."""
    words = words_of(settings)
    try:
        write_template(file, lambda name: words(f"supply_sheet.template.{name}"), words("supply_sheet.template.sheet"))
    except FileExistsError:
        _refuse(words("roster.template.exists", file=file))
    except OSError as error:
        _refuse(words("roster.file.unreadable", reason=error.strerror or ""))
    typer.echo(words("supply_sheet.template.done", file=file))


def import_workbook(settings: "Settings", file: Path, *, dry_run: bool) -> None:
    """Import a workbook and say what came of it. Exit status 2 when nothing did, with one line that says why."""
    words = words_of(settings)
    policy = make_policy(settings).booking
    try:
        database = current_database(settings)
        done = import_supply(database, file, policy=policy, now=clock.now(), dry_run=dry_run)
    except SheetError as error:
        _refuse(f"{file}：{words(error.key, **error.values)}")
    except SupplyRefusedError as error:
        for flaw in error.flaws:
            text = problem_line(words, flaw.problem)
            typer.echo(words("supply_sheet.in_sheet", sheet=flaw.title, text=text), err=True)
        _refuse(words("supply_sheet.refused", file=file, count=len(error.flaws)))
    if done.unknown:
        typer.echo(words("roster.import.unknown_headers", headers=list(done.unknown)))
    for change in done.changes:
        typer.echo(_line(words, change))
    typer.echo(words("supply_sheet.dry_run" if dry_run else "supply_sheet.done", totals=_totals(words, done.changes)))


def import_supply(
    database: Database, file: Path, *, policy: BookingPolicy, now: datetime, dry_run: bool = False
) -> Imported:
    """Import a workbook in one transaction. Raises: SheetError, SupplyRefusedError."""
    book = lay_out(file, year=now.year)
    changes: list[Change] = []
    with suppress(_OnlyLookedError), database.unit_of_work() as session:
        known = look_up(session, book)
        settle(book, known, policy=policy)
        _refuse_flaws(book)
        changes = apply(session, book, known, policy=policy, now=now)
        if dry_run:
            raise _OnlyLookedError
    return Imported(changes, book.unknown)


def _refuse_flaws(book: Book) -> None:
    if book.flaws:
        raise SupplyRefusedError(book.in_order())


def _line(words: "Words", change: Change) -> str:
    line = words(
        f"supply_sheet.line_{change.part.value}",
        what=words(f"supply_sheet.{change.what}"),
        name=change.name or words("supply_sheet.everybody"),
        count=change.count,
    )
    return line + (words("supply_sheet.booked", count=change.booked) if change.booked else "")


def _totals(words: "Words", changes: Sequence[Change]) -> str:
    counts: Counter[tuple[Part, str]] = Counter()
    for change in changes:
        counts[change.part, change.what] += change.count
    said = [
        words(f"supply_sheet.total_{part.value}", what=words(f"supply_sheet.{what}"), count=counts[part, what])
        for part in Part
        for what in ("added", "changed", "ended")
        if counts[part, what]
    ]
    return "，".join(said) or words("supply_sheet.nothing")


def _refuse(line: str) -> NoReturn:
    typer.echo(f"xinqiao: {line}", err=True)
    raise typer.Exit(2)
