"""One message, exactly once (design, idea 2), on both engines, in one process. Several processes: tests/proofs."""

import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import SQLModel

from bot.doors.inbound import Inbound, InboundKind, NoAnswer
from bot.sandbox.callbacks import event, sign, text_message
from bot.turn import SECONDS, Ring, Turn
from handlers.chat.conversations import CONVERSATIONS
from handlers.chat.urgent import urgent
from handlers.dialogue.conversation import EVERYBODY, Conversation, Registry, conversation
from handlers.dialogue.question import FreeText
from handlers.dialogue.router import Router
from handlers.dialogue.steps import Dialogue, ask, once
from handlers.dialogue.talk import Talk
from models import clock, db, inbox
from models.audit import Fact, record
from models.channel import Channel
from models.checkin import Checkin
from models.contact import Contact
from models.db import Database, savepoint
from models.inbox import Inbox
from tests.handlers.small import SmallWords
from tests.world import DOORS, World

CALM = ("周报", "1", "1", "1", "1")
ASKED = FreeText("small.note")


# ── the cast ────────────────────────────────────────────────────────────────────────────────────────────────────


def turn_of(world: World, *conversations: Conversation, ring: Ring | None = None, threads: int = 8) -> Turn:
    """A turn with some conversations, else with the real ones."""
    words = SmallWords() if conversations else world.words
    scripts = [*conversations, urgent] if conversations else CONVERSATIONS
    router = Router(Registry(scripts, words), words, world.policy, savepoint)
    return Turn(router, ring or world.rung.extend, threads)


def said(text: str, *, key: str | None = None, address: str = "somebody", left: float = SECONDS) -> Inbound:
    """A text message that has `left` seconds of its time."""
    received = time.monotonic() - SECONDS + left
    key = key or f"official_account:{time.monotonic_ns()}"
    return Inbound(Channel.OFFICIAL_ACCOUNT, key, address, InboundKind.TEXT, text, received, "gh_0123456789ab")


def everything(world: World) -> dict[str, list[Any]]:
    """All rows of all tables."""
    with db.unit_of_work(write=False) as session:
        return {
            name: sorted(map(tuple, session.connection().execute(sa.select(table))), key=repr)
            for name, table in SQLModel.metadata.tables.items()
        }


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


@pytest.fixture
def people() -> Iterator[ThreadPoolExecutor]:
    """Threads to speak at the same time."""
    with ThreadPoolExecutor(12) as pool:
        yield pool


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


# ── a repeat ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_repeat_gets_the_same_reply_and_changes_nothing(world: World) -> None:
    phone = world.phone("committee")
    for text in CALM:
        reply = phone.says(text)
        rows = everything(world)

        assert [phone.repeats(), phone.repeats()] == [reply, reply]
        assert everything(world) == rows
    assert reply.startswith("已送到")
    assert len(world.rung) == 1


def test_a_repeat_after_a_day_is_silent_and_changes_nothing(world: World) -> None:
    phone = world.phone("committee")
    phone.talks(*CALM)
    world.forward(hours=24, minutes=1)
    with db.unit_of_work() as session:
        assert inbox.sweep(session, now=world.now) == len(CALM)
    rows = everything(world)

    assert phone.repeats() == ""
    assert everything(world) == rows


def test_a_month_later_the_keys_are_gone_and_earlier_ones_stay(world: World) -> None:
    phone = world.phone("committee")
    phone.says("帮助")
    world.forward(days=29)
    phone.says("帮助")
    world.forward(days=2)

    with db.unit_of_work() as session:
        inbox.sweep(session, now=world.now)

    assert len(world.rows(Inbox)) == 1


def test_a_reply_that_no_key_opens_any_more_is_not_answered_anew(world: World) -> None:
    turn = turn_of(world)
    message = said("帮助")
    turn(message)
    with db.unit_of_work() as session:
        session.connection().execute(sa.update(Inbox).values(reply=b"another key's"))
    rows = everything(world)

    assert turn(message) is None
    assert everything(world) == rows


