"""The list of conversations, and the checks that stop a start-up with a mistake in one."""

import re
import types
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

from sqlmodel import Session

from handlers.dialogue.question import Question
from handlers.dialogue.reading import plain
from handlers.dialogue.steps import Dialogue, Undo
from handlers.dialogue.talk import Talk
from handlers.words.catalogue import Words
from models.errors import SettingsError
from models.person import Kind
from models.post import Role
from models.talk import Actor

GLOBAL_WORDS = {
    "cancel": ("取消",),
    "back": ("返回",),
    "help": ("帮助", "菜单"),
    "waiting": ("查看",),
    "urgent": ("紧急", "0"),
}
"""The words that mean the same in every state."""

Unsent = Callable[[Session, Actor, list[dict[str, Any]]], int | None]
"""Takes a conversation's log; the class whose teachers would hear of what is typed in it and not sent, None when nothing is."""

EVERYBODY = "everybody"
BOUND = "bound"
STAFF = "staff"
Who = str | frozenset[Role] | Callable[[Actor], bool]
_KEY = re.compile(r"^[a-z][a-z_]*(\.[a-z][a-z_0-9]*)+$")


@dataclass(frozen=True)
class Conversation:
    """A script, its start words, and who may start it: everybody of a kind, whoever holds a role, or who a question says yes to.

    `light`: leaving it loses nothing, so nobody is asked. `unsent` reads off its log what its teachers are still to be told.
    `cancels`: whether 「取消」 with nothing open means it. `means`: what a message with nothing open says to it, None when it
    is not meant. `listed_for`: whose menu names it, when that is not everybody who may start it.
    """

    name: str
    script: Callable[[Talk], Dialogue]
    start: tuple[str, ...]
    who: Who
    questions: tuple[Question[object], ...]
    light: bool
    unsent: Unsent | None = None
    cancels: Callable[[Talk], bool] | None = None
    means: Callable[[str], str | None] | None = None
    listed_for: Kind | None = None

    def open_to(self, actor: Actor) -> bool:
        """Whether somebody may start it. What they see inside is another question."""
        if self.who == EVERYBODY:
            return True
        if actor.person_id is None:
            return False
        if callable(self.who):
            return self.who(actor)
        if isinstance(self.who, str):
            return self.who == BOUND or actor.kind is Kind.STAFF
        return any(post.role in self.who for post in actor.posts)

    def listed_to(self, actor: Actor) -> bool:
        """Whether somebody's menu names it."""
        return bool(self.start) and self.open_to(actor) and self.listed_for in {None, actor.kind}


def conversation(
    name: str,
    *,
    start: Iterable[str] = (),
    who: Role | Collection[Role] | str | Callable[[Actor], bool] = BOUND,
    light: bool = False,
    unsent: Unsent | None = None,
    cancels: Callable[[Talk], bool] | None = None,
    means: Callable[[str], str | None] | None = None,
    listed_for: Kind | None = None,
) -> Callable[[Callable[[Talk], Dialogue]], Conversation]:
    """Declare a conversation. Its questions stand above it in its file, so that the start-up can check them."""
    allowed: Who = who if callable(who) or (isinstance(who, str) and not isinstance(who, Role)) else _roles(who)

    def declare(script: Callable[[Talk], Dialogue]) -> Conversation:
        questions = tuple(value for value in script.__globals__.values() if isinstance(value, Question))
        return Conversation(name, script, tuple(start), allowed, questions, light, unsent, cancels, means, listed_for)

    return declare


def _roles(who: Role | Collection[Role] | str) -> frozenset[Role]:
    return frozenset([who]) if isinstance(who, Role) else frozenset(Role(each) for each in who)


_UNDOS: dict[str, Undo] = {}


def undoes(function: Undo) -> Undo:
    """Register a function that takes back a `once`: `(session, actor, result, *, now)`. A log names it, so it needs no replay."""
    _UNDOS[undo_name(function)] = function
    return function


def undo_name(function: Undo) -> str:
    """How a log names an undo."""
    return f"{function.__module__}:{function.__qualname__}"


def find_undo(name: str | None) -> Undo | None:
    """The undo that a log names; None when it names none, or a release took it away."""
    return _UNDOS.get(name) if name else None


class Registry:
    """Every conversation by name and by start word."""

    def __init__(self, conversations: Iterable[Conversation], words: Words) -> None:
        self.by_name: dict[str, Conversation] = {}
        self.by_word: dict[str, Conversation] = {}
        self.questions: dict[str, Question[object]] = {}
        """Every question by key, whichever conversation asks it: some are shared."""
        self._words = words
        for each in conversations:
            self._add(each)

    def _add(self, it: Conversation) -> None:
        if it.name in self.by_name:
            _refuse(f"two conversations are named {it.name}")
        self.by_name[it.name] = it
        for word in it.start:
            if plain(word) in self.by_word:
                _refuse(f"{it.name} and {self.by_word[plain(word)].name} both start with {word}")
            if plain(word) in _GLOBAL:
                _refuse(f"{it.name} starts with {word}, which is a global word")
            self.by_word[plain(word)] = it
        self._check_sentences(it)

    def _check_sentences(self, it: Conversation) -> None:
        needed = [f"{it.name}.title", *_keys_of(it.script)]
        for question in it.questions:
            needed += question.sentences()
            if self.questions.setdefault(question.key, question).fingerprint != question.fingerprint:
                _refuse(f"two questions are named {question.key}")
        for key in needed:
            if key not in self._words:
                _refuse(f"{it.name} needs the sentence {key}")
        for question in it.questions:
            labels = [plain(label) for label in question.labels(self._words)]
            for label in labels:
                if label in _GLOBAL:
                    _refuse(f"{question.key} has an option named {label}, which is a global word")
                if labels.count(label) > 1:
                    _refuse(f"{question.key} has two options named {label}")

    def started_by(self, text: str) -> Conversation | None:
        """The conversation that a text starts: the start word alone, whatever its width and marks."""
        return self.by_word.get(plain(text))


_GLOBAL = {plain(word) for words in GLOBAL_WORDS.values() for word in words}


def _refuse(mistake: str) -> None:
    msg = f"handlers/chat: {mistake}"
    raise SettingsError(msg)


def _keys_of(script: Callable[[Talk], Dialogue]) -> list[str]:
    """The sentence keys that a script and the helpers of its file name in their text."""
    helpers = [value for value in script.__globals__.values() if isinstance(value, types.FunctionType)]
    own = {script.__code__, *(each.__code__ for each in helpers if each.__module__ == script.__module__)}
    return [key for code in own for key in _keys_in(code)]


def _keys_in(code: types.CodeType) -> list[str]:
    keys: list[str] = []
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            keys += _keys_in(constant)
        elif isinstance(constant, str) and _KEY.match(constant):
            keys.append(constant)
    return keys
