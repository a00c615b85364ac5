"""Access tokens: one for all threads and processes, fetched by one of them, kept in memory and in Redis.

Losing Redis costs one call per process. A token that a platform no longer takes is replaced once for everybody: whoever comes
second finds that it was done. A call that was refused is not made again for a while: platforms lock out whoever insists.
"""

import contextlib
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

from models.errors import ChannelBusyError

if TYPE_CHECKING:
    from redis import Redis

log = logging.getLogger(__name__)

SPARE = 120.0
"""Seconds before its end that the next token is asked for."""

SHORT_LIVED = 10.0
"""Seconds for which a token is used that was given with less than `SPARE` to live (WeCom repeats the one it has)."""

FLIGHT = 5.0
"""Seconds that one process may take to fetch while the others wait."""

SAME_AGAIN = 30.0
"""Seconds for which a token that was asked for anew and came back the same is not asked for once more."""

REDIS_PATIENCE = 0.5
REDIS_REST = 5.0


@dataclass(frozen=True)
class Token:
    """A token and the moment (`time.time()`) until which requests may begin with it."""

    text: str
    best_before: float

    @classmethod
    def given(cls, text: str, seconds: float) -> "Token":
        """One that the platform gave with so many seconds to live."""
        return cls(
            text, time.time() + (seconds - SPARE if seconds > SPARE + SHORT_LIVED else min(seconds, SHORT_LIVED))
        )

    @property
    def is_fresh(self) -> bool:
        """Whether a request may still begin with it."""
        return time.time() < self.best_before


class TokenRefusedError(ChannelBusyError):
    """No token to be had before `retry_after`."""


class SharedTokens:
    """The tokens in Redis; a Redis that does not answer is left alone for a few seconds, and nobody waits for it."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client: Redis | None = None
        self._rests_until = 0.0

    def load(self, key: str) -> Token | None:
        """The token that some process has put there."""
        with self._redis() as redis:
            if redis is not None and (found := redis.get(key)) is not None:
                kept = json.loads(found)
                return Token(kept["text"], kept["best_before"])
        return None

    def store(self, key: str, token: Token) -> None:
        """Let the other processes have it."""
        with self._redis() as redis:
            if redis is not None:
                life = max(1, int(token.best_before - time.time()))
                redis.set(key, json.dumps({"text": token.text, "best_before": token.best_before}), ex=life)

    def begin(self, key: str) -> str | None:
        """Become the one who fetches: a ticket for `end`; None when another process is at it."""
        ticket = uuid4().hex
        with self._redis() as redis:
            if redis is not None and not redis.set(f"{key}:flight", ticket, nx=True, px=int(FLIGHT * 1000)):
                return None
        return ticket

    def end(self, key: str, ticket: str) -> None:
        """The fetch is over, well or not."""
        with self._redis() as redis:
            # Not atomic: the worst case ends another's flight a moment early, and then two processes fetch once each.
            if redis is not None and redis.get(f"{key}:flight") == ticket.encode():
                redis.delete(f"{key}:flight")

    @contextlib.contextmanager
    def _redis(self) -> "Iterator[Redis | None]":
        from redis import Redis, RedisError  # noqa: PLC0415 — processes that send nothing do not carry it
        from redis.backoff import NoBackoff  # noqa: PLC0415
        from redis.retry import Retry  # noqa: PLC0415

        if time.monotonic() < self._rests_until:
            yield None
            return
        if self._client is None:
            self._client = Redis.from_url(
                self._url,
                socket_timeout=REDIS_PATIENCE,
                socket_connect_timeout=REDIS_PATIENCE,
                retry=Retry(NoBackoff(), 1),
            )
        try:
            yield self._client
        except (RedisError, ValueError, LookupError, TypeError):
            self._rests_until = time.monotonic() + REDIS_REST
            log.warning("tokens are kept in memory only, Redis did not answer")


class TokenKeeper:
    """One account's token. `fetch` asks the platform and raises ChannelBusyError when it gets none."""

    def __init__(self, key: str, fetch: Callable[[float], Token], shared: SharedTokens | None) -> None:
        self._key = f"xinqiao:token:{key}"
        self._fetch = fetch
        self._shared = shared
        self._token: Token | None = None
        self._came_back: tuple[str, float] = ("", 0.0)
        self._lock = threading.Lock()
        self._refused_until = 0.0
        self._refused_code: int | None = None

    def get(self, until: float) -> str:
        """A token to begin a request with, by `until`. Raises: ChannelBusyError."""
        token = self._token
        return token.text if token is not None and token.is_fresh else self._renew(None, until)

    def replace(self, bad: str, until: float) -> str:
        """The token after `bad`, which the platform no longer takes; fetched once for all. Raises: ChannelBusyError.

        The same one when the platform has no other: its fault or the settings', which no asking mends.
        """
        return self._renew(bad, until)

    def _renew(self, bad: str | None, until: float) -> str:
        if not self._lock.acquire(timeout=max(0.0, until - time.monotonic())):
            raise TokenRefusedError(retry_after=timedelta(seconds=1))
        try:
            if bad is not None and self._came_back[0] == bad and time.monotonic() < self._came_back[1]:
                return bad
            token = self._known(bad) or self._fetched(bad, until)
            if token.text == bad:
                self._came_back = (bad, time.monotonic() + SAME_AGAIN)
            self._token = token
            return token.text
        finally:
            self._lock.release()

    def _known(self, bad: str | None) -> Token | None:
        """A fresh token that another thread or process has got since."""
        if _is_good(self._token, bad):
            return self._token
        shared = self._shared.load(self._key) if self._shared else None
        return shared if _is_good(shared, bad) else None

    def _fetched(self, bad: str | None, until: float) -> Token:
        ticket = self._shared.begin(self._key) if self._shared else ""
        while ticket is None and self._shared is not None:
            if time.monotonic() > until:
                raise TokenRefusedError(retry_after=timedelta(seconds=1))
            time.sleep(0.02)
            if (token := self._known(bad)) is not None:
                return token
            ticket = self._shared.begin(self._key)
        try:
            # Between the first look and the ticket the flight before may have landed.
            return self._known(bad) or self._ask(until)
        finally:
            if self._shared is not None and ticket:
                self._shared.end(self._key, ticket)

    def _ask(self, until: float) -> Token:
        left = self._refused_until - time.monotonic()
        if left > 0:
            raise TokenRefusedError(self._refused_code, retry_after=timedelta(seconds=left))
        if time.monotonic() >= until:
            raise TokenRefusedError(retry_after=timedelta(seconds=1))
        try:
            token = self._fetch(until)
        except ChannelBusyError as error:
            self._refused_until = time.monotonic() + error.retry_after.total_seconds()
            self._refused_code = error.code
            raise
        if self._shared is not None:
            self._shared.store(self._key, token)
        return token


def _is_good(token: Token | None, bad: str | None) -> bool:
    return token is not None and token.is_fresh and token.text != bad
