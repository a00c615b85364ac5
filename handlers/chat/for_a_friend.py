"""「帮同学约」: a card to pass on; nobody books for somebody else. Script: domain 6.5."""

import re

from handlers.chat.lining_up import centre
from handlers.dialogue.conversation import BOUND, conversation
from handlers.dialogue.steps import Dialogue, remember
from handlers.dialogue.talk import Talk
from models.person import Kind

_FOR_A_FRIEND = re.compile(r"[帮替给].{0,3}(?:同学|朋友|室友|舍友|别人|[他她]|ta).{0,4}约")
_LONGEST = 80


def meant_for_a_friend(text: str) -> str | None:
    """「想帮室友约」."""
    return text if len(text) <= _LONGEST and _FOR_A_FRIEND.search(text) else None


@conversation(
    "for_a_friend", start=["帮同学约"], who=BOUND, light=True, means=meant_for_a_friend, listed_for=Kind.STUDENT
)
def for_a_friend(talk: Talk) -> Dialogue:
    """A card to pass on: whoever gets it decides for themselves."""
    card = yield from remember("card", lambda: talk.words("for_a_friend.card", **centre(talk)))
    return talk.say("for_a_friend.pass_on", card=card)
