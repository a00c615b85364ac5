"""PostgreSQL: what happens around a COMMIT, and what nobody may claim then."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

import pytest
import sqlalchemy as sa

from bot.doors.inbound import NoAnswer
from bot.turn import SECONDS
from models import db
from models.audit import Fact
from models.checkin import Checkin
from models.db import Database
from models.inbox import Inbox
from tests.bot.turns import (
    another_connection,
    held,
    plain,
    said,
    turn_of,
)
from tests.handlers.small import SmallWords
from tests.rows import everything
from tests.world import World

CALM = ("周报", "1", "1", "1", "1")


def at_commit(database: Database, body: str, *, before: str = "") -> None:
    """Run something inside the COMMIT of every turn, by a trigger that waits for it."""
    with another_connection(database.url.render_as_string(hide_password=False)) as other:
        other.execute(
            sa.text(f"CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body}; RETURN NULL; END $$")
        )
        other.execute(
            sa.text(
                "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON inbox DEFERRABLE INITIALLY DEFERRED"
                " FOR EACH ROW EXECUTE FUNCTION late()"
            )
        )
        if before:
            other.execute(
                sa.text(
                    f"CREATE FUNCTION early() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {before}; RETURN NEW; END $$"
                )
            )
            other.execute(sa.text("CREATE TRIGGER early BEFORE INSERT ON inbox FOR EACH ROW EXECUTE FUNCTION early()"))
        other.commit()


def nothing_at_commit(database: Database) -> None:
    """Take the trigger away."""
    with another_connection(database.url.render_as_string(hide_password=False)) as other:
        other.execute(sa.text("DROP TRIGGER late ON inbox"))
        other.commit()


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_what_was_committed_late_is_answered_as_it_is(world: World, database: Database) -> None:
    at_commit(database, "PERFORM pg_sleep(0.8)", before="PERFORM pg_sleep(0.4)")
    turn = turn_of(world, plain)
    message = said("小事", left=1.0)

    reply = turn(message)

    assert time.monotonic() > message.received + SECONDS
    assert "说说看。" in (reply or "")
    assert turn(replace(message, received=time.monotonic())) == reply


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_a_commit_that_broke_is_met_with_silence_and_its_repeat_starts_anew(world: World, database: Database) -> None:
    phone = world.phone("committee")
    phone.talks(*CALM[:-1])
    rows = everything()
    at_commit(database, "PERFORM pg_terminate_backend(pg_backend_pid())")

    began = time.monotonic()
    assert phone.says("1") == ""
    assert time.monotonic() - began > 5.4  # nobody listens any more: an answer would end the repeats
    assert everything() == rows

    nothing_at_commit(database)
    assert phone.repeats().startswith("已送到")
    assert len(world.rows(Checkin)) == 1


class Wire:
    """A wire to the database server that breaks after a COMMIT has gone out, before its answer comes back."""

    def __init__(self, database: Database) -> None:
        query = database.url.query
        self._server = f"{query['host']}/.s.PGSQL.{query.get('port', database.url.port or 5432)}"
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = database.url.set(host="127.0.0.1", port=self._listener.getsockname()[1], query={})
        self.breaks = self._mute = False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect(self._server)
            threading.Thread(target=self._carry, args=(near, far), kwargs={"out": True}, daemon=True).start()
            threading.Thread(target=self._carry, args=(far, near), kwargs={"out": False}, daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket, *, out: bool) -> None:
        while True:
            try:
                data = source.recv(65536)
                if not data or (self._mute and not out):
                    break
                last = self._mute = out and self.breaks and b"COMMIT" in data
                target.sendall(data)
            except OSError:
                break
            if last:
                time.sleep(0.2)  # the server has it, and has done it
                break
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def close(self) -> None:
        """No more connections."""
        self._listener.close()


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_a_commit_whose_answer_was_lost_is_met_with_silence_and_its_repeat_finds_the_reply(
    world: World, database: Database
) -> None:
    wire = Wire(database)
    home = database.url.render_as_string(hide_password=False)
    turn = turn_of(world, plain)
    turn(said("小事"))
    message = said("好")

    db.connect(wire.url.render_as_string(hide_password=False))
    turn(said("帮助", address="another"))
    wire.breaks = True
    with pytest.raises(NoAnswer):
        turn(message)
    wire.breaks = False

    assert turn(replace(message, received=time.monotonic())) == "结果：好"
    db.connect(home)
    wire.close()
    assert world.facts(Fact.OWN_DATA_SHOWN) == [Fact.OWN_DATA_SHOWN]


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_several_waits_of_one_turn_share_its_time(world: World, database: Database, people: ThreadPoolExecutor) -> None:
    turn = turn_of(world, plain)
    turn(said("帮助"))
    message = said("小事", left=1.2)
    with held(database, "somebody"), another_connection(database.url.render_as_string(hide_password=False)) as other:
        other.execute(sa.insert(Inbox).values(key=message.key, received_at=world.now))
        waiting = people.submit(turn, message)
        time.sleep(0.7)
        other.rollback()

        assert waiting.result() == SmallWords()("dialogue.not_kept")

    assert time.monotonic() - message.received < SECONDS + 0.4
