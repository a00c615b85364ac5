"""Fifty phones at once on two processes: no reply is lost, doubled or somebody else's."""

from pathlib import Path

from tests.proofs.crowd import all_talk, enrol, is_right
from tests.proofs.processes import CHAOS, Nursery
from tests.world import World

PHONES = 400 if CHAOS else 50


def test_many_phones_at_once_each_have_their_own_talk(world: World, nursery: Nursery, config: Path) -> None:
    students = enrol(world, PHONES)
    webs = [nursery.web(config), nursery.web(config)]

    all_talk(world, students, lambda: webs)

    is_right(world, students)
    assert sum(it.undone for it in students) == 0
