"""Reading a sheet, CSV or XLSX, line by line: nothing here knows what its columns mean, and nothing holds the whole file."""

import codecs
import csv
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from models.errors import DomainError
from models.roster.columns import fold, trim

_CHUNK = 1 << 20
_XLSX, _OLD_EXCEL = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
_MERGED = re.compile(rb'<(?:\w+:)?mergeCell\s[^>]*?ref="([A-Z]{1,3})(\d+):([A-Z]{1,3})(\d+)"')
_LONGEST_TAG = 200
_COMMENT = "#"

ColumnT = TypeVar("ColumnT", bound=StrEnum)
_Column_co = TypeVar("_Column_co", bound=StrEnum, covariant=True)


class Headers(Protocol[_Column_co]):
    """Whoever knows what the headers of a sheet mean."""

    def read_headers(self) -> Mapping[str, _Column_co]:
        """Every header that is understood, folded."""


class SheetError(DomainError):
    """The file as a whole cannot be read; the key and values make its sentence."""


@dataclass(frozen=True)
class Head:
    """Where a column stands, and what the sheet calls it."""

    at: int
    text: str


@dataclass(frozen=True)
class Line(Generic[ColumnT]):
    """One line of the sheet below its header; `beyond` when it has more cells than the header."""

    number: int
    cells: dict[ColumnT, Any]
    beyond: bool


@dataclass(frozen=True)
class Merged:
    """A merged range and the line it begins on."""

    line: int
    range: str


@dataclass
class Sheet(Generic[ColumnT]):
    """An open sheet. `lines` can be walked once."""

    header_line: int
    heads: dict[ColumnT, Head]
    doubled: list[tuple[str, str]]  # (header, the letters of both places)
    unknown: list[str]
    merged: list[Merged]
    lines: Iterator[Line[ColumnT]]
    size: int | None  # lines to expect, where the file says so


def letter(at: int) -> str:
    """A column's letter as spreadsheets write it, 0 is A."""
    text = ""
    at += 1
    while at:
        at, rest = divmod(at - 1, 26)
        text = chr(ord("A") + rest) + text
    return text


@contextmanager
def open_sheet(path: Path, names: Headers[ColumnT], *, at: int = 0) -> Iterator[Sheet[ColumnT]]:
    """Open a sheet by what the file holds, whatever its name ends with; `at`: which of a workbook's. Raises: SheetError."""
    if _is_workbook(path):
        with _open_xlsx(path, at) as (rows, merged, size):
            yield _with_header(rows, names, merged, size)
    else:
        with _open_csv(path, names) as rows:
            yield _with_header(rows, names, [], None)


def titles(path: Path) -> list[str] | None:
    """The titles of a workbook's sheets; None when the file is a single sheet without one. Raises: SheetError."""
    if not _is_workbook(path):
        return None
    with _open_book(path) as book:
        return [str(sheet.title) for sheet in book.worksheets]


