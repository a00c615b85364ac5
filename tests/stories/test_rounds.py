"""Rounds: when check-ins open, fall due, are late and close, over a whole term. Rules: design, Rounds; domain 2.8."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from models import clock
from models.checkin import Checkin
from models.outbox import Push, PushKind
from models.policy import CheckinPolicy, Term
from models.post import Role
from models.round import Round, RoundKind, coming_moments, slot_on, term_week
from tests.stories.cast import appoint, options, release
from workers.rounds import Reminders, plan_openings

if TYPE_CHECKING:
    from tests.world import World

HERE = ZoneInfo("Asia/Shanghai")
CALM = ("周报", "1", "1", "1", "1")
USUAL = ("宿舍", "1", "1")
CLASS_SUNDAYS = [
    date(2026, 9, 13),
    date(2026, 9, 20),  # worked in exchange for a holiday: a Sunday of term like any other
    # 27 September and 4 October: Mid-Autumn and National Day
    *(date(2026, 10, 11) + timedelta(weeks=week) for week in range(12)),
]
"""The Sundays of the term in 2026 on which the class round opens."""
DORM_FRIDAYS = [
    date(2026, 9, 18),
    # 2 October, the fourth week: National Day
    *(date(2026, 10, 16) + timedelta(weeks=2 * step) for step in range(6)),
]
"""The Fridays of even weeks of the term in 2026 on which the dorm round opens."""


def at(month: int, day: int, hour: int = 0, minute: int = 0, *, year: int = 2026) -> datetime:
    """A moment on the school's clock."""
    return datetime(year, month, day, hour, minute, tzinfo=HERE)


def tick(world: "World", reminders: Reminders | None = None) -> list[Push]:
    """What a ticker plans now; a new one each time, as after a restart, unless one is given."""
    before = {push.id for push in world.pushes()}
    plan_openings(world.policy.checkin, now=world.now)
    (reminders or Reminders()).plan(world.policy.checkin, now=world.now)
    return [push for push in world.pushes() if push.id not in before]


def told_now(world: "World") -> set[tuple[str, PushKind]]:
    """Who is told what by a tick, by what they do in the cast."""
    who = {person_id: name for name, person_id in world.people.items()}
    return {(who[push.person_id], push.kind) for push in tick(world)}


def opened(world: "World", kind: RoundKind) -> list[date]:
    """The days on which rounds of a kind opened."""
    return sorted(it.opens_on for it in world.rows(Round, Round.kind == kind))


OPENING = {
    RoundKind.CLASS: {("committee", PushKind.CLASS_OPENED), ("second", PushKind.CLASS_OPENED)},
    RoundKind.DORM: {("officer", PushKind.DORM_OPENED)},
}


# ── a term ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_whole_term_opens_every_week_and_every_second_week_and_rests_in_holidays(school: "World") -> None:
    clock.move_to(at(8, 25))
    reminders, count = Reminders(), 0
    while (moment := coming_moments(school.policy.checkin, now=school.now)[0]) < at(12, 31):
        clock.move_to(moment + timedelta(seconds=1))
        count += len(tick(school, reminders))
        assert tick(school) == []  # a second ticker, and one that was restarted, add nothing

    assert opened(school, RoundKind.CLASS) == CLASS_SUNDAYS
    assert opened(school, RoundKind.DORM) == DORM_FRIDAYS
    assert count == 2 * (2 * len(CLASS_SUNDAYS) + len(DORM_FRIDAYS))  # an opening and a reminder for each officer


@pytest.mark.parametrize(
    ("before", "moment", "kind"),
    [
        (at(11, 15, 18, 59), at(11, 15, 19), RoundKind.CLASS),
        (at(11, 13, 18, 59), at(11, 13, 19), RoundKind.DORM),
    ],
)
def test_a_round_opens_on_the_minute(world: "World", before: datetime, moment: datetime, kind: RoundKind) -> None:
    clock.move_to(at(11, 14) if kind is RoundKind.CLASS else at(11, 12))
    tick(world)
    clock.move_to(before)
    assert told_now(world) == set()

    clock.move_to(moment)
    assert told_now(world) == OPENING[kind]
    assert told_now(world) == set()


@pytest.mark.parametrize(
    ("moment", "why"),
    [
        (at(8, 30, 19, 30), "before the term"),
        (at(9, 27, 19, 30), "Mid-Autumn"),
        (at(10, 4, 19, 30), "National Day"),
        (at(10, 2, 19, 30), "National Day, a dorm week"),
        (at(1, 24, 19, 30, year=2027), "after the term"),
        (at(2, 7, 19, 30, year=2027), "the winter break"),
    ],
)
def test_nobody_is_told_anything_when_it_is_quiet(school: "World", moment: datetime, why: str) -> None:
    clock.move_to(moment)

    assert told_now(school) == set(), why


