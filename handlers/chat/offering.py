"""Which free times are shown to a student, in which order, and what is said above them. Reads only; all of it JSON.

The same counselor first, then the earliest three of different half days; what was wished for narrows the list; where nothing
suits, the nearest ones stand in their place and the sentence says why. Rules: docs/rules.md#booking.
"""

from datetime import date, datetime, timedelta
from typing import Any

from handlers.chat.slot_words import (
    MOST,
    Search,
    days_of,
    local_of,
    options_of,
    read_back,
    shown_when,
    utc_of,
    value_of,
)
from handlers.dialogue.talk import Talk
from handlers.dialogue.times import Wish, when_of
from handlers.when.meaning import Shape, When
from models.booking.access import access_appointment, is_sent_on, last_counselor, names_of, rooms_alone
from models.booking.choices import Mode
from models.booking.rules import check_limits, is_closed
from models.booking.slots import Slot, free_slots
from models.booking.table import RoomUse, Tier
from models.errors import RefusedError

NONE = "none"
FIRST = 3

Page = dict[str, Any]
"""What is shown.

Shape: search, wish, choice (a slot that is meant beyond doubt, or None), lead, options, first (how many of them at first).
"""


def look(talk: Talk, search: Search, wish: Wish) -> Page:
    """The times for a wish. What cannot be had is said once and taken out of the wish that the page hands back."""
    notes: list[str] = []
    search, wish = _with_mode(talk, search, wish, notes)
    doubt = wish.get("doubt")
    if doubt:
        coming = [each for each in map(when_of, doubt["candidates"]) if utc_of(talk, each.end) > talk.now]
        if coming:
            lead = talk.words(f"booking.doubt.{doubt['why']}")
            options = [*doubt.get("options", []), *([f"when:{each}", shown_when(talk, each)] for each in coming)]
            return _page(search, wish, [*notes, lead], options)
        notes.append(talk.words("booking.lead.over" if doubt["candidates"] else "booking.unsure"))
    every = on_offer(talk, search)
    if wish.get("days"):
        return _page(search, wish, [talk.words("booking.lead.days")], days_of(talk, every))
    last = _whose(talk, search)
    slots, asked_for, wish = _of_counselor(talk, search, every, wish, last, notes)
    when = when_of(wish["when"]) if "when" in wish else None
    said = read_back(talk, wish, asked_for)
    fitting = [it for it in slots if when is None or _fits(talk, it, when)]
    sure = _beyond_doubt(fitting, when, last, soonest="soonest" in wish)
    if sure is not None:
        return _page(search, wish, notes, [], choice=value_of(sure, search))
    if when is None and "taken" in wish:
        first = _nearest(slots, datetime.fromisoformat(wish["taken"]))
        notes.append(talk.words("booking.lead.taken"))
    elif when is None:
        first = _first_three(talk, search, slots, last)
        notes.append(talk.words("booking.lead.found", said=said) if said else talk.words("booking.lead.first"))
    elif fitting:
        first = fitting
        notes.append(talk.words("booking.lead.found", said=said))
    else:
        first = _nearest(slots or every, utc_of(talk, when.start))
        notes.append(_why_none(talk, search, when, said))
    shown = [*first, *(it for it in slots if it not in first)][:MOST] if first else []
    fit = min(len(fitting), 6) if when is not None else 0  # what does not fit stands behind 「更多」
    return _page(search, wish, notes, options_of(talk, search, shown, last), first=fit or FIRST)


# ── what there is ───────────────────────────────────────────────────────────────────────────────────────────────────


def ways(talk: Talk) -> list[str]:
    """How the asker could be seen just now: the modes with a free time, then the uses of rooms by themselves."""
    found = {mode for slot in _counselors_times(talk) for mode in slot.modes}
    uses = {room.use for room in rooms_alone(talk.session)}
    return [mode.value for mode in Mode if mode in found] + [use.value for use in RoomUse if use in uses]


