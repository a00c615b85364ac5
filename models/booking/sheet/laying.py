"""Laying a workbook out: every sheet read, every cell cleaned, every flaw noted; nothing compared with the database yet."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.booking.sheet.cells import SupplyCleaner
from models.booking.sheet.columns import HEADERS, REQUIRED, TITLES, Column, Known, Part, part_of
from models.roster.cells import BadCellError
from models.roster.draft import Problem
from models.roster.reading import Head, Line, Sheet, SheetError, letter, open_sheet, titles


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong in one of the sheets."""

    title: str
    at: tuple[int, int]  # line and column, for the order
    problem: Problem


@dataclass(slots=True)
class Row:
    """One line, its cells as values; what is not in the sheet is not among them."""

    line: int
    cells: dict[Column, Any]
    flawed: bool = False

    def __getitem__(self, column: Column) -> Any:
        return self.cells.get(column)


@dataclass
class Table:
    """One sheet laid out."""

    part: Part
    title: str
    heads: dict[Column, Head] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)


@dataclass
class Book:
    """A workbook laid out."""

    tables: dict[Part, Table] = field(default_factory=dict)
    flaws: list[Flaw] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)  # headers and sheets that mean nothing here

    def problem(self, table: Table, line: int, column: Column | None, key: str, /, **values: object) -> None:
        """Note what is wrong."""
        head = table.heads.get(column) if column else None
        header = head.text if head else HEADERS[column][0] if column else ""
        problem = Problem(line, letter(head.at) if head else "", header, key, values)
        self.flaws.append(Flaw(table.title, (line, head.at if head else -1), problem))

    def flaw(self, table: Table, row: Row, column: Column | None, key: str, /, **values: object) -> None:
        """The same of a line, which is then looked at no further."""
        row.flawed = True
        self.problem(table, row.line, column, f"supply_sheet.problem.{key}", **values)

    def in_order(self) -> list[Flaw]:
        """Everything that is wrong, by sheet, line and column."""
        order = [table.title for table in self.tables.values()]
        return sorted(self.flaws, key=lambda it: (order.index(it.title), *it.at))

    def sound(self, part: Part) -> Iterator[tuple[Table, Row]]:
        """The lines of a sheet in which nothing is wrong so far."""
        if (table := self.tables.get(part)) is not None:
            yield from ((table, row) for row in table.rows if not row.flawed)


def lay_out(path: Path, *, year: int) -> Book:
    """Read a workbook, or one sheet of it as a CSV. Raises: SheetError when it cannot be read or holds none of the sheets."""
    book, cleaner = Book(), SupplyCleaner(year)
    named = titles(path)
    if named is None:
        part = _part_of_csv(path)
        _lay(book, cleaner, path, part, TITLES[part][0], 0)
        return book
    for at, title in enumerate(named):
        part_there = part_of(title)
        if part_there is None or part_there in book.tables:
            continue
        try:
            _lay(book, cleaner, path, part_there, title, at)
        except SheetError as error:
            if error.key != "roster.file.empty":  # an empty sheet changes nothing
                raise
    if not book.tables:
        raise SheetError("supply_sheet.no_sheet", titles=[names[0] for names in TITLES.values()])
    return book


def _part_of_csv(path: Path) -> Part:
    """Which sheet a CSV is: the one whose headers it has."""
    found: dict[Part, int] = {}
    for part in Part:
        with open_sheet(path, Known(part)) as sheet:
            if all(column in sheet.heads for column in REQUIRED[part]):
                found[part] = len(sheet.heads) - len(sheet.unknown)
    if not found:
        raise SheetError("supply_sheet.no_sheet", titles=[names[0] for names in TITLES.values()])
    return max(found, key=lambda part: found[part])


def _lay(book: Book, cleaner: SupplyCleaner, path: Path, part: Part, title: str, at: int) -> None:
    table = Table(part, title)
    with open_sheet(path, Known(part), at=at) as sheet:
        book.tables[part] = table
        table.heads = sheet.heads
        book.unknown += sheet.unknown
        _check_shape(book, table, sheet)
        for line in sheet.lines:
            table.rows.append(_row(book, table, cleaner, line))


def _check_shape(book: Book, table: Table, sheet: Sheet[Column]) -> None:
    for merged in sheet.merged:
        book.problem(table, merged.line, None, "roster.problem.merged", range=merged.range)
    for header, places in sheet.doubled:
        book.problem(table, sheet.header_line, None, "roster.problem.doubled", header=header, places=places)
    for column in REQUIRED[table.part]:
        if column not in sheet.heads:
            named = {"header": HEADERS[column][0], "english": column.value}
            book.problem(table, sheet.header_line, None, "roster.problem.no_column", **named)


def _row(book: Book, table: Table, cleaner: SupplyCleaner, line: Line[Column]) -> Row:
    row, flaws = Row(line.number, dict.fromkeys(table.heads)), len(book.flaws)
    if line.beyond:
        book.problem(table, line.number, None, "roster.problem.beyond")
    for column, cell in line.cells.items():
        try:
            row.cells[column] = cleaner.clean(column, cell)
        except BadCellError as error:
            key = error.key if "." in error.key else f"roster.problem.{error.key}"
            book.problem(table, line.number, column, key, **error.values)
        else:
            if row.cells[column] is None and column in REQUIRED[table.part]:
                book.problem(table, line.number, column, "roster.problem.required")
    for column in REQUIRED[table.part]:
        if column not in line.cells and column in table.heads:
            book.problem(table, line.number, column, "roster.problem.required")
    row.flawed = len(book.flaws) > flaws
    return row
