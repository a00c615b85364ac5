"""Who came, came late, did not come, left early: each kept, nobody punished. Rules: X-18, K-35; issue 4.6."""

from datetime import timedelta

import pytest
from sqlmodel import Session

from models import db
from models.audit import Audit, Fact
from models.booking.attending import arrived, ended_early, missed, misses_of
from models.booking.table import AppointmentState, Side
from models.booking.taking import By
from models.booking.walking import walk
from models.errors import RefusedError, WrongStateError
from models.outbox import PushKind
from models.policy import BookingPolicy
from tests.appointments import appointment, book_at, local
from tests.stories.cast import told
from tests.supply import SHEN, Supply, make_supply
from tests.world import World

NINE = local("2026-11-16 09:00")


@pytest.fixture
def supply(world: World) -> Supply:
    return make_supply(world)


@pytest.fixture
def booked(world: World, supply: Supply) -> int:
    return book_at(world, "student", supply.shen, NINE)


def by(world: World) -> By:
    return By(world.people[SHEN], Side.COUNSELOR)


def at(world: World, minutes: int) -> None:
    """Go to so many minutes after nine."""
    world.forward(seconds=(NINE + timedelta(minutes=minutes) - world.now).total_seconds())


def policy_of(world: World) -> BookingPolicy:
    return world.policy.booking


def mark(world: World, id_: int, *, late: int = 0) -> bool:
    with db.unit_of_work() as session:
        return arrived(session, by(world), id_, policy=policy_of(world), now=world.now, late=late)


def miss(world: World, id_: int) -> None:
    with db.unit_of_work() as session:
        missed(session, by(world), id_, policy=policy_of(world), now=world.now)


def details(world: World, fact: Fact) -> list[str]:
    return [row.details for row in world.rows(Audit) if row.fact is fact]


def test_somebody_came_early_in_time_or_late(world: World, booked: int) -> None:
    at(world, -10)
    assert mark(world, booked) is False
    came = appointment(world, booked).arrived_at
    assert came is not None
    assert came.replace(microsecond=0) == NINE - timedelta(minutes=10)

    at(world, 15)
    assert mark(world, booked, late=15) is False
    assert appointment(world, booked).late_minutes == 15
    assert appointment(world, booked).arrived_at == NINE + timedelta(minutes=15)


def test_later_than_the_school_waits_is_said(world: World, booked: int) -> None:
    at(world, 25)

    assert mark(world, booked, late=21) is True
    assert appointment(world, booked).state is AppointmentState.BOOKED


def test_whoever_did_not_come_is_missed_kindly_and_books_again(world: World, supply: Supply, booked: int) -> None:
    at(world, 20)

    miss(world, booked)
    miss(world, booked)

    it = appointment(world, booked)
    assert (it.state, it.closed_by, it.next_at) == (AppointmentState.MISSED, Side.COUNSELOR, None)
    assert [push.kind for push in world.pushes("student")] == [PushKind.BOOKING_MISSED]
    assert not told(world, PushKind.OFTEN_MISSED)
    book_at(world, "student", supply.shen, local("2026-11-17 09:00"))


def test_a_slip_of_the_finger_is_taken_back(world: World, booked: int) -> None:
    at(world, 20)
    miss(world, booked)

    mark(world, booked, late=20)

    assert appointment(world, booked).state is AppointmentState.DONE
    assert '"corrected": 1' in details(world, Fact.APPOINTMENT_ARRIVED)[0]
    miss(world, booked)
    assert appointment(world, booked).state is AppointmentState.MISSED


def test_nobody_is_missed_before_it_began_or_long_after(world: World, booked: int) -> None:
    at(world, -5)
    with pytest.raises(WrongStateError):
        miss(world, booked)
    at(world, -45)
    with pytest.raises(WrongStateError):
        mark(world, booked)
    at(world, 50 + 48 * 60)
    with pytest.raises(WrongStateError):
        miss(world, booked)


def test_it_ended_early_and_the_rest_comes_as_usual(world: World, booked: int) -> None:
    at(world, 55)
    with db.unit_of_work() as session:
        with pytest.raises(RefusedError):
            ended_early(session, by(world), booked, 50, now=world.now)
        ended_early(session, by(world), booked, 30, now=world.now)

    it = appointment(world, booked)
    assert (it.closed_at, it.state) == (NINE + timedelta(minutes=30), AppointmentState.BOOKED)
    for minutes in (81, 50 + 48 * 60 + 1):
        at(world, minutes)
        with db.unit_of_work() as session:
            walk(session, policy=policy_of(world), now=world.now, most=10)
    it = appointment(world, booked)
    assert (it.closed_at, it.state) == (NINE + timedelta(minutes=30), AppointmentState.DONE)
    assert told(world, PushKind.BOOKING_AFTER) == {"student"}


def miss_some(world: World, supply: Supply, who: str, count: int) -> None:
    for _ in range(count):
        start = world.now.astimezone(NINE.tzinfo)
        days = 1 if start.weekday() < 4 or start.weekday() == 6 else 7 - start.weekday()
        day = (start + timedelta(days=days)).replace(hour=9, minute=0, second=0, microsecond=0)
        id_ = book_at(world, who, supply.shen, day)
        world.forward(seconds=(day + timedelta(minutes=20) - world.now).total_seconds())
        miss(world, id_)
        world.forward(days=7)


def test_after_several_the_centre_hears_of_it_without_a_name(world: World, supply: Supply) -> None:
    miss_some(world, supply, "student", 2)
    assert not told(world, PushKind.OFTEN_MISSED)
    miss_some(world, supply, "officer", 1)
    assert not told(world, PushKind.OFTEN_MISSED)

    miss_some(world, supply, "student", 1)

    assert told(world, PushKind.OFTEN_MISSED) == {"duty"}
    assert [push.data for push in world.pushes("duty")] == ["{}"]


def test_what_is_long_past_is_not_counted(world: World, supply: Supply) -> None:
    miss_some(world, supply, "student", 2)
    world.forward(days=91)

    def count(session: Session) -> int:
        return misses_of(session, world.people["student"], policy=policy_of(world), now=world.now)

    with db.unit_of_work() as session:
        assert count(session) == 0
