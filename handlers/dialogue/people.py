"""The question for a person of the asker's own class or dorm."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from handlers.dialogue.question import Heard, Options, Question, Read, Unclear
from handlers.dialogue.reading import folded, pick, plain
from models.person import Student

if TYPE_CHECKING:
    from handlers.dialogue.talk import Talk

_TYPED = "typed:"
_LONGEST_NAME = 40
_TAIL = 4
_MOST_SHOWN = 9
_MOST_PICKED = 99


@dataclass(frozen=True, slots=True)
class Named:
    """Whom the asker means: somebody on the roster, or a name as it was typed, for the teacher to know."""

    person_id: int | None
    typed: str | None

    def as_json(self) -> dict[str, Any]:
        """For the check-in's answers."""
        return {"person_id": self.person_id, "typed": self.typed}


class PersonOf(Question[Named]):
    """Name, number or its last four digits; asks again when two fit; any other name is kept as typed.

    `people(talk)` reads the students the asker may name.
    """

    kind = "person"

    def __init__(self, key: str, people: Callable[["Talk"], list[Student]]) -> None:
        super().__init__(key)
        self.people = people

    @override
    def read(self, heard: Heard, options: Options, talk: "Talk") -> Read | Unclear:  # noqa: PLR0911 — one way out each
        if not heard.is_text:
            return Unclear("media")
        said = plain(heard.text)
        # Four signs are the tail of a number, also where 「0001」 could be the first of those shown.
        at = pick(heard.text, _MOST_PICKED) if options and len(said) != _TAIL else None
        if at is not None:
            return Read(options[at][0]) if at < len(options) else Unclear("person_two")
        if not said:
            return Unclear("empty")
        typed = " ".join(folded(heard.text).split())
        if max(len(said), len(typed)) > _LONGEST_NAME:
            return Unclear("person_only")
        found = [person for person in self.people(talk) if _fits(person, said)]
        if len(found) == 1:
            return Read(str(found[0].id))
        if len(found) > _MOST_SHOWN:
            return Unclear("person_many")
        if found:
            return Unclear("person_two", [[str(person.id), _shown(talk, person)] for person in found])
        return Unclear("person_number") if said.isdecimal() else Read(_TYPED + typed)

    @override
    def from_json(self, value: Any) -> Named:
        text = str(value)
        return Named(None, text[len(_TYPED) :]) if text.startswith(_TYPED) else Named(int(text), None)


def _fits(person: Student, said: str) -> bool:
    number = plain(person.number)
    return said in (plain(person.name), number) or (len(said) == _TAIL and said.isalnum() and number.endswith(said))


def _shown(talk: "Talk", person: Student) -> str:
    return talk.words("dialogue.person_choice", name=person.name, tail=person.number[-_TAIL:])
