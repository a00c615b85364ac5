"""Replay: a conversation's log in, its next question or its end out. Laws: design, idea 1; tests/handlers/test_replay.py.

A log entry is a JSON object: `k` kind, `n` name, `t` the moment it was run or its answer was given. A question also has `f` its
fingerprint, `o` the options and `s` the text as they were shown, `m` how often the answer was unclear; with `t` comes `a`, the
answer.
"""

from collections import Counter
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlmodel import Session

from handlers.dialogue.conversation import Conversation, find_undo, undo_name
from handlers.dialogue.question import Heard, Turned, Unclear
from handlers.dialogue.steps import Ask, Once, Remember, Said, Step, Tell
from handlers.dialogue.talk import Talk
from models.errors import CentreError, DomainError
from models.talk import Actor

Entry = dict[str, Any]
_MOST_STEPS = 2000


class LogBrokenError(CentreError):
    """The script changed behind a step that cannot be taken back: the talk ends with a word and starts anew."""


@dataclass
class Frame:
    """One conversation on a contact's stack."""

    name: str
    at: datetime
    args: dict[str, Any]
    log: list[Entry]

    def as_json(self) -> dict[str, Any]:
        """For the stored log."""
        return {"name": self.name, "at": self.at.isoformat(), "args": self.args, "log": self.log}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Frame":
        """From the stored log."""
        return cls(value["name"], datetime.fromisoformat(value["at"]), value["args"], value["log"])

    @property
    def open_question(self) -> Entry | None:
        """The entry that waits for an answer."""
        last = self.log[-1] if self.log else None
        return last if last and last["k"] == "ask" and "a" not in last else None


@dataclass(frozen=True)
class Asking:
    """A question is open; `text` is what to say now."""

    text: str
    unclear: bool = False


def through_json(value: Any) -> Any:
    """The value as a replay will see it."""
    return orjson.loads(orjson.dumps(value))


def _handed_out(value: Any) -> Any:
    """A logged value for the script: whatever it does to it, the log stays."""
    return through_json(value) if isinstance(value, dict | list) else value


