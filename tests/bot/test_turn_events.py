"""Events inside a turn that cannot be kept: nobody waits for words, so the platform is left to tell them again."""

import time
from dataclasses import replace

import pytest

from bot.doors.inbound import Consent, Inbound, InboundKind, NoAnswer, Receipt
from models.db import Database
from models.inbox import Inbox
from models.outbox import PushReceipt
from tests.bot.turns import fail_at, held, said, turn_of
from tests.rows import everything
from tests.world import World

RECEIPT: dict[str, object] = {
    "kind": InboundKind.RECEIPT,
    "text": "",
    "receipt": Receipt("4711", arrived=True, code="success"),
}
EVENTS: list[dict[str, object]] = [
    RECEIPT,
    {"kind": InboundKind.SUBSCRIPTION, "text": "", "consents": (("T1", Consent.ACCEPTED),)},
    {"kind": InboundKind.REVOKED, "text": "user_authorization_revoke"},
    {"kind": InboundKind.PRESS, "text": "known", "task": "push-1-7K3F"},
]


def told(values: dict[str, object], *, left: float = 4.0) -> Inbound:
    """An event that has `left` seconds of its time."""
    return replace(said("", left=left), **values)  # type: ignore[arg-type]


@pytest.mark.parametrize("values", EVENTS, ids=lambda values: values["kind"])
def test_an_event_without_time_is_undone_and_told_again(
    world: World, database: Database, values: dict[str, object]
) -> None:
    turn = turn_of(world)
    turn(said("你好"))  # so that there is somebody to wait for
    rows = everything()
    message = told(values, left=0.4)

    with held(database, "somebody"), pytest.raises(NoAnswer):
        turn(message)

    assert everything() == rows
    turn(replace(message, received=time.monotonic()))
    assert len(world.rows(Inbox)) == 2


def test_an_event_that_the_database_refuses_once_is_kept(world: World, database: Database) -> None:
    fail_at(database, {1})
    turn = turn_of(world)

    assert turn(told(EVENTS[2])) is None
    assert len(world.rows(Inbox)) == 1


def test_an_event_that_the_database_refuses_is_told_again(world: World, database: Database) -> None:
    fail_at(database, {1, 2})
    turn = turn_of(world)
    message = told(EVENTS[2])

    with pytest.raises(NoAnswer):
        turn(message)
    assert world.rows(Inbox) == []
    assert turn(replace(message, received=time.monotonic())) is None


def test_an_event_gets_no_words_and_its_repeat_neither(world: World) -> None:
    turn = turn_of(world)
    message = told(RECEIPT)

    assert [turn(message), turn(message)] == [None, None]
    assert len(world.rows(PushReceipt)) == 1


def test_a_press_gets_what_its_card_says_and_its_repeat_the_same(world: World) -> None:
    turn = turn_of(world)
    message = told(EVENTS[3])

    assert [turn(message), turn(message)] == [world.words("push.pressed.over")] * 2
