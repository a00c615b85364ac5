"""What the doors count. Labels come from lists of ours, never from what was sent."""

from enum import StrEnum

from prometheus_client import Counter

from bot.doors.kinds import TABLE, UNKNOWN
from models.channel import Channel

FOREIGN = "foreign"
"""Stands for whatever is meant for another app of the enterprise."""


class Outcome(StrEnum):
    """What became of a callback."""

    VERIFIED = "verified"  # the console asked whether this address is ours
    ANSWERED = "answered"
    SILENT = "silent"  # a turn had nothing to say
    ACKNOWLEDGED = "acknowledged"  # no turn
    REFUSED = "refused"
    STALE = "stale"
    UNREADABLE = "unreadable"
    FAILED = "failed"  # a turn raised what it should have caught
    UNANSWERED = "unanswered"  # a turn wants the platform to ask again


_callbacks = Counter("callbacks", "Callbacks by what became of them.", ["channel", "outcome"])
_inbound = Counter("inbound", "Readable messages and events by what they are.", ["channel", "kind"])


class Tally:
    """One door's counters, with every label looked up beforehand."""

    def __init__(self, channel: Channel) -> None:
        self._callbacks = {outcome: _callbacks.labels(channel, outcome) for outcome in Outcome}
        self._inbound = {name: _inbound.labels(channel, name) for name in (*TABLE, UNKNOWN, FOREIGN)}

    def callback(self, outcome: Outcome) -> None:
        """Count a callback. Once each."""
        self._callbacks[outcome].inc()

    def inbound(self, name: str) -> None:
        """Count a message that could be read, by its row in the table, UNKNOWN or FOREIGN."""
        self._inbound[name].inc()
