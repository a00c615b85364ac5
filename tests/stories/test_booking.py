"""「预约」: from the first message to a certain answer, by taps and in words; and every way in which it can go otherwise."""

import re
from typing import Any

import pytest
import sqlalchemy as sa

from bot.policy import make_policy
from models import db
from models.audit import Fact
from models.booking.choices import Mode
from models.booking.consent import has_consent
from models.booking.profiles import end_counselor
from models.booking.table import (
    LIVE,
    Appointment,
    AppointmentState,
    Consent,
    CounselorTie,
    Haste,
    Opening,
    Referral,
    Room,
    RoomUse,
    Side,
    Waiter,
)
from models.booking.taking import By
from models.channel import Channel
from models.outbox import PushKind
from models.person import Person
from models.seal import unseal_json
from models.talk import Actor
from tests.appointments import book_at, local
from tests.phone import Phone
from tests.stories.cast import called, edit, options, told
from tests.supply import Supply, make_supply
from tests.world import World

ALWAYS = ["更多", "换一天", "都不合适"]
TO_THE_TIMES = ("预约", "同意", "能等", "面对面", "跳过")
THREE_SENTENCES = ("谈什么只留在心理中心", "只有当你或别人有危险", "这里不是医院，不做诊断")


@pytest.fixture
def supply(world: World) -> Supply:
    return make_supply(world)


@pytest.fixture
def offered(school: World) -> Supply:
    """The same on SQLite, for what the engine has no part in."""
    return make_supply(school)


def set_booking(world: World, **values: Any) -> None:
    """Other settings of booking, as a restart brings them."""
    booking = world.settings.booking.model_copy(update=values)
    world.settings = world.settings.model_copy(update={"booking": booking})
    world.policy = make_policy(world.settings)
    world.restart()


def live(world: World, who: str = "student") -> list[Appointment]:
    """What somebody has by now, on hold or for good."""
    return world.rows(
        Appointment, Appointment.student_id == world.people[who], sa.column("state").in_([each.value for each in LIVE])
    )


def been_here(world: World, supply: Supply, who: str = "student") -> Phone:
    """Somebody who has agreed and saw 沈岚 two weeks ago."""
    phone = world.phone(who)
    phone.talks(*TO_THE_TIMES, "11月16日9点沈老师", "1")
    world.forward(days=14)
    return phone


def room_alone(world: World) -> None:
    """A room that one can use by oneself on Monday mornings."""
    with db.unit_of_work() as session:
        room = Room(name="放松室", place="综合楼 302", unit_id=world.units["测试学院"], use=RoomUse.RELAX, alone=True)
        session.add(room)
        session.flush()
        session.add(Opening(room_id=room.id, weekday=0, starts=540, ends=660))


# ── by taps ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_first_time_takes_seven_messages_by_taps(world: World, supply: Supply) -> None:
    phone = world.phone("student")

    consent = phone.says("预约")
    assert all(sentence in consent for sentence in THREE_SENTENCES)
    assert options(consent) == ["同意，继续", "看全文", "先不约"]
    assert "能等到约的时间吗" in phone.says("1")
    assert options(phone.says("1")) == ["面对面", "电话", "线上"]
    assert "可以跳过" in phone.says("1")
    times = phone.says("10")
    assert options(times)[3:] == ALWAYS
    asked = phone.says("2")
    assert "就约这个吗" in asked
    assert "\n沈岚老师：国家二级心理咨询师。\n" in asked
    done = phone.says("1")

    assert done.startswith("约好了：11月16日 周一 09:00，沈岚老师，面对面，咨询室一（综合楼 301）。")
    assert "提醒里只写时间" in done
    assert "回复「我的预约」" in done
    assert len(phone.heard) == 7
    (it,) = live(world)
    assert (it.state, it.counselor_id, it.mode) == (AppointmentState.BOOKED, supply.shen, Mode.IN_PERSON)
    assert world.facts(Fact.CONSENT_GIVEN, Fact.APPOINTMENT_BOOKED) == [Fact.CONSENT_GIVEN, Fact.APPOINTMENT_BOOKED]
    assert told(world, PushKind.BOOKING_NEW) == {"沈岚"}


