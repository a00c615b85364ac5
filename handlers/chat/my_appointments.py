"""「我的预约」, and the words that reminders and offers are answered with. Script: domain 6.5.

They work days later and twice; of what is over they say so, and what can be done now.
"""

import re
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from handlers.chat.choosing import TIMES
from handlers.chat.lining_up import stop_waiting_for, wait_for_earlier, waiting_line
from handlers.chat.moving import REVIEW, move_it
from handlers.chat.proposed import PROPOSAL, answer_proposal, proposal_of
from handlers.chat.telling import shown
from handlers.dialogue.conversation import BOUND, conversation
from handlers.dialogue.question import Among, Choice, FreeText, OneOf
from handlers.dialogue.steps import Dialogue, ask, once, remember
from handlers.dialogue.talk import Talk
from models.booking.access import (
    access_appointment,
    coming_of,
    is_offered_on,
    reminded_of,
    say_coming,
)
from models.booking.acting import cancel, is_late
from models.booking.answering import answer_offer, offer_to
from models.booking.choices import Mode
from models.booking.consent import has_consent, withdraw
from models.booking.table import Appointment, AppointmentState, Side
from models.booking.taking import By
from models.person import Kind

__all__ = ["PROPOSAL", "REVIEW", "TIMES"]
_LONGEST = 30


class Then(StrEnum):
    """What to do."""

    FINE = "fine"
    MOVE = "move"
    CANCEL = "cancel"
    EARLIER = "earlier"
    STOP = "stop"
    WITHDRAW = "withdraw"


class Sure(StrEnum):
    """Whether to cancel."""

    CANCEL = "cancel"
    REASON = "reason"
    KEEP = "keep"


class Take(StrEnum):
    """An offered time, or not."""

    TAKE = "take"
    WAIT_ON = "wait_on"


THEN = Among("my_appointments.then", Then)
WHICH = OneOf("my_appointments.which")
SURE = Choice("my_appointments.sure", Sure)
LATE = Choice("my_appointments.late", Sure)
REASON = FreeText("my_appointments.reason", longest=300)
OFFER = Choice("my_appointments.offer", Take)


def _says(words: str) -> Callable[[str], str | None]:
    """With nothing open a short sentence with these words means a conversation."""
    found = re.compile(words)
    return lambda text: text if len(text) <= _LONGEST and found.search(text.strip()) else None


@conversation("my_appointments", start=["我的预约"], who=BOUND, light=True, listed_for=Kind.STUDENT)
def my_appointments(talk: Talk) -> Dialogue:
    """What there is; a proposal or an offer that waits for an answer comes first."""
    asked = yield from remember("proposal", lambda: proposal_of(talk))
    if asked is not None:
        return (yield from answer_proposal(talk, asked))
    offer = yield from remember("offer", lambda: _offer(talk))
    if offer is not None:
        take = yield from ask(OFFER, **offer)
        return (yield from _answer(talk, take))
    mine = yield from remember("mine", lambda: _mine(talk))
    if not mine["only"]:
        return talk.say("my_appointments.none")
    then = yield from ask(THEN, what=mine["what"], only=["fine", *mine["only"]])
    return (yield from _then(talk, then, coming=mine["coming"], waiting="stop" in mine["only"]))


def _then(talk: Talk, then: Then, *, coming: bool, waiting: bool) -> Dialogue:
    """Do what was chosen."""
    match then:
        case Then.MOVE:
            return (yield from _move(talk))
        case Then.CANCEL:
            return (yield from _cancel(talk))
        case Then.EARLIER:
            return (yield from wait_for_earlier(talk))
        case Then.STOP:
            yield from once("stop", lambda: stop_waiting_for(talk))
            said = "my_appointments.stopped"
        case Then.WITHDRAW:
            yield from once("withdraw", lambda: withdraw(talk.session, talk.actor, now=talk.now))
            said = "my_appointments.withdrawn"
        case Then.FINE:
            without = "my_appointments.fine_waiting" if waiting else "my_appointments.fine_without"
            said = "my_appointments.fine" if coming else without
    return talk.say(said)


