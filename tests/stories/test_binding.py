"""Binding: who is behind an account, how one gets out again, and what a stranger may do. Rules: design, Binding."""

import pytest
from sqlmodel import select

from bot.settings import load_settings
from handlers.chat.conversations import CONVERSATIONS
from models import db
from models.audit import Fact
from models.bind_code import make_code
from models.contact import Contact
from models.outbox import PushKind, PushState
from models.person import Kind
from tests.stories.cast import add_person, deafen, edit, options, tap, told
from tests.world import World

ONE_LINE = "绑定 2023010103 何小雨 0103"


def bound(world: World, who: str) -> int:
    """How many accounts somebody has."""
    return len(world.rows(Contact, Contact.person_id == world.people[who]))


def test_three_short_answers_bind(world: World) -> None:
    phone = world.phone("student", bound=False)

    asked = [phone.says(text).splitlines()[0] for text in ("绑定", "2023010103", "何小雨")]
    reply = phone.says("0103")

    assert asked == [
        "认识一下吧。你的学号或工号是？",
        "你的姓名是？",
        "登记的手机号后四位是？（手机号换过的，可以填老师给的绑定码）",
    ]
    assert reply.startswith("何小雨，绑定好了。")
    assert bound(world, "student") == 1
    assert world.facts(Fact.BOUND) == [Fact.BOUND]


def test_the_reply_carries_the_privacy_notice_and_the_way_out(school: World) -> None:
    reply = school.phone("student", bound=False).says(ONE_LINE)

    for words in (
        "我们只存",
        "加密保存，只有负责的老师能看",
        "不会用于评奖评优或处分",
        "「我的数据」",
        "解除绑定",
        "回复 0",
    ):
        assert words in reply


@pytest.mark.parametrize(
    "line",
    [
        ONE_LINE,
        "绑定　２０２３０１０１０３　何小雨　０１０３",
        "绑定，2023010103，何小雨，0103",
        "绑定：2023010103、何小雨、0103",
        "绑定\n2023010103\n何小雨\n0103",
        "  绑定 2023010103  何 小 雨 0103  ",
        "绑定2023010103 何小雨 0103",
        "绑定+2023010103+何小雨+0103",
    ],
)
def test_one_line_binds_however_it_is_typed(school: World, line: str) -> None:
    assert school.phone("student", bound=False).says(line).startswith("何小雨，绑定好了。")
    assert bound(school, "student") == 1


@pytest.mark.parametrize("line", [ONE_LINE, "2023010103 何小雨 0103", "2023010103，何小雨，0103"])
def test_the_whole_line_is_understood_where_only_the_number_was_asked(school: World, line: str) -> None:
    phone = school.phone("student", bound=False)

    assert phone.talks("绑定", line).startswith("何小雨，绑定好了。")


def test_the_start_word_said_twice_is_no_number(school: World) -> None:
    phone = school.phone("student", bound=False)

    assert phone.talks("绑定", "绑定").startswith("认识一下吧")
    assert phone.talks("2023010103", "何小雨", "0103").startswith("何小雨，绑定好了。")


@pytest.mark.parametrize(
    ("on_the_roster", "typed"),
    [
        ("买买提·艾力", "买买提・艾力"),
        ("买买提·艾力", "买买提 艾力"),
        ("买买提·艾力", "买买提•艾力"),
        ("Ｌｉ Ｍｉｎｇ", "li ming"),
    ],
)
def test_a_name_is_the_same_whatever_its_dots_and_width(school: World, on_the_roster: str, typed: str) -> None:
    edit(school, "student", name=on_the_roster)

    assert "绑定好了" in school.phone("student", bound=False).talks("绑定", "2023010103", typed, "0103")


def test_a_staff_number_in_small_letters_binds(school: World) -> None:
    edit(school, "advisor", phone="13800001234")

    assert school.phone("advisor", bound=False).says("绑定 t100 陈默 1234").startswith("陈默，绑定好了。")


@pytest.mark.parametrize(
    "line",
    [
        "绑定 2023010199 何小雨 0103",
        "绑定 2023010103 何大雨 0103",
        "绑定 2023010103 何小雨 9999",
        "绑定 2023010103 。 0103",
    ],
)
def test_which_part_was_wrong_is_not_said(school: World, line: str) -> None:
    reply = school.phone("student", bound=False).says(line)

    assert reply == school.words("binding.wrong")
    assert bound(school, "student") == 0


