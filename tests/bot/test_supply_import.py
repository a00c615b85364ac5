"""The workbook of the supply as its operator meets it: written, filled in, imported once and again, and mended by line."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import date, time
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook, load_workbook

from bot.supply_command import SupplyRefusedError, import_supply
from models import db
from models.audit import Audit, Fact
from models.booking.choices import Mode
from models.booking.slots import free_slots
from models.booking.supply import hours_of
from models.booking.table import Counselor, CounselorTie, Opening, OpeningChange, Room, RoomUse, Tier
from models.roster import SheetError
from tests.rows import everything
from tests.world import World

ROOT = Path(__file__).parents[2]
Lines = Sequence[Sequence[Any]]

COUNSELORS: Lines = (
    (
        "工号*",
        "姓名",
        "资质*",
        "专职/兼职",
        "聘期到",
        "归属",
        "学院/校区",
        "方式",
        "擅长",
        "房间",
        "每天最多",
        "任教班级或学院",
    ),
    ("T100", "陈默", "注册心理师", "", "", "", "", "面对面；电话", "学业、情绪", "咨询室 一", "", ""),
    (
        "T200",
        "",
        "国家二级心理咨询师",
        "兼职",
        date(2027, 1, 10),
        "",
        "信息学院",
        "",
        "",
        "",
        4,
        "软件2302;信息学院/软件2301",
    ),
)
ROOMS: Lines = (
    ("房间*", "地点", "用途", "可单独预约"),
    ("咨询室一", "综合楼 301", "", ""),
    ("沙盘室", "综合楼 302", "沙盘", "是"),
)
HOURS: Lines = (
    ("工号", "房间", "星期*", "开始*", "结束*", "方式"),
    ("T100", "", "周一至周五", "14:00", "17：00", ""),
    ("T100", "", "周二", time(9), time(12), "电话"),
    ("T200", "", "3", 0.375, "11点30", ""),
    ("", "沙盘室", "一；三", "13:00", "15:00", ""),
)
CHANGES: Lines = (
    ("工号", "类型*", "日期*", "开始", "结束日期", "结束"),
    ("T100", "请假", "2026-11-18", "", "2026/11/19", ""),
    ("T200", "加开", "2026年11月21日", "9:00", "", "11:00"),
    ("", "关闭", date(2026, 11, 27), "14:00", "", ""),
)
WHOLE = {"咨询师": COUNSELORS, "房间": ROOMS, "每周时段": HOURS, "变动": CHANGES}


def workbook(path: Path, sheets: Mapping[str, Lines]) -> Path:
    """An XLSX of these sheets."""
    book = Workbook()
    book.remove(book.worksheets[0])
    for title, lines in sheets.items():
        sheet: Any = book.create_sheet(title)
        for line in lines:
            sheet.append([None if cell == "" else cell for cell in line])
    book.save(path)
    return path


@pytest.fixture
def imports(world: World, tmp_path: Path) -> Callable[..., list[tuple[str, str, int]]]:
    """Import sheets; what that did, without names."""

    def imports(sheets: Mapping[str, Lines], *, dry_run: bool = False) -> list[tuple[str, str, int]]:
        path = workbook(tmp_path / "supply.xlsx", sheets)
        done = import_supply(db.database(), path, policy=world.policy.booking, now=world.now, dry_run=dry_run)
        return [(change.part.value, change.what, change.count) for change in done.changes]

    return imports


Imports = Callable[..., list[tuple[str, str, int]]]


def flaws(error: pytest.ExceptionInfo[SupplyRefusedError]) -> list[tuple[str, int, str, str]]:
    """Sheet, line, column and what is wrong."""
    return [
        (flaw.title, flaw.problem.line, flaw.problem.letter, flaw.problem.key.rsplit(".", 1)[-1])
        for flaw in error.value.flaws
    ]


def test_a_whole_workbook(world: World, imports: Imports) -> None:
    done = imports(WHOLE)

    assert done == [
        *[("rooms", "added", 1)] * 2,
        *[("counselors", "added", 1)] * 2,
        ("hours", "added", 6),
        ("hours", "added", 1),
        ("hours", "added", 2),
        *[("changes", "added", 1)] * 3,
    ]
    first, second = world.rows(Counselor)
    talk, sand = world.rows(Room)
    assert (first.person_id, first.qualification, first.full_time) == (world.people["advisor"], "注册心理师", True)
    assert (first.modes, first.topics, first.room_id) == ("in_person phone", "study mood", talk.id)
    assert (first.tier, first.unit_id) == (Tier.CENTRE, world.units["测试学院"])
    assert (second.tier, second.unit_id) == (Tier.STATION, world.units["信息学院"])
    assert (second.full_time, second.term_ends, second.most_a_day, second.modes) == (
        False, date(2027, 1, 10), 4, "in_person",
    )  # fmt: skip
    assert {tie.unit_id for tie in world.rows(CounselorTie)} == {world.units["软件2301"], world.units["软件2302"]}
    assert (sand.use, sand.alone, sand.place) == (RoomUse.SANDPLAY, True, "综合楼 302")
    assert [
        (it.weekday, it.starts, it.ends, it.modes) for it in world.rows(Opening, Opening.counselor_id == first.id)
    ] == [
        *[(day, 840, 1020, "") for day in range(5)],
        (1, 540, 720, "phone"),
    ]
    assert [(it.weekday, it.starts, it.ends) for it in world.rows(Opening, Opening.counselor_id == second.id)] == [
        (2, 540, 690)
    ]
    assert len(world.rows(Opening, Opening.room_id == sand.id)) == 2
    assert [(it.kind.value, it.counselor_id) for it in world.rows(OpeningChange)] == [
        ("leave", first.id), ("extra", second.id), ("closed", None),
    ]  # fmt: skip
    with db.unit_of_work(write=False) as session:
        free = free_slots(session, policy=world.policy.booking, now=world.now, counselor_id=first.id)
    local = [slot.starts_at.astimezone(world.policy.booking.zone) for slot in free[:7]]
    assert [f"{each:%d %H}" for each in local] == ["16 14", "16 15", "16 16", "17 09", "17 10", "17 11", "17 14"]
    assert free[3].modes == (Mode.PHONE,)


def test_a_second_time_changes_nothing(world: World, imports: Imports) -> None:
    imports(WHOLE)
    before = everything()

    assert imports(WHOLE) == []
    assert everything() == before

    world.forward(days=9)
    assert imports(WHOLE) == [], "what is over by now is not refused either"


def test_a_trial_run_writes_nothing_and_says_the_same(world: World, imports: Imports) -> None:
    before = everything()

    tried = imports(WHOLE, dry_run=True)

    assert everything() == before
    assert imports(WHOLE) == tried


def test_what_is_said_anew_counts_and_what_is_not_said_stays(world: World, imports: Imports) -> None:
    imports(WHOLE)

    done = imports(
        {
            "counselors": (("number", "qualification", "most_a_day"), ("T100", "注册督导师", 3)),
            "hours": (
                ("number", "weekdays", "starts", "ends"),
                ("T100", "Mon", "14:00", "17:00"),
                ("T100", "Fri", "9:00", "12:00"),
            ),
        }
    )

    assert done == [("counselors", "changed", 1), ("hours", "added", 1), ("hours", "ended", 5)]
    first, second = world.rows(Counselor)
    assert (first.qualification, first.most_a_day, first.modes) == ("注册督导师", 3, "in_person phone")
    with db.unit_of_work(write=False) as session:
        today = world.now.date()
        assert [(it.weekday, it.starts) for it in hours_of(session, first.id, today)] == [(0, 840), (4, 540)]
        assert len(hours_of(session, second.id, today)) == 1


def test_who_is_ended_takes_no_more(world: World, imports: Imports) -> None:
    imports(WHOLE)

    done = imports(
        {
            "咨询师": (("工号", "资质", "停用"), ("T100", "注册心理师", "是")),
            "房间": (("房间", "停用"), ("沙盘室", "是"), ("咨询室一", "否")),
        }
    )

    assert done == [("counselors", "ended", 1), ("rooms", "ended", 1)]
    assert [it.ended_at is not None for it in world.rows(Counselor)] == [True, False]
    assert [it.ended_at is not None for it in world.rows(Room)] == [False, True]
    assert imports({"咨询师": COUNSELORS, "房间": ROOMS}) == [("rooms", "added", 1), ("counselors", "added", 1)]
    assert Fact.SUPPLY_CHANGED in {row.fact for row in world.rows(Audit)}


def test_every_flaw_is_told_at_once_and_nothing_is_kept(world: World, imports: Imports) -> None:
    before = everything()

    with pytest.raises(SupplyRefusedError) as refused:
        imports(
            {
                "咨询师": (
                    ("工号", "姓名", "资质", "归属", "学院", "每天最多", "房间", "任教"),
                    ("T100", "", "", "", "", "很多", "", ""),
                    ("T404", "", "q", "", "", "", "", ""),
                    ("T200", "方圆", "q", "", "", "", "", ""),
                    ("T300", "", "q", "二级站", "", "", "", ""),
                    ("T900", "", "q", "", "文学院", "", "", ""),
                    ("T800", "", "q", "", "", "", "无此间", "软件9999"),
                    ("T800", "", "q", "", "", "", "", ""),
                ),
                "每周时段": (
                    ("工号", "房间", "星期", "开始", "结束"),
                    ("T800", "", "周八", "9:00", "25:00"),
                    ("T100", "", "周一", "9:00", "12:00"),
                    ("", "", "周一", "9:00", "12:00"),
                    ("T404", "", "周一", "9:00", "12:00"),
                ),
                "变动": (
                    ("工号", "类型", "日期", "开始", "结束"),
                    ("", "放假", "11-31", "", ""),
                    ("", "加开", "2026-12-01", "", ""),
                ),
            }
        )

    assert flaws(refused) == [
        ("咨询师", 2, "C", "required"),
        ("咨询师", 2, "F", "number"),
        ("咨询师", 3, "A", "no_person"),
        ("咨询师", 4, "B", "other_name"),
        ("咨询师", 5, "E", "station_of_nobody"),
        ("咨询师", 6, "E", "no_unit"),
        ("咨询师", 7, "G", "no_room"),
        ("咨询师", 7, "H", "no_unit"),
        ("咨询师", 8, "A", "twice"),
        ("每周时段", 2, "C", "weekdays"),
        ("每周时段", 2, "E", "time"),
        ("每周时段", 3, "A", "no_counselor"),
        ("每周时段", 4, "A", "no_owner"),
        ("每周时段", 5, "A", "no_person"),
        ("变动", 2, "B", "kind"),
        ("变动", 2, "C", "day"),
        ("变动", 3, "A", "no_owner"),
    ]
    assert everything() == before


def test_hours_that_cannot_be(imports: Imports) -> None:
    with pytest.raises(SupplyRefusedError) as refused:
        imports(
            WHOLE
            | {
                "每周时段": (
                    ("工号", "星期", "开始", "结束", "从哪天起", "到哪天止"),
                    ("T100", "周一", "9:00", "12:00", "", "2026-12-31"),
                    ("T100", "周一;周二", "11:00", "13:00", "", ""),
                    ("T100", "周一", "11:00", "13:00", "2027-01-01", ""),
                    ("T100", "周三", "13:00", "13:00", "", ""),
                    ("T100", "周四", "13:00", "14:00", "2027-01-01", "2026-12-31"),
                ),
                "变动": (("工号", "类型", "日期", "结束日期"), ("T100", "请假", "2026-12-04", "2026-12-01")),
            }
        )

    assert flaws(refused) == [
        ("每周时段", 3, "C", "overlaps"),
        ("每周时段", 5, "D", "backwards"),
        ("每周时段", 6, "F", "backwards"),
        ("变动", 2, "D", "backwards"),
    ]


def test_a_required_column_is_missing(imports: Imports) -> None:
    with pytest.raises(SupplyRefusedError) as refused:
        imports({"咨询师": (("工号", "姓名"), ("T100", "陈默"))})

    assert flaws(refused) == [("咨询师", 1, "", "no_column")]


def test_a_file_with_none_of_the_sheets(world: World, imports: Imports, tmp_path: Path) -> None:
    with pytest.raises(SheetError) as refused:
        imports({"别的": COUNSELORS})
    assert refused.value.key == "supply_sheet.no_sheet"

    path = tmp_path / "other.csv"
    path.write_text("甲,乙\n1,2\n", "utf-8")
    with pytest.raises(SheetError):
        import_supply(db.database(), path, policy=world.policy.booking, now=world.now)


def test_one_sheet_as_csv(world: World, tmp_path: Path) -> None:
    path = tmp_path / "counselors.csv"
    path.write_bytes("工号,资质,学院/校区\nT100,注册心理师,\nT200,注册心理师,信息学院\n".encode("gb18030"))

    done = import_supply(db.database(), path, policy=world.policy.booking, now=world.now)

    assert [change.name for change in done.changes] == ["T100 陈默", "T200 方远"]
    assert [it.tier for it in world.rows(Counselor)] == [Tier.CENTRE, Tier.STATION]


# ── the command ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def command(world: World, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`xinqiao …` on the world's database."""

    def command(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "bot.cli", *words],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )

    return command


