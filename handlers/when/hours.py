"""From words about the time of day to a stretch of one day: clock times, parts of the day, lessons."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from handlers.when.clues import BigBreak, Clock, Later, Lessons, Part
from handlers.when.meaning import Doubt, When, Why
from handlers.when.school import DEFAULT_PERIODS, AnyLesson

PARTS = {
    Part.NIGHT: (time(0), time(6)),
    Part.EARLY: (time(6), time(9)),
    Part.MORNING: (time(8), time(12)),
    Part.NOON: (time(11, 30), time(13, 30)),
    Part.AFTERNOON: (time(12), time(18)),
    Part.DUSK: (time(17), time(19)),
    Part.EVENING: (time(18), time(22)),
}
DAY_BEGINS, DAY_ENDS = time(7), time(22)
_NOON_HOUR, _EVENING_HOUR, _LAST_HOUR, _LAST_MINUTE = 12, 18, 23, 59
_HALF_DAY = 12
# Nobody can tell whether 「七点」 of another day is early or late; before it is afternoon, from it on morning.
_EITHER = 7
# Which hours go with a part of the day as they are, and which twelve later.
_AS_SAID = {
    Part.NIGHT: range(7),
    Part.EARLY: range(4, 12),
    Part.MORNING: range(6, 13),
    Part.NOON: range(10, 13),
    Part.AFTERNOON: range(12, 13),
    Part.DUSK: range(0),
    Part.EVENING: range(0),
}
_LATER = {
    Part.NOON: range(1, 3),
    Part.AFTERNOON: range(1, 12),
    Part.DUSK: range(4, 9),
    Part.EVENING: range(5, 12),
}


@dataclass(frozen=True)
class Stretch:
    """From a time of day to another, or one moment when they are the same."""

    start: time
    end: time

    def on(self, day: date) -> When:
        """The same on a day."""
        start = datetime.combine(day, self.start)
        return When.moment(start) if self.start == self.end else When.hours(start, datetime.combine(day, self.end))


def clock_times(clock: Clock, part: Part | None) -> list[time] | Doubt:
    """The times of day that may be meant, earliest first."""
    if clock.hour > _LAST_HOUR or clock.minute > _LAST_MINUTE:
        return Doubt(Why.IMPOSSIBLE)
    hour, minute = clock.hour, clock.minute
    if part is None:
        hours = [hour] if clock.exact or hour > _HALF_DAY else [hour, hour + _HALF_DAY]
        times = [time(it, minute) for it in hours if it <= _LAST_HOUR]
        return times if clock.exact else [it for it in times if DAY_BEGINS <= it < DAY_ENDS]
    if hour > _HALF_DAY:
        fits = (
            (hour >= _EVENING_HOUR - 1) if part is Part.EVENING else part not in {Part.NIGHT, Part.EARLY, Part.MORNING}
        )
        return [time(hour, minute)] if fits else Doubt(Why.CONTRADICTORY)
    if hour in _AS_SAID[part]:
        return [time(hour, minute)]
    if hour in _LATER.get(part, range(0)):
        return [time(hour + _HALF_DAY, minute)]
    return Doubt(Why.CONTRADICTORY)


def clock_on_another_day(times: list[time]) -> time | Doubt:
    """Which of them is meant when the day is not today: the morning from eight on, else the afternoon; seven may be both."""
    if not times:
        return Doubt(Why.VAGUE)
    if len(times) > 1 and times[0].hour == _EITHER:
        return Doubt(Why.SEVERAL)
    return times[0]


def part_stretch(part: Part) -> Stretch:
    """「下午」."""
    return Stretch(*PARTS[part])


def part_end(part: Part | None, after: time) -> time:
    """When 「下午三点以后」 ends: with the part of the day that was named, or with the day."""
    if part is None:
        return DAY_ENDS
    end = PARTS[part][1]
    if end > after:
        return end
    return time(_NOON_HOUR) if after < time(_NOON_HOUR) else DAY_ENDS


def part_begin(part: Part | None, before: time) -> time:
    """When 「下午三点之前」 begins."""
    begin = DAY_BEGINS if part in {None, Part.NOON} else PARTS[part][0]
    return begin if begin < before else DAY_BEGINS


def lesson_stretch(said: Lessons | BigBreak, part: Part | None, periods: Sequence[AnyLesson]) -> Stretch | Doubt:
    """「上午第二节」, 「三四节」, 「第二节课后」, 「大课间」."""
    periods = periods or DEFAULT_PERIODS
    if isinstance(said, BigBreak):
        second = lesson_stretch(Lessons(2, 2), None, periods)
        third = lesson_stretch(Lessons(3, 3), None, periods)
        if part in {Part.AFTERNOON, Part.EVENING, Part.NOON} or isinstance(second, Doubt) or isinstance(third, Doubt):
            return Doubt(Why.VAGUE)
        return Stretch(second.end, third.start)
    found = _lessons(said, part, periods)
    if isinstance(found, Doubt):
        return found
    return Stretch(found[-1].ends, found[-1].ends) if said.after else Stretch(found[0].starts, found[-1].ends)


def _lessons(  # noqa: PLR0911 — one way out each reading
    said: Lessons, part: Part | None, periods: Sequence[AnyLesson]
) -> Sequence[AnyLesson] | Doubt:
    within = list(periods) if part is None else [it for it in periods if _part_of(it) is _wide(part)]
    if said.first < 0:
        if part is None or len(within) < -said.first:
            return Doubt(Why.VAGUE)
        return within[said.first :]
    if part is None and said.counted:
        return Doubt(Why.VAGUE)
    first, last = said.first, said.last
    if last > len(periods):
        return Doubt(Why.IMPOSSIBLE)
    if part is None:
        return periods[first - 1 : last]
    # 「下午第一节」 is the first of the afternoon, 「下午第五节」 the fifth of the day.
    if last <= len(within):
        return within[first - 1 : last]
    named = list(periods[first - 1 : last])
    return named if all(it in within for it in named) else Doubt(Why.CONTRADICTORY)


def _part_of(period: AnyLesson) -> Part:
    if period.starts < time(_NOON_HOUR):
        return Part.MORNING
    return Part.AFTERNOON if period.starts < time(_EVENING_HOUR) else Part.EVENING


def _wide(part: Part) -> Part:
    """Lessons lie in the morning, the afternoon or the evening."""
    return {
        Part.EARLY: Part.MORNING,
        Part.NIGHT: Part.MORNING,
        Part.NOON: Part.AFTERNOON,
        Part.DUSK: Part.AFTERNOON,
    }.get(part, part)


def minutes_on(now: datetime, later: Later) -> When:
    """「两个小时后」, 「两个小时内」."""
    then = When.moment(now + timedelta(minutes=later.minutes))
    return When.hours(now.replace(second=0, microsecond=0), then.end) if later.until else then
