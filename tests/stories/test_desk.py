"""「值班」: a counselor sees times and no names, marks who came, asks for another time, and changes the hours in a sentence."""

import re
from dataclasses import replace
from datetime import timedelta
from types import FunctionType

import pytest
from icalendar import Calendar
from sqlmodel import Session

from handlers.chat import desk, desk_lines, open_hours, proposing, tasks
from handlers.dialogue.conversation import _keys_in
from models import db
from models.audit import Audit, Fact
from models.booking.choices import Mode, Topic
from models.booking.desk import access_client
from models.booking.profiles import end_counselor
from models.booking.slots import free_slots
from models.booking.table import Again, Appointment, AppointmentState, Face, Feedback, Proposal
from models.booking.taking import SYSTEM
from models.channel import Channel
from models.errors import NotFoundError
from models.outbox import PushKind
from models.person import Kind, Person
from models.policy import Confirming
from models.post import Role
from models.talk import Actor
from tests.appointments import appointment, book_at, local
from tests.phone import Phone
from tests.stories.cast import appoint, opened, options, page, release, told
from tests.stories.stage import Stage
from tests.supply import JIANG, SHEN, STATION, Supply, add, counselor, make_supply
from tests.world import World


@pytest.fixture
def supply(world: World) -> Supply:
    return make_supply(world)


def at(world: World, moment: str) -> None:
    world.forward(seconds=(local(moment) - world.now).total_seconds())


def free(world: World, counselor_id: int, day: str) -> list[str]:
    """The times on offer on a day."""
    first = local(f"{day} 00:00")
    with db.unit_of_work() as session:
        found = free_slots(
            session,
            policy=world.policy.booking,
            now=world.now,
            counselor_id=counselor_id,
            first=first,
            last=first + timedelta(days=1),
        )
        return [f"{slot.starts_at.astimezone(first.tzinfo):%H:%M}" for slot in found]


def new_student(world: World, session: Session) -> int:
    """Somebody nobody knows."""
    number = f"2024{world.next_id()}"
    return add(session, Person(number=number, name="某同学", kind=Kind.STUDENT, class_id=world.units["软件2301"]))


def begin(world: World, moment: str = "2026-11-16 08:00", who: str = SHEN) -> Phone:
    """At a moment, 「值班」 on somebody's phone."""
    at(world, moment)
    phone = world.phone(who)
    phone.says("值班")
    return phone


# ── the day ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_counselor_sees_times_and_no_names(world: World, supply: Supply) -> None:
    book_at(world, "student", supply.shen, local("2026-11-16 09:00"), body={"topic": "mood", "note": "睡不着"})
    book_at(world, "officer", supply.shen, local("2026-11-17 14:00"))
    at(world, "2026-11-16 08:00")

    reply = world.phone(SHEN).says("值班")

    assert "今天有 1 个预约" in reply
    assert options(reply)[:2] == ["11月16日 周一 09:00 · 面对面 · 第 1 次", "后面七天（1 个）"]
    for words in ("何小雨", "周一帆", "2023010103", "睡不着", "情绪"):
        assert words not in reply
    assert len(reply.encode()) <= 2000


def test_a_time_that_is_on_the_list_means_that_one(world: World, supply: Supply) -> None:
    book_at(world, "student", supply.shen, local("2026-11-16 09:00"))

    assert "要记什么，或做什么" in begin(world).says("11月16日 周一 09:00")


def test_the_coming_days_are_one_tap_away(world: World, supply: Supply) -> None:
    book_at(world, "officer", supply.shen, local("2026-11-17 14:00"))
    phone = begin(world)

    reply = phone.says("1")

    assert options(reply) == ["11月17日 周二 14:00 · 面对面 · 第 1 次", "不看了，回到今天"]
    assert "要记什么，或做什么" in phone.says("1")


def test_the_second_visit_is_counted(world: World, supply: Supply) -> None:
    book_at(world, "student", supply.shen, local("2026-11-16 09:00"))
    at(world, "2026-11-20 19:00")
    book_at(world, "student", supply.shen, local("2026-11-23 09:00"))

    phone = begin(world, "2026-11-23 08:00")

    assert options(phone.says("值班"))[0].endswith("第 2 次")


