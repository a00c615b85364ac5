"""Choosing a time: a list that narrows by what is said, until one time is on hold. Shared by 「预约」 and 「改时间」.

Script: domain 6.5, step 4. What is found is in `handlers/chat/offering.py`.
"""

from datetime import datetime
from functools import partial
from typing import Any

from sqlmodel import Session

from handlers.chat.offering import NONE, look
from handlers.chat.slot_words import Search, slot_in
from handlers.chat.telling import shown
from handlers.dialogue.conversation import undoes
from handlers.dialogue.steps import ask, once, remember, tell
from handlers.dialogue.talk import Talk
from handlers.dialogue.times import Times, Wish
from models.booking.access import coming_of, rooms_alone
from models.booking.choices import Mode
from models.booking.table import Side
from models.booking.taking import By, hold, let_go
from models.errors import TimeTakenError
from models.talk import Actor

TIMES = Times("booking.times", ("day", NONE))

_WHO = {"counselors", "unknown", "same", "wanted"}

Held = dict[str, Any]
"""What is on hold. Shape: hold (its id), starts_at, counselor, room, mode; JSON."""


def choose(talk: Talk, search: Search, wish: Wish) -> Any:
    """Ask until a time is on hold; None when none suits, or there is none.

    Shape: (Held or None, Search, Wish), the last two as they are by then.
    """
    while True:
        page = yield from remember("page", partial(look, talk, search, wish))
        search, wish = page["search"], page["wish"]
        chosen = page["choice"]
        if chosen is None:
            if not page["options"]:
                has = yield from remember("has", partial(_has, talk, search))
                if has is not None:
                    return None, {**search, "has": has}, wish
                yield from tell("booking.nothing", said=page["lead"])
                return None, search, wish
            answer = yield from ask(TIMES, lead=page["lead"], options=page["options"], first=page["first"])
            if answer.option == NONE:
                return None, search, wish
            chosen, wish = _next(wish, answer.option, answer.wish)
        if chosen is None:
            continue
        held = yield from once("hold", partial(_hold, talk, search, chosen), undo=lets_go)
        if held is not None:
            return held, search, wish
        wish = {"taken": slot_in(chosen)["starts_at"]}


def _next(wish: Wish, option: str | None, said: Wish) -> tuple[str | None, Wish]:
    """The slot that was chosen, or None and what to look for now."""
    if option is None:
        return None, merged(wish, said)
    if option == "day":
        return None, {**merged(wish, {}), "days": True}
    if option.startswith("when:"):
        return None, merged(wish, {"when": option.removeprefix("when:")})
    return option, wish


def merged(wish: Wish, said: Wish) -> Wish:
    """What is wished for after one more sentence: another time takes the place of the one before, the rest adds up."""
    kept = {name: value for name, value in wish.items() if name not in {"taken", "days", "doubt"}}
    if {"when", "doubt", "soonest"} & said.keys():
        kept = {name: value for name, value in kept.items() if name not in {"when", "soonest"}}
    if _WHO & said.keys():
        kept = {name: value for name, value in kept.items() if name not in _WHO}
    return kept | said


def _has(talk: Talk, search: Search) -> str | None:
    """What stands in the way of one more: booked on another phone meanwhile, or in such a room; None when nothing does."""
    if search["serves"] is not None:
        return None
    use, coming = search["use"], coming_of(talk.session, talk.actor, now=talk.now)
    if use is not None:
        rooms = {room.id for room in rooms_alone(talk.session) if room.use == use}
        mine, most = [it for it in coming if it.counselor_id is None and it.room_id in rooms], 1
    else:
        mine, most = [it for it in coming if it.counselor_id is not None], talk.policy.booking.most_open
    return shown(talk, mine[0]) if most and len(mine) >= most else None


@undoes
def lets_go(session: Session, actor: Actor, result: Any, *, now: datetime) -> None:  # noqa: ARG001 — as every undo
    """「返回」 or 「取消」: whatever was on hold is free again."""
    let_go(session, actor.person)


def _hold(talk: Talk, search: Search, chosen: str) -> Held | None:
    """Keep the time for as long as the school says; None when it went meanwhile."""
    slot = slot_in(chosen)
    try:
        it = hold(
            talk.session,
            By(talk.actor.person, Side.STUDENT),
            talk.actor.person,
            datetime.fromisoformat(slot["starts_at"]),
            Mode(slot["mode"]),
            policy=talk.policy.booking,
            now=talk.now,
            counselor_id=slot["counselor"],
            room_id=slot["room"] if slot["counselor"] is None else None,
            serves_id=search["serves"],
        )
    except TimeTakenError:
        return None
    return {"hold": it.id, **slot, "room": it.room_id}
