"""The empty sheet that a school fills in: headers, a few rows to type over, and what each column wants."""

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from models.person import Kind
from models.post import Role
from models.roster.columns import KINDS, REQUIRED, Column, SchoolNames

_SAMPLES: tuple[Mapping[Column, Any], ...] = (
    {
        Column.NUMBER: "2026010101",
        Column.NAME: "示例一",
        Column.KIND: Kind.STUDENT,
        Column.COLLEGE: "计算机学院",
        Column.CLASS: "计科2601",
        Column.DORM: "1号楼101",
        Column.ROLE: Role.COMMITTEE_MEMBER,
        Column.PHONE: "13900000001",
        Column.BIRTH_YEAR: "2008",
    },
    {
        Column.NUMBER: "2026010201",
        Column.NAME: "示例二",
        Column.KIND: Kind.STUDENT,
        Column.COLLEGE: "计算机学院",
        Column.CLASS: "计科2602",
        Column.DORM: "1号楼101",
        Column.ROLE: Role.DORM_OFFICER,
        Column.PHONE: "13900000002",
    },
    {
        Column.NUMBER: "T001",
        Column.NAME: "示例三",
        Column.KIND: Kind.STAFF,
        Column.COLLEGE: "计算机学院",
        Column.ROLE: Role.ADVISOR,
        Column.SCOPE: "计科2601;计科2602",
        Column.PHONE: "13900000003",
        Column.WECOM_USERID: "t001",
    },
    {
        Column.NUMBER: "T001",
        Column.NAME: "示例三",
        Column.KIND: Kind.STAFF,
        Column.COLLEGE: "计算机学院",
        Column.ROLE: Role.STATION_HEAD,
        Column.PHONE: "13900000003",
        Column.WECOM_USERID: "t001",
    },
    {
        Column.NUMBER: "T009",
        Column.NAME: "示例四",
        Column.KIND: Kind.STAFF,
        Column.ROLE: Role.CENTRE_DIRECTOR,
        Column.PHONE: "13900000004",
        Column.WECOM_USERID: "t009",
    },
)
_WIDE = 18


def write_template(path: Path, names: SchoolNames, explained: Mapping[Column, str], title: str) -> None:
    """Write an XLSX, or a CSV where the name ends so, in the school's own words. Never overwrites: FileExistsError.

    `explained` is a sentence for each column, `title` the name of the sheet that holds them.
    """
    if path.suffix.lower() == ".csv":
        _write_csv(path, names, explained)
    else:
        _write_xlsx(path, names, explained, title)


def _headers(names: SchoolNames) -> list[str]:
    return [names.header(column) + ("*" if column in REQUIRED else "") for column in Column]


def _rows(names: SchoolNames) -> Iterator[list[str]]:
    for sample in _SAMPLES:
        shown = {column: _shown(names, sample.get(column, "")) for column in Column}
        yield list(shown.values())


def _shown(names: SchoolNames, value: Any) -> str:
    if isinstance(value, Role):
        return names.role(value)
    return KINDS[value][0] if isinstance(value, Kind) else str(value)


def _write_csv(path: Path, names: SchoolNames, explained: Mapping[Column, str]) -> None:
    # The mark at the start is how spreadsheet programs know that it is UTF-8.
    with path.open("x", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_headers(names))
        first, *rest = [explained[column] for column in Column]
        writer.writerow([f"# {first}", *rest])
        writer.writerows(_rows(names))


def _write_xlsx(path: Path, names: SchoolNames, explained: Mapping[Column, str], title: str) -> None:
    from openpyxl import Workbook  # noqa: PLC0415 — only spreadsheets pay for it
    from openpyxl.styles import Alignment, Font  # noqa: PLC0415
    from openpyxl.utils import get_column_letter  # noqa: PLC0415

    book = Workbook()
    sheet: Any = book.worksheets[0]
    sheet.title = names.school[:31].translate(str.maketrans("", "", "[]:*?/\\")) or "roster"
    sheet.append(_headers(names))
    for row in _rows(names):
        sheet.append(row)
    for at in range(1, len(Column) + 1):
        place = sheet.column_dimensions[get_column_letter(at)]
        place.width = _WIDE
        place.number_format = "@"  # text: a number cell forgets leading zeros and all after the fifteenth digit
        for cell in sheet[get_column_letter(at)]:
            cell.number_format = "@"
        sheet.cell(1, at).font = Font(bold=True)
    sheet.freeze_panes = "A2"
    notes: Any = book.create_sheet(title)
    for header, column in zip(_headers(names), Column, strict=True):
        notes.append([header, explained[column]])
    notes.column_dimensions["A"].width = _WIDE
    notes.column_dimensions["B"].width = 5 * _WIDE
    for cell in notes["B"]:
        cell.alignment = Alignment(wrap_text=True, vertical="top")
    with path.open("xb") as file:
        book.save(file)