def test_somebody_who_left_cannot_bind(school: World) -> None:
    edit(school, "student", ended_at=school.now)

    assert school.phone("student", bound=False).says(ONE_LINE).startswith("对不上名单")


def test_five_wrong_tries_close_the_account_for_an_hour(world: World) -> None:
    phone = world.phone("student", bound=False)
    for _ in range(5):
        assert phone.says("绑定 2023010103 何小雨 9999").startswith("对不上名单")

    assert phone.says(ONE_LINE).startswith("试了几次都没对上")
    assert phone.says("绑定").startswith("试了几次都没对上")
    world.forward(minutes=59)
    assert phone.says(ONE_LINE).startswith("试了几次都没对上")

    world.forward(minutes=1)
    assert phone.says(ONE_LINE).startswith("何小雨，绑定好了。")


@pytest.mark.parametrize("number", ["2023010103", "2099999999"])
def test_twenty_wrong_tries_a_day_close_a_number_known_or_not(school: World, number: str) -> None:
    for _ in range(4):
        phone = school.phone("student", bound=False)
        for _ in range(5):
            phone.says(f"绑定 {number} 何小雨 9999")

    stranger = school.phone("student", bound=False)
    assert stranger.says(f"绑定 {number} 何小雨 0103").startswith("这个学号今天试得太多了")
    assert stranger.says("绑定 2023010102 周一帆 0102").startswith("周一帆，绑定好了。")

    school.forward(hours=24)
    expected = "何小雨，绑定好了。" if number == "2023010103" else "对不上名单"
    assert school.phone("student", bound=False).says(f"绑定 {number} 何小雨 0103").startswith(expected)


def test_a_code_stands_for_the_telephone_once_and_for_three_days(world: World) -> None:
    def code() -> str:
        with db.unit_of_work() as session:
            return make_code(session, "2023010103", now=world.now)

    old, new = code(), code()
    phone = world.phone("student", bound=False)
    assert phone.says(f"绑定 2023010103 何小雨 {old}").startswith("对不上名单")
    assert phone.says(f"绑定 2023010103 何小雨 {new.lower()}").startswith("何小雨，绑定好了。")
    phone.talks("我的数据", "解除绑定", "确定解除")
    assert phone.says(f"绑定 2023010103 何小雨 {new}").startswith("对不上名单")

    late = code()
    world.forward(days=3)
    assert phone.says(f"绑定 2023010103 何小雨 {late}").startswith("对不上名单")


def test_a_second_account_replaces_nobody(world: World) -> None:
    first, second = world.phone("student"), world.phone("student", bound=False)

    reply = second.says(ONE_LINE)

    assert reply.startswith("对上了。这个人还绑定着另一个账号，已经问了那边")
    assert second.says("我的数据").startswith("这里还不知道你是谁")
    assert first.says("我的数据").startswith("这里存着关于你的")


def test_without_a_telephone_of_the_school_the_sentence_still_ends(school: World) -> None:
    path = school.settings.folder / "config.toml"
    text = path.read_text("utf-8")
    path.write_text(text.replace('phones = [{ name = "学校值班", number = "0000-110" }]', "phones = []"), "utf-8")
    school.settings = load_settings(path)
    school.restart()
    school.phone("student")
    deafen(school, "student")

    assert school.phone("student", bound=False).says(ONE_LINE).endswith("（电话请看学校的通知）")


def test_one_person_may_be_on_both_platforms(world: World) -> None:
    world.phone("advisor")
    phone = world.phone("student", bound=False)  # an account of the other platform

    edit(world, "advisor", phone="13800001234")
    assert phone.says("绑定 T100 陈默 1234").startswith("陈默，绑定好了。")
    assert bound(world, "advisor") == 2


def test_binding_again_says_that_it_is_done(school: World) -> None:
    phone = school.phone("student")

    assert phone.says("绑定").startswith("何小雨，你已经绑定过了")
    assert phone.says(ONE_LINE).startswith("何小雨，你已经绑定过了")


# ── what a stranger may do ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("word", sorted(word for it in CONVERSATIONS for word in it.start if it.who != "everybody"))
def test_a_stranger_is_asked_to_bind_first(school: World, word: str) -> None:
    reply = school.phone("student", bound=False).says(word)

    assert reply.startswith("这里还不知道你是谁。先回复「绑定」")
    assert "急事回复 0" in reply


