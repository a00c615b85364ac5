"""Alerts: somebody may be in danger and a person must know. Rules: domain 6.4, Z-29, K-17; design, In chat.

An alert begins with a question (who needs help, are you safe) or with a person's word. It never grades anybody; it only
calls people: nobody yet, the centre's duty contact, or everybody on the duty list. Who is called only ever grows.
Claiming, widening and closing stand on the same row later.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlmodel import Field, Session, SQLModel, col, select

from models.audit import Fact, record
from models.db import UTCDateTime, enum_column
from models.duty import centre_contacts, duty_contacts
from models.outbox import PushKind, plan
from models.person import Person
from models.policy import DutyPolicy
from models.post import reachable
from models.seal import seal_json, unseal_json
from models.talk import Actor
from models.unit import Unit


class Trigger(StrEnum):
    """What began it."""

    CALL = "call"  # `0`, 「紧急」, 110, 120 as the whole message
    WORDS = "words"  # a safety word inside a message
    CRISIS = "crisis"  # 「我担心 TA 的安全」 in a concern
    DORM_NOW = "dorm_now"  # 「现在」 in a dorm check-in
    SELF = "self"  # 「有事」, about oneself


class Told(StrEnum):
    """Who has been called."""

    NOBODY = "nobody"
    CENTRE = "centre"
    ALL = "all"


_ORDER = [Told.NOBODY, Told.CENTRE, Told.ALL]


class Alert(SQLModel, table=True):
    """One call. `ask_until` is when an unanswered question calls the centre; NULL when none is open."""

    id: int | None = Field(default=None, primary_key=True)
    contact_id: int = Field(foreign_key="contact.id", index=True)
    person_id: int | None = Field(default=None, foreign_key="person.id")
    class_id: int | None = Field(default=None, foreign_key="unit.id")
    trigger: Trigger = Field(sa_type=enum_column(Trigger))
    about_self: bool | None = None
    told: Told = Field(default=Told.NOBODY, sa_type=enum_column(Told))
    ask_until: datetime | None = Field(default=None, sa_type=UTCDateTime, index=True)
    body: bytes | None = None  # sealed JSON: what the person wrote
    created_at: datetime = Field(sa_type=UTCDateTime, index=True)
    withdrawn_at: datetime | None = Field(default=None, sa_type=UTCDateTime)


def raise_alert(
    session: Session, actor: Actor, trigger: Trigger, *, policy: DutyPolicy, now: datetime, asks: bool
) -> Alert:
    """Begin an alert; with `asks` a question stands open and its silence will call the centre.

    Whoever calls again while the question of an earlier call is unanswered is asked that one again.
    """
    if trigger is Trigger.CALL and (unanswered := _unanswered(session, actor.contact_id)) is not None:
        unanswered.ask_until = now + policy.unanswered
        session.add(unanswered)
        session.flush()
        return unanswered
    it = Alert(
        contact_id=actor.contact_id,
        person_id=actor.person_id,
        class_id=actor.class_id,
        trigger=trigger,
        ask_until=now + policy.unanswered if asks else None,
        created_at=now,
    )
    session.add(it)
    session.flush()
    record(session, Fact.ALERT_RAISED, actor.person_id, f"alert:{it.id}", at=now)
    return it


def _unanswered(session: Session, contact_id: int) -> Alert | None:
    return session.exec(
        select(Alert)
        .where(Alert.contact_id == contact_id, Alert.trigger == Trigger.CALL, col(Alert.ask_until).is_not(None))
        .order_by(col(Alert.id).desc())
    ).first()


def _locked(session: Session, alert_id: int) -> Alert:
    """The alert as it is now, held until the turn ends: a person's answer and their silence may come at the same moment."""
    return session.get_one(Alert, alert_id, with_for_update=True, populate_existing=True)


def call(session: Session, alert_id: int, told: Told, *, policy: DutyPolicy, now: datetime) -> list[str]:
    """Call people about an alert, once each; who was called before stays called.

    Shape: the names of those who can be reached by a push; [] means that only the telephone is left.
    """
    it = _locked(session, alert_id)
    people = duty_contacts(session, policy) if told is Told.ALL else centre_contacts(session, policy)
    unit = session.get(Unit, it.class_id) if it.class_id else None
    for person in people:
        plan(
            session,
            f"alert:{it.id}",
            PushKind.ALERT,
            person.id or 0,
            now=now,
            alert=it.id,
            unit=unit.name if unit else "",
        )
    it.told = max(it.told, told, key=_ORDER.index)
    session.add(it)
    return [person.name for person in reachable(session, people)]


def told_names(session: Session, alert_id: int, *, policy: DutyPolicy) -> list[str]:
    """Who has been called so far, by name; [] when nobody was, or nobody of them can be reached by a push."""
    told = session.get_one(Alert, alert_id).told
    if told is Told.NOBODY:
        return []
    people = duty_contacts(session, policy) if told is Told.ALL else centre_contacts(session, policy)
    return [person.name for person in reachable(session, people)]


