"""Questions: each knows how to show itself, how to read an answer, and the answer's JSON form.

The options of a question are logged as they were shown, so a later 「2」 means what its person saw, whatever changed since.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from typing_extensions import override

from handlers.dialogue.reading import match, pick, picks, plain, whole_number
from handlers.dialogue.safety import Safety, look

if TYPE_CHECKING:
    from handlers.dialogue.talk import Talk
    from handlers.words.catalogue import Words

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)

Options = list[list[str]]  # [value, label] as shown
_MORE = "more:"  # the value of the option that turns the page, before where the next one starts
_PAGE = 9
_PAGE_BYTES = 1200  # of a reply's 2,000
LONGEST_TEXT = 2000


STICKER = "【收到不支持的消息类型，暂无法显示】"
"""What the official account sends as a text where a person sent a sticker."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What a person sent: a text, or a picture, a voice … with none. Whether it calls for help is known from the start."""

    text: str
    is_text: bool = True
    tapped: bool = False
    item: str = ""  # the name of the line of a message menu that was tapped
    safety: Safety = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "safety", look(self.text) if self.is_text else Safety.NO)


@dataclass(frozen=True, slots=True)
class Read:
    """An answer, in its JSON form."""

    value: Any


@dataclass(frozen=True, slots=True)
class Unclear:
    """No answer. `why` is a key of words/dialogue.toml; `options` replace those shown when the question narrows itself."""

    why: str
    options: Options | None = None


@dataclass(frozen=True, slots=True)
class Turned:
    """No answer yet: the next page of the options, to be shown in their place."""

    options: Options


class Question(ABC, Generic[T]):
    """A question under a key of the words; `{key}.ask` is its sentence."""

    kind: ClassVar[str]
    takes_zero: ClassVar[bool] = False  # whether a lone 0, 110 or 120 may be an answer

    def __init__(self, key: str) -> None:
        self.key = key

    @cached_property
    def fingerprint(self) -> str:
        """Changes when a release changes what an answer means."""
        return hashlib.blake2b(f"{self.kind}:{self.key}:{self.shape()}".encode(), digest_size=4).hexdigest()

    def shape(self) -> str:
        """What besides kind and key an answer depends on."""
        return ""

    def options(self, talk: "Talk", values: dict[str, Any]) -> Options:  # noqa: ARG002 — most have none or fixed ones
        """The options to show."""
        return []

    def show(self, words: "Words", options: Options, values: dict[str, Any]) -> str:
        """The sentence, then each option on a line of its own."""
        lines = [words(f"{self.key}.ask", **values)]
        lines += [f"{at}. {label}" for at, (_, label) in enumerate(options, 1)]
        return "\n".join(line for line in lines if line)

    @abstractmethod
    def read(self, heard: Heard, options: Options, talk: "Talk") -> "Read | Unclear | Turned":
        """What the person means."""

    @abstractmethod
    def from_json(self, value: Any) -> T:
        """The typed answer."""

    def sentences(self) -> list[str]:
        """The keys this question needs; a missing one stops the start-up."""
        return [f"{self.key}.ask"]

    def labels(self, words: "Words") -> list[str]:  # noqa: ARG002
        """Fixed labels, checked against the global words at start-up."""
        return []


