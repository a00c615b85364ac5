"""How well times are read: our rules on the corpus, and on public test suites when WHEN_PUBLIC names a file of them.

jionlp, recognizers-text and dateparser, alone and behind the rules, are measured where they are installed; nothing else
of the project needs them. A line of the public file: text, reference, kind (day, time, range), expected. Bookable are its
days and times within the coming months; a day is right when the day is, whatever else was answered.
"""

import contextlib
import json
import os
import re
import statistics
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from handlers.when import When, read_when
from tests.when_corpus import PARTS, Row, days, read_corpus, score

Reader = Callable[[str, datetime], str]
_COMING = timedelta(days=200)
# Feasts of other religions and countries, which nobody books by.
_FOREIGN = re.compile(
    "[圣聖难難紅彩火登禁]|拉克沙班|主日|以色列|(?:尔代|好利|阿舒拉|卫塞|篝火|丰收|豐收|寶蕉|屠妖|煎餅|律法)"
)


def main() -> None:
    corpus = read_corpus()

    def rules(text: str, now: datetime) -> str:
        found = read_when(text, now=now, terms=(corpus.term,))
        return str(found) if isinstance(found, When) else ""

    spent = []
    for row in corpus.rows:
        began = time.perf_counter()
        rules(row.text, row.reference)
        spent.append(time.perf_counter() - began)
    print(f"rules: {statistics.median(spent) * 1e6:.0f} µs a sentence (median), {max(spent) * 1e6:.0f} at most")
    for name, read in _with_libraries(rules):
        for part in PARTS:
            _tell(name, part, corpus.part(part), read)
        for part, rows in _public().items():
            _tell(name, part, rows, read)


def _tell(name: str, part: str, rows: list[Row], read: Reader) -> None:
    found = score(rows, lambda row: _comparable(read(row.text, row.reference), row.meaning, part))
    print(f"{name:24} {part:18} {found.rows:4} rows, exact {found.exact:.3f}, wrong day {found.wrong_day:.3f}")


def _comparable(got: str, meant: str, part: str) -> str:
    """In the public suites parts of the day have other hours, and some know days only: there the days decide."""
    if part in PARTS or not got:
        return got
    exact_time = "T" in meant and "/" not in meant
    return meant if not exact_time and days(got) == days(meant) else got


def _public() -> dict[str, list[Row]]:
    """The public suites: all of them, and those days and times that could be booked."""
    path = os.environ.get("WHEN_PUBLIC")
    if not path:
        return {}
    rows = [json.loads(line) for line in Path(path).read_text("utf-8").splitlines()]
    bookable = [row for row in rows if _is_bookable(row)]
    return {"public": [_row(row) for row in rows], "public, bookable": [_row(row) for row in bookable]}


def _row(row: dict[str, Any]) -> Row:
    expected = row["expected"]
    meaning = "/".join(expected) if isinstance(expected, list) else expected
    return Row("public", datetime.fromisoformat(row["reference"]), row["text"], meaning, "")


def _is_bookable(row: dict[str, Any]) -> bool:
    """A day or a time from today on within the coming months."""
    now, (first, last) = datetime.fromisoformat(row["reference"]), days(_row(row).meaning)
    near = now.date() <= datetime.fromisoformat(first).date() and datetime.fromisoformat(last) - now < _COMING
    return row["kind"] != "range" and near and not _FOREIGN.search(row["text"])


def _with_libraries(rules: Reader) -> Iterable[tuple[str, Reader]]:
    """The rules, every library, and each library asked where the rules say nothing."""
    yield "rules", rules
    for name, make in (("jionlp", _jionlp), ("recognizers-text", _recognizers), ("dateparser", _dateparser)):
        with contextlib.suppress(ImportError):
            read = make()
            yield name, read
            yield f"rules, else {name}", _either(rules, read)


def _either(first: Reader, then: Reader) -> Reader:
    return lambda text, now: first(text, now) or then(text, now)


def _jionlp() -> Reader:
    import jionlp  # type: ignore[import-not-found]

    def read(text: str, now: datetime) -> str:
        base = {unit: getattr(now, unit) for unit in ("year", "month", "day", "hour", "minute", "second")}
        try:
            found = jionlp.parse_time(jionlp.tra2sim(text, mode="char"), time_base=base)  # it knows no traditional ones
            start, end = (datetime.fromisoformat(it) for it in found["time"])
        except Exception:  # noqa: BLE001 — it raises whatever it likes where it finds no time
            return ""
        return _stretch(start, end) if found["type"] in {"time_point", "time_span"} else ""

    return read


def _stretch(start: datetime, end: datetime) -> str:
    """With jionlp a moment is its whole hour or minute, and a day all of it."""
    if (end - start).total_seconds() + 1 in {1, 60, 3600}:
        return f"{start:%Y-%m-%dT%H:%M}"
    if (start.hour, start.minute, end.hour, end.minute) == (0, 0, 23, 59):
        return str(When.days(start.date(), end.date()))
    return f"{start:%Y-%m-%dT%H:%M}/{end + timedelta(seconds=1):%Y-%m-%dT%H:%M}"


def _recognizers() -> Reader:
    from recognizers_date_time import Culture, recognize_datetime  # type: ignore[import-not-found]

    def read(text: str, now: datetime) -> str:
        try:
            found = recognize_datetime(text, Culture.Chinese, reference=now)
            values = found[0].resolution["values"]
        except Exception:  # noqa: BLE001 — as above
            return ""
        coming = [it for it in values if (it.get("value") or it.get("start") or "") >= f"{now:%Y-%m-%d}"]
        return _value((coming or values)[0], now)

    return read


def _value(value: dict[str, str], now: datetime) -> str:
    match value:
        case {"type": "date", "value": said}:
            return said
        case {"type": "datetime", "value": at}:
            return at[:16].replace(" ", "T")
        case {"type": "time", "value": at}:
            day = now if at[:5] >= f"{now:%H:%M}" else now + timedelta(days=1)
            return f"{day:%Y-%m-%d}T{at[:5]}"
        case {"type": "daterange", "start": start}:
            return f"{start}/{datetime.fromisoformat(value['end']) - timedelta(days=1):%Y-%m-%d}"
        case {"type": "datetimerange", "start": start, "end": end}:
            return f"{start[:16]}/{end[:16]}".replace(" ", "T")
    return ""


def _dateparser() -> Reader:
    from dateparser.search import search_dates  # type: ignore[import-untyped]

    def read(text: str, now: datetime) -> str:
        wanted = {"RELATIVE_BASE": now, "PREFER_DATES_FROM": "future"}
        places = search_dates(text, languages=["zh", "zh-Hant"], settings=wanted)
        if not places:
            return ""
        found = places[0][1]
        timeless = (found.hour, found.minute) in {(0, 0), (now.hour, now.minute)}
        return f"{found:%Y-%m-%d}" if timeless else f"{found:%Y-%m-%dT%H:%M}"

    return read


if __name__ == "__main__":
    main()
