"""Check-ins: how a class or a dorm is, once a round. Rules: docs/rules.md#check-ins; Z-28, Z-32, X-10, D-17.

`Checkin` is what the lists count; every version as it was sent, words included, is sealed in `CheckinVersion`.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, Session, SQLModel, col, select

from models.audit import Fact, record
from models.concern import ATTENTION_ORDER, PUSH_LASTS, Attention, Concern, ConcernKind, write_concern
from models.db import UTCDateTime, enum_column
from models.errors import NotFoundError, WrongStateError
from models.outbox import PushKind, Urgency, plan
from models.person import Person, members
from models.policy import CheckinPolicy
from models.post import Post, Role, first_to_tell
from models.round import WEEK, Round, RoundKind, current_round, latest_slot, next_opening
from models.seal import seal_json, unseal_json
from models.talk import Actor
from models.unit import Level, Unit


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


class Share(StrEnum):
    """Who may know what a dorm officer wrote."""

    TEACHER = "teacher"
    COMMITTEE = "committee"


class Checkin(SQLModel, table=True):
    """The current version of a unit's check-in for a round."""

    __table_args__ = (sa.UniqueConstraint("round_id", "unit_id"),)

    id: int | None = Field(default=None, primary_key=True)
    round_id: int = Field(foreign_key="round.id")
    unit_id: int = Field(foreign_key="unit.id", index=True)
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
    author_id: int = Field(foreign_key="person.id")
    sent_at: datetime = Field(sa_type=UTCDateTime)
    body: bytes


def own_units(actor: Actor, role: Role) -> list[int]:
    """The units for which the actor holds a role, in order of appointment."""
    return [post.unit_id for post in actor.posts if post.role is role]


@dataclass(frozen=True)
class Sent:
    """A check-in that is already there."""

    version: int
    author: str
    sent_at: datetime


def find_sent(session: Session, round_id: int, unit_id: int) -> Sent | None:
    """What was already sent for a unit in a round."""
    found = session.exec(
        select(Checkin, Person).join(Person, col(Person.id) == Checkin.author_id)
        .where(Checkin.round_id == round_id, Checkin.unit_id == unit_id)
    ).first()
    return None if found is None else Sent(found[0].version, found[1].name, found[0].sent_at)


@dataclass(frozen=True)
class Headcount:
    """Members by the roster, and the leave that was last confirmed."""

    members: int
    on_leave: int

    @property
    def present(self) -> int:
        """Who is there."""
        return max(0, self.members - self.on_leave)


def headcount(session: Session, class_id: int) -> Headcount:
    """What the headcount question starts from: the roster less the leave last confirmed."""
    count = len(members(session, class_id))
    leave = session.exec(
        select(Checkin.on_leave).where(Checkin.unit_id == class_id).order_by(col(Checkin.sent_at).desc()).limit(1)
    ).first()
    return Headcount(count, min(leave or 0, count))


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
    opened = session.exec(
        select(Round).where(Round.kind == RoundKind.DORM, Round.opens_at <= now).order_by(col(Round.opens_at).desc())
    ).first()
    rooms = {person.dorm_id for person in members(session, class_id)} - {None}
    oldest = latest_slot(policy, RoundKind.DORM, now).opens_at - (policy.dorm_every_weeks - 1) * WEEK
    if opened is None or not rooms or opened.opens_at < oldest:
        return DormDigest(0, 0, 0, ())
    found = session.exec(
        select(Checkin, Unit)
        .join(Unit, col(Unit.id) == Checkin.unit_id)
        .where(Checkin.round_id == opened.id, col(Checkin.unit_id).in_(rooms))
        .order_by(col(Unit.name))
    ).all()
    count = {state: sum(1 for it, _ in found if it.state == state) for state in (DormState.USUAL, DormState.UNSURE)}
    shared = [(it, unit) for it, unit in found if it.state == DormState.THING and it.share is Share.COMMITTEE]
    words = tuple((unit.name, str(answers_of(session, it).get("facts", ""))) for it, unit in shared)
    return DormDigest(count[DormState.USUAL], count[DormState.UNSURE], len(shared), words)


def answers_of(session: Session, it: Checkin, version: int | None = None) -> dict[str, Any]:
    """The sealed answers of a version, the current one by default. Only behind `access_…`."""
    version = it.version if version is None else version
    row = session.get_one(CheckinVersion, (it.id, version))
    answers: dict[str, Any] = unseal_json(row.body, f"checkin_version.body:{it.id}.{version}")
    return answers


