"""「绑定」: who is behind this account. Rules: design, Binding."""

from handlers.dialogue.conversation import EVERYBODY, conversation
from handlers.dialogue.question import FreeText
from handlers.dialogue.reading import folded
from handlers.dialogue.steps import Dialogue, ask, once
from handlers.dialogue.talk import Talk
from models.binding import BindResult, account_closed, bind
from models.person import find_by_number

NUMBER = FreeText("binding.number", longest=40)
NAME = FreeText("binding.name", longest=40)
PROOF = FreeText("binding.proof", longest=20)


@conversation("binding", start=["绑定"], who=EVERYBODY, light=True)
def binding(talk: Talk) -> Dialogue:
    """Number, name, and the last four digits of the telephone or a code; in three messages or in one."""
    if talk.actor.person_id is not None:
        return talk.say("binding.already", name=talk.actor.name)
    if account_closed(talk.session, talk.actor.contact_id, now=talk.now):
        return talk.say("binding.account_closed")
    parts = folded(str(talk.args.get("rest", ""))).split()
    if len(parts) >= 3:  # noqa: PLR2004 — number, name (it may hold blanks), proof
        number, name, proof = parts[0], "".join(parts[1:-1]), parts[-1]
    else:
        number = folded((yield from ask(NUMBER)))
        name = folded((yield from ask(NAME)))
        proof = folded((yield from ask(PROOF)))
    tried = yield from once("bind", lambda: bind(talk.session, talk.actor, number, name, proof, now=talk.now).value)
    result = BindResult(tried)
    if result is BindResult.BOUND:
        return talk.say("binding.bound", name=_name(talk, number))
    return talk.say(f"binding.{result.value}", name=_name(talk, number) if result is BindResult.ALREADY else "")


def _name(talk: Talk, number: str) -> str:
    person = find_by_number(talk.session, number)
    return person.name if person else ""
