"""Fail points: places where a test kills the process, to prove that nothing is lost or doubled there.

`XINQIAO_FAILPOINT=turn.stored` kills at the first visit of that place, `turn.stored:3` at the third, `turn.stored:3:SIGSTOP`
stops it there instead, until somebody sends SIGCONT; unset, a visit costs nothing.
"""

import os
import signal
import time
from collections import Counter

_WANTED, _AT, _SIGNAL, *_ = (*os.environ.get("XINQIAO_FAILPOINT", "").split(":"), "", "")
_visits: Counter[str] = Counter()
HERE = 0.1
"""Seconds: a signal to the process may take another thread first, and this one must not get past the place meanwhile."""


def hit(name: str) -> None:
    """Visit a place."""
    if not _WANTED or name != _WANTED:
        return
    _visits[name] += 1
    if _visits[name] == int(_AT or 1):
        os.kill(os.getpid(), signal.Signals[_SIGNAL or "SIGKILL"])
        time.sleep(HERE)
