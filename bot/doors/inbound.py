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


@dataclass(frozen=True, slots=True)
class Inbound:
    """One thing a person sent.

    Shape: `key` is unique across channels and the same for every repeat; `address` is the openid or the lower-cased
        WeCom userid; `text` is "" where the kind has none; of a location its label and coordinates.
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
    spelled: str | None = None  # the address as the platform writes it, where that differs


class NoAnswer(Exception):  # noqa: N818 — not a failure of the turn but its third kind of result
    """Raised by a turn that may claim nothing: no answer until the platform stopped listening; it will ask again."""


Turn: TypeAlias = Callable[[Inbound], str | None]
"""What a door hands a message to. Shape: the reply's text; None when there is nothing to say. Raises: NoAnswer."""