def test_a_dorm_week_is_every_second_week_of_term(school: "World") -> None:
    for friday, expected in (
        (at(11, 6, 19), set()),
        (at(11, 13, 19), OPENING[RoundKind.DORM]),
        (at(11, 20, 19), set()),
    ):
        clock.move_to(friday)
        assert {one for one in told_now(school) if one[1] is PushKind.DORM_OPENED} == expected


def test_a_term_that_begins_in_mid_week_counts_from_its_monday() -> None:
    policy = CheckinPolicy(terms=(Term(date(2026, 9, 9), date(2027, 1, 17)),), zone=HERE)

    days = (
        date(2026, 9, 8),
        date(2026, 9, 9),
        date(2026, 9, 13),
        date(2026, 9, 14),
        date(2027, 1, 17),
        date(2027, 1, 18),
    )
    assert [term_week(policy, day) for day in days] == [None, 1, 1, 2, 19, None]


def test_without_terms_every_week_counts() -> None:
    policy = CheckinPolicy(zone=HERE)

    assert not slot_on(policy, RoundKind.CLASS, date(2026, 7, 26)).quiet
    dorms = [slot_on(policy, RoundKind.DORM, date(2026, 7, 3) + timedelta(weeks=week)).quiet for week in range(6)]
    assert dorms in ([True, False] * 3, [False, True] * 3)


# ── due, reminded, late ─────────────────────────────────────────────────────────────────────────────────────────


def test_one_reminder_goes_to_whoever_is_missing_and_never_again(world: "World") -> None:
    appoint(world, "neighbour", Role.COMMITTEE_MEMBER, "软件2302")
    clock.move_to(at(11, 15, 19))
    tick(world)
    world.phone("committee").talks(*CALM)

    clock.move_to(at(11, 16, 8, 59))
    assert told_now(world) == set()
    clock.move_to(at(11, 16, 9))
    assert told_now(world) == {("neighbour", PushKind.CLASS_REMINDER)}
    for hour in (10, 11, 12, 13, 20):
        clock.move_to(at(11, 16, hour))
        assert told_now(world) == set()


def test_a_dorm_s_reminder_comes_before_it_is_due(world: "World") -> None:
    clock.move_to(at(11, 13, 19))
    tick(world)

    clock.move_to(at(11, 15, 15))
    assert told_now(world) == {("officer", PushKind.DORM_REMINDER)}


def test_whoever_was_released_or_appointed_meanwhile_is_told_accordingly(world: "World") -> None:
    clock.move_to(at(11, 15, 19))
    tick(world)
    release(world, "committee")
    release(world, "second")
    appoint(world, "student", Role.COMMITTEE_MEMBER, "软件2301")

    clock.move_to(at(11, 16, 9))
    assert told_now(world) == {("student", PushKind.CLASS_REMINDER)}


def test_an_officer_of_two_units_is_told_of_each(world: "World") -> None:
    appoint(world, "officer", Role.DORM_OFFICER, "3-302")
    clock.move_to(at(11, 13, 19))

    units = sorted(push.data for push in tick(world) if push.kind is PushKind.DORM_OPENED)
    assert len(units) == 2
    assert '"3-301"' in units[0]
    assert '"3-302"' in units[1]


def test_what_is_sent_after_due_is_late_and_still_taken(world: "World") -> None:
    clock.move_to(at(11, 15, 19))
    tick(world)
    head = world.phone("head")

    clock.move_to(at(11, 16, 12, 1))
    assert "！软件2301 过了截止时间，还没交" in head.says("进度")
    clock.move_to(at(11, 20, 9))
    assert world.phone("committee").talks(*CALM).startswith("已送到")
    assert "晚交，11月20日 周五 09:00" in head.says("进度")


# ── until the next one opens ────────────────────────────────────────────────────────────────────────────────────


def test_a_round_stays_open_until_the_next_one_opens(world: "World") -> None:
    phone = world.phone("committee")
    clock.move_to(at(11, 22, 18, 59))
    phone.talks(*CALM)

    assert "已经送出了" in phone.says("周报")
    phone.says("取消")
    clock.move_to(at(11, 22, 19))
    assert options(phone.says("周报"))[0] == "都还平稳"
    assert opened(world, RoundKind.CLASS) == [date(2026, 11, 15), date(2026, 11, 22)]


def test_a_dorm_round_stays_open_for_its_two_weeks(world: "World") -> None:
    phone = world.phone("officer")
    phone.talks(*USUAL)

    clock.move_to(at(11, 27, 18, 59))
    assert "已经说过了" in phone.says("宿舍")
    phone.says("取消")
    clock.move_to(at(11, 27, 19))
    assert options(phone.says("宿舍"))[0] == "和平时一样"
    assert opened(world, RoundKind.DORM) == [date(2026, 11, 13), date(2026, 11, 27)]


def test_a_round_before_a_holiday_takes_what_was_begun_in_it(world: "World") -> None:
    phone = world.phone("committee")
    clock.move_to(at(9, 27, 18, 55))
    phone.talks(*CALM[:-1])

    clock.move_to(at(9, 27, 19, 5))
    assert phone.says("1").startswith("已送到")
    assert [it.opens_on for it in world.rows(Round)] == [date(2026, 9, 20)]


