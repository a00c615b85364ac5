"""A card's button: it changes what it says, once, for whoever pressed it, and never touches the open talk."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from models import db
from models.audit import Fact
from models.channel import Channel
from models.contact import Contact
from models.outbox import Push, PushKind, PushState, WayName
from models.post import Role
from tests.phone import Phone
from tests.rows import everything
from tests.stories.cast import appoint, deafen
from tests.workers.office import Office
from tests.world import World
from workers.delivery import drain

KNOWN, LATER, SEES_CARDS, OVER = "已知道", "一小时后再提醒", "以后用卡片", "已经处理过了"
CONCERN = ("有事", "2", "班里新来的同学", "这周没来上课", "1", "1", "1", "1")


def task(it: Push) -> str:
    """How a push's card is named."""
    return f"push-{it.id}-{it.number}"


def staff(office: Office, who: str, *, cards: bool = True) -> Phone:
    """Somebody's WeCom, bound."""
    address = office.bind(who, Channel.WECOM)
    with db.unit_of_work() as session:
        session.execute(sa.update(Contact).where(sa.column("address") == address).values(cards=cards))
    return office.world.phone(who, bound=False, address=address)


def cards_of(world: World, who: str, kind: PushKind = PushKind.CONCERN_CAME) -> list[Push]:
    """Somebody's pushes of a kind."""
    return [it for it in world.pushes(who) if it.kind is kind]


def shown(office: Office, phone: Phone, it: Push) -> str:
    """What stands on a card's grey buttons at its reader's."""
    card = office.platform.wecom.card_of(phone.address, task(it))
    return "" if card is None else str(card.get("replace_text", ""))


@pytest.fixture
def told(office: Office) -> tuple[Office, Phone, Phone]:
    """An advisor and a class teacher of one class, each with a card about the same concern."""
    world = office.world
    appoint(world, "teacher", Role.CLASS_TEACHER, "软件2301")
    one, other = staff(office, "advisor"), staff(office, "teacher")
    world.phone("student").talks(*CONCERN)
    drain()
    for who in ("advisor", "teacher"):
        (it,) = cards_of(world, who)
        assert (it.state, it.way) == (PushState.ACCEPTED, WayName.CARD)
    return office, one, other


# ── known ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_whoever_knows_is_answered_on_the_card_and_colleagues_see_it_on_theirs(
    told: tuple[Office, Phone, Phone],
) -> None:
    office, one, other = told
    world = office.world
    (mine,), (theirs,) = cards_of(world, "advisor"), cards_of(world, "teacher")

    assert one.presses(task(mine), "known") == KNOWN

    assert office.row(mine.id or 0).seen_at is not None
    assert office.row(theirs.id or 0).seen_at is None
    assert world.facts(Fact.CARD_PRESSED) == [Fact.CARD_PRESSED]
    (closed,) = cards_of(world, "teacher", PushKind.CARD_CLOSED)
    assert cards_of(world, "advisor", PushKind.CARD_CLOSED) == []
    drain()
    assert office.row(closed.id or 0).state is PushState.ACCEPTED
    assert shown(office, other, theirs) == "陈默老师已经看过了。"
    assert other.says("查看").startswith("现在没有等着你看的消息")


def test_pressed_twice_or_told_twice_it_stays_the_same(told: tuple[Office, Phone, Phone]) -> None:
    office, one, other = told
    (mine,), (theirs,) = cards_of(office.world, "advisor"), cards_of(office.world, "teacher")
    one.presses(task(mine), "known")
    pushes, rows = len(office.world.pushes()), everything()

    assert one.presses_again() == KNOWN
    assert everything() == rows
    assert one.presses(task(mine), "known") == KNOWN
    assert other.presses(task(theirs), "known") == KNOWN
    assert len(office.world.pushes()) == pushes


def test_a_colleague_who_has_opened_it_or_has_no_card_is_left_alone(office: Office) -> None:
    world = office.world
    appoint(world, "teacher", Role.CLASS_TEACHER, "软件2301")
    appoint(world, "head", Role.CLASS_TEACHER, "软件2301")
    one, other = staff(office, "advisor"), staff(office, "teacher")
    staff(office, "head", cards=False)
    world.phone("student").talks(*CONCERN)
    drain()
    other.says("看小结")

    one.presses(task(cards_of(world, "advisor")[0]), "known")

    assert [it for it in world.pushes() if it.kind is PushKind.CARD_CLOSED] == []


def test_a_card_that_the_platform_changes_no_more_is_left_as_it_is(told: tuple[Office, Phone, Phone]) -> None:
    office, one, _ = told
    office.world.forward(hours=73)

    assert one.presses(task(cards_of(office.world, "advisor")[0]), "known") == KNOWN
    assert cards_of(office.world, "teacher", PushKind.CARD_CLOSED) == []