def _mine(talk: Talk) -> dict[str, Any]:
    """Shape: what (the lines), only (what can be done with them), coming (whether anything is)."""
    coming = coming_of(talk.session, talk.actor, now=talk.now)
    waiting = waiting_line(talk)
    agreed = has_consent(talk.session, talk.actor)
    lines = [talk.words("my_appointments.line", what=shown(talk, it)) for it in coming]
    if waiting:
        lines.append(waiting)
    only = []
    if coming:
        only = [Then.MOVE, Then.CANCEL]
        if not waiting and any(it.counselor_id is not None for it in coming):
            only.append(Then.EARLIER)
    if waiting:
        only.append(Then.STOP)
    if agreed and not coming and not waiting:
        only.append(Then.WITHDRAW)
    return {
        "what": "\n".join(lines) or talk.words("my_appointments.none"),
        "only": [each.value for each in only],
        "coming": bool(coming),
    }


def _which(talk: Talk) -> Any:
    """The id of the coming appointment that is meant, asked only when there are several; None without any.

    A button under a reminder is about its own appointment and no other.
    """
    coming = yield from remember("coming", lambda: _coming(talk))
    spoken_of = talk.args.get("appointment")
    if spoken_of is not None:
        return spoken_of if str(spoken_of) in {id_ for id_, _ in coming} else None
    if not coming:
        return None
    if len(coming) == 1:
        return int(coming[0][0])
    return int((yield from ask(WHICH, options=coming)))


def _coming(talk: Talk) -> list[list[str]]:
    return [[str(it.id), shown(talk, it)] for it in coming_of(talk.session, talk.actor, now=talk.now)]


def _now(talk: Talk) -> str:
    """What stands instead of something that is over, or how to book."""
    coming = _coming(talk)
    if not coming:
        return talk.words("my_appointments.book_again")
    return talk.words("my_appointments.instead", what=coming[0][1])


# ── 「改时间」 ──────────────────────────────────────────────────────────────────────────────────────────────────────


@conversation(
    "change_time",
    start=["改时间"],
    who=BOUND,
    light=True,
    listed_for=Kind.STUDENT,
    means=_says(r"[改换].{0,3}时间|改期|改约"),
)
def change_time(talk: Talk) -> Dialogue:
    """Another time for what is coming; one that the counselor proposed comes first."""
    asked = yield from remember("proposal", lambda: proposal_of(talk))
    if asked is not None:
        return (yield from answer_proposal(talk, asked))
    return (yield from _move(talk))


def _move(talk: Talk) -> Dialogue:
    which = yield from _which(talk)
    if which is None:
        return talk.say("my_appointments.none_to_move", now=_now(talk))
    return (yield from move_it(talk, which))


# ── 「取消预约」 ────────────────────────────────────────────────────────────────────────────────────────────────────


def was_reminded(talk: Talk) -> bool:
    """「取消」 with nothing open means the appointment of which its student was reminded."""
    return bool(reminded_of(talk.session, talk.actor, now=talk.now))


@conversation(
    "cancel_appointment",
    start=["取消预约", "来不了"],
    who=BOUND,
    light=True,
    listed_for=Kind.STUDENT,
    cancels=was_reminded,
    means=_says(r"取消.{0,12}预约|预约.{0,6}取消|[来去]不了"),
)
def cancel_appointment(talk: Talk) -> Dialogue:
    """Cancel what is coming; close to it that is word to the counselor that one cannot come."""
    return (yield from _cancel(talk))


def _cancel(talk: Talk) -> Dialogue:
    which = yield from _which(talk)
    if which is None:
        return talk.say("my_appointments.none_to_cancel", now=_now(talk))
    it = yield from remember("it", lambda: _to_cancel(talk, which))
    sure = yield from ask(LATE if it["late"] else SURE, what=it["what"], hours=it["hours"])
    if sure is Sure.KEEP:
        return talk.say("my_appointments.kept", what=it["what"])
    reason = (yield from ask(REASON)) if sure is Sure.REASON else ""
    done = yield from once("cancel", lambda: _cancelled(talk, which, reason))
    if done["late"]:
        return talk.say("my_appointments.told_late")
    return talk.say("my_appointments.cancelled_passed_on" if done["passed_on"] else "my_appointments.cancelled")


