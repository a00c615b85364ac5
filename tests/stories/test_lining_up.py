"""Joining the waiting list: for one counselor or for any, and never for what was free a moment ago."""

from datetime import date

import pytest
from sqlmodel import col, delete

from models import db
from models.booking.matching import match_waiting
from models.booking.supply import open_extra
from models.booking.table import Opening, Waiter, WaiterState
from models.booking.taking import SYSTEM
from tests.appointments import local
from tests.stories.cast import options
from tests.supply import Supply, make_supply
from tests.world import World


@pytest.fixture
def supply(world: World) -> Supply:
    """沈岚 has no hours; her colleagues do."""
    supply = make_supply(world)
    with db.unit_of_work() as session:
        session.connection().execute(delete(Opening).where(col(Opening.counselor_id) == supply.shen))
    return supply


def asked(world: World) -> int:
    """How many the duty asks now."""
    with db.unit_of_work() as session:
        return match_waiting(session, policy=world.policy.booking, now=world.now)


def opened(world: World, counselor_id: int, day: date) -> None:
    """Two hours more on a day."""
    with db.unit_of_work() as session:
        start, end = local(f"{day} 09:00"), local(f"{day} 11:00")
        open_extra(session, SYSTEM, counselor_id, start, end, policy=world.policy.booking, now=world.now)


def test_who_asks_for_one_counselor_and_finds_her_full_may_wait_for_her_alone(world: World, supply: Supply) -> None:
    phone = world.phone("student")
    reply = phone.talks("预约 沈老师", "同意", "能等", "面对面", "跳过")
    assert reply.startswith("沈岚老师最近没有空着的时间了")

    assert options(phone.says("都不合适")) == ["排队，只等这位老师", "排队等空位", "先不约"]
    assert "已经排上队了" in phone.says("1")

    assert world.rows(Waiter)[0].counselor_id == supply.shen
    opened(world, supply.jiang, date(2026, 11, 20))
    assert asked(world) == 0
    opened(world, supply.shen, date(2026, 11, 20))
    assert asked(world) == 1


def test_nobody_is_asked_for_what_they_have_just_passed_over(world: World, supply: Supply) -> None:
    phone = world.phone("student")
    phone.talks("预约", "同意", "能等", "面对面", "跳过", "都不合适", "排队等空位")

    assert asked(world) == 0
    opened(world, supply.jiang, date(2026, 11, 20))
    assert asked(world) == 1
    assert world.rows(Waiter)[0].state is WaiterState.OFFERED
