"""What a roster says is what the database holds afterwards: units, people, posts, accounts."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import col, select

from bot.roster_import import Imported, TooManyEndingsError, import_roster
from models import clock
from models.audit import Audit, Fact
from models.channel import Channel
from models.contact import Contact
from models.db import Database
from models.person import Kind, Person
from models.post import Post, Role
from models.roster import SchoolNames, Totals
from models.talk import TalkLog, meet
from models.unit import Level, Unit
from tests.rosters import HEADERS, NAMES, Row, college, roster, staff, student, table, write_csv, write_xlsx

Import = Callable[..., Imported]


@pytest.fixture
def imports(database: Database, tmp_path: Path) -> Import:
    def imports(rows: list[Row], *, agreed: bool = False, dry_run: bool = False) -> Imported:
        return import_roster(database, roster(tmp_path, rows), NAMES, agreed=agreed, dry_run=dry_run)

    return imports


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
    with database.unit_of_work(write=False) as session:
        return session.exec(select(Person).where(Person.number == number)).one()


def account(database: Database, address: str) -> Contact:
    with database.unit_of_work(write=False) as session:
        return session.exec(select(Contact).where(Contact.address == address, Contact.channel == Channel.WECOM)).one()


def everything(database: Database) -> dict[str, list[Any]]:
    """All of it, without the moments."""
    with database.unit_of_work(write=False) as session:
        people = session.exec(select(Person).order_by(col(Person.number))).all()
        live = [person for person in people if person.ended_at is None]
        held = {person.number: sorted(posts(database, person.number)) for person in people}
        addresses = session.exec(select(Contact.address, Contact.person_id).order_by(Contact.address)).all()
        return {
            "people": [(p.number, p.name, p.kind, p.phone, p.birth_year) for p in live],
            "ended": [p.number for p in people if p.ended_at is not None],
            "posts": sorted(held.items()),
            "accounts": [(address, owner is not None) for address, owner in addresses],
        }


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


def test_a_second_import_changes_what_changed_and_nothing_else(database: Database, imports: Import) -> None:
    first = imports(college("计算机学院")).totals
    assert (first.people_added, first.posts_added, first.units_added) == (39, 22, 7)

    assert imports(college("计算机学院")).totals == Totals(people=39, posts=22)

    rows = college("计算机学院")
    rows[7] |= {"name": "新名字", "phone": "13900000007"}
    rows[0] |= {"role": ""}
    rows[10] |= {"role": "心理委员"}
    changed = imports(rows).totals
    assert (changed.people_changed, changed.posts_added, changed.posts_ended, changed.people_ended) == (1, 1, 1, 0)
    assert person(database, "计007").name == "新名字"
    assert posts(database, "计000") == set()
    assert posts(database, "计010") == {(Role.COMMITTEE_MEMBER, Level.CLASS, "计算2601")}


def test_a_column_that_is_not_in_the_sheet_changes_nothing(database: Database, imports: Import, tmp_path: Path) -> None:
    imports([student("1", phone="13900000001", birth_year="2008")])
    lines = [line[:5] for line in table([student("1", name="新名字")])]

    import_roster(database, write_csv(tmp_path / "narrow.csv", lines), NAMES)

    it = person(database, "1")
    assert (it.name, it.phone, it.birth_year) == ("新名字", "13900000001", 2008)
    assert it.dorm_id is not None


def test_endings_stay_inside_the_colleges_that_the_sheet_names(database: Database, imports: Import) -> None:
    centre = [staff("Z1", role="中心主任"), staff("Z2", role="咨询师")]
    imports([*college("计算机学院"), *college("外国语学院"), *centre])

    gone = imports(college("计算机学院")[1:]).totals

    assert (gone.people_ended, gone.posts_ended) == (1, 1)
    assert person(database, "计000").ended_at is not None
    assert posts(database, "计000") == set()
    assert all(posts(database, number) for number in ("外000", "Z1", "Z2"))


def test_a_sheet_of_the_whole_school_ends_posts_of_the_school_too(database: Database, imports: Import) -> None:
    centre = [staff(f"Z{n}", role="咨询师") for n in range(9)]
    imports([*college("计算机学院"), *college("外国语学院"), *centre])

    gone = imports([*college("计算机学院"), *college("外国语学院"), *centre[1:]]).totals

    assert (gone.people_ended, gone.posts_ended) == (1, 1)
    assert person(database, "Z0").ended_at is not None


def test_who_holds_a_post_that_the_sheet_does_not_speak_for_stays(database: Database, imports: Import) -> None:
    both = [staff("B1", college="计算机学院", role="辅导员"), staff("B1", role="咨询师")]
    imports([*college("计算机学院"), *both, *college("外国语学院")])

    gone = imports(college("计算机学院")).totals

    assert (gone.people_ended, gone.posts_ended) == (0, 1)
    assert person(database, "B1").ended_at is None
    assert posts(database, "B1") == {(Role.COUNSELOR, Level.SCHOOL, "示例大学")}


def test_more_than_a_tenth_of_endings_needs_a_yes(database: Database, imports: Import) -> None:
    rows = college("计算机学院")
    imports(rows)
    before = everything(database)

    with pytest.raises(TooManyEndingsError) as caught:
        imports(rows[3:])
    assert (caught.value.totals.posts_ended, caught.value.totals.posts) == (3, 22)
    assert everything(database) == before

    assert imports(rows[3:], agreed=True).totals.people_ended == 3


def test_who_was_ended_comes_back_with_the_next_sheet(database: Database, imports: Import) -> None:
    rows = college("计算机学院")
    imports([*rows[1:], student("1", wecom_userid="one")])
    imports(rows[1:])
    assert person(database, "1").ended_at is not None

    back = imports([*rows[1:], student("1", wecom_userid="one", role="心理委员")]).totals

    assert (back.people_added, back.people_returned, back.posts_added, back.accounts_bound) == (0, 1, 1, 0)
    assert person(database, "1").ended_at is None
    with database.unit_of_work() as session:
        assert meet(session, Channel.WECOM, "one").actor.name == "学生1"


def test_a_wecom_account_is_bound_by_the_sheet(database: Database, imports: Import) -> None:
    imports([student("1", wecom_userid="ZhangSan")])

    it = account(database, "zhangsan")
    assert it.person_id == person(database, "1").id
    assert it.bound_at is not None


def test_an_account_that_wrote_before_it_was_bound_keeps_its_row(database: Database, imports: Import) -> None:
    with database.unit_of_work() as session:
        contact_id = meet(session, Channel.WECOM, "one").actor.contact_id

    imports([student("1", wecom_userid="one")])

    assert account(database, "one").id == contact_id
    assert account(database, "one").person_id == person(database, "1").id


def test_accounts_that_change_hands_take_no_conversation_along(database: Database, imports: Import) -> None:
    imports([student("1", wecom_userid="one"), student("2", wecom_userid="two")])
    with database.unit_of_work() as session:
        contact_id = meet(session, Channel.WECOM, "one").actor.contact_id
        session.add(TalkLog(contact_id=contact_id, log=b"sealed", touched_at=clock.now()))

    imports([student("1", wecom_userid="two"), student("2", wecom_userid="one")])

    assert account(database, "one").person_id == person(database, "2").id
    assert account(database, "two").person_id == person(database, "1").id
    with database.unit_of_work(write=False) as session:
        assert session.get_one(TalkLog, contact_id).log is None


def test_the_import_is_a_fact(database: Database, imports: Import) -> None:
    number = imports([student("1")]).import_id

    with database.unit_of_work(write=False) as session:
        fact = session.exec(select(Audit).where(Audit.fact == Fact.ROSTER_IMPORTED)).one()
    assert fact.subject == f"roster_import:{number}"
    assert '"people_added": 1' in fact.details


def test_a_dry_run_writes_nothing_at_all(database: Database, imports: Import, tmp_path: Path) -> None:
    imports(college("计算机学院"))
    before = everything(database)
    database.dispose()
    files = {path: path.read_bytes() for path in tmp_path.iterdir() if path.suffix != ".csv"}

    totals = imports(college("计算机学院")[1:], dry_run=True).totals
    database.dispose()

    assert totals.people_ended == 1
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.suffix != ".csv"} == files
    assert everything(database) == before


def test_headers_are_the_ones_of_the_design() -> None:
    assert [NAMES.header(column) for column in NAMES.read_headers().values()][:1] == ["学号/工号"]
    assert set(HEADERS) == {NAMES.header(column) for column in set(NAMES.read_headers().values())}
