"""SIGKILL at each labelled point of a turn: all of it or nothing, and the platform's repeats have one effect."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bot.sandbox.callbacks import SignedRequest, sign, text_message
from models import db
from models.audit import Fact
from models.check_value import check_keys
from models.checkin import Checkin, CheckinVersion
from models.inbox import Inbox
from models.talk import TalkLog
from tests.phone import Phone
from tests.proofs.processes import CHAOS, POINTS, Command, Nursery, Web, until
from tests.rows import everything
from tests.world import World

TALK = ("周报", "1", "1", "1")
BEFORE_THE_COMMIT = POINTS[: POINTS.index("turn.committed")]


def last_answer(world: World) -> tuple[Phone, SignedRequest]:
    """A calm check-in of which only the last answer is missing, and that answer."""
    with db.unit_of_work() as session:
        check_keys(session)  # as an earlier start has done
    world.phone("advisor")
    phone = world.phone("committee")
    phone.talks(*TALK)
    return phone, sign(phone.door, text_message(phone.door, phone.address, "1", msg_id=world.next_id()))


def has_one_effect(world: World) -> None:
    """Exactly what one receipt stands for."""
    assert len(world.rows(Checkin)) == 1
    assert len(world.rows(CheckinVersion)) == 1
    assert len(world.pushes()) == 1
    assert world.facts(Fact.CHECKIN_SENT, Fact.CHECKIN_CORRECTED) == [Fact.CHECKIN_SENT]
    assert len(world.rows(Inbox)) == len(TALK) + 1
    assert [row.log for row in world.rows(TalkLog)] == [None]


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_leaves_all_of_a_turn_or_nothing(world: World, nursery: Nursery, config: Path, point: str) -> None:
    phone, answer = last_answer(world)
    before = everything()
    dying = nursery.web(config, failpoint=point)

    assert dying.replies(phone.door, answer) is None
    until(lambda: not dying.is_alive)
    if point in BEFORE_THE_COMMIT:
        assert everything() == before
    else:
        has_one_effect(world)

    fresh = nursery.web(config)
    receipt = fresh.replies(phone.door, answer)
    assert (receipt or "").startswith("已送到陈默老师（")
    has_one_effect(world)
    after = everything()
    assert fresh.replies(phone.door, answer) == receipt
    assert everything() == after


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("armed", ["one", "both"] if CHAOS else ["one"])
def test_three_deliveries_to_two_processes_have_one_effect_and_one_reply(
    world: World, nursery: Nursery, config: Path, point: str, armed: str
) -> None:
    phone, answer = last_answer(world)
    one = nursery.web(config, failpoint=point)
    other = nursery.web(config, failpoint=point if armed == "both" else "")

    def delivered(to: Web) -> str | None:
        return to.replies(phone.door, answer)

    with ThreadPoolExecutor(3) as platform:
        heard = list(platform.map(delivered, [one, other, one]))
    fresh = nursery.web(config) if armed == "both" else other
    heard += [delivered(fresh) for reply in heard if reply is None] or [delivered(fresh)]

    replies = {reply for reply in heard if reply is not None}
    assert len(replies) == 1
    assert replies.pop().startswith("已送到陈默老师（")
    has_one_effect(world)


@pytest.mark.parametrize("point", POINTS if CHAOS else ["turn.stored"])
def test_the_real_web_command_is_no_different(world: World, config: Path, tmp_path: Path, point: str) -> None:
    phone, answer = last_answer(world)
    text = config.read_text("utf-8").replace('[queue]\nurl = ""', '[queue]\nurl = "redis://127.0.0.1:1"')
    config.write_text(text, "utf-8")
    before = everything()
    dying = Command(config, tmp_path / "dying.log", failpoint=point)
    try:
        assert dying.web.replies(phone.door, answer) is None
    finally:
        dying.kill()
    if point in BEFORE_THE_COMMIT:
        assert everything() == before

    fresh = Command(config, tmp_path / "fresh.log")
    try:
        receipt = fresh.web.replies(phone.door, answer)
        assert "已送到陈默老师（" in (receipt or "")
        assert fresh.web.replies(phone.door, answer) == receipt
    finally:
        fresh.kill()
    has_one_effect(world)
