"""Days that are counted from today: 「后天」, 「三天内」, 「一个月后」, 「下三周」, 「明年」."""

from datetime import date, timedelta

from handlers.when.clues import Day
from handlers.when.now import WEEK, Days, Now, month_on, one_day


def window(said: Day, now: Now) -> Days:
    """「三天内」, 「今明两天」."""
    first, last = said.window or (0, 0)
    return now.today + timedelta(days=first), now.today + timedelta(days=last)


def workdays(said: Day, now: Now) -> Days:
    """「五个工作日内」: holidays are not looked at, they only make it longer."""
    last, left = now.today, said.workdays or 0
    while left:
        last += timedelta(days=1)
        left -= last.weekday() < WEEK - 2
    return now.today, last


def offset(said: Day, now: Now) -> Days:
    """「后天」, 「三天后」."""
    return one_day(now.today + timedelta(days=said.offset or 0))


def months_from_today(said: Day, now: Now) -> Days:
    """「一个月后」, 「一个月内」."""
    day = month_on(now.today, said.counted_months or 0)
    return (now.today, day) if said.until else one_day(day)


def weeks_on(said: Day, now: Now) -> Days:
    """「下三周」."""
    return now.monday(1), now.monday(1 + (said.weeks_on or 0)) - timedelta(days=1)


def year(said: Day, now: Now) -> Days:
    """「明年」."""
    year = said.year or now.today.year + (said.years or 0)
    return date(year, 1, 1), date(year, 12, 31)
