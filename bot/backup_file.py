"""The file of a backup: a zip of `backup.json` and one `tables/NAME.copy` a table, as `models.dump` writes them.

`backup.json` says which version of the schema it is, when it was made, each table's columns and number of rows, and by their
fingerprints which keys its sealed values want. No key is in it, and no token. A file appears under its name only when it is
whole and on the disk; only its owner can read it.
"""

import contextlib
import json
import os
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.errors import CentreError

FORMAT = 1
NOTE = "backup.json"
DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError, TypeError, RuntimeError)


class NoBackupError(CentreError):
    """A file is no backup of ours, or damaged; `part` is where, if it could be told."""

    def __init__(self, part: str = "") -> None:
        super().__init__(f"not a whole backup {part}")
        self.part = part


@dataclass(frozen=True)
class Note:
    """What a backup says of itself. `check_key` is the fingerprint of the key that opens the check value."""

    schema: str
    made_at: str
    columns: Mapping[str, Sequence[str]]
    rows: Mapping[str, int]
    keys: Sequence[str]
    check_key: str | None


class BackupWriter:
    """Writes tables, then the note."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    def table(self, name: str, blocks: Iterable[bytes]) -> int:
        """Write one table; returns the number of its rows."""
        rows = 0
        with self._archive.open(f"tables/{name}.copy", "w", force_zip64=True) as file:
            for block in blocks:
                file.write(block)
                rows += block.count(b"\n")  # those inside a value are escaped
        return rows

    def note(self, note: Note) -> None:
        """Write what the backup says of itself: the last thing."""
        self._archive.writestr(NOTE, json.dumps({"format": FORMAT} | vars(note), ensure_ascii=False, indent=1))


@contextlib.contextmanager
def new_backup(path: Path) -> Iterator[BackupWriter]:
    """A backup that is there when the block ends well, and is not otherwise.

    Raises: FileExistsError when the name is taken, now or at the end; OSError when it cannot be written.
    """
    if path.exists():
        raise FileExistsError
    number, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    draft = Path(name)
    try:
        with os.fdopen(number, "wb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
                yield BackupWriter(archive)
            file.flush()
            os.fsync(file.fileno())
        _give_name(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _give_name(draft: Path, path: Path) -> None:
    try:
        path.hardlink_to(draft)  # unlike a rename it takes nobody's place
    except FileExistsError:
        raise
    except OSError:  # some network drives know no links
        if path.exists():
            raise FileExistsError from None
        draft.rename(path)


class BackupReader:
    """A whole backup. Raises: NoBackupError at any step when it is not."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self.note = self._note()

    def _note(self) -> Note:
        try:
            found: dict[str, Any] = json.loads(self._archive.read(NOTE))
            if found.pop("format") != FORMAT:
                raise NoBackupError(NOTE)
            note = Note(**found)
        except DAMAGE as error:
            raise NoBackupError(NOTE) from error
        damaged = self._archive.testzip()
        if damaged is not None or set(note.rows) != set(note.columns):
            raise NoBackupError(damaged or NOTE)
        return note

    def lines(self, table: str) -> Iterator[bytes]:
        """A table's rows."""
        try:
            with self._archive.open(f"tables/{table}.copy") as file:
                yield from file
        except DAMAGE as error:
            raise NoBackupError(table) from error


@contextlib.contextmanager
def open_backup(path: Path) -> Iterator[BackupReader]:
    """An existing backup, every byte of it read once. Raises: NoBackupError; OSError when it cannot be opened."""
    try:
        archive = zipfile.ZipFile(path)
    except DAMAGE as error:
        raise NoBackupError from error
    with archive:
        try:
            reader = BackupReader(archive)
        except DAMAGE as error:
            raise NoBackupError from error
        yield reader