class Replay:
    """One run of a script over its log. Changes `frame.log`; the caller keeps it or throws it away."""

    def __init__(
        self, it: Conversation, talk: Talk, frame: Frame, savepoint: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self._it = it
        self._talk = talk
        self._frame = frame
        self._savepoint = savepoint
        self._present = talk.now
        self._names: Counter[str] = Counter()
        self._above: list[str] = []  # what `tell` said since the last answer

    def run(self, heard: Heard | None) -> Asking | Said:
        """Replay, take `heard` as the answer to the open question if there is one, and go on to the next question or the end.

        Raises: LogBrokenError; DomainError and whatever the script raises, with every row of this run taken back.
        """
        with ExitStack() as writes:
            self._writes, self._wrote = writes, False
            return self._play(heard)

    def _play(self, heard: Heard | None) -> Asking | Said:
        talk, log = self._talk, self._frame.log
        talk.now, talk.args = self._frame.at, _handed_out(self._frame.args)
        if not log:
            talk.now = self._present
        script: Generator[Step, Any, Said] = self._it.script(talk)
        value: Any = None
        for at in range(_MOST_STEPS):
            try:
                step = script.send(value)
            except StopIteration as end:
                return self._end(end.value)
            name = self._numbered(step)
            if at < len(log) and not _matches(log[at], step, name):
                self._cut(at)
            if at < len(log):
                entry = log[at]
                if entry["k"] == "ask" and "a" not in entry:
                    outcome = self._answer(step, entry, heard)
                    if outcome is not None:
                        return outcome
                    heard = None
                value = self._logged(step, entry)
            elif isinstance(step, Ask):
                return self._ask(step, name)
            else:
                value = self._new(step, name)
        msg = f"{self._it.name} took {_MOST_STEPS} steps without a question"
        raise RuntimeError(msg)

    def _numbered(self, step: Step) -> str:
        name = f"{type(step).__name__}:{step.name}"
        self._names[name] += 1
        return step.name if self._names[name] == 1 else f"{step.name}#{self._names[name]}"

    def _cut(self, at: int) -> None:
        """A release changed the script: forget from here on, unless something happened there that cannot be taken back."""
        log, talk = self._frame.log, self._talk
        if wall_after(log, at):
            raise LogBrokenError
        self._begin_to_write()
        try:
            take_back(log, at, talk.session, talk.actor, now=self._present)
        except DomainError as error:
            raise LogBrokenError from error
        del log[at:]

    def _begin_to_write(self) -> None:
        """From here on, an error takes back every row of this run."""
        if not self._wrote:
            self._writes.enter_context(self._savepoint())
            self._wrote = True

    def _answer(self, step: Step, entry: Entry, heard: Heard | None) -> Asking | None:
        """Read the answer to the open question; None when there is one now."""
        if heard is None or not isinstance(step, Ask):
            return Asking(entry["s"])
        self._talk.now = self._present
        self._talk.asked = step.values
        result = step.question.read(heard, entry["o"], self._talk)
        if isinstance(result, Turned):
            entry["o"] = result.options
            entry["s"] = step.question.show(self._talk.words, result.options, step.values)
            return Asking(entry["s"])
        if isinstance(result, Unclear):
            return self._again(step, entry, result)
        entry["a"] = through_json(result.value)
        entry["t"] = self._present.isoformat()
        return None

    def _again(self, step: Ask, entry: Entry, result: Unclear) -> Asking:
        words = self._talk.words
        if result.options is not None:
            entry["o"] = result.options
        count = entry["m"]
        entry["m"] = count + 1
        values = {name: getattr(step.question, name, "") for name in ("low", "high", "longest")}
        values |= {name: value for name, value in step.values.items() if name in values}
        lead = words.turn(f"dialogue.unclear.{result.why}", count, **values)
        if count >= 2:  # noqa: PLR2004 — the third time comes with the way out
            own = f"{step.question.key.split('.')[0]}.way_out"  # a conversation may have words of its own for this
            lead += words.turn(own if own in words else "dialogue.way_out", count)
        options = "\n".join(f"{at}. {label}" for at, (_, label) in enumerate(entry["o"], 1))
        text = f"{lead}\n{options}" if options else lead
        if result.options is not None:
            entry["s"] = text  # the question has narrowed itself: this is what stands open now
        return Asking(text, unclear=True)

    def _logged(self, step: Step, entry: Entry) -> Any:
        self._talk.now = datetime.fromisoformat(entry["t"])
        if isinstance(step, Ask):
            self._above.clear()
            return step.question.from_json(entry["a"])
        if isinstance(step, Tell):
            self._above.append(self._talk.words(step.name, **step.values))
            return None
        return _handed_out(entry["v"])

    def _ask(self, step: Ask, name: str) -> Asking:
        question, words = step.question, self._talk.words
        self._talk.now = self._present
        options = question.options(self._talk, step.values)
        text = "\n\n".join([*self._above, question.show(words, options, step.values)])
        entry = {"k": "ask", "n": name, "f": question.fingerprint, "o": options, "s": text, "m": 0}
        self._frame.log.append(entry)
        return Asking(text)

    def _new(self, step: Remember | Once | Tell, name: str) -> Any:
        self._talk.now = self._present
        entry: Entry = {"n": name, "t": self._present.isoformat()}
        if isinstance(step, Tell):
            entry |= {"k": "tell"}
            self._above.append(self._talk.words(step.name, **step.values))
            value = None
        elif isinstance(step, Remember):
            value = through_json(step.read())
            entry |= {"k": "remember", "v": value}
        else:
            if step.undo is not None and find_undo(undo_name(step.undo)) is None:
                msg = f"{self._it.name}: the undo of {step.name} lacks @undoes"
                raise RuntimeError(msg)
            self._begin_to_write()
            value = through_json(step.write())
            entry |= {"k": "once", "v": value, "u": undo_name(step.undo) if step.undo else None}
        self._frame.log.append(entry)
        return _handed_out(value)

    def _end(self, said: Any) -> Said:
        if not isinstance(said, Said):
            msg = f"{self._it.name} ended without a sentence"
            raise TypeError(msg)
        above = "\n\n".join([*self._above, said.text])
        return Said(above, said.feed, said.resume)


def _matches(entry: Entry, step: Step, name: str) -> bool:
    if entry["k"] != type(step).__name__.lower() or entry["n"] != name:
        return False
    return not isinstance(step, Ask) or entry["f"] == step.question.fingerprint


def last_answered(log: list[Entry]) -> int | None:
    """Where the newest answered question stands; None when none was answered."""
    return next((at for at in range(len(log) - 1, -1, -1) if log[at]["k"] == "ask" and "a" in log[at]), None)


def answered(log: list[Entry]) -> list[tuple[str, Any]]:
    """The key and the JSON answer of each answered question, in order."""
    return [(entry["n"].split("#")[0], entry["a"]) for entry in log if entry["k"] == "ask" and "a" in entry]


def wall_after(log: list[Entry], at: int) -> bool:
    """Whether a write that cannot be taken back stands after a place in the log."""
    return any(entry["k"] == "once" and find_undo(entry["u"]) is None for entry in log[at:])


def take_back(log: list[Entry], at: int, session: Session, actor: Actor, *, now: datetime) -> None:
    """Undo what was written after a place in the log and can be taken back, newest first."""
    for entry in reversed(log[at:]):
        undo = find_undo(entry["u"]) if entry["k"] == "once" else None
        if undo is not None:
            undo(session, actor, _handed_out(entry["v"]), now=now)
