"""「我的预约」 and what reminders, proposals and offers are answered with: at once, days later, twice, and when it is over."""

from datetime import timedelta
from typing import Any

import pytest

from models import db
from models.audit import Fact
from models.booking.acting import cancel, decline
from models.booking.alternatives import could_propose
from models.booking.feedback import totals
from models.booking.proposing import propose
from models.booking.table import (
    Again,
    Appointment,
    AppointmentState,
    Face,
    Feedback,
    Haste,
    Proposal,
    ProposalState,
    Side,
    Waiter,
)
from models.booking.taking import By
from models.booking.telling import fact_of
from models.booking.waiting import join
from models.channel import Channel
from models.errors import NotFoundError
from models.outbox import PushKind, plan
from models.person import Kind
from models.seal import unseal_json
from models.talk import Actor
from tests.appointments import appointment, book_at, local
from tests.phone import Phone
from tests.stories.cast import options, told
from tests.stories.test_booking import set_booking
from tests.supply import SHEN, Supply, make_supply
from tests.world import World

MONDAY, WEDNESDAY, THURSDAY = "2026-11-16 09:00", "2026-11-18 09:00", "2026-11-19 09:00"
SHOWN = "11月18日 周三 09:00，沈岚老师，面对面，咨询室一（综合楼 301）"


@pytest.fixture
def supply(world: World) -> Supply:
    return make_supply(world)


def booked(world: World, supply: Supply, moment: str = WEDNESDAY, who: str = "student") -> tuple[Phone, int]:
    """Somebody with an appointment with 沈岚."""
    return world.phone(who), book_at(world, who, supply.shen, local(moment))


def by(world: World, who: str, side: Side = Side.STUDENT) -> By:
    return By(world.people[who], side)


def remind(world: World, id_: int, kind: PushKind = PushKind.BOOKING_TOMORROW) -> None:
    """As the ticker does."""
    with db.unit_of_work() as session:
        it = session.get_one(Appointment, id_)
        plan(session, fact_of(it), kind, it.student_id, now=world.now, appointment=id_, version=it.version, when="")


def proposed(world: World, id_: int, *, times: int = 2, **values: Any) -> Proposal:
    """The counselor asks for another time."""
    with db.unit_of_work() as session:
        it = session.get_one(Appointment, id_)
        slots = could_propose(session, it, policy=world.policy.booking, now=world.now, first=local("2026-11-20 00:00"))
        who = by(world, SHEN, Side.COUNSELOR)
        propose(session, who, id_, slots[:times], policy=world.policy.booking, now=world.now, **values)
    found: Proposal = world.rows(Proposal)[-1]
    return found


def waits(world: World, who: str) -> None:
    """Somebody on the list, with a phone that hears of it."""
    with db.unit_of_work() as session:
        join(session, by(world, who), world.people[who], Haste.NORMAL, now=world.now)


# ── what there is ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_nothing_is_said_to_be_nothing(world: World) -> None:
    assert world.phone("student").says("我的预约") == "你现在没有预约。想约的时候，随时回复「预约」。"


def test_what_is_coming_is_listed_with_what_can_be_done(world: World, supply: Supply) -> None:
    phone, _ = booked(world, supply)

    reply = phone.says("我的预约")

    assert reply.startswith(f"· {SHOWN}")
    assert options(reply) == ["知道了", "改时间", "取消预约", "有更早的告诉我"]
    assert phone.says("1").startswith("好。到时候见")


def test_nobody_elses_is_shown(world: World, supply: Supply) -> None:
    booked(world, supply)

    for who in ("officer", "committee", "advisor", "head", "leader", "duty"):
        assert "沈岚" not in world.phone(who).says("我的预约")


