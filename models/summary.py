"""What teachers see of their classes: a list with counts in chat, the words on one page. Rules: domain 2.2, Z-27, Z-28, X-27.

Access is the matrix of domain 2.2: an advisor sees their classes, a station head and the college's leads their college; the
centre only classes for which nobody nearer can be reached, because the push went there.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from models.alert import Alert, open_alerts, words_of
from models.audit import Fact, record
from models.checkin import Checkin, Overall, answers_of, highest
from models.concern import Attention, Concern, body_of
from models.dorm_digest import rooms_with_absence
from models.errors import NotFoundError
from models.person import Kind, Person
from models.policy import CheckinPolicy, DutyPolicy
from models.post import ADVISORS, CENTRE_LEADS, Role, first_to_tell, posts_of, units_with_somebody
from models.round import Round, RoundKind, round_to_show
from models.unit import Level, Unit, below, find_school

OF_THE_CLASS = (*ADVISORS, Role.STATION_HEAD, Role.COLLEGE_LEAD, Role.AFFAIRS_DIRECTOR)
SHOWN_FOR = timedelta(days=14)
ALERTS_SHOWN_FOR = timedelta(days=3)


def classes_of(session: Session, person_id: int) -> list[Unit]:
    """The classes whose words a person may read, by name."""
    posts = posts_of(session, person_id)
    found = {
        unit.id: unit
        for post in posts
        if post.role in OF_THE_CLASS
        for unit in below(session, post.unit_id, Level.CLASS)
    }
    if any(post.role in CENTRE_LEADS for post in posts) and (school := find_school(session)):
        near = units_with_somebody(session, (*ADVISORS, Role.STATION_HEAD))
        for unit in below(session, school.id or 0, Level.CLASS):
            if not near & {unit.id, unit.parent_id, school.id}:
                found[unit.id] = unit
    # A class that has graduated keeps its name and its past; it owes no check-in any more.
    alive = set(
        session.exec(
            select(Person.class_id)
            .where(col(Person.class_id).in_(found), Person.kind == Kind.STUDENT, col(Person.ended_at).is_(None))
            .distinct()
        )
    )
    return sorted((unit for unit in found.values() if unit.id in alive), key=lambda unit: unit.name)


def _referred(session: Session, person_id: int, *, but: list[int], since: datetime) -> list[Concern]:
    """Concerns outside a person's classes that they were told of: a teacher's own, or of somebody who has no class."""
    found = session.exec(
        select(Concern)
        .join(Person, col(Person.id) == col(Concern.writer_id))
        .join(Unit, col(Unit.id) == col(Concern.class_id))
        .where(Concern.created_at >= since, col(Concern.class_id).not_in(but))
        .where((Person.kind == Kind.STAFF) | (Unit.level != Level.CLASS))
    ).all()
    told = {(it.class_id, it.writer_id) for it in found}
    mine = {
        (class_id, writer_id)
        for class_id, writer_id in told
        if any(person.id == person_id for person in first_to_tell(session, class_id, but=writer_id))
    }
    return [it for it in found if (it.class_id, it.writer_id) in mine]


@dataclass(frozen=True)
class Row:
    """One line of 「看小结」; `state` is the class's own word for the week, None when it has not sent."""

    unit: Unit
    state: Overall | None
    waiting: int
    total: int
    level: Attention | None


def overview(session: Session, policy: CheckinPolicy, person_id: int, *, now: datetime) -> list[Row]:
    """Classes with something to see: unseen and heavier ones first. A fixed number of queries for all classes."""
    classes = classes_of(session, person_id)
    ids = [unit.id or 0 for unit in classes]
    it = round_to_show(session, policy, RoundKind.CLASS, now=now)
    sent = dict(
        session.exec(
            select(Checkin.unit_id, Checkin.state).where(Checkin.round_id == it.id, col(Checkin.unit_id).in_(ids))
        ).all()
    )
    since = _since(it, now)
    concerns: dict[int, list[Concern]] = {}
    of_classes = session.exec(
        _standing(select(Concern)).where(col(Concern.class_id).in_(ids), Concern.created_at >= since)
    ).all()
    referred = _referred(session, person_id, but=ids, since=since)
    for concern in (*of_classes, *referred):
        concerns.setdefault(concern.class_id, []).append(concern)
    elsewhere = {concern.class_id for concern in referred}
    classes += session.exec(select(Unit).where(col(Unit.id).in_(elsewhere))).all() if elsewhere else []
    rows = []
    for unit in classes:
        mine = concerns.get(unit.id or 0, [])
        waiting = [concern for concern in mine if concern.seen_at is None]
        state = sent.get(unit.id or 0)
        if mine or state:
            rows.append(Row(unit, Overall(state) if state else None, len(waiting), len(mine), highest(mine)))
    order = [None, *Attention]
    return sorted(rows, key=lambda row: (-row.waiting, -order.index(row.level), row.unit.name))


def _standing(query: SelectOfScalar[Concern]) -> SelectOfScalar[Concern]:
    """Without what a correction of its check-in left behind."""
    return query.outerjoin(Checkin, col(Checkin.id) == col(Concern.checkin_id)).where(
        col(Concern.checkin_id).is_(None) | (col(Concern.version) == col(Checkin.version))
    )