@pytest.mark.parametrize("word", ["帮助", "你好", "查看"])
def test_a_stranger_s_menu_has_binding_and_help(school: World, word: str) -> None:
    reply = school.phone("student", bound=False).says(word)

    for words in ("测试学院心理中心", "「绑定」", "「紧急」或 0", "急救 120", "学校值班 0000-110"):
        assert words in reply


def test_no_consent_question_stands_before_the_check_ins(school: World) -> None:
    phone = school.phone("committee", bound=False)
    phone.says("绑定 2023010101 林晓禾 0101")

    assert options(phone.says("周报"))[0] == "都还平稳"


def test_whoever_follows_reads_who_we_are(school: World) -> None:
    reply = school.phone("student", bound=False).event("subscribe")

    for words in ("测试学院心理中心", "「绑定」", "「紧急」或 0", "急救 120", "我们只存", "「我的数据」"):
        assert words in reply


def test_whoever_comes_back_is_known(school: World) -> None:
    assert school.phone("student").event("subscribe").startswith("何小雨，欢迎回来。")


# ── my data, and the way out ────────────────────────────────────────────────────────────────────────────────────


def test_my_data_says_what_is_stored(world: World) -> None:
    phone = world.phone("committee")
    phone.talks("周报", "1", "1", "1", "1")
    phone.talks("有事", "2", "班里新来的同学", "两天没来", "1", "1", "1", "1")

    reply = phone.says("我的数据")

    for words in (
        "林晓禾",
        "2023010101",
        "手机尾号 0101",
        "信息学院、软件2301、3-301",
        "心理委员",
        "1 个",
        "小结 1 份",
        "1 件",
    ):
        assert words in reply
    assert "两天没来" not in reply
    assert phone.says("知道了").startswith("好。想看的时候")
    assert Fact.OWN_DATA_SHOWN in world.facts()


def test_unbinding_asks_once_and_ends_it(world: World) -> None:
    phone = world.phone("student")

    assert "确定吗" in phone.talks("我的数据", "解除绑定")
    assert phone.says("先不解除") == "好，绑定还在。"
    assert phone.talks("我的数据", "解除绑定", "确定解除").startswith("已经解除绑定")

    assert bound(world, "student") == 0
    assert phone.says("我的数据").startswith("这里还不知道你是谁")
    assert options(phone.says("0")) == ["我自己", "别人", "按错了"]
    assert world.facts(Fact.UNBOUND) == [Fact.UNBOUND]


def test_whoever_unbound_can_bind_again_elsewhere(school: World) -> None:
    school.phone("student").talks("我的数据", "解除绑定", "确定解除")

    assert school.phone("student", bound=False).says(ONE_LINE).startswith("何小雨，绑定好了。")


def test_unfollowing_ends_pushes_and_nobody_is_told(world: World) -> None:
    advisor, _ = world.phone("advisor"), world.phone("head")
    assert advisor.event("unsubscribe") == ""

    world.phone("committee").talks("周报", "1", "1", "1", "1")

    assert told(world, PushKind.CHECKIN_CAME) == {"head"}
    assert {push.state for push in world.pushes()} == {PushState.QUEUED}
    assert world.facts(Fact.UNFOLLOWED) == [Fact.UNFOLLOWED]


def test_an_open_talk_survives_unfollowing_and_binding_is_kept(school: World) -> None:
    phone = school.phone("committee")
    phone.talks("周报", "1")
    phone.event("unsubscribe")

    assert phone.event("subscribe").startswith("林晓禾，欢迎回来。")
    assert "有没有哪位同学" in phone.says("1")


def test_a_tap_leaves_the_binding_for_something_else(school: World) -> None:
    phone = school.phone("student", bound=False)

    assert tap(phone, "绑定").startswith("认识一下吧")
    assert options(tap(phone, "紧急")) == ["我自己", "别人", "按错了"]


def test_no_number_name_or_code_is_kept_after_a_wrong_try(school: World) -> None:
    add_person(school, "known", "2023999999", "易安", Kind.STUDENT, class_="软件2301", phone="13812345678")
    phone = school.phone("known", bound=False)
    phone.talks("绑定", "2023999999", "易 安", "5679")

    with db.unit_of_work() as session:
        connection = session.connection()
        for table in ("bind_failure", "audit", "talk", "inbox"):
            rows = connection.exec_driver_sql(f"SELECT * FROM {table}").all()  # noqa: S608 — our own table names
            assert "2023999999" not in str(rows), table
            assert "5679" not in str(rows), table
        assert session.exec(select(Contact).where(Contact.address == phone.address)).one().person_id is None
