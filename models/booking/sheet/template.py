"""The empty workbook that a school fills in: four sheets with a row to type over, and what each column wants."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from models.booking.sheet.columns import COLUMNS, HEADERS, REQUIRED, TITLES, Column, Part

_SAMPLES: Mapping[Part, tuple[Mapping[Column, str], ...]] = {
    Part.COUNSELORS: (
        {
            Column.NUMBER: "T001",
            Column.NAME: "示例一",
            Column.QUALIFICATION: "国家二级心理咨询师",
            Column.EMPLOYMENT: "专职",
            Column.TIER: "中心",
            Column.MODES: "面对面;电话",
            Column.TOPICS: "学习;人际;情绪",
            Column.ROOM: "咨询室一",
        },
    ),
    Part.ROOMS: (
        {Column.ROOM: "咨询室一", Column.PLACE: "综合楼 301，上三楼左转", Column.USE: "咨询", Column.ALONE: "否"},
    ),
    Part.HOURS: ({Column.NUMBER: "T001", Column.WEEKDAYS: "周一至周五", Column.STARTS: "14:00", Column.ENDS: "17:00"},),
    Part.CHANGES: (
        {Column.NUMBER: "T001", Column.KIND: "请假", Column.DAY: "2026-12-01", Column.LAST_DAY: "2026-12-04"},
    ),
}
_WIDE = 16


def write_template(path: Path, explain: Callable[[str], str], title: str) -> None:
    """Write it as an XLSX. Never overwrites: FileExistsError. `explain` has a sentence for a sheet or a column."""
    from openpyxl import Workbook  # noqa: PLC0415 — only spreadsheets pay for it
    from openpyxl.styles import Alignment, Font  # noqa: PLC0415
    from openpyxl.utils import get_column_letter  # noqa: PLC0415

    book = Workbook()
    notes: Any = book.worksheets[0]
    notes.title = title
    for part in Part:
        sheet: Any = book.create_sheet(TITLES[part][0])
        headers = [HEADERS[column][0] + ("*" if column in REQUIRED[part] else "") for column in COLUMNS[part]]
        sheet.append(headers)
        for sample in _SAMPLES[part]:
            sheet.append([sample.get(column, "") for column in COLUMNS[part]])
        for at in range(1, len(headers) + 1):
            place = sheet.column_dimensions[get_column_letter(at)]
            place.width = _WIDE
            place.number_format = "@"  # text: a spreadsheet makes something else of numbers and times
            for cell in sheet[get_column_letter(at)]:
                cell.number_format = "@"
            sheet.cell(1, at).font = Font(bold=True)
        sheet.freeze_panes = "A2"
        notes.append([TITLES[part][0], "", explain(f"sheet_{part.value}")])
        for header, column in zip(headers, COLUMNS[part], strict=True):
            notes.append(["", header, explain(column.value)])
    notes.column_dimensions["A"].width = notes.column_dimensions["B"].width = _WIDE
    notes.column_dimensions["C"].width = 5 * _WIDE
    for cell in notes["C"]:
        cell.alignment = Alignment(wrap_text=True, vertical="top")
    book.move_sheet(notes, len(Part))
    book.active = 0
    with path.open("xb") as file:
        book.save(file)
