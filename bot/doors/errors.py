"""What can be wrong with a callback. Two branches, and none of them leaves the doors.

DoorError
├── UnprovenError       nobody we know sent this: 403
│   └── StaleError      rightly signed, but too long ago or ahead of us: 403, and counted apart
└── UnreadableError     rightly signed, but not to be understood: 400
"""

from enum import StrEnum


class Flaw(StrEnum):
    """Why a signed callback could not be read; safe to log, it never holds what was sent."""

    XML = "not well-formed XML"
    ENCODING = "an encoding other than UTF-8"
    DOCTYPE = "a document type"
    DEEP = "nested too deep"
    LONG = "too many nodes"
    BASE64 = "not base64"
    SEALED = "opens with none of our keys for our own id"
    MISSING = "a node is missing, repeated or misshapen"


class DoorError(Exception):
    """A callback that is not let in."""


class UnprovenError(DoorError):
    """Not authenticated; says nothing more, to anyone."""


class StaleError(UnprovenError):
    """Signed with our token, but its time is far from ours: a replay, or one of the two clocks is wrong."""


class UnreadableError(DoorError):
    """Authenticated, but unreadable."""

    def __init__(self, flaw: Flaw) -> None:
        super().__init__(flaw)
        self.flaw = flaw
