"""What a sender gets and gives: a parcel, and the ways it could go."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from models.outbox import Button, PushKind, Route, Urgency, WayName


@dataclass(frozen=True)
class Target:
    """Where a push could go: an account, or over the fallback the person's telephone and number.

    `contact_id` is None for the fallback. `window_left` and `window_until` are the official account's.
    """

    route: Route
    address: str
    contact_id: int | None = None
    cards: bool = False
    window_until: datetime | None = None
    window_left: int = 0
    phone: str = ""


@dataclass(frozen=True)
class Parcel:
    """One message, put into words for one target.

    `short` is the text where only 20 characters fit, `hint` the one that only says that something waits, `title` stands above
    a card, `notice` is all that the fallback says. `dedupe` is the row's own name: the same at every attempt, never used for
    another. `update` is the platform's handle of a card that is to say something else instead. Units: `attempt` counts from 1.
    """

    to: Target
    kind: PushKind
    urgency: Urgency
    text: str
    short: str
    hint: str
    title: str
    notice: str
    number: str
    unit: str
    at: datetime
    dedupe: str
    attempt: int
    buttons: Sequence[tuple[Button, str]] = field(default=())
    update: str | None = None


@dataclass(frozen=True)
class Way:
    """One call that would deliver a parcel.

    `repeatable`: the platform itself sees to it that the same parcel does not arrive twice, for as long as it `remembers` (None:
    for ever). `windowed`: only inside the
    window that the person opened. `send` takes a `time.monotonic()` moment by which it ends, returns the platform's own name of
    the message where it has one, and raises a ChannelError unless the platform has accepted.
    """

    name: WayName
    repeatable: bool
    windowed: bool
    send: Callable[[float], str | None]
    remembers: timedelta | None = None


class Sender(Protocol):
    """A channel."""

    @property
    def route(self) -> Route:
        """Which one."""

    def ways(self, parcel: Parcel) -> Sequence[Way]:
        """The ways to try, best first; [] when this channel has none for the parcel."""

    def is_lost(self, code: int | None) -> bool:
        """Whether a code says that nothing arrives at this address any more."""
