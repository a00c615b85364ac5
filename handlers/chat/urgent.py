"""「紧急」「0」: a call for help, from any screen. Script: domain 6.4.

The router has raised the alert before this begins (`args["alert"]`). Words here say only what was done.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlmodel import Session

from handlers.dialogue.conversation import EVERYBODY, conversation, undoes
from handlers.dialogue.question import Choice, FreeText
from handlers.dialogue.steps import Dialogue, Said, ask, once, tell
from handlers.dialogue.talk import Talk
from models.alert import Told, Trigger, add_words, call, note_answer, raise_alert, tell_of_words, withdraw
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


class CallMe(StrEnum):
    """A person, or not yet."""

    CALL = "call"
    NOT_YET = "not_yet"


WHO = Choice("urgent.who", WhoNeedsHelp)
WHO_OR_ZERO = Choice("urgent.who_or_zero", WhoOrZero)
SAFE = Choice("urgent.safe", Safe)
CALL_ME = Choice("urgent.call_me", CallMe)
FACTS = FreeText("urgent.facts", media=True)


@undoes
def ask_again(session: Session, actor: Actor, result: Any, *, now: datetime) -> None:
    """Nothing to take back: the alert stands, and its clock runs on until somebody answers or is called."""


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
        yield from once("withdraw", lambda: withdraw(talk.session, talk.actor, alert_id, now=talk.now))
        return Said("", feed="0")
    if answer == WhoNeedsHelp.MISTAKE:
        yield from once("withdraw", lambda: withdraw(talk.session, talk.actor, alert_id, now=talk.now))
        return talk.say("urgent.mistake")
    if answer == WhoNeedsHelp.SOMEONE:
        names = yield from once("all", lambda: _call_for_someone(talk, alert_id))
        yield from tell("urgent.told" if names else "urgent.told_nobody", names=talk.teachers(names))
        facts = yield from ask(FACTS)
        yield from once("facts", lambda: _keep(talk, alert_id, {"facts": facts}))
        return talk.say("urgent.stay_with_them")
    return (yield from for_oneself(talk, alert_id, called=talk.args["trigger"] == Trigger.WORDS))


def for_oneself(talk: Talk, alert_id: int, *, called: bool) -> Dialogue:
    """Are you safe? ② calls everybody; ① and ③ offer a person. `called`: the centre was told already."""
    yield from once("asked", lambda: _note(talk, alert_id, asks=True, about_self=True), undo=ask_again)
    safe = yield from ask(SAFE)
    if safe is Safe.AFRAID:
        names = yield from once("all", lambda: _call(talk, alert_id, Told.ALL))
        return talk.say("urgent.afraid" if names else "urgent.afraid_nobody", names=talk.teachers(names))
    yield from once("answered", lambda: _note(talk, alert_id, asks=False), undo=ask_again)
    if called:
        names = yield from once("centre", lambda: _call(talk, alert_id, Told.CENTRE))
        return talk.say("urgent.centre_knows" if names else "urgent.just_phones", names=talk.teachers(names))
    if (yield from ask(CALL_ME)) is CallMe.NOT_YET:
        return talk.say("urgent.any_time")
    names = yield from once("centre", lambda: _call(talk, alert_id, Told.CENTRE))
    return talk.say("urgent.will_call" if names else "urgent.just_phones", names=talk.teachers(names))


def for_someone(talk: Talk, trigger: Trigger, written: dict[str, Any]) -> Any:
    """Inside another conversation: call everybody now, with what was written so far, and go on."""
    names = yield from once("crisis", lambda: _raise_for_someone(talk, trigger, written))
    yield from tell("urgent.crisis" if names else "urgent.crisis_nobody", names=talk.teachers(names))


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


def _note(talk: Talk, alert_id: int, *, asks: bool, about_self: bool | None = None) -> None:
    until = talk.now + talk.policy.duty.unanswered if asks else None
    note_answer(talk.session, talk.actor, alert_id, now=talk.now, ask_until=until, about_self=about_self)


def _keep(talk: Talk, alert_id: int, words: dict[str, Any]) -> None:
    add_words(talk.session, alert_id, words, now=talk.now)
    tell_of_words(talk.session, alert_id, policy=talk.policy.duty, now=talk.now)
