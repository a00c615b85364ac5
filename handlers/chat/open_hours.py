"""「请假」「加开」「关掉」: a counselor changes the coming hours in a sentence. How many are booked in them is said first."""

from collections.abc import Callable
from datetime import timedelta
from enum import StrEnum
from typing import Any

from handlers.chat.desk_lines import stretch_line
from handlers.dialogue.conversation import conversation
from handlers.dialogue.question import Choice, YesNo, YesOrNo
from handlers.dialogue.steps import Dialogue, ask, once, remember, tell
from handlers.dialogue.stretches import Stretch, StretchOf, read_stretch
from handlers.dialogue.talk import Talk
from models.booking.desk import is_on_duty, profile_of
from models.booking.leaving import booked_and_coming, take_leave
from models.booking.rules import is_closed
from models.booking.supply import close_stretch, open_extra
from models.booking.table import Side
from models.booking.taking import By

Ended = tuple[str, dict[str, Any]]
"""The key and the values of a sentence."""


_WHOLE_DAY = timedelta(days=1)


class Verb(StrEnum):
    """What is to become of a stretch."""

    OPEN = "open"
    CLOSE = "close"
    LEAVE = "leave"


class Booked(StrEnum):
    """What to do about those who are booked in what is to be closed."""

    ASK = "ask_them"
    KEEP = "keep_them"
    NOT = "leave_open"


WHEN = StretchOf("open_hours.when")
VERB = Choice("open_hours.verb", Verb)
OPEN_SURE = YesNo("open_hours.open_sure")
CLOSE_SURE = YesNo("open_hours.close_sure")
LEAVE_SURE = YesNo("open_hours.leave_sure")
BOOKED = Choice("open_hours.booked", Booked)


@conversation("on_leave", start=["请假"], who=is_on_duty, light=True)
def on_leave(talk: Talk) -> Dialogue:
    """Away for a stretch."""
    return (yield from _begun_with(talk, Verb.LEAVE))


@conversation("open_hours", start=["加开"], who=is_on_duty, light=True)
def open_hours(talk: Talk) -> Dialogue:
    """Open for a stretch besides."""
    return (yield from _begun_with(talk, Verb.OPEN))


def _begun_with(talk: Talk, verb: Verb) -> Dialogue:
    """One stretch of one's own hours; a sentence that says something else than the word it began with counts."""
    profile = profile_of(talk.session, talk.actor.person)
    if profile is None:
        return talk.say("desk.no_profile")
    rest = str(talk.args.get("rest", ""))
    key, values = yield from change_hours(talk, profile.id or 0, rest, verb=verb)
    return talk.say("open_hours.over", how=talk.words(key, **values))


def change_hours(
    talk: Talk, counselor_id: int, said: str, *, verb: Verb | None = None, side: Side = Side.COUNSELOR
) -> Any:
    """Read a stretch, say what it would touch, and do it; returns how it ended."""
    given = yield from remember("said", lambda: _as_json(read_stretch(said, talk) if said else None))
    stretch = WHEN.from_json(given) if given else None
    while stretch is None or stretch.weekly or stretch.end <= talk.now:
        if stretch is not None:
            yield from tell("open_hours.weekly" if stretch.weekly else "open_hours.past")
        stretch = yield from ask(WHEN)
    meant = Verb(stretch.verb) if stretch.verb else verb
    if meant is None:
        meant = yield from ask(VERB, stretch=_shown(talk, stretch))
    return (yield from _WAYS[meant](talk, counselor_id, stretch, By(talk.actor.person, side)))


def _as_json(found: Any) -> list[Any] | None:
    if not isinstance(found, Stretch):
        return None
    return [found.start.isoformat(), found.end.isoformat(), found.verb, found.weekly]


def _shown(talk: Talk, stretch: Stretch) -> str:
    return stretch_line(talk, stretch.start, stretch.end)


def _open(talk: Talk, counselor_id: int, stretch: Stretch, by: By) -> Any:
    if is_closed(stretch.start.date(), talk.policy.booking):
        return "open_hours.closed_day", {"stretch": _shown(talk, stretch)}
    if stretch.end - stretch.start >= _WHOLE_DAY:
        return "open_hours.say_hours", {}
    if (yield from ask(OPEN_SURE, stretch=_shown(talk, stretch))) is YesOrNo.NO:
        return "open_hours.left", {}
    yield from once("open", lambda: _opened(talk, counselor_id, stretch, by))
    return "open_hours.opened", {"stretch": _shown(talk, stretch)}


def _close(talk: Talk, counselor_id: int, stretch: Stretch, by: By) -> Any:
    booked = yield from remember("booked", lambda: _booked_in(talk, counselor_id, stretch))
    shown = _shown(talk, stretch)
    if not booked:
        if (yield from ask(CLOSE_SURE, stretch=shown)) is YesOrNo.NO:
            return "open_hours.left", {}
        yield from once("close", lambda: _closed(talk, counselor_id, stretch, by))
        return "open_hours.closed", {"stretch": shown}
    answer = yield from ask(BOOKED, stretch=shown, count=booked)
    if answer is Booked.NOT:
        return "open_hours.left", {}
    if answer is Booked.KEEP:
        yield from once("close", lambda: _closed(talk, counselor_id, stretch, by))
        return "open_hours.closed_but", {"stretch": shown, "count": booked}
    return (yield from _gone(talk, counselor_id, stretch, by))


def _leave(talk: Talk, counselor_id: int, stretch: Stretch, by: By) -> Any:
    booked = yield from remember("booked", lambda: _booked_in(talk, counselor_id, stretch))
    key = "open_hours.leave_booked" if booked else "open_hours.leave_free"
    lead = talk.words(key, stretch=_shown(talk, stretch), count=booked)
    if (yield from ask(LEAVE_SURE, lead=lead)) is YesOrNo.NO:
        return "open_hours.left", {}
    return (yield from _gone(talk, counselor_id, stretch, by))


def _gone(talk: Talk, counselor_id: int, stretch: Stretch, by: By) -> Any:
    """Be away, and ask whoever is booked."""
    done = yield from once("leave", lambda: _left(talk, counselor_id, stretch, by))
    values = {"stretch": _shown(talk, stretch), "asked": done["asked"], "left": done["left"]}
    if done["left"]:
        return "open_hours.gone_left", values
    return ("open_hours.gone_asked" if done["asked"] else "open_hours.gone"), values


def _booked_in(talk: Talk, counselor_id: int, stretch: Stretch) -> int:
    return len(booked_and_coming(talk.session, counselor_id, stretch.start, stretch.end, now=talk.now))


def _opened(talk: Talk, counselor_id: int, stretch: Stretch, by: By) -> None:
    open_extra(talk.session, by, counselor_id, stretch.start, stretch.end, policy=talk.policy.booking, now=talk.now)


def _closed(talk: Talk, counselor_id: int, stretch: Stretch, by: By) -> None:
    close_stretch(talk.session, by, counselor_id, stretch.start, stretch.end, now=talk.now)


def _left(talk: Talk, counselor_id: int, stretch: Stretch, by: By) -> dict[str, int]:
    done = take_leave(
        talk.session, by, counselor_id, stretch.start, stretch.end, policy=talk.policy.booking, now=talk.now
    )
    return {"asked": done.asked, "left": done.left}


_WAYS: dict[Verb, Callable[[Talk, int, Stretch, By], Any]] = {
    Verb.OPEN: _open,
    Verb.CLOSE: _close,
    Verb.LEAVE: _leave,
}
