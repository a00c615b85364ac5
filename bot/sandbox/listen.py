"""A threaded HTTP server on the loopback, for the sandbox and for tests, and how its handlers read a body."""

import contextlib
import logging
import socket
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from flask import Flask, abort, request
from typing_extensions import override
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

LOOPBACK = "127.0.0.1"


class _Handler(WSGIRequestHandler):
    """One request a connection, and a connection that was cut is over."""

    protocol_version = "HTTP/1.1"

    @override
    def connection_dropped(self, error: BaseException, environ: "WSGIEnvironment | None" = None) -> None:
        self.close_connection = True


def read_body(most: int) -> bytes:
    """The body of the request at hand; a broken one ends it with 400, one over `most` bytes with 413."""
    try:
        body = request.stream.read(most + 1)
    except OSError:
        abort(400)
    if len(body) > most:
        abort(413)
    return body


def free_port(wanted: int = 0) -> int:
    """The wanted port when it is free, else any free one."""
    for port in (wanted, 0):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((LOOPBACK, port))
            return int(probe.getsockname()[1])
    raise OSError("no free port on the loopback")


def make_listener(app: Flask, port: int = 0) -> BaseWSGIServer:
    """A server bound to the loopback, not yet serving; 0 takes a free port."""
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    server = make_server(LOOPBACK, port, app, threaded=True, request_handler=_Handler)
    server.daemon_threads = True  # type: ignore[attr-defined]  # threaded=True makes a ThreadingMixIn
    return server


@contextlib.contextmanager
def listening(app: Flask, port: int = 0) -> Iterator[str]:
    """Serve in a thread of its own; gives the address, such as `http://127.0.0.1:43210`."""
    server = make_listener(app, port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://{LOOPBACK}:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
