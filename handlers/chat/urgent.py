"""「紧急」「0」: a call for help, from any screen. Script: domain 6.4.

The router has raised the alert before this begins (`args["alert"]`). Words here say only what was done.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlmodel import Session

from handlers.dialogue.conversation import EVERYBODY, conversation, undoes
from handlers.dialogue.question import Choice, FreeText, TextOr
from handlers.dialogue.steps import Dialogue, Said, ask, once, remember, tell
from handlers.dialogue.talk import Talk
from models import alert
from models.alert import Told, Trigger, add_words, call, note_answer, raise_alert, tell_of_words, told_names, withdraw
from models.person import Person
from models.talk import Actor


class WhoNeedsHelp(StrEnum):
    """The first question."""

    MYSELF = "myself"
    SOMEONE = "someone"
    MISTAKE = "mistake"


class WhoOrZero(StrEnum):
    """The first question while a number was being asked."""

    MYSELF = "myself"
    SOMEONE = "someone"
    ZERO = "zero"


class Safe(StrEnum):
    """Are you safe?"""

    HARD = "hard"
    AFRAID = "afraid"
    RATHER_NOT = "rather_not"


class With(StrEnum):
    """Whether somebody is there."""

    SOMEBODY = "somebody"
    ALONE = "alone"
    NOWHERE = "nowhere"


class CallMe(StrEnum):
    """A person, or not yet."""

    CALL = "call"
    NOT_YET = "not_yet"


WHO = Choice("urgent.who", WhoNeedsHelp)
WHO_OR_ZERO = Choice("urgent.who_or_zero", WhoOrZero)
SAFE = Choice("urgent.safe", Safe)
CALL_ME = Choice("urgent.call_me", CallMe)
FACTS = TextOr("urgent.facts", With)
MORE = FreeText("urgent.more", media=True)
REACH = FreeText("urgent.reach", media=True)


@undoes
def ask_again(session: Session, _actor: Actor, result: Any, *, now: datetime) -> None:
    """「返回」: the question is open once more, and so is its clock. The alert stands."""
    alert.ask_again(session, int(result["alert"]), until=now + timedelta(seconds=float(result["patience"])))


@conversation("urgent", who=EVERYBODY)
def urgent(talk: Talk) -> Dialogue:
    """Who needs help? Then people are called, or the phones are there."""
    alert_id = int(talk.args["alert"])
    if talk.args["trigger"] == Trigger.WORDS:
        names = talk.args["names"]
        yield from tell("urgent.heard_words" if names else "urgent.heard_words_nobody", names=talk.teachers(names))
    yield from tell("urgent.phones")
    if talk.args["number"]:
        answer: StrEnum = yield from ask(WHO_OR_ZERO)
    else:
        answer = yield from ask(WHO)
    if answer == WhoOrZero.ZERO:
        yield from once("withdraw", lambda: _withdraw(talk, alert_id))
        return Said("", feed="0")
    if answer == WhoNeedsHelp.MISTAKE:
        names = yield from once("withdraw", lambda: _withdraw(talk, alert_id))
        key = "urgent.mistake_told" if names else "urgent.mistake"
        return Said(talk.words(key, names=talk.teachers(names)), resume=True)
    if answer == WhoNeedsHelp.SOMEONE:
        return (yield from _for_someone_else(talk, alert_id))
    return (yield from for_oneself(talk, alert_id))


def _for_someone_else(talk: Talk, alert_id: int) -> Dialogue:
    """Everybody is called at once; then who, where, how, in one line or two."""
    names = yield from once("all", lambda: _call_for_someone(talk, alert_id))
    yield from tell("urgent.told" if names else "urgent.told_nobody", names=talk.teachers(names))
    if not (yield from remember("phone", lambda: _has_phone(talk))):
        yield from tell("urgent.who_are_you")
    said = yield from ask(FACTS)
    if said is None or isinstance(said, With):
        words = "dialogue.sent_media" if said is None else f"urgent.facts.{said.value}"
        yield from once("facts", lambda: _keep(talk, alert_id, talk.words(words)))
        yield from tell("urgent.cannot_hear" if said is None else "urgent.noted")
        said = yield from ask(MORE)
    yield from once("facts", lambda: _keep(talk, alert_id, said))
    return talk.say("urgent.stay_with_them" if names else "urgent.stay_with_them_nobody", names=talk.teachers(names))


def for_oneself(talk: Talk, alert_id: int) -> Dialogue:
    """Are you safe? ② calls everybody; ① and ③ offer a person, or say who knows already."""
    yield from once("asked", lambda: _ask(talk, alert_id), undo=ask_again)
    safe = yield from ask(SAFE)
    if safe is Safe.AFRAID:
        names = yield from once("all", lambda: _call(talk, alert_id, Told.ALL))
        return (yield from _called(talk, alert_id, "urgent.afraid" if names else "urgent.afraid_nobody", names))
    answered = yield from once("answered", lambda: _answered(talk, alert_id), undo=ask_again)
    if answered["told"]:  # a safety word, or silence, had called the centre before
        return (yield from _called(talk, alert_id, "urgent.centre_knows", answered["told"]))
    if (yield from ask(CALL_ME)) is CallMe.NOT_YET:
        return talk.say("urgent.any_time")
    names = yield from once("centre", lambda: _call(talk, alert_id, Told.CENTRE))
    return (yield from _called(talk, alert_id, "urgent.will_call" if names else "urgent.just_phones", names))


def _called(talk: Talk, alert_id: int, key: str, names: list[str]) -> Dialogue:
    """Say who was called; somebody whom nobody could ring up is asked for a number, which goes to the same people."""
    if not names or (yield from remember("phone", lambda: _has_phone(talk))):
        return talk.say(key, names=talk.teachers(names))
    yield from tell(key, names=talk.teachers(names))
    reach = yield from ask(REACH)
    yield from once("reach", lambda: _keep(talk, alert_id, reach))
    return talk.say("urgent.reach_done", names=talk.teachers(names))


def for_someone(talk: Talk, trigger: Trigger, written: dict[str, Any]) -> Any:
    """Inside another conversation: call everybody now, with what was written so far, and go on."""
    names = yield from once("crisis", lambda: _raise_for_someone(talk, trigger, written))
    yield from tell("urgent.crisis" if names else "urgent.crisis_nobody", names=talk.teachers(names))


def _has_phone(talk: Talk) -> bool:
    person = talk.session.get(Person, talk.actor.person_id) if talk.actor.person_id else None
    return bool(person and person.phone)


def _raise_for_someone(talk: Talk, trigger: Trigger, written: dict[str, Any]) -> list[str]:
    it = raise_alert(talk.session, talk.actor, trigger, policy=talk.policy.duty, now=talk.now, asks=False)
    it.about_self = False
    add_words(talk.session, it.id or 0, written, now=talk.now)
    return call(talk.session, it.id or 0, Told.ALL, policy=talk.policy.duty, now=talk.now)


def _call_for_someone(talk: Talk, alert_id: int) -> list[str]:
    note_answer(talk.session, talk.actor, alert_id, now=talk.now, ask_until=None, about_self=False)
    return call(talk.session, alert_id, Told.ALL, policy=talk.policy.duty, now=talk.now)


def _call(talk: Talk, alert_id: int, told: Told) -> list[str]:
    note_answer(talk.session, talk.actor, alert_id, now=talk.now, ask_until=None)
    return call(talk.session, alert_id, told, policy=talk.policy.duty, now=talk.now)


def _withdraw(talk: Talk, alert_id: int) -> list[str]:
    withdraw(talk.session, talk.actor, alert_id, now=talk.now)
    return told_names(talk.session, alert_id, policy=talk.policy.duty)


def _ask(talk: Talk, alert_id: int) -> dict[str, Any]:
    patience = talk.policy.duty.unanswered
    until = talk.now + patience
    note_answer(talk.session, talk.actor, alert_id, now=talk.now, ask_until=until, about_self=True)
    return {"alert": alert_id, "patience": patience.total_seconds()}


def _answered(talk: Talk, alert_id: int) -> dict[str, Any]:
    note_answer(talk.session, talk.actor, alert_id, now=talk.now, ask_until=None)
    told = told_names(talk.session, alert_id, policy=talk.policy.duty)
    return {"alert": alert_id, "patience": talk.policy.duty.unanswered.total_seconds(), "told": told}


def _keep(talk: Talk, alert_id: int, facts: str) -> None:
    add_words(talk.session, alert_id, {"facts": facts}, now=talk.now)
    tell_of_words(talk.session, alert_id, policy=talk.policy.duty, now=talk.now)
