"""The threads of one web process: repeats that wait, and connections that go with their threads."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import pytest
import sqlalchemy as sa

from bot.doors.inbound import Inbound, NoAnswer
from bot.turn import SECONDS, Turn
from handlers.dialogue.steps import Dialogue, ask
from handlers.dialogue.talk import Talk
from models.db import Database
from tests.bot.turns import (
    ASKED,
    plain,
    said,
    small,
    turn_of,
)
from tests.world import World


@contextmanager
def stuck(
    world: World, people: ThreadPoolExecutor, messages: list[Inbound], threads: int
) -> Iterator[tuple[Turn, list[Future[str | None]]]]:
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


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_a_repeat_that_waits_in_vain_for_another_process_gets_no_answer_either(
    world: World, people: ThreadPoolExecutor
) -> None:
    message = said("小事")
    with stuck(world, people, [message], threads=8), pytest.raises(NoAnswer):
        turn_of(world, plain)(replace(message, received=time.monotonic() - SECONDS + 0.3))


def test_threads_that_come_and_go_leave_no_connection_behind(world: World, database: Database) -> None:
    turn = turn_of(world, plain)

    for _ in range(40):  # a server lets idle threads end, and starts new ones
        began = time.monotonic()
        thread = threading.Thread(target=turn, args=(said("帮助"),))
        thread.start()
        thread.join()
        assert time.monotonic() - began < 2

    assert isinstance(database.engine.pool, sa.pool.QueuePool)
    assert database.engine.pool.checkedout() <= 2
