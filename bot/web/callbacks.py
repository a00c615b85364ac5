"""The platforms' callbacks over HTTP: `/callback/official-account` and `/callback/wecom`.

A small WSGI application before Flask: every message of every person passes here, and Flask's request, routing and response
cost as much as a whole door (docs/decisions/0003-hot-path.md).
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any

from bot.doors.door import Answer, Door
from bot.doors.inbound import NoAnswer, Turn

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

PREFIX = "/callback/"
MOST_BYTES = 1 << 20
LISTENS = 5.5
"""Seconds after which no platform listens any more; only then may a turn that knows nothing answer."""

_CHUNK = 1 << 16
_STATUS = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}
_NO_DOOR, _NO_METHOD, _TOO_LARGE, _LATER = Answer(404), Answer(405), Answer(413), Answer(429)


class Callbacks:
    """Answers under `/callback/`, one address a channel that is on; everything else is the next application's."""

    def __init__(self, doors: Mapping[str, Door], turn: Turn, following: Application, threads: int) -> None:
        self._doors = doors
        self._turn = turn
        self._following = following
        # Silence keeps a thread busy: most threads stay free for whoever calls meanwhile.
        self._silent = threading.BoundedSemaphore(max(1, threads // 4))

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """WSGI."""
        path: str = environ["PATH_INFO"]
        if not path.startswith(PREFIX):
            return self._following(environ, start_response)
        answer = self._answer(path.removeprefix(PREFIX), environ)
        headers = [("Content-Type", answer.content_type), ("Content-Length", str(len(answer.body)))]
        if answer is _NO_METHOD:
            headers.append(("Allow", "GET, HEAD, POST"))
        start_response(_STATUS[answer.status], headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [answer.body]

    def _answer(self, name: str, environ: Environ) -> Answer:
        received = time.monotonic()
        door = self._doors.get(name)
        method = environ["REQUEST_METHOD"]
        # Read off in every case: a connection that is closed over an unread body is reset, and its sender hears nothing.
        body = _body(environ)
        query = environ.get("QUERY_STRING", "")
        if door is None:
            return _NO_DOOR
        if method in ("GET", "HEAD"):
            return door.get(query)
        if method != "POST":
            return _NO_METHOD
        if body is None:
            return _TOO_LARGE
        try:
            return door.post(query, body, received, self._turn)
        except NoAnswer:
            return self._say_nothing(received)

    def _say_nothing(self, received: float) -> Answer:
        """Wait until the platform has stopped listening; where too many wait already, tell it to ask again."""
        if not self._silent.acquire(blocking=False):
            return _LATER
        try:
            time.sleep(max(0.0, received + LISTENS - time.monotonic()))
        finally:
            self._silent.release()
        return Answer(200)


def _body(environ: Environ) -> bytes | None:
    """The body; None when it is over the limit."""
    length = environ.get("CONTENT_LENGTH") or ""
    left = int(length) if length.isdecimal() else None
    if left is None and "HTTP_TRANSFER_ENCODING" not in environ:
        return b""
    stream = environ["wsgi.input"]
    parts: list[bytes] = []
    size = 0
    while left is None or left > 0:
        part = stream.read(_CHUNK if left is None else min(_CHUNK, left))
        if not part:
            break
        size += len(part)
        left = None if left is None else left - len(part)
        if size <= MOST_BYTES:
            parts.append(part)
    return b"".join(parts) if size <= MOST_BYTES else None
