"""A call for help: what is asked, what is said, and exactly who is called. Script: domain 6.4; design, In chat."""

import pytest

from bot.policy import make_policy
from bot.settings import load_settings
from models import db
from models.alert import Alert, Told, Trigger
from models.audit import Fact
from models.outbox import PushKind, Urgency
from models.person import Kind
from models.post import Role
from models.summary import access_alert_page
from tests.stories.cast import add_person, appoint, called, deafen, edit, options, page, release, silence, told
from tests.world import World

EVERYBODY = {"duty", "leader"}
CENTRE = {"duty"}
NOBODY: set[str] = set()
FIRST = ["我自己", "别人", "按错了"]


def staff(world: World) -> None:
    """The duty list's phones."""
    world.phone("duty")
    world.phone("leader")


# ── how it begins ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("text", ["0", "０", " 0 。", "紧急", "紧急！！", "110", "120", "SOS", "「0」", "0\n"])
def test_a_lone_call_shows_the_phones_and_calls_nobody_yet(school: World, text: str) -> None:
    staff(school)

    reply = school.phone("student").says(text)

    for words in ("急救 120", "报警 110", "学校值班 0000-110", "12356", "12355", "是谁需要帮助？"):
        assert words in reply
    assert options(reply) == FIRST
    assert called(school) == NOBODY


@pytest.mark.parametrize(
    "text", ["救命", "我真的不想活了", "他说要自杀，就刚才", "救  命", "“自杀”", "很长的话" * 900 + "不想活"]
)
def test_a_safety_word_anywhere_calls_the_centre_at_once(school: World, text: str) -> None:
    staff(school)

    reply = school.phone("student").says(text)

    assert called(school) == CENTRE
    assert reply.startswith("谢谢你说出来，这很重要。已经请顾安老师联系你。")
    assert options(reply) == FIRST
    assert [urgency for _, urgency in school.rung] == [Urgency.URGENT]


@pytest.mark.parametrize("text", ["0分", "紧急集合几点", "我被1200元难住了", "10", "110网吧"])
def test_what_only_looks_like_a_call_is_none(school: World, text: str) -> None:
    reply = school.phone("student").says(text)

    assert "是谁需要帮助" not in reply
    assert school.rows(Alert) == []


def test_a_menu_tap_calls_too(school: World) -> None:
    assert options(school.phone("student").event("CLICK", EventKey="紧急")) == FIRST


def test_the_menu_and_the_door_of_strangers_lead_here(school: World) -> None:
    phone = school.phone("student", bound=False)

    assert "「紧急」或 0" in phone.says("你好")
    assert options(phone.says("0")) == FIRST


# ── who hears: the table of 6.4 ─────────────────────────────────────────────────────────────────────────────────

TABLE = [
    # what is said after the call            lone 0      safety word
    (("别人",), EVERYBODY, EVERYBODY),
    (("我自己", "我担心自己会做点什么"), EVERYBODY, EVERYBODY),
    (("我自己", "安全，但很难受"), NOBODY, CENTRE),
    (("我自己", "不想说"), NOBODY, CENTRE),
    (("我自己", "安全，但很难受", "请老师来电"), CENTRE, CENTRE),
    (("我自己", "不想说", "先不用"), NOBODY, CENTRE),
    (("按错了",), NOBODY, CENTRE),
    (("取消",), NOBODY, CENTRE),
    (("看不懂",), NOBODY, CENTRE),
    (("我自己", "我不想活了"), EVERYBODY, EVERYBODY),
    (("我想自杀",), CENTRE, CENTRE),
    (("我室友想自杀",), EVERYBODY, EVERYBODY),
]


