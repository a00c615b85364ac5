"""「周报」: a committee member tells how the class was this week. Script: domain 6.1."""

from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Any

from sqlmodel import Session

from handlers.chat.concern import concerning, named_in
from handlers.chat.officers import Correct, begin, unit_in, which_unit
from handlers.dialogue.conversation import conversation, undoes
from handlers.dialogue.question import Choice, FreeText, Number, OneOf, Several
from handlers.dialogue.replay import answered
from handlers.dialogue.steps import Dialogue, ask, once, remember, tell
from handlers.dialogue.talk import Talk
from models.checkin import Area, Overall, headcount, submit
from models.concern import class_named
from models.dorm_digest import DormDigest, dorm_digest
from models.errors import SomeoneWasFirstError
from models.post import Role, first_to_tell
from models.round import RoundKind
from models.talk import Actor


class Count(StrEnum):
    """Whether the headcount holds."""

    RIGHT = "right"
    CHANGE = "change"


class Extent(StrEnum):
    """How many are touched."""

    FEW = "few"
    GROUP = "group"
    HALF = "half"


class Who(StrEnum):
    """Whether somebody needs company."""

    NOBODY = "nobody"
    ONE = "one"
    SOME = "some"
    ASK_TEACHER = "ask_teacher"


class More(StrEnum):
    """Another person?"""

    NO = "no_more"
    YES = "another"


class Review(StrEnum):
    """Before sending."""

    SEND = "send"
    CHANGE = "change"


class Part(StrEnum):
    """What to change."""

    AREAS = "areas"
    COUNT = "count"
    PEOPLE = "people"


DORM_WORDS = 360
"""Characters of all rooms' words above the first question: a reply holds 2,000 bytes."""

WHICH = OneOf("class_checkin.which")
AGAIN = Choice("class_checkin.again", Correct)
OVERALL = Choice("class_checkin.overall", Overall)
AREAS = Several("class_checkin.areas", Area)
EXTENT = Choice("class_checkin.extent", Extent)
NOTE = FreeText("class_checkin.note")
COUNT = Choice("class_checkin.count", Count)
LEAVE = Number("class_checkin.leave")
WHO = Choice("class_checkin.who", Who)
MORE = Choice("class_checkin.more", More)
QUESTION = FreeText("class_checkin.question")
TAKEN = Choice("class_checkin.taken", Correct)
REVIEW = Choice("class_checkin.review", Review)
PART = Choice("class_checkin.part", Part)


def words_not_sent(session: Session, _actor: Actor, log: list[dict[str, Any]]) -> int | None:
    """Somebody was named, or a question for the teachers was written, since the officer last said whether there is anybody."""
    answers = answered(log)
    asked = [at for at, (key, _) in enumerate(answers) if key == WHO.key]
    answers = answers[asked[-1] :] if asked else []
    named = named_in(answers)
    if not named and all(key != QUESTION.key for key, _ in answers):
        return None
    return class_named(session, named) or unit_in(log)


@undoes
def not_sent(_session: Session, _actor: Actor, _result: Any, *, now: datetime) -> None:
    """「返回」 past a check-in that somebody else's came before: nothing was written."""


@conversation("class_checkin", start=["周报", "小结"], who=Role.COMMITTEE_MEMBER, unsent=words_not_sent)
def class_checkin(talk: Talk) -> Dialogue:
    """One class, one week: four answers when all is calm."""
    unit_id = yield from which_unit(talk, Role.COMMITTEE_MEMBER, WHICH)
    start = yield from remember("start", lambda: _start(talk, unit_id))
    if start["sent"]:
        answer = yield from ask(AGAIN, unit=start["unit"], **start["sent"])
        if answer is Correct.LEAVE:
            return talk.say("class_checkin.left_as_is")
    if start["dorms"]:
        yield from tell("class_checkin.dorms", dorms=start["dorms"])
    answers: dict[str, Any] = {}
    answers |= yield from _areas()
    answers |= yield from _count(start)
    answers |= yield from _people(talk, unit_id)
    while (yield from ask(REVIEW, summary=_summary(talk, answers))) is Review.CHANGE:
        part = yield from ask(PART)
        if part is Part.AREAS:
            answers |= yield from _areas()
        elif part is Part.COUNT:
            answers |= yield from _count(start)
        else:
            answers |= yield from _people(talk, unit_id)
    receipt = yield from once("submit", lambda: _send(talk, unit_id, start, start["version"], answers), undo=not_sent)
    while taken := receipt.get("taken"):
        if (yield from ask(TAKEN, **taken)) is Correct.LEAVE:
            return talk.say("class_checkin.left_as_is")
        again = partial(_send, talk, unit_id, start, taken["version"], answers)
        receipt = yield from once("submit", again, undo=not_sent)
    done = "done_question" if answers["question"] else "done_people" if answers["concerns"] else "done"
    if not receipt["reached"]:
        done = "done_later"
    within = talk.policy.checkin.question_answered_within
    return talk.say(f"class_checkin.{done}", told=talk.teachers(receipt["told"]), at=talk.now, within=within)


