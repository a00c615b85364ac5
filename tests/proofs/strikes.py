"""Strikes: a part of a household is killed, frozen for longer than a lease, or restarted."""

import signal
import subprocess
import sys
import time

import sqlalchemy as sa

from tests.proofs.household import Household, pid_of, until_gone
from tests.proofs.processes import until
from tests.proofs.server import Server
from tests.proofs.signals import tell

FREEZE = 10.0
"""Seconds: longer than a lease."""

LOCKED = 6.0


def kill(home: Household, name: str) -> float:
    """SIGKILL a part and start it again, as whoever watches over it does; returns when it died."""
    if name == "valkey":
        home.valkey.kill()
        at = time.monotonic()
        home.valkey.start()
        return at
    if name == "database":
        return _server(home).kill() if home.server is not None else _lock(home, signal.SIGKILL, LOCKED)
    tell(home.parts[name].pids, signal.SIGKILL)
    at = time.monotonic()
    until_gone(home.parts[name])
    home.begin(name)
    return at


def freeze(home: Household, name: str) -> float:
    """Stop a part for longer than a lease and let it go on; returns when it went on."""
    if name == "database" and home.server is None:
        return _lock(home, signal.SIGKILL, FREEZE)
    pids = _pids(home, name)
    tell(pids, signal.SIGSTOP)
    time.sleep(FREEZE)
    tell(pids, signal.SIGCONT)
    return time.monotonic()


def restart(home: Household, name: str) -> float:
    """End a part as an operator does, and start it again; returns when it was told to end."""
    at = time.monotonic()
    if name == "valkey":
        tell([pid_of(home.valkey)], signal.SIGTERM)
        until(lambda: not home.valkey.is_alive(), seconds=10)
        home.valkey.start()
        return at
    if name == "database":
        return _server(home).restart() if home.server is not None else _lock(home, signal.SIGTERM, LOCKED)
    pids = home.parts[name].pids
    tell(pids[:1] if name != "web" else pids, signal.SIGTERM)
    tell(pids, signal.SIGCONT)
    until_gone(home.parts[name])
    home.begin(name)
    return at


WAYS = {"kill": kill, "freeze": freeze, "restart": restart}


def _server(home: Household) -> Server:
    assert home.server is not None
    return home.server


def _pids(home: Household, name: str) -> list[int]:
    if name == "valkey":
        return [pid_of(home.valkey)]
    return _server(home).pids if name == "database" else home.parts[name].pids


def _lock(home: Household, how: signal.Signals, seconds: float) -> float:
    """SQLite has no server that could die: another process holds its writer, then ends; returns when."""
    path = str(sa.make_url(home.url).database)
    code = f"import sqlite3; c = sqlite3.connect({path!r}, timeout=30); c.execute('BEGIN IMMEDIATE'); print(); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        time.sleep(seconds)
        holder.send_signal(how)
        holder.wait()
    return time.monotonic()
