"""After due: who hears what is missing, the list on closing, and vacant posts. Rules: docs/rules.md#rounds, #vacancies."""

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from models import clock
from models.channel import Channel
from models.outbox import KINDS, Push, PushKind, PushState, Reason
from models.person import Kind
from models.policy import CheckinPolicy
from models.post import Role
from models.round import Round, RoundKind, coming_moments, next_slot
from models.unit import Level
from models.vacancy import next_morning
from tests.stories.cast import add_person, add_unit, appoint, edit, release, said_by
from tests.workers.office import Office
from tests.world import World
from workers.delivery import drain
from workers.rounds import Reminders, Vacancies, plan_lists, plan_missing, plan_openings

HERE = ZoneInfo("Asia/Shanghai")
CALM = ("周报", "1", "1", "1", "1")


def at(month: int, day: int, hour: int = 0, minute: int = 0, *, year: int = 2026) -> datetime:
    """A moment on the school's clock."""
    return datetime(year, month, day, hour, minute, tzinfo=HERE)


OPENS, DUE, CLOSES = at(11, 15, 19), at(11, 16, 12), at(11, 22, 19)
MONDAY = at(11, 16, 9)


def plan_all(world: World) -> int:
    """What a scheduler that has just started plans now."""
    policy, now = world.policy.checkin, world.now
    return (
        plan_openings(policy, now=now)
        + Reminders().plan(policy, now=now)
        + plan_missing(policy, now=now)
        + plan_lists(policy, now=now)
        + Vacancies().plan(policy, now=now)
    )


def told(world: World, kind: PushKind) -> dict[str, dict[str, Any]]:
    """Who was told, by what they do in the cast, and what their newest push of a kind holds."""
    who = {person_id: name for name, person_id in world.people.items()}
    return {who[push.person_id]: json.loads(push.data) for push in world.pushes() if push.kind is kind}


def open_round(world: World, moment: datetime = OPENS) -> None:
    clock.move_to(moment)
    plan_all(world)


def pushes_of(world: World, kind: PushKind) -> list[Push]:
    return [push for push in world.pushes() if push.kind is kind]


# ── not yet ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_after_due_each_teacher_hears_once_which_classes_are_missing(world: World) -> None:
    open_round(world)
    clock.move_to(DUE - timedelta(seconds=1))
    plan_all(world)
    assert told(world, PushKind.CHECKIN_MISSING) == {}

    clock.move_to(DUE)
    plan_all(world)
    assert {who: data["units"] for who, data in told(world, PushKind.CHECKIN_MISSING).items()} == {
        "advisor": ["软件2301"],
        "teacher": ["软件2302"],
    }

    for hours in (1, 6, 24, 72):
        clock.move_to(DUE + timedelta(hours=hours))
        assert plan_missing(world.policy.checkin, now=world.now) == 0


def test_whose_class_has_sent_hears_nothing(world: World) -> None:
    open_round(world)
    world.phone("committee").talks(*CALM)

    clock.move_to(DUE)
    plan_all(world)

    assert set(told(world, PushKind.CHECKIN_MISSING)) == {"teacher"}


def test_several_missing_classes_come_in_one_message(world: World) -> None:
    for number in (3, 4, 5, 6):
        name = f"软件230{number}"
        add_unit(world, name, Level.CLASS, "信息学院")
        add_person(world, name, f"20230{number}0101", f"同学{number}", Kind.STUDENT, class_=name)
        appoint(world, "advisor", Role.ADVISOR, name)
    open_round(world)

    clock.move_to(DUE)
    plan_all(world)

    (push,) = [each for each in world.pushes("advisor") if each.kind is PushKind.CHECKIN_MISSING]
    assert "小结到点还没收到：软件2301、软件2303、软件2304 等（共 5 个班）" in said_by(world, push)
    assert len(json.loads(push.data)["unit_ids"]) == 5


def test_a_class_whose_teachers_cannot_be_reached_goes_up_the_line(world: World) -> None:
    for who in ("teacher", "head"):
        world.phone(who)
    release(world, "advisor")
    open_round(world)

    clock.move_to(DUE)
    plan_all(world)

    found = told(world, PushKind.CHECKIN_MISSING)
    assert {who: data["units"] for who, data in found.items()} == {"head": ["软件2301"], "teacher": ["软件2302"]}


def test_a_graduated_class_owes_nothing(world: World) -> None:
    edit(world, "neighbour", ended_at=world.now)
    open_round(world)

    clock.move_to(DUE)
    plan_all(world)

    assert set(told(world, PushKind.CHECKIN_MISSING)) == {"advisor"}


