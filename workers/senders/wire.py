"""One HTTP exchange with a platform: over by its deadline, never repeated, and sure about whether the request left.

urllib3 keeps the connections and speaks HTTP; what it leaves open is closed here. Its timeouts count anew at every read, and
its errors hold the address, in it the token, and do not tell a request that never left from one that may be on its way.
"""

import http.client
import io
import logging
import os
import ssl
import threading
import time
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import certifi
import urllib3
from typing_extensions import override
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, HTTPError

from models.errors import SettingsError

CONNECTIONS = 64
"""Connections kept open; more threads than that open their own and close them again."""

CONNECT = 2.0
"""Seconds for reaching one address. A host with several dead ones takes longer to fail; nothing is sent late for it."""

IDLE = 10.0
"""Seconds after which a connection is not used again: one that the platform closes just then would lose a request."""

# At DEBUG urllib3 writes whole addresses, with the token in them.
logging.getLogger("urllib3.connectionpool").setLevel(logging.WARNING)


class Lost(Enum):
    """What came instead of an answer."""

    NEVER_LEFT = "never left"  # the platform has not seen the whole request, and cannot act on it
    NO_ANSWER = "no answer"  # it may have acted on it


@dataclass(frozen=True)
class Reply:
    """What the platform answered."""

    status: int
    body: bytes


class Wire:
    """Connections to one host. The environment's proxies and certificates are read here once."""

    def __init__(self, api_base: str) -> None:
        parts = urlsplit(api_base)
        options: dict[str, Any] = {"ssl_context": _trusted()} if parts.scheme == "https" else {}
        self._prefix = parts.path.rstrip("/")
        self._manager: urllib3.PoolManager
        if (proxy := _proxy_for(parts.scheme, parts.netloc)) is None:
            self._manager = urllib3.PoolManager(maxsize=CONNECTIONS, **options)
        else:
            auth = urllib3.util.parse_url(proxy).auth
            headers = urllib3.make_headers(proxy_basic_auth=unquote(auth)) if auth else None
            self._manager = urllib3.ProxyManager(proxy, proxy_headers=headers, maxsize=CONNECTIONS, **options)
            if parts.scheme == "http":  # a proxy is told the whole address, unless it only passes TLS on
                self._prefix = f"{parts.scheme}://{parts.netloc}{self._prefix}"
        self._pool = self._manager.connection_from_url(api_base)
        self._pool.ConnectionCls = _SecureConnection if parts.scheme == "https" else _Connection

    def exchange(self, method: str, target: str, body: bytes | None, *, until: float) -> Reply | Lost:
        """Ask once, and have the answer by `until` (`time.monotonic()`). Never raises."""
        if (left := until - time.monotonic()) <= 0:
            return Lost.NEVER_LEFT
        _call.until, _call.has_left = until, False
        try:
            answer = self._pool.urlopen(
                method,
                self._prefix + target,
                body=body,
                headers=_HEADERS,
                retries=False,
                redirect=False,
                assert_same_host=False,
                timeout=urllib3.Timeout(total=left, connect=CONNECT),
            )
        except (HTTPError, http.client.HTTPException, OSError, ValueError):
            return Lost.NO_ANSWER if _call.has_left else Lost.NEVER_LEFT
        return Reply(answer.status, answer.data)


_HEADERS = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "xinqiao"}


class _Call(threading.local):
    """The exchange that this thread is in."""

    until = 0.0
    has_left = False


_call = _Call()


class _TimedRead(io.RawIOBase):
    """Reads with what is left of the call's time: a platform that drips must not keep a caller past its lease."""

    def __init__(self, raw: io.RawIOBase, sock: Any) -> None:
        self._raw, self._sock, self._until = raw, sock, _call.until

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Any) -> int | None:
        if (left := self._until - time.monotonic()) <= 0:
            raise TimeoutError
        self._sock.settimeout(left)
        return self._raw.readinto(buffer)

    @override
    def close(self) -> None:
        self._raw.close()
        super().close()


class _Answer(http.client.HTTPResponse):
    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_TimedRead(self.fp.detach(), sock))


class _Connection(HTTPConnection):
    """Sends nothing after the call's time, and notes when the whole request was handed over."""

    response_class = _Answer
    _used_at = 0.0
    _held: list[bytes] | None = None

    @property
    @override
    def is_connected(self) -> bool:
        return super().is_connected and time.monotonic() - self._used_at < IDLE

    @override
    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is None:
            self.connect()
        if time.monotonic() >= _call.until:
            raise ConnectTimeoutError
        # Headers and body in one packet: every further send is another chance to wait for Python's own lock.
        self._held = []
        super().request(*args, **kwargs)
        whole, self._held = b"".join(self._held), None
        self.send(whole)
        _call.has_left = True

    @override
    def send(self, data: Any) -> None:
        if self._held is None:
            super().send(data)
        else:
            self._held.append(data)

    @override
    def getresponse(self) -> Any:
        answer = super().getresponse()
        self._used_at = time.monotonic()
        return answer


class _SecureConnection(_Connection, HTTPSConnection):
    """The same under TLS."""


def _trusted() -> ssl.SSLContext:
    """Whom to believe, read once: a context made for every connection would read the certificates each time."""
    given = os.environ.get("REQUESTS_CA_BUNDLE") or certifi.where()
    try:
        if Path(given).is_dir():
            return ssl.create_default_context(capath=given)
        return ssl.create_default_context(cafile=given)
    except OSError:
        raise SettingsError("REQUESTS_CA_BUNDLE must name a readable file or folder of certificates") from None


def _proxy_for(scheme: str, netloc: str) -> str | None:
    """The proxy that the environment names for this host."""
    if proxy_bypass(netloc):
        return None
    proxies = getproxies()
    proxy = proxies.get(scheme) or proxies.get("all")
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"
