"""The questions of booking: a time in any words, a topic or a line, a telephone, and a choice of what can be had."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from handlers.chat.booking import ABOUT, MODE, PHONE, About, Way
from handlers.chat.choosing import TIMES
from handlers.chat.my_appointments import THEN, Then
from handlers.dialogue.question import Heard, Question, Turned, Unclear
from handlers.dialogue.talk import Talk
from handlers.dialogue.times import when_of
from models import clock, db, seal
from models.channel import Channel
from models.talk import meet
from tests.conftest import KEY
from tests.engines import fresh_database_url
from tests.supply import make_supply
from tests.world import make_world

MEDIA = Heard("", is_text=False)
SLOTS = [[f"slot:{day}", f"11月{day}日 周{'一二三四五六日'[day % 7 - 2]} 09:00 沈岚老师"] for day in range(16, 26)]
SHOWN = {"lead": "和谁、什么时候？", "options": SLOTS, "first": 3}


@pytest.fixture
def talk(tmp_path: Path) -> Iterator[Talk]:
    """A student of a small school with counselors, on a Sunday evening."""
    url = fresh_database_url("sqlite", tmp_path)
    seal.use_keys([KEY])
    connected = db.connect(url)
    world = make_world(tmp_path, url, KEY)
    make_supply(world)
    phone = world.phone("student")
    with db.unit_of_work() as session:
        met = meet(session, Channel.OFFICIAL_ACCOUNT, phone.address)
        yield Talk(session, met.actor, world.words, world.policy, clock.now())
    connected.dispose()
    clock.stop_moving()


def reads(question: Question[Any], text: str, talk: Talk, **values: Any) -> Any:
    """The JSON form of an answer, why there is none, or the labels of the page that it turns to."""
    talk.asked = values
    result = question.read(Heard(text), question.options(talk, values), talk)
    if isinstance(result, Unclear):
        return f"unclear: {result.why}"
    return [label for _, label in result.options] if isinstance(result, Turned) else result.value


def test_the_first_page_is_short_and_always_ends_alike(talk: Talk) -> None:
    labels = [label for _, label in TIMES.options(talk, SHOWN)]

    assert labels == [*(label for _, label in SLOTS[:3]), "更多", "换一天", "都不合适"]


@pytest.mark.parametrize("said", ["2", "２", "第二个", "选2", SLOTS[1][1], f"{SLOTS[1][1]}。"])
def test_a_number_or_a_label_is_that_option(talk: Talk, said: str) -> None:
    assert reads(TIMES, said, talk, **SHOWN) == {"option": "slot:17"}


def test_more_turns_to_the_next_page_and_the_last_one_to_the_first(talk: Talk) -> None:
    second = reads(TIMES, "更多", talk, **SHOWN)
    assert second[:6] == [label for _, label in SLOTS[3:9]]

    last = TIMES.read(Heard("更多"), [["more:9", "更多"]], talk)
    assert isinstance(last, Turned)
    assert [label for _, label in last.options] == [SLOTS[9][1], "从头看", "换一天", "都不合适"]


@pytest.mark.parametrize("said", ["都不合适", "没合适的", "都不行"])
def test_none_fits_in_any_words(talk: Talk, said: str) -> None:
    assert reads(TIMES, said, talk, **SHOWN) == {"option": "none"}


@pytest.mark.parametrize(
    ("said", "wish"),
    [
        ("5号", {"when": "2026-12-05"}),  # 「换一天」 stands fifth
        ("下周三下午", {"when": "2026-11-18T12:00/2026-11-18T18:00"}),
        ("12月5号14:30", {"when": "2026-12-05T14:30"}),
        ("没有合适的，周五行吗", {"when": "2026-11-20"}),
    ],
)
def test_a_time_in_words_is_a_wish(talk: Talk, said: str, wish: dict[str, Any]) -> None:
    assert reads(TIMES, said, talk, **SHOWN) == {"wish": wish}


def test_several_wishes_of_one_message_are_all_taken(talk: Talk) -> None:
    wish = reads(TIMES, "周四下午江老师，线上，睡不好", talk, **SHOWN)["wish"]

    assert (wish["when"], wish["mode"], wish["topic"]) == ("2026-11-19T12:00/2026-11-19T18:00", "online", "sleep")
    assert len(wish["counselors"]) == 1


def test_a_day_that_may_be_a_number_of_the_list_is_asked_about(talk: Talk) -> None:
    doubt = reads(TIMES, "2号", talk, **SHOWN)["wish"]["doubt"]

    assert doubt == {"why": "number", "candidates": ["2026-12-02"], "options": [SLOTS[1]]}


def test_a_doubt_keeps_what_it_may_have_meant(talk: Talk) -> None:
    doubt = reads(TIMES, "11月26号周三", talk, **SHOWN)["wish"]["doubt"]

    assert doubt["why"] == "contradictory"
    assert "2026-11-26" in doubt["candidates"]


def test_since_when_something_has_been_is_no_time(talk: Talk) -> None:
    assert reads(TIMES, "最近老失眠", talk, **SHOWN) == {"wish": {"topic": "sleep"}}
    assert reads(TIMES, "周一不行，聊失眠", talk, **SHOWN)["wish"]["doubt"]["why"] == "refused"


@pytest.mark.parametrize(
    ("said", "why"), [("2月31号", "when_impossible"), ("嗯嗯", "when"), ("99", "when"), ("预约", "when")]
)
def test_what_is_no_time_is_asked_again(talk: Talk, said: str, why: str) -> None:
    assert reads(TIMES, said, talk, **SHOWN) == f"unclear: {why}"


@pytest.mark.parametrize(
    "text", ["2026-12-02", "2026-11-30/2026-12-06", "2026-12-02T15:30", "2026-12-02T12:00/2026-12-02T18:00"]
)
def test_a_time_survives_the_log(text: str) -> None:
    assert str(when_of(text)) == text


def test_only_what_can_be_had_is_offered(talk: Talk) -> None:
    assert [value for value, _ in THEN.options(talk, {"only": ["fine", "move"]})] == ["fine", "move"]
    assert reads(THEN, "2", talk, only=["fine", "move"]) == Then.MOVE
    assert reads(THEN, "不排队了", talk, only=["fine", "move"]) == "unclear: choice"


def test_a_way_of_talking_may_come_with_a_time(talk: Talk) -> None:
    can = {"options": [], "always": ["phone", "relax"]}

    assert reads(MODE, "自己用放松室", talk, **can) == {"option": Way.RELAX}
    assert reads(MODE, "打电话吧，周五上午", talk, **can)["wish"]["mode"] == "phone"
    assert reads(MODE, "你定", talk, **can) == {"wish": {"soonest": True}}
    assert reads(MODE, "都行。", talk, **can) == {"option": "any"}
    assert reads(MODE, "？？", talk, **can) == "unclear: choice"


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("7", {"option": "sleep"}),
        ("失眠", {"option": "sleep"}),
        ("先不说", {"option": "skip"}),
        ("最近睡不好，学习也跟不上", {"text": "最近睡不好，学习也跟不上"}),
    ],
)
def test_a_topic_or_a_line(talk: Talk, said: str, kept: dict[str, str]) -> None:
    assert reads(ABOUT, said, talk) == kept
    assert ABOUT.from_json({"option": "sleep"}) is About.SLEEP


def test_a_line_that_is_none_or_too_long_is_asked_again(talk: Talk) -> None:
    assert reads(ABOUT, "\u200b", talk) == "unclear: empty"
    assert reads(ABOUT, "长" * 301, talk) == "unclear: too_long"


@pytest.mark.parametrize(
    ("said", "number"),
    [
        ("13800001234", "13800001234"),
        ("138 0000 1234", "13800001234"),
        ("+86 138-0000-1234", "13800001234"),
        ("手机：13800001234", "13800001234"),
        ("０６３２－１２３４５６７", "06321234567"),
        ("1", ""),
        ("不留", ""),
    ],
)
def test_a_telephone_in_any_spelling(talk: Talk, said: str, number: str) -> None:
    assert reads(PHONE, said, talk) == number


@pytest.mark.parametrize("said", ["你猜", "12", "138000012341380000123", "微信同号"])
def test_what_is_no_telephone_is_asked_again(talk: Talk, said: str) -> None:
    assert reads(PHONE, said, talk) == "unclear: phone"


@pytest.mark.parametrize("question", [TIMES, MODE, ABOUT, PHONE])
def test_a_voice_is_no_answer(talk: Talk, question: Question[Any]) -> None:
    assert question.read(MEDIA, [], talk) == Unclear("media")


def test_an_answer_keeps_its_form() -> None:
    assert TIMES.from_json({"option": "none"}).option == "none"
    assert TIMES.from_json({"wish": {"soonest": True}}).wish == {"soonest": True}
