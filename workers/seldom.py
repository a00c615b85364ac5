"""A word now and then: something that goes wrong a thousand times a minute is worth one line of the log."""

import threading
import time


class Seldom:
    """`Seldom(60).may("queue")` is True at most once in 60 s for each subject."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last: dict[str, float] = {}
        self._lock = threading.Lock()

    def may(self, subject: str = "") -> bool:
        """Whether it is time to say it again."""
        now = time.monotonic()
        with self._lock:
            if now - self._last.get(subject, -self._seconds) < self._seconds:
                return False
            self._last[subject] = now
            return True
