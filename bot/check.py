"""`xinqiao check`: everything that must be right before people rely on it, a line each: ok, or how to mend it."""

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from typing_extensions import override

from bot.policy import make_policy
from models import chain, clock, db
from models.duty import centre_contacts, duty_contacts, operators
from models.errors import CentreError
from models.outbox import PushKind
from models.person import find_by_number
from models.post import reachable
from models.schema import is_current

if TYPE_CHECKING:
    from bot.settings import Settings

_CLOCK_TOLERANCE = 60  # s; the doors refuse callbacks more than 15 min off
_TIMEOUT = 5  # s
_LITTLE_DISK = 500  # MB
_MEGABYTE = 1_000_000
_NEWEST = 1000
"""Facts of the journal that are looked at one by one."""


@dataclass(frozen=True)
class Line:
    """One thing that was looked at."""

    ok: bool
    text: str

    @override
    def __str__(self) -> str:
        return f"{'ok  ' if self.ok else '!!  '}{self.text}"


def report(settings: "Settings") -> Iterator[Line]:
    """Look at one thing after the other; nothing of it changes anything."""
    yield Line(ok=True, text=f"配置：{settings.folder}")
    for look in (_database, _disk, _journal, _queue, _channels, _clock, _duty, _operators):
        usable = True
        for line in look(settings):
            yield line
            usable = usable and line.ok
        if look is _database and not usable:
            return  # nothing after it can be looked at


def _database(settings: "Settings") -> Iterator[Line]:
    from bot.app import open_keys  # noqa: PLC0415

    open_keys(settings)
    try:
        current = is_current(db.connect(settings.database.url))
    except Exception:  # noqa: BLE001 — whatever the driver says, the line is the same
        yield Line(ok=False, text="数据库：连不上；看 database.url，服务器开了没有")
        return
    yield Line(current, "数据库：已是最新" if current else "数据库：不是这个版本的结构；运行 xinqiao migrate")


def _disk(settings: "Settings") -> Iterator[Line]:
    file = db.connect(settings.database.url).engine.url.database
    if not settings.database.url.startswith("sqlite") or not file:
        return  # another machine's, whose disk cannot be seen from here
    left = shutil.disk_usage(Path(file).parent).free // _MEGABYTE
    fine = left >= _LITTLE_DISK
    mend = "" if fine else "；请腾出空间，满了以后收到的消息会回「没处理成」，什么都存不下"
    yield Line(fine, f"磁盘：数据库所在的盘还剩 {left} MB{mend}")


def _journal(_: "Settings") -> Iterator[Line]:
    with db.unit_of_work(write=False) as session:
        broken = chain.verify(session, newest=_NEWEST)
    if broken is None:
        yield Line(ok=True, text=f"留痕：最近 {_NEWEST} 条连得上，一条不缺")
    else:
        yield Line(
            ok=False,
            text=f"留痕：封存的第 {broken} 条起对不上，有记录被改过或丢了；先运行 xinqiao backup 留一份，再查谁动过数据库",
        )


def _queue(settings: "Settings") -> Iterator[Line]:
    if not settings.queue.url:
        yield Line(ok=True, text="队列：内置（由 xinqiao run 启动）")
        return
    import redis  # noqa: PLC0415

    try:
        with redis.Redis.from_url(
            settings.queue.url, socket_timeout=_TIMEOUT, socket_connect_timeout=_TIMEOUT
        ) as client:
            client.ping()
        yield Line(ok=True, text="队列：能连上")
    except redis.RedisError:
        yield Line(ok=False, text="队列：连不上；看 queue.url，Redis 开了没有。断开时紧急消息仍会送出，其余等它恢复")


