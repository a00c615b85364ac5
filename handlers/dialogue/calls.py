"""Calls for help as the router meets them, whatever else is open. Rules: docs/rules.md, Calls for help.

Whoever is called reads on the alert's page what was said; no words of a caller are lost over a question.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlmodel import Session

from handlers.dialogue.question import LONGEST_TEXT, Heard, Question
from handlers.dialogue.replay import Frame
from handlers.dialogue.safety import Safety
from handlers.dialogue.stack import Stack
from handlers.dialogue.talk import Talk
from handlers.words.catalogue import Words
from models.alert import Told, Trigger, add_words, call, raise_alert, tell_of_words, told_names
from models.policy import Policy
from models.talk import Actor

URGENT = "urgent"
"""The conversation that a call for help opens."""


@dataclass
class Meeting:
    """One message being answered."""

    session: Session
    actor: Actor
    heard: Heard
    stack: Stack
    now: datetime
    failures: int
    lead: list[str] = field(default_factory=list)
    back_again: str | None = None  # the line on where we were, for somebody who goes on after a while


class Calls:
    """Raises alerts, calls the centre, and keeps what callers say."""

    def __init__(self, words: Words, policy: Policy) -> None:
        self._words = words
        self._policy = policy

    def begun(self, it: Meeting, safety: Safety, *, number_open: bool) -> Frame:
        """Raise an alert; returns the urgent talk, yet to be played. A safety word calls the centre at once."""
        trigger = Trigger.WORDS if safety is Safety.WORDS else Trigger.CALL
        alert = raise_alert(it.session, it.actor, trigger, policy=self._policy.duty, now=it.now, asks=True)
        names: list[str] = []
        if safety is Safety.WORDS:
            # The one sentence may be all that ever comes: whoever is called reads it on the alert's page.
            self._add(it, alert.id or 0)
            names = call(it.session, alert.id or 0, Told.CENTRE, policy=self._policy.duty, now=it.now)
        args = {"alert": alert.id, "trigger": trigger.value, "number": number_open, "names": names}
        return Frame(URGENT, it.now, args, [])

    def call_again(self, it: Meeting, question: Question[Any] | None) -> None:
        """A safety word inside the urgent talk calls the centre now, whatever question is open, and is kept for its page."""
        top = it.stack.top
        if top is None or top.name != URGENT:
            return
        call(it.session, top.args["alert"], Told.CENTRE, policy=self._policy.duty, now=it.now)
        if question is None or question.kind != "text":  # a text the script keeps by itself
            self._add(it, top.args["alert"])

    def heard_again(self, it: Meeting, top: Frame, safety: Safety) -> str:
        """What to say to another call inside the urgent talk."""
        if safety is not Safety.WORDS:
            return self._words("urgent.phones")
        names = told_names(it.session, top.args["alert"], policy=self._policy.duty)
        talk = Talk(it.session, it.actor, self._words, self._policy, it.now)
        heard = self._words("urgent.heard_words" if names else "urgent.heard_words_nobody", names=talk.teachers(names))
        return f"{heard}\n\n{self._words('urgent.phones')}"

    def keep_what_was_not_understood(self, it: Meeting, top: Frame) -> None:
        """Inside the urgent talk no words are lost over a question: 「三号楼天台」 is no option, and may be all that comes."""
        if top.name == URGENT and it.heard.is_text and it.heard.safety is Safety.NO:
            alert_id = int(top.args["alert"])
            self._add(it, alert_id)
            tell_of_words(it.session, alert_id, policy=self._policy.duty, now=it.now)

    @staticmethod
    def _add(it: Meeting, alert_id: int) -> None:
        add_words(it.session, alert_id, {"facts": it.heard.text[:LONGEST_TEXT]}, now=it.now)
