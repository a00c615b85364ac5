"""「预约」: a student books a time to talk, or a room by itself. Script: domain 6.5.

What somebody says in the first message, 「预约 下周三下午 线上」, is taken; whoever came before is asked less.
"""

import re
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Any

from handlers.chat.choosing import TIMES, Held, choose
from handlers.chat.concern import alert_about_oneself, not_about_oneself
from handlers.chat.how_to_talk import MODE, Way, how_to_talk, without_asking
from handlers.chat.lining_up import NONE_FITS, centre, line_up
from handlers.chat.offering import ways
from handlers.chat.slot_words import Search, read_back
from handlers.chat.telling import place_of, qualified, reminders, shown
from handlers.chat.urgent import for_oneself
from handlers.dialogue.conversation import BOUND, conversation, undoes
from handlers.dialogue.question import Choice
from handlers.dialogue.said import LineOr, Telephone
from handlers.dialogue.steps import Dialogue, Said, ask, once, remember, tell
from handlers.dialogue.talk import Talk
from handlers.dialogue.times import Times, Wish, read_wishes
from models.booking.access import coming_of, last_of
from models.booking.acting import book
from models.booking.answering import offer_to
from models.booking.choices import Topic
from models.booking.consent import check_not_withdrawn, give, has_consent, version_of, withdraw
from models.booking.table import RoomUse, Side
from models.booking.taking import By, let_go
from models.errors import RefusedError, TimeTakenError
from models.person import Kind, Person
from models.talk import Actor

__all__ = ["MODE", "NONE_FITS", "TIMES", "Way", "booking"]


class Agree(StrEnum):
    """To how it is kept."""

    AGREE = "agree"
    READ = "read"
    NOT_NOW = "not_now"


class CanWait(StrEnum):
    """Whether somebody can wait until then."""

    CAN = "can"
    SOON = "soon"
    NOW = "now"


class About(StrEnum):
    """What it may be about."""

    STUDY = "study"
    LIFE = "life"
    RELATIONS = "relations"
    FAMILY = "family"
    LOVE = "love"
    MOOD = "mood"
    SLEEP = "sleep"
    WORK = "work"
    UNSURE = "unsure"
    SKIP = "skip"


CONSENT = Choice("booking.consent", Agree)
CONSENT_READ = Choice("booking.consent_read", Agree)
CAN_WAIT = Choice("booking.can_wait", CanWait)
ABOUT = LineOr("booking.about", About, longest=300)
PHONE = Telephone("booking.phone")
REVIEW = Times("booking.review", ("book", "other", "phone"), unclear="choice")


_MEANT = re.compile(
    r"预约|[想要能]约|(?<![大节合违签])约(?:一?下|个)|帮我约|约.{0,4}老师|约咨询|约心理|心理咨询|想咨询|想.{0,3}聊聊|找.{0,4}老师聊|找心理|看心理"
)
_MEANT_OTHERWISE = re.compile(
    r"取消|改|换|不想|不要|不用|别|我的预约|[帮替给].{0,3}(?:同学|朋友|室友|舍友|别人|[他她]|ta)"
)
_LONGEST = 80


def meant(text: str) -> str | None:
    """What 「我想约下周三下午」 says with nothing open; None when it is about something else."""
    if len(text) > _LONGEST or _MEANT_OTHERWISE.search(text) or not _MEANT.search(text):
        return None
    return text


