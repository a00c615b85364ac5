"""Check-in rounds: the opening, the one reminder before due, what is missing after it, the list on closing; and vacant posts.

Rules: docs/rules.md#rounds, #vacancies; domain 2.8, 6.1. Planning is harmless twice and by two processes at once: a round opens
once, and a row's dedupe key names round, unit, step and person. Nothing is planned in holidays or outside term.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from sqlmodel import Session

from models import outbox
from models.db import unit_of_work
from models.outbox import KINDS, PushKind, plan
from models.person import Person
from models.policy import CheckinPolicy
from models.progress import college_lists, officers_without, some_names, teachers_of_missing
from models.round import (
    WEEK,
    Round,
    RoundKind,
    opening_waits,
    plan_round,
    round_before,
    round_to_chase,
    round_to_remind,
)
from models.unit import Unit
from models.vacancy import appointers, fact_of, morning_to_tell

BATCH = 200
"""Rows a transaction: a school's dorms must not hold SQLite's one writer for long."""

RATE = 20
"""Rows a second: a school that opens its round at seven does not write to everybody at seven."""

MOST_CHECKED = 50
"""Units that a push about many keeps, to see as it is sent whether it still holds."""

OPENED = MappingProxyType({RoundKind.CLASS: PushKind.CLASS_OPENED, RoundKind.DORM: PushKind.DORM_OPENED})
REMINDER = MappingProxyType({RoundKind.CLASS: PushKind.CLASS_REMINDER, RoundKind.DORM: PushKind.DORM_REMINDER})


@dataclass(frozen=True)
class _Row:
    """One push to plan."""

    fact: str
    kind: PushKind
    person_id: int
    data: dict[str, Any] = field(default_factory=dict)


def plan_openings(policy: CheckinPolicy, *, now: datetime) -> int:
    """Open the rounds whose moment has come and plan their opening pushes; returns how many were new."""
    return sum(_plan_opening(policy, kind, now) for kind in RoundKind)


def _plan_opening(policy: CheckinPolicy, kind: RoundKind, now: datetime) -> int:
    with unit_of_work(write=False) as session:
        if not opening_waits(session, policy, kind, now=now):
            return 0
    with unit_of_work() as session:
        it = plan_round(session, policy, kind, now=now)
    if it is None:
        return 0
    with unit_of_work(write=False) as session:
        officers = officers_without(session, it)
    # A scheduler that comes back when the reminder is due already knocks once, not twice.
    push = REMINDER if now >= it.due_at - policy.remind_before else OPENED
    count = _plan([_asking(it, push[kind], *each) for each in officers], lasts=it.due_at - now, now=now)
    # Only now: a process that dies half-way leaves the round unannounced, and the next tick plans the rest.
    with unit_of_work() as session:
        session.get_one(Round, it.id).announced = True
    return count


class Reminders:
    """Plans the reminder of each round; remembers which are done, so that it looks through the school's units only once."""

    def __init__(self) -> None:
        self._done: set[int] = set()

    def plan(self, policy: CheckinPolicy, *, now: datetime) -> int:
        """Plan the reminders whose moment has come, for officers whose unit is missing; returns how many were new."""
        return sum(self._plan(policy, kind, now) for kind in RoundKind)

    def _plan(self, policy: CheckinPolicy, kind: RoundKind, now: datetime) -> int:
        with unit_of_work(write=False) as session:
            it = round_to_remind(session, policy, kind, now=now)
            if it is None or it.id in self._done:
                return 0
            officers = officers_without(session, it)
        count = _plan([_asking(it, REMINDER[kind], *each) for each in officers], lasts=it.due_at - now, now=now)
        self._done.add(it.id or 0)
        return count


def _asking(it: Round, kind: PushKind, person: Person, unit: Unit) -> _Row:
    data = {"round": it.id, "unit_id": unit.id, "unit": unit.name}
    return _Row(f"round:{it.id}:unit:{unit.id}", kind, person.id or 0, data)


def plan_missing(policy: CheckinPolicy, *, now: datetime) -> int:
    """After due, tell the teachers once which of their classes have not sent; returns how many pushes were new.

    Rooms have no such push: nobody counts them one by one, the class's own check-in does (X-10).
    """
    with unit_of_work(write=False) as session:
        it = round_to_chase(session, policy, now=now)
        if it is None:
            return 0
        readers = teachers_of_missing(session, it)
    rows = [
        _Row(f"round:{it.id}", PushKind.CHECKIN_MISSING, person_id, {"round": it.id} | _units(units))
        for person_id, units in readers
    ]
    count = _plan(rows, now=now)
    with unit_of_work() as session:
        session.get_one(Round, it.id).missing_told = True
    return count


def plan_lists(policy: CheckinPolicy, *, now: datetime) -> int:
    """As a class round closes, tell each college's station head once how many came; returns how many pushes were new."""
    with unit_of_work(write=False) as session:
        it = round_before(session, policy, now=now)
        if it is None or it.list_told:
            return 0
        rows = [
            _Row(
                f"round:{it.id}:unit:{each.college.id}",
                PushKind.CLASS_LIST,
                staff.id,
                {"round": it.id, "unit": each.college.name, "came": each.came, "missing": each.missing},
            )
            for each in college_lists(session, it)
            for staff in each.told
        ]
    count = _plan(rows, now=now)
    with unit_of_work() as session:
        session.get_one(Round, it.id).list_told = True
    return count


class Vacancies:
    """Tells whoever appoints, every second Monday at most, which units have no officer; looks through the school once a week."""

    def __init__(self) -> None:
        self._done = ""

    def plan(self, policy: CheckinPolicy, *, now: datetime) -> int:
        """Plan what this week's Monday has to tell; returns how many pushes were new."""
        morning = morning_to_tell(policy, now=now)
        if morning is None or fact_of(morning) == self._done:
            return 0
        with unit_of_work(write=False) as session:
            waiting = appointers(session)
            told = {push.person_id for push in outbox.told_of(session, fact_of(morning - WEEK))}
        rows = [
            _Row(fact_of(morning), PushKind.POST_VACANT, person_id, _units(units))
            for person_id, units in waiting
            if person_id not in told
        ]
        count = _plan(rows, now=now)
        self._done = fact_of(morning)
        return count


def _units(units: Sequence[Unit]) -> dict[str, Any]:
    """What a push about several units shows of them, and by which it is checked."""
    return {
        "units": some_names([unit.name for unit in units]),
        "count": len(units),
        "unit_ids": [unit.id for unit in units[:MOST_CHECKED]],
    }


def _plan(rows: Sequence[_Row], *, now: datetime, lasts: timedelta | None = None) -> int:
    """Plan these, a batch a transaction, spread over time in the order given; returns how many were new."""
    count = 0
    for start in range(0, len(rows), BATCH):
        with unit_of_work() as session:
            count += sum(
                _plan_one(session, row, at, now=now, lasts=lasts)
                for at, row in enumerate(rows[start : start + BATCH], start)
            )
    return count


def _plan_one(session: Session, row: _Row, at: int, *, now: datetime, lasts: timedelta | None) -> bool:
    # However many there are, and however late this is: each goes well before it would be over.
    spread = min(timedelta(seconds=at // RATE), (lasts or KINDS[row.kind].lasts) / 2)
    planned = plan(session, row.fact, row.kind, row.person_id, now=now, lasts=lasts, spread=spread, **row.data)
    return planned is not None
