"""The platforms' API over HTTP: `Platform.handle` behind Flask."""

import contextlib
import os
import socket
import struct
import time
from collections.abc import Iterator

from flask import Blueprint, Flask, Response, jsonify, request

from bot.sandbox.call import FALLBACK
from bot.sandbox.control import PREFIX, Control
from bot.sandbox.listen import read_body
from bot.sandbox.platform import BODY_LIMIT, Platform

CONTROL_LIMIT = 64 << 20


def api_blueprint(platform: Platform) -> Blueprint:
    """All of `/cgi-bin/`, for both platforms on one host, and `/fallback/NAME` for the school's other ways."""
    blueprint = Blueprint("api", __name__)

    @blueprint.route("/cgi-bin/<path:path>", methods=["GET", "POST"])
    def call(path: str) -> Response:
        return _answer(platform, f"/cgi-bin/{path}")

    @blueprint.post(f"{FALLBACK}<path:name>")
    def fallback(name: str) -> Response:
        return _answer(platform, f"{FALLBACK}{name}")

    return blueprint


def api_app(platform: Platform, *, control: bool = False) -> Flask:
    """The API alone, for tests: serve it with `bot.sandbox.listen.listening`."""
    app = Flask(__name__)
    app.register_blueprint(api_blueprint(platform))
    if control:
        app.register_blueprint(_control_blueprint(platform))
    return app


def _control_blueprint(platform: Platform) -> Blueprint:
    blueprint = Blueprint("control", __name__)
    control = Control(platform)

    @blueprint.route(f"{PREFIX}<path:path>", methods=["GET", "POST"])
    def handle(path: str) -> tuple[Response, int]:
        status, said = control.handle(request.method, f"{PREFIX}{path}", request.args, read_body(CONTROL_LIMIT))
        return jsonify(said), status

    return blueprint


def _answer(platform: Platform, path: str) -> Response:
    body = read_body(BODY_LIMIT)
    with platform.limits.under_way(path):
        answer = platform.handle(request.method, path, request.args, body)
        if answer.reset:
            return _reset()
        if answer.wait:
            time.sleep(answer.wait)
    if answer.lost:
        _hang_up()
    response = Response(answer.page, content_type="text/html") if answer.page else jsonify(answer.body)
    response.status_code = answer.status
    return response


def _connection() -> socket.socket | None:
    """The socket behind the request, under a server that shows it."""
    connection = request.environ.get("werkzeug.socket")
    return connection if isinstance(connection, socket.socket) else None


def _hang_up() -> None:
    """End the connection without an answer."""
    if (connection := _connection()) is not None:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


def _reset() -> Response:
    """End the connection by a reset: closed with data that nobody waits for."""

    def nothing() -> Iterator[bytes]:
        yield from ()
        raise ConnectionResetError

    if (connection := _connection()) is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(connection.detach())
    return Response(nothing())
