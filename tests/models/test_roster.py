"""What a roster says is what the database holds afterwards: units, people, posts."""

from pathlib import Path

import pytest

from bot.roster_import import import_roster
from models.db import Database
from models.person import Kind
from models.post import Role
from models.roster import SchoolNames
from models.unit import Level
from tests.rosters import (
    HEADERS,
    NAMES,
    Import,
    Row,
    account,
    person,
    posts,
    staff,
    student,
    table,
    units,
    write_csv,
    write_xlsx,
)


def test_units_come_from_college_class_and_dorm(database: Database, imports: Import) -> None:
    imports(
        [
            student("1"),
            student("2", **{"class": "计科2602"}),
            student("3", college="外国语学院", **{"class": "英语2601"}),
        ]
    )

    assert units(database) == {
        ("school", "示例大学", None),
        ("college", "计算机学院", "示例大学"),
        ("college", "外国语学院", "示例大学"),
        ("class", "计科2601", "计算机学院"),
        ("class", "计科2602", "计算机学院"),
        ("class", "英语2601", "外国语学院"),
        ("dorm", "1-101", "示例大学"),
    }


def test_a_room_may_hold_several_classes(database: Database, imports: Import) -> None:
    imports([student("1"), student("2", college="外国语学院", **{"class": "英语2601"})])

    assert person(database, "1").dorm_id == person(database, "2").dorm_id
    assert person(database, "1").class_id != person(database, "2").class_id


def test_a_person_is_stored_as_the_sheet_says(database: Database, imports: Import) -> None:
    imports([student("2026001", name="张三", phone="13900000001", birth_year="2008")])

    it = person(database, "2026001")
    assert (it.name, it.kind, it.phone, it.birth_year, it.ended_at) == ("张三", Kind.STUDENT, "13900000001", 2008, None)


C, D, K, S = Level.COLLEGE, Level.DORM, Level.CLASS, Level.SCHOOL


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (student("9", role="心理委员"), {(Role.COMMITTEE_MEMBER, K, "计科2601")}),
        (student("9", role="宿舍信息员"), {(Role.DORM_OFFICER, D, "1-101")}),
        (student("9", role="心理委员", scope="计科2602"), {(Role.COMMITTEE_MEMBER, K, "计科2602")}),
        (staff("9", role="辅导员", college="计算机学院"), {(Role.ADVISOR, C, "计算机学院")}),
        (
            staff("9", role="班主任", college="计算机学院", **{"class": "计科2601"}),
            {(Role.CLASS_TEACHER, K, "计科2601")},
        ),
        (staff("9", role="班主任", **{"class": "计科2601"}), {(Role.CLASS_TEACHER, K, "计科2601")}),
        (
            staff("9", role="辅导员", scope="计科2601；计科2602"),
            {(Role.ADVISOR, K, "计科2601"), (Role.ADVISOR, K, "计科2602")},
        ),
        (staff("9", role="辅导员", scope="外国语学院/基础班"), {(Role.ADVISOR, K, "基础班")}),
        (staff("9", role="辅导员", college="外国语学院", scope="基础班"), {(Role.ADVISOR, K, "基础班")}),
        (staff("9", role="站长", college="计算机学院"), {(Role.STATION_HEAD, C, "计算机学院")}),
        (staff("9", role="学院负责人", scope="计算机学院"), {(Role.COLLEGE_LEAD, C, "计算机学院")}),
        (staff("9", role="学管办主任", college="计算机学院"), {(Role.AFFAIRS_DIRECTOR, C, "计算机学院")}),
        (staff("9", role="咨询师"), {(Role.COUNSELOR, S, "示例大学")}),
        (staff("9", role="中心主任"), {(Role.CENTRE_DIRECTOR, S, "示例大学")}),
        (staff("9", role="中心", scope="全校"), {(Role.CENTRE, S, "示例大学")}),
        (staff("9", role="领导小组", scope="示例大学"), {(Role.LEADING_GROUP, S, "示例大学")}),
        (staff("9", role="leading_group"), {(Role.LEADING_GROUP, S, "示例大学")}),
        (staff("9", college="计算机学院"), set()),
    ],
)
def test_what_a_post_covers(
    database: Database, imports: Import, row: Row, expected: set[tuple[Role, Level, str]]
) -> None:
    others = [
        student("1"),
        student("2", **{"class": "计科2602"}),
        student("3", **{"class": "基础班"}),
        student("4", college="外国语学院", **{"class": "基础班"}),
    ]

    imports([*others, row])

    assert posts(database, "9") == expected


