"""Who is told of an appointment, and under which fact: its id and version, so that a moved one is told anew.

Of a push only the time can be seen: never the student, the counselor, the topic or the reason.
"""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from models.booking.table import Appointment, Counselor, Side
from models.booking.taking import By
from models.db import Fixed
from models.outbox import PushKind, plan
from models.person import Person
from models.policy import BookingPolicy
from models.post import CENTRE_LEADS, holders_anywhere, reachable

_counselor = Counselor.__table__  # type: ignore[attr-defined]
_WHO = Fixed(lambda: sa.select(_counselor.c.person_id).where(_counselor.c.id == sa.bindparam("counselor_id")))


def fact_of(it: Appointment) -> str:
    """An appointment as a push's fact."""
    return f"appointment:{it.id}@{it.version}"


def when(moment: datetime, policy: BookingPolicy) -> str:
    """A moment as pushes show it: 「11月26日 周四 15:00」, in the school's time."""
    local = moment.astimezone(policy.zone)
    return f"{local.month}月{local.day}日 周{'一二三四五六日'[local.weekday()]} {local:%H:%M}"


def tell_counselor(
    session: Session,
    it: Appointment,
    kind: PushKind,
    *,
    by: By,
    policy: BookingPolicy,
    now: datetime,
    before: datetime | None = None,
) -> None:
    """Push to the appointment's counselor; nobody is told what they did themselves."""
    if it.counselor_id is None:
        return
    row = _WHO.one(session, counselor_id=it.counselor_id)
    person_id = row[0] if row is not None else 0
    if person_id == by.person_id and by.side is Side.COUNSELOR:
        return
    data: dict[str, Any] = {"appointment": it.id, "version": it.version, "when": when(it.starts_at, policy)}
    if before is not None:
        data["before"] = when(before, policy)
    plan(session, fact_of(it), kind, person_id, now=now, lasts=max(it.starts_at - now, policy.hold), **data)


def tell_student(session: Session, it: Appointment, kind: PushKind, *, policy: BookingPolicy, now: datetime) -> None:
    """Push to whoever has the appointment."""
    plan(
        session, fact_of(it), kind, it.student_id, now=now,
        appointment=it.id, version=it.version, when=when(it.starts_at, policy),
    )  # fmt: skip


def tell_centre(
    session: Session, it: Appointment, kind: PushKind, *, policy: BookingPolicy, now: datetime, step: str = "1"
) -> None:
    """Push to those at the centre who can be reached; nobody can: to all of them, so that it is seen not to arrive.

    The same again goes out under another `step`.
    """
    until = when(it.until or it.starts_at, policy)
    for person in the_centre(session):
        plan(
            session, fact_of(it), kind, person.id or 0, now=now, lasts=max(it.starts_at - now, policy.hold),
            step=step, appointment=it.id, version=it.version, until=until,
        )  # fmt: skip


def the_centre(session: Session) -> list[Person]:
    """中心 and its director: those who can be reached, else all of them."""
    people = holders_anywhere(session, CENTRE_LEADS)
    return reachable(session, people) or people
