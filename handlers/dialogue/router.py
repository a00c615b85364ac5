"""The router: one message and a contact's open talk in, one reply and the talk as it stands then out.

Order: put away what is too old, a call for help, global words, a start word or menu tap, the open question, the menu.
Global words work on the stored log without replaying it, so a faulty script cannot hold anybody.
"""

import logging
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import Session

from handlers.dialogue.calls import URGENT, Calls, Meeting
from handlers.dialogue.conversation import EVERYBODY, GLOBAL_WORDS, Conversation, Registry
from handlers.dialogue.question import STICKER, Heard, Question, Read, Unclear
from handlers.dialogue.reading import folded, pick, plain
from handlers.dialogue.replay import Asking, Frame, LogBrokenError, Replay, last_answered, take_back, wall_after
from handlers.dialogue.safety import Safety, is_number
from handlers.dialogue.stack import Stack
from handlers.dialogue.steps import Said
from handlers.dialogue.talk import Talk
from handlers.dialogue.waiting import MOST_BYTES, StillTrue, Waiting
from handlers.words.catalogue import Words
from models import clock
from models.alert import standing
from models.card import tapped
from models.db import is_database_error
from models.errors import DomainError
from models.policy import Policy
from models.talk import Actor, Met, OpenTalk

log = logging.getLogger(__name__)

STARTED = clock.machine()
"""When this process began: a talk touched before that resumes with a line on where it was."""

LONG_PAUSE = timedelta(minutes=30)
FAILURES = 3
MOST_OPTIONS = 99
NAMES = {"person", "word"}
"""Kinds of questions that ask for a name or a number of somebody's."""

_ONE_LINE = re.compile(r"(\D+?)(?:[\s:,;+/|、]+|(?=\d))(\S.*)", re.DOTALL)
"""A start word and what stands behind it, apart or glued to its number: 「绑定 2023010101 …」「绑定2023010101 …」."""

_GLOBALS = {plain(word): name for name, words in GLOBAL_WORDS.items() for word in words}