def test_whoever_left_no_number_is_asked_once_which_makes_eight(world: World, supply: Supply) -> None:
    edit(world, "student", phone=None)
    phone = world.phone("student")

    asked = phone.talks(*TO_THE_TIMES, "1")
    assert "留个能找到你的手机号" in asked
    assert options(asked) == ["先不留"]
    assert "这不太像手机号" in phone.says("我不知道")
    phone.talks("138 0000 1234", "1")

    assert len(phone.heard) == 9  # one of them was not understood
    (it,) = live(world)
    assert unseal_json(it.body or b"", f"appointment.body:{it.id}") == {"phone": "13800001234"}


def test_somebody_known_needs_four_and_gets_the_same_counselor_first(world: World, supply: Supply) -> None:
    phone = been_here(world, supply)
    before = len(phone.heard)

    assert "能等到约的时间吗" in phone.says("预约")
    times = phone.says("1")
    assert options(times)[0].endswith("沈岚老师（上次的老师）")
    phone.says("1")
    assert phone.says("1").startswith("约好了：")

    assert len(phone.heard) - before == 4


def test_the_station_stands_before_the_centre_among_the_earliest_three(world: World, supply: Supply) -> None:
    phone = world.phone("student")
    shown = options(phone.talks(*TO_THE_TIMES))[:3]

    assert shown == [
        "11月18日 周三 14:00 白站老师（学院站）",
        "11月16日 周一 09:00 沈岚老师",
        "11月16日 周一 14:00 沈岚老师",
    ]
    assert phone.says("11月18日 周三 14:00 白站老师").startswith("11月18日 周三 14:00，白站老师，面对面")


def test_in_a_hurry_the_earliest_comes_first(world: World, supply: Supply) -> None:
    phone = world.phone("student")

    reply = phone.talks("预约", "1", "有点难，想尽快")
    assert "随时回复 0" in reply
    shown = options(phone.talks("1", "10"))

    assert shown[0] == "11月16日 周一 09:00 沈岚老师"


def test_now_means_a_person_as_in_a_call_for_help(world: World, supply: Supply) -> None:
    phone = world.phone("student")

    assert "你此刻安全吗" in phone.talks("预约", "1", "现在就需要人")
    phone.says("2")

    assert "duty" in called(world)
    assert live(world) == []


def test_going_back_from_now_withdraws_the_call(world: World, supply: Supply) -> None:
    phone = world.phone("student")
    phone.talks("预约", "1", "3")

    assert "能等到约的时间吗" in phone.says("返回")
    assert "想怎么聊" in phone.says("1")
    assert world.facts(Fact.ALERT_WITHDRAWN) == [Fact.ALERT_WITHDRAWN]


def test_a_room_of_its_own_is_one_of_the_ways(world: World, supply: Supply) -> None:
    room_alone(world)
    phone = world.phone("student")

    assert options(phone.talks("预约", "1", "1")) == ["面对面", "电话", "线上", "自己用放松室"]
    assert options(phone.says("自己用放松室"))[0] == "11月16日 周一 09:00 放松室"
    asked = phone.says("1")
    assert asked.startswith("11月16日 周一 09:00，自己用放松室（综合楼 302）。\n这个时间替你留 5 分钟")
    assert phone.says("1").startswith("约好了：11月16日 周一 09:00，自己用放松室（综合楼 302）。")
    assert live(world)[0].counselor_id is None


def test_where_the_centre_confirms_the_moment_of_the_answer_is_promised(world: World, supply: Supply) -> None:
    set_booking(world, confirm="by_hand")
    phone = world.phone("student")

    done = phone.talks(*TO_THE_TIMES, "1", "1")

    assert done.startswith("已收到：11月18日 周三 14:00，白站老师")
    assert done.count("11月16日 周一 12:00") == 1
    assert "11月16日 周一 12:00 前一定给你答复，在那之前这个时间为你留着" in done
    assert live(world)[0].state is AppointmentState.PENDING
    assert told(world, PushKind.BOOKING_WAITS) == {"duty"}
    assert "等中心答复，最晚 11月16日 周一 12:00" in phone.says("我的预约")


