"""A process that has everything loaded and forks web processes on request: each a real one, ready in a tenth of a second.

Says `{"pid": …, "port": 0}` when it is ready, then answers each line, a JSON object, with that of a new process. It ends with
its standard input, and its children with it.
What a web process runs is the bot's own application on a plain server with as many threads as granian is given.
"""

import importlib
import json
import os
import signal
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any

from typing_extensions import override
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler

from bot.app import THREADS, create_app, open_data
from bot.log import setup_logging
from bot.settings import load_settings
from models import clock, failpoint
from workers import leash
from workers.queue import Doorbell

REQUESTS_WAITING = 128


class _Quiet(WSGIRequestHandler):
    @override
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """The bot's own log is what counts."""


class _Server(ThreadingMixIn, BaseWSGIServer):
    """A fixed number of threads, as granian has."""

    multithread = True
    request_queue_size = REQUESTS_WAITING

    def __init__(self, app: Any) -> None:
        super().__init__("127.0.0.1", 0, app, handler=_Quiet)
        self._threads = ThreadPoolExecutor(THREADS)

    @override
    def process_request(self, request: Any, client_address: Any) -> None:
        self._threads.submit(self.process_request_thread, request, client_address)


def serve(wanted: dict[str, Any], mouth: socket.socket) -> None:
    """Become a web process; `wanted` names its config, its log, its fail point and how far its clock is moved."""
    log = os.open(wanted["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ["XINQIAO_FAILPOINT"] = wanted["failpoint"]
    importlib.reload(failpoint)  # it looks at the environment once, and fills the same names again
    clock.move_to(clock.machine() + timedelta(seconds=wanted["shift"]))
    setup_logging("INFO")
    settings = load_settings(Path(wanted["config"]))
    open_data(settings)
    server = _Server(create_app(settings, Doorbell(settings.queue.url or "redis://127.0.0.1:1").ring))
    mouth.sendall(str(server.server_port).encode())
    mouth.close()
    server.serve_forever(poll_interval=3600)


def main() -> None:
    """Fork until nobody asks any more."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them: the kernel buries the dead
    parent = os.getpid()
    _answer(pid=parent, port=0)
    for line in sys.stdin:
        ear, mouth = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            leash.hold(parent)
            ear.close()
            try:
                serve(json.loads(line), mouth)
            finally:
                os._exit(1)
        mouth.close()
        port = ear.recv(16).decode()
        ear.close()
        _answer(pid=pid, port=int(port or 0))


def _answer(**values: int) -> None:
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
