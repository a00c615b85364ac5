"""When a story is over: what falls due as one looks is waited for, what stands still is found."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from models import clock
from models.channel import Channel
from models.db import unit_of_work
from models.outbox import PushKind, plan
from tests.engines import EngineName
from tests.proofs.household import Household, forking
from tests.proofs.processes import Nursery
from tests.proofs.scene import bind


@pytest.fixture
def home(engine: EngineName, nursery: Nursery, tmp_path: Path) -> Iterator[Household]:
    """A household where an advisor can be told something."""
    it = Household(tmp_path / "home", engine, forking(nursery))
    with it.set_up() as world:
        bind(world, it.platform, "advisor", Channel.WECOM)
    yield it
    it.end()
    clock.stop_moving()


def is_due(home: Household) -> int:
    """A push that is due at this very moment; nobody rings for it."""
    with home.set_up() as world, unit_of_work() as session:
        push = plan(session, "told:1", PushKind.CONCERN_UNSENT, world.people["advisor"], now=world.now, unit="软件2301")
    assert push is not None
    home.planned.append(push)
    return push


def test_what_falls_due_as_the_story_ends_is_waited_for_and_then_judged(home: Household) -> None:
    home.begin("worker")
    home.begin("scheduler")
    home.until_quiet(seconds=20)
    push = is_due(home)

    verdict = home.verdict()

    assert verdict.faults == []
    assert home.ask("SELECT state FROM outbox WHERE id = :id", id=push)[0][0] == "accepted"
    assert verdict.ends["accepted"] >= 1


def test_what_nobody_takes_is_a_fault_however_long_one_looks(home: Household) -> None:
    push = is_due(home)

    verdict = home.verdict(patience=0.5)

    assert verdict.faults == [f"{push} (important concern_unsent) was due and stands still"]
