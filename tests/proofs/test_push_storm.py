"""Pushes under fire: whatever is struck and whatever fails, nothing is lost, doubled or told too late. The judge is the oracle.

The short form lives through one strike at every labelled point on each engine, all troubles of the platforms and the death of
a whole tree, at the same time, with processes out of the nursery. The whole form (`make chaos`) has every strike at every
point with the real commands, and ten thousand pushes where the short one has a few hundred.
"""

from pathlib import Path

import pytest

from tests.engines import ENGINES, EngineName
from tests.proofs.household import Commanded, forking
from tests.proofs.masses import GRACE, redis_down, redis_lost, tree_killed
from tests.proofs.points import AT_A_TIME, CROWDED, EVERYWHERE, RECOVERY, STRIKES, Cell, short_form, strike
from tests.proofs.processes import CHAOS, Nursery
from tests.proofs.stories import together
from tests.proofs.troubles import suffer

FEW, MANY = 300, 10_000
whole_form = pytest.mark.skipif(not CHAOS, reason="takes an hour; `make chaos` runs it")


def test_the_short_form_has_every_strike_and_every_point() -> None:
    cells = short_form("sqlite") + short_form("postgresql")

    assert {(it.victim, it.way) for it in cells} == set(STRIKES)
    assert {it.point for it in cells} == set(EVERYWHERE)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_strike_at_any_point_and_every_trouble_lose_and_double_nothing(nursery: Nursery, tmp_path: Path) -> None:
    start = forking(nursery)

    together(
        [
            tree_killed("sqlite", tmp_path, FEW),
            *(suffer(engine, start, tmp_path) for engine in ENGINES),
            *(redis_down(engine, start, tmp_path, GRACE + CROWDED) for engine in ENGINES),
            *(
                strike(cell, engine, start, tmp_path, RECOVERY + CROWDED)
                for engine in ENGINES
                for cell in short_form(engine)
            ),
        ]
    )


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_all_of_redis_lost_costs_seconds_and_no_message(engine: EngineName, nursery: Nursery, tmp_path: Path) -> None:
    together([redis_lost(engine, forking(nursery), tmp_path, MANY if CHAOS else FEW)])


@whole_form
@pytest.mark.timeout(900)
@pytest.mark.parametrize("point", EVERYWHERE)
def test_every_strike_at_every_point_loses_and_doubles_nothing(engine: EngineName, tmp_path: Path, point: str) -> None:
    stories = [strike(Cell(point, *each), engine, Commanded, tmp_path) for each in STRIKES]
    for first in range(0, len(stories), AT_A_TIME):
        together(stories[first : first + AT_A_TIME])


@whole_form
def test_without_redis_what_is_urgent_goes_within_seconds(engine: EngineName, nursery: Nursery, tmp_path: Path) -> None:
    together([redis_down(engine, forking(nursery), tmp_path)])


@whole_form
@pytest.mark.timeout(600)
def test_a_tree_killed_with_ten_thousand_due_loses_and_doubles_nothing(engine: EngineName, tmp_path: Path) -> None:
    together([tree_killed(engine, tmp_path, MANY)])