# ── consent ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_reading_all_of_it_comes_back_to_the_question(world: World, supply: Supply) -> None:
    phone = world.phone("student")

    reply = phone.talks("预约", "看全文")

    assert "录音录像要先问过你" in reply
    assert reply.count("只有当你或别人有危险") == 0
    assert "看完了，同意吗？" in reply
    assert options(reply) == ["同意，继续", "再看一遍", "先不约"]
    assert phone.says("2") == reply
    assert phone.says("先不约").startswith("好，先不约")
    assert world.rows(Consent) == []


def test_a_reworded_text_asks_anew(world: World, supply: Supply) -> None:
    phone = been_here(world, supply)
    folder = world.settings.folder / "words"
    folder.mkdir()
    (folder / "ours.toml").write_text('[booking.consent]\nask = "一次 {minutes} 分钟，只留在中心。"\n', "utf-8")
    world.restart()
    phone.app = world.app

    assert phone.says("预约").startswith("一次 50 分钟，只留在中心。\n1. 同意，继续")
    phone.says("1")
    assert len({it.version for it in world.rows(Consent)}) == 2


def test_consent_can_be_taken_back(world: World, supply: Supply) -> None:
    phone = been_here(world, supply)

    assert options(phone.says("我的预约")) == ["知道了", "收回同意"]
    assert "同意已经收回" in phone.says("2")

    assert world.facts(Fact.CONSENT_WITHDRAWN) == [Fact.CONSENT_WITHDRAWN]
    assert "在开始前" in phone.says("预约")


def test_visits_stand_among_what_is_stored(school: World, offered: Supply) -> None:
    shown = been_here(school, offered).says("我的数据").split("\n")

    assert shown[0] == "这里存着关于你的："
    assert any(line.startswith("· 约过老师 1 次；") for line in shown)
    assert any(line.startswith("· 你在 11月15日") for line in shown)


def test_back_and_cancel_leave_no_consent_behind(world: World, supply: Supply) -> None:
    phone = world.phone("student")

    phone.talks("预约", "1")
    assert "在开始前" in phone.says("返回")
    phone.says("1")
    phone.says("取消")

    with db.unit_of_work(write=False) as session:
        me = Actor(session, 0, Channel.WECOM, world.people["student"], "", None, None, None, None)
        assert not has_consent(session, me)


# ── in words ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "said", ["预约 下周三下午3点 电话", "我想约下周三下午三点 沈老师 打电话", "预约下周三15:00沈老师电话"]
)
def test_what_is_said_at_once_is_taken_and_read_back(school: World, offered: Supply, said: str) -> None:
    phone = school.phone("student")

    heard = phone.says(said)
    assert heard.startswith("听到了：11月18日 周三 15:00")
    assert "电话" in heard.split("\n")[0]
    reply = phone.talks("1", "1", "跳过")

    assert reply.startswith("11月18日 周三 15:00，沈岚老师，电话")
    assert phone.says("好的").startswith("约好了：11月18日 周三 15:00，沈岚老师，电话")
    assert len(phone.heard) == 5


def test_what_is_said_beside_the_way_of_talking_is_taken_too(school: World, offered: Supply) -> None:
    phone = school.phone("student")

    reply = phone.talks("预约", "1", "1", "线上吧，周四下午江老师", "跳过")

    assert reply.startswith("听到了：11月19日 周四下午，江河老师，线上。")


def test_somebody_known_books_in_two_messages_when_it_is_said_in_one(school: World, offered: Supply) -> None:
    phone = been_here(school, offered)
    before = len(phone.heard)

    assert phone.says("预约 周三上午10点沈老师").startswith("12月2日 周三 10:00，沈岚老师")
    assert phone.says("好").startswith("约好了：")

    assert len(phone.heard) - before == 2


def test_what_somebody_known_said_is_read_back_once(school: World, offered: Supply) -> None:
    reply = been_here(school, offered).says("预约 周三下午")

    assert reply.startswith("听到了：12月2日 周三下午。这些时间可以约：")
    assert reply.count("听到了") == 1
    assert all(label.startswith("12月2日 周三 1") for label in options(reply)[:-3])


