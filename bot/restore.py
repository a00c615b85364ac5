"""What `xinqiao restore` does: a backup into an empty database of either engine, in one transaction.

What should have gone out before is held: nobody gets a reminder of last week because a disk was changed. The operator lets it
go or takes it back (`xinqiao pushes release`, `cancel`).
"""

import os
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from bot.app import open_keys
from bot.backup import PATIENCE
from bot.backup_file import BackupReader, NoBackupError, Note, open_backup
from bot.commanding import CommandRefusedError, Working, words_of
from bot.pushes_shown import counted
from bot.tree import lock_path, take_lock
from models import clock, schema
from models.audit import Fact, record
from models.check_value import check_keys
from models.db import Database, connect
from models.dump import Shape, begin_load, count, load, shapes
from models.outbox.operating import count_held, hold_due
from models.seal import keyring

if TYPE_CHECKING:
    from bot.settings import Settings
    from handlers.words.catalogue import Words

MADE_BY_ITSELF = frozenset(["check_value", "pulse", "push_tally"])
"""Tables that a start fills before anybody has done anything."""


def restore_backup(settings: "Settings", file: Path) -> None:
    """Restore a backup and say what waits for the operator.

    Raises: CommandRefusedError when the file is no whole backup, its key is missing, or the database is not empty;
        SettingsError when a bot runs on it.
    """
    words = words_of(settings)
    open_keys(settings)
    lock = take_lock(lock_path(settings))
    try:
        with open_backup(file) as backup:
            _refuse_unfit(words, file, backup.note)
            _restore(settings, words, backup)
    except NoBackupError as error:
        key = "restore.damaged" if error.part else "restore.no_backup"
        raise CommandRefusedError(words(key, file=file, table=error.part)) from error
    except OSError as error:
        raise CommandRefusedError(words("restore.unreadable", file=file, reason=error.strerror or "")) from error
    finally:
        os.close(lock)


def _refuse_unfit(words: "Words", file: Path, note: Note) -> None:
    if note.schema not in schema.versions():
        raise CommandRefusedError(words("restore.too_new", file=file, version=note.schema))
    given = keyring().fingerprints
    if note.check_key is not None and note.check_key not in given:
        raise CommandRefusedError(words("restore.missing_key", missing=note.check_key, given=given))


def _restore(settings: "Settings", words: "Words", backup: BackupReader) -> None:
    note, now = backup.note, clock.now()
    database = connect(settings.database.url)
    _make_room(words, database, note.schema)
    tables = _as_written(shapes(database, note.columns), note)
    until = time.monotonic() + PATIENCE
    with Working(words("restore.working")) as working, database.unit_of_work(until=until) as session:
        begin_load(session)
        done, total = 0, sum(note.rows.values())
        for table in tables:
            rows = load(session, table, _told(backup.lines(table.name), working, done, total))
            if rows != note.rows[table.name]:
                raise NoBackupError(table.name)
            done += rows
        check_keys(session)
        held = hold_due(session, note.columns["outbox"], now=now)
        record(session, Fact.RESTORED, None, "outbox", at=now, made_at=note.made_at, held=held)
    schema.upgrade(database)
    _report(words, database, note)


def _make_room(words: "Words", database: Database, version: str) -> None:
    """The tables of the backup's version, with nothing in them. Raises: CommandRefusedError when something is in ours."""
    if schema.state(database) is not schema.SchemaState.EMPTY:
        with database.unit_of_work(write=False) as session:
            for table in shapes(database, schema.METADATA.tables):
                if table.name not in MADE_BY_ITSELF and count(session, table):
                    raise CommandRefusedError(words("restore.not_empty", table=table.name))
        schema.downgrade_all(database)
    schema.upgrade(database, version)


def _as_written(found: list[Shape], note: Note) -> list[Shape]:
    """The tables with their columns in the backup's order. Raises: NoBackupError when they are not those of its version."""
    tables = []
    for table in found:
        kinds = dict(table.columns)
        columns = note.columns.get(table.name, ())
        if set(columns) != set(kinds):
            raise NoBackupError(table.name)
        tables.append(Shape(table.name, tuple((name, kinds[name]) for name in columns)))
    if len(tables) != len(note.columns):
        raise NoBackupError
    return tables


def _told(lines: Iterator[bytes], working: Working, done: int, total: int) -> Iterator[bytes]:
    for number, line in enumerate(lines, done + 1):
        yield line
        if number % 1000 == 0:
            working.tell(number, total)


def _report(words: "Words", database: Database, note: Note) -> None:
    with database.unit_of_work(write=False) as session:
        held = count_held(session)
    made = datetime.fromisoformat(note.made_at)
    typer.echo(words("restore.done", made=made, rows=sum(note.rows.values())))
    lacking = sorted(set(note.keys) - set(keyring().fingerprints))
    if lacking:
        typer.echo(words("restore.keys_lacking", missing=lacking))
    if held:
        typer.echo(words("restore.held", count=sum(held.values()), counts=counted(words, "kind", held)))
    else:
        typer.echo(words("restore.none_held"))
    typer.echo(words("restore.later"))
