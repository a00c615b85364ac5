"""Small conversations of a test's own: their words, and a chat that meets them through the router and the real database."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlmodel import Session, col

from handlers.chat.urgent import urgent
from handlers.dialogue.conversation import BOUND, Conversation, Registry, conversation, undoes
from handlers.dialogue.question import Choice, FreeText, Heard, Number, Several, YesNo
from handlers.dialogue.replay import Frame
from handlers.dialogue.router import Router
from handlers.dialogue.stack import Stack
from handlers.words.catalogue import Words
from models import clock, db
from models.channel import Channel
from models.contact import Contact
from models.db import savepoint
from models.errors import RefusedError
from models.person import Kind, Person
from models.policy import Policy
from models.talk import Actor, Met, OpenTalk, keep, meet
from workers.still_true import holds


class Colour(StrEnum):
    """Something to choose from."""

    RED = "red"
    GREEN = "green"
    BLUE = "blue"


COLOUR = Choice("small.colour", Colour)
COLOURS = Several("small.colours", Colour)
SURE = YesNo("small.sure")
COUNT = Number("small.count", high=9)
NOTE = FreeText("small.note", longest=20)
EXTRA = FreeText("small.extra")

_LABELS = {"red": "红的", "green": "绿的", "blue": "蓝的"}
SENTENCES: dict[str, str | list[str]] = {f"small.colour.{value}": label for value, label in _LABELS.items()}
SENTENCES |= {f"small.colours.{value}": label for value, label in _LABELS.items()}
SENTENCES |= {
    "small.title": "小事",
    "small.done": "好了。",
    "small.result": "结果：{result}",
    "small.lead": "先说一句：{what}",
    "small.refused": "不行：{why}",
    "small.colour.ask": "什么颜色？",
    "small.colour.also.red": ["朱红"],
    "small.colours.ask": "哪些颜色？",
    "small.sure.ask": "确定吗？",
    "small.sure.yes": "确定",
    "small.sure.no": "再想想",
    "small.count.ask": "几个？",
    "small.note.ask": "说说看。",
    "small.extra.ask": "还有呢？",
}


class SmallWords(Words):
    """The default sentences, and those of the small conversations."""

    def __init__(self, **more: str | list[str]) -> None:
        """Shape: `more` by key, with `__` for the dots."""
        phones = {"school": "测试学院", "phones": "急救 120"}
        super().__init__(ZoneInfo("Asia/Shanghai"), phones)
        self._sentences |= SENTENCES | {key.replace("__", "."): sentence for key, sentence in more.items()}


notes = sa.Table("small_note", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), sa.Column("text", sa.Text))
"""What small conversations write."""


def write_note(session: Session, text: str) -> int:
    """Write one; returns its id."""
    return int(session.connection().execute(notes.insert().values(text=text).returning(notes.c.id)).scalar_one())


def drop_note(session: Session, note: int) -> None:
    """Take one back."""
    session.connection().execute(notes.delete().where(notes.c.id == note))


def all_notes(session: Session) -> list[str]:
    """What is written, in order."""
    return [text for _, text in session.connection().execute(sa.select(notes).order_by(notes.c.id))]


@undoes
def unwrite(session: Session, _actor: Actor, result: Any, *, now: Any) -> None:
    """Take a small note back."""
    assert now is not None
    drop_note(session, result)


@undoes
def refuse_to_unwrite(_session: Session, _actor: Actor, _result: Any, *, now: Any) -> None:
    """Some things are too late to take back."""
    raise RefusedError("small.refused", why=f"太晚了 {now:%H}")


def small(script: Any) -> Conversation:
    """The script as the conversation that 「小事」 starts."""
    return conversation("small", start=["小事"], who=BOUND)(script)


class UndoneError(Exception):
    """Ends a trial: nothing of it is kept."""


def undo() -> NoReturn:
    """End a trial."""
    raise UndoneError


@dataclass
class Chat:
    """One account that talks with some conversations. A release is another list of them for the same account."""

    conversations: Sequence[Conversation]
    words: Words = field(default_factory=SmallWords)
    policy: Policy = field(default_factory=Policy)
    address: str = "small"

    def __post_init__(self) -> None:
        """The account's person, and the table that small conversations write to."""
        with db.unit_of_work() as session:
            notes.create(session.connection(), checkfirst=True)
            if self._met(session).actor.person_id is None:
                it = Person(number=self.address, name="何小雨", kind=Kind.STUDENT)
                session.add(it)
                session.flush()
                contact = session.scalars(sa.select(Contact).where(col(Contact.address) == self.address)).one()
                contact.person_id = it.id

    def release(self, *conversations: Conversation) -> None:
        """The next message meets other scripts."""
        self.conversations = conversations

    @property
    def router(self) -> Router:
        """The router of this release."""
        return Router(Registry([*self.conversations, urgent], self.words), self.words, self.policy, savepoint, holds)

    def says(self, text: str, *, tapped: bool = False) -> str:
        """Say something, and keep what became of it."""
        return self._turn(
            lambda router, session, met: router.respond(session, met, Heard(text, tapped=tapped), now=clock.now())
        )

    def talks(self, *texts: str) -> str:
        """Say several things; returns the last reply."""
        return [self.says(text) for text in texts][-1]

    def fails(self, text: str) -> str:
        """What a turn does after its unexpected error was rolled back."""
        return self._turn(lambda router, _, met: router.sorry(met, Heard(text), now=clock.now()))

    def tries(self, text: str, *, now: datetime) -> tuple[str, list[dict[str, Any]], list[str]]:
        """What saying this would lead to: the reply, the stack's frames and the notes. Nothing is kept."""
        try:
            with db.unit_of_work() as session:
                reply, talk = self.router.respond(session, self._met(session), Heard(text), now=now)
                outcome = reply, frames_of(talk), all_notes(session)
                undo()
        except UndoneError:
            return outcome

    @property
    def frames(self) -> list[Frame]:
        """The open conversations, the one being answered last."""
        with self._looking() as (_, met):
            return Stack.load(met.talk).frames

    @property
    def log(self) -> list[dict[str, Any]]:
        """The log of the conversation being answered."""
        return self.frames[-1].log

    @property
    def failures(self) -> int:
        """How many unexpected errors the open talk has had."""
        with self._looking() as (_, met):
            return met.talk.failures

    @property
    def notes(self) -> list[str]:
        """What is written."""
        with self._looking() as (session, _):
            return all_notes(session)

    def _turn(self, answer: Callable[[Router, Session, Met], tuple[str, OpenTalk]]) -> str:
        with db.unit_of_work() as session:
            met = self._met(session)
            reply, talk = answer(self.router, session, met)
            keep(session, met.actor.contact_id, talk, now=clock.now())
        return reply

    @contextmanager
    def _looking(self) -> Iterator[tuple[Session, Met]]:
        with db.unit_of_work() as session:
            yield session, self._met(session)

    def _met(self, session: Session) -> Met:
        return meet(session, Channel.OFFICIAL_ACCOUNT, self.address)


def frames_of(talk: OpenTalk) -> list[dict[str, Any]]:
    """The frames of what would be stored, without the moment it was touched."""
    return [frame.as_json() for frame in Stack.load(talk).frames]
