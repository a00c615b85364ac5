"""Whom a counselor must not see, and whom they serve. Rules: domain L-34, K-33, J-11; docs/rules.md#booking.

Own advisor or class teacher: never. A teacher of the class or college, or a part-timer of the same faculty: as the school sets.
"""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from models.booking.table import Counselor, CounselorTie, Tier
from models.db import Fixed
from models.person import Person
from models.policy import BookingPolicy, Ties
from models.post import ADVISORS, Post
from models.unit import Level, Unit

_counselor, _tie = Counselor.__table__, CounselorTie.__table__  # type: ignore[attr-defined]
_person, _post, _unit = Person.__table__, Post.__table__, Unit.__table__  # type: ignore[attr-defined]


def _of_a_student() -> sa.Select[Any]:
    """Every counselor with three answers about one student: serves them, is their own advisor, knows them otherwise."""
    student, own = _person.alias("student"), _person.alias("own")
    places = (student.c.class_id, student.c.college_id)
    advises = sa.exists().where(
        _post.c.person_id == _counselor.c.person_id,
        _post.c.unit_id.in_(places),
        _post.c.role.in_([sa.literal_column(f"'{role.value}'") for role in ADVISORS]),
        _post.c.ended_at.is_(None),
    )
    teaches = sa.exists().where(_tie.c.counselor_id == _counselor.c.id, _tie.c.unit_id.in_(places))
    same_faculty = (
        (_counselor.c.tier == sa.literal_column(f"'{Tier.CENTRE.value}'"))
        & _counselor.c.full_time.is_(sa.false())
        & (own.c.college_id == student.c.college_id)
    )
    serves = (_unit.c.level == sa.literal_column(f"'{Level.SCHOOL.value}'")) | (
        _counselor.c.unit_id == student.c.college_id
    )
    return (
        sa.select(_counselor.c.id, serves, advises, teaches | same_faculty)
        .select_from(
            _counselor.join(own, own.c.id == _counselor.c.person_id)
            .join(_unit, _unit.c.id == _counselor.c.unit_id)
            .join(student, student.c.id == sa.bindparam("student_id"))
        )
        .where(_counselor.c.ended_at.is_(None))
    )


_OF_A_STUDENT = Fixed(_of_a_student)


@dataclass(frozen=True, slots=True)
class Relations:
    """The counselors a student may see, by id. `own` advise them; `tied` are `allowed` only where the school warns of them."""

    allowed: frozenset[int]
    tied: frozenset[int]
    own: frozenset[int]


def relations(session: Session, student_id: int, *, policy: BookingPolicy) -> Relations:
    """Who may be offered to a student; one statement."""
    allowed, tied, own = set(), set(), set()
    for counselor_id, serves, advises, knows in _OF_A_STUDENT.all(session, student_id=student_id):
        if advises:
            own.add(counselor_id)
        elif knows:
            tied.add(counselor_id)
        if serves and not advises and (not knows or policy.ties is Ties.WARN):
            allowed.add(counselor_id)
    return Relations(frozenset(allowed), frozenset(tied), frozenset(own))