def test_a_missing_room_is_nobody_s_message(world: World) -> None:
    open_round(world, at(11, 13, 19))

    for hours in range(0, 72, 6):
        clock.move_to(at(11, 15, 18) + timedelta(hours=hours))
        plan_missing(world.policy.checkin, now=world.now)
        plan_lists(world.policy.checkin, now=world.now)

    assert pushes_of(world, PushKind.CHECKIN_MISSING) == pushes_of(world, PushKind.CLASS_LIST) == []


def test_what_came_meanwhile_is_not_called_missing(office: Office) -> None:
    world = office.world
    for who in ("advisor", "teacher"):
        office.bind(who, Channel.WECOM)
    open_round(world)
    clock.move_to(DUE)
    assert plan_missing(world.policy.checkin, now=world.now) == 2
    world.phone("committee").talks(*CALM)

    drain()

    ends = {push.person_id: (push.state, push.reason) for push in pushes_of(world, PushKind.CHECKIN_MISSING)}
    assert ends[world.people["advisor"]] == (PushState.SUPPRESSED, Reason.OVERTAKEN)
    assert ends[world.people["teacher"]][0] is PushState.ACCEPTED


def test_nobody_hears_of_a_round_that_nobody_announced(world: World) -> None:
    clock.move_to(at(11, 18, 9))
    world.phone("committee").talks(*CALM)  # this opens it: a scheduler was down

    for days in range(12):
        clock.move_to(at(11, 18, 20) + timedelta(days=days))
        plan_missing(world.policy.checkin, now=world.now)
        plan_lists(world.policy.checkin, now=world.now)

    assert pushes_of(world, PushKind.CHECKIN_MISSING) == pushes_of(world, PushKind.CLASS_LIST) == []


# ── the list ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_list_goes_to_the_station_head_as_the_next_round_opens(world: World) -> None:
    open_round(world)
    world.phone("committee").talks(*CALM)
    head = world.phone("head")

    clock.move_to(CLOSES - timedelta(seconds=1))
    plan_all(world)
    assert told(world, PushKind.CLASS_LIST) == {}

    clock.move_to(CLOSES)
    plan_all(world)
    (push,) = pushes_of(world, PushKind.CLASS_LIST)
    assert push.person_id == world.people["head"]
    assert "信息学院收到 1 份，还差 1 份" in said_by(world, push)
    assert plan_lists(world.policy.checkin, now=world.now) == 0

    assert "上一轮（11月16日 周一 12:00 截止）还没交的：\n· 软件2302 还没交" in head.says("进度")


def test_in_a_college_without_a_station_head_its_lead_gets_the_list_else_the_centre(world: World) -> None:
    release(world, "head")
    add_person(world, "dean", "T400", "石院", Kind.STAFF, college="信息学院")
    appoint(world, "dean", Role.COLLEGE_LEAD, "信息学院")
    open_round(world)
    clock.move_to(CLOSES)
    plan_all(world)
    assert set(told(world, PushKind.CLASS_LIST)) == {"dean"}

    release(world, "dean")
    clock.move_to(CLOSES + timedelta(weeks=1))
    plan_all(world)
    assert set(told(world, PushKind.CLASS_LIST)) == {"dean", "duty"}
    assert "软件2301" in world.phone("duty").says("进度")


def test_over_a_holiday_the_list_waits_for_the_next_round(world: World) -> None:
    open_round(world, at(9, 20, 19))
    clock.move_to(at(9, 21, 12))
    plan_all(world)
    before = len(world.pushes())

    for day in range(at(9, 22).toordinal(), at(10, 11).toordinal()):
        clock.move_to(datetime.fromordinal(day).replace(hour=19, minute=30, tzinfo=HERE))
        assert plan_missing(world.policy.checkin, now=world.now) == 0
        assert plan_lists(world.policy.checkin, now=world.now) == 0
    assert len(world.pushes()) == before

    clock.move_to(at(10, 11, 19))
    assert plan_lists(world.policy.checkin, now=world.now) == 1


def test_a_scheduler_that_was_away_tells_the_last_list_alone(world: World) -> None:
    open_round(world, at(10, 18, 19))
    open_round(world, at(10, 25, 19))
    assert len(pushes_of(world, PushKind.CLASS_LIST)) == 1

    clock.move_to(at(11, 19, 10))  # the rounds of three weeks were never opened
    plan_all(world)
    assert len(pushes_of(world, PushKind.CLASS_LIST)) == 1

    open_round(world, at(11, 22, 19))
    clock.move_to(at(12, 3, 10))  # it comes back on the Thursday after that one has closed
    plan_all(world)
    (_, newest) = pushes_of(world, PushKind.CLASS_LIST)
    (it,) = world.rows(Round, Round.id == json.loads(newest.data)["round"])
    assert it.opens_on == at(11, 22).date()


