"""Vacancies: classes without a committee member, rooms without an officer, and who appoints them. Rules: docs/rules.md#vacancies.

The college selects and appoints its student officers (Z-24, J-17, D-08), so its station head hears of a vacancy (Z-05, Z-06).
"""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta

import sqlalchemy as sa
from sqlmodel import Session, col, select

from models.db import Among, Fixed, json_ids
from models.person import Kind, Person
from models.policy import CheckinPolicy
from models.post import OF_A_COLLEGE, Post, Role, first_to_tell_of
from models.round import QUIET_WEEKS, WEEK, is_day_off
from models.unit import Level, Unit

OFFICERS = (Role.COMMITTEE_MEMBER, Role.DORM_OFFICER)
ASKED_AT = time(9)
"""On Mondays, by the school's clock."""


def _monday(policy: CheckinPolicy, now: datetime) -> datetime:
    day = now.astimezone(policy.zone).date()
    return datetime.combine(day - timedelta(days=day.weekday()), ASKED_AT, policy.zone)


def morning_to_tell(policy: CheckinPolicy, *, now: datetime) -> datetime | None:
    """The Monday morning whose look at the vacancies is due; None before it, and on a day off."""
    at = _monday(policy, now)
    off = is_day_off(policy, at.date()) or is_day_off(policy, now.astimezone(policy.zone).date())
    return None if off or now < at else at


def next_morning(policy: CheckinPolicy, *, now: datetime) -> datetime | None:
    """The next Monday morning on which vacancies are told; looks half a year ahead."""
    at = _monday(policy, now)
    coming = (at + week * WEEK for week in range(QUIET_WEEKS + 1))
    found = next((each for each in coming if each > now and not is_day_off(policy, each.date())), None)
    return None if found is None else found.astimezone(UTC)


def fact_of(morning: datetime) -> str:
    """How the outbox names what is told that morning."""
    return f"vacancy:{morning.date().isoformat()}"


def vacant_units(session: Session) -> dict[int, list[Unit]]:
    """By college, the classes and rooms that have students but no officer, classes first, each by name.

    A room belongs to the college of most who live there. Rooms count only where the school has a dorm officer at all.
    """
    held = {
        (role, unit_id)
        for role, unit_id in session.exec(
            select(Post.role, Post.unit_id)
            .join(Person, col(Person.id) == col(Post.person_id))
            .where(col(Post.role).in_(OFFICERS), col(Post.ended_at).is_(None), col(Person.ended_at).is_(None))
        )
    }
    of_class = sa.orm.aliased(Unit)
    lived_in = session.exec(
        select(Person.class_id, Person.dorm_id, of_class.parent_id, sa.func.count())
        .join(of_class, col(of_class.id) == col(Person.class_id))
        .where(Person.kind == Kind.STUDENT, col(Person.ended_at).is_(None))
        .group_by(col(Person.class_id), col(Person.dorm_id), col(of_class.parent_id))
    ).all()
    homes: dict[int, Counter[int]] = {}
    uses_rooms = any(role is Role.DORM_OFFICER for role, _ in held)
    for class_id, dorm_id, college_id, count in lived_in:
        if class_id is not None and (Role.COMMITTEE_MEMBER, class_id) not in held:
            homes.setdefault(class_id, Counter())[college_id or 0] += count
        if uses_rooms and dorm_id is not None and (Role.DORM_OFFICER, dorm_id) not in held:
            homes.setdefault(dorm_id, Counter())[college_id or 0] += count
    found: dict[int, list[Unit]] = {}
    levels = [Level.CLASS, Level.DORM]
    units = session.exec(select(Unit).where(col(Unit.level).in_(levels)).order_by(col(Unit.name), col(Unit.id)))
    for unit in sorted((unit for unit in units if unit.id in homes), key=lambda unit: levels.index(unit.level)):
        most = max(sorted(homes[unit.id or 0].items()), key=lambda home: home[1])
        found.setdefault(most[0], []).append(unit)
    return found


def appointers(session: Session) -> list[tuple[int, list[Unit]]]:
    """Who appoints where somebody is missing, by id, with all the units that wait for them."""
    vacant = vacant_units(session)
    told = first_to_tell_of(session, vacant, OF_A_COLLEGE)
    found: dict[int, list[Unit]] = {}
    for college_id, units in sorted(vacant.items()):
        for staff in told[college_id]:
            found.setdefault(staff.id, []).extend(units)
    return sorted(found.items())


_unit, _post, _person = Unit.__table__, Post.__table__, Person.__table__  # type: ignore[attr-defined]
_ONE_VACANT = Fixed(
    lambda: (
        sa.select(_unit.c.id)
        .where(Among(_unit.c.id, "ids"))
        .where(
            ~sa.exists()
            .where(_post.c.unit_id == _unit.c.id, _post.c.ended_at.is_(None))
            .where(_post.c.role.in_([sa.literal_column(f"'{role.value}'") for role in OFFICERS]))
            .where(_person.c.id == _post.c.person_id, _person.c.ended_at.is_(None))
        )
        .limit(1)
    )
)


def any_vacant(session: Session, unit_ids: Iterable[int]) -> bool:
    """Whether at least one of the units still has no officer."""
    return _ONE_VACANT.one(session, ids=json_ids(unit_ids)) is not None
