"""Check-ins: how a class or a dorm is, once a round. Rules: docs/rules.md#check-ins; Z-28, Z-32, X-10, D-17.

`Checkin` is what the lists count; every version as it was sent, words included, is sealed in `CheckinVersion`.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, Session, SQLModel

from models.audit import Fact, record
from models.concern import (
    ATTENTION_ORDER,
    Attention,
    Concern,
    ConcernKind,
    class_named,
    tell_of_concern,
    write_concern,
)
from models.db import Fixed, UTCDateTime, enum_column, utc
from models.errors import NotFoundError, SomeoneWasFirstError, WrongStateError
from models.outbox import PushKind, plan
from models.person import Kind, Person, members
from models.policy import CheckinPolicy
from models.post import Role, Staff, first_to_tell
from models.round import closes_at
from models.seal import seal_json, unseal_json
from models.talk import Actor
from models.unit import Level, Place, place


class Overall(StrEnum):
    """How a class is (6.1, first question)."""

    CALM = "calm"
    UNEVEN = "uneven"
    UNSURE = "unsure"


class Area(StrEnum):
    """The five dimensions (Z-28)."""

    STUDY = "study"
    LIVING = "living"
    RELATIONS = "relations"
    FAMILY = "family"
    FEELINGS = "feelings"


class DormState(StrEnum):
    """How a room is (6.3, first question)."""

    USUAL = "usual"
    THING = "thing"
    UNSURE = "unsure"


NOT_ALL_THERE = "not_all"
"""The answer to 「大家都在寝室住吗？」 that a teacher should see."""


class Share(StrEnum):
    """Who may know what a dorm officer wrote."""

    TEACHER = "teacher"
    COMMITTEE = "committee"


class Checkin(SQLModel, table=True):
    """The current version of a unit's check-in for a round."""

    __table_args__ = (
        sa.UniqueConstraint("round_id", "unit_id"),
        sa.Index("checkins_of_a_unit", "unit_id", "id"),  # its newest one in a single step, however many there are
    )

    id: int | None = Field(default=None, primary_key=True)
    round_id: int = Field(foreign_key="round.id")
    unit_id: int = Field(foreign_key="unit.id")
    version: int = 1
    author_id: int = Field(foreign_key="person.id")
    sent_at: datetime = Field(sa_type=UTCDateTime)
    state: str  # an Overall or a DormState
    share: Share | None = Field(default=None, sa_type=enum_column(Share))
    members: int = 0
    on_leave: int = 0


class CheckinVersion(SQLModel, table=True):
    """One version as it was sent; `body` is sealed JSON of all answers."""

    __tablename__ = "checkin_version"

    checkin_id: int = Field(primary_key=True, foreign_key="checkin.id")
    version: int = Field(primary_key=True)
    author_id: int = Field(foreign_key="person.id", index=True)
    sent_at: datetime = Field(sa_type=UTCDateTime)
    body: bytes


def own_units(actor: Actor, role: Role) -> list[int]:
    """The units for which the actor holds a role, in order of appointment."""
    return [post.unit_id for post in actor.posts if post.role is role]


@dataclass(frozen=True)
class Sent:
    """A check-in that is already there."""

    id: int
    version: int
    author: str
    sent_at: datetime


_checkin, _version, _person = Checkin.__table__, CheckinVersion.__table__, Person.__table__  # type: ignore[attr-defined]
_SENT = Fixed(
    lambda: (
        sa.select(_checkin.c.id, _checkin.c.version, _person.c.name, _checkin.c.sent_at)
        .select_from(_checkin.join(_person, _person.c.id == _checkin.c.author_id))
        .where(_checkin.c.round_id == sa.bindparam("round_id"), _checkin.c.unit_id == sa.bindparam("unit_id"))
    )
)


def find_sent(session: Session, round_id: int, unit_id: int) -> Sent | None:
    """What was already sent for a unit in a round."""
    row = _SENT.one(session, round_id=round_id, unit_id=unit_id)
    return None if row is None else Sent(row[0], row[1], row[2], utc(row[3]))