def submit(  # noqa: PLR0913 — one verb for both kinds: who, where, what, which version, when
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

    Shape: `told` are the teachers' names, `waiting` how many things wait for them.
    Raises: WrongStateError when the round closed, or another officer's version came first.
    """
    it_round = session.get_one(Round, round_id)
    unit = session.get_one(Unit, unit_id)
    if now >= next_opening(policy, it_round, now=it_round.opens_at):
        raise WrongStateError("checkin.closed")
    it = session.exec(select(Checkin).where(Checkin.round_id == round_id, Checkin.unit_id == unit_id)).first()
    if (it.version if it else 0) != corrects:
        sent = find_sent(session, round_id, unit_id)
        raise WrongStateError("checkin.someone_was_first", name=sent.author if sent else "")
    it = _write(session, actor, it, unit_id, round_id, answers, now=now)
    concerns = _write_concerns(session, actor, it, unit, answers, now=now)
    fact = Fact.CHECKIN_CORRECTED if corrects else Fact.CHECKIN_SENT
    record(session, fact, actor.person, f"checkin:{it.id}", at=now, version=it.version, concerns=len(concerns))
    return {"told": _tell(session, actor, it, unit, concerns, now=now), "waiting": len(concerns)}


def _write(  # noqa: PLR0913
    session: Session, actor: Actor, it: Checkin | None, unit_id: int, round_id: int, answers: dict[str, Any], *, now: datetime
) -> Checkin:
    if it is None:
        it = Checkin(round_id=round_id, unit_id=unit_id, version=0, author_id=actor.person, sent_at=now, state="")
    it.version += 1
    it.author_id = actor.person
    it.sent_at = now
    it.state = answers["state"]
    it.share = Share(answers["share"]) if answers.get("share") else None
    it.members = answers.get("members", 0)
    it.on_leave = answers.get("on_leave", 0)
    session.add(it)
    session.flush()
    session.add(
        CheckinVersion(
            checkin_id=it.id or 0,
            version=it.version,
            author_id=actor.person,
            sent_at=now,
            body=seal_json(answers, f"checkin_version.body:{it.id}.{it.version}"),
        )
    )
    return it


def _write_concerns(
    session: Session, actor: Actor, it: Checkin, unit: Unit, answers: dict[str, Any], *, now: datetime
) -> list[Concern]:
    class_id = unit.id if unit.level is Level.CLASS else actor.class_id
    if class_id is None:
        raise NotFoundError
    found = [(ConcernKind.PERSON, each) for each in answers.get("concerns", ())]
    if answers.get("question"):
        found.append((ConcernKind.QUESTION, {"facts": answers["question"]}))
    if answers["state"] == DormState.THING:
        found.append((ConcernKind.DORM, {"topic": answers["topic"], "facts": answers["facts"], "dorm": unit.name}))
    return [
        write_concern(session, actor, kind, each, class_id=class_id, now=now, checkin=(it.id or 0, it.version))
        for kind, each in found
    ]


def _tell(
    session: Session, actor: Actor, it: Checkin, unit: Unit, concerns: list[Concern], *, now: datetime
) -> list[str]:
    class_id = unit.id if unit.level is Level.CLASS else actor.class_id
    people = first_to_tell(session, class_id or 0)
    # A calm room is counted in the class's own check-in; only what waits to be seen is worth a teacher's attention.
    if unit.level is Level.DORM and not concerns:
        return [person.name for person in people]
    for person in people:
        plan(
            session,
            f"checkin:{it.id}@{it.version}",
            PushKind.CHECKIN_CAME,
            person.id or 0,
            urgency=Urgency.IMPORTANT if concerns else Urgency.ROUTINE,
            now=now,
            lasts=PUSH_LASTS,
            unit=unit.name,
            waiting=len(concerns),
        )
    return [person.name for person in people]


def highest(concerns: list[Concern]) -> Attention | None:
    """The highest level that was wished for."""
    return max((concern.attention for concern in concerns), key=ATTENTION_ORDER.index, default=None)


@dataclass(frozen=True)
class Progress:
    """One class's place in a round."""

    unit: str
    sent_at: datetime | None
    late: bool


def progress(session: Session, policy: CheckinPolicy, classes: list[Unit], *, now: datetime) -> tuple[Round, list[Progress]]:
    """Done, not yet or late for each class of the current round, in the order given."""
    it = current_round(session, policy, RoundKind.CLASS, now=now)
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
