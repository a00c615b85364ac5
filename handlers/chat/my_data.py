"""「我的数据」: what is stored about the asker, and the way out. Rules: domain L-12, L-20."""

from enum import StrEnum

from handlers.dialogue.conversation import BOUND, conversation
from handlers.dialogue.question import Choice
from handlers.dialogue.steps import Dialogue, ask, once, remember
from handlers.dialogue.talk import Talk
from models.binding import unbind
from models.own_data import own_data


class Then(StrEnum):
    """What to do."""

    FINE = "fine"
    UNBIND = "unbind"


class Sure(StrEnum):
    """Whether to really unbind."""

    KEEP = "keep"
    UNBIND = "unbind"


THEN = Choice("my_data.then", Then)
SURE = Choice("my_data.sure", Sure)


@conversation("my_data", start=["我的数据"], who=BOUND, light=True)
def my_data(talk: Talk) -> Dialogue:
    """Say what is stored; unbind if the person wishes."""
    shown = yield from remember("data", lambda: own_data(talk.session, talk.actor, now=talk.now))
    roles = [talk.words.role(role) for role in shown.pop("roles")] or [talk.words("my_data.no_role")]
    if (yield from ask(THEN, roles=roles, **shown)) is Then.FINE:
        return talk.say("my_data.done")
    if (yield from ask(SURE)) is Sure.KEEP:
        return talk.say("my_data.kept")
    yield from once("unbind", lambda: unbind(talk.session, talk.actor, now=talk.now))
    return talk.say("my_data.unbound")
