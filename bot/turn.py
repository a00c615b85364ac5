"""One inbound message, exactly once, in one transaction. Rules: design, idea 2.

A turn has four seconds from arrival, lock waits included; the platform hears nothing after five and asks again. A repeat gets the
stored reply. The sentence 「没处理成，请再发一次」 always means that nothing was kept.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime, timedelta

from sqlmodel import Session

from bot.doors.inbound import TOLD, Inbound, InboundKind, NoAnswer
from bot.events import note_press, note_told
from handlers.dialogue.question import Heard
from handlers.dialogue.router import Router
from handlers.dialogue.safety import Safety
from models import clock
from models.audit import Fact, record
from models.channel import Channel
from models.db import is_database_error, rearm, unit_of_work
from models.errors import CommitUnknownError, DeadlineError
from models.failpoint import hit
from models.inbox import someone_is_at_it, store_reply, stored_reply, take
from models.outbox import Urgency, planned
from models.talk import Met, keep, meet, note_seen

log = logging.getLogger(__name__)

SECONDS = 4.0
RETRY_LEFT = 0.5
"""Seconds that must be left for a second try after a database error."""

MESSAGE_WINDOW = (timedelta(hours=48), 5)
TAP_WINDOW = (timedelta(minutes=1), 3)
"""How long and how many customer-service messages a message and a tap open (fact sheet 6.3)."""

Ring = Callable[[list[tuple[int, Urgency]]], None]


class _UnexpectedError(Exception):
    """Something outside the rules went wrong inside a turn; everything of it was rolled back."""


class _NotKeptError(Exception):
    """The turn cannot be done; everything of it was rolled back."""


class Turn:
    """Answers inbound messages; one per web process, used by all its threads."""

    def __init__(self, router: Router, ring: Ring, threads: int) -> None:
        self._router = router
        self._ring = ring
        self._repeats = _Repeats(most=max(1, threads // 2))

    def __call__(self, inbound: Inbound) -> str | None:
        """What to say, None for nothing. Raises: NoAnswer when only silence is true."""
        until = inbound.received + SECONDS
        # Step 0, before any I/O: whatever fails from here on, a call for help is known to be one.
        heard = Heard(inbound.text, inbound.kind in (InboundKind.TEXT, InboundKind.MENU), inbound.tapped, inbound.item)
        with self._repeats.one_at_a_time(inbound.key, until):
            try:
                return self._once(inbound, heard, until)
            except CommitUnknownError as error:
                log.warning("a commit's outcome is unknown; the platform will ask again")
                raise NoAnswer from error
            except DeadlineError as error:
                log.warning("a turn ran out of time and was rolled back", extra={"channel": inbound.channel})
                return self._not_kept(inbound, heard, error)
            except _NotKeptError as error:
                return self._not_kept(inbound, heard, error)

    def _once(self, inbound: Inbound, heard: Heard, until: float) -> str | None:
        """The transaction; once more after a database error, and once more for the apology after any other."""
        failed = retried = False
        while True:
            try:
                return self._transaction(inbound, heard, until, failed=failed)
            except _UnexpectedError:
                failed = True
            except (CommitUnknownError, DeadlineError, NoAnswer):
                raise
            except Exception as error:
                if not is_database_error(error):
                    log.exception("a turn failed around its talk and was rolled back")
                    raise _NotKeptError from error
                log.warning("a database error in a turn", extra={"error": type(error).__name__})
                if until - time.monotonic() < RETRY_LEFT:
                    raise DeadlineError from error
                if retried:
                    log.exception("a turn was rolled back after a second database error")
                    raise _NotKeptError from error
                retried = True

    def _transaction(self, inbound: Inbound, heard: Heard, until: float, *, failed: bool = False) -> str | None:
        hit("turn.begun")
        with unit_of_work(until=until) as session:
            now = clock.now()
            busy = someone_is_at_it(session, inbound.key)
            try:
                with self._repeats.waiting_elsewhere() if busy else nullcontext():
                    first = take(session, inbound.key, now=now)
            except Exception as error:
                if busy and is_database_error(error):  # the first delivery, in another process, may yet keep it
                    raise NoAnswer from error
                raise
            if not first:
                return stored_reply(session, inbound.key)
            hit("turn.taken")
            rearm(session, until)
            met = meet(session, inbound.channel, inbound.address, inbound.spelled)
            rearm(session, until)
            reply = self._answer(session, met, inbound, heard, now, failed=failed)
            hit("turn.answered")
            store_reply(session, inbound.key, reply)
            hit("turn.stored")
            letters = planned(session)
        hit("turn.committed")
        if letters:
            try:
                self._ring(letters)
            except Exception:
                log.exception("the doorbell failed; the ticker finds what is due")
        hit("turn.rung")
        return reply

    def _answer(
        self, session: Session, met: Met, inbound: Inbound, heard: Heard, now: datetime, *, failed: bool
    ) -> str | None:
        contact_id = met.actor.contact_id
        if inbound.kind is InboundKind.UNFOLLOW:
            note_seen(session, contact_id, listening=False, window_until=None, window_left=0, now=now)
            record(session, Fact.UNFOLLOWED, met.actor.person_id, f"contact:{contact_id}", at=now)
            return None
        if inbound.kind in TOLD:
            note_told(session, met, inbound, now=now)
            return None
        window_until, window_left = _window(met, inbound, now)
        note_seen(session, contact_id, listening=True, window_until=window_until, window_left=window_left, now=now)
        if inbound.kind is InboundKind.FOLLOW:
            record(session, Fact.FOLLOWED, met.actor.person_id, f"contact:{contact_id}", at=now)
            return self._router.welcome(met.actor)
        if inbound.kind is InboundKind.PRESS:
            booking = self._router.policy.booking
            return note_press(session, met, inbound, self._router.words, policy=booking, now=now)
        if failed:
            reply, talk = self._router.sorry(met, heard, now=now)
        else:
            try:
                reply, talk = self._router.respond(session, met, heard, now=now)
                session.flush()
            except Exception as error:
                if is_database_error(error) or isinstance(error, DeadlineError):
                    raise
                log.exception("a turn failed; its person gets the apology", extra={"channel": inbound.channel})
                raise _UnexpectedError from error
        keep(session, contact_id, talk, now=now)
        return reply

    def _not_kept(self, inbound: Inbound, heard: Heard, error: Exception) -> str:
        """What to say when nothing was kept. Raises: NoAnswer where nobody waits for words: the platform tells it again."""
        if inbound.kind is InboundKind.PRESS or inbound.kind in TOLD:
            raise NoAnswer from error
        if heard.safety is not Safety.NO:
            return self._router.help_text()
        return self._router.words("dialogue.not_kept")


def _window(met: Met, inbound: Inbound, now: datetime) -> tuple[datetime | None, int]:
    """The platform's customer-service window after this message; a tap never shortens one that is still open."""
    if inbound.channel is not Channel.OFFICIAL_ACCOUNT:
        return None, 0
    tap = inbound.tapped or inbound.kind in (InboundKind.MENU, InboundKind.FOLLOW)
    lasts, count = TAP_WINDOW if tap else MESSAGE_WINDOW
    if tap and met.window_until is not None and met.window_until > now + lasts and met.window_left > 0:
        return met.window_until, met.window_left
    return now + lasts, count


class _Repeats:
    """Lets one delivery of a message run; its repeats wait for it, on at most half of the threads."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting = 0
        self._running: set[str] = set()
        self._changed = threading.Condition()

    @contextmanager
    def one_at_a_time(self, key: str, until: float) -> Iterator[None]:
        """Run when no other delivery of the key runs here. Raises: NoAnswer when there is no room or time to wait."""
        with self._changed:
            if key in self._running:
                self._wait(key, until)
            self._running.add(key)
        try:
            yield
        finally:
            with self._changed:
                self._running.discard(key)
                self._changed.notify_all()

    def _wait(self, key: str, until: float) -> None:
        if self._waiting >= self._most:
            raise NoAnswer
        self._waiting += 1
        try:
            if not self._changed.wait_for(lambda: key not in self._running, timeout=until - time.monotonic()):
                raise NoAnswer
        finally:
            self._waiting -= 1

    @contextmanager
    def waiting_elsewhere(self) -> Iterator[None]:
        """The first delivery runs in another process; the database makes this one wait. Raises: NoAnswer without room."""
        with self._changed:
            if self._waiting >= self._most:
                raise NoAnswer
            self._waiting += 1
        try:
            yield
        finally:
            with self._changed:
                self._waiting -= 1
