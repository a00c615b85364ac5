"""The dorm officer's two weeks, and what the class's committee member hears of it. Script: domain 6.3."""

import pytest

from models.audit import Fact
from models.checkin import Checkin, CheckinVersion
from models.concern import Concern, ConcernKind
from models.outbox import PushKind, Urgency
from models.person import Kind
from models.post import Role
from models.unit import Level
from tests.stories.cast import add_person, add_unit, appoint, called, options, page, release, told
from tests.world import World

USUAL = ("宿舍", "1", "1")
FIRST = ["都还平稳", "有的方面有起伏", "这周不太清楚"]


def test_a_usual_week_takes_two_answers_and_bothers_nobody(world: World) -> None:
    phone, _ = world.phone("officer"), world.phone("advisor")

    first = [options(phone.says(text))[0] for text in USUAL[:-1]]
    receipt = phone.says("1")

    assert first == ["和平时一样", "都在"]
    assert receipt == "收到，谢谢你照看大家。"
    assert world.pushes() == []
    assert world.facts(Fact.CHECKIN_SENT) == [Fact.CHECKIN_SENT]
    (checkin,) = world.rows(Checkin)
    assert (checkin.unit_id, checkin.state) == (world.units["3-301"], "usual")


@pytest.mark.parametrize("answers", [("不太清楚",), ("和平时一样", "有人不常在"), ("挺好", "在")])
def test_short_answers_in_words_are_enough(school: World, answers: tuple[str, ...]) -> None:
    assert school.phone("officer").talks("宿舍", *answers) == "收到，谢谢你照看大家。"


def test_something_to_say_goes_to_the_class_s_advisor(world: World) -> None:
    phone, advisor = world.phone("officer"), world.phone("advisor")

    topics = options(phone.talks("宿舍", "有件事想说"))
    assert topics == ["作息", "相处", "心情", "学习", "家里的事", "身体", "钱和网贷", "其他"]
    receipt = phone.talks("相处", "这周两个人不说话，从周二开始", "只给老师", "今天")

    assert receipt == "收到，陈默老师会联系你。和室友的相处照常就好，不用盯着谁。"
    (push,) = world.pushes()
    assert (push.person_id, push.kind, push.urgency) == (
        world.people["advisor"],
        PushKind.CHECKIN_WAITS,
        Urgency.IMPORTANT,
    )
    assert called(world) == set()
    shown = page(world, advisor.talks("看小结", "1"))
    for words in ("3-301", "相处", "这周两个人不说话，从周二开始", "今天", "周一帆"):
        assert words in shown


def test_now_calls_everybody_on_duty_at_once(world: World) -> None:
    phone, _, _ = world.phone("officer"), world.phone("duty"), world.phone("leader")

    phone.talks("宿舍", "2", "3", "说不想待在这里了", "1")
    reply = phone.says("现在")

    assert called(world) == {"duty", "leader"}
    assert {push.urgency for push in world.pushes() if push.kind is PushKind.ALERT} == {Urgency.URGENT}
    assert "急救 120" in reply
    assert "陪着 TA" in reply
    assert "不用盯着谁" not in reply
    assert "已通知顾安老师、钱校老师" in reply


def test_a_round_that_closed_meanwhile_takes_nothing(world: World) -> None:
    phone = world.phone("officer")
    world.forward(days=11, hours=23)
    phone.talks(*USUAL[:-1])

    world.forward(hours=2)

    assert "已经结束" in phone.says("1")
    assert world.rows(Checkin) == []


def test_now_calls_everybody_even_when_the_round_closed_meanwhile(world: World) -> None:
    phone, _, _ = world.phone("officer"), world.phone("duty"), world.phone("leader")
    world.forward(days=11, hours=23)
    phone.talks("宿舍", "2", "3", "说不想待在这里了", "1")

    world.forward(hours=2)
    reply = phone.says("现在")

    assert called(world) == {"duty", "leader"}
    assert "这份没有再送" in reply
    assert world.rows(Checkin) == []


def test_now_calls_everybody_even_when_another_officer_was_first(school: World) -> None:
    appoint(school, "student", Role.DORM_OFFICER, "3-301")
    phone, _ = school.phone("officer"), school.phone("duty")
    phone.talks("宿舍", "2", "3", "说不想待在这里了", "1")

    school.phone("student").talks(*USUAL)
    phone.says("现在")

    assert called(school) == {"duty", "leader"}


def test_a_sent_one_is_corrected_and_the_earlier_version_is_kept(world: World) -> None:
    phone = world.phone("officer")
    phone.talks(*USUAL)

    assert "周一帆 在" in phone.says("宿舍")
    phone.talks("更正", "不太清楚")

    (checkin,) = world.rows(Checkin)
    assert (checkin.version, checkin.state) == (2, "unsure")
    assert len(world.rows(CheckinVersion)) == 2
    assert world.facts(Fact.CHECKIN_SENT, Fact.CHECKIN_CORRECTED) == [Fact.CHECKIN_SENT, Fact.CHECKIN_CORRECTED]


def test_a_second_officer_sees_that_it_was_sent_and_may_correct_it(world: World) -> None:
    appoint(world, "student", Role.DORM_OFFICER, "3-301")
    world.phone("officer").talks(*USUAL)
    second = world.phone("student")

    assert "周一帆 在" in second.says("宿舍")
    assert "原来那份" in second.says("2")
    second.talks("宿舍", "1", "3")

    (checkin,) = world.rows(Checkin)
    assert (checkin.version, checkin.author_id) == (2, world.people["student"])


