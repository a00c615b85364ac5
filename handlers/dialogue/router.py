"""The router: one message and a contact's open talk in, one reply and the talk as it stands then out.

Order: put away what is too old, a call for help, global words, a start word or menu tap, the open question, the menu.
Global words work on the stored log without replaying it, so a faulty script cannot hold anybody.
"""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlmodel import Session

from handlers.dialogue.conversation import GLOBAL_WORDS, Conversation, Registry, find_undo
from handlers.dialogue.question import Heard
from handlers.dialogue.reading import pick, plain
from handlers.dialogue.replay import Asking, Frame, LogBrokenError, Replay, last_answered, wall_after
from handlers.dialogue.safety import Safety, is_number, look
from handlers.dialogue.steps import Said
from handlers.dialogue.talk import Talk
from handlers.words.catalogue import Words
from models import clock
from models.alert import Told, Trigger, call, raise_alert
from models.errors import DomainError
from models.policy import Policy
from models.talk import Actor, Met, OpenTalk

log = logging.getLogger(__name__)

URGENT = "urgent"
STARTED = clock.machine()
"""When this process began: a talk touched before that resumes with a line on where it was."""

LONG_PAUSE = timedelta(minutes=30)
FAILURES = 3
_GLOBALS = {plain(word): name for name, words in GLOBAL_WORDS.items() for word in words}


@dataclass
class Stack:
    """A contact's open conversations, the one being answered last, and whether leaving it was asked."""

    frames: list[Frame] = field(default_factory=list)
    leave_for: str | None = None
    touched: datetime | None = None  # by the machine's clock

    @classmethod
    def load(cls, talk: OpenTalk) -> "Stack":
        """From the stored log."""
        if talk.log is None:
            return cls()
        value = orjson.loads(talk.log)
        frames = [Frame.from_json(each) for each in value["stack"]]
        return cls(frames, value.get("leave_for"), datetime.fromisoformat(value["touched"]))

    def dump(self) -> bytes | None:
        """To the stored log; None when nothing is open."""
        if not self.frames:
            return None
        value = {
            "stack": [frame.as_json() for frame in self.frames],
            "leave_for": self.leave_for,
            "touched": clock.machine().isoformat(),
        }
        return orjson.dumps(value)

    @property
    def top(self) -> Frame | None:
        """The conversation being answered."""
        return self.frames[-1] if self.frames else None


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