def test_a_way_that_nobody_offers_is_said_to_be_none_once(school: World, offered: Supply) -> None:
    with db.unit_of_work() as session:
        session.execute(sa.delete(Opening).where(sa.column("counselor_id") == offered.jiang))
    phone = school.phone("student")

    assert "现在没有能约的「线上」。" in phone.talks("预约 线上", "1", "1")
    assert "现在没有能约的" not in phone.says("周三下午")
    assert phone.talks("电话", "跳过").startswith("听到了：11月18日 周三下午。这些时间可以约：")


@pytest.mark.parametrize(
    ("said", "lead"),
    [
        ("下周三下午", "听到了：11月18日 周三下午。"),
        ("最近老失眠，室友关系也不好", "听到了：睡眠。"),
        ("周一或者周五", "记下了，选时间的时候一起看。"),
    ],
)
def test_what_is_said_instead_of_the_way_of_talking_is_heard(
    school: World, offered: Supply, said: str, lead: str
) -> None:
    reply = school.phone("student").talks("预约", "1", "1", said)

    assert reply.startswith(f"{lead}\n\n想怎么聊？")
    assert options(reply) == ["面对面", "电话", "线上"]


@pytest.mark.parametrize("said", ["都行", "随便。", "怎么都行吧"])
def test_any_way_of_talking_will_do(world: World, supply: Supply, said: str) -> None:
    phone = world.phone("student")

    assert phone.talks("预约", "1", "1", said).startswith("好，先看「面对面」的时间")
    assert options(phone.says("跳过"))[3:] == ALWAYS
    phone.talks("都不合适", "排队等空位")

    assert [it.mode for it in world.rows(Waiter)] == [None]


def test_whoever_is_in_a_hurry_takes_any_way_of_talking(school: World, offered: Supply) -> None:
    reply = school.phone("student").talks("预约", "1", "1", "越快越好", "跳过")

    assert reply.startswith("11月16日 周一 09:00，沈岚老师，面对面")


def test_a_topic_at_the_read_back_is_heard(school: World, offered: Supply) -> None:
    phone = school.phone("student")
    phone.talks(*TO_THE_TIMES, "11月16日9点")

    assert phone.says("最近总失眠").startswith("听到了：睡眠。\n\n11月16日 周一 09:00，沈岚老师，面对面")


@pytest.mark.parametrize(
    ("said", "lead", "first"),
    [
        ("下周三下午", "听到了：11月18日 周三下午", "11月18日 周三 14:00"),
        ("明天上午第二节", "听到了：11月16日 周一 08:55–09:40", "11月16日 周一 09:00"),
        ("11月26号", "听到了：11月26日 周四", "11月26日 周四 09:00"),
        ("江老师", "听到了：江河老师", "11月17日 周二 14:00 江河老师"),
        ("小江老师周四", "听到了：11月19日 周四，江河老师", "11月19日 周四 14:00 江河老师"),
        ("11月20号14:30", "「11月20日 周五 14:30」没有空着的时间了", "11月20日 周五 14:00"),
        ("11月21号", "「11月21日 周六」没有空着的时间了", "11月20日 周五 14:00"),
        ("昨天下午", "「11月14日 周六下午」已经过去了", "11月16日 周一 09:00"),
        ("明年3月1号", "「3月1日 周一」太远了，现在最远能约到12月13日", "12月11日 周五 14:00"),
        ("欧阳老师", "能约的老师里没有找到「欧阳老师」", None),
        ("上次的老师", "这里还没有你上次的老师", None),
    ],
)
def test_a_time_said_in_words_narrows_the_list(
    school: World, offered: Supply, said: str, lead: str, first: str | None
) -> None:
    phone = school.phone("student")

    reply = phone.talks(*TO_THE_TIMES, said)

    assert reply.startswith(lead), reply
    assert options(reply)[-2:] == ALWAYS[1:]
    assert first is None or options(reply)[0].startswith(first), reply
    assert live(school) == []