def test_names_stand_behind_a_link_and_each_is_a_fact(world: World, supply: Supply) -> None:
    book_at(world, "student", supply.shen, local("2026-11-16 09:00"), body={"topic": "mood", "note": "睡不着"})
    book_at(world, "officer", supply.jiang, local("2026-11-17 14:00"))
    phone = begin(world)

    reply = phone.says("看名单")
    shown = page(world, reply)

    assert "何小雨" not in reply
    for words in ("何小雨（2023010103）", "情绪", "睡不着", "第 1 次", "13800000103"):
        assert words in shown
    assert "周一帆" not in shown
    subjects = [row.subject for row in world.rows(Audit) if row.fact is Fact.APPOINTMENTS_SHOWN]
    assert subjects == [f"person:{world.people['student']}"]
    assert opened(world, reply).status_code == 404  # once


def test_the_student_sees_how_often_their_name_was_opened(world: World, supply: Supply) -> None:
    book_at(world, "student", supply.shen, local("2026-11-16 09:00"))
    student, phone = world.phone("student"), begin(world)
    assert "打开看过 0 次" in student.says("我的数据")
    for _ in range(2):
        page(world, phone.says("看名单"))

    assert "约过老师 1 次；名字被约的老师或要联系你的中心打开看过 2 次" in student.talks("取消", "我的数据")
    assert "约过老师" not in world.phone("officer").says("我的数据")


def test_access_is_checked_again_when_the_link_is_opened(world: World, supply: Supply) -> None:
    book_at(world, "student", supply.shen, local("2026-11-16 09:00"))
    reply = begin(world).says("看名单")
    with db.unit_of_work() as session:
        end_counselor(session, SYSTEM, supply.shen, now=world.now)

    response = opened(world, reply)

    assert response.status_code == 404
    assert "何小雨" not in response.get_data(as_text=True)
    assert Fact.APPOINTMENTS_SHOWN not in world.facts()


@pytest.mark.parametrize("who", ["student", "committee", "officer", "advisor", "head", "leader"])
@pytest.mark.parametrize("word", ["值班", "待办", "建议改期", "请假", "加开"])
def test_nobody_else_has_a_desk(school: World, who: str, word: str) -> None:
    supply = make_supply(school)
    book_at(school, "second", supply.shen, local("2026-11-16 09:00"))

    reply = school.phone(who).says(word)

    assert school.words("dialogue.not_yours", title=word) in reply
    assert "11月16日" not in reply


def test_the_menu_shows_the_desk_to_those_who_have_one(school: World) -> None:
    make_supply(school)

    assert "值班" in school.phone(SHEN).says("帮助")
    assert "值班" in school.phone("duty").says("帮助")
    for who in ("student", "advisor", "leader"):
        assert "值班" not in school.phone(who).says("帮助")


# ── who came ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_arrived_late_and_ended_early_in_two_taps(world: World, supply: Supply) -> None:
    id_ = book_at(world, "student", supply.shen, local("2026-11-16 09:00"))
    phone = begin(world, "2026-11-16 09:30")

    assert options(phone.says("1")) == ["到了", "晚到", "没来", "提前结束", "先不动"]
    assert "晚了多少分钟" in phone.says("晚到")
    reply = phone.says("25")
    assert "也可以请 TA 再约一次" in reply
    assert options(reply)[0].endswith("晚到 25 分钟")
    phone.talks("1", "提前结束")
    assert "记下了：提前结束" in phone.says("40")

    it = appointment(world, id_)
    assert (it.late_minutes, it.closed_at, it.state) == (25, local("2026-11-16 09:40"), AppointmentState.BOOKED)


def test_whoever_did_not_come_gets_a_kind_line(world: World, supply: Supply) -> None:
    id_ = book_at(world, "student", supply.shen, local("2026-11-16 09:00"))
    phone = begin(world, "2026-11-16 09:25")

    reply = phone.talks("1", "没来")

    assert "没有处罚" in reply
    assert options(reply)[0].endswith("没来")
    assert appointment(world, id_).state is AppointmentState.MISSED
    assert told(world, PushKind.BOOKING_MISSED) == {"student"}
    assert "记下了：到了" in phone.talks("1", "到了")
    assert appointment(world, id_).state is AppointmentState.DONE


