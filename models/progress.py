"""Who has sent and who has not: the classes of a round, the officers whose unit is missing, and who hears of that."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session, col, select

from models.checkin import Checkin, CheckinVersion
from models.db import Among, Fixed, json_ids
from models.person import Kind, Person
from models.policy import CheckinPolicy
from models.post import OF_A_CLASS, OF_A_COLLEGE, Post, Role, Staff, first_to_tell_of
from models.round import Round, RoundKind, round_before, round_to_show
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
            .order_by(col(Person.id), col(Unit.id))
        ).all()
    )


MOST_NAMED = 3
AND_OTHERS = " 等"


def some_names(names: Sequence[str]) -> list[str]:
    """The first few of a list, as a push names units; the last says that there are more."""
    if len(names) <= MOST_NAMED:
        return list(names)
    return [*names[: MOST_NAMED - 1], names[MOST_NAMED - 1] + AND_OTHERS]


def _classes_with(session: Session, it: Round) -> list[tuple[Unit, bool]]:
    """Every class that has students, by name, and whether it has sent."""
    has_students = sa.exists().where(
        col(Person.class_id) == col(Unit.id), col(Person.kind) == Kind.STUDENT, col(Person.ended_at).is_(None)
    )
    rows = session.exec(
        select(Unit, Checkin.id)
        .outerjoin(Checkin, (col(Checkin.unit_id) == col(Unit.id)) & (col(Checkin.round_id) == it.id))
        .where(Unit.level == Level.CLASS, has_students)
        .order_by(col(Unit.name), col(Unit.id))
    )
    return [(unit, checkin_id is not None) for unit, checkin_id in rows]


def teachers_of_missing(session: Session, it: Round) -> list[tuple[int, list[Unit]]]:
    """Who hears that classes have not sent, by id, with all their classes that have not."""
    missing = [unit for unit, sent in _classes_with(session, it) if not sent]
    told = first_to_tell_of(session, [unit.id or 0 for unit in missing], OF_A_CLASS)
    found: dict[int, list[Unit]] = {}
    for unit in missing:
        for staff in told[unit.id or 0]:
            found.setdefault(staff.id, []).append(unit)
    return sorted(found.items())


@dataclass(frozen=True)
class CollegeList:
    """How a college's classes stood as a round closed, and who hears of it."""

    college: Unit
    came: int
    missing: int
    told: list[Staff]


def college_lists(session: Session, it: Round) -> list[CollegeList]:
    """A line for each college that has classes."""
    sent: dict[int, list[bool]] = {}
    for unit, has_sent in _classes_with(session, it):
        sent.setdefault(unit.parent_id or 0, []).append(has_sent)
    told = first_to_tell_of(session, sent, OF_A_COLLEGE)
    colleges = session.exec(select(Unit).where(col(Unit.id).in_(sent)).order_by(col(Unit.id)))
    return [
        CollegeList(unit, sum(sent[unit.id or 0]), sent[unit.id or 0].count(False), told[unit.id or 0])
        for unit in colleges
    ]


def missing_before(
    session: Session, policy: CheckinPolicy, classes: list[Unit], *, now: datetime
) -> tuple[Round, list[str]] | None:
    """The round that closed last, and which of the classes never sent, in the order given; None when there is no such round."""
    it = round_before(session, policy, now=now)
    if it is None:
        return None
    sent = set(session.exec(select(Checkin.unit_id).where(Checkin.round_id == it.id)))
    return it, [unit.name for unit in classes if unit.id not in sent]


_unit, _checkin = Unit.__table__, Checkin.__table__  # type: ignore[attr-defined]
_ONE_MISSING = Fixed(
    lambda: (
        sa.select(_unit.c.id)
        .where(Among(_unit.c.id, "ids"))
        .where(
            ~sa.exists().where(_checkin.c.round_id == sa.bindparam("round_id"), _checkin.c.unit_id == _unit.c.id),
        )
        .limit(1)
    )
)


def any_missing(session: Session, round_id: int, unit_ids: Iterable[int]) -> bool:
    """Whether at least one of the units has not sent its check-in."""
    return _ONE_MISSING.one(session, round_id=round_id, ids=json_ids(unit_ids)) is not None
