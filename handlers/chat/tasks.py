"""「待办」: what waits for the centre about bookings. Rules: domain X-17, K-35; docs/rules.md#booking.

Times and counselors in chat; whom to ring up stands behind a ten-minute link.
"""

from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Any

from handlers.dialogue.conversation import conversation
from handlers.dialogue.question import Among, OneOf, YesNo, YesOrNo
from handlers.dialogue.steps import Dialogue, ask, once, remember, tell
from handlers.dialogue.talk import Talk
from models.booking.access import names_of
from models.booking.acting import cancel, confirm, decline
from models.booking.alternatives import could_propose
from models.booking.desk import is_of_the_centre
from models.booking.slots import Slot
from models.booking.table import Appointment, Side
from models.booking.taking import By
from models.booking.tasks import Task, TaskKind, access_tasks, assign, move_as_agreed, settle, still_waits, who_else
from models.errors import DomainError
from models.link import make_link
from models.outbox import note_opened
from models.post import CENTRE_LEADS


class Act(StrEnum):
    """What can be done with a task."""

    CONFIRM = "confirm"
    ASSIGN = "assign"
    DECLINE = "decline"
    WHO = "who"
    MOVE = "move"
    CANCEL = "call_off"
    SETTLED = "settled"
    NOTHING = "nothing"


_ACTS = {
    TaskKind.CONFIRM: (Act.CONFIRM, Act.ASSIGN, Act.DECLINE, Act.WHO, Act.NOTHING),
    TaskKind.SETTLE: (Act.WHO, Act.ASSIGN, Act.MOVE, Act.CANCEL, Act.SETTLED, Act.NOTHING),
    TaskKind.MISSES: (Act.WHO, Act.NOTHING),
}
_MOST = 24  # times to choose from

LIST = OneOf("tasks.list")
ACT = Among("tasks.act", Act)
OTHER = OneOf("tasks.other")
NEW_TIME = OneOf("tasks.new_time")
SURE_DECLINE = YesNo("tasks.sure_decline")
SURE_CANCEL = YesNo("tasks.sure_cancel")


@conversation("tasks", start=["待办"], who=CENTRE_LEADS, light=True)
def tasks(talk: Talk) -> Dialogue:
    """One after the other, until nothing waits."""
    if not is_of_the_centre(talk.session, talk.actor.person):  # somebody whose post has ended meanwhile
        return talk.say("tasks.none")
    while True:
        waiting = yield from remember("tasks", lambda: _waiting(talk))
        if not waiting:
            return talk.say("tasks.none")
        chosen = yield from ask(
            LIST, options=[[str(at), each["row"]] for at, each in enumerate(waiting)], count=len(waiting)
        )
        ended = yield from _one(talk, waiting[int(chosen)])
        if ended is not None:
            yield from tell(ended[0], **ended[1])


def _waiting(talk: Talk) -> list[dict[str, Any]]:
    """What waits, as JSON. Shape: kind, appointment, proposal, row."""
    note_opened(talk.session, talk.actor.person, now=talk.now)
    found = access_tasks(talk.session, talk.actor, policy=talk.policy.booking, now=talk.now)
    return [
        {"kind": it.kind.value, "appointment": it.appointment_id, "proposal": it.proposal_id, "row": _row(talk, it)}
        for it in found
    ]


def _row(talk: Talk, it: Task) -> str:
    key = f"tasks.row.{it.kind.value if it.kind is not TaskKind.SETTLE else it.why}"
    counselor = talk.teachers([it.counselor])[0] if it.counselor else talk.words("tasks.no_counselor")
    return talk.words(key, when=it.starts_at, counselor=counselor, until=it.until or it.starts_at)


