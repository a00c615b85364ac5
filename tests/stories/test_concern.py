"""「有事」: something on one's mind, on any day, and who hears of it. Script: domain 6.1; rules: Z-33, X-28, X-29."""

import pytest

from models.alert import Alert, Trigger
from models.audit import Fact
from models.concern import Attention, Concern
from models.outbox import PushKind, Urgency
from models.person import Kind
from models.post import Role
from models.talk import TalkLog
from models.unit import Level
from tests.stories.cast import (
    add_person,
    add_unit,
    appoint,
    called,
    deafen,
    link_in,
    options,
    page,
    release,
    said_by,
    silence,
    told,
)
from tests.world import World

CANARY = "金丝雀说晚上睡不着"
ABOUT_A_FRIEND = ("有事", "别人", "班里新来的同学")
DAILY = (CANARY, "这几天", "留意就好", "还没说")
CRISIS = (CANARY, "这几天", "我担心 TA 的安全")


def test_any_bound_person_may_say_something_on_any_day(world: World) -> None:
    phone, _ = world.phone("student"), world.phone("advisor")
    world.forward(days=2, hours=5)

    asked = [options(phone.says(text)) for text in ("有事", "别人", "班里新来的同学", *DAILY)]
    receipt = phone.says("1")

    assert asked == [
        ["我自己", "别人"],
        [],
        [],
        ["这几天", "一两周", "更久"],
        ["留意就好", "尽快和 TA 聊聊", "我担心 TA 的安全"],
        ["知道", "还没说", "不方便说"],
        ["发给老师", "先不发"],
    ]
    assert receipt.startswith("收到，已送到陈默老师。老师会自己判断怎么靠近，不会说是你讲的。")
    (push,) = world.pushes()
    assert (push.person_id, push.kind, push.urgency) == (
        world.people["advisor"],
        PushKind.CONCERN_CAME,
        Urgency.IMPORTANT,
    )
    (concern,) = world.rows(Concern)
    assert (concern.attention, concern.class_id) == (Attention.DAILY, world.units["软件2301"])
    assert world.facts(Fact.CONCERN_SENT) == [Fact.CONCERN_SENT]


def test_it_goes_to_the_advisor_of_the_student_named(world: World) -> None:
    phone, _, _ = world.phone("student"), world.phone("advisor"), world.phone("teacher")

    phone.talks("有事", "别人", "苏青", *DAILY)
    assert "方远老师" in phone.says("1")

    assert told(world) == {"teacher"}


def test_an_unknown_name_goes_to_the_writer_s_advisor_as_it_was_typed(world: World) -> None:
    phone, advisor = world.phone("student"), world.phone("advisor")
    world.phone("teacher")

    phone.talks("有事", "别人", "隔壁班的 小丁", *DAILY, "1")

    assert told(world) == {"advisor"}
    shown = page(world, advisor.talks("看小结", "1"))
    for words in ("隔壁班的 小丁", CANARY, "日常关注", "还没说", "何小雨"):
        assert words in shown


def test_a_room_mate_of_another_class_named_in_the_class_check_in_goes_to_their_teachers(world: World) -> None:
    phone, _, teacher = world.phone("committee"), world.phone("advisor"), world.phone("teacher")

    phone.talks("周报", "1", "1", "有一位", "苏青", *DAILY)
    receipt = phone.says("1")

    assert "陈默老师、方远老师" in receipt
    assert told(world, PushKind.CHECKIN_CAME) == {"advisor"}
    assert told(world, PushKind.CONCERN_CAME) == {"teacher"}
    assert [push.urgency for push in world.pushes("advisor")] == [Urgency.ROUTINE]
    assert CANARY in page(world, teacher.talks("看小结", "1"))