def test_a_contradiction_is_asked_about_and_never_guessed(school: World, offered: Supply) -> None:
    phone = school.phone("student")

    reply = phone.talks(*TO_THE_TIMES, "11月26号周三")
    assert reply.startswith("前后对不上")
    assert "11月26日 周四" in options(reply)
    assert phone.says("11月26日 周四").startswith("听到了：11月26日 周四")


def test_a_number_that_may_be_a_day_is_asked_about(school: World, offered: Supply) -> None:
    phone = school.phone("student")

    reply = phone.talks(*TO_THE_TIMES, "2号")

    assert reply.startswith("说的是刚才那一个，还是那一天？")
    assert options(reply)[:2] == ["11月16日 周一 09:00 沈岚老师", "12月2日 周三"]
    assert "就约这个吗" in phone.says("1")


@pytest.mark.parametrize("said", ["2月31号", "2月30日下午"])
def test_a_day_that_does_not_exist_is_said_to_be_none(school: World, offered: Supply, said: str) -> None:
    reply = school.phone("student").talks(*TO_THE_TIMES, said)

    assert "日历上没有这个时间" in reply
    assert options(reply)[-1] == "都不合适"


def test_a_day_outside_term_is_closed(school: World, offered: Supply) -> None:
    set_booking(school, horizon_days=90)
    phone = school.phone("student")

    assert phone.talks(*TO_THE_TIMES, "1月20号").startswith("「1月20日 周三」放假，或者不在学期里")


def test_whatever_is_soonest_is_read_back_at_once(school: World, offered: Supply) -> None:
    reply = school.phone("student").talks(*TO_THE_TIMES, "随便，越快越好")

    assert reply.startswith("11月16日 周一 09:00，沈岚老师")


def test_a_full_week_shows_the_nearest(world: World, supply: Supply) -> None:
    phone = been_here(world, supply)  # the one a week of the 16th is gone, and that of the 30th is free
    book_at(world, "student", supply.shen, local("2026-12-01 09:00"))
    world.forward(days=3)

    reply = phone.talks("预约", "1", "周五")

    assert "那一周你已经约了一次" in reply
    assert options(reply)[0].startswith("12月7日")


def test_who_left_is_not_offered_any_more(world: World, supply: Supply) -> None:
    phone = world.phone("student")
    phone.talks(*TO_THE_TIMES)
    with db.unit_of_work() as session:
        end_counselor(session, By(None, Side.SYSTEM), supply.shen, now=world.now)

    taken = phone.says("2")
    assert taken.startswith("这个时间刚刚不在了")
    assert all("沈岚" not in label for label in options(taken))
    assert "能约的老师里没有找到「沈老师」" in phone.says("沈老师")


def test_another_way_of_talking_keeps_the_time_that_was_read_back(school: World, offered: Supply) -> None:
    phone = school.phone("student")
    phone.talks(*TO_THE_TIMES, "11月16日9点")

    assert phone.says("改成电话吧").startswith("11月16日 周一 09:00，沈岚老师，电话")
    assert phone.says("线上可以吗").startswith("「11月16日 周一 09:00，线上」没有空着的时间了")


def test_the_topic_and_a_line_reach_the_counselor_only(world: World, supply: Supply) -> None:
    phone = world.phone("student")
    phone.talks("预约", "1", "1", "1", "最近和室友吵架，睡不好")
    phone.talks("1", "1")

    (it,) = live(world)
    assert unseal_json(it.body or b"", f"appointment.body:{it.id}") == {"note": "最近和室友吵架，睡不好"}
    assert all("室友" not in push.data for push in world.pushes())
    assert "室友" not in phone.says("我的预约")


# ── pages ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_more_turns_pages_and_the_numbers_follow(school: World, offered: Supply) -> None:
    phone = school.phone("student")
    first = options(phone.talks(*TO_THE_TIMES))

    second = options(phone.says("更多"))
    assert len(second) == 9
    assert not set(first[:3]) & set(second[:6])
    reply = phone.says("1")
    assert reply.startswith(second[0].split(" 沈岚")[0])


