"""The doorbell: rings when it can, costs nothing when it cannot; and the worker it wakes."""

import importlib
import logging
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from models.channel import Channel
from models.outbox import PushKind, PushState, Urgency
from tests.workers.office import Office
from workers.queue import QUEUE, RUNG, Doorbell, Job, open_queue
from workers.schedule import duties
from workers.ticker import tick
from workers.valkey import EmbeddedValkey

WORK = "from workers.worker import run_worker; run_worker({url!r})"


def soon(true: Callable[[], bool], seconds: float = 15) -> bool:
    """Whether it becomes true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.05)
    return False


@contextmanager
def worker(office: Office, valkey: EmbeddedValkey) -> Iterator[None]:
    process = office.beside(WORK.format(url=valkey.url))
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


@pytest.mark.parametrize("job", list(Job))
def test_every_job_is_a_function(job: Job) -> None:
    module, _, name = job.value.rpartition(".")
    assert callable(getattr(importlib.import_module(module), name))


def test_a_ring_wakes_the_worker(office: Office, valkey: EmbeddedValkey) -> None:
    office.bind("advisor", Channel.WECOM)
    bell = Doorbell(valkey.url)
    with worker(office, valkey):
        urgent = office.plan("advisor", PushKind.ALERT)
        routine = office.plan("advisor")
        bell.ring([(urgent, Urgency.URGENT), (routine, Urgency.ROUTINE)])

        assert soon(lambda: len(office.arrived()) == 2)
        assert soon(lambda: office.row(urgent).state is office.row(routine).state is PushState.ACCEPTED)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_bulk_is_delivered_with_one_ring(office: Office, valkey: EmbeddedValkey) -> None:
    for who in ("advisor", "teacher", "head", "duty", "leader"):
        office.bind(who, Channel.WECOM)
        for number in range(6):
            office.plan(who, fact=f"test:{number}")
    with worker(office, valkey):
        Doorbell(valkey.url).ring_drain()

        assert soon(lambda: len(office.arrived()) == 30)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_queue_that_dies_and_comes_back_empty_costs_seconds(office: Office, valkey: EmbeddedValkey) -> None:
    office.bind("advisor", Channel.WECOM)
    bell = Doorbell(valkey.url)
    every = duties(office.world.policy, bell)
    with worker(office, valkey):
        first = office.plan("advisor", fact="test:1")
        bell.ring_drain()
        assert soon(lambda: office.row(first).state is PushState.ACCEPTED)

        valkey.kill()
        second = office.plan("advisor", fact="test:2")
        bell.ring([(second, Urgency.ROUTINE)])
        time.sleep(0.5)
        valkey.start()
        began = time.monotonic()

        assert soon(lambda: bool(tick(every, office.world.now)) and office.row(second).state is PushState.ACCEPTED, 10)
        assert time.monotonic() - began < 10
        assert len(office.arrived()) == 2


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_bell_without_a_queue_delays_nobody_and_is_mentioned_once(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    bell = Doorbell("unix:///nowhere/at/all")
    push_id = office.plan("advisor")

    began = time.monotonic()
    for _ in range(200):
        bell.ring([(push_id, Urgency.URGENT)])
    assert time.monotonic() - began < 0.2

    assert soon(lambda: any("the queue did not answer" in message for message in caplog.messages))
    time.sleep(0.2)
    assert len([message for message in caplog.messages if "the queue did not answer" in message]) == 1


def test_many_rings_leave_one_drain_waiting(valkey: EmbeddedValkey) -> None:
    jobs = open_queue(valkey.url)
    bell = Doorbell(valkey.url)

    for _ in range(50):
        bell.ring_drain()
        time.sleep(0.002)

    assert soon(lambda: jobs.count == 1)
    assert jobs.connection.ttl(RUNG) <= 10
    assert jobs.name == QUEUE


def test_a_job_that_is_not_ours_is_thrown_away(office: Office, valkey: EmbeddedValkey) -> None:
    office.bind("advisor", Channel.WECOM)
    jobs = open_queue(valkey.url)
    jobs.enqueue("os.abort")
    push_id = office.plan("advisor")
    with worker(office, valkey):
        Doorbell(valkey.url).ring_drain()

        assert soon(lambda: office.row(push_id).state is PushState.ACCEPTED)
        assert jobs.failed_job_registry.count == 0
