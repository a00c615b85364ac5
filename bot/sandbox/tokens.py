"""Access tokens of both platforms, as the fact sheets describe their lives.

They follow the machine's clock: nothing moves it.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum

from models import clock

LIFE = timedelta(seconds=7200)
OVERLAP = timedelta(minutes=5)
FORCED_APART = timedelta(seconds=30)
FORCED_PER_DAY = 20


class TokenState(Enum):
    """What a platform says about a token it is shown."""

    GOOD = 0
    NOT_LATEST = 40001
    UNKNOWN = 40014
    EXPIRED = 42001


@dataclass
class Token:
    """One issued token: good until it expires, or until a newer one has replaced it and the overlap is over."""

    text: str
    expires: datetime
    replaced: datetime | None = None


class Tokens:
    """Tokens of one kind for one account; the newest is last."""

    def __init__(self, machine: Callable[[], datetime] = clock.machine) -> None:
        self._machine = machine
        self._issued: list[Token] = []
        self._forced: list[datetime] = []

    def renewing(self) -> tuple[str, int]:
        """A new token at each call; the one before lives on for the overlap only (official account, `token`)."""
        return self._issue()

    def stable(self, *, force: bool = False) -> tuple[str, int]:
        """The same token while it has more than the overlap to live (official account, `stable_token`)."""
        now = self._machine()
        today = [moment for moment in self._forced if now - moment < timedelta(days=1)]
        if force and len(today) < FORCED_PER_DAY and (not today or now - today[-1] >= FORCED_APART):
            self._forced = [*today, now]
            self.revoke()
        return self.kept(renew_before=OVERLAP)

    def kept(self, *, renew_before: timedelta = timedelta()) -> tuple[str, int]:
        """The same token while it is valid (WeCom `gettoken`); units: seconds left."""
        now = self._machine()
        if self._issued and self._issued[-1].replaced is None and self._issued[-1].expires - now > renew_before:
            return self._issued[-1].text, int((self._issued[-1].expires - now).total_seconds())
        return self._issue()

    def _issue(self) -> tuple[str, int]:
        now = self._machine()
        for token in self._issued:
            token.replaced = token.replaced or now + OVERLAP
        self._issued.append(Token(secrets.token_urlsafe(96), now + LIFE))
        return self._issued[-1].text, int(LIFE.total_seconds())

    def check(self, text: str) -> TokenState:
        """What this token is worth now."""
        now = self._machine()
        for token in self._issued:
            if secrets.compare_digest(token.text.encode(), text.encode()):
                if token.replaced and token.replaced <= now:
                    return TokenState.NOT_LATEST
                return TokenState.GOOD if token.expires > now else TokenState.EXPIRED
        return TokenState.UNKNOWN

    def revoke(self) -> None:
        """All tokens die at once, as after a forced refresh elsewhere: they answer 40001."""
        for token in self._issued:
            token.replaced = datetime.min.replace(tzinfo=UTC)

    def expire(self) -> None:
        """All tokens have outlived their time: they answer 42001."""
        for token in self._issued:
            token.expires = datetime.min.replace(tzinfo=UTC)
            token.replaced = None
