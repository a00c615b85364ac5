"""Which HTTP client posts the bulk: messages a second and processor a message, each client alone, in interleaved rounds.

64 keep-alive connections to a platform that answers after 30 ms, no rows written. What is not installed is left out: the
losers are no part of the project; install them anywhere and name the place in PYTHONPATH.
"""

import asyncio
import contextlib
import importlib.util
import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from bench.fake_platform import fake_platform

CONNECTIONS = 64
MESSAGES = 5_000
ROUNDS = 5
PATH = "/cgi-bin/message/send"
TOKEN = "t" * 128
HEADERS = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "xinqiao"}

Body = dict[str, Any]
Post = Callable[[Body], object]


def _bodies(count: int) -> list[Body]:
    return [
        {
            "touser": "zhang.wei",
            "agentid": 1000002,
            "msgtype": "text",
            "text": {"content": f"有一条等你看，回复「查看」（编号 {number:04X}）"},
            "enable_duplicate_check": 1,
            "duplicate_check_interval": 14400,
        }
        for number in range(count)
    ]


def _packed(body: Body) -> bytes:
    import orjson

    return orjson.dumps(body)


def _bare_sockets(address: str) -> Post:
    """What no client can beat."""
    import socket

    kept = threading.local()
    host, port = address.removeprefix("http://").split(":")
    head = f"POST {PATH}?access_token={TOKEN} HTTP/1.1\r\nHost: {host}:{port}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())

    def post(body: Body) -> object:
        if not hasattr(kept, "socket"):
            kept.socket = socket.create_connection((host, int(port)), timeout=5)
            kept.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        data = _packed(body)
        kept.socket.sendall(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
        return json.loads(kept.socket.recv(65536).partition(b"\r\n\r\n")[2])

    return post


def _ours(address: str) -> Post:
    """What workers/senders posts with: token, deadline, pauses and judgement included."""
    from workers.senders.clients import WeComClient

    client = WeComClient("ww", "secret", address, None)
    return lambda body: client.send("message/send", body, until=time.monotonic() + 5, attempt=1)


def _urllib3(address: str) -> Post:
    import urllib3

    pool = urllib3.connection_from_url(address, maxsize=CONNECTIONS, block=True)
    target = f"{PATH}?access_token={TOKEN}"

    def post(body: Body) -> object:
        timeout = urllib3.Timeout(total=5, connect=2)
        answer = pool.urlopen(
            "POST", target, body=_packed(body), headers=HEADERS, retries=False, redirect=False, timeout=timeout
        )
        return json.loads(answer.data)

    return post


def _http_client(address: str) -> Post:
    import http.client

    kept = threading.local()
    target = f"{PATH}?access_token={TOKEN}"

    def post(body: Body) -> object:
        if not hasattr(kept, "connection"):
            kept.connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=5)
        kept.connection.request("POST", target, _packed(body), HEADERS)
        return json.loads(kept.connection.getresponse().read())

    return post


def _requests(address: str) -> Post:
    import requests
    from requests.adapters import HTTPAdapter

    session = requests.Session()
    session.trust_env = False
    session.mount("http://", HTTPAdapter(pool_connections=2, pool_maxsize=CONNECTIONS, max_retries=0))
    session.headers.update(HEADERS)
    query = {"access_token": TOKEN}
    return lambda body: session.post(address + PATH, params=query, data=_packed(body), timeout=(2, 5)).json()


def _wechatpy(address: str) -> Post:
    """What posted before: wechatpy's client over requests."""
    from requests.adapters import HTTPAdapter
    from wechatpy.work import WeChatClient

    client = WeChatClient("ww", "secret", timeout=5, auto_retry=False)
    client.API_BASE_URL = f"{address}/cgi-bin/"
    client._http.trust_env = False  # noqa: SLF001 — as it was used
    client._http.mount("http://", HTTPAdapter(pool_connections=2, pool_maxsize=CONNECTIONS, max_retries=0))  # noqa: SLF001
    return lambda body: client.post("message/send", data=body, params={"access_token": TOKEN}, timeout=(2, 5))


def _httpx(address: str) -> Post:
    import httpx

    limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    client = httpx.Client(limits=limits, timeout=5, trust_env=False, headers=HEADERS)
    return lambda body: client.post(address + PATH, params={"access_token": TOKEN}, content=_packed(body)).json()


