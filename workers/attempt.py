"""One attempt at one push: which ways there are, each tried under the lease, and what that came to.

Nothing here holds a transaction while it waits for a platform. What the row must know if this process dies is written before
the request goes out: where a platform cannot tell a repeat, the mark says that an answer may have been lost.
"""

import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from models import clock
from models.channel import Channel
from models.contact import Contact, close_window, use_window
from models.db import unit_of_work
from models.errors import CentreError, ChannelBusyError, ChannelRefusedError, ChannelUnsureError
from models.failpoint import hit
from models.outbox import ATTEMPTS, RETRY_STEPS, Letter, Outcome, PushState, Urgency, mark, renew, still_holds
from workers.kinds import KINDS
from workers.senders.codes import WINDOW_CLOSED
from workers.senders.parcel import Parcel, Sender, Way

log = logging.getLogger(__name__)

REQUEST = timedelta(seconds=5)
"""All that one request may take; the lease holds for longer when it begins."""

PATIENCE = timedelta(seconds=10)
"""A platform that asks for more than this is not waited for when there is another way."""

ASKED = "asked"
ASKED_AGAIN = "asked again"
"""Marks in a row's `outcome`: a request has gone out whose repeat the platform would not notice."""

NO_ANSWER = "no answer"


class Reason(StrEnum):
    """Why a push ended without being accepted."""

    EXPIRED = "expired"
    LEFT = "left"
    OVERTAKEN = "overtaken"
    UNREACHABLE = "unreachable"
    REFUSED = "refused"
    GAVE_UP = "gave up"
    ANSWER_LOST = "answer lost"


class ClaimLostError(CentreError):
    """Another worker has the row now, or may take it at any moment: nothing more is sent for it here."""


@dataclass(frozen=True)
class Equipment:
    """What delivery is given by the wiring: the channels, and the function that turns a sentence's key into words."""

    senders: Mapping[Channel, Sender]
    words: Callable[..., str]


def attempt(letter: Letter, contacts: Sequence[Contact], equipment: Equipment) -> Outcome | None:
    """Try every way until one is accepted; None when the claim was lost. Never raises."""
    it = _Attempt(letter, contacts, equipment)
    try:
        return it.run()
    except ClaimLostError:
        log.info("a push is another worker's now", extra={"push": letter.id})
        return None
    except Exception:
        # A row that cannot be put into words must neither stop the others nor be tried for ever.
        log.exception("an attempt at a push failed", extra={"push": letter.id, "kind": letter.kind.value})
        return it.cut_short()


def again(
    letter: Letter, code: str | None, *, channel: Channel | None = None, not_before: timedelta = timedelta()
) -> Outcome:
    """The row waits for another attempt, or has had them all."""
    if letter.attempts >= ATTEMPTS:
        return exhausted(letter, Reason.GAVE_UP, channel=channel, code=code)
    step = max(RETRY_STEPS[min(letter.attempts, len(RETRY_STEPS)) - 1], not_before)
    spread = 1 + random.random() / 4
    return Outcome(letter, PushState.QUEUED, channel, code, again_at=clock.now() + step * spread)


def exhausted(letter: Letter, reason: Reason, *, channel: Channel | None = None, code: str | None = None) -> Outcome:
    """The row ends undelivered, and somebody must look."""
    log.error(
        "a push could not be delivered",
        extra={"push": letter.id, "kind": letter.kind.value, "reason": reason.value, "code": code},
    )
    return Outcome(letter, PushState.EXHAUSTED, channel, code, reason)