def test_a_term_s_last_list_is_not_told_as_the_next_term_begins(world: World) -> None:
    spring = replace(
        world.policy.checkin.terms[0], first_day=at(3, 1, year=2027).date(), last_day=at(7, 4, year=2027).date()
    )
    policy = replace(world.policy.checkin, terms=(*world.policy.checkin.terms, spring))
    last = at(1, 10, 19, year=2027)
    assert next_slot(policy, RoundKind.CLASS, last).opens_on == at(3, 7, year=2027).date()
    open_round(world, last)

    clock.move_to(at(3, 7, 19, year=2027))
    plan_openings(policy, now=world.now)

    assert plan_lists(policy, now=world.now) == 0


def next_of_all(policy: CheckinPolicy, now: datetime) -> datetime:
    morning = next_morning(policy, now=now)
    return min([*coming_moments(policy, now=now), *([morning] if morning else [])])


def test_over_a_whole_term_each_round_is_chased_and_listed_once(school: World) -> None:
    policy = school.policy.checkin
    clock.move_to(at(8, 25))
    while (moment := next_of_all(policy, school.now)) < at(12, 31):
        clock.move_to(moment + timedelta(seconds=1))
        plan_all(school)
        assert plan_all(school) == 0  # a second scheduler adds nothing

    rounds = len(school.rows(Round, Round.kind == RoundKind.CLASS))
    assert len(pushes_of(school, PushKind.CHECKIN_MISSING)) == 2 * rounds  # two teachers
    assert len(pushes_of(school, PushKind.CLASS_LIST)) == rounds - 1  # the last is still open
    days = {push.due_at.astimezone(HERE).date() for push in pushes_of(school, PushKind.POST_VACANT)}
    assert days == {
        at(month, day).date()
        for month, day in ((9, 7), (9, 21), (10, 12), (10, 26), (11, 9), (11, 23), (12, 7), (12, 21))
    }


# ── nobody is told in holidays and outside term ─────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("start", "days"),
    [(at(9, 25, 9), 2), (at(10, 1, 9), 7), (at(1, 18, 9, year=2027), 20), (at(7, 13, 9), 30)],
    ids=["Mid-Autumn", "National Day", "after the term", "the summer"],
)
def test_a_holiday_and_a_closed_term_tell_nobody_anything(school: World, start: datetime, days: int) -> None:
    clock.move_to(start)
    officer, committee = school.phone("officer"), school.phone("committee")
    officer.says("宿舍")
    committee.talks("周报", "1", "1")  # somebody's word opens a round all the same
    for hours in range(0, days * 24, 5):
        clock.move_to(start + timedelta(hours=hours))
        plan_all(school)

    assert school.pushes() == []


def test_a_round_that_ran_into_a_holiday_is_not_chased_in_it(school: World) -> None:
    open_round(school, at(9, 20, 19))
    clock.move_to(at(9, 25, 9))  # the scheduler was away on Monday, and is back on the day of Mid-Autumn

    assert plan_missing(school.policy.checkin, now=school.now) == 0


# ── vacant posts ────────────────────────────────────────────────────────────────────────────────────────────────


def test_on_monday_whoever_appoints_hears_which_posts_are_vacant(world: World) -> None:
    clock.move_to(MONDAY - timedelta(seconds=1))
    plan_all(world)
    assert told(world, PushKind.POST_VACANT) == {}

    clock.move_to(MONDAY)
    plan_all(world)

    (push,) = pushes_of(world, PushKind.POST_VACANT)
    assert push.person_id == world.people["head"]
    assert "软件2302、3-302还没有人负责小结或反馈（共 2 处）" in said_by(world, push)


def test_a_vacancy_is_told_once_a_fortnight_while_it_lasts(world: World) -> None:
    mornings = []
    for week in range(6):
        clock.move_to(MONDAY + timedelta(weeks=week))
        before = len(pushes_of(world, PushKind.POST_VACANT))
        for hours in (0, 1, 30, 100):  # every one of them a scheduler that has just started
            clock.move_to(MONDAY + timedelta(weeks=week, hours=hours))
            Vacancies().plan(world.policy.checkin, now=world.now)
        mornings.append(len(pushes_of(world, PushKind.POST_VACANT)) - before)

    assert mornings == [1, 0, 1, 0, 1, 0]


def test_at_the_start_of_term_it_is_the_first_monday(school: World) -> None:
    clock.move_to(at(8, 20, 12))
    assert next_morning(school.policy.checkin, now=school.now) == at(9, 7, 9)

    clock.move_to(at(9, 7, 9))
    assert Vacancies().plan(school.policy.checkin, now=school.now) == 1


def test_rooms_count_only_where_the_school_has_dorm_officers(school: World) -> None:
    release(school, "officer")
    clock.move_to(MONDAY)
    Vacancies().plan(school.policy.checkin, now=school.now)

    assert told(school, PushKind.POST_VACANT)["head"]["units"] == ["软件2302"]


