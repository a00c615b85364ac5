"""The one error tree.

CentreError
├── DomainError        the person can fix it; carries the key and values of its sentence
│   ├── NotFoundError      missing, or not theirs: both look the same
│   ├── WrongStateError    the thing is no longer in the state this step needs
│   │   └── SomeoneWasFirstError   another officer's check-in came first
│   └── RefusedError       a rule says no; the sentence says which
│       ├── TimeTakenError     somebody else has this time, or it is not on offer any more
│       └── TooLateError       inside the school's notice; `notice` says how long that is
├── ChannelError       a platform did not take a message
│   ├── ChannelBusyError       later; `retry_after`
│   ├── ChannelRefusedError    never, for this recipient and channel
│   └── ChannelUnsureError     the answer was lost: it may have arrived
├── CommitUnknownError  a COMMIT went out and no answer came back
├── DeadlineError       a turn ran out of its four seconds
└── SettingsError       at start: what is wrong and how to mend it, in one line
All else is a bug.
"""

from datetime import timedelta


class CentreError(Exception):
    """Whatever this system raises on purpose."""


class DomainError(CentreError):
    """The person can fix it; `key` and `values` make its sentence."""

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(key)
        self.key = key
        self.values = values


class NotFoundError(DomainError):
    """Missing, or not theirs."""

    def __init__(self, key: str = "errors.not_found", **values: object) -> None:
        super().__init__(key, **values)


class WrongStateError(DomainError):
    """The thing is no longer in the state this step needs."""


class SomeoneWasFirstError(WrongStateError):
    """Another officer's check-in came first; `name` sent it, and `version` is what a correction would correct."""

    def __init__(self, name: str, version: int) -> None:
        super().__init__("checkin.someone_was_first", name=name)
        self.name = name
        self.version = version


class RefusedError(DomainError):
    """A rule says no."""


class TimeTakenError(RefusedError):
    """Somebody else has this time, or it is not on offer any more."""

    def __init__(self) -> None:
        super().__init__("booking.taken")


class TooLateError(RefusedError):
    """Inside the school's notice."""

    def __init__(self, key: str, notice: timedelta) -> None:
        super().__init__(key, hours=int(notice.total_seconds() // 3600))
        self.notice = notice


class ChannelError(CentreError):
    """A platform did not take a message; `code` is its errcode, None when there was none."""

    def __init__(self, code: int | None = None) -> None:
        super().__init__(f"errcode {code}")
        self.code = code


class ChannelBusyError(ChannelError):
    """Try again after `retry_after`; `asked` when a request went out, and this was not merely waited out."""

    def __init__(self, code: int | None = None, *, retry_after: timedelta, asked: bool = False) -> None:
        super().__init__(code)
        self.retry_after = retry_after
        self.asked = asked


class ChannelRefusedError(ChannelError):
    """Final for this recipient on this channel."""


class ChannelUnsureError(ChannelError):
    """The request went out and no answer came back."""


class DeadlineError(CentreError):
    """A turn ran out of time; nothing was kept."""


class CommitUnknownError(CentreError):
    """A COMMIT went out and no answer came back: it may hold or not, and nobody may claim either."""


class SettingsError(CentreError):
    """The configuration cannot be used; the message is one line that says what and how to mend it."""