def test_before_its_time_nobody_can_be_marked(world: World, supply: Supply) -> None:
    book_at(world, "student", supply.shen, local("2026-11-16 09:00"))

    assert options(begin(world).says("1")) == ["建议改期", "取消这次预约", "先不动"]


def test_a_booking_that_waits_is_confirmed_here_too(world: World, supply: Supply) -> None:
    by_hand = replace(world.policy.booking, confirming=Confirming.BY_HAND)
    id_ = book_at(world, "student", supply.shen, local("2026-11-17 14:00"), policy=by_hand)
    phone = begin(world)

    assert options(phone.says("1"))[0].endswith("第 1 次 · 等确认")
    assert "确认好了" in phone.talks("1", "确认")

    assert appointment(world, id_).state is AppointmentState.BOOKED
    assert told(world, PushKind.BOOKING_CONFIRMED) == {"student"}
    assert SHEN not in told(world, PushKind.BOOKING_NEW)  # nobody is told what they did themselves


def test_a_full_day_of_many_counselors_fits_into_a_reply(school: World) -> None:
    supply = make_supply(school)
    appoint(school, SHEN, Role.CENTRE, "测试学院")
    with db.unit_of_work() as session:
        for at_ in range(40):
            id_ = counselor(school, session, f"欧阳老师{at_}号", f"K6{at_:02}", school.units["测试学院"])
            for hour in (9, 10, 11, 14, 15, 16):
                start = local(f"2026-11-17 {hour:02}:00")
                end = start + timedelta(minutes=50)
                session.add(
                    Appointment(
                        student_id=school.people["officer"] if (at_, hour) == (0, 9) else new_student(school, session),
                        counselor_id=id_,
                        mode=Mode.PHONE,
                        state=AppointmentState.BOOKED,
                        starts_at=start,
                        ends_at=end,
                        busy_from=start,
                        busy_to=end,
                        made_at=school.now,
                    )
                )
    for hour, who in enumerate(("student", "committee", "second"), 9):
        book_at(school, who, supply.shen, local(f"2026-11-17 {hour:02}:00"))
    phone = begin(school, "2026-11-17 08:00")

    for phone_, said in ((phone, "全中心今天"), (phone, "1"), (school.phone("duty"), "值班")):
        reply = phone_.says(said)
        assert len(reply.encode()) <= 2000, said
    assert "没有列完" in reply


def test_the_centre_names_a_day_and_a_doubtful_one_is_asked_for(world: World, supply: Supply) -> None:
    book_at(world, "student", supply.shen, local("2026-11-19 09:00"))
    at(world, "2026-11-16 08:00")
    phone = world.phone("duty")

    assert phone.talks("值班", "周四").startswith("11月19日 周四，全中心：\n沈岚老师 09:00")
    assert phone.says("2月30日").startswith("没听出是哪一天")
    assert "11月19日 周四，全中心" in phone.says("帮助")


def test_what_went_another_way_meanwhile_is_said(world: World, supply: Supply) -> None:
    id_ = book_at(world, "student", supply.shen, local("2026-11-16 11:00"))
    phone = begin(world)
    phone.talks("1", "取消这次预约")
    with db.unit_of_work() as session:
        session.get_one(type(appointment(world, id_)), id_).state = AppointmentState.CANCELLED

    reply = phone.says("1")

    assert "刚刚有了变化" in reply
    assert not told(world, PushKind.BOOKING_CALLED_OFF)


def test_a_cancellation_tells_the_student_and_frees_the_time(world: World, supply: Supply) -> None:
    book_at(world, "student", supply.shen, local("2026-11-16 11:00"))
    phone = begin(world)

    assert "「建议改期」更好" in phone.talks("1", "取消这次预约")
    assert "取消了" in phone.says("1")

    assert told(world, PushKind.BOOKING_CALLED_OFF) == {"student"}
    assert "11:00" in free(world, supply.shen, "2026-11-16")


