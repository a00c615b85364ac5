"""The sample school is whole, the same each time, and understood by the real roster import."""

import csv
from datetime import date
from pathlib import Path

import pytest

from bot.sandbox import demo, school, supply
from models.booking.sheet import Column, Part, lay_out
from models.channel import Channel
from models.errors import SettingsError
from models.policy import CheckinPolicy, Term
from models.round import term_week


def test_the_school_has_its_colleges_classes_dorms_and_every_role() -> None:
    rows = school.roster()

    assert {row.college for row in rows if row.college} == set(school.COLLEGES)
    assert len({row.class_group for row in rows if row.class_group}) == 6
    assert len({row.dorm for row in rows if row.dorm}) == 36
    for values in ([row.number for row in rows], [row.name for row in rows], [row.phone for row in rows]):
        assert len(set(values)) == len(rows)
    roles = [row.role for row in rows]
    assert roles.count("宿舍信息员") == 36
    assert roles.count("心理委员") == 6
    assert set(roles) >= {"辅导员", "站长", "学院负责人", "咨询师", "中心", "中心主任", "领导小组", "学管办主任"}
    assert rows == school.roster()


def test_the_sheet_carries_the_headers_of_the_contract(tmp_path: Path) -> None:
    school.write_roster(tmp_path / "roster.csv")

    with (tmp_path / "roster.csv").open(encoding="utf-8-sig", newline="") as file:
        header, *rows = csv.reader(file)

    assert tuple(header) == school.HEADERS
    assert len(rows) == len(school.roster())


def test_students_are_met_on_the_account_and_staff_on_wecom() -> None:
    owners = school.owners()

    assert [owner.channel for owner in owners] == [
        Channel.WECOM if owner.row.kind == "教师" else Channel.OFFICIAL_ACCOUNT for owner in owners
    ]
    assert [len(owner.address) for owner in owners if owner.row.kind == "学生"] == [28] * 4
    assert owners[1].binding == f"绑定 {owners[1].row.number} {owners[1].row.name} {owners[1].row.phone[-4:]}"


def test_the_supply_is_a_workbook_without_flaws_about_people_of_the_school(tmp_path: Path) -> None:
    supply.write_supply(tmp_path / "supply.xlsx", date(2026, 11, 27), date(2027, 4, 11))

    book = lay_out(tmp_path / "supply.xlsx", year=2026)

    assert (book.flaws, book.unknown) == ([], [])
    counselors = {row[Column.NUMBER] for _, row in book.sound(Part.COUNSELORS)}
    assert counselors == {row.number for row in school.roster() if row.role == "咨询师"}
    scarce = [row for _, row in book.sound(Part.CHANGES)]
    assert [row[Column.DAY] for row in scarce] == [date(2026, 11, 28), date(2026, 11, 29)]
    assert "T003" not in {row[Column.NUMBER] for _, row in book.sound(Part.HOURS)}


def test_the_demos_week_is_a_week_of_both_rounds() -> None:
    first, last = school.term_for(date(2026, 11, 22))
    policy = CheckinPolicy(terms=(Term(first, last),))

    week = term_week(policy, date(2026, 11, 20))
    assert week is not None
    assert week % policy.dorm_every_weeks == 0


@pytest.mark.parametrize(
    "name", ["XINQIAO_OFFICIAL_ACCOUNT__SECRET", "XINQIAO_WECOM__SECRET", "XINQIAO_DATABASE__URL", "xinqiao_wecom"]
)
def test_the_demo_does_not_run_beside_real_settings(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(name, "something")

    with pytest.raises(SettingsError, match=name):
        demo.run_demo()


@pytest.mark.parametrize("text", ["[wecom]\nsecret = 'x'", "[official_account.templates.alert]\nid = 'x'", "not toml"])
def test_the_demo_does_not_run_beside_a_config_with_a_channel(
    text: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_text(text, encoding="utf-8")

    with pytest.raises(SettingsError, match=r"config\.toml"):
        demo.run_demo()
