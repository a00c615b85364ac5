"""取消 返回 帮助 查看 紧急 0 mean the same everywhere: tried in every question of every conversation there is."""

from datetime import timedelta

import pytest

from handlers.chat.conversations import CONVERSATIONS
from handlers.dialogue import router
from handlers.dialogue.conversation import BOUND, EVERYBODY
from models import clock
from models.channel import Channel
from tests.stories.cast import options, tap
from tests.stories.stage import QUESTIONS, Route, Stage, Talker
from tests.world import World
from workers.sweeps import put_away_talks

PHONES = "急救 120"
CALLS = ("紧急", "紧急！", "0", "０")
WALLS = ("收不回来", "上一步不能再改")
FIRST = ("这已经是第一步了", "选一个最接近的就好")
LIGHT = {it.name for it in CONVERSATIONS if it.light}
STARTED = {it.name: it.start[0] for it in CONVERSATIONS if it.start}

every_question = pytest.mark.parametrize("key", QUESTIONS)


def at(talker: Talker) -> tuple[str, str] | None:
    """The conversation and the key of what is asked."""
    asked = talker.open_question
    return None if asked is None else (asked[0], asked[1].key)


def shown(talker: Talker) -> str:
    """The open question as it was shown."""
    return str((talker.frames[-1].open_question or {})["s"])


def title(stage: Stage, route: Route) -> str:
    """What the conversation of a route is called."""
    return stage.world.words(f"{route.conversation}.title")


@every_question
def test_every_question_there_is_can_be_tried(stage: Stage, key: str) -> None:
    assert stage.routes_to(key), f"no walk leads to {key}: give tests/stories/stage.py a scene for it"


@every_question
def test_cancel_leads_out_of_every_question(stage: Stage, key: str) -> None:
    for route in stage.routes_to(key):
        with stage.at(route) as talker:
            before = talker.pushes()
            for _ in talker.frames:
                assert talker.says("取消").strip()

            assert talker.frames == []
            assert talker.pushes() == before
            assert talker.says("取消").startswith("现在没有填到一半的东西")


@every_question
def test_back_goes_one_step_and_the_same_answer_comes_back_here(stage: Stage, key: str) -> None:
    for route in stage.routes_to(key):
        with stage.at(route) as talker:
            here, question = at(talker), shown(talker)
            reply = talker.says("返回")

            if at(talker) == here and shown(talker) == question:
                assert any(wall in reply for wall in WALLS) or reply.startswith(FIRST), route
                assert question in reply
            else:
                assert shown(talker) in reply
                talker.says(route.texts[-1])
                assert at(talker) == here, route


@every_question
def test_help_says_where_we_are_and_keeps_the_question(stage: Stage, key: str) -> None:
    for route in stage.routes_to(key):
        with stage.at(route) as talker:
            question, log = shown(talker), talker.frames[-1].log
            for word in ("帮助", "菜单", " 帮助。", "查看"):
                reply = talker.says(word)

                assert question in reply
                assert talker.frames[-1].log == log
                assert title(stage, route) in reply or PHONES in reply


@every_question
def test_a_call_for_help_is_heard_in_every_question(stage: Stage, key: str) -> None:
    for route in stage.routes_to(key):
        with stage.at(route) as talker:
            question, answered = shown(talker), talker.tries("救命")
            if route.conversation == "urgent":
                for word in CALLS:
                    assert PHONES in talker.says(word), route
                    assert shown(talker) == question
                continue
            assert PHONES in answered[0], route
            assert answered[1][-1].startswith("urgent.who")
            for word in CALLS:
                reply = talker.says(word)
                assert PHONES in reply, route
                assert options(reply)[:2] == ["我自己", "别人"]
                if options(reply)[2] != "按错了":
                    break  # a number was asked, and 「我想填 0」 answers it
                talker.says("按错了")
                assert shown(talker) == question


