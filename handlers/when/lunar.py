"""The lunar calendar, 「农历」, from 2000 to 2059: its days as days of the common one. Outside these years nothing is known."""

from datetime import date, timedelta

_FROM, _NEW_YEAR = 2000, date(2000, 2, 5)
# A year in five hexadecimal digits: whether its leap month is long (30 days, not 29), its twelve months likewise, and
# after which month the leap month comes (0: none). Made with lunardate 0.3.0.
_YEARS = (
    *(0x0C960, 0x0D954, 0x0D4A0, 0x0DA50, 0x07552, 0x056A0, 0x0ABB7, 0x025D0, 0x092D0, 0x0CAB5, 0x0A950, 0x0B4A0),
    *(0x0BAA4, 0x0AD50, 0x055D9, 0x04BA0, 0x0A5B0, 0x15176, 0x052B0, 0x0A930, 0x07954, 0x06AA0, 0x0AD50, 0x05B52),
    *(0x04B60, 0x0A6E6, 0x0A4E0, 0x0D260, 0x0EA65, 0x0D530, 0x05AA0, 0x076A3, 0x096D0, 0x04AFB, 0x04AD0, 0x0A4D0),
    *(0x1D0B6, 0x0D250, 0x0D520, 0x0DD45, 0x0B5A0, 0x056D0, 0x055B2, 0x049B0, 0x0A577, 0x0A4B0, 0x0AA50, 0x1B255),
    *(0x06D20, 0x0ADA0, 0x14B63, 0x09370, 0x049F8, 0x04970, 0x064B0, 0x168A6, 0x0EA50, 0x06AA0, 0x1A6C4, 0x0AAE0),
)
_SHORT = 29


def lunar_day(year: int, month: int, day: int) -> date | None:
    """The day that is that one of a lunar year; None when the month has no such day or the year is not known."""
    if not 0 <= year - _FROM < len(_YEARS) or not 1 <= day <= _month(_YEARS[year - _FROM], month):
        return None
    days = sum(sum(_months(it)) for it in _YEARS[: year - _FROM])
    this = _YEARS[year - _FROM]
    leap_before = this & 15 and (this & 15) < month
    return _NEW_YEAR + timedelta(days=days + sum(_months(this)[: month - 1 + bool(leap_before)]) + day - 1)


def next_lunar_day(month: int, day: int, today: date) -> date | None:
    """The next such day, today included."""
    days = [lunar_day(year, month, day) for year in (today.year - 1, today.year, today.year + 1)]
    return next((it for it in days if it and it >= today), None)


def lunar_day_within(year: int, month: int, day: int) -> date | None:
    """The one that falls in a year of the common calendar: 腊八 of 2027 is that of the lunar year before."""
    days = [lunar_day(it, month, day) for it in (year - 1, year)]
    return next((it for it in days if it and it.year == year), None)


def _month(year: int, month: int) -> int:
    return _SHORT + (year >> (16 - month) & 1)


def _months(year: int) -> list[int]:
    """How long the months of a year are, the leap month in its place."""
    months = [_month(year, month) for month in range(1, 13)]
    if leap := year & 15:
        months.insert(leap, _SHORT + (year >> 16))
    return months