def _counselors_times(talk: Talk, mode: Mode | None = None, serves: int | None = None) -> list[Slot]:
    slots = free_slots(
        talk.session,
        policy=talk.policy.booking,
        now=talk.now,
        student_id=talk.actor.person,
        mode=mode,
        instead_of=serves,
    )
    sent_on = is_sent_on(talk.session, talk.actor)
    return [slot for slot in slots if slot.tier is Tier.CENTRE or not sent_on]


def on_offer(talk: Talk, search: Search) -> list[Slot]:
    """Free times, earliest first; those with somebody whom the asker knows otherwise come last."""
    if search["use"] is None:
        found = _counselors_times(talk, Mode(search["mode"]), search["serves"])
        found = [it for it in found if it.counselor_id != search["without"] or search["without"] is None]
        return sorted(found, key=lambda it: (it.tied, it.starts_at))
    found = []
    for room in rooms_alone(talk.session):
        if room.use == search["use"]:
            found += free_slots(
                talk.session,
                policy=talk.policy.booking,
                now=talk.now,
                student_id=talk.actor.person,
                room_id=room.id,
                instead_of=search["serves"],
            )
    return sorted(found, key=lambda it: it.starts_at)


def _whose(talk: Talk, search: Search) -> int | None:
    """Who stands first: the counselor of what would move, else of the last time."""
    if search["use"] is not None:
        return None
    if search["serves"] is not None:
        return access_appointment(talk.session, talk.actor, search["serves"]).counselor_id
    return last_counselor(talk.session, talk.actor)


def _with_mode(talk: Talk, search: Search, wish: Wish, notes: list[str]) -> tuple[Search, Wish]:
    """Another way of talking, if it was wished for and there is one."""
    mode = wish.get("mode")
    if mode is None or mode == search["mode"]:
        return search, wish
    if search["use"] is None and _counselors_times(talk, Mode(mode), search["serves"]):
        return {**search, "mode": mode, "any": False}, wish
    notes.append(talk.words("booking.no_such_mode", mode=talk.words(f"booking.mode.{mode}")))
    return search, _without(wish, "mode")


def _without(wish: Wish, *names: str) -> Wish:
    return {name: value for name, value in wish.items() if name not in names}


def _of_counselor(
    talk: Talk, search: Search, slots: list[Slot], wish: Wish, last: int | None, notes: list[str]
) -> tuple[list[Slot], list[str], Wish]:
    """The times of whoever was asked for, with their names; all times when nobody was, or there is nobody."""
    asked, bare = "same" in wish or "counselors" in wish, _without(wish, "same", "counselors", "unknown")
    if "unknown" in wish:
        notes.append(talk.words("booking.no_such_counselor", name=wish["unknown"]))
        return slots, [], bare
    if not asked or search["use"] is not None:
        return slots, [], bare
    named = names_of(talk.session, wish.get("counselors") or [last])
    if not named:
        notes.append(talk.words("booking.no_last"))
        return slots, [], bare
    theirs = [it for it in slots if it.counselor_id in named]
    spoken = talk.teachers(sorted(named.values()))
    if theirs:
        return theirs, spoken, wish
    others = {
        mode for it in _counselors_times(talk, None, search["serves"]) if it.counselor_id in named for mode in it.modes
    }
    modes = [talk.words(f"booking.mode.{mode.value}") for mode in Mode if mode in others]
    key = "booking.counselor_not_so" if modes else "booking.counselor_full"
    notes.append(talk.words(key, names=spoken, mode=talk.words(f"booking.mode.{search['mode']}"), modes=modes))
    return slots, [], bare if modes else {**bare, "wanted": sorted(named)}


# ── which of them, in which order ───────────────────────────────────────────────────────────────────────────────────


def _fits(talk: Talk, slot: Slot, when: When) -> bool:
    start = local_of(talk, slot.starts_at)
    return start == when.start if when.shape is Shape.MOMENT else when.start <= start < when.end


