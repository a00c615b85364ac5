"""The web process: granian, one process for the socket and one that answers, with threads."""

import gc
import importlib
import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from models.errors import CentreError, SettingsError
from workers import leash

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from flask import Flask

    from bot.settings import Settings

FAREWELL = 4
"""Seconds that requests have to end when the process is told to stop."""

LEFTOVERS = 5.0
"""Seconds for which the port may still belong to a process that is dying."""


def serve_web(settings: "Settings") -> None:
    """Answer until SIGTERM or SIGINT. Raises: SettingsError when the port is taken."""
    from bot.app import THREADS  # noqa: PLC0415
    from models.db import database  # noqa: PLC0415

    database().dispose()  # a connection must not go through a fork
    check_port(settings.web.host, settings.web.port)
    serve("bot.serving:web_app", settings.web.host, settings.web.port, THREADS)


def web_app() -> "Flask":
    """The application, made in the process that answers."""
    from bot.app import create_app, open_data  # noqa: PLC0415
    from bot.log import setup_logging  # noqa: PLC0415
    from bot.settings import load_settings  # noqa: PLC0415
    from workers.queue import Doorbell  # noqa: PLC0415

    settings = load_settings()
    setup_logging(os.environ.get("XINQIAO_LOG_LEVEL", "INFO"))
    open_data(settings)
    return create_app(settings, Doorbell(settings.queue.url).ring)


def serve(app_target: str, host: str, port: int, threads: int) -> None:
    """Serve `module:function`, a function without arguments that makes a WSGI application, until told to stop.

    Raises: SettingsError when making it did.
    """
    # Only this process needs granian.
    from granian.constants import HTTPModes, Interfaces  # noqa: PLC0415
    from granian.log import LogLevels  # noqa: PLC0415
    from granian.server import Server  # noqa: PLC0415

    from bot.log import GRANIAN  # noqa: PLC0415

    server = Server(
        app_target,
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=1,
        blocking_threads=threads,
        http=HTTPModes.http1,
        websockets=False,
        log_level=LogLevels.error,
        log_dictconfig=GRANIAN,
        respawn_failed_workers=True,
        workers_kill_timeout=FAREWELL,
    )
    gc.collect()
    gc.freeze()  # what is loaded by now stays shared with the process that answers: the collector does not touch it
    ear, mouth = multiprocessing.Pipe(duplex=False)
    try:
        server.serve(target_loader=_Loader(os.getpid(), mouth))
    finally:
        if ear.poll():
            raise SettingsError(ear.recv())


class _Loader:
    """Makes the application in the process that answers, on the leash of the one that holds it.

    A mistake in settings or sentences would be there at every new try: it is handed up, and ends both.
    """

    def __init__(self, parent: int, mouth: "Connection[str, str]") -> None:
        self._parent = parent
        self._mouth = mouth

    def __call__(self, app_target: str) -> Callable[..., Any]:
        leash.hold(self._parent)
        module, _, name = app_target.partition(":")
        try:
            app: Callable[..., Any] = getattr(importlib.import_module(module), name)()
        except CentreError as error:
            self._mouth.send(str(error))
            os.kill(self._parent, signal.SIGTERM)
            sys.exit(1)
        return app


def check_port(host: str, port: int) -> None:
    """Raises: SettingsError when the port cannot be had; a process that is about to end is waited for.

    Granian itself would share the port with whoever has it, and take half of the other's messages.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    end = time.monotonic() + LEFTOVERS
    while True:
        try:
            with socket.socket(family) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host, port))
        except OSError as error:
            if time.monotonic() > end:
                msg = f"web.host, web.port: {host} port {port} cannot be used ({error.strerror}); choose another"
                raise SettingsError(msg) from error
            time.sleep(0.1)
        else:
            return
