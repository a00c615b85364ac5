"""What 「预约」 asks first about a time: in person, by telephone, online; or a room by itself."""

from enum import StrEnum
from functools import partial
from typing import Any

from handlers.chat.choosing import merged
from handlers.chat.offering import ways
from handlers.chat.slot_words import read_back
from handlers.dialogue.steps import ask, remember, tell
from handlers.dialogue.talk import Talk
from handlers.dialogue.times import Times, Wish
from models.booking.table import RoomUse


class Way(StrEnum):
    """How to talk; or a room by itself."""

    IN_PERSON = "in_person"
    PHONE = "phone"
    ONLINE = "online"
    RELAX = "relax"
    VENT = "vent"
    SANDPLAY = "sandplay"


ANY = "any"
MODE = Times("booking.mode", tuple(way.value for way in Way), unclear="choice", whatever=ANY)


def how_to_talk(talk: Talk, wish: Wish, known: str | None) -> Any:
    """How to talk: as was said, as the last time, the only way there is; else it is asked.

    Shape: (Search, Wish), the latter with what was said besides.
    """
    found = yield from remember("ways", lambda: ways(talk))
    modes = [way for way in found if way not in set(RoomUse)]
    wished, any_way = wish.get("mode"), False
    way = without_asking(found, wished, known)
    if wished is not None and way is None:
        wish = yield from _with_no_way(talk, wish, {})
    while way is None and found:
        answer = yield from ask(MODE, options=[], always=found)
        wish = merged(wish, answer.wish)
        wished = wish.get("mode")
        way = answer.option or (wished if wished in modes else None)
        any_way = way == ANY or (way is None and wished is None and "soonest" in answer.wish)
        if any_way:
            way = found[0]
            yield from tell("booking.any_way", mode=talk.words(f"booking.mode.{way}"))
        elif way is None:
            wish = yield from _with_no_way(talk, wish, answer.wish)
    use = way if way in set(RoomUse) else None
    mode = None if use else way or wished or Way.IN_PERSON.value
    any_way = any_way or (way is None and wished is None)
    return {"mode": mode, "any": any_way, "use": use, "serves": None, "without": None}, wish


def without_asking(found: list[str], wished: str | None, known: str | None) -> str | None:
    """How to talk, where nobody needs to be asked."""
    modes = [way for way in found if way not in set(RoomUse)]
    if wished is not None:
        return wished if wished in modes else None
    return known if known in modes else modes[0] if len(found) == len(modes) == 1 else None


def _with_no_way(talk: Talk, wish: Wish, said: Wish) -> Any:
    """What was said instead of how to talk is kept, and said to be; a way that cannot be had is let go. Shape: Wish."""
    besides = {name: value for name, value in said.items() if name != "mode"}
    if besides:
        heard = yield from remember("heard", partial(read_back, talk, besides))
        yield from (tell("booking.heard", said=heard) if heard else tell("booking.heard_for_later"))
    if "mode" in wish:
        yield from tell("booking.no_such_mode", mode=talk.words(f"booking.mode.{wish['mode']}"))
    return {name: value for name, value in wish.items() if name != "mode"}
