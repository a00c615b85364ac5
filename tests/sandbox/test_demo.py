"""The demo as a newcomer meets it: one command, one address, an ordinary bot beside it."""

import signal
import sys
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from tests.sandbox.browser import opened
from tests.sandbox.running import SHOTS, RunningDemo

CALM = ("周报", "1", "1", "1", "1")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(180),
    pytest.mark.skipif(sys.platform != "linux", reason="looks through /proc"),
]


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