def _one(talk: Talk, task: dict[str, Any]) -> Any:
    """Do something with one task; how it ended."""
    appointment_id, kind = int(task["appointment"]), TaskKind(task["kind"])
    act = yield from ask(ACT, row=task["row"], only=[each.value for each in _ACTS[kind]])
    if act is Act.NOTHING:
        return None
    if act is Act.WHO:
        target = f"client:{appointment_id}"
        token = yield from once("who", lambda: make_link(talk.session, talk.actor, target, now=talk.now))
        return "tasks.link", {"url": f"{talk.policy.public_url}/open/{token}"}
    chosen = ""
    if act in {Act.ASSIGN, Act.MOVE}:
        options = yield from remember("slots", lambda: _slots(talk, task, act))
        if not options:
            return ("tasks.nobody_else" if act is Act.ASSIGN else "tasks.no_time"), {}
        chosen = yield from ask(OTHER if act is Act.ASSIGN else NEW_TIME, options=options, row=task["row"])
    if act is Act.DECLINE and (yield from ask(SURE_DECLINE, row=task["row"])) is YesOrNo.NO:
        return "tasks.left", {}
    if act is Act.CANCEL and (yield from ask(SURE_CANCEL, row=task["row"])) is YesOrNo.NO:
        return "tasks.left", {}
    return (yield from once("act", partial(_act, talk, task, act, chosen))), {}


def _slots(talk: Talk, task: dict[str, Any], act: Act) -> list[list[str]]:
    """Other counselors at the same time, or other times; [] when the task waits no more."""
    it = _still(talk, task)
    if it is None:
        return []
    find = who_else if act is Act.ASSIGN else could_propose
    slots = find(talk.session, it, policy=talk.policy.booking, now=talk.now)[:_MOST]
    names = names_of(talk.session, [slot.counselor_id for slot in slots])
    return [[_value(slot), _label(talk, slot, names)] for slot in slots]


def _value(slot: Slot) -> str:
    return f"{slot.starts_at.isoformat()}|{slot.counselor_id}"


def _label(talk: Talk, slot: Slot, names: dict[int, str]) -> str:
    counselor = talk.teachers([names[slot.counselor_id or 0]])[0]
    return talk.words("tasks.slot", when=slot.starts_at, counselor=counselor)


def _still(talk: Talk, task: dict[str, Any]) -> Appointment | None:
    return still_waits(
        talk.session,
        talk.actor,
        TaskKind(task["kind"]),
        int(task["appointment"]),
        policy=talk.policy.booking,
        now=talk.now,
    )


def _act(talk: Talk, task: dict[str, Any], act: Act, chosen: str) -> str:
    """Do it; the key of what to say. Somebody else may have been first: then nothing is changed, and it is said."""
    session, policy, now = talk.session, talk.policy.booking, talk.now
    by, appointment_id = By(talk.actor.person, Side.CENTRE), int(task["appointment"])
    it = _still(talk, task)
    if it is None:
        return "tasks.gone"
    try:
        if act is Act.CONFIRM:
            confirm(session, by, appointment_id, policy=policy, now=now)
        elif act is Act.DECLINE:
            decline(session, by, appointment_id, policy=policy, now=now)
        elif act is Act.CANCEL:
            cancel(session, by, appointment_id, policy=policy, now=now)
        elif act is Act.SETTLED:
            settle(session, by, int(task["proposal"]), now=now)
        elif act is Act.ASSIGN:
            assign(session, by, appointment_id, int(chosen.partition("|")[2]), policy=policy, now=now)
        else:
            starts_at, _, counselor_id = chosen.partition("|")
            slots = could_propose(session, it, policy=policy, now=now)
            wanted = (datetime.fromisoformat(starts_at), int(counselor_id))
            slot = next((each for each in slots if (each.starts_at, each.counselor_id) == wanted), None)
            if slot is None:
                return "tasks.time_gone"
            move_as_agreed(session, by, appointment_id, slot, policy=policy, now=now)
    except DomainError:
        return "tasks.time_gone" if act in {Act.MOVE, Act.ASSIGN} else "tasks.gone"
    return f"tasks.done.{act.value}"