def test_an_earlier_time_can_be_waited_for(world: World, supply: Supply) -> None:
    phone, id_ = booked(world, supply)

    assert phone.talks("我的预约", "有更早的告诉我").startswith("好，有更早的空位会先问你，留 2 小时")

    (it,) = world.rows(Waiter)
    assert (it.haste, it.earlier_than_id) == (Haste.EARLIER, id_)
    mine = phone.says("我的预约")
    assert "等的是：比现在的预约更早的时间，面对面。" in mine
    assert "有更早的告诉我" not in options(mine)


# ── another time ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("word", ["改时间", "我想改个时间", "换个时间可以吗"])
def test_a_time_is_changed_and_the_old_one_is_free(world: World, supply: Supply, word: str) -> None:
    phone, id_ = booked(world, supply)

    times = phone.says(word)
    assert times.startswith(f"现在是：{SHOWN}。换好之前，它一直替你留着。")
    assert options(times)[0].endswith("沈岚老师（现在的老师）")
    asked = phone.says("周五上午9点")
    assert "就换到这个吗" in asked
    assert "\n沈岚老师：国家二级心理咨询师。\n" in asked
    done = phone.says("1")

    assert done.startswith("改好了：11月20日 周五 09:00，沈岚老师")
    it = appointment(world, id_)
    assert (it.starts_at, it.version, it.moves) == (local("2026-11-20 09:00"), 2, 1)
    assert told(world, PushKind.BOOKING_MOVED) == {SHEN}
    book_at(world, "officer", supply.shen, local(WEDNESDAY))


def test_nothing_moves_before_it_is_confirmed(world: World, supply: Supply) -> None:
    phone, id_ = booked(world, supply)

    phone.talks("改时间", "周五上午9点")
    assert appointment(world, id_).starts_at == local(WEDNESDAY)
    phone.says("取消")

    assert [it.state for it in world.rows(Appointment)] == [AppointmentState.BOOKED]
    assert phone.talks("改时间", "都不合适") == f"好，还是原来的：{SHOWN}。到时候见。"


def test_inside_the_notice_the_time_stays(world: World, supply: Supply) -> None:
    phone, _ = booked(world, supply, MONDAY)

    reply = phone.says("改时间")

    assert reply.startswith("离开始不到 24 小时了，时间改不了。")
    assert "现在还是：11月16日 周一 09:00" in reply
    assert "回复「取消预约」" in reply


def test_after_two_changes_it_stays(world: World, supply: Supply) -> None:
    phone, _ = booked(world, supply)
    phone.talks("改时间", "周四上午9点", "1")
    phone.talks("改时间", "周五上午9点", "1")

    assert phone.says("改时间").startswith("这个预约已经改过 2 次了")


def test_a_time_that_went_while_changing_leads_to_the_nearest(world: World, supply: Supply) -> None:
    phone, id_ = booked(world, supply)
    phone.talks("改时间", "周五上午9点")
    world.forward(minutes=6)
    book_at(world, "officer", supply.shen, local("2026-11-20 09:00"))

    reply = phone.says("1")

    assert reply.startswith("这个时间刚刚不在了")
    assert appointment(world, id_).starts_at == local(WEDNESDAY)
    assert phone.talks("1", "1").startswith("改好了：")


# ── cancelling ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("word", ["取消预约", "来不了", "我周三来不了了", "帮我取消周三的预约"])
def test_it_is_cancelled_in_two_messages(world: World, supply: Supply, word: str) -> None:
    phone, id_ = booked(world, supply)

    asked = phone.says(word)
    assert f"要取消的是：{SHOWN}" in asked
    assert options(asked) == ["确定取消", "取消，再写一句原因", "先不取消"]
    assert phone.says("1") == "好的，已取消。想来的时候随时再约。"

    it = appointment(world, id_)
    assert (it.state, it.late_cancel, it.body) == (AppointmentState.CANCELLED, False, None)
    assert told(world, PushKind.BOOKING_GONE) == {SHEN}
    assert phone.says(word).startswith("没有要取消的预约：那一次取消过，或者已经过去。")


