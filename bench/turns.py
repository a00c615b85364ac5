"""What a turn costs: against two floors in interleaved rounds on one core, at a steady rate, in memory, as the data grows.

`python -m bench.turns` measures everything, `python -m bench.turns floor` one part: floor, steady, memory, growth, statements.
"""

import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.load import Result, burst, receipts, steady, talks
from bench.school import build, new_key
from bot.sandbox.callbacks import CallbackDoor
from models.channel import Channel

TOKEN, AES_KEY, APP_ID = "bench-token", "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG", "wx0123456789abcdef"
DOOR = CallbackDoor(Channel.OFFICIAL_ACCOUNT, "/callback/official-account", TOKEN, AES_KEY, APP_ID, "gh_bench")
ROUNDS = 5
PHONES = 240  # a burst: 1,200 messages
THREADS = 8
RECEIPT = "已送到"
CONFIG = """
[school]
name = "量一量"
[database]
url = "{url}"
[queue]
url = "{queue}"
[web]
port = {port}
public_url = "http://127.0.0.1:{port}"
secret_key = "0123456789abcdef0123456789abcdef"
[privacy]
encryption_keys = ["{key}"]
[official_account]
app_id = "{app_id}"
secret = "bench-secret-of-the-account"
token = "{token}"
aes_key = "{aes_key}"
api_base = "http://127.0.0.1:9"
"""


def free_port() -> int:
    """A port nobody has."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextmanager
def server(command: list[str], folder: Path, port: int, *, core: str = "0", path: str = "/") -> Iterator[int]:
    """A server process on its cores, any without `core`, until the block ends; yields its port."""
    environment = os.environ | {"BENCH_TOKEN": TOKEN, "BENCH_AES_KEY": AES_KEY, "BENCH_APP_ID": APP_ID}
    environment |= {
        "BENCH_PORT": str(port),
        "PYTHONPATH": str(Path(__file__).parent.parent),
        "XINQIAO_LOG_LEVEL": "WARNING",
    }
    with (folder / f"log-{port}").open("wb") as log:
        process = subprocess.Popen(
            [*(["taskset", "-c", core] if core else []), *command],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            for _ in range(200):
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=1)
                    break
                except urllib.error.HTTPError:
                    break
                except OSError:
                    time.sleep(0.1)
            yield port
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def granian(target: str, port: int, threads: int = THREADS) -> list[str]:
    """The same server for every floor."""
    return [
        sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--blocking-threads", str(threads), "--no-ws", "--log-level", "error", "--factory", target,
    ]  # fmt: skip


@contextmanager
def ours(folder: Path, *, classes: int, old: int = 0, url: str = "", core: str = "0") -> Iterator[int]:
    """The web process as `run` starts it: full sync, encryption, audit, outbox and doorbell on."""
    from workers.valkey import EmbeddedValkey

    key, port = new_key(), free_port()
    url = url or f"sqlite:///{folder}/xinqiao.db"
    build(url, key, classes=classes, old_checkins=old)
    with ExitStack() as stack:
        valkey = EmbeddedValkey()
        valkey.start()
        stack.callback(valkey.stop)
        config = folder / "config.toml"
        values = {
            "url": url,
            "queue": valkey.url,
            "port": port,
            "key": key,
            "app_id": APP_ID,
            "token": TOKEN,
            "aes_key": AES_KEY,
        }
        config.write_text(CONFIG.format(**values), "utf-8")
        command = [sys.executable, "-m", "bot.cli", "web", "-c", str(config)]
        yield stack.enter_context(server(command, folder, port, core=core, path="/healthz"))


def phones(count: int, *, first: int, run: int) -> list[list[bytes]]:
    """Talks of the next phones."""
    return talks(DOOR, range(first, first + count), "127.0.0.1", run * 10_000_000)


def floor() -> None:
    """Turns a second on one core, against both floors."""
    os.sched_setaffinity(0, {1})
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        mine = stack.enter_context(ours(folder, classes=PHONES * (ROUNDS + 1)))
        echo_port, robot_port = free_port(), free_port()
        echo = stack.enter_context(server(granian("bench.floor:echo", echo_port), folder, echo_port))
        # One thread: with more, WeRoBot's session raises "database is locked" and its people get no reply.
        robot = stack.enter_context(server(granian("bench.floor:werobot", robot_port, 1), folder, robot_port))
        rates: dict[str, list[float]] = {"turn": [], "echo": [], "werobot": []}
        for at in range(ROUNDS + 1):
            requests = phones(PHONES, first=at * PHONES, run=at + 1)
            result = burst(mine, requests)
            ended = receipts(DOOR, result, RECEIPT)
            assert ended == PHONES, f"only {ended} of {PHONES} talks ended with a receipt"
            baseline = burst(echo, requests)
            slow = burst(robot, requests[: PHONES // 8])
            assert receipts(DOOR, slow, "1") == PHONES // 8, "WeRoBot did not echo"
            if at:  # the first round warms up
                rates["turn"].append(result.per_second)
                rates["echo"].append(baseline.per_second)
                rates["werobot"].append(slow.per_second)
                latest = result
        _report("turns/s on one core", rates["turn"])
        print(
            f"   p50 {latest.percentile(0.5):.1f} ms, p99 {latest.percentile(0.99):.1f} ms at full load, 16 connections"
        )
        _report("bare Flask + wechatpy echo /s", rates["echo"])
        _report("WeRoBot, session on disk /s", rates["werobot"])
        _ratio("turn ÷ echo (goal ≥ .25, stretch .40)", rates["turn"], rates["echo"])
        _ratio("turn ÷ WeRoBot (goal ≥ 3)", rates["turn"], rates["werobot"])


def at_fifty() -> None:
    """Latency at 50 messages a second on two cores."""
    with tempfile.TemporaryDirectory() as name, ours(Path(name), classes=400, core="0,1") as port:
        burst(port, phones(40, first=0, run=1))
        result: Result = steady(port, phones(300, first=50, run=2), rate=50)
        middle, slow = result.percentile(0.5), result.percentile(0.99)
        print(f"at 50 messages/s on two cores: p50 {middle:.1f} ms, p99 {slow:.1f} ms (goal ≤ 300)")


def growth() -> None:
    """The same talks with ten and with a million old check-ins."""
    os.sched_setaffinity(0, {1})
    with ExitStack() as stack:
        ports = []
        for old in (10, 1_000_000):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            ports.append(stack.enter_context(ours(folder, classes=PHONES * (ROUNDS + 1), old=old)))
        rates: list[list[float]] = [[], []]
        for at in range(ROUNDS + 1):
            for which, port in enumerate(ports):
                result = burst(port, phones(PHONES, first=at * PHONES, run=at + 1))
                if at:
                    rates[which].append(result.per_second)
        _report("turns/s with 10 old check-ins", rates[0])
        _report("turns/s with 1,000,000 old check-ins", rates[1])
        _ratio("cost with 1,000,000 ÷ cost with 10 (goal ≤ 1.10)", rates[0], rates[1])


def memory() -> None:
    """Memory of the whole `run` tree after some talks. Units: MiB PSS."""
    with tempfile.TemporaryDirectory() as name:
        folder, key, port = Path(name), new_key(), free_port()
        url = f"sqlite:///{folder}/xinqiao.db"
        build(url, key, classes=200)
        values = {
            "url": url,
            "queue": "",
            "port": port,
            "key": key,
            "app_id": APP_ID,
            "token": TOKEN,
            "aes_key": AES_KEY,
        }
        (folder / "config.toml").write_text(CONFIG.format(**values), "utf-8")
        command = [sys.executable, "-m", "bot.cli", "run", "-c", str(folder / "config.toml")]
        with server(command, folder, port, core="0,1", path="/healthz"):
            burst(port, phones(100, first=0, run=1))
            time.sleep(5)
            sizes = dict(_pss(_group_of(port)))
            for what, size in sorted(sizes.items()):
                print(f"   {size:6.1f}  {what}")
            print(f"memory of the whole tree: {sum(sizes.values()):.0f} MiB PSS (goal ≤ 350)")


def _group_of(port: int) -> int:
    """The process group that was started for a port: its command names the config beside the port's log."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            environment = (path / "environ").read_bytes()
            if f"BENCH_PORT={port}\0".encode() in environment:
                return os.getpgid(int(path.name))
        except OSError:
            continue
    msg = "the tree is gone"
    raise RuntimeError(msg)