class _Listed(Question[T]):
    """Shared by the kinds whose options are an enum's members, labelled by the words."""

    def __init__(self, key: str, members: type[StrEnum]) -> None:
        super().__init__(key)
        self.members = members

    @override
    def shape(self) -> str:
        return ",".join(member.value for member in self.members)

    @override
    def options(self, talk: "Talk", values: dict[str, Any]) -> Options:
        return [[member.value, talk.words(f"{self.key}.{member.value}")] for member in self.members]

    def spellings(self, options: Options, words: "Words") -> list[list[str]]:
        """Label and synonyms of each option."""
        return [[label, *words.also(f"{self.key}.also.{value}")] for value, label in options]

    def label_or_text(self, said: str, options: Options, words: "Words", *, longest: int) -> "Read | Unclear":
        """An option by number or its very label, else what was written: 「TA 一个人在三号楼」 says more than 「TA 一个人」."""
        at = pick(said, len(options))
        if at is None:
            bare = plain(said)
            at = next((at for at, each in enumerate(self.spellings(options, words)) if bare in map(plain, each)), None)
        if at is not None:
            return Read({"option": options[at][0]})
        text = said.strip()
        if not shows(text):
            return Unclear("empty")
        return Read({"text": text}) if len(text) <= longest else Unclear("too_long")

    @override
    def sentences(self) -> list[str]:
        return [*super().sentences(), *(f"{self.key}.{member.value}" for member in self.members)]

    @override
    def labels(self, words: "Words") -> list[str]:
        return [words(f"{self.key}.{member.value}") for member in self.members]


class Choice(_Listed[E]):
    """One of an enum's members."""

    kind = "choice"

    def __init__(self, key: str, members: type[E]) -> None:
        super().__init__(key, members)
        self._members = members

    @override
    def read(self, heard: Heard, options: Options, talk: "Talk") -> Read | Unclear:
        if not heard.is_text:
            return Unclear("media")
        at = pick(heard.text, len(options))
        at = match(heard.text, self.spellings(options, talk.words)) if at is None else at
        return Unclear("choice") if at is None else Read(options[at][0])

    @override
    def from_json(self, value: Any) -> E:
        return self._members(value)


class Among(Choice[E]):
    """One of those of an enum's members that `values["only"]` names: the others cannot be had just now."""

    kind = "among"

    @override
    def options(self, talk: "Talk", values: dict[str, Any]) -> Options:
        return [option for option in super().options(talk, values) if option[0] in values["only"]]


class Several(_Listed[list[E]]):
    """One or more of an enum's members."""

    kind = "several"

    def __init__(self, key: str, members: type[E]) -> None:
        super().__init__(key, members)
        self._members = members

    @override
    def read(self, heard: Heard, options: Options, talk: "Talk") -> Read | Unclear:
        if not heard.is_text:
            return Unclear("media")
        found = picks(heard.text, self.spellings(options, talk.words))
        return Unclear("several") if found is None else Read([options[at][0] for at in found])

    @override
    def from_json(self, value: Any) -> list[E]:
        return [self._members(each) for each in value]


class YesOrNo(StrEnum):
    """The two answers of a yes/no question."""

    YES = "yes"
    NO = "no"


class YesNo(Choice[YesOrNo]):
    """Yes or no; the labels are the question's own, `{key}.yes` and `{key}.no`."""

    kind = "yes_no"

    def __init__(self, key: str) -> None:
        super().__init__(key, YesOrNo)

    @override
    def spellings(self, options: Options, words: "Words") -> list[list[str]]:
        common = {YesOrNo.YES: words.also("dialogue.yes"), YesOrNo.NO: words.also("dialogue.no")}
        own = super().spellings(options, words)
        return [[*spelling, *common[YesOrNo(value)]] for spelling, (value, _) in zip(own, options, strict=True)]


