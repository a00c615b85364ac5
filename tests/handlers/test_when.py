"""Times as students say them: the corpus, and laws that hold for any sentence."""

import statistics
import time
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.when import Doubt, Lesson, Shape, TermDays, When, Why, read_when
from tests.when_corpus import Row, printed, read_corpus, score

QUICK = settings(max_examples=200, derandomize=True, deadline=None, database=None)
NOW = datetime(2026, 11, 26, 20, 15)  # noqa: DTZ001 — local, as a school's clock on the wall
CORPUS = read_corpus()
SAID = sorted({c for row in CORPUS.rows for c in row.text})
MEANT = [row for row in CORPUS.part("own") if row.meaning]
moments = st.datetimes(datetime(2024, 1, 1), datetime(2035, 1, 1))  # noqa: DTZ001


def read(text: str, at: datetime = NOW) -> str:
    found = read_when(text, now=at)
    return str(found) if isinstance(found, When) else ""


def doubt(text: str, at: datetime = NOW) -> Doubt:
    found = read_when(text, now=at)
    assert isinstance(found, Doubt)
    return found


def test_the_corpus_is_large_and_a_third_of_it_was_written_by_somebody_else() -> None:
    own, others = CORPUS.part("own"), [*CORPUS.part("seen"), *CORPUS.part("blind")]

    assert len(own) >= 400
    assert len(others) >= len([*own, *others]) / 3
    assert 0.1 <= sum(not row.meaning for row in own) / len(own) <= 0.25


@pytest.mark.parametrize(
    ("part", "exact", "wrong_day"), [("own", 0.97, 0.01), ("seen", 0.97, 0.01), ("blind", 0.90, 0.03)]
)
def test_times_are_read_as_they_were_meant(part: str, exact: float, wrong_day: float) -> None:
    found = score(CORPUS.part(part), lambda row: printed(CORPUS.read(row)))

    assert found.exact >= exact
    assert found.wrong_day <= wrong_day


def test_a_sentence_is_read_within_a_millisecond() -> None:
    spent = []
    for row in CORPUS.rows:
        began = time.perf_counter()
        CORPUS.read(row)
        spent.append(time.perf_counter() - began)

    assert statistics.median(spent) < 0.001


@QUICK
@given(st.text() | st.text(alphabet=st.sampled_from(SAID), max_size=40), moments)
def test_no_text_makes_it_stumble_and_no_span_ends_before_it_begins(text: str, at: datetime) -> None:
    found = read_when(text, now=at, terms=(CORPUS.term,))

    times = (found,) if isinstance(found, When) else found.candidates if isinstance(found, Doubt) else ()
    assert all(it.start < it.end or it.shape is Shape.MOMENT for it in times)
    assert all(it.start == it.end for it in times if it.shape is Shape.MOMENT)


@pytest.mark.parametrize(
    "text", ["一" * 600, "周三四" * 200, "上" * 600, "3点" * 300, "12.5-" * 150, "\x00", "²³点", "周\ufe0f三"]
)
def test_nothing_that_is_typed_takes_long(text: str) -> None:
    began = time.perf_counter()

    read_when(text, now=NOW)

    assert time.perf_counter() - began < 1


@QUICK
@given(
    st.sampled_from([("上", -1), ("这", 0), ("本", 0), ("下", 1), ("下个", 1), ("下下", 2)]),
    st.sampled_from(["周", "星期", "礼拜", "週", "禮拜"]),
    st.sampled_from([*enumerate("一二三四五六日"), *enumerate("1234567"), (6, "天")]),
    moments,
)
def test_a_day_lies_in_the_week_it_names(
    which: tuple[str, int], week: str, weekday: tuple[int, str], at: datetime
) -> None:
    found = read_when(f"{which[0]}{week}{weekday[1]}", now=at)

    monday = at.date() - timedelta(days=at.weekday()) + timedelta(weeks=which[1])
    assert found == When.day(monday + timedelta(days=weekday[0]))


@QUICK
@given(st.sampled_from(list(enumerate("一二三四五六日"))), moments)
def test_a_weekday_alone_is_the_next_one_today_included(weekday: tuple[int, str], at: datetime) -> None:
    found = read_when(f"周{weekday[1]}", now=at)

    assert isinstance(found, When)
    assert found.first_day.weekday() == weekday[0]
    assert timedelta(0) <= found.first_day - at.date() < timedelta(weeks=1)


@QUICK
@given(st.dates(date(2024, 1, 1), date(2034, 1, 1)), moments)
def test_a_full_date_is_that_date_whenever_it_is_said(day: date, at: datetime) -> None:
    for text in (f"{day.year}年{day.month}月{day.day}日", f"{day.isoformat()}", f"{day.year}.{day.month}.{day.day}"):
        assert read_when(text, now=at) == When.day(day)


@QUICK
@given(st.integers(1, 18), st.sampled_from(list(enumerate("一二三四五六日"))))
def test_a_week_of_the_term_counts_from_the_monday_of_its_first_day(week: int, weekday: tuple[int, str]) -> None:
    term = TermDays(date(2026, 9, 9), date(2027, 1, 17))

    found = read_when(f"第{week}周周{weekday[1]}", now=NOW, terms=(term,))

    assert found == When.day(date(2026, 9, 7) + timedelta(weeks=week - 1, days=weekday[0]))


