"""Check-in rounds: the opening push, and the one reminder before due. Rules: docs/rules.md#rounds; domain 2.8, 6.1.

Planning is harmless twice and by two processes at once: a round opens once, and a row's dedupe key names round, unit, step
and person. Nothing is planned in holidays, outside term, or for a round whose due moment has passed.
"""

from datetime import datetime
from types import MappingProxyType

from sqlmodel import Session

from models.db import unit_of_work
from models.outbox import PushKind, Urgency, plan
from models.person import Person
from models.policy import CheckinPolicy
from models.progress import officers_without
from models.round import Round, RoundKind, opening_waits, plan_round, round_to_remind
from models.unit import Unit

BATCH = 200
"""Rows a transaction: a school's dorms must not hold SQLite's one writer for long."""

OPENED = MappingProxyType({RoundKind.CLASS: PushKind.CLASS_OPENED, RoundKind.DORM: PushKind.DORM_OPENED})
REMINDER = MappingProxyType({RoundKind.CLASS: PushKind.CLASS_REMINDER, RoundKind.DORM: PushKind.DORM_REMINDER})


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
    count = _plan(it, push[kind], officers, now)
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
        count = _plan(it, REMINDER[kind], officers, now)
        self._done.add(it.id or 0)
        return count


def _plan(it: Round, kind: PushKind, officers: list[tuple[Person, Unit]], now: datetime) -> int:
    count = 0
    for start in range(0, len(officers), BATCH):
        with unit_of_work() as session:
            count += sum(
                _plan_one(session, it, kind, person, unit, now) for person, unit in officers[start : start + BATCH]
            )
    return count


def _plan_one(session: Session, it: Round, kind: PushKind, person: Person, unit: Unit, now: datetime) -> bool:
    planned = plan(
        session,
        f"round:{it.id}:unit:{unit.id}",
        kind,
        person.id or 0,
        urgency=Urgency.ROUTINE,
        now=now,
        lasts=it.due_at - now,
        round=it.id,
        unit_id=unit.id,
        unit=unit.name,
    )
    return planned is not None