# ── another time ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_propose_then_accept(world: World, supply: Supply) -> None:
    id_ = book_at(world, "student", supply.shen, local("2026-11-16 11:00"))
    phone = begin(world)

    reply = phone.talks("1", "建议改期")
    assert "11月16日 周一 11:00 的预约，建议改到什么时候" in reply
    assert options(reply)[0] == "11月16日 周一 14:00"
    reply = phone.says("1 3")
    assert "TA 答应之前，原来的时间不变" in reply
    assert "已建议改期，等答复" in options(reply)[0]
    assert appointment(world, id_).starts_at == local("2026-11-16 11:00")
    assert told(world, PushKind.PROPOSAL_MADE) == {"student"}

    student = world.phone("student")
    reply = student.says("我的预约")
    assert "14:00" in reply
    student.says("1")

    assert appointment(world, id_).starts_at == local("2026-11-16 14:00")
    assert told(world, PushKind.PROPOSAL_ANSWERED) == {SHEN}


def test_a_time_in_words_narrows_the_list(world: World, supply: Supply) -> None:
    book_at(world, "student", supply.shen, local("2026-11-16 11:00"))
    phone = begin(world)
    phone.talks("1", "建议改期")

    assert options(phone.says("周四下午"))[:3] == [f"11月19日 周四 {hour}:00" for hour in (14, 15, 16)]
    assert "没有开放" in phone.says("周六上午")
    assert "最多选三个" in phone.says("1 2 3 4")
    assert "已经问了 TA" in phone.says("2")


def test_a_time_as_it_is_shown_means_that_one(world: World, supply: Supply) -> None:
    book_at(world, "student", supply.shen, local("2026-11-16 11:00"))
    phone = begin(world)
    phone.talks("1", "建议改期")

    assert "是第几个，还是几号" in phone.says("2号")
    assert "已经问了 TA" in phone.says("11月16日 周一 14:00")
    assert told(world, PushKind.PROPOSAL_MADE) == {"student"}


def test_a_colleague_may_be_proposed(world: World, supply: Supply) -> None:
    id_ = book_at(world, "student", supply.shen, local("2026-11-17 11:00"))
    phone = begin(world)
    phone.talks("1", "1")

    reply = phone.says("建议改期")
    theirs = [at for at, label in enumerate(options(reply), 1) if "江河老师" in label]
    assert theirs
    phone.says(str(theirs[0]))

    student = world.phone("student")
    assert "江河" in student.says("我的预约")
    student.says("1")
    assert appointment(world, id_).counselor_id == supply.jiang


def test_the_card_s_word_begins_it_at_once(world: World, supply: Supply) -> None:
    book_at(world, "student", supply.shen, local("2026-11-16 11:00"))
    at(world, "2026-11-16 08:00")
    phone = world.phone(SHEN)

    assert "建议改到什么时候" in phone.says("建议改期")
    assert "已经问了 TA" in phone.says("1")
    assert len(world.rows(Proposal)) == 1


# ── hours ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_stretch_is_closed_in_a_sentence(world: World, supply: Supply) -> None:
    phone = begin(world)

    reply = phone.says("周四下午关掉")
    assert "关掉 11月19日 周四 12:00–18:00，这段时间里没有预约" in reply
    assert "关掉了" in phone.says("1")

    assert free(world, supply.shen, "2026-11-19") == ["09:00", "10:00", "11:00"]


def test_what_is_booked_in_it_is_counted_first(world: World, supply: Supply) -> None:
    id_ = book_at(world, "student", supply.shen, local("2026-11-19 14:00"))
    phone = begin(world)

    reply = phone.says("周四下午关掉")
    assert "已经有 1 个预约" in reply
    assert "约好的 1 个照旧" in phone.says("只关空着的，约好的照旧")
    assert not told(world, PushKind.PROPOSAL_MADE)
    assert free(world, supply.shen, "2026-11-19") == ["09:00", "10:00", "11:00"]

    assert "已经问了 1 位" in phone.talks("周四下午关掉", "1")
    assert told(world, PushKind.PROPOSAL_MADE) == {"student"}
    assert appointment(world, id_).starts_at == local("2026-11-19 14:00")


def test_a_stretch_is_opened_besides(world: World, supply: Supply) -> None:
    phone = begin(world)

    assert "加开 11月21日 周六 09:00–11:00，对吗" in phone.says("周六上午9点到11点加开")
    assert "开好了" in phone.says("对")
    assert free(world, supply.shen, "2026-11-21") == ["09:00", "10:00"]

    assert "几点到几点" in phone.says("周日加开")
    assert free(world, supply.shen, "2026-11-22") == []


