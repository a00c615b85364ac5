"""What both check-ins begin with: which of the officer's units, and whether somebody has sent it already."""

from enum import StrEnum
from typing import Any

from handlers.dialogue.question import OneOf
from handlers.dialogue.replay import answered
from handlers.dialogue.steps import ask, remember
from handlers.dialogue.talk import Talk
from models.checkin import find_sent, own_units
from models.post import Role
from models.round import RoundKind, current_round
from models.unit import place


class Correct(StrEnum):
    """What to do with one that is there."""

    CHANGE = "change"
    LEAVE = "leave"


def which_unit(talk: Talk, role: Role, which: OneOf) -> Any:
    """The id of the officer's unit; asked only when there are several."""
    units = yield from remember("units", lambda: _named_units(talk, role))
    if len(units) == 1:
        return int(units[0][0])
    return int((yield from ask(which, options=units)))


def unit_in(log: list[dict[str, Any]]) -> int | None:
    """The unit that `which_unit` found, as a conversation's log has it; None when it is not settled yet."""
    chosen = [value for key, value in answered(log) if key.endswith(".which")]
    if chosen:
        return int(chosen[-1])
    units: list[list[str]] = next(
        (entry["v"] for entry in log if entry["k"] == "remember" and entry["n"] == "units"), []
    )
    return int(units[0][0]) if len(units) == 1 else None


def _named_units(talk: Talk, role: Role) -> list[list[str]]:
    units = [place(talk.session, unit_id) for unit_id in own_units(talk.actor, role)]
    return [[str(unit.id), unit.name] for unit in units]


def begin(talk: Talk, kind: RoundKind, unit_id: int) -> dict[str, Any]:
    """The round that takes the check-in now, and what was sent for the unit before.

    Shape: round, unit (its name), version (0: nothing was sent), sent (None, or name and at).
    """
    it = current_round(talk.session, talk.policy.checkin, kind, now=talk.now)
    sent = find_sent(talk.session, it.id or 0, unit_id)
    return {
        "round": it.id,
        "unit": place(talk.session, unit_id).name,
        "version": sent.version if sent else 0,
        "sent": {"name": sent.author, "at": talk.words.show(sent.sent_at)} if sent else None,
    }
