"""What the dorms of a class said, for those who may know. Rules: docs/rules.md#check-ins; X-10, Z-32, Z-33."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from models.checkin import NOT_ALL_THERE, STUDENT, Checkin, DormState, Share, answers_at
from models.db import Fixed
from models.person import Person
from models.policy import CheckinPolicy
from models.round import WEEK, RoundKind, last_round, latest_slot
from models.unit import Unit

_checkin, _person = Checkin.__table__, Person.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True)
class DormDigest:
    """What the dorms of a class said: counts, and the words that a committee member may read.

    What is for teachers only is not in it, not even in the counts.
    """

    usual: int
    unsure: int
    told: int
    words: tuple[tuple[str, str], ...]  # room, words

    @property
    def rooms(self) -> int:
        """How many rooms it speaks of."""
        return self.usual + self.unsure + self.told


def dorm_digest(session: Session, policy: CheckinPolicy, class_id: int, *, now: datetime) -> DormDigest:
    """The last dorm round of the class's rooms; a room of several classes counts for each resident's class."""
    rows = _rooms(session, policy, class_id, now=now)
    states = [state for _, _, state, _, _ in rows]
    shared = [row for row in rows if row[2] == DormState.THING and row[3] == Share.COMMITTEE]
    words = tuple((name, str(answers_at(session, at, version).get("facts", ""))) for at, version, _, _, name in shared)
    return DormDigest(states.count(DormState.USUAL), states.count(DormState.UNSURE), len(shared), words)


def rooms_with_absence(session: Session, policy: CheckinPolicy, class_id: int, *, now: datetime) -> list[str]:
    """Rooms of a class whose officer said that somebody often is not there, by name. For the class's teachers."""
    rows = _rooms(session, policy, class_id, now=now)
    usual = [(at, version, name) for at, version, state, _, name in rows if state == DormState.USUAL]
    return [name for at, version, name in usual if answers_at(session, at, version).get("all_there") == NOT_ALL_THERE]


def _rooms(session: Session, policy: CheckinPolicy, class_id: int, *, now: datetime) -> Sequence[Sequence[Any]]:
    """What the rooms of a class said in the dorm round that counts now; [] when that is long ago."""
    opened = last_round(session, policy, RoundKind.DORM, now=now)
    oldest = latest_slot(policy, RoundKind.DORM, now).opens_at - (policy.dorm_every_weeks - 1) * WEEK
    if opened is None or opened.opens_at < oldest:
        return []
    return _ROOMS.all(session, round_id=opened.id, class_id=class_id)


_unit = Unit.__table__  # type: ignore[attr-defined]
_ROOMS = Fixed(
    lambda: (
        sa.select(_checkin.c.id, _checkin.c.version, _checkin.c.state, _checkin.c.share, _unit.c.name)
        .select_from(_checkin.join(_unit, _unit.c.id == _checkin.c.unit_id))
        .where(_checkin.c.round_id == sa.bindparam("round_id"))
        .where(
            _checkin.c.unit_id.in_(
                sa.select(_person.c.dorm_id).where(_person.c.class_id == sa.bindparam("class_id"), STUDENT)
            )
        )
        .order_by(_unit.c.name)
    )
)
