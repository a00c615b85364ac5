"""Rounds: opened and reminded once, by however many, and never in a holiday."""

import threading
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from models import clock, db
from models.channel import Channel
from models.checkin import Checkin
from models.outbox import Push, PushKind, PushState, Reason
from models.round import Round, RoundKind
from tests.workers.office import Office
from tests.world import World
from workers.delivery import drain
from workers.queue import Doorbell
from workers.rounds import Reminders, plan_openings
from workers.schedule import duties, next_moment
from workers.ticker import tick

ZONE = ZoneInfo("Asia/Shanghai")
OPENING = datetime(2026, 11, 15, 19, 0, tzinfo=ZONE)
DUE = datetime(2026, 11, 16, 12, 0, tzinfo=ZONE)
REMINDER = DUE - timedelta(hours=3)
DORM_OPENING = datetime(2026, 11, 20, 19, 0, tzinfo=ZONE)
"""The Friday of the eleventh week; dorms have every second week of term, so the next one."""

HOLIDAY = datetime(2026, 10, 4, 19, 30, tzinfo=ZONE)
"""The Sunday in the National Day week."""


def kinds(pushes: list[Push]) -> list[PushKind]:
    return sorted(push.kind for push in pushes)


def send_checkin(world: World, unit: str) -> None:
    with db.unit_of_work() as session:
        (it,) = [row for row in world.rows(Round) if row.kind is RoundKind.CLASS]
        author = world.people["committee"]
        session.add(
            Checkin(round_id=it.id, unit_id=world.units[unit], author_id=author, sent_at=world.now, state="calm")
        )


def test_a_round_opens_at_its_moment_and_tells_its_officers(world: World) -> None:
    clock.move_to(OPENING - timedelta(minutes=1))
    assert plan_openings(world.policy.checkin, now=world.now) == 0

    clock.move_to(OPENING)
    plan_openings(world.policy.checkin, now=world.now)

    opened = [push for push in world.pushes() if push.kind is PushKind.CLASS_OPENED]
    assert {push.person_id for push in opened} == {world.people["committee"], world.people["second"]}
    assert {push.expires_at for push in opened} == {DUE}


def test_two_tickers_open_a_round_once(world: World) -> None:
    clock.move_to(OPENING)
    threads = [threading.Thread(target=lambda: plan_openings(world.policy.checkin, now=world.now)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    plan_openings(world.policy.checkin, now=world.now)

    assert kinds(world.pushes("committee")) == [PushKind.CLASS_OPENED]
    assert len([row for row in world.rows(Round) if row.kind is RoundKind.CLASS]) == 1
    assert all(row.announced for row in world.rows(Round))


def test_a_ticker_that_was_down_catches_up(world: World) -> None:
    clock.move_to(DUE - timedelta(hours=4))
    plan_openings(world.policy.checkin, now=world.now)
    assert kinds(world.pushes("committee")) == [PushKind.CLASS_OPENED]


def test_a_ticker_that_comes_back_when_the_reminder_is_due_knocks_once(world: World) -> None:
    clock.move_to(DUE - timedelta(minutes=1))
    plan_openings(world.policy.checkin, now=world.now)
    Reminders().plan(world.policy.checkin, now=world.now)
    assert kinds(world.pushes("committee")) == [PushKind.CLASS_REMINDER]


def test_a_ticker_that_was_down_for_days_does_not_knock(world: World) -> None:
    clock.move_to(DUE + timedelta(days=1))
    plan_openings(world.policy.checkin, now=world.now)
    Reminders().plan(world.policy.checkin, now=world.now)
    assert kinds(world.pushes("committee")) == []


def test_holidays_are_quiet(world: World) -> None:
    for hours in (0, 14, 16):
        clock.move_to(HOLIDAY + timedelta(hours=hours))
        plan_openings(world.policy.checkin, now=world.now)
        Reminders().plan(world.policy.checkin, now=world.now)
    assert world.pushes() == []


def test_a_round_that_an_officer_opened_in_a_holiday_reminds_nobody(office: Office) -> None:
    clock.move_to(HOLIDAY)
    office.world.phone("committee").says("周报")
    for _ in range(30):
        tick(duties(office.world.policy, Doorbell("unix:///nowhere")), office.world.now)
        office.world.forward(hours=1)
    assert office.world.pushes() == []


def test_the_one_reminder_goes_to_those_who_are_missing(world: World) -> None:
    clock.move_to(OPENING)
    plan_openings(world.policy.checkin, now=world.now)
    clock.move_to(REMINDER - timedelta(minutes=1))
    reminders = Reminders()
    assert reminders.plan(world.policy.checkin, now=world.now) == 0

    clock.move_to(REMINDER)
    assert reminders.plan(world.policy.checkin, now=world.now) == 2
    assert reminders.plan(world.policy.checkin, now=world.now) == 0
    assert Reminders().plan(world.policy.checkin, now=world.now) == 0  # another process, or this one after a restart

    assert kinds(world.pushes("committee")) == [PushKind.CLASS_OPENED, PushKind.CLASS_REMINDER]


def test_whose_class_has_sent_gets_no_reminder(world: World) -> None:
    clock.move_to(OPENING)
    plan_openings(world.policy.checkin, now=world.now)
    send_checkin(world, "软件2301")
    clock.move_to(REMINDER)

    assert Reminders().plan(world.policy.checkin, now=world.now) == 0


def test_a_reminder_does_not_outlive_the_checkin_it_asks_for(office: Office) -> None:
    office.bind("committee", Channel.OFFICIAL_ACCOUNT)
    office.bind("second", Channel.OFFICIAL_ACCOUNT)
    clock.move_to(OPENING)
    plan_openings(office.world.policy.checkin, now=office.world.now)
    send_checkin(office.world, "软件2301")

    drain()

    assert office.arrived() == []
    assert {(push.state, push.reason) for push in office.world.pushes()} == {(PushState.SUPPRESSED, Reason.OVERTAKEN)}


def test_dorms_are_asked_every_second_week(world: World) -> None:
    asked = []
    for week in range(4):
        clock.move_to(DORM_OPENING + timedelta(weeks=week))
        plan_openings(world.policy.checkin, now=world.now)
        asked.append(len([push for push in world.pushes("officer") if push.kind is PushKind.DORM_OPENED]))
    assert asked == [0, 1, 1, 2]


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (OPENING - timedelta(minutes=1), OPENING),
        (OPENING, REMINDER),
        (REMINDER, DUE),
        (DUE, OPENING + timedelta(weeks=1)),
    ],
)
def test_the_next_moment_is_known(world: World, now: datetime, expected: datetime) -> None:
    clock.move_to(now)
    with db.unit_of_work(write=False) as session:
        found = next_moment(session, world.policy, now)

    assert found == expected
