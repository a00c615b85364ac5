"""A platform that takes everything, in a process of its own: each call is answered `errcode` 0 after a fixed wait.

It decides nothing and keeps nothing but a count, so that a bench measures the bot and not the platform: one asyncio protocol
that looks no further into a request than where it ends. `python -m bench.fake_platform [SECONDS] [PORT]` prints its address.
"""

import asyncio
import contextlib
import http.client
import subprocess
import sys
from collections import deque
from collections.abc import Iterator

LOOPBACK = "127.0.0.1"
WAIT = 0.03

_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nConnection: keep-alive\r\nContent-Length: "
)


def _answer(body: bytes) -> bytes:
    return _HEAD + str(len(body)).encode() + b"\r\n\r\n" + body


ACCEPTED = _answer(b'{"errcode":0,"errmsg":"ok","invaliduser":"","msgid":"3187645120001245184"}')
TOKEN = _answer(b'{"errcode":0,"errmsg":"ok","access_token":"' + b"t" * 128 + b'","expires_in":7200}')


class _Platform:
    """All connections' answers, in the order in which they fall due."""

    def __init__(self, wait: float) -> None:
        self.posts = 0
        self.wait = wait
        self.loop = asyncio.get_running_loop()
        self._due: deque[tuple[float, asyncio.Transport, bytes]] = deque()

    def later(self, transport: asyncio.Transport, answer: bytes) -> None:
        """Answer when the wait is over: it is the same for all, so a queue does what a heap of timers would."""
        self._due.append((self.loop.time() + self.wait, transport, answer))
        if len(self._due) == 1:
            self.loop.call_later(self.wait, self._answer_due)

    def _answer_due(self) -> None:
        due, now = self._due, self.loop.time() + 0.0005
        while due and due[0][0] <= now:
            _, transport, answer = due.popleft()
            if not transport.is_closing():
                transport.write(answer)
        if due:
            self.loop.call_at(due[0][0], self._answer_due)


class _Connection(asyncio.Protocol):
    """One client; requests come one after the other, each whole or in pieces."""

    def __init__(self, platform: _Platform) -> None:
        self._platform = platform
        self._read = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        read = self._read + data if self._read else data
        while (end := read.find(b"\r\n\r\n")) >= 0:
            line = read[: read.index(b"\r\n")]
            whole = end + 4 + _length(read[:end])
            if len(read) < whole:
                break
            read = read[whole:]
            self._take(line)
        self._read = read

    def _take(self, line: bytes) -> None:
        platform = self._platform
        path, _, _ = line.split(b" ", 2)[1].partition(b"?")
        if path.endswith(b"token"):
            platform.later(self._transport, TOKEN)
        elif line.startswith(b"POST"):
            platform.posts += 1
            platform.later(self._transport, ACCEPTED)
        else:
            self._transport.write(_answer(str(platform.posts).encode()))


def _length(head: bytes) -> int:
    at = head.lower().find(b"\r\ncontent-length:")
    return int(head[at + 17 :].split(b"\r\n", 1)[0]) if at >= 0 else 0


async def _serve(wait: float, port: int) -> None:
    platform = _Platform(wait)
    server = await platform.loop.create_server(lambda: _Connection(platform), LOOPBACK, port, backlog=1024)
    print(f"http://{LOOPBACK}:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


@contextlib.contextmanager
def fake_platform(wait: float = WAIT) -> Iterator[str]:
    """The address of a platform that lives as long as the block."""
    with subprocess.Popen([sys.executable, "-m", "bench.fake_platform", str(wait)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().decode().strip()
        finally:
            process.kill()


def posts(address: str) -> int:
    """How many messages this platform has taken so far; token calls and this question do not count."""
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=5)
    connection.request("GET", "/posts")
    count = int(connection.getresponse().read())
    connection.close()
    return count


if __name__ == "__main__":
    given = sys.argv[1:]
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(float(given[0]) if given else WAIT, int(given[1]) if len(given) > 1 else 0))
