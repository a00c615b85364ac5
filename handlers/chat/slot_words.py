"""Free times and wishes in words, and as the values of options. Local times have no zone here, as in wishes."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any

from handlers.dialogue.talk import Talk
from handlers.dialogue.times import Wish, when_of
from handlers.when.hours import PARTS
from handlers.when.meaning import Shape, When
from models.booking.access import names_of, rooms_alone
from models.booking.choices import Mode
from models.booking.slots import Slot
from models.booking.table import Tier

MOST = 30
_PARTS = {(f"{start:%H:%M}", f"{end:%H:%M}"): part.value for part, (start, end) in PARTS.items()}

Search = dict[str, Any]
"""What is looked for.

Shape: mode (a Mode), any (nobody said which one), use (a RoomUse, or None), soon (whether to hurry), serves (what would move, or
None), without (a counselor who is not offered, or None).
"""


def options_of(talk: Talk, search: Search, slots: Iterable[Slot], last: int | None) -> list[list[str]]:
    """The times as options; the counselor of the last time, the station and whom the asker knows otherwise are marked."""
    slots = list(slots)
    names = names_of(talk.session, {it.counselor_id for it in slots})
    rooms = {room.id: room.name for room in rooms_alone(talk.session)} if search["use"] else {}
    found = []
    for it in slots:
        who = talk.teachers([names[it.counselor_id]])[0] if it.counselor_id else rooms.get(it.room_id, "")
        key = _key(talk, search, it, last)
        found.append([value_of(it, search), talk.words(f"booking.{key}", when=it.starts_at, who=who)])
    return found


def _key(talk: Talk, search: Search, it: Slot, last: int | None) -> str:
    """Why a time may stand out of turn is said behind it."""
    if last is not None and it.counselor_id == last:
        return "slot_last" if search["serves"] is None else "slot_now"
    if it.tied:
        return "slot_tied"
    return "slot_station" if it.tier is Tier.STATION and talk.policy.booking.station_first else "slot"


def days_of(talk: Talk, slots: list[Slot]) -> list[list[str]]:
    """The days with a free time, and how many."""
    count: dict[date, int] = {}
    for it in sorted(slots, key=lambda it: it.starts_at):
        day = local_of(talk, it.starts_at).date()
        count[day] = count.get(day, 0) + 1
    return [
        [f"when:{day}", talk.words("booking.day", day=_shown_day(talk, day), count=free)]
        for day, free in list(count.items())[:MOST]
    ]


def value_of(slot: Slot, search: Search) -> str:
    """A slot as an option's value; `slot_in` reads it back."""
    mode = search["mode"] or Mode.IN_PERSON.value
    return f"slot:{slot.starts_at.isoformat()}/{slot.counselor_id or ''}/{slot.room_id or ''}/{mode}"


def slot_in(value: str) -> dict[str, Any]:
    """The slot that an option's value names. Shape: starts_at (ISO), counselor, room (ids or None), mode."""
    starts_at, counselor, room, mode = value.removeprefix("slot:").split("/")
    return {
        "starts_at": starts_at,
        "counselor": int(counselor) if counselor else None,
        "room": int(room) if room else None,
        "mode": mode,
    }


def read_back(talk: Talk, wish: Wish, names: list[str] | None = None) -> str:
    """What was understood, as it is read back; "" when nothing was said. `names`: of the counselors that were asked for."""
    parts = [shown_when(talk, when_of(wish["when"]))] if "when" in wish else []
    if names is None and "counselors" in wish:
        names = talk.teachers(sorted(names_of(talk.session, wish["counselors"]).values()))
    parts += names or []
    parts += [talk.words(f"booking.mode.{wish['mode']}")] if "mode" in wish else []
    parts += [talk.words(f"booking.about.{wish['topic']}")] if "topic" in wish else []
    parts += [talk.words("booking.soonest")] if "soonest" in wish else []
    return "，".join(parts)


def shown_when(talk: Talk, when: When) -> str:
    """「12月2日 周三下午」."""
    first, last = _shown_day(talk, when.first_day), _shown_day(talk, when.last_day)
    if when.shape is Shape.DAY:
        return first
    if when.shape is Shape.DAYS:
        return talk.words("booking.span", first=first, last=last)
    if when.shape is Shape.MOMENT:
        return f"{first} {when.start:%H:%M}"
    if first == last:
        part = _PARTS.get((f"{when.start:%H:%M}", f"{when.end:%H:%M}"))
        return f"{first}{part or f' {when.start:%H:%M}–{when.end:%H:%M}'}"
    return talk.words("booking.span", first=f"{first} {when.start:%H:%M}", last=f"{last} {when.end:%H:%M}")


def _shown_day(talk: Talk, day: date) -> str:
    return f"{talk.words.show(day)} 周{'一二三四五六日'[day.weekday()]}"


def local_of(talk: Talk, moment: datetime) -> datetime:
    """Local time without a zone, as wishes have it."""
    return moment.astimezone(talk.policy.booking.zone).replace(tzinfo=None)


def utc_of(talk: Talk, local: datetime) -> datetime:
    """The moment of a local time without a zone; aware UTC."""
    return local.replace(tzinfo=talk.policy.booking.zone).astimezone(UTC)
