"""The sandbox as one object: platforms, phones, the bot beside it, the clock that can be moved."""

import secrets
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from bot.sandbox.bot_view import BotView
from bot.sandbox.hands import Hands
from bot.sandbox.phones import ZONE, Phones, spoken
from bot.sandbox.platform import Platform
from bot.sandbox.supervisor import BotState, Supervisor
from models import clock
from models.channel import Channel

OUTBOX_SHOWN = 60
TICK = 1.2
SETTLED_WITHIN = 6.0
UNITS = (
    (timedelta(minutes=1), "分钟", timedelta(minutes=59.5)),
    (timedelta(hours=1), "小时", timedelta(hours=36)),
    (timedelta(days=1), "天", timedelta.max),
)
BOT_WORDS = {
    BotState.STARTING: "机器人正在启动",
    BotState.RUNNING: "机器人运行中",
    BotState.STOPPED: "机器人已停掉",
    BotState.FAILED: "机器人自己退出了",
}


@dataclass
class Sandbox:
    """Everything the page shows and does; `bot_address` is the bot's private one."""

    school: str
    platform: Platform
    phones: Phones
    hands: Hands
    supervisor: Supervisor
    view: BotView
    bot_address: str
    run: str = field(default_factory=lambda: secrets.token_hex(6))
    _moving: threading.Lock = field(default_factory=threading.Lock)

    def state(self, since: int) -> dict[str, Any]:
        """What the page polls: everything small, and the bubbles that changed after `since`."""
        now = clock.now()
        version, bubbles = self.phones.since(since)
        local = now.astimezone(ZONE)
        bot = self.supervisor.state
        return {
            "run": self.run,
            "version": version,
            "bubbles": bubbles,
            "clock": {"time": f"{local:%H:%M}", "day": spoken(now)[:-6], "now": int(now.timestamp())},
            "bot": {"state": bot, "word": BOT_WORDS[bot]},
            "next": self._next(now),
            "outbox": self.view.outbox_rows(OUTBOX_SHOWN),
            "counts": self.view.outbox_counts(),
            "following": {key: self.hands.is_following(key) for key in self.hands.owners},
            "menus": {channel.value: self._menu(channel) for channel in Channel},
        }

    def forward(self) -> datetime | None:
        """Move the clock to the next due moment and give the bot time to act on it; None when nothing is planned."""
        with self._moving:
            now = clock.now()
            due = self.view.next_due(now)
            if due is None:
                return None
            clock.move_to(due)
            if self.supervisor.state is BotState.RUNNING:
                time.sleep(TICK)
                end = time.monotonic() + SETTLED_WITHIN
                while time.monotonic() < end and self.view.is_busy(clock.now()):
                    time.sleep(0.1)
            return due

    def _next(self, now: datetime) -> dict[str, str] | None:
        due = self.view.next_due(now)
        return None if due is None else {"when": spoken(due), "span": _span(due - now)}

    def _menu(self, channel: Channel) -> list[dict[str, Any]]:
        side = self.platform.wecom if channel is Channel.WECOM else self.platform.official
        buttons = (side.menu or {}).get("button", [])
        return [button for button in buttons if isinstance(button, dict)] if isinstance(buttons, list) else []


def _span(span: timedelta) -> str:
    unit, name = next((unit, name) for unit, name, most in UNITS if span < most)
    return f"{max(1, round(span / unit))} {name}后"
