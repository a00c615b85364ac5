"""Words about the time of day and lessons, and the clue each gives. The text is in plain spelling."""

import re

from handlers.when.clues import BigBreak, Clock, Later, Lessons, Mark, Part, Unclear, Word
from handlers.when.meaning import Why
from handlers.when.numbers_said import HOUR, PARTS_SAID, TO, Found, Reader, number

_MINUTES = r"(?:[零〇][一二三四五六七八九]|[二三四五]?十[一二三四五六七八九]?|\d{2})"
_PART = f"(?:{'|'.join(PARTS_SAID)})"
# 「有一点」「早一点」「一点也不」 are no hours.
_NO_LITTLE = r"(?!(?<=[有早晚快慢好差多少近远大小了轻高低])[一1]点(?![半\d一二三四五六七八九十钟零]))"
_A_LITTLE = r"[一1]点(?:[也都儿没不点事想难累烦小怕压]|东西|建议)"
_NUMBERS = "一二三四五六七八九十"
_PAIRS = "一两|一二|两三|二三|三四|四五|五六|六七|七八|八九|九十|十十一|(?<!\\d)(?:34|45|56|67|78|89)"
_HALF, _QUARTER = 30, 15

_PM = {"pm": True, "p": True, "am": False, "a": False}


def _minutes(said: str | None) -> int | None:
    """「半」「一刻」「零五」「20分」 → minutes; None when there are no such minutes."""
    if not said:
        return 0
    said = said.removesuffix("钟").removesuffix("分").removeprefix("过")
    if said in {"整", ""}:
        return 0
    known = {"半": _HALF, "一刻": _QUARTER, "三刻": 3 * _QUARTER, "1刻": _QUARTER, "3刻": 3 * _QUARTER}
    if said in known:
        return known[said]
    return number(said.lstrip("零〇")) if said.strip("零〇") else 0


def _spoken(found: Found) -> list[Word]:
    """「三点半」「三点一刻」「两点四十」「三点差五分」; 「四点两个字」 counts in fives, as in Cantonese."""
    hour = number(found["h"].replace("俩", "两")) if found["h"].strip("零〇") else 0
    if found["less"]:
        return [_less(hour, _minutes(found["less"]) or 0)]
    exact = hour > 12 or not hour or (found["h"].startswith("0") and len(found["h"]) > 1)  # noqa: PLR2004
    minute = number(found["fives"] or found["five"]) * 5 if found["fives"] or found["five"] else _minutes(found["m"])
    return [Clock(hour, minute or 0, exact=exact)]


def _less(hour: int, minutes: int) -> Clock:
    """「差五分三点」."""
    return Clock((hour - 1) % 24, 60 - minutes, exact=hour > 13) if minutes else Clock(hour)  # noqa: PLR2004


def _less_first(found: Found) -> list[Word]:
    return [_less(number(found["h"]), _minutes(found["less"]) or 0)]


def _digital(found: Found) -> list[Word]:
    """「15:30」「3:30pm」."""
    hour, minute, half = int(found["h"]), int(found["m"] or 0), found["half"] or found["half_first"]
    if half is None:
        return [Clock(hour, minute, exact=hour > 12 or found["h"].startswith("0"))]  # noqa: PLR2004
    if _PM[half] and hour < 12:  # noqa: PLR2004
        hour += 12
    return [Clock(hour, minute, exact=True)]


def _english(found: Found) -> list[Word]:
    hour, half = int(found["h"] or found["h2"]), found["half"] or found["half2"]
    return [Clock(hour + 12 if _PM[half] and hour < 12 else hour, exact=True)]  # noqa: PLR2004


def _two_hours(found: Found) -> list[Word]:
    """「三四点」."""
    first = number(found["two"][0])
    return [Clock(first, until=first + 1)]


def _first_of_range(found: Found) -> list[Word]:
    """The 「3」 of 「3-5点」."""
    hour = number(found["h"])
    return [Clock(hour, _minutes(found["m"]) or 0, exact=hour > 12)]  # noqa: PLR2004


def _bare(found: Found) -> list[Word]:
    """The 「3」 of 「下午3」, with or without a half."""
    hour = number(found["h"])
    return [Clock(hour, _HALF if found["m"] else 0, exact=hour > 12)]  # noqa: PLR2004


