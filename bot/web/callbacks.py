"""The platforms' callbacks over HTTP: `/callback/official-account` and `/callback/wecom`."""

import time
from collections.abc import Mapping

from flask import Blueprint, Response, request

from bot.doors.door import Answer, Door
from bot.doors.inbound import NoAnswer, Turn

MOST_BYTES = 1 << 20
LISTENS = 5.5
"""Seconds after which no platform listens any more; only then may a turn that knows nothing answer."""

_CHUNK = 1 << 16
_TOO_LARGE = Answer(413)


def callback_routes(doors: Mapping[str, Door], turn: Turn) -> Blueprint:
    """One address a channel that is on."""
    routes = Blueprint("callbacks", __name__)

    @routes.route("/callback/<name>", methods=["GET", "POST"])
    def callback(name: str) -> Response:
        """Verify the address, or take one message."""
        received = time.monotonic()
        door = doors.get(name)
        if door is None:
            return _response(Answer(404))
        if request.method != "POST":  # HEAD comes with GET
            return _response(door.get(_query()))
        body = _body()
        if body is None:
            return _response(_TOO_LARGE)
        try:
            return _response(door.post(_query(), body, received, turn))
        except NoAnswer:
            time.sleep(max(0.0, received + LISTENS - time.monotonic()))
            return _response(Answer(200))

    return routes


def _query() -> str:
    return str(request.environ.get("QUERY_STRING", ""))


def _body() -> bytes | None:
    """The body; None when it is over the limit: it is read off all the same, so that the sender hears the answer."""
    # Straight from the server: Flask's own access would take a form content type for a form and empty the body.
    stream = request.environ["wsgi.input"]
    left = request.content_length
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


def _response(answer: Answer) -> Response:
    return Response(answer.body, answer.status, content_type=answer.content_type)
