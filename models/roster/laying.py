"""Laying a sheet out on the bench: every cell cleaned, every flaw noted, nothing compared yet."""

from pathlib import Path

from models.roster.cells import BadCellError, Cleaner
from models.roster.columns import REQUIRED, Column
from models.roster.draft import Draft, Progress
from models.roster.reading import Line, Sheet, open_sheet

_COLUMNS = tuple(Column)
_INSERT = f"INSERT INTO row ({', '.join(_COLUMNS)}, line, flawed) VALUES ({', '.join('?' * (len(_COLUMNS) + 2))})"  # noqa: S608
_STEP = 500


def lay_out(draft: Draft, path: Path, *, year: int, progress: Progress) -> list[str]:
    """Read a whole sheet onto the bench. Returns the headers that mean nothing here. Raises: SheetError."""
    with open_sheet(path, draft.names) as sheet:
        draft.heads = sheet.heads
        _check_shape(draft, sheet)
        cleaner = Cleaner(draft.names, year)
        for line in sheet.lines:
            _lay_line(draft, cleaner, line)
            if draft.rows % _STEP == 0:
                progress(draft.rows, sheet.size)
        if not draft.rows and not draft.flaws:
            draft.problem(0, None, "no_rows")
        progress(draft.rows, draft.rows)
        return sheet.unknown


def _check_shape(draft: Draft, sheet: Sheet[Column]) -> None:
    for merged in sheet.merged:
        draft.problem(merged.line, None, "merged", range=merged.range)
    for header, places in sheet.doubled:
        draft.problem(sheet.header_line, None, "doubled", header=header, places=places)
    for column in REQUIRED:
        if column not in sheet.heads:
            draft.problem(sheet.header_line, None, "no_column", header=draft.names.header(column), english=column.value)


def _lay_line(draft: Draft, cleaner: Cleaner, line: Line[Column]) -> None:
    flaws = draft.flaws
    if line.beyond:
        draft.problem(line.number, None, "beyond")
    cells = dict.fromkeys(_COLUMNS, "")
    for column, value in line.cells.items():
        try:
            cells[column] = cleaner.clean(column, value)
        except BadCellError as error:
            draft.problem(line.number, column, error.key, **error.values)
        else:
            if not cells[column] and column in REQUIRED:
                draft.problem(line.number, column, "required")
    for column in REQUIRED:
        if column not in line.cells and draft.has(column):
            draft.problem(line.number, column, "required")
    if cells[Column.SCOPE] and not cells[Column.ROLE] and draft.flaws == flaws:
        draft.problem(line.number, Column.SCOPE, "scope_without_role")
    draft.db.execute(_INSERT, (*cells.values(), line.number, draft.flaws > flaws))
    draft.rows += 1
