"""「我的数据」 on bookings: how many, the consent that was given, who looked; and the way back in one tap. Rules: L-12, L-30."""

import pytest

from models import db
from models.audit import Fact
from models.booking import consent
from models.booking.answering import take_offer
from models.booking.table import Appointment, AppointmentState, Consent, Haste, Side, WaiterState
from models.booking.taking import By
from models.channel import Channel
from models.contact import Contact
from models.errors import RefusedError
from models.talk import Actor
from tests.bookings import Bookings, at
from tests.phone import Phone
from tests.stories.cast import options, page
from tests.supply import SHEN
from tests.world import DOORS, World

BEGUN = ("预约", "同意", "能等", "面对面", "跳过")


@pytest.fixture
def book(world: World) -> Bookings:
    return Bookings(world)


def agrees(book: Bookings, who: str, version: str = "0123456789abcdef") -> None:
    """Somebody has agreed to a version."""
    world = book.world
    with db.unit_of_work() as session:
        actor = Actor(session, 0, Channel.WECOM, world.people[who], "", None, None, None, None)
        consent.give(session, actor, version, now=world.now)


def on_phone(world: World, who: str = "student") -> Phone:
    """The account that `Bookings` gave somebody."""
    return world.phone(who, bound=False, address=f"of-{who}")


def on_wecom(world: World, who: str = "student") -> Phone:
    """Another one of theirs."""
    with db.unit_of_work() as session:
        contact = Contact(
            channel=Channel.WECOM, address=who, person_id=world.people[who], bound_at=world.now, listening=True
        )
        session.add(contact)
    return Phone(world.app, DOORS[Channel.WECOM], who, world.next_id)


def withdraws(phone: Phone) -> str:
    return phone.talks("我的数据", "撤回同意")


def test_nothing_is_said_of_bookings_where_there_are_none(world: World, book: Bookings) -> None:
    reply = on_phone(world).says("我的数据")

    assert options(reply) == ["知道了", "设置收哪些消息", "解除绑定"]
    for words in ("约过", "排过", "同意过"):
        assert words not in reply


def test_what_is_kept_of_bookings_is_counted(world: World, book: Bookings) -> None:
    agrees(book, "student")
    id_ = book.book("student", at(17, 9))
    book.cancel("student", id_)
    book.join("student")
    book.leave("student")
    book.book("student", at(19, 9))
    world.forward(hours=12)
    page(world, world.phone(SHEN).talks("值班", "看名单"))

    reply = on_phone(world).says("我的数据")

    assert "约过老师 2 次" in reply
    assert "打开看过 1 次（最近一次 11月16日 周一 07:30）" in reply
    assert "排过 1 次队" in reply
    assert "你在 11月15日 周日 19:30 同意过预约怎么保密（文字编号 0123456789abcdef）" in reply
    assert options(reply)[-1] == "撤回同意"
    assert len(reply.encode()) <= 2000


def test_consent_is_taken_back_in_as_many_messages_as_it_was_given(world: World, book: Bookings) -> None:
    phone = on_phone(world)
    phone.talks("预约", "同意", "能等", "面对面", "跳过", "1", "就约这个")
    (given,) = world.rows(Consent)
    (id_,) = [it.id for it in world.rows(Appointment)]

    reply = withdraws(phone)

    assert reply.startswith("同意已经撤回。约好的还在")
    assert given.withdrawn_at is None
    assert book.row(id_).state is AppointmentState.BOOKED
    assert world.facts(Fact.CONSENT_WITHDRAWN) == [Fact.CONSENT_WITHDRAWN]
    assert "撤回同意" not in phone.says("我的数据")


def test_nothing_new_is_booked_without_a_new_consent(world: World, book: Bookings) -> None:
    phone = on_phone(world)
    agrees(book, "student")
    withdraws(phone)

    assert "在开始前" in phone.says("预约 周四下午三点")
    assert book.states("student") == []

    phone.talks("同意", "能等")
    assert [it.withdrawn_at is None for it in world.rows(Consent)] == [False, True]


def test_nor_by_a_talk_that_was_open_on_another_account(world: World, book: Bookings) -> None:
    one, other = on_phone(world), on_wecom(world)
    one.talks(*BEGUN, "1")
    withdraws(other)

    reply = one.says("就约这个")

    assert "你撤回了对预约的同意" in reply
    assert AppointmentState.BOOKED not in book.states("student")


def test_nor_from_the_waiting_list(world: World, book: Bookings) -> None:
    for who in ("student", "twin"):
        agrees(book, who)
    taken = book.book("officer", at(17, 9))
    book.join("student")
    book.join("twin")
    book.cancel("officer", taken)
    offered = book.offer_to("student")
    assert offered is not None
    phone = on_phone(world)

    reply = withdraws(phone)

    assert "也不再排队" in reply
    assert book.waits("student").state is WaiterState.LEFT
    assert book.offer_to("twin") is not None  # the next in line has it
    assert "没有替你留着的时间" in phone.says("要")


def test_the_verb_says_no_as_well(world: World, book: Bookings) -> None:
    agrees(book, "student")
    taken = book.book("officer", at(17, 9))
    book.join("student")
    book.cancel("officer", taken)
    offered = book.offer_to("student")
    assert offered is not None
    with db.unit_of_work() as session:
        actor = Actor(session, 0, Channel.WECOM, world.people["student"], "", None, None, None, None)
        consent.withdraw(session, actor, now=world.now)

    with pytest.raises(RefusedError, match="consent_withdrawn"):
        book.do(lambda session: take_offer(session, book.by("student"), offered.id or 0, **book.how))
    staff = By(world.people["duty"], Side.CENTRE)  # agreed on the telephone
    assert book.do(lambda session: take_offer(session, staff, offered.id or 0, **book.how)).certain


def test_whoever_waits_for_an_earlier_time_goes_on_waiting(world: World, book: Bookings) -> None:
    agrees(book, "student")
    id_ = book.book("student", at(19, 9))
    book.join("student", Haste.EARLIER, earlier_than_id=id_)

    assert "不再排队" not in withdraws(on_phone(world))

    assert book.waits("student").state is WaiterState.WAITING


def test_a_consent_that_was_given_anew_counts_again(world: World, book: Bookings) -> None:
    phone = on_phone(world)
    agrees(book, "student")
    withdraws(phone)
    world.forward(days=1)
    phone.talks(*BEGUN, "1", "就约这个")

    assert book.states("student") == [AppointmentState.BOOKED]
    shown = phone.says("我的数据")
    assert "你在 11月16日 周一 19:30 同意过" in shown
    assert world.facts(Fact.CONSENT_GIVEN, Fact.CONSENT_WITHDRAWN) == [
        Fact.CONSENT_GIVEN,
        Fact.CONSENT_WITHDRAWN,
        Fact.CONSENT_GIVEN,
    ]
