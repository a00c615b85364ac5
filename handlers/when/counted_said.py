"""Stretches of time counted from now: 「三天后」「再过两周」「一个月内」「未来三天」. The text is in plain spelling."""

from handlers.when.clues import Day, Later, Unclear, Word
from handlers.when.meaning import Why
from handlers.when.numbers_said import COUNT, DOW, Found, Reader, number

_A_MONTH, _HALF_A_MONTH = 30, 15
_YEAR = 12
_LONG = {"月": 1, "年": _YEAR}  # in months
_MINUTES = {"小时": 60, "刻钟": 15, "分钟": 1, "分": 1, "钟": 60, "秒": 0, "秒钟": 0}


def _counted(found: Found) -> list[Word]:
    """「三天后」「一个半小时后」「再过两周」; before: the same into the past."""
    unit, sign = found["unit"], -1 if found["way"] and "前" in found["way"] else 1
    said = found["n"]
    n = 0.5 if said == "半" else float(number(said))
    if not n:
        return [Unclear(Why.VAGUE, spoils=True)]  # 「两三天后」
    n += 0.5 if found["half"] or found["half_after"] else 0
    if unit in _MINUTES:
        return [Later(int(sign * n * _MINUTES[unit]))]
    if unit in _LONG and n * _LONG[unit] % 1 == 0:
        return [Day(counted_months=int(sign * n * _LONG[unit]))]
    if unit == "月":
        return [Day(offset=int(sign * (int(n) * _A_MONTH + _HALF_A_MONTH)))]
    if n % 1:
        return [Unclear(Why.VAGUE)]
    return [Day(offset=int(sign * n))] if unit in {"天", "日"} else [Day(counted_weeks=int(sign * n))]


def _moments_on(found: Found) -> list[Word]:
    """「下三分钟」, 「前两小时」."""
    sign = -1 if found["way"] in "上前" else 1
    return [Later(sign * number(found["n"]) * _MINUTES[found["unit"]])]


def _within(found: Found) -> list[Word]:
    """「三天内」, 「两小时之内」, 「一个月内」."""
    unit, n = found["unit"], 0.5 if found["n"] == "半" else number(found["n"])
    if not n:
        return [Unclear(Why.VAGUE, spoils=True)]
    if unit in _MINUTES:
        return [Later(int(n * _MINUTES[unit]), until=True)]
    if unit in _LONG and n * _LONG[unit] >= 1:
        return [Day(counted_months=int(n * _LONG[unit]), until=True)]
    if unit == "工作日":
        return [Day(workdays=int(n))]
    if n < 1:
        return [Day(window=(0, _HALF_A_MONTH))] if unit == "月" else []
    return [Day(window=(0, int(n) * {"天": 1, "日": 1, "周": 7}[unit]))]


def _coming(found: Found) -> list[Word]:
    """「未来三天」 begins tomorrow, 「未来两个月」 and 「未来两小时」 now."""
    n, unit = number(found["n"]), found["unit"]
    if n and unit in _LONG:
        return [Day(counted_months=n * _LONG[unit], until=True)]
    if n and unit in _MINUTES:
        return [Later(n * _MINUTES[unit], until=True)]
    days = n * {"天": 1, "日": 1, "周": 7}.get(unit, 0)
    return [Day(window=(1, days))] if days else [Unclear(Why.VAGUE, spoils=True)]


COUNTED: dict[str, tuple[str, Reader]] = {
    "ahead": (
        rf"(?:再?过)?(?<!\d)(?P<n>{COUNT}|半)个?(?P<half>半)?个?(?P<unit>天|日|周|月|年|小时|刻钟|分钟|分|秒钟?)(?P<half_after>半)?(?P<way>(?:之|以|过)?后|(?:之|以)?前)(?![天面])",
        _counted,
    ),
    "passing": (
        rf"再?过(?P<n>{COUNT}|半)个?(?P<half>半)?个?(?P<unit>天|日|周|月|小时|刻钟|分钟)(?P<half_after>半)?(?P<way>后)?",
        _counted,
    ),
    "within": (rf"这?(?<!个)(?P<n>{COUNT}|半)个?(?P<unit>天|日|周|月|年|小时|分钟|钟|工作日)(?:之|以)?内", _within),
    "moments_on": (rf"(?P<way>[上下前后])(?P<n>{COUNT})个?(?P<unit>小时|分钟|秒钟?)(?![前后])", _moments_on),
    "weeks_on": (rf"下(?P<n>[两二三四五六七八2-8])个?周(?!{DOW}|末)", lambda it: [Day(weeks_on=number(it["n"]))]),
    "coming": (rf"(?:未来|接下来|今后|往后|最近|近)的?(?P<n>{COUNT})个?(?P<unit>天|日|周|月|年|小时|分钟)内?", _coming),
}
