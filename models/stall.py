"""Telling those who run the system that something which should have moved did not. Rules: docs/rules.md#pushes."""

from datetime import datetime

from sqlmodel import Session

from models.duty import operators
from models.outbox import PushKind, plan
from models.policy import DutyPolicy

ROWS, AUDITOR = "rows", "auditor"
"""What stands still, as the dedupe key's step: rows, or whoever looks after them."""


def tell_operators(session: Session, policy: DutyPolicy, step: str, count: int, *, now: datetime) -> list[int]:
    """Plan the push, at most one an hour to each of them for each step; returns the ids of those that are new."""
    fact = f"stalled:{now:%Y-%m-%dT%H}"
    planned = [
        plan(session, fact, PushKind.STALLED, person.id or 0, now=now, step=step, count=count)
        for person in operators(session, policy)
    ]
    return [push_id for push_id in planned if push_id is not None]