def test_one_number_on_two_platforms_is_two_messages(world: World) -> None:
    one, other = world.phone("committee"), world.phone("advisor")

    assert one.says("帮助", msg_id=7)
    assert other.says("帮助", msg_id=7)
    assert len(world.rows(Inbox)) == 2


@pytest.mark.parametrize(
    ("name", "fields", "other"),
    [
        ("subscribe", {}, {"EventKey": "qrscene_1"}),
        ("CLICK", {"EventKey": "周报"}, {"EventKey": "帮助"}),
        ("template_card_event", {"EventKey": "周报", "TaskId": "1"}, {"EventKey": "周报", "TaskId": "2"}),
    ],
)
def test_an_event_is_known_by_sender_second_name_key_and_task(
    world: World, name: str, fields: dict[str, str], other: dict[str, str]
) -> None:
    phone = world.phone("advisor" if name.startswith("template") else "committee")

    def tells(values: dict[str, str], *, address: str = phone.address, created: int = 1_800_000_000) -> None:
        request = sign(phone.door, event(phone.door, address, name, values, created=created))
        phone._reply(phone._post(request))

    tells(fields)
    tells(fields)
    assert len(world.rows(Inbox)) == 1

    tells(other)
    tells(fields, created=1_800_000_001)
    tells(fields, address="somebody-else")
    assert len(world.rows(Inbox)) == 4


def test_three_deliveries_at_once_act_once_and_hear_the_same(world: World, people: ThreadPoolExecutor) -> None:
    phone = world.phone("committee")
    phone.talks(*CALM[:-1])
    request = sign(phone.door, text_message(phone.door, phone.address, "1", msg_id=world.next_id()))

    replies = list(people.map(lambda _: phone._reply(phone._post(request)), range(3)))

    assert len(set(replies)) == 1
    assert replies[0].startswith("已送到")
    assert len(world.rows(Checkin)) == 1
    assert world.facts(Fact.CHECKIN_SENT) == [Fact.CHECKIN_SENT]


# ── one person, one message at a time ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("known", [True, False])
def test_two_messages_of_one_person_are_taken_one_after_the_other(
    world: World, people: ThreadPoolExecutor, *, known: bool
) -> None:
    inside, go_on = threading.Event(), threading.Event()

    @small
    def slow(talk: Talk) -> Dialogue:
        inside.set()
        go_on.wait(5)
        one = yield from ask(ASKED)
        two = yield from ask(ASKED)
        return talk.say("small.result", result=[one, two])

    turn = turn_of(world, slow)
    if known:
        turn(said("帮助"))
    first = people.submit(turn, said("小事"))
    inside.wait(5)
    second = people.submit(turn, said("一"))
    time.sleep(0.2)
    go_on.set()

    assert "说说看。" in (first.result() or "")
    assert "说说看。" in (second.result() or "")
    assert turn(said("二")) == "结果：一、二"


def test_many_messages_of_one_person_at_once_are_all_heard(world: World, people: ThreadPoolExecutor) -> None:
    @small
    def counting(talk: Talk) -> Dialogue:
        found = []
        while len(found) < 10:
            found.append((yield from ask(ASKED)))
        return talk.say("small.result", result=sorted(found))

    turn = turn_of(world, counting)
    turn(said("小事"))

    replies = list(people.map(turn, [said(f"第{at}句") for at in range(10)]))

    assert f"结果：{'、'.join(f'第{at}句' for at in range(10))}" in replies


# ── the deadline ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_turn_that_waits_too_long_is_undone_and_says_so(world: World, database: Database) -> None:
    turn = turn_of(world, plain)
    turn(said("小事"))
    rows = everything(world)
    message = said("好", left=0.5)

    with held(database, "somebody"):
        began = time.monotonic()
        reply = turn(message)
        took = time.monotonic() - began

    assert reply == SmallWords()("dialogue.not_kept")
    assert took < 0.9
    assert everything(world) == rows
    # The platform does not repeat what was answered; the person does.
    assert turn(replace(message, received=time.monotonic())) == "结果：好"