def test_a_reason_is_for_the_counselor_alone(world: World, supply: Supply) -> None:
    phone, id_ = booked(world, supply)

    phone.talks("取消预约", "2", "那天有考试")

    it = appointment(world, id_)
    assert unseal_json(it.body or b"", f"appointment.body:{id_}") == {"reason": "那天有考试"}
    assert all("考试" not in push.data for push in world.pushes())


def test_keeping_it_keeps_it(world: World, supply: Supply) -> None:
    phone, id_ = booked(world, supply)

    assert phone.talks("取消预约", "先不取消") == f"好，还是原来的：{SHOWN}。到时候见。"
    assert appointment(world, id_).state is AppointmentState.BOOKED


def test_inside_the_notice_the_counselor_is_told_and_nobody_is_blamed(world: World, supply: Supply) -> None:
    phone, id_ = booked(world, supply, MONDAY)

    asked = phone.says("取消预约")
    assert options(asked) == ["告诉老师我来不了", "告诉老师，再写一句原因", "我还是来"]
    assert "来不了也没关系" in asked
    assert "没关系的" in phone.says("1")

    it = appointment(world, id_)
    assert (it.state, it.late_cancel) == (AppointmentState.CANCELLED, True)


def test_a_freed_time_that_goes_to_somebody_who_waits_is_said_to(world: World, supply: Supply) -> None:
    phone, _ = booked(world, supply)
    world.phone("officer")
    waits(world, "officer")

    assert phone.talks("取消预约", "1") == "好的，已取消，时间让给了排队的同学。想来的时候随时再约。"
    assert told(world, PushKind.OFFER_MADE) == {"officer"}


def test_cancel_alone_after_a_reminder_asks_about_that_appointment(world: World, supply: Supply) -> None:
    phone, id_ = booked(world, supply)
    assert phone.says("取消").startswith("现在没有填到一半的东西")

    remind(world, id_)
    assert f"要取消的是：{SHOWN}" in phone.says("取消")
    assert phone.says("取消").startswith("好，「取消预约」先到这里")
    phone.talks("取消", "1")

    assert appointment(world, id_).state is AppointmentState.CANCELLED
    assert phone.says("取消").startswith("现在没有填到一半的东西")


# ── 「我会来」 ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_coming_is_noted_once_however_often_it_is_said(world: World, supply: Supply) -> None:
    phone, id_ = booked(world, supply)
    remind(world, id_)

    assert phone.says("我会来").startswith(f"好，记下了：{SHOWN}。到时候见")
    first = appointment(world, id_).coming_at
    world.forward(days=2)
    assert phone.says("我会来的").startswith(f"记着呢：{SHOWN}")

    assert appointment(world, id_).coming_at == first
    assert world.facts(Fact.APPOINTMENT_COMING) == [Fact.APPOINTMENT_COMING]


@pytest.mark.parametrize("word", ["我会来", "改时间", "取消预约"])
def test_what_is_over_is_said_kindly_to_be_over(world: World, supply: Supply, word: str) -> None:
    phone, id_ = booked(world, supply)
    world.forward(days=5)

    reply = phone.says(word)

    assert "那一次取消过，或者已经过去" in reply
    assert "回复「预约」" in reply
    assert appointment(world, id_).state is AppointmentState.BOOKED


def test_an_old_word_about_one_that_was_called_off_is_not_about_nothing(world: World, supply: Supply) -> None:
    phone, id_ = booked(world, supply)
    with db.unit_of_work() as session:
        cancel(session, by(world, SHEN, Side.COUNSELOR), id_, policy=world.policy.booking, now=world.now)

    assert "没有等着你来的预约" in phone.says("我会来")


