"""From one phrase to what it means, read against now."""

from dataclasses import replace
from datetime import date, datetime, time, timedelta

from handlers.when.clues import Clock, Day, Mark, Part, Third
from handlers.when.days import find_days
from handlers.when.hours import (
    DAY_BEGINS,
    DAY_ENDS,
    PARTS,
    Stretch,
    clock_on_another_day,
    clock_times,
    lesson_stretch,
    minutes_on,
    part_begin,
    part_end,
    part_stretch,
)
from handlers.when.meaning import A_DAY, Doubt, Shape, When, Why
from handlers.when.now import WEEK, Now
from handlers.when.phrases import Phrase

_SOON = timedelta(days=45)
_AFTER = {Mark.AFTER, Mark.FROM}
_BEFORE = {Mark.BEFORE, Mark.LATEST}
_HOURLY = 30
_TOO_LATE = timedelta(hours=2)  # 「十点以后」 typed at eight in the evening
_CANDIDATES = 3
_BOOKS_LAST = 24
_MONTH_DAY = frozenset({"month", "day"})
_YEARS_FIRST, _QUARTER = 20, 15

Found = When | Doubt


def resolve(said: Phrase, now: Now) -> Found:
    """What a phrase means."""
    found = _resolve(said, now)
    if isinstance(found, When) and (said.every or said.spoilt):
        return Doubt(said.spoilt or Why.SEVERAL, (found,))
    return found


def _resolve(said: Phrase, now: Now) -> Found:  # noqa: PLR0911 — from what is clear at once to what is not
    if said.later:
        return minutes_on(now.at, said.later)
    if said.two:
        return _resolve_two(said, now)
    if not said.has_day():
        return _on_the_next_day(said, now)
    days = find_days(said.day, now)
    if isinstance(days, Doubt):
        return days
    if not said.has_hour():
        return _whole_days(said, days, now)
    first, last = days
    if first != last:
        each = [_on(said, first + A_DAY * n, now, fixed=True) for n in range(min((last - first).days + 1, _CANDIDATES))]
        return Doubt(Why.VAGUE, tuple(it for it in each if isinstance(it, When)))
    named_by_weekday_alone = said.day.said() == {"weekday"}
    found = _on(said, first, now, fixed=not named_by_weekday_alone)
    if first == now.today and named_by_weekday_alone and _is_over(found, said, now):
        return _on(said, first + timedelta(days=WEEK), now, fixed=True)
    return found


def _on_the_next_day(said: Phrase, now: Now) -> Found:
    """No day was named: today if it is still to come, else tomorrow."""
    found = _on(said, now.today, now, fixed=False)
    return _on(said, now.today + A_DAY, now, fixed=True) if _is_over(found, said, now) else found


def _is_over(found: Found, said: Phrase, now: Now) -> bool:
    if isinstance(found, Doubt):
        return False
    if found.shape is Shape.MOMENT or said.lessons:
        return found.start <= now.at
    if said.clock and said.bound in _AFTER and said.part is None:
        return found.end - now.at < _TOO_LATE
    return found.end <= now.at


def _whole_days(said: Phrase, days: tuple[date, date], now: Now) -> Found:
    first, last = days
    if said.bound in {None, Mark.BETWEEN}:
        return When.days(first, last)
    if said.bound in _BEFORE:
        # 「月底前」 is by the end of the month.
        last = last if said.bound is Mark.LATEST or said.day.third is Third.LATE else first - A_DAY
        return When.days(now.today, last) if last >= now.today else Doubt(Why.VAGUE)
    begin = first if said.bound in {Mark.FROM, Mark.ONWARD} else last + A_DAY
    return Doubt(Why.VAGUE, (When.days(begin, begin + A_DAY * (WEEK - 1 - begin.weekday())),))


def _on(said: Phrase, day: date, now: Now, *, fixed: bool) -> Found:
    """The hours of a phrase on a day. `fixed`: the day was named, so that the hours may be over."""
    if said.lessons:
        stretch = lesson_stretch(said.lessons, said.part, now.periods)
        if isinstance(stretch, Doubt):
            return stretch
        return Doubt(Why.VAGUE) if said.bound in _BEFORE else stretch.on(day)
    if said.clock:
        at = clock_time(said.clock, said.part, day, now, fixed=fixed)
        return _widened(said, day, at) if isinstance(at, time) else at
    if said.part is None:
        return Doubt(Why.VAGUE)
    if said.part is Part.EVENING and said.bound is Mark.AFTER:
        return Doubt(Why.VAGUE)  # 「晚自习后」
    return _bounded_part(said.part, said.bound).on(day)