@pytest.mark.parametrize(("answers", "after_zero", "after_word"), TABLE)
@pytest.mark.parametrize("begun", ["0", "救命"])
def test_exactly_who_is_called(
    school: World, begun: str, answers: tuple[str, ...], after_zero: set[str], after_word: set[str]
) -> None:
    staff(school)
    for who in ("advisor", "head"):
        school.phone(who)

    school.phone("student").talks(begun, *answers)

    assert called(school) == (after_zero if begun == "0" else after_word)
    assert told(school) <= EVERYBODY  # the advisor and the station head hear nothing of a call for oneself


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ((), CENTRE),
        (("看不懂",), CENTRE),
        (("我自己",), CENTRE),
        (("取消",), CENTRE),
        (("我自己", "取消"), CENTRE),
        (("我自己", "返回"), CENTRE),
        (("我自己", "1", "返回"), CENTRE),
        (("按错了",), NOBODY),
        (("我自己", "1"), NOBODY),
        (("我自己", "1", "先不用"), NOBODY),
        (("我自己", "1", "取消"), NOBODY),
        (("别人",), EVERYBODY),
    ],
)
def test_two_minutes_without_an_answer_call_the_centre(
    school: World, answers: tuple[str, ...], expected: set[str]
) -> None:
    phone = school.phone("student")
    phone.talks("0", *answers)

    before = called(school)
    assert silence(school, minutes=1, seconds=59) == before
    assert silence(school, seconds=2) == expected
    assert silence(school, minutes=10) == expected
    assert len(school.pushes()) == len(expected)  # and nobody is called twice


def test_an_answer_starts_the_clock_of_the_next_question(world: World) -> None:
    phone = world.phone("student")
    phone.says("0")
    world.forward(minutes=1, seconds=50)
    phone.says("我自己")

    assert silence(world, minutes=1, seconds=50) == NOBODY
    assert silence(world, seconds=11) == CENTRE


def test_after_silence_the_truth_is_told(world: World) -> None:
    staff(world)
    phone = world.phone("student")
    phone.talks("0", "1")
    silence(world, minutes=3)

    reply = phone.says("安全，但很难受")

    assert reply.startswith("谢谢你告诉我。已请顾安老师联系你。")
    assert "12356" in reply


# ── pressed by mistake, or left ─────────────────────────────────────────────────────────────────────────────────


def test_a_mistake_is_no_trouble(school: World) -> None:
    assert school.phone("student").talks("0", "按错了") == "好，没关系。急事随时回复 0。"
    assert school.facts(Fact.ALERT_RAISED, Fact.ALERT_WITHDRAWN) == [Fact.ALERT_RAISED, Fact.ALERT_WITHDRAWN]


def test_a_mistake_after_a_safety_word_says_who_knows(world: World) -> None:
    staff(world)

    reply = world.phone("student").talks("救命", "按错了")

    assert "顾安老师刚才已经收到提醒" in reply


def test_whoever_opens_it_sees_that_it_was_taken_back(world: World) -> None:
    duty = world.phone("duty")
    world.phone("student").talks("救命", "按错了")

    assert "TA 说按错了" in page(world, duty.talks("看小结", "1"))


def test_leaving_says_that_somebody_may_ask_and_a_second_call_can_undo_it(world: World) -> None:
    phone = world.phone("student")

    left = phone.talks("0", "取消")
    assert "值班老师会收到提醒" in left
    assert "再选「按错了」" in left

    phone.talks("0", "按错了")
    assert silence(world, minutes=5) == NOBODY


def test_leaving_after_people_were_called_says_so(school: World) -> None:
    staff(school)
    reply = school.phone("student").talks("0", "别人", "取消")

    assert reply.startswith("好。已经收到提醒的老师还会联系你。")


def test_leaving_when_nothing_was_wanted_says_only_where_help_is(school: World) -> None:
    assert school.phone("student").talks("0", "1", "1", "取消").startswith("好。如果还需要人，随时回复 0")


def test_calling_again_and_again_shows_the_phones_and_the_question(world: World) -> None:
    phone = world.phone("student")

    replies = [phone.says(text) for text in ("0", "0", "紧急", "120")]

    assert all("急救 120" in reply and options(reply) == FIRST for reply in replies)
    assert len(world.rows(Alert)) == 1


