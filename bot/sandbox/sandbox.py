"""The sandbox as one object: platforms, phones, the bot beside it, the clock that can be moved."""

import secrets
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from bot.sandbox.bot_view import BotView
from bot.sandbox.hands import Hands
from bot.sandbox.phones import ZONE, Phones, spoken
from bot.sandbox.platform import Platform
from bot.sandbox.supervisor import PARTS, BotState, Supervisor
from bot.sandbox.trouble import TROUBLES, open_troubles
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
PART_WORDS = {"web": "网页进程", "worker": "派送进程", "scheduler": "调度进程", "valkey": "队列"}


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

    def state(self, since: int, opened: Sequence[int] = ()) -> dict[str, Any]:
        """What the page polls: all that is small, the bubbles that changed after `since`, the lives of opened rows."""
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
            "lives": {push_id: life.plain() for push_id in opened if (life := self.view.life(push_id, now))},
            "faults": open_troubles(self.platform, now),
            "parts": self._parts(),
            "following": {key: self.hands.is_following(key) for key in self.hands.owners},
            "menus": {channel.value: self._menu(channel) for channel in Channel},
        }

    def trouble(self, name: str) -> str:
        """Let something go wrong, or all go well again; what to say about it. Raises: KeyError."""
        trouble = TROUBLES[name]
        trouble.make(self.platform)
        return trouble.said

    def kill_part(self, name: str) -> str:
        """Kill one process of the bot; what to say about it. Raises: KeyError."""
        word = PART_WORDS[name]
        killed = self.supervisor.kill_part(name)
        return f"{word}停掉了，看它自己再起来" if killed else f"{word}现在没有在运行"

    def freeze_part(self, name: str, *, on: bool) -> str:
        """Let one process of the bot stand still, or go on; what to say about it. Raises: KeyError."""
        word = PART_WORDS[name]
        if not self.supervisor.freeze_part(name, on=on):
            return f"{word}现在没有在运行"
        return f"{word}停住不动了，别的进程会接着发" if on else f"{word}又动起来了"

    def _parts(self) -> list[dict[str, Any]]:
        found = {part.name: part for part in self.supervisor.parts()}
        return [
            {
                "name": name,
                "word": PART_WORDS[name],
                "alive": name in found,
                "frozen": name in found and found[name].frozen,
            }
            for name in PARTS
        ]

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