async def _aiohttp(address: str, bodies: Iterator[Body]) -> None:
    import aiohttp

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONNECTIONS), headers=HEADERS) as session:

        async def drive() -> None:
            for body in bodies:
                async with session.post(address + PATH, params={"access_token": TOKEN}, data=_packed(body)) as answer:
                    await answer.json()

        await asyncio.gather(*[drive() for _ in range(CONNECTIONS)])


async def _httpx_async(address: str, bodies: Iterator[Body]) -> None:
    import httpx

    limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    async with httpx.AsyncClient(limits=limits, timeout=30, trust_env=False, headers=HEADERS) as client:

        async def drive() -> None:
            for body in bodies:
                (await client.post(address + PATH, params={"access_token": TOKEN}, content=_packed(body))).json()

        await asyncio.gather(*[drive() for _ in range(CONNECTIONS)])


THREADED: dict[str, Callable[[str], Post]] = {
    "bare sockets": _bare_sockets,
    "ours": _ours,
    "http.client": _http_client,
    "urllib3": _urllib3,
    "requests": _requests,
    "wechatpy": _wechatpy,
    "httpx": _httpx,
}
ASYNC = {"aiohttp": _aiohttp, "httpx, async": _httpx_async}
LIBRARIES = {"wechatpy": "wechatpy", "httpx": "httpx", "aiohttp": "aiohttp", "httpx, async": "httpx"}
SLOW = {"httpx, async"}


class _Each:
    """Each body once, whoever asks."""

    def __init__(self, bodies: Iterable[Body]) -> None:
        self._left = iter(bodies)
        self._lock = threading.Lock()

    def __iter__(self) -> "_Each":
        return self

    def __next__(self) -> Body:
        with self._lock:
            return next(self._left)


def _drive(post: Post, bodies: Iterable[Body]) -> None:
    each = _Each(bodies)

    def drive() -> None:
        for body in each:
            post(body)

    threads = [threading.Thread(target=drive) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def measure(name: str, address: str, count: int) -> tuple[float, float]:
    """One client's round; where connections outlive a round, after one that opened them.

    Units: seconds on the wall, seconds of this process's processor.
    """
    bodies = _bodies(count)
    if name in ASYNC:
        began, spent = time.perf_counter(), time.process_time()
        asyncio.run(ASYNC[name](address, _Each(bodies)))
    else:
        post = THREADED[name](address)
        _drive(post, bodies[: 2 * CONNECTIONS])
        began, spent = time.perf_counter(), time.process_time()
        _drive(post, bodies)
    return time.perf_counter() - began, time.process_time() - spent


def _elsewhere(name: str, address: str, count: int) -> tuple[float, float]:
    """The same in a process of its own."""
    command = [sys.executable, "-m", "bench.clients", "--one", name, address, str(count)]
    wall, spent = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return wall, spent


def main(names: list[str]) -> None:
    """Compare these clients, all when none is named."""
    chosen = []
    for name in names or [*THREADED, *ASYNC]:
        if name in LIBRARIES and importlib.util.find_spec(LIBRARIES[name]) is None:
            print(f"{name}: not installed, left out")
        else:
            chosen.append(name)
    rates: dict[str, list[float]] = {name: [] for name in chosen}
    costs: dict[str, list[float]] = {name: [] for name in chosen}
    with fake_platform() as address:
        for _ in range(ROUNDS):
            for name in chosen:
                count = MESSAGES // 10 if name in SLOW else MESSAGES
                wall, spent = _elsewhere(name, address, count)
                rates[name].append(count / wall)
                costs[name].append(1000 * spent / count)
    print(f"{'':14} {'messages/s':>22} {'ms of processor each':>26}")
    for name in chosen:
        rate, cost = rates[name], costs[name]
        print(
            f"{name:14} {statistics.median(rate):8,.0f} ({min(rate):5,.0f}–{max(rate):5,.0f})"
            f" {statistics.median(cost):12.3f} ({min(cost):.3f}–{max(cost):.3f})",
            flush=True,
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measure(sys.argv[2], sys.argv[3], int(sys.argv[4]))))
    else:
        with contextlib.suppress(KeyboardInterrupt):
            main(sys.argv[1:])
