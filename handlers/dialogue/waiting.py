"""「查看」: what waited for somebody, some lines at a time. It settles what it shows, and nothing else.

Nothing is kept between two pages: what was shown waits no more, so the next page is simply what waits then.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlmodel import Session

from handlers.words.catalogue import Words
from models.outbox import KINDS, Push, PushKind, Urgency, data_of, show, waiting_for
from models.talk import Actor

LINES = 5
MOST_BYTES = 1900  # of a reply's 2,000

StillTrue = Callable[[Session, PushKind, int, dict[str, Any], datetime], bool]
"""Whether what a push tells still holds: what has passed is not told late."""


class Waiting:
    """Shows people what waited for them."""

    def __init__(self, words: Words, still_true: StillTrue) -> None:
        self._words = words
        self._still_true = still_true

    def anything(self, session: Session, actor: Actor, *, now: datetime) -> bool:
        """Whether there is something to show."""
        return bool(self._rows(session, actor, now=now))

    def page(self, session: Session, actor: Actor, *, room: int, word: str, now: datetime) -> str:
        """The next lines, urgent ones first; at least one, however little room there is, and a sentence when there is none.

        Shape: `word` is what brings the lines after these. Units: `room` in bytes.
        """
        rows = self._rows(session, actor, now=now)
        if not rows:
            return self._words("waiting.nothing")
        shown, text = 1, self._page(rows, 1, word)
        while shown < min(LINES, len(rows)) and len((longer := self._page(rows, shown + 1, word)).encode()) <= room:
            shown, text = shown + 1, longer
        show(session, rows[:shown], actor.channel.value, now=now)
        return text

    def _rows(self, session: Session, actor: Actor, *, now: datetime) -> list[Push]:
        rows = [
            it
            for it in waiting_for(session, actor.person, now=now)
            if self._still_true(session, it.kind, it.person_id, data_of(it.data), now)
        ]
        return sorted(rows, key=lambda it: it.urgency is not Urgency.URGENT)

    def _page(self, rows: list[Push], shown: int, word: str) -> str:
        lines = [self._words("waiting.line", text=self._sentence(it)) for it in rows[:shown]]
        head = self._words("waiting.head", count=len(rows))
        rest = len(rows) - shown
        foot = [self._words("waiting.more", rest=rest, word=word)] if rest else []
        return "\n".join([head, *lines, *foot])

    def _sentence(self, it: Push) -> str:
        """The push's own sentence; a value that its row does not have is left out, rather than the line."""
        kind, data = KINDS[it.kind], data_of(it.data)
        return self._words(kind.words, **{name: data.get(name, "") for name in kind.fields}, number=it.number)