class _Attempt:
    def __init__(self, letter: Letter, contacts: Sequence[Contact], equipment: Equipment) -> None:
        self.letter = letter
        self.contacts = contacts
        self.equipment = equipment
        self.is_urgent = letter.urgency is Urgency.URGENT
        self.marked = letter.outcome in {ASKED, ASKED_AGAIN}
        self.busy: tuple[ChannelBusyError, Channel] | None = None
        self.refused: tuple[str | None, Channel | None] = (None, None)

    def run(self) -> Outcome:
        letter = self.letter
        if letter.outcome == ASKED_AGAIN or (letter.outcome == ASKED and not self.is_urgent):
            return self._uncertain(Channel.OFFICIAL_ACCOUNT)
        tried = False
        for contact, way in self._ways():
            if not self._take(contact, way):
                continue
            tried = True
            outcome = self._try(contact, way)
            if outcome is not None:
                return outcome
            if self.busy is not None and not self.is_urgent and self.busy[0].retry_after <= PATIENCE:
                break
        was_asked = letter.outcome == ASKED  # an answer was lost at the attempt before, and that stays so
        if self.busy is not None:
            error, channel = self.busy
            code = ASKED if was_asked else _text(error.code)
            return again(letter, code, channel=channel, not_before=error.retry_after)
        if was_asked:
            return self._uncertain(Channel.OFFICIAL_ACCOUNT)
        code, channel_or_none = self.refused
        return exhausted(letter, Reason.REFUSED if tried else Reason.UNREACHABLE, channel=channel_or_none, code=code)

    def _ways(self) -> Iterator[tuple[Contact, Way]]:
        for contact in self.contacts:
            if (sender := self.equipment.senders.get(contact.channel)) is not None:
                for way in sender.ways(self._parcel(contact)):
                    yield contact, way

    def _parcel(self, contact: Contact) -> Parcel:
        letter, kind = self.letter, KINDS[self.letter.kind]
        return Parcel(
            address=contact.send_to,
            kind=letter.kind,
            text=self.equipment.words(kind.words, **letter.data, number=letter.number),
            short=self.equipment.words(kind.short),
            number=letter.number,
            unit=str(letter.data.get("unit", "")),
            at=letter.due_at,
            dedupe=f"push-{letter.id}-{letter.number}",
            attempt=letter.attempts,
        )

    def _take(self, contact: Contact, way: Way) -> bool:
        """Make sure of the lease for the length of a request; False when the person's window does not let this way through.

        Raises: ClaimLostError.
        """
        hit("delivery.before_request")
        if way.repeatable and not self.marked:
            self._hold()
            return True
        if way.windowed and not self._is_open(contact, clock.now()):
            return False
        with unit_of_work() as session:
            if way.windowed and not use_window(session, contact.id or 0, now=clock.now()):
                return False
            note = None if way.repeatable else ASKED_AGAIN if self.letter.outcome == ASKED else ASKED
            if not mark(session, self.letter, note, machine=clock.machine()):
                raise ClaimLostError
        self.marked = not way.repeatable
        return True

    @staticmethod
    def _is_open(contact: Contact, now: datetime) -> bool:
        return contact.window_left > 0 and contact.window_until is not None and contact.window_until > now

    def _hold(self) -> None:
        machine = clock.machine()
        with unit_of_work(write=False) as session:
            if still_holds(session, self.letter, machine=machine + REQUEST):
                return
        with unit_of_work() as session:
            if not renew(session, self.letter, machine=clock.machine()):
                raise ClaimLostError

    def _try(self, contact: Contact, way: Way) -> Outcome | None:
        """What the request came to; None when another way may be tried."""
        channel = contact.channel
        try:
            way.send(time.monotonic() + REQUEST.total_seconds())
        except ChannelBusyError as error:
            if self.busy is None or error.retry_after < self.busy[0].retry_after:
                self.busy = (error, channel)
            return None
        except ChannelRefusedError as error:
            self.refused = (_text(error.code), channel)
            if error.code in WINDOW_CLOSED:
                with unit_of_work() as session:
                    close_window(session, contact)
            return None
        except ChannelUnsureError:
            return self._without_answer(way, channel)
        hit("delivery.after_request")
        return Outcome(self.letter, PushState.ACCEPTED, channel, "0")

    def cut_short(self) -> Outcome:
        """The end of an attempt that broke off nobody knows where."""
        return self._once_more(Channel.OFFICIAL_ACCOUNT) if self.marked else again(self.letter, "error")

    def _without_answer(self, way: Way, channel: Channel) -> Outcome:
        return again(self.letter, NO_ANSWER, channel=channel) if way.repeatable else self._once_more(channel)

    def _once_more(self, channel: Channel) -> Outcome:
        if self.is_urgent and self.letter.outcome != ASKED:
            return again(self.letter, ASKED, channel=channel)
        return self._uncertain(channel)

    def _uncertain(self, channel: Channel) -> Outcome:
        log.warning("nobody knows whether a push arrived", extra={"push": self.letter.id})
        return Outcome(self.letter, PushState.UNCERTAIN, channel, NO_ANSWER, Reason.ANSWER_LOST)


def _text(code: int | None) -> str | None:
    return None if code is None else str(code)