def _hours_of_part(found: Found) -> list[Word]:
    """「下午2-4」."""
    first = Clock(number(found["h"]), _HALF if found["m"] else 0)
    return [first, Mark.RANGE, Clock(number(found["h2"]), _HALF if found["m2"] else 0)]


def lesson_numbers(said: str) -> list[int]:
    """「三四」 「34」 「3-4」 「910」 → the lessons; 「12」 is the first two, 「10」 and 「11」 are one."""
    parts = [part for part in re.split(r"[、,~\-–到至和跟与/.第节]+", said) if part]
    if len(parts) > 1:
        return [number(part) for part in parts]
    only = parts[0]
    if only.isdecimal():
        return _packed_lessons(only)
    if "十" in only:
        head, _, tail = only.partition("十")
        if head == "九" and not tail:
            return [9, 10]
        return [number(only)]
    return [number(c) for c in only]


def _packed_lessons(digits: str) -> list[int]:
    """「34」 → 3, 4; 「910」 → 9, 10; 「1112」 → 11, 12; 「10」 → 10."""
    if len(digits) == 1 or digits in {"10", "11"}:
        return [int(digits)]
    if len(digits) == 3:  # noqa: PLR2004
        return [int(digits[0]), int(digits[1:])] if digits == "910" else [int(c) for c in digits]
    if len(digits) == 4 and digits[0] == "1" and int(digits[2:]) == int(digits[:2]) + 1:  # noqa: PLR2004
        return [int(digits[:2]), int(digits[2:])]
    return [int(c) for c in digits]


def _lessons(found: Found) -> list[Word]:
    numbers = lesson_numbers(found["n"])
    if not numbers:
        return []
    if 0 in numbers:
        return [Unclear(Why.IMPOSSIBLE, spoils=True)]
    ranged = len(numbers) == 2 and re.search(rf"{TO}", found["n"]) is not None  # noqa: PLR2004
    if not ranged and numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        return [Unclear(Why.SEVERAL, spoils=True)]
    if numbers[-1] < numbers[0]:
        return [Unclear(Why.IMPOSSIBLE, spoils=True)]
    first, last = numbers[0], numbers[-1]
    if found["big"]:
        first, last = 2 * first - 1, 2 * last
    return [Lessons(first, last, after=bool(found["done"] or found["after"]))]


def _counted_lessons(found: Found) -> list[Word]:
    n = number(found["n"] or "两")
    if found["after"]:
        return [Lessons(n, n, after=True, counted=True)]
    return [Lessons(1, n, counted=True)] if found["way"] == "前" else [Lessons(-n, -1, counted=True)]


def _last_lesson(found: Found) -> list[Word]:
    return [Lessons(-1, -1, after=bool(found["after"]), counted=True)]


_LESSON_AFTER = r"(?P<after>课?(?:上完|结束|完了?|下了?课?)?(?:之|以)?后|下课|课?上完|课?结束|课完)"
_LESSON_LIST = rf"(?:\d{{1,4}}|[{_NUMBERS}]{{1,4}})(?:节?课?[、,~\-–到至和跟与/.]第?(?:\d{{1,2}}|[{_NUMBERS}]{{1,2}}))*"
_LESSON_END = r"节(?![日目约奏省假气能])课?"

# 「三点半」, 「两点四十」, 「三点差五分」.
_SPOKEN = (
    rf"{_NO_LITTLE}(?!{_A_LITTLE})(?P<h>{HOUR})(?:点钟?|时(?![间候长不]))"
    r"(?:差(?P<less>[一二三四五六七八九十\d]{1,3}[分刻])钟?"
    rf"|过?(?P<m>半|[一三13]刻|整|{_MINUTES}分?|[一二三四五六七八九\d]分)|(?P<fives>[一二两三四五六七八九十\d]{{1,2}})个字|搭(?P<five>[一二三四五六七八九十\d]))?钟?"
)
# The 「3」 of 「下午3」 and 「晚8」; the one of 「下午3-4节」 is a lesson's.
_BARE = (
    rf"(?:(?<=早上|上午|中午|下午|傍晚|晚上)|(?<=[早晚])(?<![太更最])|(?<=周[一二三四五六日天]))(?P<h>{HOUR})(?P<m>半)?"
    rf"(?=$|[,吧吗的呢到至~行可有左以之或和下课前后大-]|半)(?!\.|\d|[到至~、和或-]第?{HOUR}[节号日])"
)
# The 「晚」 of 「周三晚」 and of 「晚8点」.
_SHORT_PART = (
    r"(?:(?<=[天日号一二三四五六1-7])(?P<part>早|晚)(?![上点些一])"
    rf"|(?P<part2>早|晚)(?={HOUR}(?:点|:|半|$|[,吧吗的呢到可行有下课之以前后左大])))"
)