FILLERS = [
    "老师好，{}",
    "{}吧",
    "{}可以吗？",
    "请问{}有空吗",
    "{}，谢谢老师",
    "  {} ",
    "嗯嗯{}",
    "想约{}",
    "{}😀",
    "老师您好，我想约{}，麻烦您了！",
]


@QUICK
@given(st.sampled_from([row for row in MEANT if len(row.text) <= 12]), st.sampled_from(FILLERS))
def test_politeness_changes_nothing(row: Row, filler: str) -> None:
    found = read_when(filler.format(row.text), now=row.reference, terms=(CORPUS.term,))

    assert str(found) == row.meaning


@pytest.mark.parametrize(
    ("text", "why", "candidates"),
    [
        ("周三11月26号", Why.CONTRADICTORY, ["2026-11-26", "2026-12-02"]),
        ("12月5号周五", Why.CONTRADICTORY, ["2026-12-05", "2026-11-27"]),
        ("2月30号", Why.IMPOSSIBLE, []),
        ("25点", Why.IMPOSSIBLE, []),
        ("周一或者周四", Why.SEVERAL, ["2026-11-30", "2026-11-26"]),
        ("明天七点", Why.SEVERAL, ["2026-11-27T07:00", "2026-11-27T19:00"]),
        ("11.30", Why.SEVERAL, ["2026-11-30", "2026-11-27T11:30"]),
        ("每周三", Why.SEVERAL, ["2026-12-02"]),
        ("这周末下午", Why.VAGUE, ["2026-11-28T12:00/2026-11-28T18:00", "2026-11-29T12:00/2026-11-29T18:00"]),
        ("周三以后", Why.VAGUE, ["2026-12-03/2026-12-06"]),
        ("过几天", Why.VAGUE, []),
        ("周三不行", Why.REFUSED, []),
        ("第8周周三", Why.NO_TERM, []),
    ],
)
def test_a_doubt_says_why_and_what_may_be_offered(text: str, why: Why, candidates: list[str]) -> None:
    found = doubt(text)

    assert (found.why, [str(it) for it in found.candidates]) == (why, candidates)


@pytest.mark.parametrize(
    "text", ["", "你好", "我有一点难过", "想约王老师", "我是2024级的", "13812345678", "3号楼", "一次就好", "随便"]
)
def test_where_no_time_is_named_there_is_none(text: str) -> None:
    assert read_when(text, now=NOW) is None


@QUICK
@given(st.dates(date(2001, 1, 1), date(2058, 12, 31)))
def test_new_year_s_eve_is_the_day_before_spring_festival_in_winter(day: date) -> None:
    at = datetime(day.year, day.month, day.day, 8)  # noqa: DTZ001

    eve = read_when("除夕", now=at)
    spring = read_when("正月初一", now=eve.start if isinstance(eve, When) else at)

    assert isinstance(eve, When)
    assert isinstance(spring, When)
    assert eve.end == spring.start
    assert (1, 20) <= (eve.first_day.month, eve.first_day.day) <= (2, 20)


def test_a_lunar_day_that_is_not_is_asked_about() -> None:
    assert doubt("腊月三十").why is Why.IMPOSSIBLE
    assert doubt("农历2077年八月十五").why in {Why.IMPOSSIBLE, Why.VAGUE}


def test_half_past_three_said_at_noon_is_this_afternoon() -> None:
    assert read("3点半", NOW.replace(hour=12)) == "2026-11-26T15:30"


def test_the_school_s_own_lessons_count() -> None:
    times = [((8, 30), (10, 0)), ((10, 20), (11, 50)), ((14, 30), (16, 0)), ((16, 10), (17, 40)), ((19, 0), (20, 30))]
    periods = [
        Lesson(NOW.replace(hour=a[0], minute=a[1]).time(), NOW.replace(hour=b[0], minute=b[1]).time()) for a, b in times
    ]

    found = [
        str(read_when(text, now=NOW, periods=periods))
        for text in ("明天第二节", "明天下午第一节", "明天晚上第一节", "明天第三节课后")
    ]

    assert found == [
        *("2026-11-27T10:20/2026-11-27T11:50", "2026-11-27T14:30/2026-11-27T16:00"),
        *("2026-11-27T19:00/2026-11-27T20:30", "2026-11-27T16:00"),
    ]
    assert isinstance(read_when("明天第八节", now=NOW, periods=periods), Doubt)


def test_an_aware_now_gives_aware_times() -> None:
    zone = ZoneInfo("Asia/Shanghai")

    found = read_when("明天下午三点", now=NOW.replace(tzinfo=zone))

    assert isinstance(found, When)
    assert found.start == datetime(2026, 11, 27, 15, tzinfo=zone)
    assert str(found) == "2026-11-27T15:00"


def test_a_day_ends_as_the_next_begins() -> None:
    found = read_when("周六周日", now=NOW)

    assert isinstance(found, When)
    assert found.shape is Shape.DAYS
    assert (found.first_day, found.last_day) == (date(2026, 11, 28), date(2026, 11, 29))
    assert found.end - found.start == timedelta(days=2)