def test_leave_says_the_count_and_asks_each(world: World, supply: Supply) -> None:
    book_at(world, "student", supply.shen, local("2026-11-19 09:00"))
    book_at(world, "officer", supply.shen, local("2026-11-20 09:00"))
    phone = begin(world)

    reply = phone.says("周四到周五请假")
    assert "11月19日 周四到11月20日 周五请假，这段时间里有 2 个预约" in reply
    assert "已经问了 2 位同学" in phone.says("1")

    assert told(world, PushKind.PROPOSAL_MADE) == {"student", "officer"}
    assert free(world, supply.shen, "2026-11-19") == []


def test_a_leave_in_which_nobody_is_booked_asks_nobody(world: World, supply: Supply) -> None:
    phone = begin(world)

    assert "请假，这段时间里没有预约。对吗？" in phone.says("周四到周五请假")
    assert "这段时间没有人约" in phone.says("1")

    assert not told(world, PushKind.PROPOSAL_MADE)


def test_a_no_changes_nothing(world: World, supply: Supply) -> None:
    phone = begin(world)

    for said in ("周四下午关掉", "周四请假", "周六上午9点到11点加开"):
        assert "没有改动" in phone.talks(said, "2")

    assert len(free(world, supply.shen, "2026-11-19")) == 6
    assert Fact.SUPPLY_CHANGED not in world.facts()


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("上周四关掉", "已经过去了"),
        ("每周四下午关掉", "每周固定的时间"),
        ("周四下午", "要怎么改"),
        ("元旦加开", "几点到几点"),
    ],
)
def test_what_cannot_be_done_is_said(school: World, said: str, answer: str) -> None:
    make_supply(school)

    assert answer in begin(school).says(said)


@pytest.mark.parametrize("said", ["请假", "加开"])
def test_the_words_alone_ask_which_stretch(school: World, said: str) -> None:
    make_supply(school)
    phone = school.phone(SHEN)

    assert "哪段时间" in phone.says(said)
    assert "没听出是哪段时间" in phone.says("不知道啊")


def test_one_line_is_enough(world: World, supply: Supply) -> None:
    at(world, "2026-11-16 08:00")
    phone = world.phone(SHEN)

    assert "这段时间里没有预约" in phone.says("请假 周四")
    assert "不会再有人约进来" in phone.says("1")
    assert free(world, supply.shen, "2026-11-19") == []


# ── hours worked, the calendar, the station ─────────────────────────────────────────────────────────────────────────


def test_hours_are_counted(world: World, supply: Supply) -> None:
    book_at(world, "student", supply.shen, local("2026-11-16 09:00"))
    phone = begin(world, "2026-11-16 12:00")

    reply = phone.says("课时")

    assert "值班 4.0 课时（180 分钟，45 分钟算一课时）" in reply
    assert "聊过 1 次，合 1.1 课时；没来 0 次" in reply
    assert "72" not in reply


def test_the_calendar_s_address_is_shown_once_renewed_and_taken_back(world: World, supply: Supply) -> None:
    book_at(world, "student", supply.shen, local("2026-11-16 09:00"))
    phone = begin(world)
    client = world.app.test_client()

    def path(reply: str) -> str:
        found = re.search(r"http://bot\.example(/calendar/\S+\.ics)", reply)
        assert found is not None
        return found[1]

    first = path(phone.says("日历地址"))
    assert len(Calendar.from_ical(client.get(first).data).walk("VEVENT")) == 1
    assert "已经有一个" in phone.says("日历地址")
    second = path(phone.says("换新"))
    assert [client.get(each).status_code for each in (first, second)] == [404, 200]
    phone.talks("日历地址", "停用")
    assert client.get(second).status_code == 404


def test_a_station_sends_on_to_the_centre(world: World, supply: Supply) -> None:
    book_at(world, "student", supply.station, local("2026-11-18 14:00"))
    phone = begin(world, "2026-11-18 15:00", STATION)

    assert "转到中心" in options(phone.says("1"))
    assert "不用从头说" in phone.says("转到中心")
    assert "转好了" in phone.says("1")

    assert told(world, PushKind.SENT_ON) == {"student"}