def test_a_released_officer_leaves_a_vacancy_and_one_who_left_the_school_too(school: World) -> None:
    appoint(school, "neighbour", Role.COMMITTEE_MEMBER, "软件2302")
    appoint(school, "twin", Role.DORM_OFFICER, "3-302")
    release(school, "committee")
    edit(school, "second", ended_at=school.now)
    clock.move_to(MONDAY)
    Vacancies().plan(school.policy.checkin, now=school.now)

    assert told(school, PushKind.POST_VACANT)["head"]["units"] == ["软件2301"]


def test_with_everybody_in_place_nobody_is_told(school: World) -> None:
    appoint(school, "neighbour", Role.COMMITTEE_MEMBER, "软件2302")
    appoint(school, "twin", Role.DORM_OFFICER, "3-302")
    clock.move_to(MONDAY)

    assert Vacancies().plan(school.policy.checkin, now=school.now) == 0


def test_a_vacancy_that_was_filled_meanwhile_is_told_to_nobody(office: Office) -> None:
    world = office.world
    office.bind("head", Channel.WECOM)
    clock.move_to(MONDAY)
    Vacancies().plan(world.policy.checkin, now=world.now)
    appoint(world, "neighbour", Role.COMMITTEE_MEMBER, "软件2302")
    appoint(world, "twin", Role.DORM_OFFICER, "3-302")

    drain()

    (push,) = pushes_of(world, PushKind.POST_VACANT)
    assert (push.state, push.reason) == (PushState.SUPPRESSED, Reason.OVERTAKEN)
    assert office.arrived() == []


# ── several schedulers, many officers ───────────────────────────────────────────────────────────────────────────

Planner = Callable[[CheckinPolicy, datetime], int]
PLANNERS: dict[str, tuple[datetime, Planner]] = {
    "reminders": (at(11, 16, 9), lambda policy, now: Reminders().plan(policy, now=now)),
    "missing": (DUE, lambda policy, now: plan_missing(policy, now=now)),
    "lists": (CLOSES, lambda policy, now: plan_lists(policy, now=now)),
    "vacancies": (MONDAY, lambda policy, now: Vacancies().plan(policy, now=now)),
}


@pytest.mark.parametrize("name", list(PLANNERS))
def test_several_schedulers_at_once_plan_everything_once(world: World, name: str) -> None:
    moment, planner = PLANNERS[name]
    clock.move_to(OPENS)
    plan_openings(world.policy.checkin, now=world.now)
    clock.move_to(moment)
    before, counts = len(world.pushes()), []

    def run() -> None:
        counts.append(planner(world.policy.checkin, world.now))

    threads = [threading.Thread(target=run) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    after = world.pushes()
    assert len(counts) == 5
    assert sum(counts) == len(after) - before > 0
    assert len({push.dedupe_key for push in after}) == len(after)
    assert planner(world.policy.checkin, world.now) == 0


def test_an_opening_goes_out_twenty_a_second_in_one_order(school: World) -> None:
    for number in range(45):
        add_unit(school, f"测{number:02}", Level.CLASS, "信息学院")
        add_person(school, f"x{number}", f"7000{number:02}", f"同学{number}", Kind.STUDENT, class_=f"测{number:02}")
        appoint(school, f"x{number}", Role.COMMITTEE_MEMBER, f"测{number:02}")
    clock.move_to(OPENS)
    plan_openings(school.policy.checkin, now=school.now)

    opened = pushes_of(school, PushKind.CLASS_OPENED)
    later = [(push.next_at - push.due_at).total_seconds() for push in opened]
    assert [later.count(second) for second in (0, 1, 2)] == [20, 20, 7]
    assert later == sorted(later)
    assert len({push.due_at for push in opened}) == 1
    assert {push.expires_at for push in opened} == {DUE}


def test_late_planning_is_spread_only_as_far_as_there_is_time(school: World) -> None:
    for number in range(60):
        add_unit(school, f"测{number:02}", Level.CLASS, "信息学院")
        appoint(school, "second", Role.COMMITTEE_MEMBER, f"测{number:02}")
    clock.move_to(DUE - timedelta(seconds=2))
    plan_openings(school.policy.checkin, now=school.now)

    reminded = pushes_of(school, PushKind.CLASS_REMINDER)
    assert len(reminded) == 62
    assert DUE - timedelta(seconds=1.1) < max(push.next_at for push in reminded) < DUE - timedelta(seconds=0.9)


def test_none_of_these_is_pressing() -> None:
    for kind in (PushKind.CHECKIN_MISSING, PushKind.CLASS_LIST, PushKind.POST_VACANT):
        assert KINDS[kind].urgency.value == "routine"