def _is_workbook(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except OSError as error:
        raise SheetError("roster.file.unreadable", reason=error.strerror or "") from error
    if start.startswith(_OLD_EXCEL):
        raise SheetError("roster.file.old_excel")
    return start.startswith(_XLSX)


def _with_header(
    rows: Iterator[tuple[int, Sequence[Any]]], names: Headers[ColumnT], merged: list[Merged], size: int | None
) -> Sheet[ColumnT]:
    known = names.read_headers()
    for number, row in rows:  # noqa: B007 — it is the header's line where the walk ends
        texts = [trim("" if cell is None else str(cell)) for cell in row]
        if any(texts) and not texts[0].startswith(_COMMENT):
            break
    else:
        raise SheetError("roster.file.empty")
    heads: dict[ColumnT, Head] = {}
    doubled: list[tuple[str, str]] = []
    unknown: list[str] = []
    for at, text in enumerate(texts):
        column = known.get(fold(text).rstrip("*"))
        if column is None:
            unknown += [text] if text else []
        elif column in heads:
            doubled.append((text, f"{letter(heads[column].at)}、{letter(at)}"))
        else:
            heads[column] = Head(at, text)
    width = max((at for at, text in enumerate(texts) if text), default=0) + 1
    return Sheet(number, heads, doubled, unknown, merged, _lines(rows, heads, width), size)


def _lines(
    rows: Iterator[tuple[int, Sequence[Any]]], heads: dict[ColumnT, Head], width: int
) -> Iterator[Line[ColumnT]]:
    places = [(column, head.at) for column, head in heads.items()]
    for number, row in rows:
        if not row or all(cell is None or cell == "" for cell in row):
            continue
        if isinstance(row[0], str) and row[0].lstrip().startswith(_COMMENT):
            continue
        cells = {column: row[at] for column, at in places if at < len(row)}
        beyond = any(cell is not None and str(cell).strip() for cell in row[width:])
        if beyond or any(cell is not None and str(cell).strip() for cell in cells.values()):
            yield Line(number, cells, beyond)


def _encoding(path: Path) -> str:
    """UTF-8 and UTF-16 by their marks, else UTF-8 if all of it is, else GB18030, which GBK is a part of."""
    with path.open("rb") as file:
        start = file.read(2)
    for encoding in ["utf-16"] if start in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE} else ["utf-8-sig", "gb18030"]:
        decoder = codecs.getincrementaldecoder(encoding)()
        try:
            with path.open("rb") as file:
                while chunk := file.read(_CHUNK):
                    decoder.decode(chunk)
                decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            continue
        return encoding
    raise SheetError("roster.file.encoding")


@contextmanager
def _open_csv(path: Path, names: Headers[ColumnT]) -> Iterator[Iterator[tuple[int, Sequence[Any]]]]:
    encoding = _encoding(path)
    known = names.read_headers()
    with path.open(encoding=encoding, newline="") as file:
        start = file.read(4096).splitlines()
        file.seek(0)

        def headers_found(delimiter: str) -> int:
            return max(
                (sum(fold(each) in known for each in row) for row in csv.reader(start, delimiter=delimiter)), default=0
            )

        yield _csv_rows(csv.reader(file, delimiter=max(",\t;", key=headers_found), strict=True))


def _csv_rows(reader: Any) -> Iterator[tuple[int, Sequence[Any]]]:
    while True:
        number = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise SheetError("roster.file.broken_line", line=number) from error
        yield number, row


@contextmanager
def _open_xlsx(path: Path, at: int) -> Iterator[tuple[Iterator[tuple[int, Sequence[Any]]], list[Merged], int | None]]:
    with _open_book(path) as book:
        sheet: Any = book.worksheets[at]
        size = sheet.max_row
        sheet.reset_dimensions()  # some programs write wrong ones; without them every row is read
        with sheet._get_source() as source:  # noqa: SLF001 — the way to a sheet's own XML
            merged = list(_merged(source))
        yield _xlsx_rows(sheet), merged, size


@contextmanager
def _open_book(path: Path) -> Iterator[Any]:
    from openpyxl import load_workbook  # noqa: PLC0415 — only an import of a spreadsheet pays for it

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about styles and validations, which are not read
            book = load_workbook(path, read_only=True, data_only=True)
    except Exception as error:  # whatever a damaged archive makes of it
        raise SheetError("roster.file.broken") from error
    try:
        if not book.worksheets:
            raise SheetError("roster.file.empty")
        yield book
    finally:
        book.close()


def _xlsx_rows(sheet: Any) -> Iterator[tuple[int, Sequence[Any]]]:
    try:
        yield from enumerate(sheet.iter_rows(values_only=True), start=1)
    except Exception as error:
        raise SheetError("roster.file.broken") from error


def _merged(source: Any) -> Iterator[Merged]:
    """Merged ranges, found in the sheet's XML as it streams by: the reader that holds little does not tell them."""
    rest = b""
    while chunk := source.read(_CHUNK):
        text = rest + chunk
        end = 0
        for found in _MERGED.finditer(text):
            end = found.end()
            first, line, last, last_line = (part.decode() for part in found.groups())
            yield Merged(int(line), f"{first}{line}:{last}{last_line}")
        rest = text[max(end, len(text) - _LONGEST_TAG) :]
