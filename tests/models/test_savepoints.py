"""A step that fails inside a step takes back its own rows and no others, on both engines."""

import pytest
from sqlmodel import Session

from models import db
from models.booking.choices import Mode
from models.booking.slots import Slot
from models.booking.table import Appointment, AppointmentState, Tier
from models.booking.taking import SYSTEM, insert
from models.db import savepoint
from models.errors import TimeTakenError
from models.unit import Level, Unit
from tests.appointments import book_at, local
from tests.supply import make_supply
from tests.world import World


def add(session: Session, world: World, name: str) -> None:
    session.add(Unit(level=Level.CLASS, name=name, parent_id=world.units["信息学院"]))
    session.flush()


def kept(world: World) -> set[str]:
    return {unit.name for unit in world.rows(Unit)} & {"一", "二", "三", "四"}


def failing(session: Session, world: World, *names: str, inner: str = "") -> None:
    """A step that writes, has another step fail inside it when there is an `inner` one, and fails."""
    with savepoint(session):
        add(session, world, names[0])
        if inner:
            with pytest.raises(KeyError):
                failing(session, world, inner)
        for name in names[1:]:
            add(session, world, name)
        raise KeyError


def test_an_inner_failure_leaves_the_outer_step_whole(world: World) -> None:
    with db.unit_of_work() as session, savepoint(session):
        add(session, world, "一")
        with pytest.raises(KeyError):
            failing(session, world, "二")
        add(session, world, "三")

    assert kept(world) == {"一", "三"}


def test_an_outer_failure_takes_back_what_came_before_an_inner_one(world: World) -> None:
    with db.unit_of_work() as session:
        add(session, world, "一")
        with pytest.raises(KeyError):
            failing(session, world, "二", "四", inner="三")

    assert kept(world) == {"一"}


def test_a_time_that_the_engine_refuses_takes_back_nothing_else(world: World) -> None:
    """The race that no look beforehand can win: the transaction goes on, also inside a step."""
    supply = make_supply(world)
    start, end = local("2026-11-16 09:00"), local("2026-11-16 09:50")
    book_at(world, "student", supply.shen, start)
    slot = Slot(supply.shen, None, start, end, start, end, (Mode.PHONE,), Tier.CENTRE)

    with db.unit_of_work() as session:
        add(session, world, "一")
        with savepoint(session):
            add(session, world, "二")
            with pytest.raises(TimeTakenError):
                insert(
                    session, SYSTEM, world.people["officer"], slot, Mode.PHONE, AppointmentState.PROPOSED,
                    until=end, now=world.now,
                )  # fmt: skip
            add(session, world, "三")

    assert kept(world) == {"一", "二", "三"}
    assert len(world.rows(Appointment)) == 1