class Standing(StrEnum):
    """Where an alert stands for the person who raised it."""

    TOLD = "told"  # somebody was called
    ASKING = "asking"  # nobody yet; silence will call the centre
    QUIET = "quiet"  # nobody, and nothing will


def standing(session: Session, alert_id: int) -> Standing:
    """Whether somebody knows, or soon will."""
    it = _locked(session, alert_id)
    if it.told is not Told.NOBODY:
        return Standing.TOLD
    return Standing.QUIET if it.ask_until is None else Standing.ASKING


def ask_again(session: Session, alert_id: int, *, until: datetime) -> None:
    """Its question is open once more; a withdrawn alert asks nothing."""
    it = _locked(session, alert_id)
    if it.withdrawn_at is None:
        it.ask_until = until
        session.add(it)


def note_answer(
    session: Session,
    actor: Actor,
    alert_id: int,
    *,
    now: datetime,
    ask_until: datetime | None,
    about_self: bool | None = None,
) -> None:
    """A question was answered; `ask_until` is set when another one follows."""
    it = _locked(session, alert_id)
    it.ask_until = ask_until
    if about_self is not None:
        it.about_self = about_self
    session.add(it)
    record(session, Fact.ALERT_ANSWERED, actor.person_id, f"alert:{it.id}", at=now)


def withdraw(session: Session, actor: Actor, alert_id: int, *, now: datetime) -> None:
    """「按错了」: nobody is called any more; who was called already keeps the alert."""
    it = _locked(session, alert_id)
    it.ask_until = None
    it.withdrawn_at = now
    session.add(it)
    record(session, Fact.ALERT_WITHDRAWN, actor.person_id, f"alert:{it.id}", at=now)


def add_words(session: Session, alert_id: int, words: dict[str, Any], *, now: datetime) -> None:
    """Keep what the person wrote with the alert; those who were called hear that there is more, not what."""
    it = _locked(session, alert_id)
    place = f"alert.body:{it.id}"
    so_far: list[dict[str, Any]] = [] if it.body is None else unseal_json(it.body, place)
    it.body = seal_json([*so_far, {"at": now.isoformat(), **words}], place)
    session.add(it)


def tell_of_words(session: Session, alert_id: int, *, policy: DutyPolicy, now: datetime) -> None:
    """Push that an alert has more words, to those who were called."""
    it = _locked(session, alert_id)
    if it.told is Told.NOBODY or it.body is None:
        return
    count = len(words_of(it))
    people = duty_contacts(session, policy) if it.told is Told.ALL else centre_contacts(session, policy)
    for person in people:
        plan(
            session,
            f"alert:{it.id}@{count}",
            PushKind.ALERT_FACTS,
            person.id or 0,
            now=now,
            alert=it.id,
        )


def words_of(it: Alert) -> list[dict[str, Any]]:
    """What the person wrote, oldest first. Only behind `access_alert_page`."""
    if it.body is None:
        return []
    words: list[dict[str, Any]] = unseal_json(it.body, f"alert.body:{it.id}")
    return words


def call_for_silence(session: Session, *, policy: DutyPolicy, now: datetime, most: int = 100) -> int:
    """Call the centre for every alert whose question stayed unanswered; returns how many. Harmless twice."""
    silent = session.exec(
        select(Alert)
        .where(col(Alert.ask_until) <= now)
        .order_by(col(Alert.ask_until))
        .limit(most)
        .with_for_update(skip_locked=True)  # whoever is answering it right now is not silent
        .execution_options(populate_existing=True)
    ).all()
    for it in silent:
        it.ask_until = None
        session.add(it)
        call(session, it.id or 0, Told.CENTRE, policy=policy, now=now)
    return len(silent)


def next_silence(session: Session) -> datetime | None:
    """When the next unanswered question calls the centre."""
    return session.exec(
        select(Alert.ask_until).where(col(Alert.ask_until).is_not(None)).order_by(col(Alert.ask_until)).limit(1)
    ).first()


def open_alerts(session: Session, person: Person, policy: DutyPolicy, *, since: datetime) -> list[Alert]:
    """Alerts that this person was called about since a moment, newest first."""
    everybody = person.id in {each.id for each in duty_contacts(session, policy)}
    of_centre = person.id in {each.id for each in centre_contacts(session, policy)}
    levels = ([Told.ALL] if everybody else []) + ([Told.CENTRE] if of_centre else [])
    return list(
        session.exec(
            select(Alert)
            .where(col(Alert.told).in_(levels), col(Alert.created_at) >= since)
            .order_by(col(Alert.created_at).desc())
        )
    )
