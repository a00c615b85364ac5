"""企业微信: a text to one member.

The platform drops a body that it has just seen, so a message whose answer was lost is simply sent again.
"""

import threading
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from models.channel import Channel
from models.errors import ChannelRefusedError
from workers.senders.parcel import Parcel, Way

if TYPE_CHECKING:
    from workers.senders.clients import WeComClient
    from workers.senders.tokens import SharedTokens

SAME_BODY = 14_400
"""Seconds for which the platform remembers a body: its longest."""

ALL_INVALID = 81013


class WeComSender:
    """Sends through one self-built application."""

    channel = Channel.WECOM

    def __init__(
        self, *, corp_id: str, agent_id: int, secret: str, api_base: str, shared: "SharedTokens | None" = None
    ) -> None:
        self._agent_id = agent_id
        self._credentials = (corp_id, secret, api_base, shared)
        self._lock = threading.Lock()
        self._made: WeComClient | None = None

    @property
    def client(self) -> "WeComClient":
        """The client behind it, made when first asked for."""
        from workers.senders.clients import WeComClient  # noqa: PLC0415 — heavy, see there

        with self._lock:
            self._made = self._made or WeComClient(*self._credentials)
            return self._made

    def ways(self, parcel: Parcel) -> Sequence[Way]:
        """One: the text."""
        return [Way(repeatable=True, windowed=False, send=partial(self._send, parcel))]

    def _send(self, parcel: Parcel, until: float) -> None:
        # The same bytes at every attempt, and no other push's: the text shows the push's own number.
        body = {
            "touser": parcel.address,
            "agentid": self._agent_id,
            "msgtype": "text",
            "text": {"content": parcel.text},
            "enable_duplicate_check": 1,
            "duplicate_check_interval": SAME_BODY,
        }
        answer = self.client.send("message/send", body, until=until, attempt=parcel.attempt)
        if answer.get("invaliduser") or answer.get("unlicenseduser"):
            raise ChannelRefusedError(ALL_INVALID)