def test_several_concerns_each_reach_their_own_advisor(world: World) -> None:
    phone, _, _ = world.phone("committee"), world.phone("advisor"), world.phone("teacher")

    phone.talks("周报", "1", "1", "有几位", "苏青", *DAILY, "还有一位", "周一帆", *DAILY, "没有了")
    receipt = phone.says("1")

    assert "老师会自己判断怎么靠近，不会说是你讲的" in receipt
    assert told(world, PushKind.CHECKIN_WAITS) == {"advisor"}
    assert told(world, PushKind.CONCERN_CAME) == {"teacher"}


@pytest.mark.parametrize(
    ("bound", "expected"),
    [
        (("advisor", "head", "duty"), {"advisor"}),
        (("head", "duty", "leader"), {"head"}),
        (("duty", "leader"), {"duty"}),
        ((), {"advisor"}),
    ],
)
def test_nobody_nearer_bound_the_next_tier_is_told(world: World, bound: tuple[str, ...], expected: set[str]) -> None:
    for who in bound:
        world.phone(who)
    phone = world.phone("student")

    receipt = phone.talks(*ABOUT_A_FRIEND, *DAILY, "1")

    assert told(world) == expected
    assert ("还没有连上微信" in receipt) == (not bound)


def test_an_advisor_who_unfollowed_is_passed_over(world: World) -> None:
    world.phone("advisor")
    world.phone("head")
    deafen(world, "advisor")

    world.phone("student").talks(*ABOUT_A_FRIEND, *DAILY, "1")

    assert told(world) == {"head"}


def test_both_advisor_and_class_teacher_are_told(world: World) -> None:
    appoint(world, "teacher", Role.CLASS_TEACHER, "软件2301")
    world.phone("advisor")
    world.phone("teacher")

    receipt = world.phone("student").talks(*ABOUT_A_FRIEND, *DAILY, "1")

    assert told(world) == {"advisor", "teacher"}
    assert "陈默老师、方远老师" in receipt


@pytest.mark.parametrize(
    ("later", "said"), [("先不发", "好，没有发出"), ("取消", "好，「有件事想说」先不填了，已经写的都没有留下")]
)
def test_what_is_not_sent_leaves_nothing(school: World, later: str, said: str) -> None:
    phone = school.phone("student")

    assert phone.talks(*ABOUT_A_FRIEND, *DAILY, later).startswith(said)

    assert school.rows(Concern) == []
    assert school.pushes() == []
    assert [talk.log for talk in school.rows(TalkLog)] == [None]


# ── 「我担心 TA 的安全」 ──────────────────────────────────────────────────────────────────────────────────────────


def test_worry_about_safety_calls_everybody_before_anything_is_reviewed(world: World) -> None:
    phone, duty, _ = world.phone("student"), world.phone("duty"), world.phone("leader")

    reply = phone.talks(*ABOUT_A_FRIEND, *CRISIS)

    assert called(world) == {"duty", "leader"}
    assert [urgency for _, urgency in world.rung] == [Urgency.URGENT, Urgency.URGENT]
    for words in (
        "急救 120",
        "报警 110",
        "学校值班 0000-110",
        "已通知顾安老师、钱校老师",
        "陪着 TA，轻声说话",
        "不拍照",
    ):
        assert words in reply
    assert options(reply) == ["知道", "还没说", "不方便说"]
    (alert,) = world.rows(Alert)
    assert (alert.trigger, alert.about_self) == (Trigger.CRISIS, False)
    shown = page(world, duty.talks("看小结", "1"))
    for words in ("班里新来的同学", CANARY, "何小雨", "13800000103"):
        assert words in shown