def test_another_day_is_a_list_of_days(school: World, offered: Supply) -> None:
    phone = school.phone("student")

    days = options(phone.talks(*TO_THE_TIMES, "换一天"))
    assert days[0] == "11月16日 周一（6 个时间）"
    assert phone.says("2").startswith("听到了：11月17日 周二。这些时间可以约：")


# ── what went meanwhile ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_time_that_went_before_it_was_chosen_leads_to_the_nearest_three(world: World, supply: Supply) -> None:
    phone = world.phone("student")
    phone.talks(*TO_THE_TIMES)
    book_at(world, "officer", supply.station, local("2026-11-18 14:00"))

    reply = phone.says("1")

    assert reply.startswith("这个时间刚刚不在了")
    assert options(reply)[:3] == [
        "11月18日 周三 14:00 沈岚老师",
        "11月18日 周三 15:00 沈岚老师",
        "11月18日 周三 15:00 白站老师（学院站）",
    ]
    assert phone.talks("1", "1").startswith("约好了：11月18日 周三 14:00，沈岚老师")


def test_a_hold_keeps_everybody_else_out_for_five_minutes(world: World, supply: Supply) -> None:
    phone, other = world.phone("student"), world.phone("officer")
    phone.talks(*TO_THE_TIMES, "1")
    assert [it.state for it in live(world)] == [AppointmentState.HELD]

    assert "11月18日 周三 14:00 白站老师" not in other.talks(*TO_THE_TIMES)
    world.forward(minutes=6)
    assert "11月18日 周三 14:00 白站老师" in other.says("11月18号下午")

    assert phone.says("1").startswith("约好了：11月18日 周三 14:00")


def test_a_hold_that_passed_and_was_taken_leads_to_the_nearest_three(world: World, supply: Supply) -> None:
    phone = world.phone("student")
    phone.talks(*TO_THE_TIMES, "1")
    world.forward(minutes=6)
    book_at(world, "officer", supply.station, local("2026-11-18 14:00"))

    reply = phone.says("1")

    assert reply.startswith("这个时间刚刚不在了")
    assert phone.talks("1", "1").startswith("约好了：")


def test_one_student_holds_one_time(world: World, supply: Supply) -> None:
    phone = world.phone("student")
    phone.talks(*TO_THE_TIMES, "1", "换个时间", "2")

    assert [it.starts_at for it in live(world)] == [local("2026-11-16 09:00")]


@pytest.mark.parametrize("word", ["取消", "返回"])
def test_back_and_cancel_let_the_time_go(world: World, supply: Supply, word: str) -> None:
    phone = world.phone("student")
    phone.talks(*TO_THE_TIMES, "1")

    reply = phone.says(word)

    assert live(world) == []
    if word == "返回":
        assert options(reply)[3:] == ALWAYS


def test_the_platform_tells_the_last_message_again_and_nothing_is_booked_twice(world: World, supply: Supply) -> None:
    phone = world.phone("student")
    done = phone.talks(*TO_THE_TIMES, "1", "1")

    assert phone.repeats() == done
    assert len(live(world)) == 1


def test_it_goes_on_the_next_morning_where_it_stopped(world: World, supply: Supply) -> None:
    phone = world.phone("student")
    phone.talks(*TO_THE_TIMES, "1")
    world.forward(hours=12)

    reply = phone.says("好的")

    assert "刚才我们说到「预约」" in reply
    assert "约好了：11月18日 周三 14:00，白站老师" in reply


def test_a_time_that_has_passed_by_the_next_morning_is_not_booked(world: World, supply: Supply) -> None:
    phone = world.phone("student")
    phone.talks(*TO_THE_TIMES, "2")
    world.forward(hours=14)

    reply = phone.says("1")

    assert "这个时间刚刚不在了" in reply
    assert all(it.state is not AppointmentState.BOOKED for it in live(world))


# ── what else may be said ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_sticker_is_no_time(school: World, offered: Supply) -> None:
    phone = school.phone("student")
    phone.talks(*TO_THE_TIMES)

    reply = phone.sends("image", PicUrl="http://x", MediaId="m")
    assert "语音、图片和表情我还看不懂" in reply
    assert options(reply)[3:] == ALWAYS