@conversation("booking", start=["预约"], who=BOUND, means=meant, listed_for=Kind.STUDENT)
def booking(talk: Talk) -> Dialogue:
    """Consent, whether they can wait, how, about what, when; then it is certain, or the moment of the answer is."""
    if talk.actor.kind is not Kind.STUDENT:
        return talk.say("booking.for_students", **centre(talk))
    wish: Wish = yield from remember("wish", lambda: read_wishes(str(talk.args.get("rest", "")), talk))
    begun = yield from remember("begun", lambda: _begin(talk, wish))
    if begun["offer"]:
        return talk.say("booking.offer_first", when=begun["offer"])
    if begun["full"]:
        return talk.say("booking.has_one_already", which=begun["full"])
    if begun["rooms_only"]:
        yield from tell("booking.has_one_and_rooms", which=begun["rooms_only"])
    if begun["heard"]:
        yield from tell("booking.heard", said=begun["heard"])
    if not begun["agreed"] and not (yield from _agrees(talk)):
        return talk.say("booking.not_now", **centre(talk))
    can_wait = CanWait.CAN
    if not begun["known"] or "when" not in wish:
        can_wait = yield from ask(CAN_WAIT)
    if can_wait is CanWait.NOW:
        alert_id = yield from once("alert", lambda: alert_about_oneself(talk), undo=not_about_oneself)
        return (yield from for_oneself(talk, alert_id))
    if can_wait is CanWait.SOON:
        yield from tell("booking.soon")
    search, wish = yield from how_to_talk(talk, wish, begun["known"])
    search = {**search, "soon": can_wait is CanWait.SOON}
    about = yield from _about(wish, search, known=begun["known"] is not None)
    return (yield from _book(talk, search, wish, about))


def _begin(talk: Talk, wish: Wish) -> dict[str, Any]:
    """Who comes, and what they said.

    Shape: agreed, known (how they talked the last time, None for somebody new), offer (when), heard, full or rooms_only (the
    appointment that stands in the way of another; the latter where a room by itself can be booked nevertheless).
    """
    coming = [it for it in coming_of(talk.session, talk.actor, now=talk.now) if it.counselor_id is not None]
    last = last_of(talk.session, talk.actor)
    known = last.mode.value if last else None
    agreed = has_consent(talk.session, talk.actor, _version(talk))
    found = ways(talk)
    unasked = (
        agreed
        and known is not None
        and "when" in wish
        and (not found or without_asking(found, wish.get("mode"), known))
    )
    offer = offer_to(talk.session, talk.actor.person, now=talk.now)
    most = talk.policy.booking.most_open
    rooms = set(found) & {use.value for use in RoomUse}
    one = shown(talk, coming[0]) if most and len(coming) >= most else None
    return {
        "agreed": agreed,
        "known": known,
        "offer": talk.words.show(offer.starts_at) if offer else None,
        "full": None if rooms else one,
        "rooms_only": one if rooms else None,
        "heard": "" if unasked else read_back(talk, wish),  # the times, or the one that is meant, say it at once
    }


# ── consent ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _version(talk: Talk) -> str:
    return version_of(talk.words("booking.consent.ask", minutes=0), talk.words("booking.consent_whole"))


def _agrees(talk: Talk) -> Any:
    """The three sentences on secrecy, before the first time is shown (L-30)."""
    answer = yield from ask(CONSENT, minutes=_minutes(talk.policy.booking.session))
    while answer is Agree.READ:
        yield from tell("booking.consent_whole")
        answer = yield from ask(CONSENT_READ)
    if answer is Agree.NOT_NOW:
        return False
    yield from once("agree", lambda: give(talk.session, talk.actor, _version(talk), now=talk.now), undo=not_agreed)
    return True


@undoes
def not_agreed(session: Any, actor: Actor, result: Any, *, now: datetime) -> None:  # noqa: ARG001 — as every undo
    """「返回」 past 「同意」, or 「取消」 before anything was booked."""
    withdraw(session, actor, now=now)


# ── how, and about what ─────────────────────────────────────────────────────────────────────────────────────────────


def _about(wish: Wish, search: Search, *, known: bool) -> Any:
    """What it may be about, for the counselor alone; nobody is asked twice, and everybody may skip it."""
    if search["use"] is not None:
        return {}
    if known or "topic" in wish:
        return {"topic": wish["topic"]} if "topic" in wish else {}
    about = yield from ask(ABOUT)
    if isinstance(about, About):
        return {} if about is About.SKIP else {"topic": Topic(about.value).value}
    return {"note": about}


