"""Reading what people type: numbers in every spelling, picks, words, and the words that call for help."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.dialogue.reading import chinese_number, folded, match, pick, picks, plain, whole_number
from handlers.dialogue.safety import Safety, is_number, look

QUICK = settings(max_examples=200, derandomize=True, deadline=None, database=None)
AREAS = [["学习"], ["生活"], ["交往", "人际"], ["家庭"], ["情感", "感情"]]
REVIEW = [["发送", "发", "好", "可以"], ["再改改", "改", "修改"]]


@pytest.mark.parametrize(
    "said",
    [
        *["2", "２", "2、", "2.", "（2）", " 2", "\n2\n", "二", "②", "02", "2\ufe0f\u20e3", " " * 40 + "2", "\u200b2"],
        *["选2", "选 2", "我选2", "第二个", "第2项", "2号", "2吧", "回复2", "要2", "打开 2"],
    ],
)
def test_an_option_is_picked_in_every_spelling(said: str) -> None:
    assert pick(said, 5) == 1


@pytest.mark.parametrize(
    "said", ["", " ", "0", "6", "六", "-", "2.5", "12", "1 2", "学习", "😀", "第", "选", "²³", "20000", "x" * 500]
)
def test_what_is_no_number_of_an_option_picks_nothing(said: str) -> None:
    assert pick(said, 5) is None


@pytest.mark.parametrize("said", ["一个", "两个", "两位", "1个", "一个人", "三人"])
def test_a_count_is_no_pick(said: str) -> None:
    assert pick(said, 5) is None


@pytest.mark.parametrize(
    ("said", "number"),
    [
        *[("零", 0), ("〇", 0), ("一", 1), ("两", 2), ("二零", 20)],
        *[("十", 10), ("十二", 12), ("二十", 20), ("四十一", 41), ("一百", 100), ("一百零二", 102), ("一百一十", 110)],
        *[("一百二", 120), ("三百五", 350), ("一千", 1000), ("一千零三", 1003)],
    ],
)
def test_chinese_numbers_are_read(said: str, number: int) -> None:
    assert chinese_number(said) == number


@pytest.mark.parametrize("said", ["", "好", "两三", "三四", "百两三", "人", "十十", "一百百", "五百千", "一十百"])
def test_an_about_or_no_number_is_none(said: str) -> None:
    assert chinese_number(said) is None


@pytest.mark.parametrize(
    ("said", "number"),
    [
        *[("41", 41), ("４１", 41), (" 41人", 41), ("41.", 41), ("共41人", 41), ("41\n", 41), ("有 3 位", 3)],
        *[("四十一", 41), ("四十一个", 41), ("0人", 0), ("二十位", 20), ("100000", 100_000)],
    ],
)
def test_a_whole_number_is_read(said: str, number: int) -> None:
    assert whole_number(said) == number


@pytest.mark.parametrize(
    "said",
    [
        *["", "😀", "没有", "不是3", "两三个", "大概有三个吧我也不太确定"],
        *["3.5", "三点五", "1/2", "3到4", "-3", "－3", "1234567", "3" * 400],
    ],
)
def test_what_is_not_one_whole_number_is_none(said: str) -> None:
    assert whole_number(said) is None


@pytest.mark.parametrize(
    "said",
    ["学习和家庭", "学习 家庭", "学习，家庭。", "1 4", "1，4", "14", "41", "１、４", "4和1", "1+4", "一、四", "1\n4"],
)
def test_several_are_named_together(said: str) -> None:
    assert picks(said, AREAS) == [0, 3]


@pytest.mark.parametrize("said", ["都有", "全部", "12345", "都是。"])
def test_all_are_named_in_one_word(said: str) -> None:
    assert picks(said, AREAS) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("said", ["", "，", "没有", "1 9", "19", "学习和天气", "0", "1-3", "不是学习", "😀"])
def test_one_unclear_part_makes_all_unclear(said: str) -> None:
    assert picks(said, AREAS) is None


@pytest.mark.parametrize(
    ("said", "at"),
    [("发送", 0), ("发送。", 0), ("发", 0), ("好的，发送吧", 0), ("再改改", 1), ("我要修改", 1), ("再 改 改", 1)],
)
def test_a_label_or_its_synonym_is_matched(said: str, at: int) -> None:
    assert match(said, REVIEW) == at


@pytest.mark.parametrize("said", ["", "不用发送", "先别发送", "还没修改", "发送还是修改", "嗯", "发送" * 20])
def test_a_denied_or_doubled_label_matches_nothing(said: str) -> None:
    assert match(said, REVIEW) is None


def test_one_spelling_for_all_widths_and_marks() -> None:
    assert plain(" ＡＢc，　「一二」 –—- 3️⃣") == "abc一二3"
    assert folded("　１２　") == "12"


@given(st.text(max_size=60))
@QUICK
def test_any_text_is_read_without_an_error(text: str) -> None:
    at = pick(text, 5)
    match(text, AREAS)
    many = picks(text, AREAS)
    number = whole_number(text)

    assert at is None or 0 <= at < 5
    assert many is None or many == sorted(set(many)) != []
    assert number is None or 0 <= number < 1_000_000


@given(st.integers(0, 9999))
@QUICK
def test_every_number_is_read_as_it_is_written(number: int) -> None:
    assert whole_number(f" {number} 人") == number
    assert chinese_number(in_chinese(number)) == number


def in_chinese(number: int) -> str:
    """The full spelling: 102 → 一百零二."""
    digits = "零一二三四五六七八九"
    spelled, gap = "", False
    for unit, name in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit = number // unit % 10
        if digit:
            spelled += ("零" if gap and spelled else "") + digits[digit] + name
        gap = not digit
    return spelled or "零"


@pytest.mark.parametrize("said", ["0", " 0 ", "０", "0。", "紧急", "紧急！", "110", "１２０", "SOS", "sos"])
def test_a_call_for_help_is_the_whole_message(said: str) -> None:
    assert look(said) is Safety.CALL


@pytest.mark.parametrize(
    "said",
    ["救命", "我不想活了", "他说想自杀", "不 想 活", "自，杀", "救\u200b命", "好" * 5000 + "不想活" + "好" * 5000],
)
def test_a_safety_word_counts_anywhere(said: str) -> None:
    assert look(said) is Safety.WORDS


@pytest.mark.parametrize(
    "said", ["", "1", "00", "10", "1100", "报警", "不紧急", "紧急的事我会说", "周报", "😀", "好" * 10_000]
)
def test_everything_else_calls_nobody(said: str) -> None:
    assert look(said) is Safety.NO


@pytest.mark.parametrize(("said", "numeric"), [("0", True), ("１１０", True), ("紧急", False), ("", False)])
def test_some_calls_are_numbers(said: str, numeric: bool) -> None:  # noqa: FBT001 — a table's column
    assert is_number(said) is numeric
