"""「待办」: nothing of a booking waits unseen. Rules: domain X-17, K-35, X-18; issue 4.1, 4.6."""

import json
from dataclasses import replace

import pytest

from models import db
from models.audit import Audit, Fact
from models.booking.alternatives import could_propose
from models.booking.attending import missed
from models.booking.leaving import take_leave
from models.booking.proposing import lapse_proposals, propose
from models.booking.table import Appointment, AppointmentState, Counselor, Proposal, Side
from models.booking.taking import By
from models.outbox import PushKind
from models.policy import BookingPolicy, Confirming
from models.post import Role
from tests.appointments import appointment, book_at, local
from tests.stories.cast import appoint, opened, options, page, release, told
from tests.supply import JIANG, SHEN, Supply, make_supply
from tests.world import World


@pytest.fixture
def supply(world: World) -> Supply:
    return make_supply(world)


def by_hand(world: World) -> BookingPolicy:
    return replace(world.policy.booking, confirming=Confirming.BY_HAND)


def pending(world: World, supply: Supply, who: str = "student", at: str = "2026-11-17 14:00") -> int:
    return book_at(world, who, supply.shen, local(at), policy=by_hand(world))


def unanswered(world: World, id_: int) -> None:
    """The counselor asks for another time, and a day passes."""
    policy = world.policy.booking
    with db.unit_of_work() as session:
        slots = could_propose(session, session.get_one(Appointment, id_), policy=policy, now=world.now)[:1]
        propose(session, By(world.people[SHEN], Side.COUNSELOR), id_, slots, policy=policy, now=world.now)
    world.forward(hours=25)
    with db.unit_of_work() as session:
        lapse_proposals(session, policy=policy, now=world.now)


def test_with_nothing_there_it_says_so(world: World, supply: Supply) -> None:
    assert "没有等中心处理的预约" in world.phone("duty").says("待办")


# ── bookings to answer ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_booking_that_waits_is_confirmed_in_three_messages(world: World, supply: Supply) -> None:
    id_ = pending(world, supply)
    phone = world.phone("duty")

    reply = phone.says("待办")
    assert options(reply) == ["等确认 · 11月17日 周二 14:00 · 沈岚老师 · 说好 11月16日 周一 12:00 前答复"]
    assert "何小雨" not in reply
    reply = phone.talks("1", "确认")

    assert "确认好了" in reply
    assert "没有等中心处理的预约" in reply
    assert appointment(world, id_).state is AppointmentState.BOOKED
    assert told(world, PushKind.BOOKING_CONFIRMED) == {"student"}
    assert told(world, PushKind.BOOKING_NEW) == {SHEN}


def test_or_another_time_is_asked_for(world: World, supply: Supply) -> None:
    id_ = pending(world, supply)

    reply = world.phone("duty").talks("待办", "1", "这个时间不行，请 TA 另选", "1")

    assert "已经请 TA 另选时间" in reply
    assert appointment(world, id_).state is AppointmentState.DECLINED
    assert told(world, PushKind.BOOKING_DECLINED) == {"student"}


def test_or_somebody_else_takes_it_at_the_same_time(world: World, supply: Supply) -> None:
    id_ = pending(world, supply)
    phone = world.phone("duty")

    reply = phone.talks("待办", "1", "请另一位老师")
    assert options(reply) == ["11月17日 周二 14:00 · 江河老师"]
    assert "安排好了" in phone.says("1")

    it = appointment(world, id_)
    assert (it.counselor_id, it.state, it.room_id) == (supply.jiang, AppointmentState.BOOKED, None)
    assert told(world, PushKind.BOOKING_CONFIRMED) == {"student"}
    assert told(world, PushKind.BOOKING_NEW) == {JIANG}
    firsts = {it.id: it.firsts for it in world.rows(Counselor)}
    assert (firsts[supply.shen], firsts[supply.jiang]) == (0, 1)


