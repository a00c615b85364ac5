"""How much a platform takes: calls of an API in a day, and calls at the same time. Without an order there is no limit."""

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime
from zoneinfo import ZoneInfo

from bot.sandbox.ledger import ApiError

ZONE = ZoneInfo("Asia/Shanghai")
QUOTA_SPENT = 45009
CROWDED = 45033


class Limits:
    """Daily quotas, which start anew at 0:00 in Beijing by `clock.now()`, and limits of concurrency."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._daily: dict[str, int] = {}
        self._at_once: dict[str, int] = {}
        self._spent: Counter[tuple[str, date]] = Counter()
        self._under_way: Counter[str] = Counter()

    def daily(self, path: str, calls: int | None) -> None:
        """So many calls of this path a day, then 45009; None lifts the limit. What was spent today counts."""
        _set(self._daily, path, calls)

    def at_once(self, path: str, calls: int | None) -> None:
        """So many calls of this path at the same time, then 45033; None lifts the limit."""
        _set(self._at_once, path, calls)

    def spent(self, path: str, now: datetime) -> int:
        """How many calls of this path were counted today."""
        return self._spent[path, _day(now)]

    def spend(self, path: str, now: datetime) -> None:
        """Count a call. Raises: ApiError when it is one too many."""
        if self._under_way[path] > self._at_once.get(path, self._under_way[path]):
            raise ApiError(CROWDED, "api concurrent out of limit")
        key = (path, _day(now))
        if self._spent[key] >= self._daily.get(path, self._spent[key] + 1):
            raise ApiError(QUOTA_SPENT, "reach max api daily quota limit")
        self._spent[key] += 1

    @contextlib.contextmanager
    def under_way(self, path: str) -> Iterator[None]:
        """A call from its arrival to its answer."""
        with self._lock:
            self._under_way[path] += 1
        try:
            yield
        finally:
            with self._lock:
                self._under_way[path] -= 1


def _set(limits: dict[str, int], path: str, calls: int | None) -> None:
    if calls is None:
        limits.pop(path, None)
    else:
        limits[path] = calls


def _day(now: datetime) -> date:
    return now.astimezone(ZONE).date()
