"""A sheet that is not right is answered with a list by line and column, and imports nothing."""

from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select
from typing_extensions import override

from bot.roster_import import RosterRefusedError, View, import_roster
from models.db import Database
from models.roster import Problem, SheetError
from models.unit import Unit
from tests.rosters import HEADERS, NAMES, Row, roster, staff, student, table, write_csv, write_xlsx


class Listener(View):
    """Keeps what an import tells."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.strangers: list[str] = []

    @override
    def problem(self, problem: Problem) -> None:
        self.problems.append(problem)

    @override
    def unknown_headers(self, headers: list[str]) -> None:
        self.strangers += headers


def refused(path: Path) -> list[tuple[int, str, str]]:
    """Line, letter and last part of the key of every problem of a sheet; no database is asked."""
    listener = Listener()
    with pytest.raises(RosterRefusedError) as caught:
        import_roster(None, path, NAMES, view=listener)
    assert caught.value.count == len(listener.problems)
    return [(it.line, it.letter, it.key.removeprefix("roster.problem.")) for it in listener.problems]


GOOD = student("1")


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (student(""), ("A", "required")),
        (student("2", name=" "), ("B", "required")),
        (student("2", kind=""), ("C", "required")),
        (student("2 张三！"), ("A", "number")),
        (student("2.02301E+11"), ("A", "rounded")),
        (student("2", kind="校友"), ("C", "kind")),
        (student("2", name="\ufffd\ufffd"), ("B", "characters")),
        (student("2", name="长" * 51), ("B", "too_long")),
        (student("2", college="计算机/信息学院"), ("D", "college_mark")),
        (student("2", **{"class": "一班;二班"}), ("E", "unit_mark")),
        (student("2", **{"class": ""}), ("E", "student_without_class")),
        (student("2", college="", **{"class": "没人知道的班"}), ("E", "class_without_college")),
        (student("2", college="外国语学院", **{"class": "计算机学院/计科2601"}), ("E", "other_college")),
        (student("2", role="辅导员;站长"), ("G", "role")),
        (student("2", scope="计科2601"), ("H", "scope_without_role")),
        (staff("2", role="辅导员", scope="计科2601;计科9999"), ("H", "unknown_unit")),
        (staff("2", role="心理委员", scope="计算机学院"), ("H", "wrong_level")),
        (staff("2", role="宿舍信息员"), ("H", "no_own_unit")),
        (student("2", phone="手机没带"), ("I", "phone")),
        (student("2", wecom_userid="张三"), ("J", "wecom_userid")),
        (student("2", wecom_userid="One"), ("J", "account_twice")),
        (student("2", birth_year="08"), ("K", "birth_year")),
        (student("2", birth_year="2999"), ("K", "birth_year")),
        (student("1", name="别人"), ("B", "disagrees")),
        (staff("1", name="学生1"), ("C", "disagrees")),
        (student("1", phone="13900000002"), ("I", "disagrees")),
        (student("1", **{"class": "计科2602"}), ("E", "disagrees")),
        (student("1", college="外国语学院", **{"class": ""}), ("D", "disagrees")),
    ],
)
def test_a_row_that_is_not_right(tmp_path: Path, row: Row, expected: tuple[str, str]) -> None:
    good = student("1", phone="13900000001", wecom_userid="one")

    assert refused(roster(tmp_path, [good, student("8"), row])) == [(4, *expected)]


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    rows = [student("1", kind="?", phone="?"), GOOD, student("3", role="?"), staff("4", role="站长", scope="没有")]

    assert refused(roster(tmp_path, rows)) == [
        (2, "C", "kind"),
        (2, "I", "phone"),
        (4, "G", "role"),
        (5, "H", "unknown_unit"),
    ]


def test_a_name_that_two_classes_bear_must_be_written_whole(tmp_path: Path) -> None:
    rows = [
        student("1", **{"class": "一班"}),
        student("2", college="外国语学院", **{"class": "一班"}),
        staff("3", role="辅导员", scope="一班"),
        student("4", college="", **{"class": "一班"}),
    ]

    assert refused(roster(tmp_path, rows)) == [(4, "H", "ambiguous"), (5, "E", "ambiguous")]


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_headers_that_are_missing_or_doubled(tmp_path: Path, kind: str) -> None:
    headers = ["学号", "工号", "身份", "学院", "班级", "宿舍", "角色", "负责范围", "手机号", "手机号", "备注"]
    write = write_csv if kind == "csv" else write_xlsx

    found = refused(write(tmp_path / f"r.{kind}", table([GOOD], headers)))

    assert found == [(1, "", "doubled"), (1, "", "doubled"), (1, "", "no_column")]


def test_columns_that_mean_nothing_are_named_and_passed_over(tmp_path: Path) -> None:
    listener = Listener()
    lines = [[*HEADERS, "备注"], [*table([GOOD])[1], "转专业"]]

    import_roster(None, write_csv(tmp_path / "r.csv", lines), NAMES, view=listener, dry_run=True)

    assert listener.strangers == ["备注"]


def test_merged_cells_are_named(tmp_path: Path) -> None:
    rows = [student(str(n)) for n in range(6)]

    found = refused(write_xlsx(tmp_path / "r.xlsx", table(rows), merge=["D2:D4", "F3:G3"]))

    assert [each for each in found if each[2] == "merged"] == [(2, "", "merged"), (3, "", "merged")]


def test_a_number_that_a_spreadsheet_rounded_is_not_taken(tmp_path: Path) -> None:
    rows = [student(20230101012345678), student("2", phone=1.39e16)]

    assert refused(write_xlsx(tmp_path / "r.xlsx", table(rows))) == [(2, "A", "rounded"), (3, "I", "rounded")]


def test_a_comma_too_many_is_seen(tmp_path: Path) -> None:
    lines = table([student("1", birth_year="2008")])
    lines[1].insert(3, "多出来的")

    assert (2, "", "beyond") in refused(write_csv(tmp_path / "r.csv", lines))


def test_a_sheet_without_people_is_not_an_import(tmp_path: Path) -> None:
    assert refused(write_csv(tmp_path / "r.csv", [HEADERS])) == [(0, "", "no_rows")]


@pytest.mark.parametrize(
    ("content", "key"),
    [
        (b"", "empty"),
        (b"\n\n  \n", "empty"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "old_excel"),
        (b"PK\x03\x04 not a workbook", "broken"),
        (b"number,name,kind\n1,\xff\xff\xff,student\n", "encoding"),
        ('学号/工号,姓名,身份\n1,"张三,学生\n'.encode(), "broken_line"),
    ],
)
def test_a_file_that_cannot_be_read(tmp_path: Path, content: bytes, key: str) -> None:
    path = tmp_path / "r.csv"
    path.write_bytes(content)

    with pytest.raises(SheetError) as caught:
        import_roster(None, path, NAMES)

    assert caught.value.key == f"roster.file.{key}"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SheetError) as caught:
        import_roster(None, tmp_path / "none.csv", NAMES)

    assert caught.value.key == "roster.file.unreadable"


def test_nothing_of_a_sheet_with_one_bad_row_is_imported(database: Database, tmp_path: Path) -> None:
    rows: list[Any] = [student(f"{n}") for n in range(50)]

    with pytest.raises(RosterRefusedError):
        import_roster(database, roster(tmp_path, [*rows, student("x", role="?")]), NAMES)

    with database.unit_of_work(write=False) as session:
        assert session.exec(select(Unit)).all() == []
