"""A time to talk goes from hand to hand: a student, a counselor, and a friend who waits, through the demo as a visitor has it."""

import sys
import time
from dataclasses import dataclass
from datetime import timedelta

import pytest
from playwright.sync_api import Locator, Page

from tests.sandbox.browser import opened
from tests.sandbox.running import SHOTS, RunningDemo

AT_MOST = timedelta(minutes=2)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(sys.platform != "linux", reason="looks through /proc"),
]


@dataclass(frozen=True)
class Handset:
    """One phone of the page."""

    seat: Locator

    def types(self, text: str) -> None:
        """Write and send."""
        self.seat.locator("textarea").fill(text)
        self.seat.locator("textarea").press("Enter")

    def taps(self, *labels: str) -> None:
        """One offered answer after the other."""
        for label in labels:
            self.seat.locator(".choices").get_by_role("button", name=label).click()

    def presses(self, push: str, button: str) -> None:
        """A button below a push."""
        self.pushed(push).get_by_role("button", name=button).click()

    def pushed(self, text: str) -> Locator:
        """A push that has come."""
        push = self.seat.locator(".pushed, .card").filter(has_text=text).last
        push.wait_for()
        return push

    def reads(self, text: str) -> None:
        """The newest answer."""
        self.seat.locator(".chat > .line:not(.mine, .pushed)").last.filter(has_text=text).wait_for()


@pytest.mark.browser
def test_a_time_goes_from_a_student_over_a_new_proposal_to_the_friend_who_waits(running: RunningDemo) -> None:
    SHOTS.mkdir(exist_ok=True)
    with opened(f"{running.address}/sandbox/") as page:
        student, friend, counselor = (
            Handset(page.locator(f"#phone-{key}")) for key in ("student", "friend", "counselor")
        )
        began = time.monotonic()

        student.types("预约 邵老师")
        student.taps("同意，继续", "能等", "面对面", "跳过", "周六 14:00", "就约这个")
        student.reads("约好了")
        counselor.pushed("新预约")
        counselor.taps("值班", "后面七天", "周六 14:00", "建议改期", "周日 15:00", "选好了")
        counselor.reads("已经问了 TA")
        student.pushed("想和你商量换个时间")

        friend.types("预约 邵老师 面对面")
        friend.taps("同意，继续", "能等", "跳过", "都不合适", "只等这位老师")
        friend.reads("已经排上队了")

        student.taps("我的预约", "周日 15:00")
        student.reads("改好了")
        friend.pushed("周六 14:00 空出来了")
        friend.types("继续等")
        friend.reads("先不要这个")
        _forward(page, until=student.seat.locator(".pushed").filter(has_text="明天 15:00 有一个预约"))

        student.presses("明天 15:00 有一个预约", "取消预约")
        student.taps("告诉老师我来不了")
        friend.presses("周日 15:00 空出来了", "要")
        friend.reads("约好了")
        counselor.pushed("周日 15:00 的预约取消了")
        _picture(page)
        student.taps("我的预约")
        student.reads("你现在没有预约")
        friend.taps("我的预约")
        friend.reads("周日 15:00，邵文心老师")
        counselor.types("值班")
        counselor.taps("后面七天（1 个）")
        counselor.reads("周日 15:00")

        assert time.monotonic() - began < AT_MOST.total_seconds()


def _picture(page: Page) -> None:
    """Keep what the three phones show, once nothing moves."""
    page.locator("#toast.shown").wait_for(state="detached")
    page.evaluate("document.querySelector('#stage').scrollLeft = 0")
    clip = {"x": 8, "y": 112, "width": 1054, "height": 736}
    page.screenshot(path=SHOTS / "sandbox-booking.png", animations="disabled", clip=clip)  # type: ignore[arg-type]


def _forward(page: Page, *, until: Locator) -> None:
    """From due moment to due moment."""
    while not until.count():
        page.locator("#forward:not([disabled])").click()
        page.locator("#forward.busy").wait_for(state="detached")
        page.wait_for_timeout(800)


def test_the_step_button_rings_each_reminder_in_its_moment(running: RunningDemo) -> None:
    reply = ""
    for text in ("预约 周日下午三点 邵老师 面对面", "同意", "能等", "跳过"):
        reply = running.says("student", text)
    assert "周日 15:00，邵文心老师，面对面" in reply
    assert "约好了" in running.says("student", "就约这个")
    running.until(lambda: running.pushes("counselor"))

    def heard() -> list[tuple[str, str]]:
        pushes = [
            (push["id"], phone, push["when"]) for phone in ("student", "counselor") for push in running.pushes(phone)
        ]
        return [(phone, when.partition(" ")[2]) for _, phone, when in sorted(pushes)][1:]

    while not any("感觉怎么样" in push["text"] for push in running.pushes("student")):
        running.call("forward")

    assert heard() == [
        ("student", "周六 20:00"),
        ("counselor", "周日 08:00"),
        ("student", "周日 13:00"),
        ("student", "周日 16:20"),
    ]
