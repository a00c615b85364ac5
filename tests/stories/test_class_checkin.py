"""The committee member's week. Script: domain 6.1."""

import re

from models.audit import Fact
from models.checkin import Checkin, CheckinVersion
from models.concern import Attention, Concern
from models.outbox import PushKind, Urgency
from tests.world import World

CALM = ("周报", "1", "1", "1", "1")


def options(reply: str) -> list[str]:
    """The labels of the option lines."""
    return re.findall(r"^\d+\. (.+)$", reply, re.MULTILINE)


def test_a_calm_week_takes_four_answers_and_reaches_the_advisor(world: World) -> None:
    phone, _ = world.phone("committee"), world.phone("advisor")

    first = [options(phone.says(text))[0] for text in CALM[:-1]]
    receipt = phone.says("1")

    assert first == ["都还平稳", "对得上", "暂时没有", "发送"]
    assert receipt.startswith("已送到陈默老师（")
    (push,) = world.pushes()
    assert (push.person_id, push.kind, push.urgency) == (
        world.people["advisor"],
        PushKind.CHECKIN_CAME,
        Urgency.ROUTINE,
    )
    assert world.facts(Fact.CHECKIN_SENT) == [Fact.CHECKIN_SENT]
    assert [urgency for _, urgency in world.rung] == [Urgency.ROUTINE]


def test_answers_may_be_given_in_words(world: World) -> None:
    phone = world.phone("committee")

    receipt = phone.talks("小结", "都还平稳", "对得上", "没有", "发送")

    assert receipt.startswith("已送到")


def test_the_five_dimensions_are_kept(world: World) -> None:
    phone = world.phone("committee")

    assert options(phone.talks("周报", "有的方面有起伏")) == ["学习", "生活", "交往", "家庭", "情感"]
    review = phone.talks("学习和家庭", "2", "期中考试之后大家都很累", "1", "1")

    assert "有起伏的是：学习、家庭" in review
    assert phone.says("1").startswith("已送到")


def test_leave_is_confirmed_and_stands_next_week(world: World) -> None:
    phone = world.phone("committee")

    phone.talks("周报", "1", "改一下", "２", "1", "1")
    world.forward(weeks=1)

    assert "在校 3 人、请假 2 人" in phone.talks("周报", "1")


def test_zero_people_on_leave_can_be_said_while_zero_calls_for_help(world: World) -> None:
    phone = world.phone("committee")

    asked = phone.talks("周报", "1", "改一下", "0")
    assert options(asked) == ["我自己", "别人", "我想填 0"]

    assert options(phone.says("3"))[0] == "暂时没有"
    assert "请假 0 人" in phone.says("1")


def test_one_student_to_look_after(world: World) -> None:
    phone, _ = world.phone("committee"), world.phone("advisor")

    phone.talks("周报", "1", "1", "有一位")
    assert options(phone.says("何小雨")) == ["何小雨（学号尾号 0103）", "何小雨（学号尾号 0104）"]
    review = phone.talks("2", "这周有三次没来上课", "一两周", "尽快和 TA 聊聊", "还没说")

    assert "何小雨" not in review
    assert "没来上课" not in review
    phone.says("发送")
    (concern,) = world.rows(Concern)
    assert concern.attention is Attention.FOCUS
    (push,) = world.pushes("advisor")
    assert push.urgency is Urgency.IMPORTANT
    assert "何小雨" not in push.data


def test_several_students_one_after_the_other(world: World) -> None:
    phone = world.phone("committee")

    one = ("说晚上睡不着", "1", "1", "1")
    phone.talks("周报", "1", "1", "有几位", "0102", *one)
    review = phone.talks("还有一位", "班上新来的同学", *one, "没有了")

    assert "2 位同学" in review
    phone.says("1")
    assert len(world.rows(Concern)) == 2


def test_a_question_for_the_teacher_first(world: World) -> None:
    phone, _ = world.phone("committee"), world.phone("advisor")

    said = phone.talks("周报", "1", "1", "我想先问问老师")
    assert said.startswith("好，陈默老师会在一个工作日内回你。")

    assert "有一个问题想问老师" in phone.says("室友总是很晚回来，该怎么开口？")
    assert "一个工作日内会回你" in phone.says("1")


def test_a_part_is_changed_before_sending_and_the_rest_stays(world: World) -> None:
    phone = world.phone("committee")

    review = phone.talks("周报", "这周不太清楚", "1", "1", "再改改", "五个方面", "都还平稳")

    assert "五个方面平稳" in review
    assert phone.says("发送").startswith("已送到")


def test_a_sent_one_is_corrected_and_the_earlier_version_is_kept(world: World) -> None:
    phone = world.phone("committee")
    phone.talks(*CALM)

    again = phone.says("周报")
    assert "林晓禾" in again
    phone.talks("更正", "不太清楚", "1", "1", "发送")

    (checkin,) = world.rows(Checkin)
    assert (checkin.version, checkin.state) == (2, "unsure")
    assert len(world.rows(CheckinVersion)) == 2
    assert world.facts(Fact.CHECKIN_SENT, Fact.CHECKIN_CORRECTED) == [Fact.CHECKIN_SENT, Fact.CHECKIN_CORRECTED]


def test_a_second_officer_sees_that_it_was_sent(world: World) -> None:
    world.phone("committee").talks(*CALM)
    second = world.phone("second")

    assert "林晓禾 在" in second.says("周报")
    assert "原来那份" in second.says("就这样，不改")
    assert len(world.rows(Checkin)) == 1


def test_two_officers_at_once_make_one_checkin_and_the_second_may_correct_it(world: World) -> None:
    first, second = world.phone("committee"), world.phone("second")
    first.talks(*CALM[:-1])
    second.talks(*CALM[:-1])

    assert first.says("1").startswith("已送到")
    assert options(second.says("1")) == ["作为更正送出", "不送了，用那一份"]
    (checkin,) = world.rows(Checkin)
    assert checkin.version == 1
    assert len(world.pushes()) == 1

    assert second.says("1").startswith("已送到")
    (checkin,) = world.rows(Checkin)
    assert (checkin.version, checkin.author_id) == (2, world.people["second"])


def test_a_second_officer_who_came_too_late_may_leave_it(world: World) -> None:
    first, second = world.phone("committee"), world.phone("second")
    first.talks(*CALM[:-1])
    second.talks(*CALM[:-1])
    first.says("1")
    second.says("1")

    assert "原来那份" in second.says("不送了，用那一份")
    assert world.rows(Checkin)[0].version == 1


def test_a_round_that_closed_meanwhile_takes_nothing(world: World) -> None:
    phone = world.phone("committee")
    world.forward(days=6, hours=23)
    phone.talks(*CALM[:-1])

    world.forward(hours=2)

    assert "已经结束" in phone.says("1")
    assert world.rows(Checkin) == []


def test_somebody_without_the_role_gets_the_menu(world: World) -> None:
    reply = world.phone("student").says("周报")

    assert "名单里还没有它" in reply
    assert "「有事」" in reply