@pytest.mark.parametrize("later", [("取消",), ("返回", "取消"), ("1", "先不发"), ("1", "返回", "取消"), ("周报",), ()])
def test_no_later_step_takes_the_call_back(school: World, later: tuple[str, ...]) -> None:
    phone, duty = school.phone("student"), school.phone("duty")
    phone.talks(*ABOUT_A_FRIEND, *CRISIS)

    replies = [phone.says(text) for text in later]
    school.forward(hours=25)
    replies.append(phone.says("你好"))

    assert called(school) == {"duty", "leader"}
    (alert,) = school.rows(Alert)
    assert alert.withdrawn_at is None
    assert CANARY in page(school, duty.talks("看小结", "1"))
    for reply in replies:  # nothing that is said may claim that nothing was sent or kept
        assert "都没有留下" not in reply
        assert "没有发给任何人" not in reply
        assert not reply.startswith("好，没有发出")


def test_sending_after_the_call_tells_the_advisor_too(world: World) -> None:
    phone, _, _ = world.phone("student"), world.phone("duty"), world.phone("advisor")

    phone.talks(*ABOUT_A_FRIEND, *CRISIS, "1", "1")

    assert told(world, PushKind.ALERT) == {"duty", "leader"}
    assert told(world, PushKind.CONCERN_CAME) == {"advisor"}
    (concern,) = world.rows(Concern)
    assert concern.attention is Attention.CRISIS


def test_worry_inside_the_class_check_in_calls_before_it_is_sent(world: World) -> None:
    phone, _ = world.phone("committee"), world.phone("duty")

    phone.talks("周报", "1", "1", "有一位", "周一帆", *CRISIS)
    assert called(world) == {"duty", "leader"}

    assert phone.says("取消").startswith("好，「本周小结」先不填了。刚才已经告诉老师的收不回来")


def test_nobody_on_duty_bound_the_words_leave_only_the_phones(school: World) -> None:
    reply = school.phone("student").talks(*ABOUT_A_FRIEND, *CRISIS)

    assert "已通知" not in reply
    assert "请一定打电话" in reply
    assert called(school) == {"duty", "leader"}


# ── about oneself ───────────────────────────────────────────────────────────────────────────────────────────────


def test_about_oneself_the_first_question_is_safety(school: World) -> None:
    phone = school.phone("student")

    reply = phone.talks("有事", "我自己")

    assert reply.startswith("谢谢你告诉我。你现在最重要。\n你此刻安全吗？")
    assert options(reply) == ["安全，但很难受", "我担心自己会做点什么", "不想说"]
    assert called(school) == set()


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        (("2",), {"duty", "leader"}),
        (("1", "先不用"), set()),
        (("3", "2"), set()),
        (("1", "请老师来电"), {"duty"}),
        (("不想说", "好"), {"duty"}),
    ],
)
def test_about_oneself_who_hears_follows_the_answer(
    school: World, answers: tuple[str, ...], expected: set[str]
) -> None:
    phone, _, _ = school.phone("student"), school.phone("duty"), school.phone("leader")

    phone.talks("有事", "我自己", *answers)

    assert called(school) == expected
    assert silence(school, minutes=3) == expected


def test_silence_about_oneself_calls_the_centre(world: World) -> None:
    world.phone("student").talks("有事", "我自己")

    assert silence(world, minutes=1, seconds=59) == set()
    assert silence(world, seconds=1) == {"duty"}


@pytest.mark.parametrize("way_out", ["取消", "返回"])
def test_taking_it_back_calls_nobody(school: World, way_out: str) -> None:
    phone = school.phone("student")
    phone.talks("有事", "我自己", way_out)

    assert silence(school, minutes=5) == set()


def test_back_to_the_question_of_safety_starts_its_clock_again(world: World) -> None:
    phone = world.phone("student")
    phone.talks("有事", "我自己", "安全，但很难受", "返回")

    assert silence(world, minutes=1, seconds=59) == set()
    assert silence(world, seconds=2) == {"duty"}


def test_a_safety_word_to_the_question_of_safety_is_an_answer(world: World) -> None:
    phone, _, _ = world.phone("student"), world.phone("duty"), world.phone("leader")

    reply = phone.talks("有事", "我自己", "我不想活了")

    assert called(world) == {"duty", "leader"}
    assert "已通知顾安老师、钱校老师" in reply


