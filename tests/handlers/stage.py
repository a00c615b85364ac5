"""A stage for any sequence of messages: one account in one transaction, of which nothing is kept."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from sqlmodel import Session

from handlers.dialogue.question import Heard
from handlers.dialogue.router import Router
from handlers.dialogue.stack import Stack
from models.channel import Channel
from models.db import savepoint
from models.talk import keep, meet
from tests.handlers.small import (
    UndoneError,
    undo,
)

LAW = settings(
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
PHONES = "急救 120"
FITTING = ["2", "周一帆", "0104", "这周有三次没来上课"]
REPLY_BYTES = 2048


@dataclass
class Stage:
    """One account in one transaction; a message is a turn of its own, with a session that remembers nothing."""

    session: Session
    router: Router
    channel: Channel
    address: str

    def says(self, heard: Heard, now: datetime) -> str:
        """Say something, and keep what became of it."""
        met = meet(self.session, self.channel, self.address)
        reply, talk = self.router.respond(self.session, met, heard, now=now)
        self.session.flush()
        keep(self.session, met.actor.contact_id, talk, now=now)
        self.session.expunge_all()
        return reply

    @contextmanager
    def trial(self) -> Iterator[None]:
        """Whatever is said in here was never said."""
        try:
            with savepoint(self.session):
                yield
                undo()
        except UndoneError:
            pass

    @property
    def frames(self) -> list[dict[str, Any]]:
        """The open conversations, the one being answered last."""
        return [frame.as_json() for frame in Stack.load(meet(self.session, self.channel, self.address).talk).frames]

    @property
    def place(self) -> tuple[str, ...]:
        """The open conversations and the open question's name."""
        frames = self.frames
        return (*(frame["name"] for frame in frames), *(frame["log"][-1]["n"].split("#")[0] for frame in frames[-1:]))

    def fitting(self) -> list[str]:
        """Answers that the open question may well take; [] when none is open."""
        frames = self.frames
        if not frames:
            return []
        options = frames[-1]["log"][-1]["o"]
        return [str(at) for at in range(1, len(options) + 1)] or FITTING

    def can_leave(self, now: datetime) -> bool:
        """Whether 「取消」 leads out, one conversation a time."""
        with self.trial():
            left = [len(self.frames)]
            while left[-1]:
                self.says(Heard("取消"), now)
                left.append(len(self.frames))
        return left == sorted(left, reverse=True) and len(set(left)) == len(left)

    def is_helped(self, now: datetime) -> bool:
        """Whether 「0」 leads to the phones and to somebody to call."""
        with self.trial():
            reply = self.says(Heard("0"), now)
            top = self.frames[-1]["name"]
        return PHONES in reply and top == "urgent"


def draw_words(data: st.DataObject, fitting: list[str], other: st.SearchStrategy[str]) -> str:
    """Mostly an answer that fits, so that talks go deep; else anything."""
    fits = fitting and data.draw(st.integers(0, 9)) < 7
    return data.draw(st.sampled_from(fitting) if fits else other)
