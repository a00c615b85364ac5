"""「有事」, and the five questions about a person that the check-in asks too. Script: domain 6.1."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlmodel import Session

from handlers.chat.urgent import for_oneself, for_someone
from handlers.dialogue.conversation import BOUND, conversation, undoes
from handlers.dialogue.people import PersonOf
from handlers.dialogue.question import Choice, FreeText
from handlers.dialogue.replay import answered
from handlers.dialogue.steps import Dialogue, ask, once, remember
from handlers.dialogue.talk import Talk
from models.alert import Trigger, raise_alert, withdraw
from models.concern import Attention, class_to_tell, send_concern
from models.person import Kind, Person, Student, students_of
from models.talk import Actor
from models.unit import Level, below


class About(StrEnum):
    """Who it is about."""

    MYSELF = "myself"
    SOMEONE = "someone"


class Since(StrEnum):
    """Since when."""

    DAYS = "days"
    WEEKS = "weeks"
    LONGER = "longer"


class Knows(StrEnum):
    """Whether the person knows that a teacher will hear of it."""

    YES = "knows"
    NOT_YET = "not_yet"
    CANNOT = "cannot"


class Review(StrEnum):
    """Before sending."""

    SEND = "send"
    DROP = "drop"


def near(talk: Talk) -> list[Student]:
    """Whom the asker may name: class- and room-mates, and the students of the units they look after."""
    actor = talk.actor
    units = {unit_id for unit_id in (actor.class_id, actor.dorm_id) if unit_id}
    for post in actor.posts:
        below_it = below(talk.session, post.unit_id, Level.CLASS) if actor.kind is Kind.STAFF else []
        units |= {unit.id or 0 for unit in below_it} or {post.unit_id}
    return [student for student in students_of(talk.session, units) if student.id != actor.person_id]


SUBJECT = PersonOf("concern.subject", near)
FACTS = FreeText("concern.facts")
SINCE = Choice("concern.since", Since)
ATTENTION = Choice("concern.attention", Attention)
KNOWS = Choice("concern.knows", Knows)
ABOUT = Choice("concern.about", About)
REVIEW = Choice("concern.review", Review)


def concerning(talk: Talk) -> Any:
    """The five questions about one person. 「我担心 TA 的安全」 calls people at once; nothing later takes that back."""
    subject = yield from ask(SUBJECT)
    answers: dict[str, Any] = {"subject": subject.as_json(), "facts": (yield from ask(FACTS))}
    answers["since"] = (yield from ask(SINCE)).value
    attention = yield from ask(ATTENTION)
    answers["attention"] = attention.value
    if attention is Attention.CRISIS:
        yield from for_someone(talk, Trigger.CRISIS, answers)
    answers["knows"] = (yield from ask(KNOWS)).value
    return answers


def named_in(answers: list[tuple[str, Any]]) -> dict[str, Any]:
    """Whom a log's answers named last, as `concerning` hands it on; {} when nobody was named yet."""
    named = [value for key, value in answers if key == SUBJECT.key]
    return {"subject": SUBJECT.from_json(named[-1]).as_json()} if named else {}


def words_not_sent(session: Session, actor: Actor, log: list[dict[str, Any]]) -> int | None:
    """Something was written about somebody: the class whose teachers would hear of it."""
    named = named_in(answered(log))
    return class_to_tell(session, actor, named) if named else None


@undoes
def not_about_oneself(session: Session, actor: Actor, result: Any, *, now: datetime) -> None:
    """「返回」 past 「我自己」: the alert is withdrawn; whoever was called keeps it."""
    withdraw(session, actor, int(result), now=now)


@conversation("concern", start=["有事"], who=BOUND, unsent=words_not_sent)
def concern(talk: Talk) -> Dialogue:
    """Something on one's mind, on any day: about somebody, or about oneself."""
    if (yield from ask(ABOUT)) is About.MYSELF:
        alert_id = yield from once("alert", lambda: alert_about_oneself(talk), undo=not_about_oneself)
        return (yield from for_oneself(talk, alert_id))
    answers = yield from concerning(talk)
    named = answers["subject"]["typed"] or (
        yield from remember("name", lambda: talk.session.get_one(Person, answers["subject"]["person_id"]).name)
    )
    if (yield from ask(REVIEW, name=named)) is Review.DROP:
        called = answers["attention"] == Attention.CRISIS
        return talk.say("concern.dropped_but_called" if called else "concern.dropped")
    receipt = yield from once("send", lambda: send_concern(talk.session, talk.actor, answers, now=talk.now))
    return talk.say("concern.done" if receipt["reached"] else "concern.done_later", told=talk.teachers(receipt["told"]))


def alert_about_oneself(talk: Talk) -> int:
    """A call for help for oneself, from inside a conversation; its question of being safe stands open."""
    it = raise_alert(talk.session, talk.actor, Trigger.SELF, policy=talk.policy.duty, now=talk.now, asks=True)
    return it.id or 0
