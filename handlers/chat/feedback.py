"""「聊得怎么样」: four faces after a visit, and whether the same counselor again. Script: domain 6.5."""

from typing import Any

from handlers.dialogue.conversation import BOUND, conversation
from handlers.dialogue.question import Choice
from handlers.dialogue.steps import Dialogue, ask, once, remember
from handlers.dialogue.talk import Talk
from models.booking.feedback import tell_how_it_was, visit_to_tell_of
from models.booking.table import Again, Face

FACE = Choice("feedback.face", Face)
AGAIN = Choice("feedback.again", Again)


@conversation("feedback", start=["聊得怎么样"], who=BOUND, light=True)
def feedback(talk: Talk) -> Dialogue:
    """How the last visit was; nobody but the centre sees the totals, and nobody sees whose it was."""
    visit = yield from remember("visit", lambda: _visit(talk))
    if visit is None:
        return talk.say("feedback.none")
    face = yield from ask(FACE, day=visit["day"])
    again = yield from ask(AGAIN)
    yield from once("tell", lambda: _tell(talk, visit["id"], face, again))
    return talk.say("feedback.sorry" if face is Face.BAD else "feedback.thanks")


def _visit(talk: Talk) -> dict[str, Any] | None:
    """Shape: id, day (「今天」, or which day it was)."""
    it = visit_to_tell_of(talk.session, talk.actor, now=talk.now)
    if it is None:
        return None
    zone = talk.policy.booking.zone
    day = it.starts_at.astimezone(zone).date()
    if day == talk.now.astimezone(zone).date():
        return {"id": it.id, "day": talk.words("feedback.today")}
    return {"id": it.id, "day": talk.words("feedback.that_day", day=day)}


def _tell(talk: Talk, appointment_id: int, face: Face, again: Again) -> None:
    tell_how_it_was(talk.session, talk.actor, appointment_id, face, again, policy=talk.policy.booking, now=talk.now)
