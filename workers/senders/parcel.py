"""What a sender gets and gives: a parcel, and the ways it could go."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from models.channel import Channel
from models.outbox import PushKind


@dataclass(frozen=True)
class Parcel:
    """One push, put into words for one account.

    `short` is the text where only 20 characters fit. `dedupe` is the row's own name: the same at every attempt, never used
    for another. Units: `attempt` counts from 1.
    """

    address: str
    kind: PushKind
    text: str
    short: str
    number: str
    unit: str
    at: datetime
    dedupe: str
    attempt: int


@dataclass(frozen=True)
class Way:
    """One call that would deliver a parcel.

    `repeatable`: the platform itself sees to it that the same parcel does not arrive twice. `windowed`: only inside the
    window that the person opened. `send` takes a `time.monotonic()` moment by which it ends, and raises a ChannelError
    unless the platform has accepted.
    """

    repeatable: bool
    windowed: bool
    send: Callable[[float], None]


class Sender(Protocol):
    """A channel."""

    @property
    def channel(self) -> Channel:
        """Which one."""

    def ways(self, parcel: Parcel) -> Sequence[Way]:
        """The ways to try, best first; [] when this channel has none for the kind."""
