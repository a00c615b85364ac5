"""「绑定」: who is behind this account. Rules: design, Binding."""

import re

from handlers.dialogue.conversation import EVERYBODY, conversation
from handlers.dialogue.question import Word
from handlers.dialogue.reading import folded
from handlers.dialogue.steps import Dialogue, Said, ask, once
from handlers.dialogue.talk import Talk
from models.binding import BindResult, account_closed, bind
from models.contact import Contact
from models.person import Person

NUMBER = Word("binding.number", longest=80)  # somebody may put all three into one line
NAME = Word("binding.name", longest=40)
PROOF = Word("binding.proof", longest=20)
ALL_THREE = 3
_BETWEEN = re.compile(r"[\s,，、;；+/|:：]+")


@conversation("binding", start=["绑定"], who=EVERYBODY, light=True)
def binding(talk: Talk) -> Dialogue:
    """Number, name, and the last four digits of the telephone or a code; in three messages or in one."""
    if talk.actor.person_id is not None:
        return talk.say("binding.already", name=talk.actor.name)
    if account_closed(talk.session, talk.actor.contact_id, now=talk.now):
        return _say(talk, BindResult.ACCOUNT_CLOSED)
    parts = _parts(str(talk.args.get("rest", "")))
    if len(parts) < ALL_THREE:
        parts = _parts((yield from ask(NUMBER)).removeprefix("绑定"))
    if len(parts) < ALL_THREE:
        name = folded((yield from ask(NAME)))
        parts = ["".join(parts), name, folded((yield from ask(PROOF)))]
    # A name may hold blanks, and be written in several parts.
    number, name, proof = parts[0], "".join(parts[1:-1]), parts[-1]
    result = yield from once("bind", lambda: bind(talk.session, talk.actor, number, name, proof, now=talk.now).value)
    return _say(talk, BindResult(result))


def _parts(line: str) -> list[str]:
    return [part for part in _BETWEEN.split(folded(line)) if part]


def _say(talk: Talk, result: BindResult) -> Said:
    contact = talk.session.get_one(Contact, talk.actor.contact_id)
    person = talk.session.get(Person, contact.person_id) if contact.person_id else None
    phones = "\n".join(f"{phone.name} {phone.number}" for phone in talk.policy.duty.phones)
    return talk.say(
        f"binding.{result.value}",
        name=person.name if person else "",
        centre=phones or talk.words("binding.no_phone"),
    )
