"""The log tells what happened and where, and nothing about anybody."""

import io
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from typing_extensions import override

from bot.log import ROOMS, WITHHELD, describe, setup_logging
from models.channel import Channel
from models.errors import DomainError

CANARY = "canary-oGZUI0egBJY1zhBYw2KhdUfwVJJE"

Lines = Callable[[], list[dict[str, Any]]]


def fail() -> None:
    """Raise an error whose text must not be told."""
    raise ValueError(CANARY)


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lines]:
    """Set the log up, hand out what was written to it, and leave no trace of the set-up."""
    root = logging.getLogger()
    loggers = [root, *map(logging.getLogger, ROOMS)]
    before = (
        root.handlers[:],
        [logger.level for logger in loggers],
        logging.getLogRecordFactory(),
        logging.raiseExceptions,
    )
    hooks = sys.excepthook, sys.unraisablehook, threading.excepthook

    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    setup_logging()
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]

    root.handlers[:], levels, factory, logging.raiseExceptions = before
    logging.setLogRecordFactory(factory)
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)
    sys.excepthook, sys.unraisablehook, threading.excepthook = hooks


def test_a_record_is_one_json_line_with_its_extra(lines: Lines) -> None:
    logging.getLogger("workers.delivery").info("pushes settled", extra={"count": 3, "outcomes": {"accepted": 3}})

    (line,) = lines()
    assert datetime.fromisoformat(line.pop("ts")).utcoffset() == timedelta()
    assert line == {
        "level": "info",
        "logger": "workers.delivery",
        "event": "pushes settled",
        "count": 3,
        "outcomes": {"accepted": 3},
    }


def test_extra_is_told_as_json_and_objects_by_their_type_alone(lines: Lines) -> None:
    class Student:
        @override
        def __repr__(self) -> str:
            return CANARY

    extra = {
        "channel": Channel.WECOM,
        "lag": timedelta(seconds=1.5),
        "due": datetime(2026, 11, 26, 7, tzinfo=UTC),
        "rate": float("nan"),
        "ids": (1, 2),
        "who": Student(),
        "level": 3,
        "text": "王小明说晚上睡不着",
    }
    logging.getLogger("bot.turn").warning("odd", extra=extra)

    (line,) = lines()
    assert line["channel"] == "wecom"
    assert line["lag"] == 1.5
    assert line["due"] == "2026-11-26T07:00:00+00:00"
    assert line["rate"] == "nan"
    assert line["ids"] == [1, 2]
    assert line["who"].endswith("Student")
    assert (line["level"], line["level_"]) == ("warning", 3)
    assert line["text"] == WITHHELD


def test_an_event_put_together_at_run_time_is_withheld_and_its_place_told(lines: Lines) -> None:
    logging.getLogger("bot.turn").error(f"no reply for {CANARY}")  # noqa: G004 — what this test is about

    (line,) = lines()
    assert line["event"] == WITHHELD
    assert line["at"].startswith(f"{__name__}:")


def test_arguments_are_never_told(lines: Lines) -> None:
    logging.getLogger("bot.turn").error("no reply for %s", CANARY)

    (line,) = lines()
    assert line["event"] == "no reply for %s"
    assert CANARY not in json.dumps(line)


def test_an_exception_is_told_by_types_and_places_alone(lines: Lines) -> None:
    def wrap() -> None:
        try:
            fail()
        except ValueError as error:
            raise DomainError(CANARY, name=CANARY) from error

    try:
        wrap()
    except DomainError:
        logging.getLogger("bot.turn").exception("a turn failed", extra={"channel": "wecom"})

    (line,) = lines()
    assert CANARY not in json.dumps(line)
    assert [step["type"] for step in line["failure"]] == ["models.errors.DomainError", "ValueError"]
    assert [len(step["frames"]) for step in line["failure"]] == [2, 2]
    assert line["failure"][0]["frames"][0].startswith(f"{__name__}:")
    assert line["channel"] == "wecom"


def test_a_runaway_recursion_stays_one_short_line() -> None:
    def fall() -> None:
        fall()

    with pytest.raises(RecursionError) as caught:
        fall()

    assert len(json.dumps(describe(caught.value))) < 4000


def test_a_library_says_its_own_words_from_warning_on_and_none_of_its_details(lines: Lines) -> None:
    library = logging.getLogger("somelibrary.client")
    library.setLevel(logging.DEBUG)

    library.debug("GET %s", CANARY)
    library.info("GET done")
    library.warning("gave up on %s", CANARY, extra={"openid": CANARY})
    library.warning("gave up on " + CANARY)

    told = lines()
    assert [line["event"] for line in told] == ["gave up on %s", WITHHELD]
    assert CANARY not in json.dumps(told)


def test_a_handler_that_a_library_brings_along_gets_no_details_either(lines: Lines) -> None:
    told: list[str] = []

    class Own(logging.Handler):
        @override
        def emit(self, record: logging.LogRecord) -> None:
            told.append(logging.Formatter().format(record))

    library, handler = logging.getLogger("somelibrary.worker"), Own()
    library.addHandler(handler)
    try:
        fail()
    except ValueError:
        library.exception("job %s failed", CANARY)
    library.removeHandler(handler)

    assert told == ["job %s failed"]
    assert len(lines()) == 1


def test_an_error_nobody_caught_becomes_a_record(lines: Lines) -> None:
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    sys.excepthook(ValueError, ValueError(CANARY), None)

    told = lines()
    assert [line["event"] for line in told] == ["an error nobody caught in a thread", "an error nobody caught"]
    assert CANARY not in json.dumps(told)


@pytest.mark.usefixtures("lines")
def test_the_level_is_ours_to_choose() -> None:
    setup_logging("ERROR")

    assert logging.getLogger("models.round").getEffectiveLevel() == logging.ERROR
    assert logging.getLogger("somelibrary").getEffectiveLevel() == logging.WARNING


LIBRARIES = f"""
import logging

import requests
from granian.log import LogLevels, configure_logging
from rq.logutils import setup_loghandlers
from werkzeug._internal import _log

from bot.log import GRANIAN, setup_logging

setup_logging("DEBUG")
configure_logging(LogLevels.info, GRANIAN)
setup_loghandlers("INFO")

session = requests.Session()
session.mount("http://", requests.adapters.HTTPAdapter(max_retries=1))
try:
    session.get("http://127.0.0.1:9/cgi-bin/token?secret={CANARY}", timeout=1)
except requests.ConnectionError:
    logging.getLogger("workers.senders").exception("the platform does not answer")
logging.getLogger("_granian").error(" ".join(["failed for", "{CANARY}"]))
logging.getLogger("granian.access").info("GET %s", "{CANARY}")
logging.getLogger("rq.worker").info("%s", "{CANARY}")
logging.getLogger("rq.worker").error("Worker %s: job failed", "{CANARY}")
_log("error", "%s", "{CANARY}")
raise ValueError("{CANARY}")
"""


def test_the_libraries_we_use_write_json_through_us_and_tell_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", LIBRARIES], capture_output=True, text=True, timeout=60, check=False)

    told = [json.loads(line) for line in done.stderr.splitlines()]
    assert (done.stdout, done.returncode) == ("", 1)
    assert CANARY not in done.stderr
    assert [line["logger"] for line in told] == [
        "urllib3.connectionpool",
        "workers.senders",
        "_granian",
        "rq.worker",
        "werkzeug",
        "bot.log",
    ]
    assert told[1]["failure"][0]["type"] == "requests.exceptions.ConnectionError"
