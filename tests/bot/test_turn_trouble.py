"""A turn in trouble: no time left, a database that fails, a script that breaks."""

import time
from dataclasses import replace

import pytest
import sqlalchemy as sa

from handlers.dialogue.steps import Dialogue, ask, once
from handlers.dialogue.talk import Talk
from models.audit import Fact
from models.db import Database
from tests.bot.turns import (
    ASKED,
    another_connection,
    fail_at,
    held,
    plain,
    recording,
    said,
    small,
    turn_of,
)
from tests.handlers.small import SmallWords
from tests.rows import everything
from tests.world import World

CALM = ("周报", "1", "1", "1", "1")


# ── the deadline ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_turn_that_waits_too_long_is_undone_and_says_so(world: World, database: Database) -> None:
    turn = turn_of(world, plain)
    turn(said("小事"))
    rows = everything()
    message = said("好", left=0.5)

    with held(database, "somebody"):
        began = time.monotonic()
        reply = turn(message)
        took = time.monotonic() - began

    assert reply == SmallWords()("dialogue.not_kept")
    assert took < 0.9
    assert everything() == rows
    # The platform does not repeat what was answered; the person does.
    assert turn(replace(message, received=time.monotonic())) == "结果：好"


def test_from_arrival_to_the_static_sentence_it_is_four_seconds(world: World, database: Database) -> None:
    phone = world.phone("committee")
    phone.says("周报")
    rows = everything()

    with held(database, phone.address):
        began = time.monotonic()
        reply = phone.says("1")
        took = time.monotonic() - began

    assert reply == world.words("dialogue.not_kept")
    assert 3.8 < took < 4.7
    assert everything() == rows


def test_a_call_for_help_hears_the_phones_even_then(world: World, database: Database) -> None:
    turn = turn_of(world)
    turn(said("帮助"))

    with held(database, "somebody"):
        replies = [turn(said(text, left=0.3)) for text in ("0", "我不想活了")]

    assert replies == [world.words("urgent.phones")] * 2


def test_time_that_ran_out_inside_the_talk_undoes_it_too(world: World) -> None:
    @small
    def slow(talk: Talk) -> Dialogue:
        yield from once("write", lambda: recording(talk))
        time.sleep(0.3)
        yield from ask(ASKED)
        return talk.say("small.done")

    turn = turn_of(world, slow)
    rows = everything()

    assert turn(said("小事", left=0.2)) == SmallWords()("dialogue.not_kept")
    assert everything() == rows


# ── database errors ───────────────────────────────────────────────────────────────────────────────────────────────────


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
    rows = everything()
    message = said("好")

    assert turn(message) == SmallWords()("dialogue.not_kept")
    assert everything() == rows
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


# ── unexpected errors ─────────────────────────────────────────────────────────────────────────────────────────────────


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
    rows = everything()
    assert turn(message) == sorry
    assert everything() == rows
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
def test_a_database_error_and_an_unexpected_one_end_in_the_apology(
    world: World, database: Database, at: set[int]
) -> None:
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
    rows = everything()
    nameless = replace(said("小事"), address=None)  # type: ignore[arg-type] # a bug in front of the turn

    assert turn(nameless) == SmallWords()("dialogue.not_kept")
    assert everything() == rows


def test_a_broken_doorbell_does_not_touch_what_was_done(world: World) -> None:
    def broken(_letters: object) -> None:
        raise ConnectionError

    turn = turn_of(world, ring=broken)
    phone = world.phone("committee")
    replies = [turn(said(text, address=phone.address)) for text in CALM]

    assert (replies[-1] or "").startswith("已送到")
    assert len(world.pushes()) == 1
