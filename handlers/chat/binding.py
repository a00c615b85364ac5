"""「绑定」: who is behind this account. Rules: design, Binding."""

import re

from handlers.dialogue.conversation import EVERYBODY, conversation
from handlers.dialogue.question import Word
from handlers.dialogue.reading import folded
from handlers.dialogue.steps import Dialogue, Said, ask, once, remember, tell
from handlers.dialogue.talk import Talk
from models.binding import BindResult, account_closed, bind
from models.contact import Contact
from models.person import Person
from models.rebinding import standing_of

NUMBER = Word("binding.number", longest=80)  # somebody may put all three into one line
NAME = Word("binding.name", longest=40)
PROOF = Word("binding.proof", longest=20)
ALL_THREE = 3
OF_A_WISH = frozenset([BindResult.ASKED, BindResult.PASSED_ON, BindResult.REFUSED])
_BETWEEN = re.compile(r"[\s,，、;；+/|:：]+")


@conversation("binding", start=["绑定"], who=EVERYBODY, light=True)
def binding(talk: Talk) -> Dialogue:
    """Number, name, and the last four digits of the telephone or a code; in three messages or in one.

    An account whose person has another one hears where its wish stands, and may nevertheless say that it is somebody else.
    """
    if talk.actor.person_id is not None:
        return talk.say("binding.already", name=talk.actor.name)
    if account_closed(talk.session, talk.actor.contact_id, now=talk.now):
        return _say(talk, BindResult.ACCOUNT_CLOSED)
    parts = _parts(str(talk.args.get("rest", "")))
    if len(parts) < ALL_THREE:
        stands = yield from remember("wish", lambda: _wish(talk))
        if stands is not None:
            yield from tell(f"rebinding.still.{stands['state']}", **stands)
        parts = _parts((yield from ask(NUMBER)).removeprefix("绑定"))
    if len(parts) < ALL_THREE:
        name = folded((yield from ask(NAME)))
        parts = ["".join(parts), name, folded((yield from ask(PROOF)))]
    # A name may hold blanks, and be written in several parts.
    number, name, proof = parts[0], "".join(parts[1:-1]), parts[-1]
    result = yield from once("bind", lambda: bind(talk.session, talk.actor, number, name, proof, now=talk.now).value)
    return _say(talk, BindResult(result))


def _wish(talk: Talk) -> dict[str, str | int] | None:
    """Where this account's wish stands, with the values of its sentences."""
    stands = standing_of(talk.session, talk.actor.contact_id, now=talk.now)
    if stands is None:
        return None
    checker = talk.words(f"rebinding.checker.{stands.checker.value}")
    return {"state": stands.state.value, "checker": checker, "check": stands.number, "centre": _phones(talk)}


def _phones(talk: Talk) -> str:
    """The school's telephones, a line each."""
    phones = "\n".join(f"{phone.name} {phone.number}" for phone in talk.policy.duty.phones)
    return phones or talk.words("binding.no_phone")


def _parts(line: str) -> list[str]:
    return [part for part in _BETWEEN.split(folded(line)) if part]


def _say(talk: Talk, result: BindResult) -> Said:
    contact = talk.session.get_one(Contact, talk.actor.contact_id)
    person = talk.session.get(Person, contact.person_id) if contact.person_id else None
    if result in OF_A_WISH:
        return talk.say(f"rebinding.{result.value}", **(_wish(talk) or {}))
    return talk.say(f"binding.{result.value}", name=person.name if person else "", centre=_phones(talk))