# ── the time ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _book(talk: Talk, search: Search, wish: Wish, body: dict[str, Any]) -> Dialogue:
    """A time on hold, read back, and booked; one that went meanwhile leads to the nearest three."""
    phone = yield from remember("phone", lambda: talk.session.get_one(Person, talk.actor.person).phone or "")
    while True:
        held, search, wish = yield from choose(talk, search, wish)
        body = body | ({"topic": wish["topic"]} if "topic" in wish else {})
        if held is None:
            if search.get("has"):
                return talk.say("booking.has_one_already", which=search["has"])
            return (yield from line_up(talk, search, wish, body))
        answer = yield from _reviewed(talk, held, body, phone)
        if answer.option != "book":
            if answer.wish.keys() == {"topic"}:  # the same time is read back again, with what was heard
                heard = yield from remember("heard", partial(read_back, talk, answer.wish))
                yield from tell("booking.heard", said=heard)
            wish = _at_another(talk, held, answer.wish)
            continue
        booked = yield from once("book", partial(_booked, talk, held, body))
        if "id" in booked:
            return _done(talk, booked)
        if "refused" in booked:
            return talk.say("booking.not_booked", why=talk.words(booked["refused"]))
        wish = {"taken": held["starts_at"]}


def _reviewed(talk: Talk, held: Held, body: dict[str, Any], phone: str) -> Any:
    """Read a time back until it is right, or another is wished for; where nobody knows a telephone, ask for one first."""
    with_somebody = held["counselor"] is not None
    while True:
        if with_somebody and not phone and "phone" not in body:
            body["phone"] = yield from ask(PHONE)
        where = place_of(talk, held["mode"], held["counselor"], held["room"], body.get("phone") or phone)
        lead = talk.words(
            "booking.read_back",
            when=datetime.fromisoformat(held["starts_at"]),
            where=where,
            qualified=qualified(talk, held["counselor"]),
            minutes=_minutes(talk.policy.booking.hold),
        )
        always = ["book", "other", "phone"] if with_somebody else ["book", "other"]
        answer = yield from ask(REVIEW, lead=lead, options=[], always=always)
        if answer.option != "phone":
            return answer
        body["phone"] = yield from ask(PHONE)


def _at_another(talk: Talk, held: Held, said: Wish) -> Wish:
    """What is wished for instead; 「改成电话」 names no time and means the one that was read back."""
    if said and not {"when", "doubt", "soonest"} & said.keys():
        local = datetime.fromisoformat(held["starts_at"]).astimezone(talk.policy.booking.zone)
        return {"when": f"{local:%Y-%m-%dT%H:%M}", **said}
    return said


def _booked(talk: Talk, held: Held, body: dict[str, Any]) -> dict[str, Any]:
    """Book what is on hold. Shape: id, certain, until; {} when it went; refused (a key) when a rule says no."""
    kept = {name: value for name, value in body.items() if value}
    by = By(talk.actor.person, Side.STUDENT)
    try:
        check_not_withdrawn(talk.session, talk.actor.person)  # meanwhile, by another account of theirs
        it = book(talk.session, by, held["hold"], policy=talk.policy.booking, now=talk.now, body=kept)
    except TimeTakenError:
        return {}
    except RefusedError as refused:
        let_go(talk.session, talk.actor.person)
        return {"refused": refused.key}
    return {"id": it.id, "certain": it.certain, "until": it.until.isoformat() if it.until else None}


def _done(talk: Talk, booked: dict[str, Any]) -> Said:
    """What, when, who, where; what comes; how to change."""
    coming = [it for it in coming_of(talk.session, talk.actor, now=talk.now) if it.id == booked["id"]]
    what = shown(talk, coming[0], bare=True) if coming else ""
    if not booked["certain"]:
        return talk.say("booking.asked", what=what, until=datetime.fromisoformat(booked["until"]))
    return talk.say("booking.done", what=what, reminders=reminders(talk, coming[0]) if coming else "")


def _minutes(span: timedelta) -> int:
    return int(span.total_seconds() // 60)