def test_what_waits_for_the_centre_is_not_yet_promised(world: World, supply: Supply) -> None:
    set_booking(world, confirm="by_hand")
    phone, id_ = booked(world, supply)

    assert "有了答复会告诉你" in phone.says("我会来")
    with db.unit_of_work() as session:
        decline(session, by(world, "duty", Side.CENTRE), id_, policy=world.policy.booking, now=world.now)
    assert "没有等着你来的预约" in phone.says("我会来")


# ── 「要」「继续等」 ────────────────────────────────────────────────────────────────────────────────────────────────


def offered(world: World, supply: Supply) -> Phone:
    """The officer waits; the student's time is freed for them."""
    phone, friend = booked(world, supply)[0], world.phone("officer")
    waits(world, "officer")
    phone.talks("取消预约", "1")
    return friend


def test_an_offer_is_taken_with_one_word(world: World, supply: Supply) -> None:
    friend = offered(world, supply)

    reply = friend.says("要")

    assert reply.startswith(f"约好了：{SHOWN}")
    assert friend.says("要").startswith(f"你的预约是：{SHOWN}")
    assert told(world, PushKind.BOOKING_NEW) == {SHEN}
    assert friend.says("继续等").startswith("现在没有替你留着的时间，你也不在排队")


def test_an_offer_is_shown_before_anything_else(world: World, supply: Supply) -> None:
    friend = offered(world, supply)

    reply = friend.says("我的预约")
    assert reply.startswith(f"{SHOWN}，空出来了，要吗？替你留到")
    assert options(reply) == ["要", "继续等"]
    assert friend.says("2").startswith("好，先不要这个，接着排。你排在第一位")
    assert "有一个时间正替你留着" not in friend.says("预约")


def test_booking_while_a_time_is_kept_speaks_of_it(world: World, supply: Supply) -> None:
    assert offered(world, supply).says("预约").startswith("有一个时间正替你留着：11月18日 周三 09:00")


def test_an_offer_that_has_passed_is_said_to_have(world: World, supply: Supply) -> None:
    friend = offered(world, supply)
    world.forward(hours=3)

    assert friend.says("要").startswith("现在没有替你留着的时间")
    found = world.rows(Appointment, Appointment.student_id == world.people["officer"])
    assert all(it.state is not AppointmentState.BOOKED for it in found)


# ── a counselor's proposal ──────────────────────────────────────────────────────────────────────────────────────────


def test_nothing_moves_before_the_student_answers(world: World, supply: Supply) -> None:
    phone, id_ = booked(world, supply)
    proposed(world, id_)

    reply = phone.says("我的预约")

    assert reply.startswith("沈岚老师想把 11月18日 周三 09:00 的预约换个时间，可以吗？等你到 ")
    assert "你不答应，什么都不会变。" in reply
    assert options(reply) == [
        "11月20日 周五 09:00 沈岚老师",
        "11月20日 周五 10:00 沈岚老师",
        "还是原来的时间",
        "都不行，换一位",
    ]
    assert appointment(world, id_).starts_at == local(WEDNESDAY)
    assert phone.says("2").startswith("好，改好了：11月20日 周五 10:00，沈岚老师")
    assert appointment(world, id_).starts_at == local("2026-11-20 10:00")
    assert told(world, PushKind.PROPOSAL_ANSWERED) == {SHEN}


def test_the_old_time_may_stay(world: World, supply: Supply) -> None:
    phone, id_ = booked(world, supply)
    proposed(world, id_)

    assert phone.talks("改时间", "还是原来的时间").startswith(f"好，还是原来的：{SHOWN}。老师已经知道了。")
    assert world.rows(Proposal)[0].state is ProposalState.DECLINED