def _to_cancel(talk: Talk, which: int) -> dict[str, Any]:
    it, notice = access_appointment(talk.session, talk.actor, which), talk.policy.booking.cancel_notice
    late = is_late(talk.session, it, policy=talk.policy.booking, now=talk.now)
    return {"what": shown(talk, it), "late": late, "hours": int(notice.total_seconds() // 3600)}


def _cancelled(talk: Talk, which: int, reason: str) -> dict[str, bool]:
    access_appointment(talk.session, talk.actor, which)
    by = By(talk.actor.person, Side.STUDENT)
    late = cancel(talk.session, by, which, policy=talk.policy.booking, now=talk.now, reason=reason)
    it = talk.session.get_one(Appointment, which)
    return {"late": late, "passed_on": is_offered_on(talk.session, it)}


# ── 「我会来」 ──────────────────────────────────────────────────────────────────────────────────────────────────────


@conversation(
    "coming", start=["我会来"], who=BOUND, light=True, listed_for=Kind.STUDENT, means=_says(r"^我?会[来去]的?$")
)
def coming(talk: Talk) -> Dialogue:
    """Word that one comes, to the nearest appointment."""
    said = yield from once("say", lambda: _say_coming(talk))
    if said is None:
        return talk.say("my_appointments.no_coming", now=_now(talk))
    return talk.say(f"my_appointments.{said['key']}", what=said["what"])


def _say_coming(talk: Talk) -> dict[str, str] | None:
    """Shape: key of the sentence, what; None when nothing is coming."""
    spoken_of = talk.args.get("appointment")
    found = [it for it in coming_of(talk.session, talk.actor, now=talk.now) if spoken_of in {None, it.id}]
    if not found:
        return None
    booked = next((it for it in found if it.state is AppointmentState.BOOKED), None)
    if booked is None:
        return {"key": "coming_waits", "what": shown(talk, found[0])}
    first = say_coming(talk.session, talk.actor, booked.id or 0, now=talk.now)
    key = "coming_said" if first else "coming_again"
    return {"key": key if booked.mode is Mode.IN_PERSON else f"{key}_afar", "what": shown(talk, booked)}


# ── 「要」「继续等」 ────────────────────────────────────────────────────────────────────────────────────────────────


@conversation("take_offer", start=["要"], who=BOUND, light=True, listed_for=Kind.STUDENT)
def take_offer(talk: Talk) -> Dialogue:
    """The time that the waiting list keeps."""
    return (yield from _answer(talk, Take.TAKE))


@conversation("wait_on", start=["继续等"], who=BOUND, light=True, listed_for=Kind.STUDENT)
def wait_on(talk: Talk) -> Dialogue:
    """Not this one; the place in the list stays."""
    return (yield from _answer(talk, Take.WAIT_ON))


def _offer(talk: Talk) -> dict[str, Any] | None:
    it = offer_to(talk.session, talk.actor.person, now=talk.now)
    return None if it is None else {"what": shown(talk, it), "until": talk.words.show(it.until)}


def _answer(talk: Talk, take: Take) -> Dialogue:
    done = yield from once("answer", lambda: _answered(talk, take))
    return talk.say(f"my_appointments.{done['key']}", what=done["what"])


def _answered(talk: Talk, take: Take) -> dict[str, str]:
    """Shape: key of the sentence, what."""
    offered, spoken_of = offer_to(talk.session, talk.actor.person, now=talk.now), talk.args.get("appointment")
    if offered is None or spoken_of not in {None, offered.id}:
        found = coming_of(talk.session, talk.actor, now=talk.now)
        if found and take is Take.TAKE:
            return {"key": "has_it", "what": shown(talk, found[0])}
        waiting = waiting_line(talk)
        return {"key": "still_waiting" if waiting else "no_offer", "what": waiting}
    by, policy = By(talk.actor.person, Side.STUDENT), talk.policy.booking
    booked = answer_offer(talk.session, by, offered.id or 0, take=take is Take.TAKE, policy=policy, now=talk.now)
    if booked is None:
        return {"key": "let_go", "what": waiting_line(talk)}
    it = access_appointment(talk.session, talk.actor, booked.id)
    return {"key": "took" if booked.certain else "took_waits", "what": shown(talk, it)}