@pytest.mark.parametrize("key", [key for key in QUESTIONS if key.startswith("urgent.")])
def test_urgent_questions_have_a_first_and_a_last_word_of_their_own(stage: Stage, key: str) -> None:
    for route in stage.routes_to(key):
        with stage.at(route) as talker:
            if route.conversation == "urgent":
                assert "先不填" not in talker.says("帮助")
                assert "再" not in talker.says("返回").split("\n")[0]


@every_question
def test_a_start_word_asks_once_and_both_ways_lead_on(stage: Stage, key: str) -> None:
    for route in stage.routes_to(key):
        other = "我的数据" if route.conversation != "my_data" else "有事"
        if route.who is None:
            other = "绑定"
        with stage.at(route) as talker:
            here, question, kind = at(talker), shown(talker), talker.open_question
            assert kind is not None
            reply = talker.says(other)
            if kind[1].kind == "text":
                assert "先放下" not in reply  # a free text takes the word as it stands
                continue
            if route.conversation in LIGHT:
                assert at(talker) != here or route.who is None
                continue

            assert options(reply) == [
                f"去「{stage.world.words(f'{_named(other)}.title')}」",
                f"接着「{title(stage, route)}」",
            ]
            assert question in talker.says("2")
            assert at(talker) == here
            talker.talks(other, "1")
            assert at(talker) is None or at(talker) != here


def _named(word: str) -> str:
    return next(it.name for it in CONVERSATIONS if word in it.start)


@every_question
def test_a_menu_tap_is_never_an_answer(stage: Stage, key: str) -> None:
    for route in stage.routes_to(key):
        with stage.at(route) as talker:
            here, question = at(talker), shown(talker)
            assert question in talker.says("OLD_MENU_KEY", tapped=True)
            assert (at(talker), shown(talker)) == (here, question)

            other = "绑定" if route.who is None else "我的数据" if route.conversation != "my_data" else "有事"
            reply = talker.says(other, tapped=True)
            assert "先放下" in reply or route.conversation in LIGHT


@every_question
def test_an_open_talk_is_put_away_after_a_day_with_one_line(stage: Stage, key: str) -> None:
    for route in stage.routes_to(key):
        with stage.at(route) as talker:
            before, first = talker.pushes(), talker.frames[0].name
            words, word = stage.world.words, STARTED.get(first)
            reply = talker.says("你好", after=timedelta(hours=24))

            assert talker.frames == []
            assert talker.pushes() == before
            line = words("dialogue.put_away", title=words(f"{first}.title"), word=word)
            assert reply.startswith(line) == (first not in LIGHT and word is not None)
            assert line not in talker.says("你好", after=timedelta(hours=24))


@every_question
def test_an_open_talk_still_stands_just_before(stage: Stage, key: str) -> None:
    for route in stage.routes_to(key):
        with stage.at(route) as talker:
            here = at(talker)
            reply = talker.says("", is_text=False, after=timedelta(hours=23, minutes=59))

            line = f"刚才我们说到「{title(stage, route)}」，接着来。"
            assert reply.startswith(line) == (route.conversation not in LIGHT | {"urgent"})
            assert at(talker) == here or key in {"urgent.facts", "urgent.more", "urgent.reach"}


def test_the_line_on_where_we_were_is_said_once_and_not_before_leaving(school: World) -> None:
    phone = school.phone("committee")
    phone.talks("周报", "1")

    school.forward(minutes=40)
    assert phone.says("1").startswith("刚才我们说到「本周小结」，接着来。")
    assert "刚才我们说到" not in phone.says("1")

    school.forward(minutes=40)
    assert phone.says("取消").startswith("好，「本周小结」先不填了")


def test_a_talk_goes_on_after_a_restart_with_one_line(school: World, monkeypatch: pytest.MonkeyPatch) -> None:
    phone = school.phone("committee")
    phone.talks("周报", "1")

    school.restart()
    phone.app = school.app
    monkeypatch.setattr(router, "STARTED", clock.machine())

    reply = phone.says("1")
    assert reply.startswith("刚才我们说到「本周小结」，接着来。\n\n有没有哪位同学")
    assert phone.talks("1", "1").startswith("已送到")


