"""Pushes: how many a second leave, each claimed and settled durably, against the same HTTP client that writes no rows.

`.venv/bin/python -m bench.pushes [sqlite|postgresql] [rounds]` runs both engines, interleaved, five rounds of 5,000 messages, a
platform that answers in 30 ms, one and two worker processes; then what a push costs with 1,000,000 rows in the table.
"""

import argparse
import base64
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from bench.fake_platform import fake_platform, posts
from models import clock, db, schema, seal
from models.channel import Channel
from models.contact import Contact
from models.outbox import Push
from models.person import Person
from tests.engines import ENGINES, EngineName, empty_database_url

COUNT = 5_000
ROUNDS = 5
KEY = base64.b64encode(bytes(range(32))).decode()
READY = "ready"
BATCH = 5_000


def build(url: str, *, old: int = 0) -> None:
    """A school of `COUNT` members of staff with a WeCom account each, and `old` pushes that ended long ago."""
    seal.use_keys([KEY])
    database = db.connect(url)
    schema.upgrade(database)
    with database.engine.begin() as connection:
        people = [{"id": n, "number": f"T{n}", "name": "陈默", "kind": "staff"} for n in range(1, COUNT + 1)]
        connection.execute(sa.insert(Person), people)
        contacts = [
            {"channel": Channel.WECOM, "address": f"t{n}", "person_id": n, "listening": True, "cards": False}
            for n in range(1, COUNT + 1)
        ]
        connection.execute(sa.insert(Contact), contacts)
    long_ago = clock.now() - timedelta(days=100)
    for start in range(0, old, BATCH):
        _add(database, f"old:{start}", BATCH, state="accepted", at=long_ago)
    if old and not database.is_sqlite:
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("ANALYZE outbox")


def _add(database: db.Database, fact: str, count: int, *, state: str, at: object) -> None:
    row = {"fact": fact, "number": "7K3F", "kind": "concern_unsent", "urgency": "important", "state": state}
    times = {"created_at": at, "due_at": at, "next_at": at, "expires_at": clock.now() + timedelta(days=1)}
    rows = [
        {"dedupe_key": f"{fact}:{n}", "person_id": n % COUNT + 1, "data": json.dumps({"unit": "软件2301"})}
        | row
        | times
        for n in range(count)
    ]
    with database.engine.begin() as connection:
        connection.execute(sa.insert(Push), rows)


def worker(url: str, address: str) -> None:
    """A worker process: equipped, waits for the word, drains until nothing is due."""
    from zoneinfo import ZoneInfo

    from handlers.words.catalogue import Words
    from models.outbox import Route
    from workers import delivery
    from workers.attempt import Equipment
    from workers.senders.wecom import WeComSender

    seal.use_keys([KEY])
    db.connect(url)
    sender = WeComSender(corp_id="ww1", agent_id=1, secret="bench", api_base=address)  # noqa: S106 — nobody's
    delivery.equip(Equipment({Route.WECOM: sender}, Words(ZoneInfo("Asia/Shanghai"), {})))
    print(READY, flush=True)
    sys.stdin.readline()
    began = os.times()
    while delivery.drain():
        pass
    ended = os.times()
    print(ended.user - began.user + ended.system - began.system, flush=True)


def measure(url: str, address: str, processes: int, round_: str) -> tuple[float, float]:
    """One round: messages a second, and milliseconds of processor a message."""
    database = db.connect(url)
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", "bench.pushes", "--worker", url, address],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=None, text=True,
        )
        for _ in range(processes)
    ]  # fmt: skip
    for each in workers:
        assert each.stdout is not None
        assert each.stdout.readline().strip() == READY
    _add(database, round_, COUNT, state="queued", at=clock.now() - timedelta(seconds=1))
    before = posts(address)
    began = time.monotonic()
    processor = 0.0
    for each in workers:
        assert each.stdin is not None
        each.stdin.write("go\n")
        each.stdin.flush()
    for each in workers:
        assert each.stdout is not None
        processor += float(each.stdout.readline())
    seconds = time.monotonic() - began
    for each in workers:
        each.wait()
    with database.engine.connect() as connection:
        settled = connection.execute(
            sa.select(sa.func.count()).select_from(Push).where(Push.fact == round_, Push.state == "accepted")  # type: ignore[arg-type]
        ).scalar_one()
        # Nobody gets more than six in ten minutes: the next round is to find rested people.
        connection.execute(sa.update(Push).values(paced_at=None))
        connection.commit()
    sent = posts(address) - before
    assert settled == sent == COUNT, (settled, sent)
    return COUNT / seconds, processor / COUNT * 1000


def without_rows(address: str) -> tuple[float, float]:
    """The same HTTP client at the same connections, writing nothing: messages a second, milliseconds of processor each."""
    argv = [sys.executable, "-m", "bench.clients", "--one", "ours", address, str(COUNT)]
    wall, spent = json.loads(subprocess.run(argv, check=True, capture_output=True).stdout)
    return COUNT / wall, spent / COUNT * 1000


def report(name: str, rates: list[tuple[float, float]]) -> float:
    """Print the median of some rounds."""
    rate = statistics.median(rate for rate, _ in rates)
    low, high = min(rate for rate, _ in rates), max(rate for rate, _ in rates)
    cost = statistics.median(cost for _, cost in rates)
    print(f"{name:44} {rate:7.0f}/s  ({low:.0f} to {high:.0f})  {cost:.2f} ms of processor each", flush=True)
    return rate


def main(engines: list[EngineName], rounds: int) -> None:
    """Everything, interleaved."""
    with tempfile.TemporaryDirectory() as folder, fake_platform() as address:
        urls = {engine: empty_database_url(engine, Path(folder)) for engine in engines}
        for url in urls.values():
            build(url)
        found: dict[str, list[tuple[float, float]]] = {}
        for number in range(rounds):
            found.setdefault("the same client, no rows", []).append(without_rows(address))
            for engine, url in urls.items():
                for processes in (1, 2):
                    name = f"{engine}, {processes} worker{'s' if processes > 1 else ''}"
                    found.setdefault(name, []).append(measure(url, address, processes, f"{name}:{number}"))
        bare = report("the same client, no rows", found.pop("the same client, no rows"))
        for name, rates in found.items():
            rate = report(name, rates)
            print(f"{'':44} {rate / bare:7.2f} of the same client", flush=True)
        for engine in engines:
            small = [measure(urls[engine], address, 1, f"flat:{n}") for n in range(3)]
            url = empty_database_url(engine, Path(folder))
            build(url, old=1_000_000)
            large = [measure(url, address, 1, f"flat:{n}") for n in range(3)]
            few, many = (statistics.median(cost for _, cost in each) for each in (small, large))
            print(f"{engine}: a push costs {few:.2f} ms, with 1,000,000 old ones {many:.2f} ms: × {many / few:.2f}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        worker(*sys.argv[2:4])
    else:
        arguments = argparse.ArgumentParser()
        arguments.add_argument("engines", nargs="*", default=list(ENGINES))
        arguments.add_argument("--rounds", type=int, default=ROUNDS)
        given = arguments.parse_args()
        main(given.engines, given.rounds)
