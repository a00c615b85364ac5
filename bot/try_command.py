"""`xinqiao try when`: lines in, as many lines out, UTF-8 whatever the locale says."""

import sys
from collections.abc import Sequence
from datetime import date, datetime

from handlers.when import TermDays, When, read_when
from models.errors import CentreError


class BadLineError(CentreError):
    """What came in cannot be read; its text is the one line that says what and how to mend it."""


def as_moment(said: str, where: str) -> datetime:
    """A local moment, 「2026-11-26T20:15」. Raises: BadLineError."""
    try:
        return datetime.fromisoformat(said.strip())
    except ValueError as error:
        msg = f"try when: {where}: {said.strip()[:40]!r} is no moment; write it like 2026-11-26T20:15"
        raise BadLineError(msg) from error


def as_term(said: str) -> TermDays:
    """「2026-09-07/2027-01-17」. Raises: BadLineError."""
    first, _, last = said.partition("/")
    try:
        return TermDays(date.fromisoformat(first.strip()), date.fromisoformat(last.strip()))
    except ValueError as error:
        msg = f"try when: --term: {said[:40]!r} is no term; write it like 2026-09-07/2027-01-17"
        raise BadLineError(msg) from error


def answer_times(now: datetime | None, terms: Sequence[TermDays]) -> None:
    """Answer every line of standard input on standard output. Raises: BadLineError, after the lines before it were answered."""
    for number, raw in enumerate(sys.stdin.buffer, start=1):
        line = raw.decode("utf-8", "replace").removeprefix("\ufeff").rstrip("\r\n")
        print(_answer(line, number, now, terms), flush=True)  # noqa: T201 — the answers, and nothing else


def _answer(line: str, number: int, now: datetime | None, terms: Sequence[TermDays]) -> str:
    if not line.strip():
        return ""
    reference, tab, text = line.partition("\t")
    if now is None and not tab:
        msg = f"try when: line {number} has no reference; write REFERENCE<TAB>TEXT, or give --now 2026-11-26T20:15"
        raise BadLineError(msg)
    if tab and now is not None and not reference[:4].isdecimal():
        reference, text = "", line  # a tab inside a text
    at = as_moment(reference, f"line {number}") if tab and reference else now
    found = read_when(text if tab else line, now=at, terms=terms) if at else None
    return str(found) if isinstance(found, When) else ""
