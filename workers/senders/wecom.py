"""企业微信: a text to one member, or a card where the member is known to see cards (WeChat's plug-in hides them).

The platform drops a body that it has just seen, so a message whose answer was lost is simply sent again; a card whose task it
already has counts as sent.
"""

import threading
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from models.channel import Channel
from models.errors import ChannelRefusedError
from models.outbox import PushKind, Route, Urgency, WayName
from workers.senders.codes import TASK_USED, is_lost
from workers.senders.parcel import Parcel, Way

if TYPE_CHECKING:
    from workers.senders.clients import WeComClient
    from workers.senders.tokens import SharedTokens

SAME_BODY = timedelta(hours=4)
"""For so long the platform remembers a body: its longest."""

ALL_INVALID, NO_LICENCE = 81013, 701099
EVERYBODY = "@all"
"""What the platform takes for the whole enterprise; with a `|` in it an address is several people's."""

LONGEST_TITLE = 36
LONGEST_TEXT = 160


class WeComSender:
    """Sends through one self-built application."""

    route = Route.WECOM

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
        """An update of a card that is there; else a card to whoever sees them and has something to press; else the text."""
        if "|" in parcel.to.address or parcel.to.address == EVERYBODY:
            return []
        if parcel.kind is PushKind.CARD_CLOSED:
            return [self._update(parcel)] if parcel.update else []
        text = Way(
            WayName.TEXT, repeatable=True, windowed=False, send=partial(self._send_text, parcel), remembers=SAME_BODY
        )
        card = Way(WayName.CARD, repeatable=True, windowed=False, send=partial(self._send_card, parcel))
        if parcel.kind is PushKind.CARD_TRIAL:
            return [card]
        if not (parcel.to.cards and parcel.buttons and len(parcel.text) <= LONGEST_TEXT):
            return [text]
        if parcel.kind is PushKind.URGENT_COUNT:
            return [self._update(parcel), text] if parcel.update else [card, text]
        # What is urgent is not left to a form that some clients hide.
        return [text] if parcel.urgency is Urgency.URGENT else [card, text]

    def is_lost(self, code: int | None) -> bool:
        """Whether the member cannot be reached through the application any more."""
        return is_lost(Channel.WECOM, code)

    def _send_text(self, parcel: Parcel, until: float) -> None:
        # The same bytes at every attempt, and no other push's: the text shows the push's own number.
        self._send(parcel, {"msgtype": "text", "text": {"content": parcel.text}}, until)

    def _send_card(self, parcel: Parcel, until: float) -> str | None:
        try:
            answer = self._send(parcel, {"msgtype": "template_card", "template_card": _card(parcel)}, until)
        except ChannelRefusedError as error:
            if error.code in TASK_USED:
                return None
            raise
        return str(answer["response_code"]) if answer.get("response_code") else None

    def _send(self, parcel: Parcel, message: dict[str, Any], until: float) -> dict[str, Any]:
        body = {
            "touser": parcel.to.address,
            "agentid": self._agent_id,
            **message,
            "enable_duplicate_check": 1,
            "duplicate_check_interval": int(SAME_BODY.total_seconds()),
        }
        answer = self.client.send("message/send", body, until=until, attempt=parcel.attempt)
        if answer.get("invaliduser") or answer.get("unlicenseduser"):
            raise ChannelRefusedError(ALL_INVALID if answer.get("invaliduser") else NO_LICENCE)
        return answer

    def _update(self, parcel: Parcel) -> Way:
        body: dict[str, Any] = {
            "userids": [parcel.to.address],
            "agentid": self._agent_id,
            "response_code": parcel.update,
        }
        if parcel.kind is PushKind.CARD_CLOSED:
            body["button"] = {"replace_name": parcel.text[:LONGEST_TITLE]}
        else:
            body["template_card"] = _card(parcel)

        def send(until: float) -> None:
            self.client.send("message/update_template_card", body, until=until, attempt=parcel.attempt)

        return Way(WayName.UPDATE, repeatable=True, windowed=False, send=send)


def _card(parcel: Parcel) -> dict[str, Any]:
    return {
        "card_type": "button_interaction",
        "task_id": parcel.dedupe,
        "main_title": {"title": parcel.title},
        "sub_title_text": parcel.text,
        "button_list": [
            {"text": caption, "style": 1 if at == 0 else 2, "key": button.value}
            for at, (button, caption) in enumerate(parcel.buttons)
        ],
    }
