"""「宿舍」: a dorm officer tells how the room was. Script: domain 6.3."""

from enum import StrEnum
from typing import Any

from sqlmodel import Session

from handlers.chat.officers import Correct, begin, which_unit
from handlers.chat.urgent import for_someone
from handlers.dialogue.conversation import conversation
from handlers.dialogue.question import Choice, FreeText, OneOf
from handlers.dialogue.replay import answered
from handlers.dialogue.steps import Dialogue, ask, once, remember
from handlers.dialogue.talk import Talk
from models.alert import Trigger
from models.checkin import NOT_ALL_THERE, DormState, Share, submit
from models.concern import class_to_tell
from models.errors import DomainError
from models.post import Role
from models.round import RoundKind
from models.talk import Actor


class AllThere(StrEnum):
    """Whether everybody lives in the room."""

    ALL = "all"
    NOT_ALL = NOT_ALL_THERE


class Topic(StrEnum):
    """What it is about."""

    HOURS = "hours"
    LIVING_TOGETHER = "living_together"
    MOOD = "mood"
    STUDY = "study"
    HOME = "home"
    HEALTH = "health"
    MONEY = "money"
    OTHER = "other"


class HowSoon(StrEnum):
    """How soon a teacher should look."""

    ANY_TIME = "any_time"
    TODAY = "today"
    NOW = "now"


WHICH = OneOf("dorm_checkin.which")
AGAIN = Choice("dorm_checkin.again", Correct)
STATE = Choice("dorm_checkin.state", DormState)
ALL_THERE = Choice("dorm_checkin.all_there", AllThere)
TOPIC = Choice("dorm_checkin.topic", Topic)
FACTS = FreeText("dorm_checkin.facts")
SHARE = Choice("dorm_checkin.share", Share)
HOW_SOON = Choice("dorm_checkin.how_soon", HowSoon)


def words_not_sent(session: Session, actor: Actor, log: list[dict[str, Any]]) -> int | None:
    """「有件事想说」 has a topic at least: the officer's class, whose teachers would hear of it."""
    begun = any(key == TOPIC.key for key, _ in answered(log))
    return class_to_tell(session, actor, {}) if begun else None


@conversation("dorm_checkin", start=["宿舍"], who=Role.DORM_OFFICER, unsent=words_not_sent)
def dorm_checkin(talk: Talk) -> Dialogue:
    """One room, two weeks: two answers when all is as usual."""
    unit_id = yield from which_unit(talk, Role.DORM_OFFICER, WHICH)
    start = yield from remember("start", lambda: begin(talk, RoundKind.DORM, unit_id))
    if start["sent"] and (yield from ask(AGAIN, unit=start["unit"], **start["sent"])) is Correct.LEAVE:
        return talk.say("dorm_checkin.left_as_is")
    answers = yield from _answers(talk, start["unit"])
    receipt = yield from once("submit", lambda: _send(talk, unit_id, start, answers))
    told = talk.teachers(receipt["told"])
    if answers.get("how_soon") == HowSoon.NOW:  # people were called, and what to do was said, a moment ago
        return talk.say("dorm_checkin.done_now" if receipt["sent"] else "dorm_checkin.only_called", told=told)
    if not receipt["waiting"]:
        return talk.say("dorm_checkin.done")
    return talk.say("dorm_checkin.done_told" if receipt["reached"] else "dorm_checkin.done_later", told=told)


def _send(talk: Talk, unit_id: int, start: dict[str, Any], answers: dict[str, Any]) -> dict[str, Any]:
    """Send it. Where people were called just now, a round that closed meanwhile must not take the call back with it."""
    version, policy = start["version"], talk.policy.checkin
    try:
        receipt = submit(
            talk.session, talk.actor, unit_id, start["round"], answers, corrects=version, policy=policy, now=talk.now
        )
    except DomainError:
        if answers.get("how_soon") != HowSoon.NOW:
            raise
        return {"sent": False, "told": [], "reached": False, "waiting": 0}
    return receipt | {"sent": True}


def _answers(talk: Talk, room: str) -> Any:
    state = yield from ask(STATE, unit=room)
    answers: dict[str, Any] = {"state": state.value}
    if state is DormState.USUAL:
        answers["all_there"] = (yield from ask(ALL_THERE)).value
    elif state is DormState.THING:
        answers["topic"] = (yield from ask(TOPIC)).value
        answers["facts"] = yield from ask(FACTS)
        answers["share"] = (yield from ask(SHARE)).value
        how_soon = yield from ask(HOW_SOON)
        answers["how_soon"] = how_soon.value
        if how_soon is HowSoon.NOW:
            yield from for_someone(talk, Trigger.DORM_NOW, answers | {"dorm": room})
    return answers
