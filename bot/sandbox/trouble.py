"""The faults that the page's buttons order, and what stands open of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from bot.sandbox.faults import FOR_EVER, FaultKind
from bot.sandbox.phones import ZONE
from bot.sandbox.platform import Platform
from models import clock
from models.channel import Channel

SENDING = "send"
AT_A_TIME = 3
STALL = 5.0
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Trouble:
    """One button: what it says, what it does in a few words, and what is said once it was pressed."""

    label: str
    hint: str
    said: str
    make: Callable[[Platform], None]


def _strikes(kind: FaultKind, *, count: int = AT_A_TIME, **how: Any) -> Callable[[Platform], None]:
    return lambda platform: platform.faults.order(SENDING, kind, count=count, **how)


def _spend_quota(platform: Platform) -> None:
    now = clock.now().astimezone(ZONE)
    midnight = (now + DAY).replace(hour=0, minute=0, second=0, microsecond=0)
    platform.faults.order(SENDING, FaultKind.ERRCODE, errcode=45009, lasts=midnight - now)


def _revoke(platform: Platform) -> None:
    for channel in Channel:
        platform.tell_tokens(channel, FaultKind.REVOKED)


TROUBLES: Mapping[str, Trouble] = MappingProxyType(
    {
        "busy": Trouble("平台忙", "-1 · 接下来 3 次", "接下来 3 次发送，平台会说忙", _strikes(FaultKind.ERRCODE)),
        "token": Trouble("令牌失效", "40001 · 现在", "两个平台的令牌都作废了，下一次发送就会知道", _revoke),
        "quota": Trouble("额度用完", "45009 · 到 0 点", "今天的额度用完了，到 0 点才会恢复", _spend_quota),
        "lost": Trouble("回答丢失", "下一次", "下一次发送会送到，但回答丢在路上", _strikes(FaultKind.LOST, count=1)),
        "stall": Trouble(
            "卡住 5 秒", "接下来 3 次", "接下来 3 次发送，平台 5 秒后才回答", _strikes(FaultKind.SLOW, seconds=STALL)
        ),
        "cut": Trouble("断开连接", "接下来 3 次", "接下来 3 次发送，连接会突然断开", _strikes(FaultKind.RESET)),
        "well": Trouble("恢复正常", "", "平台一切正常了", lambda platform: platform.faults.clear()),
    }
)
NAMES = {
    (FaultKind.ERRCODE, -1): "平台忙",
    (FaultKind.ERRCODE, 45009): "额度用完，到 0 点",
    FaultKind.LOST: "回答丢失",
    FaultKind.SLOW: "卡住 5 秒",
    FaultKind.RESET: "断开连接",
}


def open_troubles(platform: Platform, now: datetime) -> list[str]:
    """What may still go wrong, in words, first come first."""
    said = []
    for fault in platform.faults.open(now):
        name = NAMES.get(fault.kind) or NAMES.get((fault.kind, fault.errcode), fault.kind)
        said.append(name if fault.count > FOR_EVER // 2 else f"{name}，还有 {fault.count} 次")
    return said
