"""Concerns: what somebody saw of a person, or a question for a teacher. Facts, not verdicts.

Rules: domain 2.4, Z-30, Z-33, X-28, X-29. Who a concern is about and what was seen are sealed; what the lists need (class,
level, when) stands beside them.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import uuid4

from sqlmodel import Field, Session, SQLModel, col, select

from models.audit import Fact, record
from models.db import UTCDateTime, enum_column
from models.outbox import PushKind, plan
from models.person import Person
from models.post import Staff, first_to_tell
from models.seal import seal_json, unseal_json
from models.talk import Actor
from models.unit import Unit


class Attention(StrEnum):
    """What the writer wishes; staff decide (X-23)."""

    DAILY = "daily"
    FOCUS = "focus"
    CRISIS = "crisis"


ATTENTION_ORDER = [None, Attention.DAILY, Attention.FOCUS, Attention.CRISIS]


class ConcernKind(StrEnum):
    """What the words are."""

    PERSON = "person"
    QUESTION = "question"  # 「我想先问问老师」
    DORM = "dorm"  # 「有件事想说」, names nobody


class Concern(SQLModel, table=True):
    """One thing that waits to be seen. `body` is sealed JSON: subject, facts, since, knows, topic."""

    id: int | None = Field(default=None, primary_key=True)
    ref: str = Field(unique=True)
    kind: ConcernKind = Field(sa_type=enum_column(ConcernKind))
    checkin_id: int | None = Field(default=None, foreign_key="checkin.id", index=True)
    version: int = 0
    writer_id: int = Field(foreign_key="person.id", index=True)
    class_id: int = Field(foreign_key="unit.id", index=True)
    attention: Attention | None = Field(default=None, sa_type=enum_column(Attention))
    body: bytes
    created_at: datetime = Field(sa_type=UTCDateTime, index=True)
    seen_at: datetime | None = Field(default=None, sa_type=UTCDateTime)


def class_of(session: Session, actor: Actor, answers: dict[str, Any]) -> int | None:
    """Whose teachers hear of it: those of the student named, else the writer's; None when neither has a class."""
    return class_named(session, answers) or actor.class_id or next((post.unit_id for post in actor.posts), None)


def class_to_tell(session: Session, actor: Actor, answers: dict[str, Any]) -> int:
    """The same; for a writer without a class who named nobody the whole school, so the centre."""
    class_id = class_of(session, actor, answers)
    if class_id is None:
        return session.exec(select(Unit).where(col(Unit.parent_id).is_(None))).one().id or 0
    return class_id


def class_named(session: Session, answers: dict[str, Any]) -> int | None:
    """The class of the student named; None when nobody on the roster is."""
    subject_id = (answers.get("subject") or {}).get("person_id")
    subject = session.get(Person, subject_id) if subject_id is not None else None
    return subject.class_id if subject is not None else None


def write_concern(
    session: Session,
    actor: Actor,
    kind: ConcernKind,
    answers: dict[str, Any],
    *,
    class_id: int,
    now: datetime,
    checkin: tuple[int, int] | None = None,
) -> Concern:
    """Keep one concern; `checkin` is its check-in's id and version when it came with one."""
    ref = uuid4().hex
    it = Concern(
        ref=ref,
        kind=kind,
        checkin_id=checkin[0] if checkin else None,
        version=checkin[1] if checkin else 0,
        writer_id=actor.person,
        class_id=class_id,
        attention=Attention(answers["attention"]) if answers.get("attention") else None,
        body=seal_json({key: value for key, value in answers.items() if key != "attention"}, f"concern.body:{ref}"),
        created_at=now,
    )
    session.add(it)
    session.flush()
    record(session, Fact.CONCERN_SENT, actor.person, f"concern:{it.id}", at=now, kind=kind.value)
    return it


def body_of(it: Concern) -> dict[str, Any]:
    """The words of a concern. Only behind `access_class_page`."""
    body: dict[str, Any] = unseal_json(it.body, f"concern.body:{it.ref}")
    return body


def send_concern(session: Session, actor: Actor, answers: dict[str, Any], *, now: datetime) -> dict[str, Any]:
    """「有事」: keep a concern and tell the teachers at once.

    Shape: `told` lists the staff who get a push, by name; `reached` whether it can arrive.
    """
    class_id = class_to_tell(session, actor, answers)
    it = write_concern(session, actor, ConcernKind.PERSON, answers, class_id=class_id, now=now)
    people = tell_of_concern(session, it, now=now)
    return {"told": [person.name for person in people], "reached": any(person.reached for person in people)}


def tell_of_concern(session: Session, it: Concern, *, now: datetime) -> list[Staff]:
    """Push that something waits, without a word of it; returns the staff."""
    people = first_to_tell(session, it.class_id, but=it.writer_id)
    unit = session.get_one(Unit, it.class_id)
    for person in people:
        plan(
            session,
            f"concern:{it.id}",
            PushKind.CONCERN_CAME,
            person.id,
            now=now,
            concern=it.id,
            unit=unit.name,
        )
    return people
