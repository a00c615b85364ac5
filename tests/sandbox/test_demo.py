"""The demo as a newcomer meets it: one command, one address, an ordinary bot beside it."""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page

from bot.sandbox.listen import free_port
from tests.sandbox.browser import opened

ROOT = Path(__file__).parents[2]
SHOTS = ROOT / "artefacts"
CALM = ("周报", "1", "1", "1", "1")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(180),
    pytest.mark.skipif(sys.platform != "linux", reason="looks through /proc"),
]


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

        before = len(replies())
        self.call("say", phone=phone, text=text)
        self.until(lambda: len(replies()) > before)
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


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningDemo]:
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


def test_a_week_passes_between_the_phones_and_the_bot_survives_a_power_cut(running: RunningDemo) -> None:
    assert all(
        "绑定好了" in running.screen(phone)[-1]["text"] for phone in ("student", "dorm_officer", "committee_member")
    )

    running.call("forward")
    running.until(lambda: running.pushes("dorm_officer"))
    while not running.pushes("committee_member"):
        running.call("forward")

    *most, last = CALM
    for text in most:
        running.says("committee_member", text)
    running.call("kill")
    running.until(lambda: not running.bot_processes())
    running.call("say", phone="committee_member", text=last)
    running.call("start")
    running.until(lambda: running.call("state")["bot"]["state"] == "running", 40)
    running.until(lambda: running.mine("committee_member")[-1]["state"] in {"done", "failed"})
    if running.mine("committee_member")[-1]["state"] == "failed":  # a slow machine: the platform had given up
        running.says("committee_member", last)
    running.until(lambda: running.pushes("advisor"), 40)

    assert running.screen("committee_member")[-1]["side"] == "bot"
    time.sleep(2)
    assert len(running.pushes("advisor")) == 1


def test_processes_die_one_by_one_and_what_is_due_still_arrives_once(running: RunningDemo) -> None:
    def all_run() -> bool:
        return all(part["alive"] and not part["frozen"] for part in running.call("state")["parts"])

    for part in ("valkey", "scheduler", "worker", "web"):
        running.until(all_run)
        assert "停掉了" in running.call("kill", part=part)["message"]
    running.until(all_run)
    assert running.says("student", "帮助")

    running.call("fault", name="lost")
    running.call("freeze", part="worker", on=True)
    running.call("forward")
    running.call("freeze", part="worker", on=False)
    running.until(lambda: running.pushes("dorm_officer"), 40)
    time.sleep(2)
    assert len(running.pushes("dorm_officer")) == 1


def test_it_ends_when_it_is_told_to_and_leaves_nothing(running: RunningDemo) -> None:
    assert running.bot_processes()

    running.process.send_signal(signal.SIGTERM)

    assert running.process.wait(20) == 0
    running.until(lambda: not running.bot_processes())
    assert not running.home.exists()


def test_its_bot_ends_with_it_even_when_it_is_killed(running: RunningDemo) -> None:
    assert running.bot_processes()

    running.process.kill()

    running.until(lambda: not running.bot_processes())


@pytest.fixture
def page(running: RunningDemo) -> Iterator[Page]:
    """A browser in front of the demo."""
    with opened(f"{running.address}/sandbox/") as shown:
        yield shown


def picture(page: Page, name: str) -> None:
    """Keep what is seen, once nothing moves."""
    page.locator("#toast.shown").wait_for(state="detached")
    page.screenshot(path=SHOTS / name, animations="disabled")


@pytest.mark.browser
def test_a_visitor_clicks_through_the_week(page: Page) -> None:
    SHOTS.mkdir(exist_ok=True)
    dorm, committee, advisor = (
        page.locator(f"#phone-{key}") for key in ("dorm_officer", "committee_member", "advisor")
    )
    forward = page.locator("#forward:not([disabled])")

    forward.click()
    dorm.locator(".pushed").first.wait_for()
    dorm.get_by_role("button", name="宿舍").click()
    for label in ("和平时一样", "都在"):
        dorm.locator(".choices").get_by_role("button", name=label).click()
    while not committee.locator(".push-tag").count():
        forward.click()
        page.wait_for_timeout(1500)
    picture(page, "sandbox-round-opens.png")
    committee.get_by_role("button", name="周报").click()
    for label in ("都还平稳", "对得上", "暂时没有", "发送"):
        committee.locator(".choices").get_by_role("button", name=label).click()
    advisor.locator(".pushed").first.wait_for()
    page.locator("#outbox-toggle").click()
    page.locator("#outbox-rows").get_by_text("苗青阳").first.wait_for()
    picture(page, "sandbox-laptop.png")
    row = page.locator(".push", has_text="收到一份小结").first
    row.click()
    page.locator(".life .attempts").wait_for()
    page.locator("#trouble-toggle").click()
    page.locator("#trouble").get_by_role("button", name="平台忙").click()
    page.locator("#trouble-open.on").wait_for()
    picture(page, "sandbox-life.png")
    page.locator("#trouble").get_by_role("button", name="恢复正常").click()
    page.locator("#trouble-toggle").click()
    row.click()

    page.set_viewport_size({"width": 390, "height": 844})
    page.locator("#outbox-toggle").click()
    page.locator('.person[data-phone="advisor"]').click()
    assert advisor.is_visible()
    assert not committee.is_visible()
    picture(page, "sandbox-phone.png")


@pytest.mark.browser
def test_several_answers_are_chosen_by_tapping(page: Page) -> None:
    committee = page.locator("#phone-committee_member")
    committee.get_by_role("button", name="周报").click()
    committee.locator(".choices").get_by_role("button", name="有的方面有起伏").click()

    committee.locator(".choices").get_by_role("button", name="家庭").click()
    committee.locator(".choices").get_by_role("button", name="学习").click()
    committee.get_by_role("button", name="选好了").click()

    committee.locator(".mine .bubble", has_text="1 4").wait_for()
