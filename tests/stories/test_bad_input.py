"""Whatever people send is understood or answered kindly: never an error, never the same words twice in a row."""

import itertools

import pytest

from handlers.dialogue.question import STICKER
from models import db
from models.channel import Channel
from models.concern import Concern
from models.inbox import Inbox
from models.person import Kind, Person
from models.unit import Level
from tests.phone import Phone
from tests.stories.cast import add_person, add_unit, options, page, without_links
from tests.stories.stage import QUESTIONS, Stage, Talker
from tests.world import World

WAY_OUT = "「取消」"
JUNK = [
    "",
    " ",
    "\n\n",
    "。。。",
    "？",
    "\u200b\u200b",
    "\ufeff",
    "\u202e反过来",
    "\x0b\x0c",
    "😀",
    "👨‍👩‍👧‍👦" * 50,
    "[捂脸]",
    "/::)",
    STICKER,
    "很长" * 5000,
    "1" * 10_000,
    "a" * 10_000,
    "一" * 10_000,
    "1\n2\n3",
    "第一行\n第二行\n\n第四行",
    "{name} {0} {{",
    "%s %d %(x)s",
    "]]></Content>",
    "<b>粗</b>",
    "'; DROP TABLE person; --",
    "\\u0000",
    "-1",
    "0.5",
    "1.5",
    "1e9",
    "99999999999999999999",
    "½",
    "二十八万",
    "١",
    "ⅳ",
    "1 2 3 4 5 6 7 8 9",
    "也许吧",
    "选项",
    "更多",
    "more:0",
    "typed:某人",
]
ONE = [
    "1",
    "１",
    "1、",
    "1.",
    "一",
    "选1",
    "选一",
    "我选1",
    "第一个",
    "第1个",
    " 1",
    "\t1\n",
    "　1",
    "①",
    "1️⃣",
    "(1)",
    "【1】",
    "1号",
    "1吧",
]

every_question = pytest.mark.parametrize("key", QUESTIONS)


@every_question
def test_nothing_that_is_sent_is_an_error(stage: Stage, key: str) -> None:
    for route in stage.routes_to(key):
        with stage.at(route) as talker:
            for text in JUNK:
                reply, _ = talker.tries(text)
                assert reply.strip(), text
                assert len(reply.encode()) <= 2000, text


@every_question
def test_voices_pictures_and_places_are_answered_kindly(stage: Stage, key: str) -> None:
    for route in stage.routes_to(key):
        with stage.at(route) as talker:
            asked = talker.open_question
            reply = talker.says("", is_text=False)

            assert reply.strip()
            if talker.open_question == asked:
                assert "文字" in reply
                assert talker.says("", is_text=False) != reply


@every_question
def test_the_same_sentence_never_comes_twice_in_a_row_and_the_third_has_the_way_out(stage: Stage, key: str) -> None:
    for route in stage.routes_to(key):
        for text, is_text in (
            ("也许吧，我说不好，你们觉得呢？", True),
            ("", True),
            ("", False),
            ("名" * 2500, True),
            ("九十九万", True),
        ):
            with stage.at(route) as talker:
                asked, replies = shown(talker), []
                for _ in range(9):
                    replies.append(talker.says(text, is_text=is_text))
                    if talker.frames == [] or shown(talker) != asked:
                        break  # it was an answer
                else:
                    said = [reply.split("\n")[0] for reply in replies]
                    assert all(one != other for one, other in itertools.pairwise(said)), (route, text)
                    assert all(WAY_OUT in reply for reply in replies[2:]), (route, text)


def shown(talker: Talker) -> str:
    """The open question as it was asked."""
    frames = talker.frames
    return str((frames[-1].open_question or {"n": ""})["n"]) + str(len(frames[-1].log)) if frames else ""


