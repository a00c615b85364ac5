"""The log: one JSON object a line on standard error, and nothing in it that belongs to a person.

An event is a text that stands literally in the function that logs it. A text put together at run time is withheld, and
so are arguments: they hold what people said, openids, addresses with tokens in them. Details go into `extra`, as ids
and counts; that of other people's libraries is dropped. An exception is told by its type and where it came from, never
by its text. All this is done as a record is made, so it holds for a library's own handlers, too.
"""

import inspect
import json
import logging
import math
import re
import sys
import threading
import traceback
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeAlias

from typing_extensions import override

if TYPE_CHECKING:
    from types import TracebackType

    ExcInfo: TypeAlias = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]

ROOMS = ("bot", "handlers", "models", "workers")
WITHHELD = "withheld"
INNERMOST = 20
"""Frames told of an exception: a runaway recursion has a thousand."""

CAUSES = 5

GRANIAN = {
    "version": 1,
    "disable_existing_loggers": False,
    "loggers": {"_granian": {"propagate": True}, "granian.access": {"propagate": False}},
}
"""Granian's `log_dictconfig`: with its own it would write past our handler."""

_SHOWABLE = re.compile(r"[ -~]{0,100}")

log = logging.getLogger(__name__)


def setup_logging(level: int | str = logging.INFO) -> None:
    """Write this process's log: our own records from `level` on, the libraries' from WARNING on. Safe to call twice.

    An error that nobody caught, in any thread, becomes such a record too.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    handler.addFilter(_is_wanted)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for room in ROOMS:
        logging.getLogger(room).setLevel(level)
    logging.setLogRecordFactory(Record)
    logging.raiseExceptions = False  # else a handler that fails prints the record's arguments
    sys.excepthook = _uncaught
    sys.unraisablehook = _unraisable
    threading.excepthook = _uncaught_in_thread


class Record(logging.LogRecord):
    """A log record that has forgotten what it must not tell."""

    def __init__(  # noqa: PLR0913, PLR0917 — logging calls it so
        self,
        name: str,
        level: int,
        pathname: str,
        lineno: int,
        msg: object,
        args: object,  # noqa: ARG002 — forgotten on purpose
        exc_info: "ExcInfo | None",
        func: str | None = None,
        sinfo: str | None = None,  # noqa: ARG002 — as above
    ) -> None:
        """Keep the text if it is literal, the place, and the exception's types and frames."""
        caller = _frame_at(pathname, lineno)
        literal = caller is not None and any(msg is const for const in caller.f_code.co_consts)
        super().__init__(name, level, pathname, lineno, msg if literal else WITHHELD, (), None, func)
        self._place = f"{_module(caller) if caller else self.module}:{lineno}"
        self._failure = describe(exc_info[1]) if exc_info and exc_info[1] else None

    def told(self) -> dict[str, Any]:
        """What the line holds. An `extra` whose name is taken gets an underline."""
        told: dict[str, Any] = {
            "ts": datetime.fromtimestamp(self.created, UTC).isoformat(timespec="milliseconds"),
            "level": self.levelname.lower(),
            "logger": self.name,
            "event": self.msg,
        }
        if self.msg == WITHHELD:
            told["at"] = self._place
        if self._failure:
            told["failure"] = self._failure
        if _is_ours(self.name):
            for key in vars(self).keys() - _STANDARD:
                told[f"{key}_" if key in told else key] = _plain(vars(self)[key])
        return told


_STANDARD = vars(logging.LogRecord("", 0, "", 0, "", (), None)).keys() | {"message", "asctime", "_place", "_failure"}


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        if not isinstance(record, Record):  # made before `setup_logging`, or by hand
            record = Record(record.name, record.levelno, record.pathname, record.lineno, record.msg, (), None)
        return json.dumps(record.told())


def describe(error: BaseException) -> list[dict[str, Any]]:
    """What may be told of an exception anywhere: types and places of it and of what caused it, outermost first."""
    told: list[dict[str, Any]] = []
    cause: BaseException | None = error
    while cause is not None and len(told) < CAUSES:
        frames = [f"{_module(frame)}:{line}" for frame, line in traceback.walk_tb(cause.__traceback__)]
        told.append({"type": _type_name(type(cause)), "frames": frames[-INNERMOST:]})
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return told


def _frame_at(pathname: str, lineno: int) -> FrameType | None:
    frame = inspect.currentframe()
    while frame and (frame.f_code.co_filename != pathname or frame.f_lineno != lineno):
        frame = frame.f_back
    return frame


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "?"))


def _type_name(kind: type) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _is_ours(logger: str) -> bool:
    return logger.partition(".")[0] in ROOMS


def _is_wanted(record: logging.LogRecord) -> bool:
    return _is_ours(record.name) or record.levelno >= logging.WARNING  # libraries lower their own loggers' levels


def _plain(value: object) -> object:  # noqa: PLR0911 — a table of types
    """A value as JSON has it; text only when it can be an id, and of other objects their type."""
    match value:
        case Enum():
            return _plain(value.value)
        case bool() | int() | None:
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case str():
            return value if _SHOWABLE.fullmatch(value) else WITHHELD
        case timedelta():
            return value.total_seconds()
        case date() | time():
            return value.isoformat()
        case Mapping():
            return {str(_plain(key)): _plain(inner) for key, inner in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_plain(inner) for inner in value]
        case _:
            return _type_name(type(value))


def _uncaught(kind: type[BaseException], error: BaseException, trace: "TracebackType | None") -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        log.critical("an error nobody caught", exc_info=(kind, error, trace))


def _uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and not issubclass(args.exc_type, SystemExit):
        log.critical("an error nobody caught in a thread", exc_info=args.exc_value)


def _unraisable(args: "sys.UnraisableHookArgs") -> None:
    if args.exc_value is not None:
        log.error("an error nobody could be given", exc_info=args.exc_value)