# ── later ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_later_brings_the_same_again_in_an_hour_once(told: tuple[Office, Phone, Phone]) -> None:
    office, one, _ = told
    world = office.world
    (mine,) = cards_of(world, "advisor")

    assert [one.presses(task(mine), "later"), one.presses(task(mine), "later")] == [LATER, LATER]

    _, again = cards_of(world, "advisor")
    assert again.due_at - world.now > timedelta(minutes=59)
    assert (again.data, again.fact, again.number == mine.number) == (mine.data, mine.fact, False)
    assert one.says("查看").startswith("现在没有等着你看的消息")
    world.forward(hours=1)
    drain()
    assert (office.row(again.id or 0).state, office.row(again.id or 0).way) == ("accepted", "card")
    assert one.presses(task(again), "later") == LATER
    assert len(cards_of(world, "advisor")) == 3


# ── over ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_old_card_says_that_it_is_over_and_changes_nothing(told: tuple[Office, Phone, Phone]) -> None:
    office, one, _ = told
    (mine,) = cards_of(office.world, "advisor")
    office.world.forward(days=7, seconds=1)
    pushes = len(office.world.pushes())

    for key in ("known", "later"):
        assert one.presses(task(mine), key) == OVER
    assert len(office.world.pushes()) == pushes
    assert office.world.facts(Fact.CARD_PRESSED) == []


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("push-{id}-0000", "known"),
        ("push-{other}-{number}", "known"),
        ("push-999999999999999999-{number}", "known"),
        ("push-99999999999999999999-{number}", "known"),
        ("push--1-{number}", "known"),
        ("push-{id}-{number}x", "known"),
        ("{id}", "known"),
        ("", "known"),
        ("push-{id}-{number}", "sees_cards"),
        ("push-{id}-{number}", "claim"),
        ("push-{id}-{number}", ""),
        ("push-{id}-{number}", "0"),
        ("push-{id}-{number}", "救命"),
    ],
)
def test_a_press_of_what_there_is_not_is_over(told: tuple[Office, Phone, Phone], name: str, key: str) -> None:
    office, one, _ = told
    (mine,), (theirs,) = cards_of(office.world, "advisor"), cards_of(office.world, "teacher")
    pushes = len(office.world.pushes())

    assert one.presses(name.format(id=mine.id, other=theirs.id, number=mine.number), key) == OVER
    assert len(office.world.pushes()) == pushes
    assert office.world.facts(Fact.CARD_PRESSED) == []


def test_nobody_presses_for_somebody_else(told: tuple[Office, Phone, Phone]) -> None:
    office, _, other = told
    (mine,) = cards_of(office.world, "advisor")
    stranger = office.world.phone("head", bound=False)

    assert [other.presses(task(mine), "known"), stranger.presses(task(mine), "known")] == [OVER, OVER]
    assert office.row(mine.id or 0).seen_at is None


# ── beside the talk ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_press_leaves_the_open_talk_alone(told: tuple[Office, Phone, Phone]) -> None:
    office, one, _ = told
    question = one.talks("有事", "2")

    assert one.presses(task(cards_of(office.world, "advisor")[0]), "known") == KNOWN

    assert one.says("帮助").endswith(question)


def test_whoever_presses_has_been_heard(told: tuple[Office, Phone, Phone]) -> None:
    office, one, _ = told
    deafen(office.world, "advisor")

    one.presses("", "")

    (contact,) = office.world.rows(Contact, Contact.address == one.address)
    assert contact.listening
    assert contact.seen_at is not None


def test_a_press_opens_what_had_been_told(told: tuple[Office, Phone, Phone]) -> None:
    office, one, _ = told

    one.presses("", "")

    assert office.row(cards_of(office.world, "advisor")[0].id or 0).seen_at is not None


# ── seeing cards, and the settings ──────────────────────────────────────────────────────────────────────────────────


def test_cards_come_once_one_was_seen_and_go_again_on_wish(office: Office) -> None:
    world, phone = office.world, staff(office, "advisor", cards=False)
    student = world.phone("student")

    def comes() -> str | None:
        student.talks(*CONCERN)
        world.forward(minutes=11)
        drain()
        return cards_of(world, "advisor")[-1].way

    assert comes() == "text"

    reply = phone.talks("我的数据", "2")
    at = next(line[0] for line in reply.splitlines() if "用卡片收消息（现在是文字）" in line)
    assert "会发来一张带按钮的卡片" in phone.says(at)
    drain()
    (trial,) = cards_of(world, "advisor", PushKind.CARD_TRIAL)
    assert office.row(trial.id or 0).way == "card"
    assert comes() == "text"
    assert phone.presses(task(trial), "sees_cards") == SEES_CARDS
    assert comes() == "card"

    phone.says("取消")
    assert "用卡片收消息（现在是卡片）" in phone.talks("我的数据", "2")
    assert "以后还是发文字" in phone.says(at)
    assert comes() == "text"


def test_only_wecom_has_cards(school: World) -> None:
    assert "卡片" not in school.phone("committee").talks("我的数据", "2")
