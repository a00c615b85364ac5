"""A demo in a process of its own, and what a visitor does with it over HTTP."""

import contextlib
import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bot.sandbox.listen import free_port

ROOT = Path(__file__).parents[2]
SHOTS = ROOT / "artefacts"


@dataclass
class RunningDemo:
    """A demo in a process of its own."""

    process: subprocess.Popen[str]
    address: str
    home: Path

    def call(self, action: str, **given: Any) -> dict[str, Any]:
        """Do what a visitor does, or read the state."""
        parts = urlsplit(self.address)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
        try:
            if action == "state":
                connection.request("GET", "/sandbox/state?since=0")
            else:
                headers = {"Content-Type": "application/json"}
                connection.request("POST", f"/sandbox/{action}", json.dumps(given).encode(), headers)
            found: dict[str, Any] = json.loads(connection.getresponse().read())
            return found
        finally:
            connection.close()

    def screen(self, phone: str) -> list[dict[str, Any]]:
        """What stands on a phone."""
        bubbles: list[dict[str, Any]] = self.call("state")["bubbles"]
        return [bubble for bubble in bubbles if bubble["phone"] == phone]

    def until(self, holds: Callable[[], object], seconds: float = 20) -> None:
        """Wait for something that happens by itself."""
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end, "it did not happen"
            time.sleep(0.1)

    def says(self, phone: str, text: str) -> str:
        """Say something and wait for the reply."""

        def replies() -> list[dict[str, Any]]:
            return [bubble for bubble in self.screen(phone) if bubble["side"] == "bot" and not bubble["push"]]

        def answered() -> bool:
            if self.mine(phone)[-1]["state"] == "failed":  # a slow machine: the platform had given up
                self.call("say", phone=phone, text=text)
            return len(replies()) > before

        before = len(replies())
        self.call("say", phone=phone, text=text)
        self.until(answered, 60)
        return str(replies()[-1]["text"])

    def mine(self, phone: str) -> list[dict[str, Any]]:
        """What the person said."""
        return [bubble for bubble in self.screen(phone) if bubble["side"] == "me"]

    def pushes(self, phone: str) -> list[dict[str, Any]]:
        """What was pushed to a phone."""
        return [bubble for bubble in self.screen(phone) if bubble["push"]]

    def bot_processes(self) -> set[int]:
        """The live processes that know of this demo's folder, the demo itself left out."""
        found = set()
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                alive = (folder / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
                if alive and str(self.home).encode() in (folder / "environ").read_bytes():
                    found.add(int(folder.name))
        return found - {self.process.pid}


@contextlib.contextmanager
def started(tmp_path: Path) -> Iterator[RunningDemo]:
    """A demo that is ready."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("XINQIAO_")}
    environment |= {"PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-m", "bot.cli", "demo", "--port", str(free_port())],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with process, process.stdout, process.stderr:
        line = process.stdout.readline()
        try:
            assert "http://" in line, process.stderr.read()
            address = "http://" + line.partition("http://")[2].partition("/")[0]
            yield RunningDemo(process, address, next(tmp_path.glob("xinqiao-demo-*")))
        finally:
            if process.poll() is None:
                process.terminate()