def test_a_person_with_several_rows_holds_several_posts(database: Database, imports: Import) -> None:
    imports(
        [
            student("1"),
            staff("T1", college="计算机学院", role="辅导员", scope="计科2601", phone="13900000001"),
            staff("T1", college="计算机学院", role="站长"),
            staff("T1", role="咨询师"),
        ]
    )

    assert {role for role, _, _ in posts(database, "T1")} == {Role.ADVISOR, Role.STATION_HEAD, Role.COUNSELOR}
    assert person(database, "T1").phone == "13900000001"


def test_a_class_is_found_by_what_other_rows_and_the_database_say_of_it(database: Database, imports: Import) -> None:
    imports([student("1")])

    imports(
        [student("1"), student("2", college=""), student("3", college="", **{"class": "外国语学院/英语2601"})],
        agreed=True,
    )

    assert person(database, "2").class_id == person(database, "1").class_id
    assert ("class", "英语2601", "外国语学院") in units(database)


def test_two_spellings_of_one_unit_are_one_unit(database: Database, imports: Import) -> None:
    imports(
        [student("1"), student("2", **{"class": "计科２６０１ "}), student("3", college=" 计算机 学院", dorm="１-101")]
    )

    assert len(units(database)) == 4
    assert len({person(database, number).class_id for number in "123"}) == 1


def test_the_school_may_use_its_own_words(database: Database, tmp_path: Path) -> None:
    names = SchoolNames(
        "示例学校", ("学校", "校区", "班级", "寝室"), {Role.DORM_OFFICER: "安全员", Role.CENTRE: "心育中心"}
    )
    headers = ["工号", "姓名", "身份", "校区", "班级", "寝室", "角色"]
    lines = [
        headers,
        ["1", "张三", "学生", "东校区", "一班", "101", "安全员"],
        ["T1", "李四", "教师", "", "", "", "心育中心"],
    ]

    import_roster(database, write_csv(tmp_path / "own.csv", lines), names)

    assert posts(database, "1") == {(Role.DORM_OFFICER, Level.DORM, "101")}
    assert posts(database, "T1") == {(Role.CENTRE, Level.SCHOOL, "示例学校")}


def test_english_headers_and_words_are_read(database: Database, tmp_path: Path) -> None:
    lines = [
        ["Number", "Name", "Kind", "College", "Class", "Dorm", "Role", "WeCom_UserID", "Birth_Year"],
        ["1", "Ann Lee", "student", "Science", "S1", "101", "committee_member", "Ann.Lee", "2008"],
    ]

    import_roster(database, write_csv(tmp_path / "english.csv", lines), NAMES)

    assert person(database, "1").name == "Ann Lee"
    assert posts(database, "1") == {(Role.COMMITTEE_MEMBER, Level.CLASS, "S1")}
    assert account(database, "ann.lee").person_id == person(database, "1").id


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030", "utf-16"])
def test_any_encoding_a_spreadsheet_saves_is_read(database: Database, tmp_path: Path, encoding: str) -> None:
    name = "张㛃" if encoding != "gbk" else "张三"
    path = write_csv(tmp_path / "r.csv", table([student("1", name=name)]), encoding=encoding, delimiter="\t")

    import_roster(database, path, NAMES)

    assert person(database, "1").name == name


def test_a_spreadsheet_is_read_with_its_number_cells(database: Database, tmp_path: Path) -> None:
    rows = [
        student(2023010101.0, name=" 张  三 ", phone=13900000001, birth_year=2005.0),
        student(" ２０２３０１０１０２", name="李四", phone="139 0000-0002", birth_year="2006年"),
    ]
    lines = [["", "", ""], *table(rows)]

    import_roster(database, write_xlsx(tmp_path / "r.xlsx", lines), NAMES)

    one, two = person(database, "2023010101"), person(database, "2023010102")
    assert (one.name, one.phone, one.birth_year) == ("张三", "13900000001", 2005)
    assert (two.name, two.phone, two.birth_year) == ("李四", "13900000002", 2006)


def test_headers_are_the_ones_of_the_design() -> None:
    assert [NAMES.header(column) for column in NAMES.read_headers().values()][:1] == ["学号/工号"]
    assert set(HEADERS) == {NAMES.header(column) for column in set(NAMES.read_headers().values())}