# ── staff ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_advisor_s_own_concern_goes_one_level_up(world: World) -> None:
    advisor, head = world.phone("advisor"), world.phone("head")

    receipt = advisor.talks("有事", "别人", "周一帆", *DAILY, "1")

    assert "罗站老师" in receipt
    assert told(world) == {"head"}
    assert CANARY in page(world, head.talks("看小结", "软件2301"))


def test_without_a_station_head_the_centre_gets_and_reads_it_and_nothing_else(world: World) -> None:
    release(world, "head")
    advisor, duty = world.phone("advisor"), world.phone("duty")
    world.phone("committee").talks("周报", "2", "1", "1", "班里的另一句话", "1", "1", "1")

    advisor.talks("有事", "别人", "周一帆", *DAILY, "1")

    assert told(world, PushKind.CONCERN_CAME) == {"duty"}
    listed = duty.says("看小结")
    assert options(listed) == ["软件2301 · 待看 1 条 · 日常关注"]
    shown = page(world, duty.says("1"))
    assert CANARY in shown
    assert "班里的另一句话" not in shown


@pytest.mark.parametrize(("writer", "unit"), [("head", "信息学院"), ("leader", "测试学院")])
def test_a_concern_without_a_class_can_be_read_by_whoever_was_told(world: World, writer: str, unit: str) -> None:
    phone, duty = world.phone(writer), world.phone("duty")

    phone.talks("有事", "别人", "外校来的一位同学", *DAILY, "1")

    assert told(world) == {"duty"}
    assert options(duty.says("看小结"))[0].startswith(unit)
    assert CANARY in page(world, duty.says("1"))


def test_a_teacher_may_name_the_students_they_look_after_and_no_others(school: World) -> None:
    add_unit(school, "会计2301", Level.CLASS, "信息学院")
    add_person(school, "far", "2023030199", "叶远", Kind.STUDENT, class_="会计2301")
    school.phone("head")
    advisor = school.phone("advisor")

    advisor.talks("有事", "别人", "0199", *DAILY[:1])
    assert "名单里没找到这个学号" in advisor.heard[-2]  # type: ignore[operator]


# ── what a push may show ────────────────────────────────────────────────────────────────────────────────────────


def test_no_push_ever_holds_a_name_or_a_typed_word(world: World) -> None:
    for who in ("advisor", "duty", "leader", "head"):
        world.phone(who)
    world.phone("student").talks("有事", "别人", "周一帆", *CRISIS, "1", "1")
    world.phone("committee").talks("周报", "2", "1", "1", CANARY, "1", "2", "0103", *DAILY, "1")
    world.phone("second").talks("0", "2", CANARY)
    world.phone("officer").talks("宿舍", "2", "3", CANARY, "1", "3")
    world.phone("twin").talks("有事", "1", "2")

    pushes = world.pushes()
    assert {push.kind for push in pushes} == {
        PushKind.ALERT,
        PushKind.ALERT_FACTS,
        PushKind.CONCERN_CAME,
        PushKind.CHECKIN_WAITS,
    }
    names = {"林晓禾", "周一帆", "何小雨", "许明", "苏青", "2023010"}
    for push in pushes:
        shown = said_by(world, push)
        assert "金丝雀" not in shown
        assert not any(name in shown for name in names), shown
        for reason in ("心情", "关注", "安全", "睡"):
            assert reason not in shown


def test_chat_never_shows_a_name_together_with_a_reason(school: World) -> None:
    phone, advisor = school.phone("student"), school.phone("advisor")
    review = phone.talks("有事", "别人", "周一帆", *DAILY)
    phone.says("1")
    listed = advisor.talks("看小结", "1")

    assert "周一帆" in review
    assert CANARY not in review
    for text in (*advisor.heard, listed):
        assert "周一帆" not in (text or "")
        assert "金丝雀" not in (text or "")
    assert link_in(listed).startswith("/open/")