@dataclass(frozen=True)
class Headcount:
    """Members by the roster, and the leave that was last confirmed."""

    members: int
    on_leave: int

    @property
    def present(self) -> int:
        """Who is there."""
        return max(0, self.members - self.on_leave)


STUDENT = (_person.c.kind == sa.literal_column(f"'{Kind.STUDENT.value}'")) & _person.c.ended_at.is_(None)
_HEADCOUNT = Fixed(
    lambda: sa.select(
        sa.select(sa.func.count())
        .select_from(_person)
        .where(_person.c.class_id == sa.bindparam("unit_id"), STUDENT)
        .scalar_subquery(),
        sa.select(_checkin.c.on_leave)
        .where(_checkin.c.unit_id == sa.bindparam("unit_id"))
        .order_by(_checkin.c.id.desc())
        .limit(sa.literal_column("1"))
        .scalar_subquery(),
    )
)


def headcount(session: Session, class_id: int) -> Headcount:
    """What the headcount question starts from: the roster less the leave last confirmed."""
    row = _HEADCOUNT.one(session, unit_id=class_id)
    count, leave = row if row is not None else (0, 0)
    return Headcount(count, min(leave or 0, count))


_BODY = Fixed(
    lambda: sa.select(_version.c.body).where(
        _version.c.checkin_id == sa.bindparam("checkin_id"), _version.c.version == sa.bindparam("version_")
    )
)


def answers_of(session: Session, it: Checkin) -> dict[str, Any]:
    """The sealed answers of the current version. Only behind `access_class_page`."""
    return answers_at(session, it.id or 0, it.version)


def answers_at(session: Session, checkin_id: int, version: int) -> dict[str, Any]:
    """The sealed answers of one version. Only behind `access_class_page`, and for words that were shared."""
    row = _BODY.one(session, checkin_id=checkin_id, version_=version)
    if row is None:
        raise NotFoundError
    answers: dict[str, Any] = unseal_json(row[0], f"checkin_version.body:{checkin_id}.{version}")
    return answers


def submit(
    session: Session,
    actor: Actor,
    unit_id: int,
    round_id: int,
    answers: dict[str, Any],
    *,
    corrects: int,
    policy: CheckinPolicy,
    now: datetime,
) -> dict[str, Any]:
    """Send a check-in, or a correction of version `corrects` (0: the first); the teachers are told in the same breath.

    Shape: `told` are the teachers' names, `reached` whether a push can arrive, `waiting` how many things wait for them.
    Raises: NotFoundError when the unit is not the actor's (any more); WrongStateError when the round closed, or another
        officer's version came first.
    """
    unit = place(session, unit_id)
    if unit.level not in _OFFICER or unit_id not in own_units(actor, _OFFICER[unit.level]):
        raise NotFoundError
    if closes_at(session, policy, round_id) <= now:
        raise WrongStateError("checkin.closed")
    sent = find_sent(session, round_id, unit_id)
    if (sent.version if sent else 0) != corrects:
        raise SomeoneWasFirstError(sent.author if sent else "", sent.version if sent else 0)
    version = corrects + 1
    checkin_id = _write(session, actor, sent, unit_id, round_id, version, answers, now=now)
    concerns = _write_concerns(session, actor, (checkin_id, version), unit, answers, now=now)
    fact = Fact.CHECKIN_CORRECTED if corrects else Fact.CHECKIN_SENT
    record(session, fact, actor.person, f"checkin:{checkin_id}", at=now, version=version, concerns=len(concerns))
    people = _tell(session, actor, (checkin_id, version), unit, concerns, now=now)
    reached = any(person.reached for person in people)
    return {"told": [person.name for person in people], "reached": reached, "waiting": len(concerns)}


_OFFICER = {Level.CLASS: Role.COMMITTEE_MEMBER, Level.DORM: Role.DORM_OFFICER}


