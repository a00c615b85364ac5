"""「建议改期」: a counselor asks a student for another time, or lets a colleague be asked for. Rules: domain 6.5, K-35."""

from datetime import datetime
from typing import Any

from handlers.chat.desk_lines import as_options, today_and_after
from handlers.dialogue.conversation import conversation
from handlers.dialogue.question import OneOf
from handlers.dialogue.steps import Dialogue, ask, once, remember, tell
from handlers.dialogue.stretches import SAID, UpToThree, when_said
from handlers.dialogue.talk import Talk
from handlers.when.meaning import When
from models.booking.access import names_of
from models.booking.alternatives import could_propose
from models.booking.desk import access_client, is_on_duty, profile_of
from models.booking.proposing import propose
from models.booking.slots import Slot
from models.booking.table import FIRM, Appointment, Side
from models.booking.taking import By
from models.errors import DomainError

OWN, COLLEAGUES = 6, 2
_NOT = "no"

WHICH = OneOf("proposing.which")
TIMES = UpToThree("proposing.times")


@conversation("proposing", start=["建议改期"], who=is_on_duty, light=True)
def proposing(talk: Talk) -> Dialogue:
    """Which appointment, and up to three other times."""
    profile = profile_of(talk.session, talk.actor.person)
    if profile is None:
        return talk.say("desk.no_profile")
    counselor_id = profile.id or 0
    options = yield from remember("coming", lambda: _coming(talk, counselor_id))
    if not options:
        return talk.say("proposing.none_coming")
    chosen = options[0][0]
    if len(options) > 1:
        chosen = yield from ask(WHICH, options=options)
    done = yield from propose_times(talk, int(chosen.removeprefix("row:")))
    return talk.say("proposing.over", how=talk.words(done[0], **done[1]))


def _coming(talk: Talk, counselor_id: int) -> list[list[Any]]:
    today, after = today_and_after(talk, counselor_id)
    return as_options(talk, [row for row in (*today, *after) if row.starts_at > talk.now and row.state in FIRM])


def propose_times(talk: Talk, appointment_id: int) -> Any:
    """Ask until there is a time to propose; the key and the values of the sentence that says how it ended."""
    wish = ""
    while True:
        found = yield from remember("times", lambda wish=wish: _times(talk, appointment_id, wish))  # type: ignore[misc]
        if not found["options"] and not wish:
            return "proposing.nothing", {}
        if not found["options"]:
            yield from tell("proposing.none_then")
            wish = ""
            continue
        chosen = yield from ask(TIMES, options=found["options"], was=datetime.fromisoformat(found["was"]))
        if len(chosen) == 1 and chosen[0].startswith(SAID):
            wish = chosen[0].removeprefix(SAID)
            continue
        made = yield from once("propose", lambda chosen=chosen: _propose(talk, appointment_id, chosen))  # type: ignore[misc]
        if "until" in made:
            return "proposing.made", {"until": datetime.fromisoformat(made["until"])}
        yield from tell("proposing.gone")


def _times(talk: Talk, appointment_id: int, wish: str) -> dict[str, Any]:
    """The times to choose from: own ones, then the nearest of colleagues. Shape: was, options of [start|counselor, label]."""
    it = access_client(talk.session, talk.actor, appointment_id)
    slots = could_propose(talk.session, it, policy=talk.policy.booking, now=talk.now)
    when = when_said(wish, talk) if wish else None
    if isinstance(when, When):
        slots = [slot for slot in slots if _fits(slot, when)]
    own = [slot for slot in slots if slot.counselor_id == it.counselor_id][:OWN]
    others = sorted(
        (slot for slot in slots if slot.counselor_id != it.counselor_id),
        key=lambda slot: (abs(slot.starts_at - it.starts_at), slot.starts_at),
    )
    chosen = own + sorted(others[:COLLEAGUES], key=lambda slot: slot.starts_at)
    names = names_of(talk.session, [slot.counselor_id for slot in chosen])
    return {
        "was": it.starts_at.isoformat(),
        "options": [[_value(slot), _label(talk, slot, it, names)] for slot in chosen],
    }


def _fits(slot: Slot, when: When) -> bool:
    return slot.starts_at == when.start or when.start <= slot.starts_at < when.end


def _value(slot: Slot) -> str:
    return f"{slot.starts_at.isoformat()}|{slot.counselor_id}"


def _label(talk: Talk, slot: Slot, it: Appointment, names: dict[int, str]) -> str:
    when = talk.words.show(slot.starts_at)
    if slot.counselor_id == it.counselor_id:
        return str(when)
    return talk.words("proposing.colleague", when=when, counselor=talk.teachers([names[slot.counselor_id or 0]])[0])


def _propose(talk: Talk, appointment_id: int, chosen: list[str]) -> dict[str, Any]:
    """Propose what was chosen. Shape: until; no when nothing of it is left."""
    it = access_client(talk.session, talk.actor, appointment_id)
    by_value = {
        _value(slot): slot for slot in could_propose(talk.session, it, policy=talk.policy.booking, now=talk.now)
    }
    slots = [by_value[value] for value in chosen if value in by_value]
    by = By(talk.actor.person, Side.COUNSELOR)
    try:
        made = propose(talk.session, by, appointment_id, slots, policy=talk.policy.booking, now=talk.now)
    except DomainError:
        return {_NOT: True}
    return {"until": made.until.isoformat()}
