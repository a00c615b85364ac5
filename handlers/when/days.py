"""From words about days to days of the calendar. Rules of the calendar only: nothing here looks at the time of day."""

from calendar import monthrange
from collections.abc import Callable
from datetime import date, timedelta

from handlers.when import counted
from handlers.when.clues import Day, Third
from handlers.when.feasts import feast_day, holiday_length, next_feast
from handlers.when.lunar import lunar_day, next_lunar_day
from handlers.when.meaning import Doubt, When, Why
from handlers.when.now import MONTHS, WEEK, Days, Now, month_on, one_day

_HALVES: dict[int | None, tuple[int, int]] = {0: (0, 2), 1: (3, 6)}  # of a week, 「下半周」
_LATELY = 31  # days for which a date with its weekday may lie back
_THIRDS = {Third.EARLY: (1, 10), Third.MIDDLE: (11, 20), Third.LATE: (21, 31)}


def find_days(said: Day, now: Now) -> Days | Doubt:
    """The days that are meant, both in it."""
    try:
        found = _find(said, now)
    except (ValueError, OverflowError):
        return Doubt(Why.IMPOSSIBLE)
    if isinstance(found, Doubt):
        return found
    if said.shift:
        found = (found[0] + timedelta(days=said.shift), found[1] + timedelta(days=said.shift))
    return found


def _find(said: Day, now: Now) -> Days | Doubt:
    if said.next_one:
        return _next_one(said, now)
    if said.shift and said.said() == {"shift"}:
        return Doubt(Why.VAGUE)
    found = _main(said, now)
    if isinstance(found, Doubt) or said.nth is not None:
        return found
    return _checked(said, found, now)


def _main(said: Day, now: Now) -> Days | Doubt:
    """By the word that says most; the others are checked afterwards."""
    names = said.said()
    return next((find for words, find in _FINDERS if words & names), _week)(said, now)


def _feast(said: Day, now: Now) -> Days | Doubt:
    name = str(said.feast)
    holiday = name.endswith("假")
    name = name.removesuffix("假")
    year = said.year or (now.today.year + said.years if said.years is not None else None)
    day = feast_day(name, year) if year else next_feast(name, now.today)
    if day is None:
        return Doubt(Why.VAGUE)
    last = day + timedelta(days=(holiday_length(name) or 1) - 1)
    if said.nth is not None:  # 「国庆假期最后一天」
        return one_day(last) if holiday else Doubt(Why.VAGUE)
    return (day, last) if holiday else one_day(day)


def _lunar(said: Day, now: Now) -> Days | Doubt:
    """「八月初三」."""
    month, day = said.lunar or (0, 0)
    year = said.year or (now.today.year + said.years if said.years is not None else None)
    found = lunar_day(year, month, day) if year else next_lunar_day(month, day, now.today)
    return one_day(found) if found else Doubt(Why.IMPOSSIBLE)


def _dated(said: Day, now: Now) -> Days | Doubt:
    """「12月5号」, 「5号」, 「下个月5号」: the next one to come, unless a year or month says otherwise."""
    today, day = now.today, said.day or 0
    if said.year is not None or said.years is not None:
        year = said.year or today.year + (said.years or 0)
        return one_day(date(year, said.month or today.month, day))
    if said.months is not None:
        first = month_on(today.replace(day=1), said.months)
        return one_day(first.replace(day=day))
    if said.month is not None:
        return _of_next_month(said, date(today.year, said.month, 1), MONTHS, now)
    return _of_next_month(said, today.replace(day=1), 1, now)


def _of_next_month(said: Day, first: date, step: int, now: Now) -> Days | Doubt:
    """The day in this month or the next one that has it. A weekday said with it may point to one just past."""
    day = said.day or 0
    coming = None
    for turn in (0, 1, 2) if step == 1 else (0, 1):
        month = month_on(first, turn * step)
        if day > monthrange(month.year, month.month)[1]:
            continue
        it = month.replace(day=day)
        if it >= now.today:
            coming = it
            break
        if said.weekday == it.weekday() and (now.today - it).days <= _LATELY:
            return one_day(it)
    return one_day(coming) if coming else Doubt(Why.IMPOSSIBLE)


def _month(said: Day, now: Now) -> Days | Doubt:
    """「12月」, 「下个月」, 「月底」, 「12月第二周」."""
    today = now.today
    first = _first_of_month(said, now)
    last = first.replace(day=monthrange(first.year, first.month)[1])
    if said.term_week is not None:
        monday = first + timedelta(days=-first.weekday() % WEEK + WEEK * (said.term_week - 1))
        return (monday, monday + timedelta(days=WEEK - 1)) if monday <= last else Doubt(Why.IMPOSSIBLE)
    if not said.third:
        return first, last
    begin, end = _THIRDS[said.third]
    if said.month is None and said.months is None and first.replace(day=min(end, last.day)) < today:
        first = month_on(first, 1)
        last = first.replace(day=monthrange(first.year, first.month)[1])
    return first.replace(day=begin), first.replace(day=min(end, last.day))


def _first_of_month(said: Day, now: Now) -> date:
    today = now.today
    if said.month is None:
        return month_on(today.replace(day=1), said.months or 0)
    if said.year is not None or said.years is not None:
        return date(said.year or today.year + (said.years or 0), said.month, 1)
    return date(today.year + (said.month < today.month), said.month, 1)