def _beyond_doubt(slots: list[Slot], when: When | None, last: int | None, *, soonest: bool) -> Slot | None:
    """The one time that is meant: the earliest for 「越快越好」; of a moment the only one there is, or the same counselor's.

    Of several at the earliest moment the same counselor's comes first, else whoever has fewest first bookings.
    """
    slots = [it for it in slots if not it.tied]  # whom one knows otherwise is never chosen for one
    if soonest and slots:
        first = min(slots, key=lambda it: it.starts_at)
        return next((it for it in slots if it.starts_at == first.starts_at and it.counselor_id == last), first)
    if when is None or when.shape is not Shape.MOMENT:
        return None
    same = [it for it in slots if it.counselor_id == last and last is not None]
    return slots[0] if len(slots) == 1 else same[0] if same else None


def _first_three(talk: Talk, search: Search, slots: list[Slot], last: int | None) -> list[Slot]:
    """The same counselor's earliest, the station's earliest (J-11), then the earliest of other half days.

    Who is in a hurry gets the days in order, the centre first on each.
    """

    def order(it: Slot) -> tuple[Any, ...]:
        if search["soon"]:
            return it.tied, local_of(talk, it.starts_at).date(), it.tier is not Tier.CENTRE, it.starts_at
        return it.tied, it.starts_at

    ordered = sorted(slots, key=order)
    found: list[Slot] = []
    if not search["soon"]:
        found += [it for it in ordered if last is not None and it.counselor_id == last][:1]
        if talk.policy.booking.station_first:
            found += [it for it in ordered if it.tier is Tier.STATION and it.counselor_id != last][:1]
    for it in ordered:
        if len(found) < FIRST and _half(talk, it) not in {_half(talk, each) for each in found}:
            found.append(it)
    for it in ordered:
        if len(found) < FIRST and it not in found:
            found.append(it)
    return found


def _half(talk: Talk, slot: Slot) -> tuple[date, bool]:
    start = local_of(talk, slot.starts_at)
    return start.date(), start.hour < 12  # noqa: PLR2004 — noon


def _nearest(slots: list[Slot], moment: datetime) -> list[Slot]:
    """By nearness, but the nearest three in the order of time."""
    found = sorted(slots, key=lambda it: (it.tied, abs(it.starts_at - moment)))
    return [*sorted(found[:FIRST], key=lambda it: it.starts_at), *found[FIRST:]]


def _why_none(talk: Talk, search: Search, when: When, said: str) -> str:
    """Why there is no time like that: past, closed, too far off, too near, one a week, or full."""
    policy, words = talk.policy.booking, talk.words
    start, end, now = utc_of(talk, when.start), utc_of(talk, when.end), talk.now
    days = [when.first_day + timedelta(days=at) for at in range((when.last_day - when.first_day).days + 1)]
    if max(start, end) <= now:
        return words("booking.lead.past", said=said)
    if start > now + policy.horizon:
        return words("booking.lead.far", said=said, last=local_of(talk, now + policy.horizon).date())
    if all(is_closed(day, policy) for day in days[:60]):
        return words("booking.lead.closed", said=said)
    if max(start, end) <= now + policy.notice:
        return words("booking.lead.near", said=said, hours=int(policy.notice.total_seconds() // 3600))
    if search["use"] is None:
        try:
            check_limits(
                talk.session, talk.actor.person, max(start, now), policy=policy, now=now, but=search["serves"] or 0
            )
        except RefusedError:
            return words("booking.lead.one_a_week", said=said)
    return words("booking.lead.full", said=said)


def _page(
    search: Search, wish: Wish, notes: list[str], options: list[list[str]], *, choice: str | None = None, first: int = 6
) -> Page:
    lead = "\n".join(notes)
    return {"search": search, "wish": wish, "choice": choice, "lead": lead, "options": options, "first": first}