def test_an_officer_of_two_rooms_says_which(school: World) -> None:
    appoint(school, "officer", Role.DORM_OFFICER, "3-302")
    phone = school.phone("officer")

    assert options(phone.says("宿舍")) == ["3-301", "3-302"]
    assert phone.says("3-302").startswith("3-302 这两周过得怎么样？")
    phone.talks("1", "1")

    (checkin,) = school.rows(Checkin)
    assert checkin.unit_id == school.units["3-302"]


def test_an_officer_who_is_none_any_more_sends_nothing(world: World) -> None:
    phone = world.phone("officer")
    phone.talks(*USUAL[:-1])

    release(world, "officer")

    assert "不在你能看的范围里" in phone.says("1")
    assert world.rows(Checkin) == []
    assert phone.says("取消").startswith("好，「宿舍近况」先不填了")


def test_a_keeper_without_a_class_reaches_the_teachers_of_those_who_live_there(world: World) -> None:
    add_person(world, "keeper", "S001", "梁姨", Kind.STAFF)
    appoint(world, "keeper", Role.DORM_OFFICER, "3-301")
    phone, _ = world.phone("keeper"), world.phone("advisor")

    assert phone.talks("宿舍", "2", "6", "有人两天没下床", "1", "2").startswith("收到，陈默老师会联系你")
    assert told(world) == {"advisor"}


# ── what the committee member sees ──────────────────────────────────────────────────────────────────────────────


def test_dorms_are_counted_above_the_first_question_and_its_options_stay(world: World) -> None:
    appoint(world, "twin", Role.DORM_OFFICER, "3-302")
    world.phone("officer").talks(*USUAL)
    world.phone("twin").talks("宿舍", "2", "1", "熄灯后很吵，从周三起", "心理委员也可以知道", "1")

    reply = world.phone("committee").says("周报")

    above = (
        "这两周宿舍那边：\n1 间和平时一样，0 间不太清楚，1 间有话想说。\n· 3-302：熄灯后很吵，从周三起\n\n学习、生活"
    )
    assert reply.startswith(above)
    assert options(reply) == FIRST


def test_what_is_for_teachers_only_is_not_even_counted(world: World) -> None:
    appoint(world, "twin", Role.DORM_OFFICER, "3-302")
    world.phone("twin").talks("宿舍", "2", "5", "家里出了事", "只给老师", "1")

    assert world.phone("committee").says("周报").startswith("学习、生活")

    world.phone("officer").talks(*USUAL)
    reply = world.phone("second").says("周报")
    assert "1 间和平时一样，0 间不太清楚，0 间有话想说。" in reply
    assert "3-302" not in reply
    assert "家里出了事" not in reply


def test_a_correction_to_teachers_only_takes_it_back_from_the_committee(school: World) -> None:
    phone = school.phone("officer")
    phone.talks("宿舍", "2", "1", "熄灯后很吵", "心理委员也可以知道", "1")
    phone.talks("宿舍", "1", "2", "1", "熄灯后很吵", "只给老师", "1")

    assert school.phone("committee").says("周报").startswith("学习、生活")


def test_a_room_of_several_classes_counts_for_each_of_them(world: World) -> None:
    appoint(world, "neighbour", Role.COMMITTEE_MEMBER, "软件2302")
    appoint(world, "twin", Role.DORM_OFFICER, "3-302")
    world.phone("officer").talks(*USUAL)
    world.phone("twin").talks("宿舍", "3")

    assert "1 间和平时一样，1 间不太清楚，0 间有话想说。" in world.phone("committee").says("周报")
    assert "1 间和平时一样，0 间不太清楚，0 间有话想说。" in world.phone("neighbour").says("周报")


def test_dorms_of_an_older_round_are_not_shown_any_more(school: World) -> None:
    school.phone("officer").talks(*USUAL)
    school.forward(days=11)
    assert "1 间和平时一样" in school.phone("committee").says("周报")

    school.forward(days=3)
    assert school.phone("second").says("周报").startswith("学习、生活")


def test_long_words_of_many_rooms_never_crowd_out_the_question(school: World) -> None:
    for at in range(12):
        room = f"7-{at:03}"
        add_unit(school, room, Level.DORM, "测试学院")
        home = {"class_": "软件2301", "dorm": room}
        add_person(school, room, f"20230107{at:02}", f"舍长{at}", Kind.STUDENT, **home)
        appoint(school, room, Role.DORM_OFFICER, room)
        school.phone(room).talks("宿舍", "2", "1", "很长的话。\n" * 300, "2", "1")

    reply = school.phone("committee").says("周报")

    assert len(reply.encode()) <= 2000
    assert options(reply) == FIRST
    assert reply.count("· 7-") == 12


def test_a_dorm_s_words_name_nobody_and_stay_sealed(world: World) -> None:
    world.phone("officer").talks("宿舍", "2", "1", "何小雨总是很晚回来", "1", "1")

    (concern,) = world.rows(Concern)
    assert concern.kind is ConcernKind.DORM
    assert "何小雨".encode() not in concern.body
    assert all("何小雨" not in push.data for push in world.pushes())
