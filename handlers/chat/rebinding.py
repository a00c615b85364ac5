"""「换绑」: whether another account may stand for oneself, or for somebody one has checked in person. Rules: design, Binding."""

from enum import StrEnum
from typing import Any

from handlers.dialogue.conversation import BOUND, conversation
from handlers.dialogue.question import Choice, OneOf, YesNo, YesOrNo
from handlers.dialogue.steps import Dialogue, ask, once, remember
from handlers.dialogue.talk import Talk
from models.rebinding import answer_wish, open_wishes

TAIL = 4


class Checked(StrEnum):
    """What somebody who was to check in person says."""

    YES = "yes"
    NO = "no"
    LATER = "later"


LIST = OneOf("rebinding.list")
MINE = YesNo("rebinding.mine")
OTHER = Choice("rebinding.other", Checked)


@conversation("rebinding", start=["换绑"], who=BOUND, light=True)
def rebinding(talk: Talk) -> Dialogue:
    """One wish at a time: one's own by a yes or no, somebody else's by what one saw."""
    wishes = yield from remember("wishes", lambda: _wishes(talk))
    if not wishes:
        return talk.say("rebinding.none")
    wish = wishes[0]
    if len(wishes) > 1:
        chosen = yield from ask(LIST, options=[[str(each["id"]), each["row"]] for each in wishes])
        wish = next(each for each in wishes if str(each["id"]) == chosen)
    if wish["mine"]:
        yes = (yield from ask(MINE, **wish["shown"])) is YesOrNo.YES
    else:
        checked = yield from ask(OTHER, **wish["shown"])
        if checked is Checked.LATER:
            return talk.say("rebinding.later")
        yes = checked is Checked.YES
    decided = yield from once(
        "answer", lambda: answer_wish(talk.session, talk.actor, wish["id"], yes=yes, now=talk.now)
    )
    if not decided:
        return talk.say("rebinding.over")
    if not wish["mine"]:
        return talk.say("rebinding.confirmed" if yes else "rebinding.declined")
    return talk.say("rebinding.moved" if yes else "rebinding.stays", **wish["shown"], centre=_phones(talk))


def _wishes(talk: Talk) -> list[dict[str, Any]]:
    """What may be decided, as it is shown."""
    found = []
    for it in open_wishes(talk.session, talk.actor):
        shown: dict[str, Any] = {"account": it.account, "at": talk.words.show(it.at), "check": it.id}
        if not it.mine:
            shown |= {"name": it.name, "tail": it.number[-TAIL:], "unit": it.unit}
        row = talk.words("rebinding.row_mine" if it.mine else "rebinding.row_other", **shown)
        found.append({"id": it.id, "mine": it.mine, "row": row, "shown": shown})
    return found


def _phones(talk: Talk) -> str:
    phones = "\n".join(f"{phone.name} {phone.number}" for phone in talk.policy.duty.phones)
    return phones or talk.words("binding.no_phone")