def test_two_answers_at_once_are_asked_about(school: World, offered: Supply) -> None:
    reply = school.phone("student").talks(*TO_THE_TIMES, "周一或者周五")

    assert "不止一个时间" in reply


def test_a_number_that_is_not_there_changes_nothing(school: World, offered: Supply) -> None:
    phone = school.phone("student")

    assert "没听出是什么时间" in phone.talks(*TO_THE_TIMES, "99")
    assert live(school) == []


def test_an_old_button_after_the_talk_moved_on_is_no_answer(world: World, supply: Supply) -> None:
    phone = world.phone("student")
    phone.talks(*TO_THE_TIMES, "1")

    reply = phone.event("CLICK", EventKey="我会来")

    assert "先放下「预约」" in reply
    assert "就约这个吗" in phone.says("2")
    assert phone.says("1").startswith("约好了：")


@pytest.mark.parametrize("before", [(), ("1",), ("1", "1", "1", "10"), ("1", "1", "1", "10", "1")])
def test_a_start_word_is_no_wish(school: World, offered: Supply, before: tuple[str, ...]) -> None:
    phone = school.phone("student")
    phone.talks("预约", *before)

    assert phone.says("帮同学约").startswith("先放下「预约」？")
    assert "下面这张卡片" in phone.says("1")
    assert live(school) == []


def test_safety_words_inside_call_somebody_and_the_talk_goes_on(world: World, supply: Supply) -> None:
    phone = world.phone("student")
    phone.talks("预约", "1", "1", "1")

    assert "是谁需要帮助" in phone.says("我不想活了")
    assert "duty" in called(world)
    assert "可以跳过" in phone.says("按错了")


@pytest.mark.parametrize("said", ["我想约心理老师聊聊", "预约下周三", "怎么预约？", "想找人聊聊", "可以约心理咨询吗"])
def test_a_sentence_that_means_it_begins_it(school: World, offered: Supply, said: str) -> None:
    assert "在开始前，请花 20 秒看看这三点" in school.phone("student").says(said)


@pytest.mark.parametrize("said", ["我不想约了", "别给我预约", "节约用水"])
def test_a_sentence_that_does_not_mean_it_gets_the_menu(school: World, offered: Supply, said: str) -> None:
    assert "可以回复：" in school.phone("student").says(said)


def test_staff_are_told_where_to_go(world: World, supply: Supply) -> None:
    phone = world.phone("advisor")

    assert "「预约」是同学自己用的" in phone.says("预约")
    assert "「预约」" not in phone.says("帮助")


def test_somebody_who_has_one_is_shown_it(world: World, supply: Supply) -> None:
    book_at(world, "student", supply.shen, local("2026-11-17 09:00"))

    reply = world.phone("student").says("预约")

    assert "你已经有一个预约：\n11月17日 周二 09:00，沈岚老师" in reply
    assert all(f"「{word}」" in reply for word in ("改时间", "取消预约", "我的预约"))


def test_a_card_to_pass_on_leaves_it_to_the_friend(world: World) -> None:
    reply = world.phone("student").says("帮同学约")

    assert reply.startswith("想帮同学约？可以把下面这张卡片转给 TA，由 TA 自己决定：")
    assert "回复「预约」" in reply
    assert reply == world.phone("officer").says("想帮室友约一下")


def test_a_room_can_be_had_beside_an_appointment(world: World, supply: Supply) -> None:
    book_at(world, "student", supply.shen, local("2026-11-17 09:00"))
    room_alone(world)
    phone = world.phone("student")

    assert phone.says("预约").startswith("你已经有一个预约：11月17日 周二 09:00")
    assert options(phone.talks("1", "1")) == ["自己用放松室"]
    assert phone.talks("1", "1", "1").startswith("约好了：11月16日 周一 09:00，自己用放松室")


def test_whom_one_knows_otherwise_comes_last_and_is_never_chosen_for_one(world: World, supply: Supply) -> None:
    set_booking(world, dual_relation="warn")
    with db.unit_of_work() as session:
        session.add(CounselorTie(counselor_id=supply.shen, unit_id=world.units["软件2301"]))
    phone = world.phone("student")

    assert "沈岚" not in "".join(options(phone.talks(*TO_THE_TIMES))[:3])
    assert options(phone.says("周一9点"))[0] == "11月16日 周一 09:00 沈岚老师（平时可能认识你）"
    assert phone.says("越快越好").startswith("11月17日 周二 14:00，江河老师")