class OneOf(Question[str]):
    """One of options that only the moment knows (classes, rooms); `values["options"]` is the list of [value, label].

    A list too long for one reply pages with 「更多」.
    """

    kind = "one_of"

    @override
    def options(self, talk: "Talk", values: dict[str, Any]) -> Options:
        return self._page(talk, values["options"], 0)

    @override
    def read(self, heard: Heard, options: Options, talk: "Talk") -> Read | Unclear | Turned:
        if not heard.is_text:
            return Unclear("media")
        every: Options = [[str(value), str(label)] for value, label in talk.asked.get("options", options)]
        at = pick(heard.text, len(options))
        at = match(heard.text, [[label] for _, label in options]) if at is None else at
        value = self._named(heard.text, every) if at is None else options[at][0]
        if value is not None and value.startswith(_MORE):
            return Turned(self._page(talk, every, int(value.removeprefix(_MORE))))
        return Unclear("choice") if value is None else Read(value)

    @override
    def from_json(self, value: Any) -> str:
        return str(value)

    @staticmethod
    def _page(talk: "Talk", every: Sequence[Sequence[Any]], start: int) -> Options:
        page: Options = []
        room = _PAGE_BYTES
        for value, label in every[start:]:
            room -= len(str(label).encode()) + len("10. \n")
            if page and (room < 0 or len(page) == _PAGE):
                break
            page.append([str(value), str(label)])
        following = start + len(page)
        if following < len(every):
            page.append([f"{_MORE}{following}", talk.words("dialogue.more")])
        elif start:
            page.append([f"{_MORE}0", talk.words("dialogue.from_the_top")])
        return page

    @staticmethod
    def _named(text: str, every: Options) -> str | None:
        """The one option whose label begins with what was said: 「软件2301」 for 「软件2301 · 待看 1 条」."""
        said = plain(text)
        found = [value for value, label in every if said and plain(label).startswith(said)]
        return found[0] if len(found) == 1 else None


class Number(Question[int]):
    """A whole number from `low` to `high`; `values["high"]` overrides the upper end."""

    kind = "number"
    takes_zero = True

    def __init__(self, key: str, *, low: int = 0, high: int = 100_000) -> None:
        super().__init__(key)
        self.low, self.high = low, high

    @override
    def options(self, talk: "Talk", values: dict[str, Any]) -> Options:
        return []

    @override
    def read(self, heard: Heard, options: Options, talk: "Talk") -> Read | Unclear:
        if not heard.is_text:
            return Unclear("media")
        number = whole_number(heard.text)
        high = int(talk.asked.get("high", self.high))
        if number is None and self.low <= 0 and plain(heard.text) in map(plain, talk.words.also("dialogue.none")):
            number = 0  # a lone 0 calls for help; 「没有」 is how people say it
        if number is None:
            return Unclear("number")
        return Read(number) if self.low <= number <= high else Unclear("range")

    @override
    def from_json(self, value: Any) -> int:
        return int(value)


class FreeText(Question[str]):
    """Whatever the person writes, as they wrote it; `media` says that a voice or a picture counts too."""

    kind = "text"

    def __init__(self, key: str, *, media: bool = False, longest: int = LONGEST_TEXT) -> None:
        super().__init__(key)
        self.media, self.longest = media, longest

    @override
    def read(self, heard: Heard, options: Options, talk: "Talk") -> Read | Unclear:
        if not heard.is_text:
            if not self.media:
                return Unclear("media")
            place = heard.text[:200]
            return Read(talk.words("dialogue.sent_place", place=place) if place else talk.words("dialogue.sent_media"))
        text = heard.text.strip()
        if not shows(text):
            return Unclear("empty")
        return Read(text) if len(text) <= self.longest else Unclear("too_long")

    @override
    def from_json(self, value: Any) -> str:
        return str(value)


class Word(FreeText):
    """A name, a number, a code: short, and never what a start word or a safety word was meant for."""

    kind = "word"


class TextOr(_Listed[E | str | None]):
    """One of an enum's members, or whatever the person writes; None stands for a voice or a picture."""

    kind = "text"

    def __init__(self, key: str, members: type[E], *, longest: int = LONGEST_TEXT) -> None:
        super().__init__(key, members)
        self._members = members
        self.longest = longest

    @override
    def read(self, heard: Heard, options: Options, talk: "Talk") -> Read | Unclear:
        if not heard.is_text:
            return Read({"text": talk.words("dialogue.sent_place", place=heard.text[:200])} if heard.text else {})
        return self.label_or_text(heard.text, options, talk.words, longest=self.longest)

    @override
    def from_json(self, value: Any) -> E | str | None:
        return self._members(value["option"]) if "option" in value else value.get("text")


def shows(text: str) -> bool:
    """Whether there is anything to see in a text: zero-width characters and other controls are none."""
    return any(c.isprintable() and not c.isspace() for c in text)