# ── the centre ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_centre_sees_everybody_s_times_and_nobody_s_name(world: World, supply: Supply) -> None:
    book_at(world, "student", supply.shen, local("2026-11-17 09:00"))
    book_at(world, "officer", supply.jiang, local("2026-11-17 14:00"))
    at(world, "2026-11-17 08:00")
    phone = world.phone("duty")

    reply = phone.says("值班")

    assert "沈岚老师 09:00（1 个）" in reply
    assert "江河老师 14:00（1 个）" in reply
    for name in ("何小雨", "周一帆"):
        assert name not in reply
    assert "11月18日" in phone.says("后一天")
    assert "11月17日 周二，全中心" in phone.says("今天")


def test_the_centre_opens_hours_for_somebody(world: World, supply: Supply) -> None:
    at(world, "2026-11-16 08:00")
    phone = world.phone("duty")
    phone.talks("值班", "替一位老师开放、关闭或请假", "江河", "周六上午9点到11点加开")

    assert "开好了" in phone.says("1")
    assert free(world, supply.jiang, "2026-11-21") == ["09:00", "10:00"]


def test_the_centre_sees_how_visits_were_in_totals_only(world: World, supply: Supply) -> None:
    def told_by(count: int) -> None:
        with db.unit_of_work() as session:
            for at_ in range(count):
                face = Face.GREAT if at_ % 2 else Face.SO_SO
                session.add(Feedback(counselor_id=supply.shen, month="2026-11", face=face, again=Again.SAME))

    phone = world.phone("duty")
    told_by(4)
    assert "满 5 份才显示" in phone.talks("值班", "反馈合计")

    told_by(1)
    reply = phone.talks("取消", "值班", "反馈合计")
    assert "2026-11：😀 很好 2，🙂 还不错 0，😐 一般 3，🙁 不太好 0；5 人里 5 人下次还约同一位老师" in reply
    assert "沈岚" not in reply.split("全中心")[0]


def test_a_post_that_ends_in_the_middle_ends_the_look(world: World, supply: Supply) -> None:
    book_at(world, "student", supply.shen, local("2026-11-17 09:00"))
    phone = world.phone("duty")
    phone.says("值班")
    release(world, "duty")

    assert "沈岚" not in phone.says("后一天")


def test_a_counselor_of_the_centre_has_both(world: World, supply: Supply) -> None:
    appoint(world, SHEN, Role.CENTRE, "测试学院")
    book_at(world, "student", supply.jiang, local("2026-11-17 14:00"))
    phone = begin(world, "2026-11-17 08:00")

    assert "江河老师 14:00（1 个）" in phone.says("全中心今天")


def test_a_counselor_only_acts_on_their_own(world: World, supply: Supply) -> None:
    """Whatever a log holds, another's appointment is not theirs."""
    id_ = book_at(world, "student", supply.shen, local("2026-11-16 09:00"))
    with db.unit_of_work() as session:
        for who in (JIANG, "duty", "advisor", "student"):
            actor = Actor(session, 1, Channel.WECOM, world.people[who], who, Kind.STAFF, None, None, None)
            with pytest.raises(NotFoundError):
                access_client(session, actor, id_)


# ── sentences ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_sentence_that_is_put_together_is_there(stage: Stage) -> None:
    """The start-up reads whole keys off the scripts; these are made of two parts, or stand in a helper's file."""
    keys = [f"desk.mode.{mode.value}" for mode in Mode]
    keys += [f"desk.state.{state}" for state in ("pending", "asked", "arrived", "late", "done", "missed")]
    keys += [f"desk.done.{act.value}" for act in desk.Act if act not in {desk.Act.PROPOSE, desk.Act.NOTHING}]
    keys += [f"tasks.row.{each}" for each in ("confirm", "misses", "leave", "lapsed", "declined")]
    keys += [f"tasks.done.{act.value}" for act in tasks.Act if act not in {tasks.Act.WHO, tasks.Act.NOTHING}]
    keys += [f"booking.about.{topic.value}" for topic in Topic]
    for module in (desk, desk_lines, open_hours, proposing, tasks):
        functions = [getattr(value, "script", value) for value in vars(module).values()]
        keys += [key for each in functions if isinstance(each, FunctionType) for key in _keys_in(each.__code__)]

    assert not [key for key in keys if key not in stage.world.words]
