"""The question for a time: a number of what is shown, or a time, a counselor, a wish in one's own words.

What is said goes into the conversation as a wish, JSON all through; the conversation narrows its list by it and says what it
understood. A doubtful time is handed on as a doubt and asked about, never guessed.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from handlers.dialogue.question import Heard, Options, Question, Read, Turned, Unclear
from handlers.dialogue.reading import folded, match, pick, plain
from handlers.when.meaning import Doubt, When, Why
from handlers.when.wishes import read_wish
from models.booking.access import taking_bookings

if TYPE_CHECKING:
    from handlers.dialogue.talk import Talk
    from handlers.words.catalogue import Words

Wish = dict[str, Any]
"""What was wished for.

Shape: any of when (a When as text), doubt ({why, candidates}, and options besides), soonest, mode, topic, counselors (ids),
unknown (a name that fits nobody), same (the counselor of the last time).
"""

MORE = "more:"
_PAGE = 6
_A_DAY = re.compile(r"\d{1,2}[号日]")
_SHORT = 100  # characters: what is longer is read for what it names, not by labels


@dataclass(frozen=True, slots=True)
class Answer:
    """An option's value, or a wish."""

    option: str | None
    wish: Wish


class Times(Question[Answer]):
    """`always` are the names of what stands under every page, labelled by `{key}.{name}`; `unclear` is said of strange texts.

    `values`: `lead` is its sentence, `options` what can be chosen, `first` how many of them stand on the first page; a shorter
    `always` when not all of it is on offer. `whatever`: an option that is not shown, 「都行」,
    spelt by `{key}.also.{whatever}`.
    """

    kind = "times"

    def __init__(self, key: str, always: tuple[str, ...], *, unclear: str = "when", whatever: str = "") -> None:
        super().__init__(key)
        self.always, self.unclear, self.whatever = always, unclear, whatever

    @override
    def shape(self) -> str:
        return ",".join(self.always)

    @override
    def options(self, talk: "Talk", values: dict[str, Any]) -> Options:
        return self._page(talk, values, 0)

    @override
    def read(self, heard: Heard, options: Options, talk: "Talk") -> Read | Unclear | Turned:
        if not heard.is_text:
            return Unclear("media")
        known = [*options, [self.whatever, ""]] if self.whatever else options
        also = [talk.words.also(f"{self.key}.also.{value.split(':')[0]}") for value, _ in known]
        spellings = [[label, *words] if label else words for (_, label), words in zip(known, also, strict=True)]
        said = plain(heard.text)
        at = pick(heard.text, len(options))
        if at is not None and self.unclear == "when" and _A_DAY.fullmatch(folded(heard.text)):
            return self._number_or_day(heard.text, options[at], talk)
        if at is None:
            at = next((at for at, words in enumerate(spellings) if said in map(plain, words)), None)
        if at is not None:
            return self._chosen(known[at][0], talk)
        wish = read_wishes(heard.text, talk)
        if wish.get("doubt") and len(wish) == 1 and not wish["doubt"]["candidates"]:
            return Unclear(f"when_{wish['doubt']['why']}")
        if wish:
            return Read({"wish": wish})
        at = match(heard.text, spellings) if len(said) <= _SHORT else None
        return Unclear(self.unclear) if at is None else self._chosen(known[at][0], talk)

    @override
    def from_json(self, value: Any) -> Answer:
        return Answer(value.get("option"), value.get("wish", {}))

    @override
    def sentences(self) -> list[str]:
        return [*super().sentences(), *(f"{self.key}.{name}" for name in self.always)]

    @override
    def labels(self, words: "Words") -> list[str]:
        return [words(f"{self.key}.{name}") for name in self.always]

    @staticmethod
    def _number_or_day(text: str, option: list[str], talk: "Talk") -> Read:
        """「2号」 may be the second of the times shown, and the second of the month; 「更多」 nobody would call so."""
        day = read_wishes(text, talk).get("when")
        if day is None:
            return Read({"option": option[0]})
        if not option[0].startswith(("slot:", "when:")):
            return Read({"wish": {"when": day}})
        return Read({"wish": {"doubt": {"why": "number", "candidates": [day], "options": [option]}}})

    def _chosen(self, value: str, talk: "Talk") -> Read | Turned:
        if value.startswith(MORE):
            return Turned(self._page(talk, talk.asked, int(value.removeprefix(MORE))))
        return Read({"option": value})

    def _page(self, talk: "Talk", values: dict[str, Any], start: int) -> Options:
        every: Options = values.get("options", [])
        size = _PAGE if start else int(values.get("first", _PAGE))
        page = [[str(value), str(label)] for value, label in every[start : start + size]]
        if start + size < len(every):
            page.append([f"{MORE}{start + size}", talk.words("dialogue.more")])
        elif start:
            page.append([f"{MORE}0", talk.words("dialogue.from_the_top")])
        return page + [[name, talk.words(f"{self.key}.{name}")] for name in values.get("always", self.always)]


def read_wishes(text: str, talk: "Talk") -> Wish:
    """Everything that a text wishes for; {} when it is nothing of the kind."""
    policy = talk.policy.booking
    wish = read_wish(
        text,
        now=talk.now.astimezone(policy.zone).replace(tzinfo=None),
        periods=policy.periods,
        terms=policy.terms,
        counselors=[(str(id_), name) for id_, name in taking_bookings(talk.session).items()],
    )
    found: Wish = {
        "soonest": wish.soonest,
        "mode": wish.mode and wish.mode.value,
        "topic": wish.topic and wish.topic.value,
        "counselors": [int(each) for each in ([wish.counselor] if wish.counselor else wish.counselors)],
        "unknown": wish.unknown_counselor,
        "same": wish.same_counselor,
    }
    since_when = wish.topic and wish.time == Doubt(Why.VAGUE)  # 「最近老失眠」 asks for no time
    if isinstance(wish.time, Doubt) and not since_when:
        found["doubt"] = {"why": wish.time.why.value, "candidates": [str(each) for each in wish.time.candidates]}
    elif isinstance(wish.time, When):
        found["when"] = str(wish.time)
    return {name: value for name, value in found.items() if value}


def when_of(text: str) -> When:
    """A When from its text form."""
    first, _, last = text.partition("/")
    if "T" not in first:
        return When.days(date.fromisoformat(first), date.fromisoformat(last or first))
    start = datetime.fromisoformat(first)
    return When.hours(start, datetime.fromisoformat(last)) if last else When.moment(start)