_COLUMNS = ("round_id", "unit_id", "version", "author_id", "sent_at", "state", "share", "members", "on_leave")
_NEW = Fixed(
    lambda: (
        sa.insert(_checkin)
        .values({name: sa.bindparam(name, type_=sa.String if name == "share" else None) for name in _COLUMNS})
        .returning(_checkin.c.id)
    )
)
_AGAIN = Fixed(
    lambda: (
        sa.update(_checkin)
        .values({name: sa.bindparam(f"{name}_", type_=sa.String if name == "share" else None) for name in _COLUMNS[2:]})
        .where(_checkin.c.id == sa.bindparam("id_"))
    )
)
_KEEP = Fixed(
    lambda: sa.insert(_version).values(
        {name: sa.bindparam(name) for name in ("checkin_id", "version", "author_id", "sent_at", "body")}
    )
)


def _write(
    session: Session,
    actor: Actor,
    sent: Sent | None,
    unit_id: int,
    round_id: int,
    version: int,
    answers: dict[str, Any],
    *,
    now: datetime,
) -> int:
    values: dict[str, object] = {
        "version": version,
        "author_id": actor.person,
        "sent_at": now,
        "state": answers["state"],
        "share": answers.get("share"),
        "members": answers.get("members", 0),
        "on_leave": answers.get("on_leave", 0),
    }
    if sent is None:
        row = _NEW.one(session, round_id=round_id, unit_id=unit_id, **values)
        checkin_id = int(row[0]) if row is not None else 0
    else:
        checkin_id = sent.id
        _AGAIN.run(session, id_=checkin_id, **{f"{name}_": value for name, value in values.items()})
    body = seal_json(answers, f"checkin_version.body:{checkin_id}.{version}")
    _KEEP.run(session, checkin_id=checkin_id, version=version, author_id=actor.person, sent_at=now, body=body)
    return checkin_id


def _write_concerns(
    session: Session, actor: Actor, checkin: tuple[int, int], unit: Place, answers: dict[str, Any], *, now: datetime
) -> list[Concern]:
    found = [(ConcernKind.PERSON, each) for each in answers.get("concerns", ())]
    if answers.get("question"):
        found.append((ConcernKind.QUESTION, {"facts": answers["question"]}))
    if answers["state"] == DormState.THING:
        said = {key: answers[key] for key in ("topic", "facts", "how_soon")}
        found.append((ConcernKind.DORM, said | {"dorm": unit.name}))
    written = []
    for kind, each in found:
        class_id = class_named(session, each) or _class_told(session, actor, unit)
        written.append(write_concern(session, actor, kind, each, class_id=class_id, now=now, checkin=checkin))
    return written


def _class_told(session: Session, actor: Actor, unit: Place) -> int:
    """Whose teachers hear of it: the class's own; for a room those of its officer's class, else of the class that lives there."""
    class_id = unit.id if unit.level is Level.CLASS else actor.class_id
    if class_id is None:
        class_id = next((person.class_id for person in members(session, unit.id) if person.class_id is not None), None)
    if class_id is None:
        raise NotFoundError
    return class_id


def _tell(
    session: Session, actor: Actor, checkin: tuple[int, int], unit: Place, concerns: list[Concern], *, now: datetime
) -> list[Staff]:
    """The class's own teachers hear of the check-in; those of another class, of the concern about their student."""
    class_id = _class_told(session, actor, unit)
    people = first_to_tell(session, class_id)
    own = [concern for concern in concerns if concern.class_id == class_id]
    # A calm room is counted in the class's own check-in; only what waits to be seen is worth a teacher's attention.
    if unit.level is Level.CLASS or own:
        kind = PushKind.CHECKIN_WAITS if own else PushKind.CHECKIN_CAME
        checkin_id, version = checkin
        data: dict[str, Any] = {"checkin": checkin_id, "version": version, "unit": unit.name}
        for person in people:
            fact = f"checkin:{checkin_id}@{version}"
            plan(session, fact, kind, person.id, now=now, **(data | ({"waiting": len(own)} if own else {})))
    for concern in concerns:
        if concern.class_id != class_id:
            people += [person for person in tell_of_concern(session, concern, now=now) if person not in people]
    return people


def highest(concerns: list[Concern]) -> Attention | None:
    """The highest level that was wished for."""
    return max((concern.attention for concern in concerns), key=ATTENTION_ORDER.index, default=None)
