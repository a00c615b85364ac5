"""What a door hands to a turn: one message or event, verified, decrypted and flat."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from models.channel import Channel


class InboundKind(StrEnum):
    """What came in, as far as a turn cares."""

    TEXT = "text"
    IMAGE = "image"
    VOICE = "voice"
    VIDEO = "video"
    LOCATION = "location"
    LINK = "link"
    MENU = "menu"  # `text` holds the menu's key
    FOLLOW = "follow"
    UNFOLLOW = "unfollow"
    PRESS = "press"  # `text` holds the key of a card's button, `task` names the card
    RECEIPT = "receipt"  # what became of a push: `receipt`
    SUBSCRIPTION = "subscription"  # which notices a follower takes: `consents`
    REVOKED = "revoked"  # a follower took back what they had allowed; `text` holds the event's name


TOLD = frozenset([InboundKind.RECEIPT, InboundKind.SUBSCRIPTION, InboundKind.REVOKED])
"""What a platform tells about somebody; it is not heard from them, and gets no answer."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """A platform's word on one message. `code` is one of a short list, whatever was sent."""

    handle: str
    arrived: bool
    code: str


class Consent(StrEnum):
    """What happened to one kind of notice."""

    ACCEPTED = "accepted"  # one more may come
    REJECTED = "rejected"  # none may come any more
    USED = "used"  # one has come


@dataclass(frozen=True, slots=True)
class Inbound:
    """One thing a person sent.

    Shape: `key` is unique across channels and the same for every repeat; `address` is the openid or the lower-cased
        WeCom userid; `text` is "" where the kind has none; of a location its label and coordinates. `consents` are template
        ids with what happened to each, in the platform's order.
    Units: `received` is `time.monotonic()` when the request arrived.
    """

    channel: Channel
    key: str
    address: str
    kind: InboundKind
    text: str
    received: float
    to: str
    tapped: bool = False
    item: str = ""  # of a text that was tapped in a message menu: the line's own name
    spelled: str | None = None  # the address as the platform writes it, where that differs
    task: str = ""
    receipt: Receipt | None = None
    consents: tuple[tuple[str, Consent], ...] = ()


class NoAnswer(Exception):  # noqa: N818 — not a failure of the turn but its third kind of result
    """Raised by a turn that may claim nothing: no answer until the platform stopped listening; it will ask again."""


Turn: TypeAlias = Callable[[Inbound], str | None]
"""What a door hands a message to.

Shape: the reply's text, of a press what the card's button says now; None when there is nothing to say. Raises: NoAnswer.
"""