def _since(it: Round, now: datetime) -> datetime:
    return min(it.opens_at, now - SHOWN_FOR)


@dataclass(frozen=True)
class Page:
    """The words of one class, for one reading."""

    unit: Unit
    whole: bool  # the class's check-in too, not only what was told to the reader
    checkin: Checkin | None
    author: str
    answers: dict[str, Any]
    versions: int
    absent: list[str]  # rooms where somebody often is not there
    concerns: list[dict[str, Any]]


def access_class_page(session: Session, policy: CheckinPolicy, person_id: int, class_id: int, *, now: datetime) -> Page:
    """The page of a class; each thing on it counts as seen, and the reading is a fact. Raises: NotFoundError."""
    classes = [unit.id or 0 for unit in classes_of(session, person_id)]
    it = round_to_show(session, policy, RoundKind.CLASS, now=now)
    since = _since(it, now)
    checkin = None
    if class_id in classes:
        checkin = session.exec(select(Checkin).where(Checkin.round_id == it.id, Checkin.unit_id == class_id)).first()
        query = select(Concern).where(Concern.class_id == class_id, Concern.created_at >= since)
        found = list(session.exec(query))
    else:
        referred = _referred(session, person_id, but=classes, since=since)
        found = [concern for concern in referred if concern.class_id == class_id]
        if not found:
            raise NotFoundError
    found.sort(key=lambda concern: concern.created_at, reverse=True)
    query = _standing(select(Concern)).where(col(Concern.id).in_([concern.id for concern in found]))
    standing = {concern.id for concern in session.exec(query)}
    shown = [_shown(session, concern, corrected=concern.id not in standing) for concern in found]
    shown.sort(key=lambda each: bool(each["corrected"]))  # what a correction left behind stands last
    for concern in found:
        concern.seen_at = concern.seen_at or now
        session.add(concern)
    record(session, Fact.SUMMARY_READ, person_id, f"unit:{class_id}", at=now, concerns=len(found))
    for concern in found:  # one each: the student it is about may be told who read it
        record(session, Fact.CONCERN_READ, person_id, f"concern:{concern.id}", at=now)
    return Page(
        unit=session.get_one(Unit, class_id),
        whole=class_id in classes,
        checkin=checkin,
        author=session.get_one(Person, checkin.author_id).name if checkin else "",
        answers=answers_of(session, checkin) if checkin else {},
        versions=checkin.version if checkin else 0,
        absent=rooms_with_absence(session, policy, class_id, now=now) if class_id in classes else [],
        concerns=shown,
    )


def _shown(session: Session, it: Concern, *, corrected: bool) -> dict[str, Any]:
    body = body_of(it)
    subject = body.get("subject") or {}
    person = session.get(Person, subject["person_id"]) if subject.get("person_id") else None
    return {
        "kind": it.kind.value,
        "who": f"{person.name}（{person.number}）" if person else subject.get("typed"),
        "writer": session.get_one(Person, it.writer_id).name,
        "attention": it.attention.value if it.attention else None,
        "at": it.created_at,
        "new": it.seen_at is None and not corrected,
        "corrected": corrected,
        **{key: body.get(key) for key in ("facts", "since", "knows", "topic", "dorm", "how_soon")},
    }


@dataclass(frozen=True)
class AlertRow:
    """One alert in the list of somebody who was called."""

    id: int
    unit: str
    at: datetime


def alerts_for(session: Session, policy: DutyPolicy, person_id: int, *, now: datetime) -> list[AlertRow]:
    """The alerts of the last days that a person was called about, newest first."""
    person = session.get_one(Person, person_id)
    return [
        AlertRow(it.id or 0, _unit_name(session, it), it.created_at)
        for it in open_alerts(session, person, policy, since=now - ALERTS_SHOWN_FOR)
    ]


def _unit_name(session: Session, it: Alert) -> str:
    unit = session.get(Unit, it.class_id) if it.class_id else None
    return unit.name if unit else ""


@dataclass(frozen=True)
class AlertPage:
    """Everything that is known of an alert."""

    alert: Alert
    unit: str
    reporter: Person | None
    words: list[dict[str, Any]]


def access_alert_page(
    session: Session, policy: DutyPolicy, person_id: int, alert_id: int, *, now: datetime
) -> AlertPage:
    """The page of an alert, for somebody who was called about it. Raises: NotFoundError."""
    if all(row.id != alert_id for row in alerts_for(session, policy, person_id, now=now)):
        raise NotFoundError
    it = session.get_one(Alert, alert_id)
    record(session, Fact.SUMMARY_READ, person_id, f"alert:{alert_id}", at=now)
    words = [_named(session, entry) for entry in words_of(it)]
    return AlertPage(it, _unit_name(session, it), session.get(Person, it.person_id) if it.person_id else None, words)


def _named(session: Session, entry: dict[str, Any]) -> dict[str, Any]:
    subject = entry.get("subject") or {}
    person = session.get(Person, subject["person_id"]) if subject.get("person_id") else None
    who = f"{person.name}（{person.number}）" if person else subject.get("typed")
    return {**entry, "at": datetime.fromisoformat(entry["at"]), "who": who}