def test_the_command_writes_a_template_that_it_can_read(
    world: World, command: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    made = command("supply", "template", "排班.xlsx")
    assert (made.returncode, made.stderr) == (0, "")
    assert command("supply", "template", "排班.xlsx").returncode == 2
    book = load_workbook(tmp_path / "排班.xlsx")
    assert book.sheetnames == ["咨询师", "房间", "每周时段", "变动", "填写说明"]

    for title, column in (("咨询师", "A"), ("每周时段", "A"), ("变动", "A")):
        book[title][f"{column}2"] = "T100"
    book["咨询师"]["B2"] = "陈默"
    book.save(tmp_path / "排班.xlsx")
    tried = command("supply", "import", "排班.xlsx", "--dry-run")
    done = command("supply", "import", "排班.xlsx")
    again = command("supply", "import", "排班.xlsx")

    assert (tried.returncode, done.returncode, again.returncode) == (0, 0, 0), done.stderr
    assert tried.stdout.splitlines()[-1].startswith("试运行，什么都没有写：新增咨询师 1 人，新增房间 1 间")
    assert done.stdout.splitlines() == [
        "新增 房间 咨询室一",
        "新增 咨询师 T100 陈默",
        "新增 每周时段 T100 陈默：5 段",
        "新增 变动 T100 陈默",
        "导入完成：新增咨询师 1 人，新增房间 1 间，新增每周时段 5 段，新增变动 1 处。",
    ]
    assert again.stdout == "导入完成：没有要改的。\n"
    assert len(world.rows(Counselor)) == 1


def test_the_command_refuses_by_line_and_column(
    command: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    workbook(tmp_path / "x.xlsx", {"咨询师": (("工号", "资质"), ("T100", ""), ("T404", "q"))})

    refused = command("supply", "import", "x.xlsx")

    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.splitlines() == [
        "【咨询师】第 2 行 B 列“资质”：必填，不能空。",
        "【咨询师】第 3 行 A 列“工号”：名单里没有“T404”。请检查工号，或先导入名单。",
        "xinqiao: x.xlsx：有 2 处要改，什么都没有导入。请按上面的表、行和列改好后再运行。",
    ]
    assert command("supply", "import", "missing.xlsx").returncode == 2
