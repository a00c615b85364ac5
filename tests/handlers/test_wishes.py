"""What else a message asks for: haste, mode, topic, counselor. What is refused is no wish."""

from datetime import datetime

import pytest

from handlers.when import Mode, Topic, Wish, read_wish
from tests.when_corpus import read_corpus, wished

NOW = datetime(2026, 11, 26, 20, 15)  # noqa: DTZ001 — local
WHO = [("w1", "王静"), ("l1", "李敏"), ("z1", "张伟"), ("z2", "张悦"), ("zh", "周岚"), ("oy", "欧阳雪")]


def read(text: str) -> Wish:
    return read_wish(text, now=NOW, counselors=WHO)


@pytest.mark.parametrize(("part", "floor"), [("own", 0.97), ("seen", 0.97), ("blind", 0.90)])
def test_wishes_are_read_as_they_were_meant(part: str, floor: float) -> None:
    corpus = read_corpus()
    rows = corpus.part(part)

    right = sum(wished(corpus.read(row)) == set(row.wish.split()) for row in rows)

    assert right / len(rows) >= floor


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        *[
            ("面对面", Mode.IN_PERSON),
            ("想当面聊", Mode.IN_PERSON),
            ("去办公室", Mode.IN_PERSON),
            ("线下", Mode.IN_PERSON),
        ],
        *[("打电话可以吗", Mode.PHONE), ("電話", Mode.PHONE), ("视频", Mode.ONLINE), ("腾讯会议", Mode.ONLINE)],
        *[("微信语音", Mode.ONLINE), ("不要电话，视频吧", Mode.ONLINE), ("电话不行，当面可以", Mode.IN_PERSON)],
        *[
            ("不要电话", None),
            ("别打电话", None),
            ("除了视频都行", None),
            ("电话或者视频都行", None),
            ("我的电话是13812345678", None),
        ],
    ],
)
def test_how_to_talk(text: str, mode: Mode | None) -> None:
    assert read(text).mode == mode


@pytest.mark.parametrize(
    ("text", "counselor"),
    [
        *[
            ("王老师", "w1"),
            ("小王老师", "w1"),
            ("王静", "w1"),
            ("王静老师周五下午", "w1"),
            ("欧阳老师", "oy"),
            ("张悦老师", "z2"),
        ],
        *[
            ("找周老师", "zh"),
            ("下周老师有空吗", None),
            ("别约王老师", None),
            ("不要王老师，李老师吧", "l1"),
            ("随便哪个老师", None),
        ],
    ],
)
def test_with_whom(text: str, counselor: str | None) -> None:
    assert read(text).counselor == counselor


def test_a_name_that_fits_two_is_asked_about() -> None:
    assert read("张老师").counselors == ("z1", "z2")


def test_a_name_that_fits_nobody_is_told() -> None:
    assert read("想约陈老师").unknown_counselor == "陈老师"


@pytest.mark.parametrize(
    ("text", "same"),
    [("还是上次的老师", True), ("上回那位老师", True), ("不要上次那个老师", False), ("换个老师", False)],
)
def test_the_counselor_of_last_time(text: str, same: bool) -> None:  # noqa: FBT001
    assert read(text).same_counselor is same


@pytest.mark.parametrize(
    ("text", "soonest"),
    [
        *[
            ("随便", True),
            ("都行", True),
            ("越快越好", True),
            ("最早的", True),
            ("哪天都行", True),
            ("明天，越快越好", True),
        ],
        *[
            ("周五都行", False),
            ("老师都行", False),
            ("不着急", False),
            ("除了周三都行", False),
            ("线上线下都行", False),
        ],
    ],
)
def test_how_soon(text: str, soonest: bool) -> None:  # noqa: FBT001
    assert read(text).soonest is soonest


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        *[
            ("学习压力大", Topic.STUDY),
            ("跟室友吵架了", Topic.RELATIONS),
            ("失恋了", Topic.LOVE),
            ("失眠", Topic.SLEEP),
        ],
        *[("家里的事", Topic.FAMILY), ("找工作", Topic.WORK), ("适应不了", Topic.LIFE), ("很焦虑", Topic.MOOD)],
        *[("说不清", Topic.UNSURE), ("麻烦老师了", None), ("周三考试，周四可以", None)],
    ],
)
def test_about_what(text: str, topic: Topic | None) -> None:
    assert read(text).topic == topic


def test_several_answers_in_one_message_are_all_taken() -> None:
    found = read("小王老师，下周三下午第一节，面谈，睡眠，越快越好")

    assert str(found.time) == "2026-12-02T14:00/2026-12-02T14:45"
    assert (found.counselor, found.mode, found.topic) == ("w1", Mode.IN_PERSON, Topic.SLEEP)
    assert found.soonest
