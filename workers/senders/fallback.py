"""The school's other ways to reach staff (mail, SMS gateways, DingTalk, Feishu …), through apprise.

For important and urgent pushes. Whether such a message arrived, or arrived twice, nobody can tell: its repeat is never noticed.
"""

import logging
import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote

from models.errors import ChannelBusyError, ChannelRefusedError
from models.outbox import Route, WayName
from workers.senders.codes import BUSY_FOR
from workers.senders.parcel import Parcel, Target, Way

if TYPE_CHECKING:
    from apprise import Apprise
    from apprise.plugins.base import NotifyBase

log = logging.getLogger(__name__)


class FallbackSender:
    """Sends through every address that the school lists and that fits the person."""

    route = Route.FALLBACK

    def __init__(self, urls: Sequence[str]) -> None:
        self._urls = tuple(urls)

    def ways(self, parcel: Parcel) -> Sequence[Way]:
        """One, when there is an address for this person at all."""
        urls = [url for url in (_filled(url, parcel.to) for url in self._urls) if url]
        if not urls:
            return []
        return [Way(WayName.NOTICE, repeatable=False, windowed=False, send=partial(_notify, urls, parcel))]

    def usable(self) -> int:
        """How many of the addresses apprise can use, filled in with a sample person; nothing is sent."""
        sample = Target(Route.FALLBACK, "T000", phone="13800000000")
        return sum(_is_usable(_filled(url, sample) or "") for url in self._urls)

    def is_lost(self, code: int | None) -> bool:  # noqa: ARG002 — nobody tells us
        """Never: a gateway that fails today may work tomorrow."""
        return False


def _filled(url: str, to: Target) -> str | None:
    """An address with the person's telephone and number in it; None when it wants one that there is not."""
    if ("{phone}" in url and not to.phone) or ("{number}" in url and not to.address):
        return None
    return url.replace("{phone}", quote(to.phone, safe="")).replace("{number}", quote(to.address, safe=""))


def _is_usable(url: str) -> bool:
    try:
        return len(_made([url])) > 0
    except ChannelRefusedError:
        return False


def _notify(urls: Sequence[str], parcel: Parcel, until: float) -> None:
    if time.monotonic() >= until:  # frozen meanwhile: somebody else may have the push
        raise ChannelBusyError(retry_after=BUSY_FOR)
    # One by one: apprise says no as soon as one of them does, and what the others took would come again.
    taken = [bool(_alone(way).notify(body=parcel.notice, body_format="text")) for way in _made(urls)]
    if not any(taken):
        raise ChannelBusyError(retry_after=BUSY_FOR, asked=True)
    if not all(taken):
        log.warning("some of fallback.urls did not take a push", extra={"count": taken.count(False)})


def _alone(way: "NotifyBase") -> "Apprise":
    from apprise import Apprise  # noqa: PLC0415 — see below

    ways = Apprise()
    ways.add(way)
    return ways


def _made(urls: Sequence[str]) -> "Apprise":
    """What apprise makes of the addresses. Raises: ChannelRefusedError when it can use none of them."""
    from apprise import Apprise  # noqa: PLC0415 — two hundred plug-ins; only whoever sends this way loads them

    logging.getLogger("apprise").setLevel(logging.CRITICAL)  # it would quote addresses
    ways = Apprise()
    try:
        added = [ways.add(_patient(url)) for url in urls]
    except Exception as error:  # noqa: BLE001 — whatever one of two hundred plug-ins raises
        # Its text may quote the address, and in it a telephone number.
        log.error("an address of fallback.urls cannot be used", extra={"error": type(error).__name__})  # noqa: TRY400
        raise ChannelRefusedError from None
    if not all(added):
        log.error("an address of fallback.urls is not one that apprise knows", extra={"count": added.count(False)})
    if not any(added):
        raise ChannelRefusedError
    return ways


def _patient(url: str) -> str:
    """With timeouts that end before the claim does; a school's own come first."""
    if "cto=" in url or "rto=" in url:
        return url
    return f"{url}{'&' if '?' in url else '?'}cto=2&rto=3"
