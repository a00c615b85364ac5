"""What the sample school offers: the workbook that its centre would hand to `xinqiao supply import`.

邵文心 has two times on the coming weekend and no other, so that whoever wants to see her may have to wait; the others have hours
every week.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from bot.sandbox.school import COLLEGES

_ONE = timedelta(days=1)
_SHEETS = {
    "咨询师": """
工号 | 姓名 | 资质 | 专职/兼职 | 聘期到 | 学院/校区 | 方式 | 擅长 | 房间 | 地点 | 任教班级或学院
T003 | 邵文心 | 国家二级心理咨询师 | 专职 | | | 面对面;电话 | 人际;家庭;情绪 | 咨询室一 | |
T004 | 孟归远 | 国家三级心理咨询师 | 兼职 | {last_day} | | 面对面;线上 | 学习;就业 | 咨询室二 | | 数媒2401
T015 | 柏静好 | 国家二级心理咨询师 | 专职 | | {business} | 面对面 | | | 经管楼 105 |
T016 | 金朗然 | 国家二级心理咨询师 | 专职 | | {computing} | 面对面 | | | 信息楼 208 |
""",
    "房间": """
房间 | 地点 | 用途 | 可单独预约
咨询室一 | 综合楼 301 | 咨询 | 否
咨询室二 | 综合楼 302 | 咨询 | 否
放松室 | 综合楼 303 | 放松 | 是
""",
    "每周时段": """
工号 | 房间 | 星期 | 开始 | 结束
T004 | | 周一;周三;周五 | 14:00 | 17:00
T015 | | 周二;周四 | 14:00 | 16:00
T016 | | 周二;周四 | 14:00 | 16:00
 | 放松室 | 周一至周五 | 12:00 | 14:00
""",
    "变动": """
工号 | 类型 | 日期 | 开始 | 结束
T003 | 加开 | {saturday} | 14:00 | 15:00
T003 | 加开 | {sunday} | 15:00 | 16:00
""",
}


def sheets(opening: date, last_day: date) -> Mapping[str, Sequence[Sequence[str]]]:
    """Each sheet, its headers first. `opening` is the Friday on which the demo begins, `last_day` the term's."""
    business, computing = COLLEGES
    days = {"saturday": opening + _ONE, "sunday": opening + 2 * _ONE, "last_day": last_day}
    return {
        title: [
            [cell.strip() for cell in line.split("|")]
            for line in text.strip("\n").format(business=business, computing=computing, **days).split("\n")
        ]
        for title, text in _SHEETS.items()
    }


def write_supply(path: Path, opening: date, last_day: date) -> None:
    """Write the workbook."""
    from openpyxl import Workbook  # noqa: PLC0415 — only the first start pays for it

    book = Workbook()
    book.remove(book.worksheets[0])
    for title, rows in sheets(opening, last_day).items():
        sheet: Any = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    book.save(path)
