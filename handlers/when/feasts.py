"""The days that have names: fixed ones, lunar ones, solar terms, the second Sunday of May."""

from datetime import date, timedelta

from handlers.when.lunar import lunar_day_within

_FIXED = {
    name: (month, day)
    for (month, day), names in {
        (1, 1): "元旦",
        (2, 14): "情人节",
        (3, 7): "女生节",
        (3, 8): "妇女节 三八 女神节",
        (3, 12): "植树节",
        (3, 15): "消费者权益日",
        (4, 1): "愚人节",
        (5, 1): "劳动节 五一",
        (5, 4): "五四 青年节",
        (5, 12): "护士节",
        (6, 1): "儿童节 六一",
        (7, 1): "建党节",
        (8, 1): "建军节",
        (9, 10): "教师节",
        (10, 1): "国庆 十一",
        (10, 31): "万圣节",
        (11, 11): "光棍节 双十一",
        (12, 12): "双十二",
        (12, 24): "平安夜",
        (12, 25): "圣诞",
        (12, 31): "跨年",
    }.items()
    for name in names.split()
}
_SAME = {"国庆节": "国庆", "元旦节": "元旦", "圣诞节": "圣诞", "五一节": "五一", "农历新年": "春节", "大年初一": "春节"}
_WITH_JIE = "中秋 端午 清明 元宵 重阳 腊八 七夕 中元 五四 三八 六一 双十一 双十二"
_SAME |= {f"{name}节": name for name in _WITH_JIE.split()}
_SAME |= {
    "阳历新年": "元旦",
    "大年三十": "除夕",
    "年三十": "除夕",
    "国际消费者权益日": "消费者权益日",
    "双11": "双十一",
}
_SAME |= {"双12": "双十二", "圣诞夜": "平安夜", "国庆日": "国庆", "国际劳动节": "劳动节"}

_LUNAR = {
    "春节": (1, 1),
    "元宵": (1, 15),
    "端午": (5, 5),
    "七夕": (7, 7),
    "中元": (7, 15),
    "中秋": (8, 15),
    "重阳": (9, 9),
    "腊八": (12, 8),
    "小年": (12, 23),
}
# The solar terms of this century: month, and what the rule of thumb adds to .2422 of the year's last two digits.
_TERMS = {
    name: (month, float(added))
    for month, names in enumerate(
        (
            *("小寒 5.4055 大寒 20.12", "立春 3.87 雨水 18.73", "惊蛰 5.63 春分 20.646", "清明 4.81 谷雨 20.1"),
            *("立夏 5.52 小满 21.04", "芒种 5.678 夏至 21.37", "小暑 7.108 大暑 22.83", "立秋 7.5 处暑 23.13"),
            *("白露 7.646 秋分 23.042", "寒露 8.318 霜降 23.438", "立冬 7.438 小雪 22.36", "大雪 7.18 冬至 21.94"),
        ),
        start=1,
    )
    for name, added in zip(names.split()[::2], names.split()[1::2], strict=True)
}
# Sunday or Thursday of a month: month, weekday, which one.
_FLOATING = {"母亲节": (5, 6, 2), "父亲节": (6, 6, 3), "感恩节": (11, 3, 4)}

_SPRING = 3
HOLIDAY_DAYS = {"国庆": 7, "十一": 7, "五一": 5, "劳动节": 5, "元旦": 3, "春节": 8, "中秋": 3, "端午": 3, "清明": 3}
"""How long 「…假期」 is, from the feast on."""

# 「大雪」 and 「雨水」 are weather first of all, 「小雪」 and 「小满」 people.
WEATHER = ("雨水", "小满", "白露", "小雪", "大雪", "大寒")
NAMES = sorted({*_FIXED, *_SAME, *_LUNAR, *_FLOATING, *_TERMS, "除夕"} - set(WEATHER), key=len, reverse=True)


def feast_day(name: str, year: int) -> date | None:
    """The day of a feast in a year; None when it is not known for that year."""
    name = _SAME.get(name, name)
    if name in _FIXED:
        return date(year, *_FIXED[name])
    if name == "除夕":
        spring = feast_day("春节", year)
        return spring - timedelta(days=1) if spring else None
    if name in _LUNAR:
        return lunar_day_within(year, *_LUNAR[name])
    if name in _FLOATING:
        month, weekday, nth = _FLOATING[name]
        first = date(year, month, 1)
        return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (nth - 1))
    return _solar_term(name, year)


def next_feast(name: str, today: date) -> date | None:
    """The next such day, today included."""
    days = [feast_day(name, year) for year in (today.year, today.year + 1)]
    return next((day for day in days if day and day >= today), None)


def holiday_length(name: str) -> int | None:
    """Days of the holiday that begins with a feast."""
    return HOLIDAY_DAYS.get(_SAME.get(name, name))


def _solar_term(name: str, year: int) -> date:
    """清明, 冬至 and their like by the rule of thumb that holds in this century."""
    short, (month, added) = year % 100, _TERMS[name]
    leap_days = (short - 1) // 4 if month < _SPRING else short // 4
    return date(year, month, int(short * 0.2422 + added) - leap_days)
