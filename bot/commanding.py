"""What commands share: the settings they were given, a current database, refusing in one line, and showing progress."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

import typer

from models import schema
from models.db import Database, connect
from models.errors import CentreError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from bot.settings import Settings
    from handlers.words.catalogue import Words

WIDE = 150
"""Columns of a table that goes into a file or a pipe."""

_PLAIN_EVERY = 2.0


class CommandRefusedError(CentreError):
    """A command did not do what it was asked; its text is the one line that says why and how to mend it."""


def words_of(settings: "Settings") -> "Words":
    """The school's sentences."""
    from bot.policy import make_policy, make_words  # noqa: PLC0415 — see bot.cli

    return make_words(settings, make_policy(settings))


def current_database(settings: "Settings") -> Database:
    """The process's database. Raises: SettingsError when its schema is not this release's."""
    database = connect(settings.database.url)
    schema.require_current(database)
    return database


@contextmanager
def resting() -> Iterator[None]:
    """After a transaction over many rows, leave the database alone for as long as it took: turns go on beside it."""
    began = time.monotonic()
    yield
    time.sleep(time.monotonic() - began)


def console() -> "Console":
    """Where tables are drawn: as wide as the terminal, and wide enough elsewhere."""
    from rich.console import Console  # noqa: PLC0415 — only commands with tables pay for it

    return Console(width=None if sys.stdout.isatty() else WIDE, highlight=False, soft_wrap=False)


class Working:
    """How far long work is: a bar on a terminal, a line every two seconds elsewhere, on the error stream."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._bar: Progress | None = None
        self._said_at = time.monotonic()

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console  # noqa: PLC0415
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn  # noqa: PLC0415

            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
            self._bar = Progress(*columns, console=Console(stderr=True))
            self._bar.add_task(self._title, total=None)
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def tell(self, done: int, total: int) -> None:
        """So much of it is done."""
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=done, total=max(total, done))
        elif time.monotonic() - self._said_at > _PLAIN_EVERY:
            self._said_at = time.monotonic()
            typer.echo(f"{self._title} {done}/{max(total, done)}", err=True)