def _bounded_part(part: Part, bound: Mark | None) -> Stretch:
    begin, end = PARTS[part]
    if bound is Mark.BEFORE:
        return Stretch(DAY_BEGINS if begin > DAY_BEGINS else time(), begin)
    if bound is Mark.AFTER:
        return Stretch(end, DAY_ENDS) if end < DAY_ENDS else part_stretch(part)
    if bound in {Mark.FROM, Mark.ONWARD}:
        return Stretch(begin, DAY_ENDS)
    return part_stretch(part)


def _widened(said: Phrase, day: date, at: time) -> Found:
    if said.bound in _AFTER:
        end = part_end(said.part, at)
        return Stretch(at, end).on(day) if at < end else Doubt(Why.VAGUE)
    if said.bound in _BEFORE:
        begin = part_begin(said.part, at)
        return Stretch(begin, at).on(day) if begin < at else Doubt(Why.VAGUE)
    if said.clock and said.clock.until and at.hour < _BOOKS_LAST - 1:
        return Stretch(at, at.replace(hour=at.hour + 1)).on(day)
    return Stretch(at, at).on(day)


def clock_time(  # noqa: PLR0911 — one line a reading
    clock: Clock, part: Part | None, day: date, now: Now, *, fixed: bool
) -> time | Doubt:
    """Which time of day is meant: on today the next one to come."""
    times = clock_times(clock, part)
    if isinstance(times, Doubt):
        return times
    if len(times) == 1:
        return times[0]
    if not times:
        return Doubt(Why.VAGUE)
    if day != now.today:
        return _offered(clock_on_another_day(times), times, day)
    coming = [it for it in times if datetime.combine(day, it) > now.at]
    if len(coming) == len(times):
        return _offered(clock_on_another_day(times), times, day)
    if coming:
        return coming[0]
    return _offered(Doubt(Why.SEVERAL), times, day) if fixed else times[0]


def _offered(found: time | Doubt, times: list[time], day: date) -> time | Doubt:
    if isinstance(found, Doubt):
        return replace(found, candidates=tuple(When.moment(datetime.combine(day, it)) for it in times))
    return found


def _resolve_two(said: Phrase, now: Now) -> Found:
    """「12.5」, 「3.30」, 「1130」: a date, a time, or a question."""
    two = said.two
    if two is None:
        return Doubt(Why.VAGUE)
    as_date = as_clock = None
    if two.may_be_date:
        as_date = _resolve(replace(said, two=None, day=said.day.plus(Day(month=two.first, day=two.second))), now)
    if two.may_be_hours and said.day.said() & {"weekday", "offset"} and not said.clock:
        near = isinstance(as_date, When) and as_date.start - now.at < _SOON
        first = replace(said, two=None, clock=Clock(two.first))
        return as_date if near and as_date else resolve_range(first, replace(first, clock=Clock(two.second)), now)
    if two.may_be_clock and not (said.part and said.clock):
        clock = Clock(two.first, two.second, exact=two.first > 12)  # noqa: PLR2004
        as_clock = _resolve(replace(said, two=None, clock=clock), now)
    date_reads, clock_reads = isinstance(as_date, When), isinstance(as_clock, When)
    if date_reads and clock_reads and isinstance(as_date, When) and isinstance(as_clock, When):
        return _date_or_clock(as_date, as_clock, said, now)
    if clock_reads and isinstance(as_clock, When):
        alone = not (said.has_day() or said.part)
        year = alone and two.first == _YEARS_FIRST and two.second % _QUARTER  # 「2027」
        return Doubt(Why.SEVERAL, (as_clock,)) if year else as_clock
    return as_date or as_clock or Doubt(Why.VAGUE)


def _date_or_clock(as_date: When, as_clock: When, said: Phrase, now: Now) -> Found:
    if said.has_day() or said.part or said.clock or said.lessons:
        return as_date
    soon = as_date.start - now.at < _SOON
    round_time = as_clock.start.minute % _HOURLY == 0
    if soon and not round_time:
        return as_date
    if not soon and as_clock.start.minute % 5 == 0:
        return as_clock
    return Doubt(Why.SEVERAL, (as_date, as_clock))


