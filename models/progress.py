"""Who has sent and who has not: the classes of a round, and the officers whose unit is missing."""

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from models.checkin import Checkin, CheckinVersion
from models.person import Person
from models.policy import CheckinPolicy
from models.post import Post, Role
from models.round import Round, RoundKind, round_to_show
from models.unit import Level, Unit


@dataclass(frozen=True)
class Progress:
    """One class's place in a round."""

    unit: str
    sent_at: datetime | None
    late: bool


def progress(
    session: Session, policy: CheckinPolicy, classes: list[Unit], *, now: datetime
) -> tuple[Round, list[Progress]]:
    """Done, not yet or late for each class of the current round, in the order given."""
    it = round_to_show(session, policy, RoundKind.CLASS, now=now)
    sent = dict(session.exec(select(Checkin.unit_id, Checkin.sent_at).where(Checkin.round_id == it.id)).all())
    first = dict(
        session.exec(
            select(Checkin.unit_id, CheckinVersion.sent_at)
            .join(CheckinVersion, col(CheckinVersion.checkin_id) == col(Checkin.id))
            .where(Checkin.round_id == it.id, CheckinVersion.version == 1)
        ).all()
    )
    rows = []
    for unit in classes:
        at = first.get(unit.id or 0) if unit.id in sent else None
        rows.append(Progress(unit.name, at, late=(at or now) > it.due_at))
    return it, rows


def officers_without(session: Session, it: Round) -> list[tuple[Person, Unit]]:
    """Officers whose unit has not sent its check-in for a round yet, with the unit."""
    role, level = (
        (Role.COMMITTEE_MEMBER, Level.CLASS) if it.kind is RoundKind.CLASS else (Role.DORM_OFFICER, Level.DORM)
    )
    return list(
        session.exec(
            select(Person, Unit)
            .join(Post, col(Post.person_id) == col(Person.id))
            .join(Unit, col(Unit.id) == col(Post.unit_id))
            .outerjoin(Checkin, (col(Checkin.unit_id) == col(Unit.id)) & (col(Checkin.round_id) == it.id))
            .where(Post.role == role, Unit.level == level, col(Checkin.id).is_(None))
            .where(col(Post.ended_at).is_(None), col(Person.ended_at).is_(None))
            .order_by(col(Person.id))
        ).all()
    )
