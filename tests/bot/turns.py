"""Turns for tests: made with conversations of the test's own, spoken to directly, and troubled by a real database."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from bot.doors.inbound import Inbound, InboundKind
from bot.turn import SECONDS, Ring, Turn
from handlers.chat.conversations import CONVERSATIONS
from handlers.chat.urgent import urgent
from handlers.dialogue.conversation import EVERYBODY, Conversation, Registry, conversation
from handlers.dialogue.question import FreeText
from handlers.dialogue.router import Router
from handlers.dialogue.steps import Dialogue, ask, once
from handlers.dialogue.talk import Talk
from models import db
from models.audit import Fact, record
from models.channel import Channel
from models.contact import Contact
from models.db import Database, savepoint
from tests.handlers.small import SmallWords
from tests.world import World
from workers.still_true import holds

ASKED = FreeText("small.note")


def turn_of(world: World, *conversations: Conversation, ring: Ring | None = None, threads: int = 8) -> Turn:
    """A turn with some conversations, else with the real ones."""
    words = SmallWords() if conversations else world.words
    scripts = [*conversations, urgent] if conversations else CONVERSATIONS
    router = Router(Registry(scripts, words), words, world.policy, savepoint, holds)
    return Turn(router, ring or world.rung.extend, threads)


def said(text: str, *, key: str | None = None, address: str = "somebody", left: float = SECONDS) -> Inbound:
    """A text message that has `left` seconds of its time."""
    received = time.monotonic() - SECONDS + left
    key = key or f"official_account:{time.monotonic_ns()}"
    return Inbound(Channel.OFFICIAL_ACCOUNT, key, address, InboundKind.TEXT, text, received, "gh_0123456789ab")


def small(script: Callable[[Talk], Dialogue]) -> Conversation:
    """A script that 「小事」 starts, for anybody."""
    return conversation("small", start=["小事"], who=EVERYBODY)(script)


def recording(talk: Talk) -> int:
    """Write one fact."""
    record(talk.session, Fact.OWN_DATA_SHOWN, None, "small:1", at=talk.now)
    return 1


@small
def plain(talk: Talk) -> Dialogue:
    """Ask once, write, and say so."""
    note = yield from ask(ASKED)
    yield from once("write", lambda: recording(talk))
    return talk.say("small.result", result=note)


@contextmanager
def another_connection(url: str) -> Iterator[sa.Connection]:
    """Somebody else at the same database."""
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    with engine.connect() as connection:
        yield connection


@contextmanager
def held(database: Database, address: str) -> Iterator[None]:
    """The lock that a turn of this address needs, in other hands: SQLite's writer, PostgreSQL's contact row."""
    if database.is_sqlite:
        connection = sqlite3.connect(str(database.url.database), isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")
        connection.close()
        return
    with another_connection(database.url.render_as_string(hide_password=False)) as other:
        other.execute(sa.select(Contact).where(sa.column("address") == address).with_for_update())
        yield


def fail_at(database: Database, which: set[int]) -> list[int]:
    """Let the database itself fail at some of the journal's inserts, counted from 1. Shape: the inserts so far."""
    seen: list[int] = []

    def trouble() -> int:
        seen.append(1)
        return int(len(seen) in which)

    if database.is_sqlite:
        sa.event.listen(database.engine, "connect", lambda raw, _: raw.create_function("trouble", 0, trouble))
        database.dispose()
        with db.unit_of_work() as session:
            session.connection().exec_driver_sql(
                "CREATE TRIGGER trouble BEFORE INSERT ON audit WHEN trouble() BEGIN SELECT RAISE(ABORT, 'disk'); END"
            )
        return seen
    wanted = ",".join(map(str, sorted(which)))
    with db.unit_of_work() as session:
        run = session.connection().exec_driver_sql
        run("CREATE SEQUENCE troubles")  # which no roll-back turns back
        run(
            "CREATE FUNCTION trouble() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" IF nextval('troubles') IN ({wanted}) THEN RAISE EXCEPTION 'disk'; END IF; RETURN NEW; END $$"
        )
        run("CREATE TRIGGER trouble BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION trouble()")
    return seen