def _nth_weekday(said: Day, now: Now) -> Days | Doubt:
    """「12月的第一个周三」."""
    if said.month is None and said.months is None and not (said.third and said.weekday is None):
        return Doubt(Why.VAGUE)
    first = _first_of_month(said, now)
    last = first.replace(day=monthrange(first.year, first.month)[1])
    if said.weekday is None and not said.weekend:
        return one_day(last)
    nth, weekday = said.nth or 1, WEEK - 2 if said.weekend else said.weekday or 0
    if nth < 0:
        day = last - timedelta(days=(last.weekday() - weekday) % WEEK)
    else:
        day = first + timedelta(days=(weekday - first.weekday()) % WEEK + WEEK * (nth - 1))
    if day > last:
        return Doubt(Why.IMPOSSIBLE)
    return (day, day + timedelta(days=1)) if said.weekend else one_day(day)


def _week(said: Day, now: Now) -> Days | Doubt:
    """「下周」, 「第8周」, 「周三」, 「这周末」."""
    monday = _monday(said, now)
    if isinstance(monday, Doubt):
        return monday
    if said.weekend:
        monday = monday or now.monday()
        return monday + timedelta(days=WEEK - 2), monday + timedelta(days=WEEK - 1)
    if said.weekday is None:
        if said.counted_weeks is not None:
            return one_day(now.today + timedelta(weeks=said.counted_weeks))
        first, last = _HALVES.get(said.half, (0, WEEK - 1))
        monday = monday or now.monday()
        return monday + timedelta(days=first), monday + timedelta(days=last)
    if monday is None:
        return one_day(now.today + timedelta(days=(said.weekday - now.today.weekday()) % WEEK))
    return one_day(monday + timedelta(days=said.weekday))


def _monday(said: Day, now: Now) -> date | Doubt | None:
    if said.term_week is not None:
        return _monday_of_term(said.term_week, now)
    if said.weeks is not None:
        return now.monday(said.weeks)
    return None if said.counted_weeks is None else now.monday(said.counted_weeks)


def _monday_of_term(number: int, now: Now) -> date | Doubt:
    """Monday of a week of the term that runs, or of the next one."""
    coming = sorted((it for it in now.terms if it.last_day >= now.today), key=lambda it: it.first_day)
    if not coming:
        return Doubt(Why.NO_TERM)
    first = coming[0].first_day
    monday = first - timedelta(days=first.weekday()) + timedelta(weeks=number - 1)
    return monday if number and monday <= coming[0].last_day else Doubt(Why.IMPOSSIBLE)


def _next_one(said: Day, now: Now) -> Days | Doubt:
    """「下一个周三」: clear only when this week's is over."""
    coming = now.today + timedelta(days=((said.weekday or 0) - now.today.weekday() - 1) % WEEK + 1)
    next_week = now.monday(1) + timedelta(days=said.weekday or 0)
    if coming == next_week:
        return one_day(coming)
    return Doubt(Why.SEVERAL, (When.day(coming), When.day(next_week)))


def _checked(said: Day, found: Days, now: Now) -> Days | Doubt:
    """Refuse words that contradict each other: 「周三11月26号」 when the 26th is a Thursday."""
    first, last = found
    others = []
    one = first == last
    if said.weekday is not None and (not one or first.weekday() != said.weekday):
        others.append(Day(weekday=said.weekday, weeks=said.weeks))
    if said.weeks is not None and not now.monday(said.weeks) <= first <= last < now.monday(said.weeks + 1):
        others.append(Day(weeks=said.weeks))
    if said.offset is not None and first != now.today + timedelta(days=said.offset):
        others.append(Day(offset=said.offset))
    if said.term_week is not None and said.month is None and said.months is None:
        monday = _monday_of_term(said.term_week, now)
        if isinstance(monday, Doubt):
            return monday
        if not monday <= first < monday + timedelta(days=WEEK):
            others.append(Day(term_week=said.term_week, weekday=said.weekday))
    if said.weekend and first.weekday() < WEEK - 2:
        others.append(Day(weekend=True, weeks=said.weeks))
    if said.feast and said.day and (first.day != said.day or (said.month and first.month != said.month)):
        others.append(Day(month=said.month, day=said.day))
    if not others:
        return found
    found_others = [_main(other, now) for other in others]
    candidates = [When.days(first, last), *(When.days(*it) for it in found_others if not isinstance(it, Doubt))]
    return Doubt(Why.CONTRADICTORY, tuple(dict.fromkeys(candidates))[:3])


# Which word says most about a day, first of all.
_FINDERS: tuple[tuple[set[str], Callable[[Day, Now], Days | Doubt]], ...] = (
    ({"feast"}, _feast),
    ({"lunar"}, _lunar),
    ({"workdays"}, counted.workdays),
    ({"nth"}, _nth_weekday),
    ({"day"}, _dated),
    ({"month", "months", "third"}, _month),
    ({"window"}, counted.window),
    ({"offset"}, counted.offset),
    ({"counted_months"}, counted.months_from_today),
    ({"weeks_on"}, counted.weeks_on),
    ({"year", "years"}, counted.year),
)