# ── what is said: 6.4, whole ────────────────────────────────────────────────────────────────────────────────────

STAY = ("陪着 TA，轻声说话，把危险的东西拿远", "不追问、不发群、不拍照", "你做得很好")


def test_for_somebody_else_everything_that_6_4_says_is_said(world: World) -> None:
    staff(world)
    phone, said = world.phone("student"), []

    said += [phone.says(text) for text in ("0", "别人")]
    assert options(said[-1]) == ["TA 身边有人", "TA 一个人", "我不知道 TA 在哪"]
    assert called(world) == EVERYBODY
    said.append(phone.says("三号楼天台，小丁，说想跳下去"))

    for words in ("急救 120", "报警 110", "学校值班 0000-110"):
        assert words in said[0]
    for words in ("已通知顾安老师、钱校老师", "谁、在哪、现在怎样", "发语音也可以"):
        assert words in said[1]
    for words in (*STAY, "收到，已转给顾安老师、钱校老师", "你也可能需要人陪"):
        assert words in said[2]


def test_for_oneself_everything_that_6_4_says_is_said(school: World) -> None:
    staff(school)
    phone = school.phone("student")

    asked = phone.talks("0", "1")
    reply = phone.says("2")

    assert asked.startswith("谢谢你告诉我。你现在最重要。\n你此刻安全吗？")
    assert options(asked) == ["安全，但很难受", "我担心自己会做点什么", "不想说"]
    for words in (
        "请先离开能伤到自己的地方，去有人的地方",
        "心理援助 12356\n急救 120\n报警 110\n学校值班 0000-110",
        "已通知顾安老师、钱校老师，请老师马上联系你",
        "为了保护你的安全，这一次会让负责的老师知道，只说需要的部分",
    ):
        assert words in reply


def test_an_offer_and_no_pressure_for_whoever_is_safe(school: World) -> None:
    staff(school)
    phone = school.phone("student")

    offered = phone.talks("0", "1", "1")

    assert "想找人说话，可以打 12356 或 12355；也可以让心理老师今天给你打电话。" in offered
    assert options(offered) == ["请老师来电", "先不用"]
    assert "改主意了，随时回复 0" in phone.says("2")


def test_an_option_is_kept_and_one_more_line_is_asked_for(world: World) -> None:
    staff(world)
    phone = world.phone("student")

    asked = phone.talks("0", "2", "TA 一个人")
    assert "再写一句就行：谁、在哪、现在怎样。" in asked
    assert "你做得很好" in phone.says("三号楼天台")

    assert words_on_the_page(world) == ["TA 一个人", "三号楼天台"]
    assert len([push for push in world.pushes("duty") if push.kind is PushKind.ALERT_FACTS]) == 2


def words_on_the_page(world: World) -> list[str]:
    """What the alert's page shows that was written, oldest first."""
    (alert,) = world.rows(Alert)
    with db.unit_of_work() as session:
        it = access_alert_page(session, world.policy.duty, world.people["duty"], alert.id, now=world.now)
        return [entry["facts"] for entry in it.words]


def test_a_sentence_that_holds_an_option_is_kept_whole(school: World) -> None:
    school.phone("student").talks("0", "2", "TA 一个人在三号楼天台")

    assert words_on_the_page(school) == ["TA 一个人在三号楼天台"]


@pytest.mark.parametrize("kind", ["voice", "image"])
def test_a_voice_is_not_said_to_have_been_heard(school: World, kind: str) -> None:
    staff(school)
    phone = school.phone("student")
    phone.talks("0", "2")
    fields = {"MediaId": "m1"}

    reply = phone.sends(kind, **fields)

    assert "老师在这里听不到语音、看不到图片" in reply
    assert "请保持电话畅通" in reply
    assert told(school, PushKind.ALERT_FACTS) == EVERYBODY
    assert "你做得很好" in phone.sends(kind, **fields)


