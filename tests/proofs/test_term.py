"""A term: no reminder of what is over, none missing, none more than a minute late, whatever stood still; firsts shared evenly."""

from collections.abc import Callable
from copy import deepcopy

import pytest

from models.db import Database
from tests.proofs.processes import CHAOS
from tests.proofs.term import LATE, NEVER, Heard, Term, spread_of_anybody

STUDENTS, BOOKINGS, WEEKS, COUNSELORS = (5_000, 10_000, 16, 24) if CHAOS else (150, 300, 5, 3)


@pytest.mark.slow
@pytest.mark.timeout(7200 if CHAOS else 120)
def test_a_term_of_bookings_reminds_of_each_in_time_and_of_nothing_that_is_over(database: Database) -> None:
    term = Term(STUDENTS, BOOKINGS, WEEKS, COUNSELORS)

    term.run()

    assert term.faults() == []
    assert len(term.lives) > BOOKINGS / 2
    assert len(term.heard) > BOOKINGS / 2
    assert len(term.heard) < len(term.planned)  # some were over by the time they would have been sent
    assert term.kept[True] > term.kept[False]


def _of_the_dead(term: Term) -> None:
    life = next(it for it in term.lives if it.until != NEVER)
    term.heard.append(Heard(life.id, life.version, life.until + LATE))


def _missing(term: Term) -> None:
    del term.planned[len(term.planned) // 2]


def _twice(term: Term) -> None:
    term.planned.append(term.planned[0])


def _late(term: Term) -> None:
    kind, id_, version, at = term.planned[0]
    term.planned[0] = (kind, id_, version, at + 4 * LATE)


def _of_nothing(term: Term) -> None:
    kind, id_, _, at = term.planned[0]
    term.planned.append((kind, id_, 99, at))


WRONG: dict[Callable[[Term], None], str] = {
    _of_the_dead: "was over at",
    _missing: "is missing",
    _twice: "was planned 2 times",
    _late: "late",
    _of_nothing: "of nothing that ever was",
}


@pytest.mark.parametrize("engine", ["sqlite"])
def test_of_a_term_made_wrong_it_is_said_what_is_wrong(database: Database) -> None:
    term = Term(30, 60, 3, 2)
    term.run()
    right = deepcopy((term.lives, term.planned, term.heard))

    for makes_wrong, says in WRONG.items():
        term.lives, term.planned, term.heard = deepcopy(right)
        makes_wrong(term)
        found = term.faults()
        assert len(found) == 1, found
        assert says in found[0]


@pytest.mark.slow
@pytest.mark.timeout(3600 if CHAOS else 60)
def test_whoever_takes_anybody_is_shared_out_evenly(database: Database) -> None:
    assert spread_of_anybody(STUDENTS, COUNSELORS) <= 1
