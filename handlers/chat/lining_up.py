"""「都不合适」: the waiting list, and how else to reach the centre. Script: domain 6.5, waiting list."""

from enum import StrEnum
from typing import Any

from handlers.chat.offering import on_offer
from handlers.chat.slot_words import Search
from handlers.dialogue.question import Among
from handlers.dialogue.steps import Dialogue, ask, once, remember
from handlers.dialogue.talk import Talk
from handlers.dialogue.times import Wish
from models.booking.access import coming_of, is_sent_on, names_of
from models.booking.choices import Mode
from models.booking.table import Haste, Side
from models.booking.taking import By
from models.booking.waiting import join, leave, pass_over, place_of, waiter_of


class NoneFits(StrEnum):
    """What to do when no time suits."""

    WAIT_FOR = "wait_for"  # the counselor who was asked for, alone
    WAIT = "wait"
    NOT_NOW = "not_now"


NONE_FITS = Among("booking.none_fits", NoneFits)


def line_up(talk: Talk, search: Search, wish: Wish, body: dict[str, Any]) -> Dialogue:
    """Wait for a time that is freed, in turn; or let it be. Rooms by themselves have no list."""
    if search["use"] is not None:
        return talk.say("booking.not_now", **centre(talk))
    waiting = yield from remember("waiting", lambda: waiting_line(talk))
    if waiting:
        return talk.say("booking.waits_already", place=waiting)
    named = wish.get("counselors") or wish.get("wanted", [])
    only = [each.value for each in NoneFits if each is not NoneFits.WAIT_FOR or len(named) == 1]
    how = yield from ask(NONE_FITS, only=only, hours=_hours(talk), **centre(talk))
    if how is NoneFits.NOT_NOW:
        return talk.say("booking.not_now", **centre(talk))
    for_one = named[0] if how is NoneFits.WAIT_FOR else None
    yield from once("join", lambda: _join(talk, search, for_one, body))
    return talk.say("booking.waits", place=waiting_line(talk))


def _join(talk: Talk, search: Search, for_one: int | None, body: dict[str, Any]) -> None:
    """On the list, for one counselor or for any; what is free by now did not suit."""
    waiter_id = join(
        talk.session,
        By(talk.actor.person, Side.STUDENT),
        talk.actor.person,
        Haste.SOON if search.get("soon") or is_sent_on(talk.session, talk.actor) else Haste.NORMAL,
        counselor_id=for_one,
        mode=None if search["any"] else Mode(search["mode"]),
        body={name: value for name, value in body.items() if value},
        now=talk.now,
    )
    pass_over(talk.session, waiter_id, on_offer(talk, search), now=talk.now)


def wait_for_earlier(talk: Talk) -> Dialogue:
    """「有更早的告诉我」: the time that one has stays meanwhile."""
    joined = yield from once("join", lambda: _join_for_earlier(talk))
    return talk.say("my_appointments.earlier" if joined else "my_appointments.none", hours=_hours(talk))


def _join_for_earlier(talk: Talk) -> bool:
    """Whether there is something still that could be earlier."""
    coming = [it for it in coming_of(talk.session, talk.actor, now=talk.now) if it.counselor_id is not None]
    if coming:
        join(
            talk.session,
            By(talk.actor.person, Side.STUDENT),
            talk.actor.person,
            Haste.EARLIER,
            mode=coming[0].mode,
            earlier_than_id=coming[0].id,
            now=talk.now,
        )
    return bool(coming)


def stop_waiting_for(talk: Talk) -> None:
    """Off the list; whoever is off it already stays so."""
    leave(
        talk.session, By(talk.actor.person, Side.STUDENT), talk.actor.person, policy=talk.policy.booking, now=talk.now
    )


def waiting_line(talk: Talk) -> str:
    """「你前面还有 2 位，大约 5 天……」; "" for somebody who does not wait."""
    place = place_of(talk.session, talk.actor.person, now=talk.now)
    if place is None:
        return ""
    key = "place_first" if not place.before else "place" if place.days else "place_unknown"
    return talk.words(f"booking.{key}", before=place.before, days=place.days, hours=_hours(talk)) + _waited_for(talk)


def _waited_for(talk: Talk) -> str:
    """「等的是：沈岚老师，面对面。」."""
    it = waiter_of(talk.session, talk.actor.person)
    if it is None:
        return ""
    whom = talk.teachers(list(names_of(talk.session, [it.counselor_id]).values()))[0] if it.counselor_id else ""
    parts = [whom or talk.words("booking.waits_for_anybody")]
    if it.haste is Haste.EARLIER:
        parts = [talk.words("booking.waits_for_earlier")]
    if it.mode is not None:
        parts.append(talk.words(f"booking.mode.{it.mode.value}"))
    return talk.words("booking.waits_for", whom="，".join(parts))


def centre(talk: Talk) -> dict[str, str]:
    """How else to reach the centre."""
    policy = talk.policy.booking
    ways = [
        talk.words(f"booking.centre.{name}", value=value)
        for name, value in (("phone", policy.centre_phone), ("mailbox", policy.centre_mailbox))
        if value
    ]
    return {"centre": "，".join(ways) or talk.words("booking.centre.none")}


def _hours(talk: Talk) -> int:
    return int(talk.policy.booking.offer.total_seconds() // 3600)
