"""The doorbell: Redis and RQ hurry what the database already holds. Nothing is lost when it does not ring.

An urgent row rings by its id; everything else rings one `drain`. The ticker rings again for whatever is due, and delivers
urgent rows itself when nobody else did.
"""

import logging
import queue
import threading
from collections.abc import Iterable
from enum import StrEnum
from typing import TYPE_CHECKING

from models.outbox import Urgency
from workers.seldom import Seldom

if TYPE_CHECKING:
    from rq import Queue

log = logging.getLogger(__name__)

QUEUE = "push"
RUNG = "xinqiao:rung"
"""Redis key that stands while a `drain` waits in the queue; the worker takes it away before it claims."""

RUNG_LASTS = 3
"""Seconds: whoever died or was cut off between the key and the job must not keep the others from ringing for long."""

JOB_WAITS = 60
JOB_TIMEOUT = 60
FAILURE_TTL = 600
REDIS_PATIENCE = 1.0


class Job(StrEnum):
    """Every job there is, by its dotted name; the worker runs nothing else."""

    DRAIN = "workers.delivery.drain"
    DELIVER_ONE = "workers.delivery.deliver_one"


class Doorbell:
    """Rings for work. `ring` returns at once and never raises: the ringing is done by a thread of its own."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._pending: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._seldom = Seldom(60)
        self._start()

    def ring(self, planned: Iterable[tuple[int, Urgency]]) -> None:
        """Hurry these rows; call it after the commit that wrote them."""
        for push_id, urgency in planned:
            self._pending.put(push_id if urgency is Urgency.URGENT else None)
        if not self._pending.empty():
            self._start()

    def ring_drain(self) -> None:
        """Say that something is due."""
        self._pending.put(None)
        self._start()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._serve, name="doorbell", daemon=True)
                self._thread.start()

    def _serve(self) -> None:
        # Connects to nothing yet, but loads RQ now rather than in the middle of the first turn.
        jobs = open_queue(self._url)
        while True:
            asked = {self._pending.get()}
            while not self._pending.empty():
                asked.add(self._pending.get())
            try:
                _enqueue(jobs, asked)
            except Exception:
                if self._seldom.may():
                    log.exception("the queue did not answer; the ticker delivers what is urgent")


def open_queue(url: str) -> "Queue":
    """The queue `push`: JSON only, patience of a second, one more try where a connection had died."""
    # Whoever only wants to name a job does not load RQ.
    from redis import Redis  # noqa: PLC0415
    from redis.backoff import NoBackoff  # noqa: PLC0415
    from redis.retry import Retry  # noqa: PLC0415
    from rq import Queue  # noqa: PLC0415
    from rq.serializers import JSONSerializer  # noqa: PLC0415

    connection: Redis = Redis.from_url(
        url, socket_timeout=REDIS_PATIENCE, socket_connect_timeout=REDIS_PATIENCE, retry=Retry(NoBackoff(), 1)
    )
    return Queue(QUEUE, connection=connection, serializer=JSONSerializer, default_timeout=JOB_TIMEOUT)


def _enqueue(jobs: "Queue", asked: set[int | None]) -> None:
    for push_id in sorted((each for each in asked if each is not None), reverse=True):  # so the oldest ends up in front
        jobs.enqueue(
            Job.DELIVER_ONE.value, push_id, at_front=True, ttl=JOB_WAITS, result_ttl=0, failure_ttl=FAILURE_TTL
        )
    if None in asked:
        enqueue_drain(jobs)


def enqueue_drain(jobs: "Queue") -> None:
    """Put one `drain` into the queue, unless one waits there already."""
    if jobs.connection.set(RUNG, 1, nx=True, ex=RUNG_LASTS):
        jobs.enqueue(Job.DRAIN.value, ttl=JOB_WAITS, result_ttl=0, failure_ttl=FAILURE_TTL)
