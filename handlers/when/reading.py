"""Reading a time out of a sentence: the phrases that count, what they take from each other, and one answer of them all."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from itertools import pairwise

from handlers.when.clues import Day, Lessons, Mark
from handlers.when.hours import clock_times
from handlers.when.meaning import Doubt, Shape, When, Why
from handlers.when.now import Now
from handlers.when.phrases import Joint, Phrase, Said, put_together
from handlers.when.resolving import Found, resolve, resolve_range
from handlers.when.scanning import scan
from handlers.when.school import DEFAULT_PERIODS, AnyLesson, AnyTerm
from handlers.when.spelling import plain_spelling

_CANDIDATES = 3


def read_when(
    text: str, *, now: datetime, periods: Sequence[AnyLesson] = DEFAULT_PERIODS, terms: Sequence[AnyTerm] = ()
) -> When | Doubt | None:
    """The time a text names; a Doubt when it has to be asked about; None when it names none.

    `now` is local, naive or aware; what comes back is of the same kind. Past and closed times are read like others.
    """
    zone, at = now.tzinfo, now.replace(tzinfo=None)
    plain = plain_spelling(text)
    said = put_together(plain, scan(plain))
    return _in_zone(_answer(said, Now(at, tuple(periods) or DEFAULT_PERIODS, tuple(terms))), zone)


def _answer(said: Said, now: Now) -> Found | None:
    try:
        return _one_of_all(said, now)
    except (ValueError, OverflowError):  # a date beyond the calendar
        return Doubt(Why.IMPOSSIBLE)


def _one_of_all(said: Said, now: Now) -> Found | None:
    phrases = _inherited(_merged(said.phrases))
    wished = _that_count(phrases)
    if not wished:
        if any(it.denied for it in phrases):
            return Doubt(Why.REFUSED)
        return Doubt(said.unclear[0]) if said.unclear else None
    found = _combined(_resolved(_in_order(wished, now), now), wished)
    if isinstance(found, When) and _has_gap(found, phrases, now):
        return Doubt(Why.SEVERAL, (found,))
    return found


def _has_gap(found: When, phrases: list[Phrase], now: Now) -> bool:
    """「下周除了周三」, 「周四下午除了第一节」: a stretch of which some was refused."""
    refused = [resolve(it, now) for it in phrases if it.denied and (it.has_day() or it.has_hour())]
    return any(isinstance(it, When) and found.holds(it) for it in refused)


def _merged(phrases: list[Phrase]) -> list[Phrase]:
    """「周三可以，下午三点」 and 「下午三点吧，周三的」 are one time each, said in two breaths."""
    merged: list[Phrase] = []
    for it in phrases:
        last = merged[-1] if merged else None
        if last and _completes(last, it):
            last.day = last.day.plus(it.day)
            last.bound = last.bound or it.bound
            last.clause, last.wanted, last.told = it.clause, True, False
        else:
            merged.append(it)
    return merged


def _completes(last: Phrase, it: Phrase) -> bool:
    """Whether a phrase only names the day, or more of the day, of the one before it."""
    if it.joint not in {Joint.STOP, Joint.NONE, Joint.BETTER} or it.has_hour() or it.bound or last.later:
        return False
    if last.bound and (last.has_day() or not last.has_hour()):
        return False
    if last.denied or it.denied or last.told or it.told or last.two or it.every or last.every:
        return False
    if last.joint is Joint.RANGE and last.has_day():
        return False
    return last.day.fits(it.day) and not (last.day.is_past() and not it.day.is_past())


def _inherited(phrases: list[Phrase]) -> list[Phrase]:
    """「下周三下午或周四」: Thursday of the same week; 「明天下午三点不行，四点可以」: tomorrow, in the afternoon."""
    for before, it in pairwise(phrases):
        if before.told and it.joint is Joint.STOP:
            continue
        it.day = _inherited_day(before, it)
        if it.day == before.day and it.clock and not it.clock.exact and it.part is None and before.part:
            goes_on = it.joint in {Joint.STOP, Joint.NONE, Joint.FIX, Joint.BETTER} or before.clock
            if it.joint is not Joint.RANGE and goes_on and not isinstance(clock_times(it.clock, before.part), Doubt):
                it.part = before.part
    return phrases


def _inherited_day(before: Phrase, it: Phrase) -> Day:
    said = it.day.said()
    if not said and it.has_hour() and not it.later:
        past = before.day.is_past() and it.joint is Joint.STOP
        return it.day if past else before.day
    if said == {"weekday"} and it.joint is not Joint.RANGE:
        if before.day.is_past() and it.joint is Joint.STOP:
            return it.day
        week = Day(weeks=before.day.weeks, term_week=before.day.term_week)
        if before.day.weekday is not None or before.day.weekend or before.denied or before.joint is Joint.RANGE:
            return it.day.plus(week)
    if said == {"day"} and it.joint is not Joint.RANGE and before.day.day is not None:
        return it.day.plus(Day(month=before.day.month, months=before.day.months, year=before.day.year))
    return it.day


def _that_count(phrases: list[Phrase]) -> list[Phrase]:
    """Without what was denied, corrected, only told, or past beside something to come."""
    left = [it for it in phrases if not it.denied and not _is_story(it)]
    fixed = [at for at, it in enumerate(left) if it.joint in {Joint.FIX, Joint.BETTER}]
    left = left[fixed[-1] :] if fixed else left
    if any(not it.later or it.later.minutes for it in left):  # 「现在」 beside a time is no time
        left = [it for it in left if not it.later or it.later.minutes]
    if any(not it.told for it in left):
        left = [it for it in left if not it.told]
    left = _without_what_is_cleared_up(left)
    ranged = {id(it) for it in left if it.joint is Joint.RANGE}
    ranged |= {id(a) for a, b in pairwise(left) if b.joint is Joint.RANGE}
    coming = [it for it in left if not it.day.is_past() and not (it.later and it.later.minutes < 0)]
    return [it for it in left if it in coming or id(it) in ranged] if coming else left


def _without_what_is_cleared_up(phrases: list[Phrase]) -> list[Phrase]:
    """「我三点下课，三点半可以」: the second says what the first leaves open."""
    clear = [at for at, it in enumerate(phrases) if it.clock and not it.spoilt and it.joint in {Joint.STOP, Joint.NONE}]
    return phrases[clear[-1] :] if clear and all(it.spoilt for it in phrases[: clear[-1]]) else phrases


def _in_order(phrases: list[Phrase], now: Now) -> list[Phrase]:
    """「周三周四」 typed on a Thursday: both lie in next week."""
    for before, it in pairwise(phrases):
        listed = it.joint in {Joint.OR, Joint.NONE} and before.day.said() == it.day.said() == {"weekday"}
        if not listed or (it.day.weekday or 0) != (before.day.weekday or 0) + 1:
            continue
        if it.day.weekday == now.today.weekday():
            it.day = it.day.plus(Day(weeks=1))
    return phrases


def _is_story(it: Phrase) -> bool:
    """「昨天和室友吵架了」, 「从9月开始睡不好」: no wish, even alone."""
    return it.told and (it.day.is_past() or it.bound in {Mark.FROM, Mark.ONWARD})


def _resolved(phrases: list[Phrase], now: Now) -> list[Found]:
    found: list[Found] = []
    at = 0
    while at < len(phrases):
        it = phrases[at]
        following = phrases[at + 1] if at + 1 < len(phrases) else None
        if following and following.joint is Joint.RANGE:
            found.append(resolve_range(it, following, now))
            at += 1
        else:
            found.append(resolve(it, now))
        at += 1
    return found


def _combined(found: list[Found], phrases: list[Phrase]) -> Found:
    """One answer of several: the same, the narrower, or neighbours that make one span; else a question."""
    doubts = [it for it in found if isinstance(it, Doubt)]
    times = list(dict.fromkeys(it for it in found if isinstance(it, When)))
    if doubts:
        narrowed = [it for it in times if any(it in doubt.candidates for doubt in doubts)]
        return narrowed[0] if len(narrowed) == 1 else doubts[0]
    times = [it for it in times if not any(it.holds(other) for other in times)]
    if len(times) == 1:
        return times[0]
    return _neighbours(times, phrases) or Doubt(Why.SEVERAL, tuple(times[:_CANDIDATES]))


def _neighbours(times: list[When], phrases: list[Phrase]) -> When | None:
    """「周三周四」, 「上午或下午」, 「第三节第四节」: one span when nothing lies between."""
    times = sorted(times, key=lambda it: it.start)
    whole = all(it.shape in {Shape.DAY, Shape.DAYS} for it in times)
    lessons = all(isinstance(it.lessons, Lessons) and not it.lessons.after for it in phrases)
    if not whole and any(it.shape is not Shape.HOURS for it in times):
        return None
    gap = timedelta(minutes=20) if lessons else timedelta(0)
    if any(after.start - before.end > gap for before, after in pairwise(times)):
        return None
    end = max(it.end for it in times)
    if whole:
        return When.days(times[0].first_day, (end - timedelta(days=1)).date())
    return When.hours(times[0].start, end)


def _in_zone(found: Found | None, zone: tzinfo | None) -> Found | None:
    if zone is None or found is None:
        return found
    if isinstance(found, Doubt):
        return replace(found, candidates=tuple(_when_in(it, zone) for it in found.candidates))
    return _when_in(found, zone)


def _when_in(when: When, zone: tzinfo) -> When:
    return replace(when, start=when.start.replace(tzinfo=zone), end=when.end.replace(tzinfo=zone))