def test_who_was_sent_on_is_offered_the_centre_alone(world: World, supply: Supply) -> None:
    with db.unit_of_work() as session:
        referral = Referral(student_id=world.people["student"], from_id=supply.station, thread=1, made_at=world.now)
        session.add(referral)
    phone = world.phone("student")

    assert "白站" not in phone.talks(*TO_THE_TIMES)
    assert "白站" not in "".join(options(phone.says("周三下午")))


# ── nothing on offer, and the waiting list ──────────────────────────────────────────────────────────────────────────


def test_where_nobody_is_open_it_is_said_truly_with_another_way(world: World) -> None:
    make_supply(world, hours=False)
    set_booking(world, centre_phone="0632-1234567", centre_mailbox="heart@example.edu")
    phone = world.phone("student")

    reply = phone.talks("预约", "1", "1", "10")

    assert "现在没有能约的时间" in reply
    assert "打中心的电话 0632-1234567，写信到 heart@example.edu" in reply
    assert options(reply) == ["排队等空位", "先不约"]
    assert "你排在第一位。有空位会先问你，留 2 小时。等的是：哪位老师都行。" in phone.says("1")
    assert world.rows(Waiter)[0].haste is Haste.NORMAL
    assert "排在第一位" in phone.says("我的预约")


def test_who_cannot_wait_stands_before_who_can(world: World) -> None:
    make_supply(world, hours=False)
    first, second = world.phone("officer"), world.phone("student")
    first.talks("预约", "1", "1", "10", "1")
    second.talks("预约", "1", "2", "10", "1")

    assert [it.haste for it in world.rows(Waiter)] == [Haste.NORMAL, Haste.SOON]
    assert "前面还有 1 位" in first.says("我的预约")


def test_none_fits_waits_for_whoever_was_asked_for(world: World, supply: Supply) -> None:
    phone = world.phone("student")

    phone.talks("预约", "1", "1", "1", "睡眠", "江老师", "都不合适", "1")

    assert "等的是：江河老师，面对面。" in (phone.heard[-1] or "")
    (it,) = world.rows(Waiter)
    assert (it.counselor_id, it.mode) == (supply.jiang, Mode.IN_PERSON)
    assert unseal_json(it.body, f"waiter.body:{it.id}") == {"topic": "sleep"}
    mine = phone.says("我的预约")
    assert "等的是：江河老师，面对面。" in mine
    assert options(mine) == ["知道了", "不排队了"]
    assert phone.says("1") == "好，接着替你排着，有空位会先问你。"
    phone.says("我的预约")
    assert phone.says("2").startswith("好，不再排队了")


def test_every_message_fits_and_offers_a_way_out(world: World, supply: Supply) -> None:
    edit(world, "student", phone=None)
    phone = world.phone("student")
    phone.talks(
        "预约 周三下午", "2", "1", "1", "2", "写一句", "换一天", "更多", "1", "更多", "1", "13800001234", "3", "1", "1"
    )

    for reply in phone.heard:
        assert reply is not None
        assert len(reply.encode()) <= 2000
        assert not re.search(r"\{[a-z_]+\}", reply)
        assert "回复" in reply


def test_a_number_that_is_left_is_the_appointments_and_not_the_rosters(world: World, supply: Supply) -> None:
    edit(world, "student", phone=None)
    world.phone("student").talks(*TO_THE_TIMES, "1", "13800001234", "1")

    with db.unit_of_work(write=False) as session:
        assert session.get_one(Person, world.people["student"]).phone is None


def test_a_reminder_that_would_be_late_is_not_promised(world: World, supply: Supply) -> None:
    world.forward(hours=1)  # past 20:00, the day before
    done = world.phone("student").talks(*TO_THE_TIMES, "11月16日9点", "1")

    assert "会在 11月16日 周一 07:00 提醒你" in done
