"""Numbers as they stand in words about time, in either writing."""

import re
from collections.abc import Callable

from handlers.dialogue.reading import chinese_number
from handlers.when.clues import Word

Found = re.Match[str]
Reader = Callable[[Found], list[Word]]

DOW = "[一二三四五六日天1-7]"
ONE_TO_NINE = "[一二三四五六七八九]"
DAY_NUMBER = rf"(?:3[01]|[12]\d|0?[1-9]|三十一?|[二廿]十?{ONE_TO_NINE}|二十|廿|十{ONE_TO_NINE}?|{ONE_TO_NINE})"
MONTH_NUMBER = "(?:1[0-2]|0?[1-9]|十[一二]?|[一二三四五六七八九])"
HOUR = r"(?:\d{1,2}|二十[一二三四五]?|十[一二三四五六七八九]?|[零〇一二两俩三四五六七八九])"
PARTS_SAID = ("早上", "上午", "中午", "下午", "傍晚", "晚上", "凌晨")
COUNT = r"(?:\d{1,3}|[一二两俩三四五六七八九十百]{1,4})"
TO = r"(?:到|至|-+|—+|–|~)"
_SPELT = {"廿": "二十", "初": ""}


def number(said: str) -> int:
    """A small number in either writing, 「廿一」 included."""
    if said.isdecimal():
        return int(said)
    for strange, plain in _SPELT.items():
        said = said.replace(strange, plain)
    return chinese_number(said.replace("十十", "十")) or 0
