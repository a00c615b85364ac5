"""From text in plain spelling to its words about time, left to right."""

import re

from handlers.when.clues import Mark, Token, Word
from handlers.when.days_said import DAYS
from handlers.when.hours_said import HOURS
from handlers.when.marks_said import MARKS
from handlers.when.numbers_said import Reader

_NAMED = re.compile(r"\(\?P<\w+>")


def _marking(mark: Mark) -> Reader:
    return lambda _: [mark]


def _rules() -> dict[str, tuple[str, Reader]]:
    """Every rule by name. Where two match at one place the earlier in this order wins."""
    marks = {name: (pattern, _marking(mark)) for name, (pattern, mark) in MARKS.items()}
    rules = {**DAYS, **HOURS, **marks}
    first = (
        "date",
        "date_last_year",
        "date_short",
        "three_numbers",
        "date8",
        "lunar",
        "dotted_day",
        "every",
        "lessons",
        "big_break",
        "or_else",
        "open",
        "vague",
    )
    return {name: rules[name] for name in (*first, *(name for name in rules if name not in first))}


_RULES = {name: (re.compile(pattern), reader) for name, (pattern, reader) in _rules().items()}
# One pass over the text finds which rule matches where; the rule itself then reads the place.
_ANY = re.compile("|".join(f"(?P<{name}>{_NAMED.sub('(?:', rule.pattern)})" for name, (rule, _) in _RULES.items()))


def scan(text: str) -> list[Token]:
    """The words about time, in order."""
    tokens: list[Token] = []
    at = 0
    while found := _ANY.search(text, at):
        words, end = _read(text, found.start(), str(found.lastgroup))
        tokens += [Token(word, found.start(), end) for word in words]
        at = max(end, found.start() + 1)
    return tokens


def _read(text: str, at: int, name: str) -> tuple[list[Word], int]:
    """What the rule of that name says at a place; when it finds no sense there, the next that does."""
    names = list(_RULES)
    for other in names[names.index(name) :]:
        rule, reader = _RULES[other]
        found = rule.match(text, at)
        words = reader(found) if found else []
        if found and words:
            return words, found.end()
    return [], at
