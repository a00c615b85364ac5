"""How the desk shows appointments in chat: times, how, and how many times somebody has come; no name, ever."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from handlers.dialogue.talk import Talk
from models.booking.desk import AHEAD, Row, Taken, agenda, day_begins, everybodys
from models.booking.table import AppointmentState

ALONE, ABOVE_A_LIST = 900, 450
"""Bytes of a reply's 2,000 that the lines of all counselors may take."""

_OVER = (AppointmentState.DONE, AppointmentState.MISSED)


def row_line(talk: Talk, row: Row) -> str:
    """「11月26日 周四 15:00 · 电话 · 第 2 次 · 到了」."""
    words = talk.words
    parts = [words.show(row.starts_at), words(f"desk.mode.{row.mode.value}"), words("desk.visit", count=row.visit)]
    if state := _state(row):
        parts.append(words(f"desk.state.{state}", late=row.late))
    return " · ".join(parts)


def _state(row: Row) -> str:
    if row.state is AppointmentState.MISSED:
        return "missed"
    if row.arrived:
        return "late" if row.late else "arrived"
    if row.state is AppointmentState.DONE:
        return "done"
    if row.asked:
        return "asked"
    return "pending" if row.state is AppointmentState.PENDING else ""


def today_and_after(talk: Talk, counselor_id: int) -> tuple[list[Row], list[Row]]:
    """Today's appointments, and those of the coming days."""
    start = day_begins(talk.policy.booking, talk.now)
    rows = agenda(talk.session, counselor_id, start, start + AHEAD + timedelta(days=1))
    end = start + timedelta(days=1)
    return [row for row in rows if row.starts_at < end], [
        row for row in rows if row.starts_at >= end and row.state not in _OVER
    ]


def row_of(talk: Talk, counselor_id: int, starts_at: datetime, appointment_id: int) -> Row | None:
    """One appointment as the list shows it."""
    rows = agenda(talk.session, counselor_id, starts_at, starts_at + timedelta(minutes=1))
    return next((row for row in rows if row.id == appointment_id), None)


def everybody(talk: Talk, day: datetime, room: int = ALONE) -> str:
    """All counselors' times of a day, a line each; only times."""
    rows = everybodys(talk.session, day, day + timedelta(days=1))
    named = sorted(rows, key=lambda row: (row.counselor, row.starts_at))
    lines = [_times(talk, name, list(group)) for name, group in groupby(named, key=lambda row: row.counselor)]
    shown, rest = _fitting(lines, room)
    if rest:
        shown.append(talk.words("desk.rest", rest=rest))
    return "\n".join(shown) or talk.words("desk.nobody_that_day")


def _times(talk: Talk, name: str, rows: Sequence[Taken]) -> str:
    zone = talk.policy.booking.zone
    times = [f"{row.starts_at.astimezone(zone):%H:%M}{_mark(talk, row)}" for row in rows]
    return talk.words("desk.of_one", counselor=talk.teachers([name])[0], times=" ".join(times), count=len(rows))


def _mark(talk: Talk, row: Taken) -> str:
    return talk.words("desk.waits_mark") if row.state is AppointmentState.PENDING else ""


def _fitting(lines: list[str], room: int) -> tuple[list[str], int]:
    shown = []
    for line in lines:
        room -= len(line.encode()) + 1
        if room < 0:
            break
        shown.append(line)
    return shown, len(lines) - len(shown)


def stretch_line(talk: Talk, start: datetime, end: datetime) -> str:
    """「11月26日 周四 12:00–18:00」; whole days as days."""
    zone = talk.policy.booking.zone
    start, end = start.astimezone(zone), end.astimezone(zone)
    first, last = start.date(), (end - timedelta(microseconds=1)).date()
    whole = start.hour == start.minute == end.hour == end.minute == 0
    if whole:
        shown = [_day(talk, start), _day(talk, end - timedelta(minutes=1))]
        key = "desk.whole_day" if first == last else "desk.whole_days"
        return talk.words(key, first=shown[0], last=shown[1])
    if first == last:
        return f"{talk.words.show(start)}–{end:%H:%M}" if end.date() == first else f"{talk.words.show(start)}–24:00"
    return f"{talk.words.show(start)}–{talk.words.show(end)}"


def _day(talk: Talk, moment: datetime) -> str:
    return str(talk.words.show(moment)).rsplit(" ", 1)[0]


def as_options(talk: Talk, rows: Sequence[Row]) -> list[list[Any]]:
    """The rows as options."""
    return [[f"row:{row.id}", row_line(talk, row)] for row in rows]
