"""WeCom's cards after they were sent: what each recipient sees now, and the codes that allow one change each.

Source: WeCom fact sheet 3, 4 and 8.
"""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.sandbox.ledger import ApiError, Body, CardChange

CODE_LIVES = timedelta(hours=72)
CODE_INVALID = 60140
WITH_BUTTONS = frozenset(["button_interaction", "vote_interaction", "multiple_interaction"])


@dataclass(frozen=True)
class Press:
    """A pressed button, as the platform tells it."""

    form: str
    code: str


@dataclass
class _Card:
    msgid: int
    faces: dict[str, Body]


@dataclass(frozen=True)
class _Code:
    card: _Card
    until: datetime


class Cards:
    """All cards that were sent, by their task."""

    def __init__(self) -> None:
        self._by_task: dict[str, _Card] = {}
        self._codes: dict[str, _Code] = {}

    def knows(self, task: str) -> bool:
        """Whether a card had this task id."""
        return task in self._by_task

    def sent(self, card: Body, recipients: Iterable[str], msgid: int, *, now: datetime) -> str:
        """Keep a card that went out; its response code."""
        kept = _Card(msgid, dict.fromkeys(recipients, card))
        if task := task_of(card):
            self._by_task[task] = kept
        return self._new_code(kept, now)

    def code_again(self, task: str, *, now: datetime) -> str:
        """One more code for a card whose sending was repeated."""
        card = self._by_task.get(task)
        return self._new_code(card, now) if card is not None else secrets.token_urlsafe(24)

    def pressed(self, userid: str, task: str, *, now: datetime) -> Press:
        """Somebody pressed a button of a card: its form, and a code of this press."""
        card = self._by_task.get(task)
        if card is None or userid not in card.faces:
            return Press("button_interaction", secrets.token_urlsafe(24))
        return Press(str(card.faces[userid].get("card_type", "")), self._new_code(card, now))

    def seen_by(self, userid: str, task: str) -> Body | None:
        """The card as this person sees it."""
        card = self._by_task.get(task)
        return card.faces.get(userid) if card is not None else None

    def may_grey(self, code: str) -> bool:
        """Whether the card behind a code has buttons."""
        return any(face.get("card_type") in WITH_BUTTONS for face in self._codes[code].card.faces.values())

    def of_code(self, code: object, *, now: datetime) -> Sequence[str]:
        """The recipients of the card behind a code. Raises: ApiError when the code is used, too old or unknown."""
        known = self._codes.get(code) if isinstance(code, str) else None
        if known is None or known.until <= now:
            raise ApiError(CODE_INVALID, "invalid response_code")
        return list(known.card.faces)

    def change_by_code(self, code: str, userids: Iterable[str], *, caption: str, card: Body | None) -> list[CardChange]:
        """Use the code up; what changes for each of these that has the card."""
        it = self._codes.pop(code).card
        return [self._change(it, userid, caption, card) for userid in userids if userid in it.faces]

    def change_for(self, userid: str, task: str, *, caption: str, card: Body | None) -> CardChange | None:
        """What the answer to a press changes, for whoever pressed."""
        it = self._by_task.get(task)
        return self._change(it, userid, caption, card) if it is not None and userid in it.faces else None

    def _change(self, it: _Card, userid: str, caption: str, card: Body | None) -> CardChange:
        before = it.faces[userid]
        shown = {key: value for key, value in before.items() if key != "replace_text"} if card is None else dict(card)
        shown.setdefault("task_id", before.get("task_id", ""))
        if caption:
            shown["replace_text"] = caption
        it.faces[userid] = shown
        if task := task_of(shown):
            self._by_task.setdefault(task, it)
        return CardChange(userid, it.msgid, shown)

    def _new_code(self, card: _Card, now: datetime) -> str:
        code = secrets.token_urlsafe(24)
        self._codes[code] = _Code(card, now + CODE_LIVES)
        return code


def task_of(card: Body) -> str:
    """A card's task id; "" when it has none."""
    return str(card.get("task_id") or "")
