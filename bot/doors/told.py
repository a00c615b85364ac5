"""Events in which a platform itself tells something: what became of a push, and which notices a follower takes.

Source: platform/official-account 3. One `List` node or several; the blanks in a status vary.
"""

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from bot.doors.errors import Flaw, UnreadableError
from bot.doors.inbound import Consent, Receipt
from bot.doors.parse import Nodes, several, text_of

ARRIVED: Final = "success"
BLOCKED: Final = "failed:user block"
STATUSES: Final = frozenset([ARRIVED, BLOCKED, "failed:system failed"])
OTHER: Final = "failed:other"
"""Stands for every status that the platform does not name in its documents."""

_HANDLE = re.compile(r"[0-9]{1,20}")
_MOST_TEMPLATE = 64
_HOLDERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "subscribe_msg_popup_event": "SubscribeMsgPopupEvent",
        "subscribe_msg_change_event": "SubscribeMsgChangeEvent",
        "subscribe_msg_sent_event": "SubscribeMsgSentEvent",
    }
)


def handle_of(nodes: Nodes) -> str:
    """The platform's name of the message that an event is about; "" when it has none."""
    return text_of(nodes, "MsgID") or text_of(nodes, "MsgId")


def receipt_of(nodes: Nodes) -> Receipt:
    """What became of a message. Raises: UnreadableError when it does not say of which, or nothing of it."""
    handle, status = handle_of(nodes), " ".join(text_of(nodes, "Status").lower().split())
    if not _HANDLE.fullmatch(handle) or not status:
        raise UnreadableError(Flaw.MISSING)
    status = re.sub(" ?: ?", ":", status)
    return Receipt(handle, arrived=status == ARRIVED, code=status if status in STATUSES else OTHER)


def consents_of(nodes: Nodes) -> tuple[tuple[str, Consent], ...]:
    """Template ids and what happened to each. Raises: UnreadableError when it names none."""
    event = text_of(nodes, "Event").lower()
    items = list(_items(nodes))
    if not items:
        raise UnreadableError(Flaw.MISSING)
    found = ((text_of(item, "TemplateId"), _consent(event, item)) for item in items)
    return tuple((template, consent) for template, consent in found if consent is not None)


def names_in(nodes: Nodes) -> list[str]:
    """What tells two such events of one second apart."""
    names = [handle_of(nodes)]
    names += [
        text_of(item, name) for item in _items(nodes) for name in ("TemplateId", "MsgID", "SubscribeStatusString")
    ]
    return [name for name in names if name]


def _items(nodes: Nodes) -> Iterator[Nodes]:
    holder = _HOLDERS.get(text_of(nodes, "Event").lower(), "")
    for each in several(nodes, holder):
        for item in several(each, "List") if isinstance(each, dict) else []:
            if isinstance(item, dict) and 0 < len(text_of(item, "TemplateId")) <= _MOST_TEMPLATE:
                yield item


def _consent(event: str, item: Nodes) -> Consent | None:
    """None when an item changes nothing: a message that failed, a word we do not know."""
    if event == "subscribe_msg_sent_event":
        return Consent.USED if text_of(item, "ErrorCode").strip() == "0" else None
    status = text_of(item, "SubscribeStatusString").strip().lower()
    if status == "reject":
        return Consent.REJECTED
    # Only the pop-up gives a notice to send; switching them on in the settings gives none.
    return Consent.ACCEPTED if status == "accept" and event == "subscribe_msg_popup_event" else None