@every_question
def test_an_option_is_taken_by_its_number_and_its_label_however_typed(stage: Stage, key: str) -> None:
    for route in stage.routes_to(key):
        with stage.at(route) as talker:
            labels = [label for _, label in (talker.frames[-1].open_question or {})["o"]]
            for at, label in enumerate(labels, 1):
                assert without_links(talker.tries(label)) == without_links(talker.tries(str(at))), label
            for spelling in ONE if labels else ():
                if key in {"booking.times", "proposing.times"} and spelling.endswith("号"):
                    continue  # may be a day: it is asked about
                assert without_links(talker.tries(spelling)) == without_links(talker.tries("1")), spelling


# ── through the door ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def phone(school: World) -> Phone:
    """A committee member in the middle of things."""
    it = school.phone("committee")
    it.says("周报")
    return it


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("image", {"PicUrl": "http://x", "MediaId": "m"}),
        ("voice", {"MediaId": "m", "Format": "amr", "Recognition": ""}),
        ("video", {"MediaId": "m", "ThumbMediaId": "t"}),
        ("shortvideo", {"MediaId": "m", "ThumbMediaId": "t"}),
        ("location", {"Location_X": "23.1", "Location_Y": "113.3", "Scale": "16", "Label": "三号楼"}),
        ("link", {"Title": "t", "Description": "d", "Url": "http://x"}),
        ("text", {"Content": STICKER}),
    ],
)
def test_every_kind_of_message_is_answered(school: World, phone: Phone, kind: str, fields: dict[str, str]) -> None:
    reply = phone.sends(kind, **fields)

    assert "文字" in reply
    assert options(reply)[0] == "都还平稳"
    assert school.phone("student").sends(kind, **fields).startswith("何小雨，你好。")
    assert phone.talks("1", "1", "1", "1").startswith("已送到")


def test_a_sticker_is_no_text_worth_keeping(world: World) -> None:
    phone = world.phone("student")
    phone.talks("有事", "别人", "班里新来的同学")

    assert "请用文字回复" in phone.says(STICKER)
    assert options(phone.says("这周没来上课"))[0] == "这几天"


@pytest.mark.parametrize("channel", list(Channel))
@pytest.mark.parametrize(
    "text", ["很长" * 5000, "😀" * 3000, "a\nb\n" * 2000, "]]>" * 500, "&#x0;&amp;<>" * 100, "\t" * 9000]
)
def test_huge_and_strange_texts_are_no_trouble_on_either_platform(school: World, channel: Channel, text: str) -> None:
    phone = school.phone("advisor" if channel is Channel.WECOM else "student")
    assert phone.door.channel is channel

    for said in (text, "有事", text, "别人", text, "某人", text, "取消", text):
        assert phone.says(said)


def test_a_long_story_is_taken_up_to_two_thousand_characters(world: World) -> None:
    phone, advisor = world.phone("student"), world.phone("advisor")
    phone.talks("有事", "别人", "班里新来的同学")
    story = "这周的事，" * 399 + "完了。"

    assert "2000 个字" in phone.says(story + "多" * 400)
    assert options(phone.says(story))[0] == "这几天"
    phone.talks("1", "1", "1", "1")
    assert story in page(world, advisor.talks("看小结", "1"))


def test_lines_and_marks_are_kept_as_they_were_written(world: World) -> None:
    phone, advisor = world.phone("student"), world.phone("advisor")
    phone.talks("有事", "别人", "班里新来的同学", "第一行\n第二行 ]]> & 😀", "1", "1", "1", "1")

    assert "第一行\n第二行 ]]&gt; &amp; 😀" in page(world, advisor.talks("看小结", "1"))


# ── how many, and who ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("said", "noted"),
    [
        ("2", 2),
        ("２", 2),
        ("两个", 2),
        ("二", 2),
        ("2人", 2),
        ("有2位", 2),
        ("  2 。", 2),
        ("没有", 0),
        ("一个也没有", 0),
        ("都在", 0),
    ],
)
def test_how_many_is_understood_however_it_is_said(school: World, said: str, noted: int) -> None:
    reply = school.phone("committee").talks("周报", "1", "改一下", said, "1")

    assert f"请假 {noted} 人" in reply


