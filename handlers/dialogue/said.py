"""Questions that take an option or a line of one's own; a start word is never that line."""

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from typing_extensions import override

from handlers.dialogue.question import Heard, Options, Question, Read, Unclear, _Listed
from handlers.dialogue.reading import folded, pick, plain

if TYPE_CHECKING:
    from handlers.dialogue.talk import Talk
    from handlers.words.catalogue import Words

E = TypeVar("E", bound=StrEnum)
_SIGNS = re.compile(r"[\s+\-–—()（）]+")
_NAME = re.compile(r"^(?:我的?)?(?:手机|电话)?(?:号码?)?[是为]?:?")
_DIGITS = range(7, 16)
_LEAVE = "leave"


class LineOr(_Listed[E | str]):
    """One of an enum's members by number, label or synonym; anything else is the line that it is."""

    kind = "word"

    def __init__(self, key: str, members: type[E], *, longest: int) -> None:
        super().__init__(key, members)
        self._members = members
        self.longest = longest

    @override
    def read(self, heard: Heard, options: Options, talk: "Talk") -> Read | Unclear:
        if not heard.is_text:
            return Unclear("media")
        return self.label_or_text(heard.text, options, talk.words, longest=self.longest)

    @override
    def from_json(self, value: Any) -> E | str:
        return self._members(value["option"]) if "option" in value else str(value["text"])


class Telephone(Question[str]):
    """A telephone number, its digits only; "" for somebody who leaves none (`{key}.leave`)."""

    kind = "word"

    @override
    def options(self, talk: "Talk", values: dict[str, Any]) -> Options:
        return [[_LEAVE, talk.words(f"{self.key}.{_LEAVE}")]]

    @override
    def read(self, heard: Heard, options: Options, talk: "Talk") -> Read | Unclear:
        if not heard.is_text:
            return Unclear("media")
        said = plain(heard.text)
        leaves = [talk.words(f"{self.key}.{_LEAVE}"), *talk.words.also(f"{self.key}.also.{_LEAVE}")]
        if pick(heard.text, len(options)) == 0 or said in map(plain, leaves):
            return Read("")
        number = _NAME.sub("", _SIGNS.sub("", folded(heard.text)))
        number = number.removeprefix("86") if len(number) > 12 else number  # noqa: PLR2004 — a mobile with its country
        return Read(number) if number.isdecimal() and len(number) in _DIGITS else Unclear("phone")

    @override
    def from_json(self, value: Any) -> str:
        return str(value)

    @override
    def sentences(self) -> list[str]:
        return [*super().sentences(), f"{self.key}.{_LEAVE}"]

    @override
    def labels(self, words: "Words") -> list[str]:
        return [words(f"{self.key}.{_LEAVE}")]
