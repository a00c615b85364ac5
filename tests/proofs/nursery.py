"""A process that has everything loaded and forks others on request: each a real one, ready in a tenth of a second.

Says `{"pid": …}` when it is ready, then answers each line, a JSON object, with that of a new process. It ends with its standard
input, and its children with it.
What a web process runs is the bot's own application on a plain server with as many threads as granian is given; a worker and a
scheduler run what their commands run.
"""

import importlib
import json
import mmap
import os
import signal
import struct
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any

from apprise import Apprise
from typing_extensions import override
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler

from bot.app import THREADS, create_app, open_data
from bot.log import setup_logging
from bot.settings import load_settings
from bot.wiring import equip_delivery, equip_ticker
from models import clock, failpoint
from workers import leash
from workers.queue import Doorbell
from workers.ticker import run_forever
from workers.worker import run_worker

REQUESTS_WAITING = 128


class _Quiet(WSGIRequestHandler):
    @override
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """The bot's own log is what counts."""


class _Server(ThreadingMixIn, BaseWSGIServer):
    """A fixed number of threads, as granian has."""

    multithread = True
    request_queue_size = REQUESTS_WAITING

    def __init__(self, app: Any, port: int) -> None:
        super().__init__("127.0.0.1", port, app, handler=_Quiet)
        self._threads = ThreadPoolExecutor(THREADS)

    @override
    def process_request(self, request: Any, client_address: Any) -> None:
        self._threads.submit(self.process_request_thread, request, client_address)


def serve(wanted: dict[str, Any]) -> None:
    """Become a process; `wanted` names its role, config, port, log, fail point, and how far its clock is moved or wrong."""
    log = os.open(wanted["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ["XINQIAO_FAILPOINT"] = wanted["failpoint"]
    importlib.reload(failpoint)  # it looks at the environment once, and fills the same names again
    clock.move_to(clock.machine() + timedelta(seconds=wanted["shift"]))
    if wanted["wrong"]:
        _be_wrong(Path(wanted["wrong"]))
    setup_logging("INFO")
    settings = load_settings(Path(wanted["config"]))
    match wanted["role"]:
        case "worker":
            equip_delivery(settings)
            run_worker(settings.queue.url)
        case "scheduler":
            run_forever(equip_ticker(settings))
        case _:
            open_data(settings)
            app = create_app(settings, Doorbell(settings.queue.url or "redis://127.0.0.1:1").ring)
            _Server(app, wanted["port"]).serve_forever(poll_interval=3600)


def _be_wrong(file: Path) -> None:
    """Let this machine's clock be wrong by what a file says, now and later: seconds, as a double.

    No process can have a clock of its own from the kernel; all of our code asks this one function.
    """
    right = clock.machine
    with file.open("r+b") as opened:
        seconds = mmap.mmap(opened.fileno(), 8)
    clock.machine = lambda: right() + timedelta(seconds=struct.unpack_from("<d", seconds)[0])


def _load_the_rest() -> None:
    """What a worker would load with its first message over the fallback: it costs a second."""
    _loaded.append(Apprise().add("json://localhost"))


_loaded: list[bool] = []


def main() -> None:
    """Fork until nobody asks any more."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them: the kernel buries the dead
    parent = os.getpid()
    _answer(parent)
    for line in sys.stdin:
        if '"web"' not in line and not _loaded:
            _load_the_rest()
        pid = os.fork()
        if pid == 0:
            leash.hold(parent)
            status = 1
            try:
                serve(json.loads(line))
                status = 0
            except Exception:  # noqa: BLE001 — told, and then it ends
                traceback.print_exc()
            finally:
                os._exit(status)
        _answer(pid)


def _answer(pid: int) -> None:
    sys.stdout.write(json.dumps({"pid": pid}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
