"""What a counselor proposes instead: one of the times, the old one, or somebody else. Nothing moves without an answer (K-35)."""

from functools import partial
from typing import Any

from handlers.chat.moving import move_it
from handlers.chat.telling import shown
from handlers.dialogue.question import OneOf
from handlers.dialogue.steps import Dialogue, ask, once
from handlers.dialogue.talk import Talk
from models.booking.access import access_appointment
from models.booking.proposing import accept, decline, open_proposal
from models.booking.table import Side
from models.booking.taking import By

PROPOSAL = OneOf("my_appointments.proposal")
KEEP, OTHER = "keep", "other"


def proposal_of(talk: Talk) -> dict[str, Any] | None:
    """What the asker is asked. Shape: id, appointment, lead, options, counselor (the one who asks)."""
    asked = open_proposal(talk.session, talk.actor.person, now=talk.now)
    if asked is None:
        return None
    options = []
    for time in asked.times:
        key = "proposed_colleague" if time.colleague else "proposed"
        who = talk.teachers([time.counselor])[0]
        options.append([str(time.id), talk.words(f"my_appointments.{key}", when=time.starts_at, who=who)])
    if not asked.for_leave:
        options.append([KEEP, talk.words("my_appointments.proposal_keep")])
    options.append([OTHER, talk.words("my_appointments.proposal_other")])
    it = access_appointment(talk.session, talk.actor, asked.appointment_id)
    return {
        "id": asked.id,
        "appointment": asked.appointment_id,
        "counselor": it.counselor_id,
        "options": options,
        "lead": talk.words(
            "my_appointments.proposed_for_leave" if asked.for_leave else "my_appointments.proposed_instead",
            who=talk.teachers([asked.counselor])[0],
            was=asked.starts_at,
            until=asked.until,
        ),
    }


def answer_proposal(talk: Talk, asked: dict[str, Any]) -> Dialogue:
    """Ask, and do what was answered; 「都不行，换一位」 goes on to the times of others."""
    answer = yield from ask(PROPOSAL, lead=asked["lead"], options=asked["options"])
    by = By(talk.actor.person, Side.STUDENT)
    policy = talk.policy.booking
    if answer not in {KEEP, OTHER}:
        yield from once("accept", partial(_accepted, talk, asked["id"], int(answer)))
        it = access_appointment(talk.session, talk.actor, asked["appointment"])
        return talk.say("my_appointments.accepted", what=shown(talk, it))
    other = answer == OTHER

    def declined() -> None:
        decline(talk.session, by, asked["id"], other=other, policy=policy, now=talk.now)

    yield from once("decline", declined)
    if not other:
        it = access_appointment(talk.session, talk.actor, asked["appointment"])
        return talk.say("my_appointments.stays_as_it_was", what=shown(talk, it))
    return (yield from move_it(talk, asked["appointment"], without=asked["counselor"]))


def _accepted(talk: Talk, proposal_id: int, time_id: int) -> None:
    by = By(talk.actor.person, Side.STUDENT)
    accept(talk.session, by, proposal_id, time_id, policy=talk.policy.booking, now=talk.now)