def test_where_nobody_else_is_free_it_says_so(world: World, supply: Supply) -> None:
    pending(world, supply, at="2026-11-17 09:00")

    assert "没有别的老师空着" in world.phone("duty").talks("待办", "1", "请另一位老师")


def test_the_second_who_acts_is_told(world: World, supply: Supply) -> None:
    id_ = pending(world, supply)
    appoint(world, "leader", Role.CENTRE, "测试学院")
    one, other = world.phone("duty"), world.phone("leader")
    one.talks("待办", "1")
    other.talks("待办", "1", "确认")

    assert "刚刚有人处理过" in one.says("确认")

    assert appointment(world, id_).state is AppointmentState.BOOKED
    assert world.facts(Fact.APPOINTMENT_CONFIRMED) == [Fact.APPOINTMENT_CONFIRMED]


# ── changes to settle ───────────────────────────────────────────────────────────────────────────────────────────────


def test_what_nobody_answered_is_settled_by_telephone(world: World, supply: Supply) -> None:
    id_ = book_at(world, "student", supply.shen, local("2026-11-19 09:00"))
    unanswered(world, id_)
    phone = world.phone("duty")

    assert options(phone.says("待办")) == ["改期没有答复 · 11月19日 周四 09:00 · 沈岚老师"]
    reply = phone.talks("1", "看是谁、怎么联系")
    shown = page(world, reply)
    for words in ("何小雨（2023010103）", "13800000103", "沈岚"):
        assert words in shown
    assert "何小雨" not in reply
    assert "这一件办好了" in phone.talks("1", "说好了，照原来的时间")

    assert appointment(world, id_).starts_at == local("2026-11-19 09:00")
    assert world.rows(Proposal)[0].settled_by == world.people["duty"]
    subjects = [row.subject for row in world.rows(Audit) if row.fact is Fact.APPOINTMENTS_SHOWN]
    assert subjects == [f"person:{world.people['student']}"]


def test_or_moved_as_was_agreed(world: World, supply: Supply) -> None:
    id_ = book_at(world, "student", supply.shen, local("2026-11-19 09:00"))
    unanswered(world, id_)
    phone = world.phone("duty")

    reply = phone.talks("待办", "1", "说好了，改到别的时间")
    assert options(reply)[0] == "11月17日 周二 09:00 · 沈岚老师"
    assert "改好了" in phone.says("1")

    assert appointment(world, id_).starts_at == local("2026-11-17 09:00")
    assert told(world, PushKind.BOOKING_CONFIRMED) == {"student"}
    assert told(world, PushKind.BOOKING_MOVED) == {SHEN}
    assert "没有等中心处理的预约" in phone.says("待办")


def test_or_given_to_a_colleague_at_the_same_time(world: World, supply: Supply) -> None:
    id_ = book_at(world, "student", supply.shen, local("2026-11-19 14:00"))
    unanswered(world, id_)
    phone = world.phone("duty")

    assert options(phone.talks("待办", "1", "请另一位老师")) == ["11月19日 周四 14:00 · 江河老师"]
    assert "安排好了" in phone.says("1")

    it = appointment(world, id_)
    assert (it.counselor_id, it.starts_at, it.version) == (supply.jiang, local("2026-11-19 14:00"), 2)
    assert told(world, PushKind.BOOKING_GONE) == {SHEN}
    assert JIANG in told(world, PushKind.BOOKING_NEW)
    assert told(world, PushKind.BOOKING_CONFIRMED) == {"student"}


def test_or_called_off(world: World, supply: Supply) -> None:
    id_ = book_at(world, "student", supply.shen, local("2026-11-19 09:00"))
    unanswered(world, id_)

    assert "取消了" in world.phone("duty").talks("待办", "1", "说好了，取消这次", "1")

    assert appointment(world, id_).state is AppointmentState.CANCELLED
    assert told(world, PushKind.BOOKING_GONE) == {SHEN}


