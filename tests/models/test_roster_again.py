"""The next roster: what it changes, what it ends, whose account it binds, and what a dry run leaves alone."""

from pathlib import Path
from typing import Any

import pytest
from sqlmodel import col, select

from bot.roster_import import TooManyEndingsError, import_roster
from models import clock
from models.audit import Audit, Fact
from models.channel import Channel
from models.contact import Contact
from models.db import Database
from models.person import Person
from models.post import Role
from models.roster import Totals
from models.talk import TalkLog, meet
from models.unit import Level
from tests.rosters import NAMES, Import, account, college, person, posts, staff, student, table, write_csv


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
