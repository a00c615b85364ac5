"""The worker process: RQ's SimpleWorker on the one queue, without what RQ would lose or double (peers D2).

No fork, no scheduler, no pickles, no commands through Redis, and no job that is not in `Job`. Maintenance runs at every wake-up
that is 5 s after the last; a Redis that went away is asked again every second or two, for ever.
"""

import contextlib
import logging
import os
import signal
import threading
import time
from types import FrameType
from typing import Any

from redis import RedisError
from rq import Queue
from rq.exceptions import StopRequested
from rq.job import Job as QueuedJob
from rq.serializers import JSONSerializer
from rq.worker import SimpleWorker, WorkerStatus
from typing_extensions import override

from models import clock
from models.db import unit_of_work
from models.outbox import anything_due
from workers.delivery import deliver_these, is_leaving, leave
from workers.queue import RUNG, Job, enqueue_drain, open_queue
from workers.seldom import Seldom
from workers.watch import watch_until

log = logging.getLogger(__name__)

WORKER_TTL = 20
"""Seconds; RQ wakes an idle worker 15 s earlier, so every 5 s."""

MAINTENANCE = 5
REST = 1.0
FAREWELL = 1.0
_seldom = Seldom(60)


class PushWorker(SimpleWorker):
    """Takes jobs from the queue until it is told to stop."""

    max_connection_wait_time = 2.0
    log_job_description = False
    log_result_lifespan = False
    failed = False

    @override
    def execute_job(self, job: QueuedJob, queue: Queue) -> None:
        if job.func_name not in set(Job):
            log.error("a job that is not ours was in the queue and has been thrown away")
            job.delete()
            return
        drains = job.func_name == Job.DRAIN
        if drains:
            # Before the claim: what is planned from now on needs a ring of its own.
            self.connection.delete(RUNG)
        self.failed = False
        super().execute_job(job, queue)
        # After one that failed the ticker rings, once a second: whatever it was, asking at once would fail as fast.
        if drains and not self.failed and self._is_more_due():
            enqueue_drain(queue)

    @staticmethod
    def _is_more_due() -> bool:
        with unit_of_work(write=False) as session:
            return anything_due(session, now=clock.now(), machine=clock.machine())

    @override
    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """End after the job at hand; told twice (by the terminal and by the parent) is the same as once."""
        leave()
        if self.get_state() == WorkerStatus.BUSY:
            self._stop_requested = True
        else:
            raise StopRequested

    @override
    def subscribe(self) -> None:
        """Listen to no commands: whoever can write to Redis shall not steer the worker."""

    @override
    def _shutdown(self) -> None:
        """Nothing: `request_stop` does it all, and talks to nobody from inside a signal handler."""

    @override
    def handle_exception(self, job: QueuedJob, *exc_info: Any) -> None:
        self.failed = True
        log.error("a job failed", exc_info=exc_info)

    @override
    def handle_job_failure(self, job: QueuedJob, queue: Queue, *_: Any, **details: Any) -> None:
        """Keep no traceback in Redis: a database's error quotes the row."""
        super().handle_job_failure(job, queue, **(details | {"exc_string": ""}))


def run_worker(url: str) -> None:
    """Work until SIGTERM or SIGINT."""
    for library in ("rq.worker", "rq.job"):
        logging.getLogger(library).setLevel(logging.ERROR)
        # During an outage RQ says the same every second.
        logging.getLogger(library).addFilter(lambda record: _seldom.may(str(record.msg)))
    log.info("worker started", extra={"pid": os.getpid()})
    stop = threading.Event()
    watch = threading.Thread(target=watch_until, args=(stop, deliver_these), name="watch", daemon=True)
    watch.start()
    try:
        _work(url)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        stop.set()
        watch.join(FAREWELL)
    log.info("worker stopped", extra={"pid": os.getpid()})


def _work(url: str) -> None:
    with contextlib.suppress(StopRequested):  # told to stop between two workers
        while not is_leaving():
            try:
                _take_jobs(url)
            except RedisError:
                if _seldom.may("redis"):
                    log.warning("the queue does not answer; asking again every second")
            if not is_leaving():
                time.sleep(REST)


def _take_jobs(url: str) -> None:
    jobs = open_queue(url)
    worker = PushWorker(
        [jobs],
        connection=jobs.connection,
        serializer=JSONSerializer,
        worker_ttl=WORKER_TTL,
        maintenance_interval=MAINTENANCE,
        log_job_description=False,
    )
    worker.work(logging_level=None)