def test_from_arrival_to_the_static_sentence_it_is_four_seconds(world: World, database: Database) -> None:
    phone = world.phone("committee")
    phone.says("周报")
    rows = everything(world)

    with held(database, phone.address):
        began = time.monotonic()
        reply = phone.says("1")
        took = time.monotonic() - began

    assert reply == world.words("dialogue.not_kept")
    assert 3.8 < took < 4.7
    assert everything(world) == rows


def test_a_call_for_help_hears_the_phones_even_then(world: World, database: Database) -> None:
    turn = turn_of(world)
    turn(said("帮助"))

    with held(database, "somebody"):
        replies = [turn(said(text, left=0.3)) for text in ("0", "我不想活了")]

    assert replies == [world.words("urgent.phones_only")] * 2


def test_time_that_ran_out_inside_the_talk_undoes_it_too(world: World) -> None:
    @small
    def slow(talk: Talk) -> Dialogue:
        yield from once("write", lambda: recording(talk))
        time.sleep(0.3)
        yield from ask(ASKED)
        return talk.say("small.done")

    turn = turn_of(world, slow)
    rows = everything(world)

    assert turn(said("小事", left=0.2)) == SmallWords()("dialogue.not_kept")
    assert everything(world) == rows


# ── PostgreSQL: what happens around a COMMIT ────────────────────────────────────────────────────────────────────


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
                sa.text(f"CREATE FUNCTION early() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {before}; RETURN NEW; END $$")
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
    rows = everything(world)
    at_commit(database, "PERFORM pg_terminate_backend(pg_backend_pid())")

    began = time.monotonic()
    assert phone.says("1") == ""
    assert time.monotonic() - began > 5.4  # nobody listens any more: an answer would end the repeats
    assert everything(world) == rows

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
            with _quietly():
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def close(self) -> None:
        """No more connections."""
        self._listener.close()


@contextmanager
def _quietly() -> Iterator[None]:
    try:
        yield
    except OSError:
        pass


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


# ── database errors ─────────────────────────────────────────────────────────────────────────────────────────────


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


def test_a_database_error_is_tried_once_more(world: World, database: Database) -> None:
    turn = turn_of(world, plain)
    turn(said("小事"))
    fail_at(database, {1})

    assert turn(said("好")) == "结果：好"
    assert world.facts() == [Fact.OWN_DATA_SHOWN]


def test_a_second_database_error_undoes_the_turn_and_says_so(world: World, database: Database) -> None:
    turn = turn_of(world, plain)
    turn(said("小事"))
    fail_at(database, {1, 2})
    rows = everything(world)
    message = said("好")

    assert turn(message) == SmallWords()("dialogue.not_kept")
    assert everything(world) == rows
    assert turn(message) == "结果：好"


def test_a_database_error_without_time_for_another_try_is_not_tried_again(world: World, database: Database) -> None:
    turn = turn_of(world, plain)
    turn(said("小事"))
    fail_at(database, {1})

    assert turn(said("好", left=0.4)) == SmallWords()("dialogue.not_kept")
    assert world.facts() == []


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_a_server_that_dropped_the_connection_is_noticed_and_tried_once_more(world: World, database: Database) -> None:
    turn = turn_of(world, plain)
    turn(said("小事"))
    with another_connection(database.url.render_as_string(hide_password=False)) as other:
        other.execute(
            sa.text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
        )

    assert turn(said("好")) == "结果：好"


# ── unexpected errors ───────────────────────────────────────────────────────────────────────────────────────────


@small
def faulty(talk: Talk) -> Dialogue:
    """Write, and then break."""
    yield from ask(ASKED)
    yield from once("write", lambda: recording(talk))
    raise ZeroDivisionError


def test_an_unexpected_error_is_an_apology_that_stays_the_reply(world: World) -> None:
    turn = turn_of(world, faulty)
    turn(said("小事"))
    message = said("好")
    sorry = SmallWords()("dialogue.sorry")

    assert turn(message) == sorry
    rows = everything(world)
    assert turn(message) == sorry
    assert everything(world) == rows
    assert world.facts() == []


