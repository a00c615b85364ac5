"""The clerk: one thread that writes for many, each transaction with all that had come in meanwhile.

Sixty-four requests in the air want a line in the database before they go out; sixty-four connections and as many syncs of the
disk would cost more than the requests.
"""

import contextlib
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from sqlmodel import Session

from models.db import savepoint, unit_of_work

MOST = 64

T = TypeVar("T")
Work = Callable[[Session], Any]


class Clerk:
    """`clerk(work)` runs `work(session)` in a transaction that has committed when it returns."""

    def __init__(self) -> None:
        self._inbox: queue.SimpleQueue[tuple[Work, Future[Any]]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def __call__(self, work: Callable[[Session], T]) -> T:
        """Hand in a piece of work and wait for it. Raises: whatever it raised, or what the transaction did."""
        done: Future[T] = Future()
        self._inbox.put((work, done))
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._serve, name="clerk", daemon=True)
                self._thread.start()
        return done.result()

    def _serve(self) -> None:
        while True:
            batch = [self._inbox.get()]
            with contextlib.suppress(queue.Empty):
                while len(batch) < MOST:
                    batch.append(self._inbox.get_nowait())
            self._do(batch)

    @staticmethod
    def _do(batch: list[tuple[Work, "Future[Any]"]]) -> None:
        results: list[tuple[Future[Any], Any, Exception | None]] = []
        try:
            with unit_of_work() as session:
                results = [(done, *_done(session, work, alone=len(batch) == 1)) for work, done in batch]
        except Exception as error:  # noqa: BLE001 — whoever waits gets it
            for _, done in batch:
                done.set_exception(error)
            return
        for done, result, trouble in results:
            if trouble is None:
                done.set_result(result)
            else:
                done.set_exception(trouble)


def _done(session: Session, work: Work, *, alone: bool) -> tuple[Any, Exception | None]:
    if alone:
        return work(session), None
    try:
        with savepoint(session):
            return work(session), None
    except Exception as error:  # noqa: BLE001 — one piece of work must not undo the others'
        return None, error