class Router:
    """Answers messages with the registry's conversations."""

    def __init__(
        self,
        registry: Registry,
        words: Words,
        policy: Policy,
        savepoint: Callable[[Session], AbstractContextManager[None]],
        still_true: StillTrue,
    ) -> None:
        self.registry = registry
        self.words = words
        self.policy = policy
        self._savepoint = savepoint
        self._shelf = Waiting(words, still_true)
        self._calls = Calls(words, policy)

    def respond(self, session: Session, met: Met, heard: Heard, *, now: datetime) -> tuple[str, OpenTalk]:
        """The reply, and what to store."""
        if heard.text.strip() == STICKER:
            heard = Heard("", is_text=False)
        meeting = Meeting(session, met.actor, heard, self._load(met), now, met.talk.failures)
        self._put_away_if_old(meeting, met.talk)
        if not meeting.stack.frames:
            meeting.failures = 0
        text = self._route(meeting)
        reply = "\n\n".join([*meeting.lead, text])
        failures = meeting.failures if meeting.stack.frames else 0
        return reply, OpenTalk(meeting.stack.dump(), now, failures, None, self._unsent_for(meeting))

    def welcome(self, actor: Actor) -> str:
        """What a new follower reads; somebody who comes back and is bound still, by name."""
        if actor.person_id is not None:
            return self.words("follow.welcome_back", name=actor.name)
        return self.words("follow.welcome")

    def sorry(self, met: Met, heard: Heard, *, now: datetime) -> tuple[str, OpenTalk]:
        """After an unexpected error: the apology, and the talk as it was before; the third one closes it.

        A call for help gets the phones first, whatever failed.
        """
        failures = met.talk.failures + 1 if met.talk.log is not None else 0
        closes = failures >= FAILURES
        text = self.words("dialogue.sorry_closed" if closes else "dialogue.sorry")
        if heard.safety is not Safety.NO:
            text = self.help_text()
        if closes:
            return text, OpenTalk(None, now, 0, None)
        return text, replace(met.talk, touched_at=met.talk.touched_at or now, failures=failures)

    def help_text(self) -> str:
        """The phones, for when nothing else works any more."""
        return self.words("urgent.phones")

    # ── before anything else ────────────────────────────────────────────────────────────────────────────────

    def _load(self, met: Met) -> Stack:
        try:
            stack = Stack.load(met.talk)
        except (ValueError, KeyError, TypeError):
            log.warning("a talk's log could not be read and was let go", extra={"contact": met.actor.contact_id})
            return Stack()
        if met.actor.person_id is None and (strange := [it for it in stack.frames if not self._is_for_all(it.name)]):
            # Whoever lost the person in the middle, to another account or by leaving the roster, sees no more of their talks.
            stack.frames = [it for it in stack.frames if it not in strange]
            stack.leave_for = None
        return stack

    def _is_for_all(self, name: str) -> bool:
        it = self.registry.by_name.get(name)
        return it is not None and it.who == EVERYBODY

    def _put_away_if_old(self, it: Meeting, talk: OpenTalk) -> None:
        name = talk.dropped
        if it.stack.frames and talk.touched_at is not None and it.now - talk.touched_at >= self.policy.talk_lasts:
            name = it.stack.frames[0].name
            it.stack.frames.clear()
            it.stack.leave_for = None
        old = self.registry.by_name.get(name) if name else None
        if old is not None and not old.light and old.start:
            key = "dialogue.put_away" if talk.dropped is None or talk.unsent_for is None else "dialogue.put_away_unsent"
            it.lead.append(self.words(key, title=self._title(old), word=old.start[0]))
        if it.stack.frames and it.stack.touched is not None:
            paused = talk.touched_at is not None and it.now - talk.touched_at >= LONG_PAUSE
            top = self.registry.by_name.get(it.stack.frames[-1].name)
            if (paused or it.stack.touched < STARTED) and top is not None and not top.light and top.name != URGENT:
                it.back_again = self.words("dialogue.resumed", title=self._title(top))

    def _unsent_for(self, it: Meeting) -> int | None:
        """The class whose teachers would hear of what is typed and not sent in the open talks; None when there is nothing."""
        for frame in reversed(it.stack.frames):
            what = self.registry.by_name.get(frame.name)
            if what is None or what.unsent is None:
                continue
            try:
                class_id = what.unsent(it.session, it.actor, frame.log)
            except (ValueError, LookupError, TypeError):  # an older release's log must not hold its person
                log.warning("nobody can tell what a talk holds unsent", extra={"conversation": frame.name})
                continue
            if class_id is not None:
                return class_id
        return None

    # ── the order of things ─────────────────────────────────────────────────────────────────────────────────

    def _route(self, it: Meeting) -> str:
        safety = it.heard.safety
        if safety is Safety.WORDS:
            self._calls.call_again(it, self._question(it))
        if safety is not Safety.NO and not self._is_an_answer(it, safety):
            return self._urgent(it, safety)
        word = _GLOBALS.get(plain(it.heard.text)) if it.heard.is_text else None
        if word is not None and word != URGENT and not self._is_a_number(it):
            it.stack.leave_for = None  # what is shown next is the open question, so a number belongs to that one
            return {"cancel": self._cancel, "back": self._back, "help": self._help, "waiting": self._waiting}[word](it)
        if self._wants_more(it):
            it.stack.leave_for = None
            return self._waiting(it)
        started = self.registry.started_by(it.heard.text) if it.heard.is_text else None
        if started is not None and (too_late := self._tapped_too_late(it)) is not None:
            return too_late
        if it.stack.top is not None:
            return self._open(it, started)
        return self._start(it, started) if started is not None else self._one_line(it) or self._menu(it)

    def _is_a_number(self, it: Meeting) -> bool:
        question = self._question(it)
        return question is not None and question.takes_zero and is_number(it.heard.text)

    def _is_an_answer(self, it: Meeting, safety: Safety) -> bool:
        """110 and 120 are numbers while a number is asked; inside the urgent talk its own questions read the words."""
        if safety is Safety.CALL:
            return self._is_a_number(it) and plain(it.heard.text) != "0"
        top, question = it.stack.top, self._question(it)
        if top is None or question is None or not question.key.startswith(f"{URGENT}."):
            return False
        entry = top.open_question or {}
        talk = Talk(it.session, it.actor, self.words, self.policy, it.now)
        return isinstance(question.read(it.heard, entry["o"], talk), Read)

    def _question(self, it: Meeting) -> Question[Any] | None:
        top = it.stack.top
        entry = top.open_question if top else None
        return None if entry is None else self.registry.questions.get(entry["n"].split("#")[0])

    # ── a call for help ─────────────────────────────────────────────────────────────────────────────────────

    def _urgent(self, it: Meeting, safety: Safety) -> str:
        top = it.stack.top
        if top is not None and top.name == URGENT and top.open_question is not None:
            return f"{self._calls.heard_again(it, top, safety)}\n\n{top.open_question['s']}"
        it.stack.leave_for = None
        frame = self._calls.begun(it, safety, number_open=self._is_a_number(it))
        if safety is Safety.WORDS:
            self._keep_as_answer(it)
        it.lead.clear()
        it.stack.frames.append(frame)
        it.heard = Heard("")
        return self._play(it, None)

    def _keep_as_answer(self, it: Meeting) -> None:
        """A safety word inside a free text: the text stays the answer, and the talk goes on behind it later.

        Whatever is wrong with that talk, the call for help stands.
        """
        question = self._question(it)
        if question is None or question.kind != "text":
            return
        before = list(it.stack.frames)
        try:
            with self._savepoint(it.session):
                self._play(it, it.heard)
        except Exception as error:
            if is_database_error(error):
                raise
            log.exception("a talk failed over a call for help, which stands")
            it.stack.frames = before

    # ── global words ────────────────────────────────────────────────────────────────────────────────────────

    def _cancel(self, it: Meeting) -> str:
        top = it.stack.top
        if top is None:
            meant = self._cancels(it)
            return self._start(it, meant) if meant else f"{self.words('dialogue.nothing_open')}\n\n{self._menu(it)}"
        said = self._cancelled(it, top)
        below = it.stack.top
        return f"{said}\n\n{self._where_we_were(below)}" if below is not None else said

    def _cancels(self, it: Meeting) -> Conversation | None:
        """What 「取消」 means with nothing open: what somebody was just reminded of, if they were."""
        if it.actor.person_id is None:
            return None
        talk = Talk(it.session, it.actor, self.words, self.policy, it.now)
        for each in self.registry.by_name.values():
            if each.cancels is not None and each.open_to(it.actor) and each.cancels(talk):
                return each
        return None

    def _cancelled(self, it: Meeting, top: Frame) -> str:
        """Let a talk go, and say what stands nevertheless."""
        if top.name == URGENT:  # nothing of a call for help is taken back; 「按错了」 is an answer
            it.stack.frames.pop()
            return self.words(f"urgent.left_{standing(it.session, top.args['alert'])}")
        sent = wall_after(top.log, 0)
        self._let_go(it, top)
        current = self.registry.by_name.get(top.name)
        key = "closed" if current is None or current.light else "cancelled_sent" if sent else "cancelled"
        return self.words(f"dialogue.{key}", title=self._title(current))

    def _back(self, it: Meeting) -> str:
        top = it.stack.top
        if top is None:
            return f"{self.words('dialogue.nothing_open')}\n\n{self._menu(it)}"
        at = last_answered(top.log)
        first_step, wall = "dialogue.first_step", "dialogue.wall"
        if top.name == URGENT:
            first_step, wall = "urgent.first_step", "urgent.wall"
        elif (current := self.registry.by_name.get(top.name)) is not None and current.light:
            wall = "dialogue.wall_light"
        if at is None:
            return f"{self.words(first_step)}\n\n{self._shown(top)}"
        if wall_after(top.log, at):
            return f"{self.words(wall)}\n\n{self._shown(top)}"
        try:
            with self._savepoint(it.session):
                take_back(top.log, at, it.session, it.actor, now=it.now)
        except DomainError as error:
            return f"{self.words(error.key, **error.values)}\n\n{self._shown(top)}"
        del top.log[at + 1 :]
        for key in ("a", "t"):
            del top.log[at][key]
        return self._shown(top)

    def _help(self, it: Meeting) -> str:
        top = it.stack.top
        if top is None:
            return self._menu(it)
        if top.name == URGENT:
            return f"{self.words('urgent.phones')}\n\n{self._shown(top)}"
        title = self._title(self.registry.by_name.get(top.name))
        return f"{self.words('dialogue.help_inside', title=title)}\n\n{self._shown(top)}"

    def _waiting(self, it: Meeting) -> str:
        """「查看」 answers no open question: it stays open, and is shown again."""
        top = it.stack.top
        below = "" if top is None else f"\n\n{self._where_we_were(top)}"
        if it.actor.person_id is None:
            return f"{self._menu(it)}{below}"
        room = MOST_BYTES - sum(len(f"{lead}\n\n".encode()) for lead in it.lead)
        word = GLOBAL_WORDS["waiting"][0] if self._takes_more(it) else self.words("dialogue.more")
        text = self._shelf.page(it.session, it.actor, room=room - len(below.encode()), word=word, now=it.now)
        if top is not None and len(f"{text}{below}".encode()) > room:
            # Both do not fit, and the question can be had again.
            title = self._title(self.registry.by_name.get(top.name))
            below = f"\n\n{self.words('waiting.still_open', title=title)}"
        return f"{text}{below}"

    def _wants_more(self, it: Meeting) -> bool:
        """「更多」 after 「查看」, where no open question wants it itself."""
        return (
            it.heard.is_text
            and plain(it.heard.text) == plain(self.words("dialogue.more"))
            and it.actor.person_id is not None
            and not self._takes_more(it)
            and self._shelf.anything(it.session, it.actor, now=it.now)
        )

    def _takes_more(self, it: Meeting) -> bool:
        """Whether 「更多」 would be an answer to the open question, or turn its page."""
        question = self._question(it)
        entry = it.stack.top.open_question if it.stack.top else None
        if question is None or entry is None:
            return False
        talk = Talk(it.session, it.actor, self.words, self.policy, it.now)
        return not isinstance(question.read(Heard(self.words("dialogue.more")), entry["o"], talk), Unclear)

    def _menu(self, it: Meeting) -> str:
        if it.actor.person_id is None:
            return self.words("dialogue.menu_unbound")
        lines = [
            self.words("dialogue.menu_line", word=each.start[0], what=self.words(f"{each.name}.menu"))
            for each in self.registry.by_name.values()
            if f"{each.name}.menu" in self.words and each.listed_to(it.actor)
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
        if started is None and it.heard.tapped:  # a button of some other day: no answer to what is asked now
            return self._where_we_were(top)
        if started is not None and self._would_leave(it, current):
            return self._leave(it, top, current, started)
        if it.back_again is not None:
            it.lead.append(it.back_again)
        return self._play(it, it.heard)

    def _leave(self, it: Meeting, top: Frame, current: Conversation | None, started: Conversation) -> str:
        """From one conversation to another: at once from a light one, after one question from any other."""
        if current is None or current.light:
            self._let_go(it, top)
            return self._start(it, started)
        if started.name == top.name:
            return self._where_we_were(top)
        if not self._may_start(it, started):
            return f"{self._refused(it, started)}\n\n{self._where_we_were(top)}"
        it.stack.leave_for, it.stack.leave_with = started.name, self._meant(it)
        return self._leave_question(top, started)

    def _let_go(self, it: Meeting, frame: Frame) -> None:
        """Leaving takes back what can be taken back; nothing of a call for help can."""
        if frame.name != URGENT:
            try:
                with self._savepoint(it.session):
                    take_back(frame.log, 0, it.session, it.actor, now=it.now)
            except DomainError as error:
                it.lead.append(self.words(error.key, **error.values))
        it.stack.frames.pop()

    def _would_leave(self, it: Meeting, current: Conversation | None) -> bool:
        """A menu tap always would; a start word unless the open question takes it as an answer."""
        top, question = it.stack.top, self._question(it)
        entry = top.open_question if top else None
        if it.heard.tapped or current is None or question is None or entry is None or question.kind in NAMES:
            return True  # any word could be a name, but a start word is none
        talk = Talk(it.session, it.actor, self.words, self.policy, it.now)
        found = question.read(it.heard, entry["o"], talk)
        # Inside 「帮同学约」 stands a wish about 同学; a whole start word is never meant as one.
        return not isinstance(found, Read) or (question.kind == "times" and "option" not in found.value)

    def _leave_question(self, top: Frame, to: Conversation) -> str:
        current = self._title(self.registry.by_name.get(top.name))
        return self.words("dialogue.leave", current=current, other=self._title(to))

    def _leaving(self, it: Meeting, top: Frame) -> str | None:
        """The answer to 「先放下…？」; None when it was no answer to that."""
        to = self.registry.by_name.get(it.stack.leave_for or "")
        it.stack.leave_for = None
        if to is None or not it.heard.is_text:
            return None
        at = pick(it.heard.text, MOST_OPTIONS)
        said = plain(it.heard.text)
        if at == 0 or said in self._namings("去", to):
            self._let_go(it, top)
            return self._start(it, to, it.stack.leave_with)
        # Any other number was meant for this question, not for the one underneath, which is shown again.
        if at is not None or said in self._namings("接着", self.registry.by_name.get(top.name)):
            return self._shown(top)
        return None

    def _namings(self, verb: str, it: Conversation | None) -> set[str]:
        """How a person may name one side of 「先放下…？」."""
        names = [self._title(it), *(it.start if it else ())]
        return {verb, *(plain(name) for name in names), *(verb + plain(name) for name in names)}

    def _may_start(self, it: Meeting, what: Conversation) -> bool:
        return what.open_to(it.actor)

    def _refused(self, it: Meeting, what: Conversation) -> str:
        if it.actor.person_id is None:
            return self.words("dialogue.bind_first")
        return self.words("dialogue.not_yours", title=self._title(what))

    def _start(self, it: Meeting, what: Conversation, args: dict[str, Any] | None = None) -> str:
        if not self._may_start(it, what):
            refused = self._refused(it, what)
            return refused if it.actor.person_id is None else f"{refused}\n\n{self._menu(it)}"
        waiting = next((frame for frame in it.stack.frames if frame.name == what.name), None)
        if waiting is not None:  # it had stood under the one that was left
            it.stack.frames.remove(waiting)
            it.stack.frames.append(waiting)
            return self._where_we_were(waiting)
        it.failures = 0
        it.stack.frames.append(Frame(what.name, it.now, {**self._meant(it), **(args or {})}, []))
        return self._play(it, None)

    @staticmethod
    def _meant(it: Meeting) -> dict[str, Any]:
        """What a tapped line of a message menu spoke of: an old button is about its own appointment, not about the next."""
        meant = tapped(it.session, it.actor, it.heard.item, now=it.now) if it.heard.item else None
        return {} if meant is None else {"appointment": meant.appointment_id}

    def _tapped_too_late(self, it: Meeting) -> str | None:
        """What to say of a tapped line whose appointment is over; None when there is still something to be done."""
        meant = tapped(it.session, it.actor, it.heard.item, now=it.now) if it.heard.item else None
        if meant is None or meant.over is None:
            return None
        said, top = self.words(f"push.tapped.{meant.over.value}"), it.stack.top
        return said if top is None else f"{said}\n\n{self._where_we_were(top)}"

    def _one_line(self, it: Meeting) -> str | None:
        """`绑定 NUMBER NAME LAST4`: a start word with its answers behind it; 「我想约下周三下午」: a sentence that means one."""
        if not it.heard.is_text:
            return None
        found = _ONE_LINE.match(folded(it.heard.text))
        what = self.registry.started_by(found[1]) if found else None
        if what is not None and found is not None:
            return self._start(it, what, {"rest": found[2]})
        for each in self.registry.by_name.values():
            its_people = it.actor.person_id is not None and each.listed_for in {None, it.actor.kind}
            rest = each.means(it.heard.text) if each.means is not None and its_people else None
            if rest is not None:
                return self._start(it, each, {"rest": rest})
        return None

    def _play(self, it: Meeting, heard: Heard | None) -> str:
        """Run the top conversation; when it ends, come back to the one underneath."""
        top = it.stack.frames[-1]
        script = self.registry.by_name.get(top.name)
        if script is None:  # a release took the conversation away
            return self._changed(it)
        trial = Frame(top.name, top.at, top.args, [dict(entry) for entry in top.log])
        talk = Talk(it.session, it.actor, self.words, self.policy, it.now)
        try:
            outcome = Replay(script, talk, trial, lambda: self._savepoint(it.session)).run(heard)
        except LogBrokenError:
            return self._changed(it)
        except DomainError as error:
            if top.open_question is None:
                it.stack.frames.pop()
            return self.words(error.key, **error.values)
        it.stack.frames[-1] = trial
        if isinstance(outcome, Asking) and outcome.unclear:
            self._calls.keep_what_was_not_understood(it, trial)
        if isinstance(outcome, Asking):
            return f"{outcome.text}\n{self._foot(trial)}"
        return self._ended(it, outcome)

    def _changed(self, it: Meeting) -> str:
        """A release changed the script too much: the talk ends with a word."""
        it.stack.frames.pop()
        below = it.stack.top
        return f"{self.words('dialogue.changed')}\n\n{self._menu(it) if below is None else self._where_we_were(below)}"

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
        if said.resume:
            return f"{said.text}\n\n{self._where_we_were(below)}"
        # Somebody who has just called for help is not hurried back to a form.
        gentle = self.words("urgent.no_hurry", title=self._title(self.registry.by_name.get(below.name)))
        return f"{said.text}\n\n{gentle}\n\n{self._shown(below)}"

    def _where_we_were(self, frame: Frame) -> str:
        title = self._title(self.registry.by_name.get(frame.name))
        return f"{self.words('dialogue.resumed', title=title)}\n\n{self._shown(frame)}"

    def _shown(self, frame: Frame) -> str:
        """The open question as it was shown: from the log, without replaying."""
        entry = frame.open_question
        return f"{entry['s']}\n{self._foot(frame)}" if entry else ""

    def _title(self, it: Conversation | None) -> str:
        return self.words(f"{it.name}.title") if it else ""