class Router:
    """Answers messages with the registry's conversations."""

    def __init__(
        self,
        registry: Registry,
        words: Words,
        policy: Policy,
        savepoint: Callable[[Session], AbstractContextManager[None]],
    ) -> None:
        self.registry = registry
        self.words = words
        self.policy = policy
        self._savepoint = savepoint

    def respond(self, session: Session, met: Met, heard: Heard, *, now: datetime) -> tuple[str, OpenTalk]:
        """The reply, and what to store."""
        meeting = Meeting(session, met.actor, heard, self._load(met), now, met.talk.failures)
        self._put_away_if_old(meeting, met.talk)
        text = self._route(meeting)
        reply = "\n\n".join([*meeting.lead, text])
        return reply, OpenTalk(meeting.stack.dump(), now, meeting.failures if meeting.stack.frames else 0, None)

    def welcome(self, actor: Actor) -> str:
        """What a new follower reads; somebody who comes back and is bound still, by name."""
        if actor.person_id is not None:
            return self.words("follow.welcome_back", name=actor.name)
        return self.words("follow.welcome")

    def sorry(self, met: Met, heard: Heard, *, now: datetime) -> tuple[str, OpenTalk]:
        """After an unexpected error: the apology, and the talk as it was before; the third one closes it.

        A call for help gets the phones first, whatever failed.
        """
        failures = met.talk.failures + 1
        if look(heard.text) is not Safety.NO:
            return self.help_text(), OpenTalk(met.talk.log, met.talk.touched_at or now, failures, met.talk.dropped)
        if failures >= FAILURES and met.talk.log is not None:
            return self.words("dialogue.sorry_closed"), OpenTalk(None, now, 0, None)
        return self.words("dialogue.sorry"), OpenTalk(met.talk.log, met.talk.touched_at or now, failures, met.talk.dropped)

    def help_text(self) -> str:
        """The phones, for when nothing else works any more."""
        return self.words("urgent.phones_only")

    # ── before anything else ────────────────────────────────────────────────────────────────────────────────

    def _load(self, met: Met) -> Stack:
        try:
            return Stack.load(met.talk)
        except (ValueError, KeyError, TypeError):
            log.warning("a talk's log could not be read and was let go", extra={"contact": met.actor.contact_id})
            return Stack()

    def _put_away_if_old(self, it: Meeting, talk: OpenTalk) -> None:
        name = talk.dropped
        if it.stack.frames and talk.touched_at is not None and it.now - talk.touched_at >= self.policy.talk_lasts:
            name = it.stack.frames[0].name
            it.stack.frames.clear()
            it.stack.leave_for = None
        old = self.registry.by_name.get(name) if name else None
        if old is not None and not old.light and old.start:
            it.lead.append(self.words("dialogue.put_away", title=self._title(old), word=old.start[0]))
        if it.stack.frames and it.stack.touched is not None and it.heard.is_text:
            paused = talk.touched_at is not None and it.now - talk.touched_at >= LONG_PAUSE
            top = self.registry.by_name.get(it.stack.frames[-1].name)
            if (paused or it.stack.touched < STARTED) and top is not None and not top.light:
                it.lead.append(self.words("dialogue.resumed", title=self._title(top)))

    # ── the order of things ─────────────────────────────────────────────────────────────────────────────────

    def _route(self, it: Meeting) -> str:
        safety = look(it.heard.text) if it.heard.is_text else Safety.NO
        if safety is not Safety.NO and not self._is_an_answer(it, safety):
            return self._urgent(it, safety)
        word = _GLOBALS.get(plain(it.heard.text)) if it.heard.is_text else None
        if word is not None and word != URGENT and not self._is_a_number(it):
            it.stack.leave_for = None if word != "help" else it.stack.leave_for
            return {"cancel": self._cancel, "back": self._back, "help": self._help, "waiting": self._menu}[word](it)
        started = self.registry.started_by(it.heard.text) if it.heard.is_text else None
        if it.stack.top is not None:
            return self._open(it, started)
        if started is not None:
            return self._start(it, started)
        return self._one_line(it) or self._menu(it)

    def _is_a_number(self, it: Meeting) -> bool:
        question = self._question(it)
        return question is not None and question.takes_zero and is_number(it.heard.text)

    def _is_an_answer(self, it: Meeting, safety: Safety) -> bool:
        """110 and 120 are numbers while a number is asked; inside the urgent talk its own questions read the words."""
        if safety is Safety.CALL:
            return self._is_a_number(it) and plain(it.heard.text) != "0"
        top = it.stack.top
        if top is None or top.name != URGENT:
            return False
        call(it.session, top.args["alert"], Told.CENTRE, policy=self.policy.duty, now=it.now)
        return True

    def _question(self, it: Meeting) -> Any:
        top = it.stack.top
        entry = top.open_question if top else None
        script = self.registry.by_name.get(top.name) if top else None
        if entry is None or script is None:
            return None
        key = entry["n"].split("#")[0]
        return next((question for question in script.questions if question.key == key), None)

    # ── a call for help ─────────────────────────────────────────────────────────────────────────────────────

    def _urgent(self, it: Meeting, safety: Safety) -> str:
        top = it.stack.top
        if top is not None and top.name == URGENT and top.open_question is not None:
            return f"{self.words('urgent.phones_only')}\n\n{top.open_question['s']}"
        it.stack.leave_for = None
        number_open = self._is_a_number(it)
        if safety is Safety.WORDS:
            self._keep_as_answer(it)
        trigger = Trigger.WORDS if safety is Safety.WORDS else Trigger.CALL
        alert = raise_alert(it.session, it.actor, trigger, policy=self.policy.duty, now=it.now, asks=True)
        names: list[str] = []
        if safety is Safety.WORDS:
            names = call(it.session, alert.id or 0, Told.CENTRE, policy=self.policy.duty, now=it.now)
        it.lead.clear()
        args = {"alert": alert.id, "trigger": trigger.value, "number": number_open, "names": names}
        it.stack.frames.append(Frame(URGENT, it.now, args, []))
        it.heard = Heard("")
        return self._play(it, None)

    def _keep_as_answer(self, it: Meeting) -> None:
        """A safety word inside a free text: the text stays the answer, and the talk goes on behind it later."""
        question = self._question(it)
        if question is not None and question.kind == "text":
            self._play(it, it.heard)

    # ── global words ────────────────────────────────────────────────────────────────────────────────────────

    def _cancel(self, it: Meeting) -> str:
        top = it.stack.top
        if top is None:
            return f"{self.words('dialogue.nothing_open')}\n\n{self._menu(it)}"
        self._undo_from(it, top, 0)
        it.stack.frames.pop()
        said = self.words("dialogue.cancelled", title=self._title(self.registry.by_name.get(top.name)))
        if top.name == URGENT:
            said = self.words("urgent.left")
        below = it.stack.top
        return f"{said}\n\n{self._where_we_were(below)}" if below is not None else said

    def _back(self, it: Meeting) -> str:
        top = it.stack.top
        if top is None:
            return f"{self.words('dialogue.nothing_open')}\n\n{self._menu(it)}"
        at = last_answered(top.log)
        if at is None:
            return f"{self.words('dialogue.first_step')}\n\n{self._shown(top)}"
        if wall_after(top.log, at):
            return f"{self.words('dialogue.wall')}\n\n{self._shown(top)}"
        self._undo_from(it, top, at)
        entry = top.log[at]
        del top.log[at + 1 :]
        entry.pop("a", None)
        entry["m"] = 0
        return self._shown(top)

    def _undo_from(self, it: Meeting, frame: Frame, at: int) -> None:
        for entry in reversed(frame.log[at:]):
            if entry["k"] == "once" and entry["u"]:
                undo = find_undo(entry["u"])
                if undo is not None:
                    undo(it.session, it.actor, entry["v"], now=it.now)
                entry["u"] = None

    def _help(self, it: Meeting) -> str:
        top = it.stack.top
        if top is None:
            return self._menu(it)
        title = self._title(self.registry.by_name.get(top.name))
        return f"{self.words('dialogue.help_inside', title=title)}\n\n{self._shown(top)}"

    def _menu(self, it: Meeting) -> str:
        if it.actor.person_id is None:
            return self.words("dialogue.menu_unbound")
        roles = {post.role for post in it.actor.posts}
        lines = [
            self.words("dialogue.menu_line", word=each.start[0], what=self.words(f"{each.name}.menu"))
            for each in self.registry.by_name.values()
            if each.start and each.open_to(roles, bound=True) and f"{each.name}.menu" in self.words
        ]
        return self.words("dialogue.menu", name=it.actor.name, lines="\n".join(lines))

    # ── conversations ───────────────────────────────────────────────────────────────────────────────────────

    def _open(self, it: Meeting, started: Conversation | None) -> str:
        top = it.stack.top
        if top is None:  # pragma: no cover — the caller has looked
            return self._menu(it)
        current = self.registry.by_name.get(top.name)
        if it.stack.leave_for is not None:
            answer = self._leaving(it, top)
            if answer is not None:
                return answer
        if started is not None and started.name != top.name and self._would_leave(it, current):
            if current is None or current.light:
                it.stack.frames.pop()
                return self._start(it, started)
            it.stack.leave_for = started.name
            return self._leave_question(top, started)
        if started is not None and started.name == top.name and self._would_leave(it, current):
            return self._where_we_were(top)
        return self._play(it, it.heard)

    def _would_leave(self, it: Meeting, current: Conversation | None) -> bool:
        """A menu tap always would; a start word unless the open question takes it as an answer."""
        question = self._question(it)
        return it.heard.tapped or current is None or question is None or question.kind != "text"

    def _leave_question(self, top: Frame, to: Conversation) -> str:
        current = self._title(self.registry.by_name.get(top.name))
        return self.words("dialogue.leave", current=current, other=self._title(to))

    def _leaving(self, it: Meeting, top: Frame) -> str | None:
        """The answer to 「先放下…？」; None when it was no answer to that."""
        to = self.registry.by_name.get(it.stack.leave_for or "")
        it.stack.leave_for = None
        at = pick(it.heard.text, 2) if it.heard.is_text else None
        said = plain(it.heard.text)
        named = to is not None and said in {plain(word) for word in (self._title(to), *to.start)}
        if to is not None and (named or at == 0 or said.startswith("去")):
            it.stack.frames.pop()
            return self._start(it, to)
        if at == 1 or said.startswith("接着"):
            return self._shown(top)
        return None

    def _start(self, it: Meeting, what: Conversation, args: dict[str, Any] | None = None) -> str:
        roles = {post.role for post in it.actor.posts}
        if not what.open_to(roles, bound=it.actor.person_id is not None):
            if it.actor.person_id is None:
                return self.words("dialogue.bind_first")
            return f"{self.words('dialogue.not_yours', title=self._title(what))}\n\n{self._menu(it)}"
        it.stack.frames.append(Frame(what.name, it.now, args or {}, []))
        return self._play(it, None)

    def _one_line(self, it: Meeting) -> str | None:
        """`绑定 NUMBER NAME LAST4`: a start word with its answers behind it."""
        first, _, rest = it.heard.text.strip().partition(" ") if it.heard.is_text else ("", "", "")
        what = self.registry.started_by(first)
        return None if what is None or not rest.strip() else self._start(it, what, {"rest": rest.strip()})

    def _play(self, it: Meeting, heard: Heard | None) -> str:
        """Run the top conversation; when it ends, come back to the one underneath."""
        top = it.stack.frames[-1]
        script = self.registry.by_name.get(top.name)
        if script is None:  # a release took the conversation away
            it.stack.frames.pop()
            return f"{self.words('dialogue.changed')}\n\n{self._menu(it)}"
        trial = Frame(top.name, top.at, top.args, [dict(entry) for entry in top.log])
        talk = Talk(it.session, it.actor, self.words, self.policy, it.now)
        try:
            outcome = Replay(script, talk, trial, lambda: self._savepoint(it.session)).run(heard)
        except LogBrokenError:
            it.stack.frames.pop()
            return f"{self.words('dialogue.changed')}\n\n{self._menu(it)}"
        except DomainError as error:
            if top.open_question is None:
                it.stack.frames.pop()
            return self.words(error.key, **error.values)
        it.stack.frames[-1] = trial
        it.failures = 0
        if isinstance(outcome, Asking):
            return f"{outcome.text}\n{self._foot(trial)}"
        return self._ended(it, outcome)

    def _foot(self, frame: Frame) -> str:
        """The way out, under every question."""
        if frame.name == URGENT:
            return self.words("dialogue.foot_urgent")
        return self.words("dialogue.foot_first" if last_answered(frame.log) is None else "dialogue.foot")

    def _ended(self, it: Meeting, said: Said) -> str:
        it.stack.frames.pop()
        below = it.stack.top
        if below is None:
            return said.text
        if said.feed is not None:
            return self._play(it, Heard(said.feed))
        return f"{said.text}\n\n{self._where_we_were(below)}"

    def _where_we_were(self, frame: Frame) -> str:
        title = self._title(self.registry.by_name.get(frame.name))
        return f"{self.words('dialogue.resumed', title=title)}\n\n{self._shown(frame)}"

    def _shown(self, frame: Frame) -> str:
        """The open question as it was shown: from the log, without replaying."""
        entry = frame.open_question
        return f"{entry['s']}\n{self._foot(frame)}" if entry else ""

    def _title(self, it: Conversation | None) -> str:
        return self.words(f"{it.name}.title") if it else ""