def _pss(group: int) -> Iterator[tuple[str, float]]:
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if os.getpgid(int(path.name)) != group:
                continue
            lines = (path / "smaps_rollup").read_text().splitlines()
            size = next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
            words = (path / "cmdline").read_bytes().decode().replace("\0", " ").split()
            yield f"{path.name} {' '.join(Path(word).name for word in words[:5])}", size / 1024
        except (OSError, StopIteration):
            continue


def statements() -> None:
    """Statements a turn, counted on the driver."""
    from sqlalchemy import event

    from bot.app import create_app, open_data
    from bot.settings import load_settings
    from models import db

    with tempfile.TemporaryDirectory() as name:
        folder, key = Path(name), new_key()
        url = f"sqlite:///{folder}/xinqiao.db"
        build(url, key, classes=60)
        values = {"url": url, "queue": "", "port": 1, "key": key, "app_id": APP_ID, "token": TOKEN, "aes_key": AES_KEY}
        (folder / "config.toml").write_text(CONFIG.format(**values), "utf-8")
        settings = load_settings(folder / "config.toml")
        open_data(settings)
        seen: list[str] = []
        event.listen(db.database().engine, "connect", lambda raw, _: raw.set_trace_callback(seen.append))
        db.database().dispose()
        client = create_app(settings, lambda _: None).test_client()
        counts = []
        for talk in phones(20, first=0, run=1)[10:]:
            for request in talk:
                head, _, body = request.partition(b"\r\n\r\n")
                before = len(seen)
                client.post(head.split()[1].decode(), data=body)
                counts.append(len(seen) - before)
        steps = [statistics.mean(counts[step::5]) for step in range(5)]
        print(
            f"statements a turn, commit included: {statistics.mean(counts):.1f} ({', '.join(f'{step:.0f}' for step in steps)})"
        )


def _report(what: str, values: list[float]) -> None:
    print(
        f"{what}: median {statistics.median(values):.0f} (min {min(values):.0f}, max {max(values):.0f}, {len(values)} rounds)"
    )


def _ratio(what: str, upper: list[float], lower: list[float]) -> None:
    ratios = [a / b for a, b in zip(upper, lower, strict=True)]
    print(f"{what}: median {statistics.median(ratios):.2f} (min {min(ratios):.2f}, max {max(ratios):.2f})")


PARTS = {"floor": floor, "steady": at_fifty, "growth": growth, "memory": memory, "statements": statements}


def main(names: list[str]) -> None:
    """Run the named parts, each in a process of its own, so that pinning and connections do not leak."""
    if len(names) == 1:
        PARTS[names[0]]()
        return
    for name in names or list(PARTS):
        print(f"── {name}", flush=True)
        subprocess.run([sys.executable, "-m", "bench.turns", name], check=True)


if __name__ == "__main__":
    if shutil.which("taskset") is None:
        sys.exit("bench: needs taskset (package util-linux)")
    main(sys.argv[1:])
