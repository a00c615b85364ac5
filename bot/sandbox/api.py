"""The platforms' API over HTTP: `Platform.handle` behind Flask."""

import contextlib
import socket
import time

from flask import Blueprint, Flask, Response, jsonify, request

from bot.sandbox.listen import read_body
from bot.sandbox.platform import BODY_LIMIT, Platform


def api_blueprint(platform: Platform) -> Blueprint:
    """All of `/cgi-bin/`, for both platforms on one host."""
    blueprint = Blueprint("api", __name__)

    @blueprint.route("/cgi-bin/<path:path>", methods=["GET", "POST"])
    def call(path: str) -> Response:
        answer = platform.handle(request.method, f"/cgi-bin/{path}", request.args, read_body(BODY_LIMIT))
        if answer.wait:
            time.sleep(answer.wait)
        if answer.lost:
            _hang_up()
        response = jsonify(answer.body)
        response.status_code = answer.status
        return response

    return blueprint


def api_app(platform: Platform) -> Flask:
    """The API alone, for tests: serve it with `bot.sandbox.listen.listening`."""
    app = Flask(__name__)
    app.register_blueprint(api_blueprint(platform))
    return app


def _hang_up() -> None:
    """End the connection without an answer; only possible under a server that shows its socket."""
    connection = request.environ.get("werkzeug.socket")
    if isinstance(connection, socket.socket):
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