def _channels(settings: "Settings") -> Iterator[Line]:
    from bot.wiring import make_clients  # noqa: PLC0415

    if settings.official_account is None and settings.wecom is None:
        yield Line(ok=False, text="通道：公众号和企业微信都没开；在配置里写上 [official_account] 或 [wecom]")
        return
    for name, sender in make_clients(settings).items():
        try:
            sender.client.fetch(time.monotonic() + _TIMEOUT)
            yield Line(ok=True, text=f"通道 {name}：凭据可用")
        except CentreError as error:
            code = getattr(error, "code", None)
            mend = "看 app_id/corp_id、secret 和平台后台的 IP 白名单"
            yield Line(ok=False, text=f"通道 {name}：取不到令牌（errcode {code}）；{mend}")
    if settings.official_account is not None and PushKind.DIGEST not in settings.official_account.templates:
        yield Line(
            ok=False,
            text="公众号：没有 digest 模板，48 小时没说过话的人收不到消息；在 [official_account.templates.digest] 里写上",
        )


def _clock(settings: "Settings") -> Iterator[Line]:
    base = next((it.api_base for it in (settings.official_account, settings.wecom) if it is not None), None)
    if base is None:
        return
    from email.utils import parsedate_to_datetime  # noqa: PLC0415

    import requests  # noqa: PLC0415

    began = time.monotonic()
    try:
        answered = requests.head(base, timeout=_TIMEOUT).headers.get("Date")
    except requests.RequestException:
        yield Line(ok=False, text="时钟：平台没有应答，没法比较；先看网络")
        return
    if answered is None:
        return
    off = abs((parsedate_to_datetime(answered) - clock.machine()).total_seconds()) - (time.monotonic() - began)
    fine = off <= _CLOCK_TOLERANCE
    yield Line(fine, "时钟：和平台一致" if fine else f"时钟：和平台差 {off:.0f} 秒；请打开时间同步（NTP）")


def _duty(settings: "Settings") -> Iterator[Line]:
    policy = make_policy(settings).duty
    with db.unit_of_work(write=False) as session:
        for number in policy.contacts:
            person = find_by_number(session, number)
            if person is None:
                yield Line(ok=False, text=f"值班：名单里没有工号 {number}；看 [duty] contacts 写对了没有")
            elif not reachable(session, [person]):
                yield Line(ok=False, text=f"值班：工号 {number} 的老师还没有绑定，收不到消息；请 TA 先绑定")
        listed = duty_contacts(session, policy)
        ready = reachable(session, listed)
        centre = reachable(session, centre_contacts(session, policy))
    if not policy.contacts:
        yield Line(ok=False, text="值班：没有写值班联系人，紧急消息会给中心主任和中心；在 [duty] contacts 里写上工号")
    mend = "" if ready else "；请他们先绑定"
    yield Line(bool(ready), f"值班：紧急时会通知 {len(listed)} 位老师，其中 {len(ready)} 位收得到{mend}")
    if not centre:
        yield Line(ok=False, text="值班：心理中心没有一位值班老师收得到消息；请至少一位中心老师绑定")
    if settings.fallback.urls:
        from workers.senders.fallback import FallbackSender  # noqa: PLC0415

        usable, given = FallbackSender(settings.fallback.urls).usable(), len(settings.fallback.urls)
        mend = "" if usable == given else "；看 [fallback] urls 写法对不对（apprise 的写法）"
        yield Line(usable == given, f"备用通道：{given} 个地址里能用 {usable} 个{mend}")
    if not policy.phones:
        yield Line(ok=False, text="值班：没有写学校的值班电话；在 [duty] phones 里写上")


def _operators(settings: "Settings") -> Iterator[Line]:
    policy = make_policy(settings).duty
    with db.unit_of_work(write=False) as session:
        told = reachable(session, operators(session, policy))
        unknown = [number for number in policy.operators if find_by_number(session, number) is None]
    for number in unknown:
        yield Line(ok=False, text=f"运行：名单里没有工号 {number}；看 [duty] operators 写对了没有")
    if told:
        yield Line(ok=True, text=f"运行：有消息该动没动时会告诉 {len(told)} 位老师")
    else:
        yield Line(ok=False, text="运行：有消息该动没动时没有人收得到通知；在 [duty] operators 里写上工号，请他们绑定")