def test_a_talk_that_the_ticker_put_away_is_told_with_the_next_message_and_no_push(school: World) -> None:
    phone = school.phone("committee")
    phone.talks("周报", "1")

    school.forward(hours=24, seconds=1)
    assert put_away_talks(school.policy.talk_lasts, now=school.now) == 1
    assert school.pushes() == []

    line = school.words("dialogue.put_away", title="本周小结", word="周报")
    assert phone.says("1").startswith(line)
    assert line not in phone.says("1")


def test_help_after_the_question_of_leaving_gives_the_numbers_back(school: World) -> None:
    phone = school.phone("committee")
    phone.talks("周报", "有事")

    assert options(phone.says("帮助"))[0] == "都还平稳"
    assert "对得上吗" in phone.says("1")


def test_a_third_number_at_the_question_of_leaving_answers_nothing_underneath(school: World) -> None:
    phone = school.phone("committee")
    phone.talks("周报", "有事")

    assert "五个方面，班里整体怎么样" in phone.says("3")
    assert "五个方面平稳" in phone.talks("1", "1", "1")


def test_a_sentence_that_begins_like_leaving_is_no_leaving(school: World) -> None:
    phone = school.phone("student")
    phone.talks("有事", "别人", "班里新来的同学")
    tap(phone, "我的数据")

    assert "大概从什么时候开始" in phone.says("去年就这样了，一直没人管")


def test_leaving_by_its_name_works(school: World) -> None:
    phone = school.phone("committee")

    assert "想说的是谁的事" in phone.talks("周报", "有事", "去有件事想说")
    assert "五个方面" in phone.talks("周报", "去周报")
    assert "五个方面" in phone.talks("有事", "接着本周小结")


def test_somebody_without_the_role_does_not_lose_what_they_wrote(school: World) -> None:
    phone = school.phone("student")
    phone.talks("有事", "别人", "班里新来的同学", "这周没来上课")

    reply = phone.says("周报")

    assert "名单里还没有它" in reply
    assert options(reply) == ["这几天", "一两周", "更久"]


def test_the_same_start_word_comes_back_to_the_open_talk(school: World) -> None:
    phone = school.phone("committee")
    phone.talks("周报", "1", "1")

    assert phone.says("小结").startswith("刚才我们说到「本周小结」，接着来。\n\n有没有哪位同学")


def test_with_nothing_open_everything_else_gets_the_menu(school: World) -> None:
    phone = school.phone("student")

    for text in ("你好", "帮助", "菜单", "更多", "随便说点什么", "控制台"):
        reply = phone.says(text)
        assert reply.startswith("何小雨，你好。可以回复："), text
        assert "急事随时回复 0" in reply


def test_the_menu_lists_what_one_may_do_and_nothing_else(school: World) -> None:
    menus = {who: school.phone(who).says("帮助") for who in ("student", "committee", "officer", "advisor", "leader")}

    listed = {
        who: {it.name for it in CONVERSATIONS if it.start and f"「{it.start[0]}」" in menu}
        for who, menu in menus.items()
    }
    listed_at_all = [it for it in CONVERSATIONS if it.who == BOUND and f"{it.name}.menu" in school.words]
    everybody = {it.name for it in listed_at_all if it.listed_for is None}
    students = {it.name for it in listed_at_all}
    assert students - everybody == {"booking", "my_appointments"}
    assert listed["student"] == students
    assert listed["committee"] == students | {"class_checkin"}
    assert listed["officer"] == students | {"dorm_checkin"}
    assert listed["advisor"] == everybody | {"summaries", "progress"}
    assert listed["leader"] == everybody | {"summaries"}
    assert "binding" in {it.name for it in CONVERSATIONS if it.who == EVERYBODY}


@pytest.mark.parametrize("channel", list(Channel))
def test_a_menu_click_starts_a_talk_on_both_platforms(school: World, channel: Channel) -> None:
    phone = school.phone("advisor" if channel is Channel.WECOM else "student")
    assert phone.door.channel is channel

    assert options(phone.event("CLICK", EventKey="有事"))[0] == "我自己"
