"""The same API for benches and fault tests: connections stay open, and thousands of calls a second cost little.

werkzeug, which carries the sandbox elsewhere, closes the connection after each answer and lingers 10 ms over it: against it
a sender could show neither its keep-alive nor its speed.
"""

import asyncio
import contextlib
import json
import socket
import struct
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from bot.sandbox.call import Answer
from bot.sandbox.control import PREFIX, Control
from bot.sandbox.listen import LOOPBACK
from bot.sandbox.platform import Platform

MOST = 64 << 20
REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 500: "Internal Server Error"}
ABORT = struct.pack("ii", 1, 0)


@contextlib.contextmanager
def serving(platform: Platform, port: int = 0, *, control: bool = False) -> Iterator[str]:
    """Serve in a thread of its own; gives the address, such as `http://127.0.0.1:43210`."""
    loop = asyncio.new_event_loop()
    host = _Host(platform, Control(platform) if control else None)
    server = loop.run_until_complete(asyncio.start_server(host.serve, LOOPBACK, port, limit=MOST, backlog=1024))
    thread = threading.Thread(target=loop.run_forever, name="platforms", daemon=True)
    thread.start()
    try:
        yield f"http://{LOOPBACK}:{server.sockets[0].getsockname()[1]}"
    finally:
        asyncio.run_coroutine_threadsafe(_end(server), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _end(server: asyncio.Server) -> None:
    server.close()
    mine = asyncio.current_task()
    others = [task for task in asyncio.all_tasks() if task is not mine]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


class _Host:
    """Reads requests off a connection and answers each in turn."""

    def __init__(self, platform: Platform, control: Control | None) -> None:
        self._platform = platform
        self._control = control

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until either side ends it."""
        try:
            while await self._one(reader, writer):
                pass
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer the next request; False when the connection is over."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = head[0].split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        raw = await reader.readexactly(int(headers.get("content-length") or 0))
        parts = urlsplit(target)
        path, query = unquote(parts.path), dict(parse_qsl(parts.query, keep_blank_values=True))
        if self._control is not None and path.startswith(PREFIX):
            status, said = self._control.handle(method, path, query, raw)
            writer.write(_packed(status, _json(said)))
        else:
            with self._platform.limits.under_way(path):
                answer = self._platform.handle(method, path, query, raw)
                if answer.reset:
                    _abort(writer)
                    return False
                if answer.wait:
                    await asyncio.sleep(answer.wait)
            if answer.lost:
                return False
            writer.write(_of(answer))
        await writer.drain()
        return headers.get("connection", "").lower() != "close"


def _of(answer: Answer) -> bytes:
    if answer.page:
        return _packed(answer.status, answer.page.encode(), "text/html")
    return _packed(answer.status, _json(answer.body))


def _json(said: Any) -> bytes:
    return json.dumps(said, ensure_ascii=False).encode()


def _packed(status: int, body: bytes, kind: str = "application/json") -> bytes:
    reason = REASONS.get(status, "Other")
    head = f"HTTP/1.1 {status} {reason}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _abort(writer: asyncio.StreamWriter) -> None:
    """A reset instead of an orderly end."""
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
    writer.transport.abort()
