"""Rosters for tests: sheets written as files, as a school's spreadsheet program would save them."""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from openpyxl import Workbook
from sqlmodel import col, select

from bot.roster_import import Imported
from models.channel import Channel
from models.contact import Contact
from models.db import Database
from models.person import Person
from models.post import Post, Role
from models.roster import Column, SchoolNames
from models.unit import Level, Unit

NAMES = SchoolNames("示例大学")
HEADERS = ("学号/工号", "姓名", "身份", "学院", "班级", "宿舍", "角色", "负责范围", "手机号", "企业微信账号", "出生年")
Row = Mapping[str, Any]
Import = Callable[..., Imported]


def student(number: Any, /, **cells: Any) -> dict[str, Any]:
    """A student's row; by default of 计科2601 in 计算机学院, in room 1-101."""
    shown = {"name": f"学生{number}", "kind": "学生", "college": "计算机学院", "class": "计科2601", "dorm": "1-101"}
    return {"number": number, **shown, **cells}


def staff(number: Any, /, **cells: Any) -> dict[str, Any]:
    """A teacher's row; by default of the whole school."""
    return {"number": number, "name": f"老师{number}", "kind": "教师", **cells}


def college(name: str, *, students: int = 30) -> list[dict[str, Any]]:
    """A college large enough that one ending is less than a tenth: two classes, three rooms, officers, an advisor, a head."""
    rows = []
    for n in range(students):
        role = "心理委员" if n in {0, 1} else "宿舍信息员" if n in {2, 3, 4} else ""
        cells = {
            "college": name,
            "class": f"{name[:2]}260{n % 2 + 1}",
            "dorm": f"{name[:2]}楼{n % 3 + 101}",
            "role": role,
        }
        rows.append(student(f"{name[:1]}{n:03d}", **cells))
    scope = f"{name[:2]}2601;{name[:2]}2602"
    rows += [staff(f"{name[:1]}T{n}", college=name, role="辅导员", scope=scope) for n in range(8)]
    rows.append(staff(f"{name[:1]}T9", college=name, role="站长"))
    return rows


def table(rows: Iterable[Row], headers: Sequence[str] = HEADERS) -> list[list[Any]]:
    """Header and lines, in the order of the template's columns."""
    lines: list[list[Any]] = [list(headers)]
    for row in rows:
        assert set(row) <= set(Column), f"no column: {set(row) - set(Column)}"
        lines.append([row.get(column, "") for column in Column])
    return lines


def write_csv(path: Path, lines: Iterable[Sequence[Any]], *, encoding: str = "utf-8", delimiter: str = ",") -> Path:
    """A CSV file of these lines."""
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter).writerows(lines)
    path.write_bytes(text.getvalue().encode(encoding))
    return path


def write_xlsx(path: Path, lines: Iterable[Sequence[Any]], *, merge: Sequence[str] = ()) -> Path:
    """An XLSX file of these lines, ranges of it merged."""
    book = Workbook()
    sheet: Any = book.worksheets[0]
    for line in lines:
        sheet.append([None if cell == "" else cell for cell in line])
    for each in merge:
        sheet.merge_cells(each)
    book.save(path)
    return path


def roster(folder: Path, rows: Iterable[Row], name: str = "roster.csv") -> Path:
    """A CSV roster of these rows."""
    return write_csv(folder / name, table(rows))


def units(database: Database) -> set[tuple[str, str, str | None]]:
    """Level, name and parent's name of every unit."""
    with database.unit_of_work(write=False) as session:
        found = session.exec(select(Unit)).all()
        names = {unit.id: unit.name for unit in found}
        return {(unit.level.value, unit.name, names.get(unit.parent_id)) for unit in found}


def posts(database: Database, number: str) -> set[tuple[Role, Level, str]]:
    """Role, level and unit of every live post of a person."""
    with database.unit_of_work(write=False) as session:
        found = session.exec(
            select(Post, Unit)
            .join(Person, col(Person.id) == col(Post.person_id))
            .join(Unit, col(Unit.id) == col(Post.unit_id))
            .where(Person.number == number, col(Post.ended_at).is_(None))
        )
        return {(post.role, unit.level, unit.name) for post, unit in found}


def person(database: Database, number: str) -> Person:
    """Somebody, there or ended."""
    with database.unit_of_work(write=False) as session:
        return session.exec(select(Person).where(Person.number == number)).one()


def account(database: Database, address: str) -> Contact:
    """A WeCom account."""
    with database.unit_of_work(write=False) as session:
        return session.exec(select(Contact).where(Contact.address == address, Contact.channel == Channel.WECOM)).one()