# 「刷手机刷到三点」 tells of the night before.
_STORY = rf"(?:[刷熬玩学写忙打看追哭疼]|加班|失眠|睡|醒)到(?:了|凌晨|半夜|晚上|早上|中午)*{HOUR}点(?:半|多|钟)*"

HOURS: dict[str, tuple[str, Reader]] = {
    "story": (_STORY, lambda _: [Mark.STOP]),
    "big_break": (r"(?<!下午)(?<!下午的)大课间", lambda _: [BigBreak()]),
    "break": (
        rf"课间|(?<=课)间|下课(?!后?{HOUR}[点:])[后时]?|没课的时候|大课间",
        lambda _: [Unclear(Why.VAGUE, spoils=True)],
    ),
    "lessons": (
        rf"(?P<done>上完|下了|上过)?(?:第(?P<n>{_LESSON_LIST})(?P<big>大)?{_LESSON_END})的?{_LESSON_AFTER}?",
        _lessons,
    ),
    "bare_lessons": (
        rf"(?<![\d两几多.:])(?P<done>上完|下了)?(?P<n>(?!1节课|一节课){_LESSON_LIST})(?P<big>大)?{_LESSON_END}{_LESSON_AFTER}?",
        _lessons,
    ),
    "counted_lessons": (
        rf"(?P<way>前|后)(?P<n>[两二三2-4])节课?(?!后)|(?<=[上下]午)的?前?两节课?{_LESSON_AFTER}",
        _counted_lessons,
    ),
    "last_lesson": (rf"最后一节课?{_LESSON_AFTER}?", _last_lesson),
    "less_first": (rf"差(?P<less>[一二三四五六七八九十\d]{{1,3}}[分刻]钟?)(?:就|到)?(?P<h>{HOUR})点钟?", _less_first),
    "digital": (
        r"(?<![\d:])(?P<half_first>[ap]m)?(?P<h>[01]?\d|2\d)(?::|点)(?P<m>[0-5]\d)(?:[:分][0-5]\d)?(?!\d)分?\s?(?P<half>[ap]m?(?![a-z]))?",
        _digital,
    ),
    "english": (
        r"(?<![\d:])(?P<h>1[0-2]|\d)点?\s?(?P<half>[ap]m)(?![a-z])|(?P<half2>[ap]m)\s?(?P<h2>1[0-2]|\d)(?![\d:])",
        _english,
    ),
    "two_hours": (rf"{_NO_LITTLE}(?P<two>{_PAIRS})点(?!半|\d)", _two_hours),
    "some_o_clock": (rf"{_NO_LITTLE}{HOUR}点(?:多|来钟|出头)", lambda _: [Unclear(Why.VAGUE, spoils=True)]),
    "no_minutes": (rf"{HOUR}(?:点|:)(?:[6-9]\d|[六七八九]十)", lambda _: [Unclear(Why.IMPOSSIBLE, spoils=True)]),
    "spoken": (_SPOKEN, _spoken),
    "first_of_range": (
        rf"(?<![\d.:周第月])(?P<h>{HOUR})(?P<m>半)?(?={TO}{HOUR}(?:点|时|:))",
        _first_of_range,
    ),
    "hours_of_part": (
        rf"(?:(?<=早上|上午|中午|下午|傍晚|晚上))(?P<h>{HOUR})(?P<m>半)?{TO}(?P<h2>{HOUR})(?P<m2>半)?(?=$|[,吧吗呢行可有都之左中就])",
        _hours_of_part,
    ),
    "bare": (_BARE, _bare),
    "bare_end": (rf"(?<=[点半][到至~-])(?P<h>{HOUR})(?P<m>半)?(?=$|[,吧吗的呢行可有之])", _bare),
    "part": (_PART, lambda it: [Part(it[0])]),
    "short_part": (
        _SHORT_PART,
        lambda it: [Part.EARLY if (it["part"] or it["part2"]) == "早" else Part.EVENING],
    ),
    "now": (r"现在|此刻|此时|这会儿|这个点", lambda _: [Later(0)]),
}