def _settled(said: Phrase, now: Now) -> Phrase:
    """The same, with 「12.5」 taken for a date or 「3.30」 for a time."""
    if said.two is None:
        return said
    found = None if said.has_day() or said.part or said.clock or said.lessons else _resolve_two(said, now)
    if not said.two.may_be_date or (isinstance(found, When) and found.shape is Shape.MOMENT):
        return replace(said, two=None, clock=Clock(said.two.first, said.two.second))
    return replace(said, two=None, day=said.day.plus(Day(month=said.two.first, day=said.two.second)))


def resolve_range(first: Phrase, last: Phrase, now: Now) -> Found:
    """「周三到周五」, 「明天下午三点到五点」, 「周三下午到周四上午」."""
    first, last = _settled(first, now), _settled(last, now)
    if first.has_hour() != last.has_hour():
        return Doubt(Why.VAGUE)
    if not first.has_hour():
        return _range_of_days(first, last, now)
    if not first.has_day() and last.has_day():
        first = replace(first, day=last.day)
    begin = resolve(replace(first, bound=None), now)
    if isinstance(begin, Doubt):
        return begin
    end = _range_end(first, last, begin, now)
    if isinstance(end, Doubt) and not first.has_day():  # 「9:00-10:00」 typed at eight in the evening
        begin = _on(replace(first, bound=None), now.today + A_DAY, now, fixed=True)
        end = _range_end(first, last, begin, now) if isinstance(begin, When) else begin
    if isinstance(end, Doubt) or isinstance(begin, Doubt):
        return end if isinstance(end, Doubt) else Doubt(Why.IMPOSSIBLE)
    return When.hours(begin.start, end) if begin.start < end else Doubt(Why.IMPOSSIBLE)


def _range_end(first: Phrase, last: Phrase, begin: When, now: Now) -> datetime | Doubt:
    day = begin.first_day
    if last.has_day() and last.day != first.day:
        days = _days_from(last.day, first.day, day, now)
        if isinstance(days, Doubt):
            return days
        day = days[1]
    if last.clock is None:
        found = _on(replace(last, bound=None), day, now, fixed=True)
        return found if isinstance(found, Doubt) else found.end
    times = clock_times(last.clock, last.part)
    if isinstance(times, Doubt):
        return times
    ends = [datetime.combine(day, it) for it in times]
    return next((it for it in ends if it > begin.start), Doubt(Why.IMPOSSIBLE))


def _range_of_days(first: Phrase, last: Phrase, now: Now) -> Found:
    running = _running(first.day, last.day, now)
    if running:
        return When.days(*running)
    begin = find_days(first.day, now)
    if isinstance(begin, Doubt):
        return begin
    end = _days_from(last.day, first.day, begin[0], now)
    if isinstance(end, Doubt):
        return end
    return When.days(begin[0], end[1]) if begin[0] <= end[1] else Doubt(Why.IMPOSSIBLE)


def _running(first: Day, last: Day, now: Now) -> tuple[date, date] | None:
    """「20号到28号」 said on the 26th, 「10月到12月」 said in November: the one that has begun."""
    this = {frozenset({"day"}): Day(months=0), frozenset({"month"}): Day(years=0), _MONTH_DAY: Day(years=0)}.get(
        frozenset(first.said())
    )
    begin = find_days(first.plus(this), now) if this else None
    if begin is None or isinstance(begin, Doubt):
        return None
    end = _days_from(last, first, begin[0], now)
    if isinstance(end, Doubt) or not begin[0] < now.today <= end[1]:
        return None
    return begin[0], end[1]


def _days_from(said: Day, before: Day, begin: date, now: Now) -> tuple[date, date] | Doubt:
    """The end of a range: the next such day from its beginning on, in the month, week or year that was named there."""
    names = said.said()
    if names <= {"day", "weekday", "month", "third"}:
        there = Now(datetime.combine(begin, time()), now.periods, now.terms)
        if names == {"day"} and (before.month or before.months is not None):
            said = replace(said, month=begin.month, year=begin.year)
        return find_days(said, there)
    return find_days(said, now)