def test_leave_with_nothing_to_propose_waits_here(world: World, supply: Supply) -> None:
    book_at(world, "student", supply.shen, local("2026-11-19 09:00"))
    with db.unit_of_work() as session:
        session.get_one(Counselor, supply.jiang).ended_at = world.now
        session.get_one(Counselor, supply.station).ended_at = world.now
    with db.unit_of_work() as session:
        by = By(world.people[SHEN], Side.COUNSELOR)
        start, end = local("2026-11-19 00:00"), local("2027-01-16 00:00")
        take_leave(session, by, supply.shen, start, end, policy=world.policy.booking, now=world.now)

    assert options(world.phone("duty").says("待办")) == ["老师不在，还没安排好 · 11月19日 周四 09:00 · 沈岚老师"]


def test_a_no_to_all_times_waits_here_until_the_student_has_chosen(world: World, supply: Supply) -> None:
    id_ = book_at(world, "student", supply.shen, local("2026-11-19 09:00"))
    counselor = world.phone(SHEN)
    counselor.talks("建议改期", "1")
    student = world.phone("student")
    reply = student.says("我的预约")
    student.says(next(label for label in options(reply) if "换一位" in label))

    assert options(world.phone("duty").says("待办")) == ["建议的时间都不行 · 11月19日 周四 09:00 · 沈岚老师"]
    assert appointment(world, id_).starts_at == local("2026-11-19 09:00")


def test_what_has_passed_or_moved_is_nobody_s_task(world: World, supply: Supply) -> None:
    id_ = book_at(world, "student", supply.shen, local("2026-11-19 09:00"))
    pending(world, supply, "officer")
    unanswered(world, id_)
    phone = world.phone("duty")
    assert len(options(phone.says("待办"))) == 2

    world.forward(days=5)

    assert "没有等中心处理的预约" in phone.says("待办")


# ── who often did not come ──────────────────────────────────────────────────────────────────────────────────────────


def test_whoever_often_did_not_come_is_asked_after_once(world: World, supply: Supply) -> None:
    for day in ("2026-11-16", "2026-11-23", "2026-11-30"):
        world.forward(seconds=(local(f"{day} 06:00") - world.now).total_seconds())
        id_ = book_at(world, "student", supply.shen, local(f"{day} 09:00"))
        world.forward(hours=4)
        with db.unit_of_work() as session:
            by = By(world.people[SHEN], Side.COUNSELOR)
            missed(session, by, id_, policy=world.policy.booking, now=world.now)
    assert told(world, PushKind.OFTEN_MISSED) == {"duty"}
    phone = world.phone("duty")

    reply = phone.says("待办")
    assert options(reply) == ["有同学几次没来，关心一下（最近一次 11月30日 周一 09:00）"]
    shown = page(world, phone.talks("1", "看是谁、怎么联系"))
    assert "何小雨（2023010103）" in shown
    assert "最近有 3 次" in shown

    assert "没有等中心处理的预约" in phone.talks("取消", "待办")


# ── who may ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_access_is_checked_again_when_the_link_is_opened(world: World, supply: Supply) -> None:
    pending(world, supply)
    reply = world.phone("duty").talks("待办", "1", "看是谁、怎么联系")
    release(world, "duty")

    response = opened(world, reply)

    assert response.status_code == 404
    assert "何小雨" not in response.get_data(as_text=True)


def test_what_was_settled_meanwhile_shows_nobody(world: World, supply: Supply) -> None:
    pending(world, supply)
    phone = world.phone("duty")
    reply = phone.talks("待办", "1", "看是谁、怎么联系")
    phone.talks("1", "确认")

    assert opened(world, reply).status_code == 404


def test_no_push_to_the_centre_names_anybody(world: World, supply: Supply) -> None:
    pending(world, supply)
    id_ = book_at(world, "officer", supply.shen, local("2026-11-19 09:00"))
    unanswered(world, id_)

    for push in world.pushes("duty"):
        assert set(json.loads(push.data)) <= {"appointment", "version", "until", "count"}