def test_somebody_else_is_a_choice_among_the_others(world: World, supply: Supply) -> None:
    phone, id_ = booked(world, supply)
    proposed(world, id_, for_leave=True)

    asked = phone.says("我的预约")
    assert asked.startswith("11月18日 周三 09:00 的预约，沈岚老师来不了，想换到下面的时间，可以吗？")
    assert "到时没有回答，中心会打电话和你商量" in asked
    assert options(asked)[-1] == "都不行，换一位"
    times = phone.says("都不行，换一位")
    assert times.startswith("好，看看别的老师的时间。")
    assert "沈岚老师" not in "".join(options(times))
    phone.says("1")
    assert phone.says("1").startswith("改好了：11月18日 周三 14:00，白站老师")
    assert appointment(world, id_).counselor_id == supply.station


def test_somebody_else_is_looked_for_however_near_the_old_time_is(world: World, supply: Supply) -> None:
    phone, id_ = booked(world, supply, MONDAY)
    proposed(world, id_)

    reply = phone.talks("我的预约", "都不行，换一位")

    assert reply.startswith("好，看看别的老师的时间。\n\n和谁、什么时候？")
    assert "中心的老师会联系你" not in reply


def test_an_answer_to_a_proposal_that_is_over_says_so(world: World, supply: Supply) -> None:
    phone, id_ = booked(world, supply)
    proposed(world, id_)
    phone.says("我的预约")
    with db.unit_of_work() as session:
        cancel(session, by(world, SHEN, Side.COUNSELOR), id_, policy=world.policy.booking, now=world.now)

    assert "这个提议已经不在了" in phone.says("1")
    assert phone.says("我的预约").startswith("你现在没有预约")


# ── how it was ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_four_faces_and_whether_again_are_kept_apart_from_the_visit(world: World, supply: Supply) -> None:
    phone, id_ = booked(world, supply, MONDAY)
    assert phone.says("聊得怎么样").startswith("现在没有要说的")
    world.forward(hours=15)

    assert options(phone.says("聊得怎么样")) == ["😀 很好", "🙂 还不错", "😐 一般", "🙁 不太好"]
    assert options(phone.says("😀")) == ["还约这位", "想换一位", "还没想好"]
    assert "只有中心看得到总数" in phone.says("1")
    assert phone.says("聊得怎么样").startswith("现在没有要说的")

    (it,) = world.rows(Feedback)
    assert (it.counselor_id, it.month, it.face, it.again) == (supply.shen, "2026-11", Face.GREAT, Again.SAME)
    assert set(Feedback.model_fields) == {"id", "counselor_id", "month", "face", "again"}
    assert appointment(world, id_).face


def test_somebody_whom_it_did_not_help_hears_what_else_there_is(world: World, supply: Supply) -> None:
    phone, _ = booked(world, supply, MONDAY)
    world.forward(hours=40)

    assert phone.says("聊得怎么样").startswith("11月16日那次聊得怎么样？")
    assert "没聊好不是你的问题" in phone.talks("4", "2")


def test_only_the_centre_sees_totals_and_none_of_a_few(world: World, supply: Supply) -> None:
    def actor(who: str) -> Actor:
        return Actor(session, 0, Channel.WECOM, world.people[who], "", Kind.STAFF, None, None, None)

    with db.unit_of_work() as session:
        session.add_all([Feedback(counselor_id=supply.shen, month="2026-11", face=Face.GOOD) for _ in range(5)])
        session.add(Feedback(counselor_id=supply.jiang, month="2026-10", face=Face.BAD))
        session.flush()

        assert {month: it.count for month, it in totals(session, actor("duty")).items()} == {"2026-11": 5}
        for who in ("advisor", "head", "leader", SHEN):
            with pytest.raises(NotFoundError):
                totals(session, actor(who))


def test_two_hours_before_the_words_still_work(world: World, supply: Supply) -> None:
    phone, id_ = booked(world, supply)
    world.forward(seconds=(local(WEDNESDAY) - world.now - timedelta(hours=1)).total_seconds())
    remind(world, id_, PushKind.BOOKING_SOON)

    assert phone.says("我会来").startswith("好，记下了")
    assert phone.talks("取消", "1").startswith("好，已经告诉老师你这次来不了")