def _send(talk: Talk, unit_id: int, start: dict[str, Any], corrects: int, answers: dict[str, Any]) -> dict[str, Any]:
    """Send it. Where another officer's came first, say whose: what was written here is not lost over it."""
    try:
        return submit(
            talk.session,
            talk.actor,
            unit_id,
            start["round"],
            answers,
            corrects=corrects,
            policy=talk.policy.checkin,
            now=talk.now,
        )
    except SomeoneWasFirstError as first:
        return {"taken": {"name": first.name, "version": first.version}}


def _start(talk: Talk, unit_id: int) -> dict[str, Any]:
    """What must not change under the talk: the round, what was sent before, the roster's count, what the dorms said."""
    count = headcount(talk.session, unit_id)
    return begin(talk, RoundKind.CLASS, unit_id) | {
        "members": count.members,
        "on_leave": count.on_leave,
        "dorms": _dorm_lines(talk, dorm_digest(talk.session, talk.policy.checkin, unit_id, now=talk.now)),
    }


def _dorm_lines(talk: Talk, digest: DormDigest) -> str:
    if not digest.rooms:
        return ""
    lines = [talk.words("class_checkin.dorm_counts", usual=digest.usual, unsure=digest.unsure, told=digest.told)]
    share = DORM_WORDS // max(1, len(digest.words))
    lines += [
        talk.words("class_checkin.dorm_words", room=room, words=_short(words, share)) for room, words in digest.words
    ]
    return "\n".join(lines)


def _short(words: str, most: int) -> str:
    """On one line, and cut where the reply would not hold all rooms."""
    line = " ".join(words.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def _areas() -> Any:
    overall = yield from ask(OVERALL)
    answers: dict[str, Any] = {"state": overall.value, "areas": [], "extent": None, "note": None}
    if overall is Overall.UNEVEN:
        answers["areas"] = [area.value for area in (yield from ask(AREAS))]
        answers["extent"] = (yield from ask(EXTENT)).value
        answers["note"] = yield from ask(NOTE)
    return answers


def _count(start: dict[str, Any]) -> Any:
    members, leave = start["members"], start["on_leave"]
    if (yield from ask(COUNT, members=members, present=members - leave, leave=leave)) is Count.CHANGE:
        leave = yield from ask(LEAVE, high=members, members=members)
    return {"members": members, "on_leave": leave}


def _people(talk: Talk, unit_id: int) -> Any:
    who = yield from ask(WHO)
    answers: dict[str, Any] = {"concerns": [], "question": None}
    if who is Who.ASK_TEACHER:
        yield from tell(
            "class_checkin.will_answer",
            told=(yield from remember("teachers", lambda: _teachers(talk, unit_id))),
            within=talk.policy.checkin.question_answered_within,
        )
        answers["question"] = yield from ask(QUESTION)
    elif who is not Who.NOBODY:
        answers["concerns"].append((yield from concerning(talk)))
        while who is Who.SOME and (yield from ask(MORE)) is More.YES:
            answers["concerns"].append((yield from concerning(talk)))
    return answers


def _teachers(talk: Talk, unit_id: int) -> list[str]:
    return talk.teachers([person.name for person in first_to_tell(talk.session, unit_id)])


def _summary(talk: Talk, answers: dict[str, Any]) -> str:
    """What was noted, for the reader to check: no name beside a reason."""
    words = talk.words
    areas = [words(f"class_checkin.areas.{area}") for area in answers["areas"]]
    present = answers["members"] - answers["on_leave"]
    parts = [
        words(f"class_checkin.summary.{answers['state']}", areas=areas),
        words("class_checkin.summary.count", present=present, leave=answers["on_leave"]),
    ]
    if answers["concerns"]:
        parts.append(words("class_checkin.summary.people", count=len(answers["concerns"])))
    elif answers["question"]:
        parts.append(words("class_checkin.summary.question"))
    else:
        parts.append(words("class_checkin.summary.nobody"))
    return " · ".join(parts)
