"""Stories: many households that live through their trouble at the same time, because most of it is waiting."""

import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeAlias

from models import clock
from tests.proofs.household import Household

HANDS = 4
Life: TypeAlias = tuple[Household, Callable[[ThreadPoolExecutor], float]]
"""A household that is set up, and what happens to it, which is given some threads and says how many seconds counted."""


@dataclass(frozen=True)
class Story:
    """What is set up first, in the thread of the test and one after the other."""

    name: str
    prepared: Callable[[], Life]


def together(stories: Sequence[Story]) -> dict[str, float]:
    """Set all up, then live through all at once; returns how many seconds counted in each. The households end with it."""
    found: dict[str, float] = {}
    errors: list[str] = []
    lives = [story.prepared() for story in stories]
    try:
        with ThreadPoolExecutor(len(stories)) as houses:
            running = [houses.submit(_live, *life) for life in lives]
            for story, life in zip(stories, running, strict=True):
                try:
                    found[story.name] = life.result()
                except Exception as error:  # noqa: BLE001 — all of them are to be told of
                    errors.append(f"{story.name}: {type(error).__name__}: {error}")
    finally:
        clock.stop_moving()
    for name, seconds in found.items():
        sys.stdout.write(f"{seconds:6.1f} s  {name}\n")  # `pytest -s` shows it
    assert not errors, "\n\n".join(errors)
    return found


def _live(home: Household, happens: Callable[[ThreadPoolExecutor], float]) -> float:
    with ThreadPoolExecutor(HANDS) as hands:
        try:
            return happens(hands)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{home.history()}\n{home.said()}") from error
        finally:
            home.end()
