"""What `xinqiao backup` does: one moment of the whole database into one file, while the bot goes on. It needs no keys."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from bot.backup_file import Note, new_backup
from bot.commanding import CommandRefusedError, Working, words_of
from models import clock, schema
from models.db import connect
from models.dump import begin_snapshot, count, lines_of, shapes
from models.sealed import check_fingerprint, fingerprints

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlmodel import Session

    from bot.settings import Settings
    from models.db import Database
    from models.dump import Shape

PATIENCE = 24 * 3600.0
"""Seconds that a backup or a restore may take in all."""


def write_backup(settings: "Settings", file: Path) -> None:
    """Write a backup. Raises: CommandRefusedError when the file is there, cannot be written, or there is nothing to back up."""
    words = words_of(settings)
    database = connect(settings.database.url)
    version = schema.version_of(database)
    if version is None:
        raise CommandRefusedError(words("backup.no_data"))
    try:
        with Working(words("backup.working")) as working:
            note = _write(database, version, file, working)
        size = file.stat().st_size
    except FileExistsError:
        raise CommandRefusedError(words("backup.exists", file=file)) from None
    except OSError as error:
        raise CommandRefusedError(words("backup.unwritable", file=file, reason=error.strerror or "")) from error
    key = "backup.done" if note.keys else "backup.done_no_keys"
    typer.echo(words(key, file=file, rows=sum(note.rows.values()), size=_size(size), keys=note.keys))


def _write(database: "Database", version: str, file: Path, working: Working) -> Note:
    # Whatever else lives in this database is not ours; of an older version nobody knows here what was.
    tables = shapes(database, schema.METADATA.tables if version == schema.HEAD else None)
    names = {table.name for table in tables}
    rows: dict[str, int] = {}
    with (
        new_backup(file) as backup,
        database.unit_of_work(write=False, until=time.monotonic() + PATIENCE) as session,
    ):
        begin_snapshot(session)
        total = sum(count(session, table) for table in tables)
        for table in tables:
            rows[table.name] = backup.table(table.name, _told(session, table, working, sum(rows.values()), total))
        note = Note(
            schema=version,
            made_at=clock.now().isoformat(timespec="seconds"),
            columns={table.name: table.names for table in tables},
            rows=rows,
            keys=fingerprints(session, names),
            check_key=check_fingerprint(session) if "check_value" in names else None,
        )
        backup.note(note)
    return note


def _told(session: "Session", table: "Shape", working: Working, done: int, total: int) -> "Iterator[bytes]":
    for block in lines_of(session, table):
        yield block
        done += block.count(b"\n")
        working.tell(done, total)


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size > 1e5 else f"{size / 1e3:.1f} kB"  # noqa: PLR2004 — where a megabyte is worth saying