# ── with none yet ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("moment", "opens_on", "due_at"),
    [
        (at(11, 15, 20), date(2026, 11, 15), at(11, 16, 12)),  # in time: due as usual
        (at(11, 18, 9), date(2026, 11, 15), at(11, 22, 19)),  # nobody announced it: nobody is late for it
        (at(10, 1, 9), date(2026, 9, 27), at(10, 4, 19)),  # in a holiday
        (at(8, 12, 9), date(2026, 8, 9), at(8, 16, 19)),  # outside term
    ],
)
def test_with_none_yet_an_officer_s_word_opens_this_week_s(
    world: "World", moment: datetime, opens_on: date, due_at: datetime
) -> None:
    clock.move_to(moment)

    assert world.phone("committee").talks(*CALM).startswith("已送到")

    (it,) = world.rows(Round, Round.kind == RoundKind.CLASS)
    assert (it.opens_on, it.due_at) == (opens_on, due_at.astimezone(UTC))
    (checkin,) = world.rows(Checkin)
    assert checkin.round_id == it.id
    assert "晚交" not in world.phone("head").says("进度")


@pytest.mark.parametrize("moment", [at(11, 20, 20), at(10, 3, 9), at(7, 3, 9), at(11, 13, 19, 30)])
def test_with_none_yet_a_dorm_officer_s_word_opens_one_too(school: "World", moment: datetime) -> None:
    clock.move_to(moment)
    phone = school.phone("officer")

    assert phone.talks(*USUAL) == "收到，谢谢你照看大家。"
    assert "已经说过了" in phone.says("宿舍")
    assert len(school.rows(Round)) == 1


def test_a_round_opened_by_an_officer_s_word_is_announced_all_the_same(world: "World") -> None:
    clock.move_to(at(11, 15, 19))
    world.phone("committee").talks(*CALM[:2])

    assert told_now(world) == OPENING[RoundKind.CLASS]
    assert len(world.rows(Round, Round.kind == RoundKind.CLASS)) == 1


def test_a_round_opened_in_a_holiday_is_announced_to_nobody(world: "World") -> None:
    clock.move_to(at(10, 5, 9))
    world.phone("committee").talks(*CALM)

    for days in range(6):
        clock.move_to(at(10, 5 + days, 10))
        assert told_now(world) == set()


def test_looking_in_a_holiday_opens_nothing_and_calls_nobody_late(world: "World") -> None:
    clock.move_to(at(9, 20, 19, 30))
    tick(world)
    world.phone("committee").talks(*CALM)
    head = world.phone("head")

    clock.move_to(at(9, 29, 9))

    assert "✓ 软件2301" in head.says("进度")
    assert options(head.says("看小结")) == ["软件2301 · 五个方面平稳"]
    assert opened(world, RoundKind.CLASS) == [date(2026, 9, 20)]


# ── a scheduler that was away ───────────────────────────────────────────────────────────────────────────────────


def test_a_scheduler_that_was_away_catches_up(world: "World") -> None:
    clock.move_to(at(11, 15, 23))

    assert told_now(world) >= OPENING[RoundKind.CLASS]


def test_one_that_comes_back_when_the_reminder_is_due_knocks_once(world: "World") -> None:
    clock.move_to(at(11, 16, 11, 30))
    reminded = {(who, PushKind.CLASS_REMINDER) for who, _ in OPENING[RoundKind.CLASS]}

    assert told_now(world) == reminded
    assert told_now(world) == set()


def test_one_that_was_away_for_days_does_not_knock(world: "World") -> None:
    clock.move_to(at(11, 18, 9))

    assert told_now(world) == set()
    assert world.rows(Round) == []


def test_weeks_that_were_missed_stay_missed(world: "World") -> None:
    clock.move_to(at(10, 18, 19, 1))
    tick(world)

    clock.move_to(at(11, 15, 19, 1))
    tick(world)

    assert opened(world, RoundKind.CLASS) == [date(2026, 10, 18), date(2026, 11, 15)]


# ── the school's own settings ───────────────────────────────────────────────────────────────────────────────────


def test_moments_follow_the_school_s_zone_not_the_machine_s() -> None:
    policy = CheckinPolicy(zone=ZoneInfo("Asia/Urumqi"))

    assert slot_on(policy, RoundKind.CLASS, date(2026, 11, 15)).opens_at.astimezone(UTC) == datetime(
        2026, 11, 15, 13, tzinfo=UTC
    )


def test_a_due_moment_before_the_opening_s_weekday_time_is_a_week_later() -> None:
    policy = replace(CheckinPolicy(zone=HERE), class_due=CheckinPolicy().class_opens)

    slot = slot_on(policy, RoundKind.CLASS, date(2026, 11, 15))
    assert slot.due_at - slot.opens_at == timedelta(weeks=1)