def test_the_third_one_closes_the_talk(world: World) -> None:
    turn = turn_of(world, faulty)
    turn(said("小事"))
    words = SmallWords()

    replies = [turn(said("好")) for _ in range(3)]

    assert replies == [words("dialogue.sorry")] * 2 + [words("dialogue.sorry_closed")]
    assert words("dialogue.nothing_open") in (turn(said("取消")) or "")


def test_a_call_for_help_in_a_broken_talk_gets_phones_and_people(world: World) -> None:
    turn = turn_of(world, faulty)
    turn(said("小事"))

    reply = turn(said("我不想活了")) or ""

    assert "急救 120" in reply
    assert world.facts() == [Fact.ALERT_RAISED]
    assert len(world.pushes("duty")) == 1


@pytest.mark.parametrize("at", [{1}, {2}])
def test_a_database_error_and_an_unexpected_one_end_in_the_apology(world: World, database: Database, at: set[int]) -> None:
    @small
    def faulty_later(talk: Talk) -> Dialogue:
        yield from ask(ASKED)
        recording(talk)
        raise ZeroDivisionError

    turn = turn_of(world, faulty_later)
    turn(said("小事"))
    fail_at(database, at)

    assert turn(said("好")) == SmallWords()("dialogue.sorry")


def test_an_error_around_the_talk_is_undone_and_says_so(world: World) -> None:
    turn = turn_of(world, plain)
    rows = everything(world)
    nameless = replace(said("小事"), address=None)  # type: ignore[arg-type] # a bug in front of the turn

    assert turn(nameless) == SmallWords()("dialogue.not_kept")
    assert everything(world) == rows


def test_a_broken_doorbell_does_not_touch_what_was_done(world: World) -> None:
    def broken(_letters: object) -> None:
        raise ConnectionError

    turn = turn_of(world, ring=broken)
    phone = world.phone("committee")
    replies = [turn(said(text, address=phone.address)) for text in CALM]

    assert (replies[-1] or "").startswith("已送到")
    assert len(world.pushes()) == 1


# ── threads ─────────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def stuck(world: World, people: ThreadPoolExecutor, messages: list[Inbound], threads: int) -> Iterator[tuple[Turn, list[Future[str | None]]]]:
    """A turn whose first deliveries of some messages are inside the talk until the block ends."""
    inside, go_on = threading.Barrier(len(messages) + 1), threading.Event()

    @small
    def slow(talk: Talk) -> Dialogue:
        inside.wait(5)
        go_on.wait(5)
        yield from ask(ASKED)
        return talk.say("small.done")

    turn = turn_of(world, slow, threads=threads)
    first = [people.submit(turn, message) for message in messages]
    inside.wait(5)
    try:
        yield turn, first
    finally:
        go_on.set()


def test_repeats_wait_for_the_first_on_at_most_half_of_the_threads(world: World, people: ThreadPoolExecutor) -> None:
    message = said("小事")
    with stuck(world, people, [message], threads=4) as (turn, first):
        waiting = [people.submit(turn, message) for _ in range(2)]
        time.sleep(0.3)

        with pytest.raises(NoAnswer):
            turn(message)
        assert not any(each.done() for each in waiting)

    replies = {each.result() for each in [*first, *waiting]}
    assert len(replies) == 1
    assert "说说看。" in (replies.pop() or "")


def test_a_repeat_that_waits_in_vain_gets_no_answer(world: World, people: ThreadPoolExecutor) -> None:
    message = said("小事")
    with stuck(world, people, [message], threads=4) as (turn, _), pytest.raises(NoAnswer):
        turn(replace(message, received=time.monotonic() - SECONDS + 0.2))


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_repeats_of_another_process_wait_on_at_most_half_of_the_threads_too(
    world: World, people: ThreadPoolExecutor
) -> None:
    messages = [said("小事", key=f"official_account:{at}", address=f"somebody-{at}") for at in range(3)]
    with stuck(world, people, messages, threads=8) as (_, first):
        elsewhere = turn_of(world, plain, threads=4)
        waiting = [people.submit(elsewhere, message) for message in messages[:2]]
        time.sleep(0.3)

        with pytest.raises(NoAnswer):
            elsewhere(messages[2])
        assert not any(each.done() for each in waiting)

    assert [each.result() for each in waiting] == [each.result() for each in first[:2]]