def test_with_nobody_reachable_the_words_claim_nothing(school: World) -> None:
    for begun in (("0", "别人"), ("0", "1", "2"), ("0", "1", "1", "1"), ("救命",), ("救命", "1", "1")):
        phone = school.phone("student", bound=False)
        reply = phone.talks(*begun)

        assert "已通知" not in reply, begun
        assert "已请" not in reply, begun
        assert "已经请" not in reply, begun
    last = school.phone("second").talks("0", "2", "三号楼天台")
    assert "已转给" not in last
    assert "请一定打电话" in last
    assert "急救 120" in last


def test_who_unfollowed_is_not_named_as_told(school: World) -> None:
    staff(school)
    deafen(school, "leader")

    assert "已通知顾安老师，" in school.phone("student").talks("0", "2")


# ── whom nobody could ring up ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("answers", [("0", "1", "2"), ("0", "1", "1", "1"), ("救命", "1", "3")])
def test_a_stranger_is_asked_how_to_be_reached(school: World, answers: tuple[str, ...]) -> None:
    staff(school)
    phone = school.phone("student", bound=False)

    asked = phone.talks(*answers)
    assert "老师那边还没有你的电话" in asked
    done = phone.says("我叫小丁，13900001111，在三号楼")

    assert done.startswith("收到，已转给顾安老师")
    called_by = (
        [answers[0]] if answers[0] == "救命" else []
    )  # a safety word is the first thing whoever was called reads
    assert words_on_the_page(school) == [*called_by, "我叫小丁，13900001111，在三号楼"]
    assert told(school, PushKind.ALERT_FACTS) >= CENTRE


def test_a_stranger_calling_for_somebody_else_is_asked_for_a_number_too(school: World) -> None:
    staff(school)

    assert "请把你的名字和手机号也写上" in school.phone("student", bound=False).talks("0", "2")


def test_somebody_without_a_number_on_the_roster_is_asked_too(world: World) -> None:
    staff(world)
    edit(world, "student", phone=None)

    assert "老师那边还没有你的电话" in world.phone("student").talks("0", "1", "2")


def test_somebody_whose_number_is_known_is_not_asked(school: World) -> None:
    staff(school)
    phone = school.phone("student")

    assert "你的电话" not in phone.talks("0", "1", "2")
    assert phone.says("你好").startswith("何小雨，你好")


# ── over another talk ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("who", ["student", "committee"])
def test_a_safety_word_in_what_somebody_writes_stays_written(world: World, who: str) -> None:
    phone, _ = world.phone(who), world.phone("duty")
    begun = ("有事", "别人") if who == "student" else ("周报", "1", "1", "2")
    phone.talks(*begun, "班里新来的同学")

    reply = phone.says("她前天晚上说过不想活")
    assert called(world) == CENTRE
    assert reply.startswith("谢谢你说出来，这很重要。")

    back = phone.says("按错了")
    assert options(back) == ["这几天", "一两周", "更久"]


def test_after_a_call_the_form_can_wait(world: World) -> None:
    staff(world)
    phone = world.phone("committee")
    phone.talks("周报", "1", "0", "1")

    reply = phone.says("2")

    assert "「本周小结」先放着，不急。等你方便了，再从这里接着：" in reply
    assert reply.index("请先离开能伤到自己的地方") < reply.index("对得上吗")
    assert phone.talks("1", "1", "1").startswith("已送到")


def test_after_a_mistake_it_goes_on_at_once(school: World) -> None:
    phone = school.phone("committee")

    reply = phone.talks("周报", "1", "0", "按错了")

    assert reply.startswith("好，没关系。急事随时回复 0。\n\n刚才我们说到「本周小结」，接着来。\n\n班里")