@pytest.mark.parametrize("said", ["6", "-1", "100", "很多", "一两个", "2到3", "第二个和第三个", "2023010101"])
def test_how_many_is_asked_again_when_it_cannot_be(school: World, said: str) -> None:
    phone = school.phone("committee")
    phone.talks("周报", "1", "改一下", said)

    assert "请假 1 人" in phone.talks("1", "1")


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("一个", "TA 是谁"),
        ("一位", "TA 是谁"),
        ("两个", "TA 是谁"),
        ("3", "TA 是谁"),
        ("没有", "帮你记好了"),
        ("没", "帮你记好了"),
    ],
)
def test_one_person_is_never_read_as_nobody(school: World, said: str, meant: str) -> None:
    assert meant in school.phone("committee").talks("周报", "1", "1", said)


@pytest.mark.parametrize("said", ["2023010102", "0102", "周一帆", " 周 一 帆 ", "周一帆。", "２０２３０１０１０２"])
def test_a_class_mate_is_found_by_name_number_or_tail(school: World, said: str) -> None:
    phone = school.phone("student")

    phone.talks("有事", "别人", said, "两天没来", "1", "1", "1")
    assert "周一帆" in phone.says("帮助")
    phone.says("1")
    (concern,) = school.rows(Concern)
    assert concern.class_id == school.units["软件2301"]


def test_two_who_fit_are_offered_and_either_can_be_taken(school: World) -> None:
    phone = school.phone("committee")
    reply = phone.talks("有事", "别人", "何小雨")

    assert options(reply) == ["何小雨（学号尾号 0103）", "何小雨（学号尾号 0104）"]
    assert options(phone.says("第三个")) == options(reply)
    assert "你看到或听到了什么" in phone.says("0104")


def test_many_who_fit_are_not_listed(school: World) -> None:
    for at in range(30):
        add_person(school, f"many{at}", f"20229{at:02}777", "张伟", Kind.STUDENT, class_="软件2301")
    phone = school.phone("committee")

    reply = phone.talks("有事", "别人", "张伟")
    assert "符合的同学太多了" in reply
    assert options(reply) == []
    assert "你看到或听到了什么" in phone.says("2022905777")


@pytest.mark.parametrize(
    "said",
    [
        "名" * 41,
        "我想说的是我室友他最近一直不太好我也不知道该怎么办才好所以来问问老师们看看",
        "张三" + "。" * 5000 + "李",
        "9999",
        "2029999999",
    ],
)
def test_what_is_no_name_is_asked_again(school: World, said: str) -> None:
    phone = school.phone("student")
    reply = phone.talks("有事", "别人", said)

    assert phone.says("帮助").count("TA 是谁？") == 1 or "你看到或听到了什么" in reply
    assert len(reply.encode()) <= 2000


def test_a_very_long_name_on_the_roster_is_shown_whole(school: World) -> None:
    long = "阿卜杜拉·" * 9 + "江"
    with db.unit_of_work() as session:
        person = session.get_one(Person, school.people["student"])
        person.name = long
        session.add(person)
    phone = school.phone("student")

    assert phone.says("帮助").startswith(f"{long}，你好。")
    reply = phone.says("我的数据")
    assert long in reply
    assert len(reply.encode()) <= 2000


def test_a_teacher_of_a_whole_school_names_a_student_in_time(school: World) -> None:
    for at in range(40):
        name = f"班{at}"
        add_unit(school, name, Level.CLASS, "信息学院")
        for one in range(5):
            add_person(school, f"{name}-{one}", f"2021{at:02}{one:04}", f"学生{at}-{one}", Kind.STUDENT, class_=name)
    duty = school.phone("duty")

    assert "你看到或听到了什么" in duty.talks("有事", "别人", "2021390004")


def test_a_repeat_gets_the_same_reply_whatever_was_sent(world: World) -> None:
    phone = world.phone("student")

    for text in ("有事", "？？？", "别人", "何小雨", "😀" * 2000):
        reply = phone.says(text)
        assert phone.repeats() == reply
    assert len(world.rows(Inbox)) == 5