# ── what a message opens ────────────────────────────────────────────────────────────────────────────────────────

LONG, SHORT = timedelta(hours=48), timedelta(minutes=1)


def contact_of(world: World, address: str) -> Contact:
    """The row of an account."""
    (contact,) = world.rows(Contact, sa.column("address") == address)
    assert isinstance(contact, Contact)
    return contact


@pytest.mark.parametrize(
    ("kind", "tapped", "lasts", "count"),
    [
        (InboundKind.TEXT, False, LONG, 5),
        (InboundKind.IMAGE, False, LONG, 5),
        (InboundKind.VOICE, False, LONG, 5),
        (InboundKind.LOCATION, False, LONG, 5),
        (InboundKind.TEXT, True, SHORT, 3),  # an item of a message menu
        (InboundKind.MENU, True, SHORT, 3),
        (InboundKind.FOLLOW, False, SHORT, 3),
    ],
)
def test_a_message_opens_the_platforms_window(
    world: World, kind: InboundKind, tapped: bool, lasts: timedelta, count: int  # noqa: FBT001 — a table's column
) -> None:
    turn = turn_of(world)
    before = clock.now()

    turn(replace(said("帮助"), kind=kind, tapped=tapped))

    contact = contact_of(world, "somebody")
    assert contact.window_until is not None
    assert before + lasts <= contact.window_until <= clock.now() + lasts
    assert (contact.window_left, contact.listening) == (count, True)


def test_a_tap_never_shortens_a_window_that_is_open(world: World) -> None:
    turn = turn_of(world)
    tap = replace(said("帮助"), kind=InboundKind.MENU, tapped=True)
    turn(said("帮助"))
    opened = contact_of(world, "somebody").window_until

    turn(replace(tap, key="official_account:1"))
    assert contact_of(world, "somebody").window_until == opened

    with db.unit_of_work() as session:  # five messages later
        session.connection().execute(sa.update(Contact).values(window_left=0))
    turn(replace(tap, key="official_account:2"))
    contact = contact_of(world, "somebody")
    assert contact.window_until is not None
    assert contact.window_until <= clock.now() + SHORT
    assert contact.window_left == 3

    world.forward(hours=1)
    turn(said("帮助"))
    assert contact_of(world, "somebody").window_left == 5


def test_wecom_has_no_window(world: World) -> None:
    phone = world.phone("advisor")
    phone.says("帮助")

    contact = contact_of(world, phone.address)

    assert (contact.window_until, contact.window_left) == (None, 0)


def test_unfollowing_ends_the_window_and_is_told_to_nobody_but_the_journal(world: World) -> None:
    phone = world.phone("committee")
    phone.says("周报")

    assert phone.event("unsubscribe") == ""
    contact = contact_of(world, phone.address)
    assert (contact.listening, contact.window_until, contact.window_left) == (False, None, 0)
    assert world.facts(Fact.UNFOLLOWED) == [Fact.UNFOLLOWED]
    assert world.pushes() == []

    assert world.words("follow.welcome_back", name="林晓禾") == phone.event("subscribe")
    assert contact_of(world, phone.address).listening
    assert "有一位" not in phone.says("1")  # the talk goes on where it was
    assert world.facts(Fact.FOLLOWED) == [Fact.FOLLOWED]


def test_a_new_follower_reads_who_we_are(world: World) -> None:
    phone = world.phone("student", bound=False)

    assert phone.event("subscribe") == world.words("follow.welcome")
    assert phone.door is DOORS[Channel.OFFICIAL_ACCOUNT]