def test_zero_and_110_while_a_number_is_asked(school: World) -> None:
    phone = school.phone("committee")
    phone.talks("周报", "1", "改一下")

    assert "请填 0 到 5 之间" in phone.says("110")
    assert school.rows(Alert) == []
    assert options(phone.says("紧急")) == FIRST
    phone.says("按错了")
    assert options(phone.says("0")) == ["我自己", "别人", "我想填 0"]
    assert "请假 0 人" in phone.talks("3", "1")
    assert called(school) == NOBODY


def test_zero_while_a_number_is_asked_is_a_call_all_the_same(world: World) -> None:
    phone = world.phone("committee")
    phone.talks("周报", "1", "改一下", "0")

    assert silence(world, minutes=2, seconds=1) == CENTRE


# ── what is known of a call ─────────────────────────────────────────────────────────────────────────────────────


def test_a_call_is_kept_with_who_and_whom_it_is_about(world: World) -> None:
    for who, answers in (("student", ("0", "1")), ("second", ("0", "2")), ("twin", ("救命",))):
        world.phone(who).talks(*answers)

    assert [(it.trigger, it.about_self, it.told) for it in world.rows(Alert)] == [
        (Trigger.CALL, True, Told.NOBODY),
        (Trigger.CALL, False, Told.ALL),
        (Trigger.WORDS, None, Told.CENTRE),
    ]


def test_who_calls_is_only_seen_by_whoever_was_called(world: World) -> None:
    duty, leader, head = world.phone("duty"), world.phone("leader"), world.phone("head")
    world.phone("student").talks("救命", "1", "1")

    assert options(duty.says("看小结"))[0].startswith("紧急 · 软件2301")
    assert leader.says("看小结").startswith("现在没有要看的内容")
    assert head.says("看小结").startswith("现在还没有班级送来小结")


# ── who is on duty ──────────────────────────────────────────────────────────────────────────────────────────────


def without_list(world: World) -> None:
    """No `[duty] contacts` are set."""
    path = world.settings.folder / "config.toml"
    path.write_text(path.read_text("utf-8").replace('contacts = ["T900", "T800"]', "contacts = []"), "utf-8")
    world.settings = load_settings(path)
    world.policy = make_policy(world.settings)
    world.restart()


def test_without_a_list_the_centre_s_leads_are_called(world: World) -> None:
    without_list(world)
    add_person(world, "director", "T901", "杜主任", Kind.STAFF, phone="13900000000")
    appoint(world, "director", Role.CENTRE_DIRECTOR, "测试学院")

    world.phone("student").talks("0", "2")

    assert called(world) == {"duty", "director"}


def test_without_a_centre_the_leading_group_is_called(world: World) -> None:
    without_list(world)
    release(world, "duty")

    world.phone("student").talks("0", "2")

    assert called(world) == {"leader"}


def test_the_centre_s_own_contacts_are_those_with_a_post_there(world: World) -> None:
    release(world, "duty")
    appoint(world, "leader", Role.COUNSELOR, "测试学院")

    world.phone("student").says("救命")

    assert called(world) == {"leader"}


def test_the_sentence_that_called_is_what_the_called_person_reads(school: World) -> None:
    staff(school)

    school.phone("student").says("我在三号楼天台，不想活了")

    assert words_on_the_page(school) == ["我在三号楼天台，不想活了"]


def test_a_place_on_the_map_says_where(school: World) -> None:
    staff(school)
    phone = school.phone("student")
    phone.talks("0", "别人")

    last = phone.sends("location", Location_X="23.1", Location_Y="113.3", Scale="16", Label="三号楼")

    assert "你做得很好" in last
    assert words_on_the_page(school) == ["（位置）三号楼 23.1 113.3"]
    assert told(school, PushKind.ALERT_FACTS) == EVERYBODY


def test_words_that_answer_no_question_are_kept_all_the_same(school: World) -> None:
    staff(school)
    phone = school.phone("student")

    phone.talks("救命", "三号楼天台")

    assert words_on_the_page(school) == ["救命", "三号楼天台"]
    assert told(school, PushKind.ALERT_FACTS) == CENTRE
