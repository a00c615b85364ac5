"""Delivery: claim what is due, ask whether it still holds, decide who is written to how, send, settle. Rules: design, idea 3.

A crash anywhere loses nothing: a claim is a lease of 8 s, and a row whose holder fell silent is taken again by whoever comes
next. Which channel a push takes is decided here, at the moment of sending, not when it was planned. Requests are kept in the
air all the time: as answers come in they are settled, and in the same transaction as many rows are claimed as there is room for.
"""

import logging
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from models import clock
from models.channel import Channel
from models.contact import Contact
from models.db import Among, Fixed, is_database_error, json_ids, unit_of_work, utc
from models.errors import CommitUnknownError, DeadlineError
from models.failpoint import hit
from models.outbox import (
    KINDS,
    LEASE,
    Letter,
    Mute,
    Outcome,
    PushKind,
    PushState,
    Quiet,
    Reason,
    Route,
    Urgency,
    card_of,
    claim_due,
    claim_these,
    pace,
    plan,
    put_off,
    renew,
    settle,
)
from models.person import Person
from models.quiet import quiet_until
from models.superior import spoken_of, superiors
from workers.attempt import Equipment, Message, attempt, exhausted, given_up, uncertain
from workers.clerk import Clerk
from workers.senders.parcel import Target
from workers.still_true import holds, is_id

log = logging.getLogger(__name__)

AT_ONCE = 64
"""Requests in the air at the same time."""

LEGS = 16
"""Further threads, for the other channels of what is urgent."""

RENEW_EVERY = 2.0
"""Seconds after which the leases of those still waiting are renewed."""

SPELL = 5.0
"""Seconds for which one drain claims; then whoever rang for something urgent has a turn."""

AGAIN = 0.5
"""Seconds until a database that failed is asked again."""

LONGEST = 50.0
"""Seconds of one run, less than RQ gives a job: a request that has not ended by then is left behind, and its claim runs out."""

MOST_AT_A_TIME = 128
_leaving = threading.Event()
_equipment: Equipment | None = None
_clerk = Clerk()
_pools: dict[str, ThreadPoolExecutor] = {}
_lock = threading.Lock()


def equip(equipment: Equipment) -> None:
    """Hand delivery its channels and words; once, when a process starts."""
    global _equipment  # noqa: PLW0603 — like the database, one per process
    _equipment = equipment


def leave() -> None:
    """Claim nothing more: this process is to end when what is in the air has landed."""
    _leaving.set()


def is_leaving() -> bool:
    """Whether this process is to end."""
    return _leaving.is_set()


def drain(limit: int | None = None) -> int:
    """Deliver what is due, urgent ones first; returns how many rows were settled. Safe to run twice, anywhere, late.

    Queue `push`. The row holds attempts, lease and next due time; RQ's own retry is not used.
    """
    left = limit

    def claim(session: Session, room: int, now: datetime) -> list[Letter]:
        nonlocal left
        most = room if left is None else min(room, left)
        letters = claim_due(session, most, now=now, machine=clock.machine()) if most else []
        left = None if left is None else left - len(letters)
        return letters

    return _Line(claim, _equipped()).run()


def deliver_one(push_id: int) -> int:
    """Deliver one row if it is due and nobody has it; returns 1 when it was settled. Safe to run twice, anywhere, late.

    Queue `push`, for urgent rows.
    """
    return deliver_these([push_id])


def deliver_these(push_ids: Sequence[int]) -> int:
    """Deliver rows by id, those that are due and that nobody has; returns how many were settled."""
    left = list(push_ids)

    def claim(session: Session, room: int, now: datetime) -> list[Letter]:
        letters: list[Letter] = []
        while left and len(letters) < room:  # those that somebody else has take up no room
            some = left[: room - len(letters)]
            del left[: len(some)]
            letters += claim_these(session, some, now=now, machine=clock.machine())
        return letters

    return _Line(claim, _equipped()).run()


class _Line:
    """One run: requests in the air, answers settled as they come, and as many rows claimed as there is room."""

    def __init__(self, claim: Callable[[Session, int, datetime], list[Letter]], equipment: Equipment) -> None:
        self._claim = claim
        self._equipment = equipment
        self._answers: queue.SimpleQueue[tuple[Message, Outcome | None]] = queue.SimpleQueue()
        self._flying: dict[tuple[int, int], Message] = {}  # by row and claim: after a clock's jump a row can fly twice
        self._tally: Counter[str] = Counter()
        self._more = True
        self._began = self._renewed = time.monotonic()
        self._gone_since: float | None = None

    def run(self) -> int:
        """Until nothing more is due, or the spell is over and all has been settled."""
        kept: list[Outcome] = []
        while True:
            kept += self._landed()
            if self._stepped(kept):
                kept = []
            if self._flying and time.monotonic() - self._began > LONGEST:
                log.error("requests that do not end were left behind", extra={"count": len(self._flying)})
                self._flying.clear()
            if not self._flying and not self._more and not kept:
                break
        if self._tally:
            log.info("pushes settled", extra={"count": self._tally.total(), **self._tally})
        return self._tally.total()

    def _landed(self) -> list[Outcome]:
        """What has come back; waits for the first, and takes what is there by then."""
        landed: list[tuple[Message, Outcome | None]] = []
        if self._flying:
            self._renew_if_due()
            try:
                landed.append(self._answers.get(timeout=RENEW_EVERY / 4))
                while len(landed) < MOST_AT_A_TIME:
                    landed.append(self._answers.get_nowait())
            except queue.Empty:
                pass
        for message, _ in landed:
            self._flying.pop(_claim_of(message), None)
        return [outcome for _, outcome in landed if outcome is not None]

    def _stepped(self, outcomes: list[Outcome]) -> bool:
        """Take a step; a database that is gone for a moment is asked again while there are answers to write, or to come."""
        try:
            self._step(outcomes)
        except Exception as error:
            self._gone_since = self._gone_since or time.monotonic()
            waited = time.monotonic() - self._gone_since > LEASE.total_seconds()
            if not _is_gone(error) or waited or not (outcomes or self._flying):
                raise
            log.warning("the database was not there in the middle of a run", extra={"count": len(outcomes)})
            self._more = False
            time.sleep(AGAIN)
            return False
        self._gone_since = None
        return True

    def _step(self, outcomes: list[Outcome]) -> None:
        """Settle what came back and claim as much again, in one transaction."""
        self._more = self._more and not _leaving.is_set() and time.monotonic() - self._began < SPELL
        room = AT_ONCE - len(self._flying) if self._more else 0
        if not outcomes and not room:
            return
        if outcomes:
            hit("delivery.before_settle")
        with unit_of_work() as session:
            now = clock.now()
            ended = _settle(session, outcomes, self._equipment, now)
            messages: list[Message] = []
            if room:
                letters = self._claim(session, room, now)
                self._more = len(letters) > 0
                if letters:
                    at_once, messages = _sorted_out(session, letters, self._equipment, now)
                    ended += _settle(session, at_once, self._equipment, now)
        self._tally.update(outcome.state.value for outcome in ended)
        if messages:
            hit("delivery.claimed")
        for message in messages:
            self._flying[_claim_of(message)] = message
            _pool("delivery", AT_ONCE).submit(self._send, message)

    def _send(self, message: Message) -> None:
        outcome: Outcome | None = None
        try:
            outcome = attempt(message, self._equipment, _clerk, _pool("legs", LEGS))
        finally:
            self._answers.put((message, outcome))  # whatever happened: the run waits for it

    def _renew_if_due(self) -> None:
        if time.monotonic() - self._renewed < RENEW_EVERY:
            return
        self._renewed = time.monotonic()
        flying = list(self._flying.values())

        def renew_all(session: Session) -> list[datetime | None]:
            return [renew(session, message.letter, machine=clock.machine()) for message in flying]

        try:
            # By the clerk, who writes to the same rows: two transactions would wait for each other's.
            held = _clerk(renew_all)
        except Exception as error:
            if not _is_gone(error):
                raise
            log.warning("the database was not there to renew claims", extra={"count": len(flying)})
            return
        for message, until in zip(flying, held, strict=True):
            message.held_until = until or message.held_until


def _claim_of(message: Message) -> tuple[int, int]:
    return message.letter.id, message.letter.fence


def _is_gone(error: Exception) -> bool:
    """Whether the database failed, not our code."""
    return isinstance(error, DeadlineError | CommitUnknownError) or is_database_error(error)


def _settle(session: Session, outcomes: Sequence[Outcome], equipment: Equipment, now: datetime) -> list[Outcome]:
    """Write what became of a group; returns the outcomes that were still ours to write."""
    if not outcomes:
        return []
    ours = settle(session, outcomes, now=now)
    if len(ours) < len(outcomes):
        log.warning("pushes had gone to another worker", extra={"count": len(outcomes) - len(ours)})
    for outcome in ours:
        if outcome.state is PushState.EXHAUSTED and outcome.again_at is None:
            for letter in (outcome.letter, *outcome.letter.carried):
                _tell_superior(session, letter, equipment, now)
    return ours


def _tell_superior(session: Session, letter: Letter, equipment: Equipment, now: datetime) -> None:
    """Somebody above hears that a person could not be reached: never what about."""
    rule = KINDS.get(letter.kind)
    if rule is None or not rule.superior:
        return
    who = spoken_of(session, letter.person_id, teacher=equipment.words("dialogue.teacher", name="{name}"))
    for person_id in superiors(session, letter.person_id):
        plan(session, f"push:{letter.id}", PushKind.UNREACHABLE, person_id, now=now, who=who)


# ── before sending ──────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class _Reader:
    """Whom pushes are for, as of now."""

    ended: bool
    number: str
    phone: str
    targets: list[Target]
    heard: datetime | None = None
    muted: set[str] = field(default_factory=set)


_person, _contact, _mute = Person.__table__, Contact.__table__, Mute.__table__  # type: ignore[attr-defined]
_PEOPLE = Fixed(
    lambda: sa.select(_person.c.id, _person.c.ended_at, _person.c.number, _person.c.phone).where(
        Among(_person.c.id, "ids")
    )
)
_CONTACTS = Fixed(
    lambda: (
        sa.select(
            _contact.c.person_id,
            _contact.c.id,
            _contact.c.channel,
            _contact.c.address,
            _contact.c.spelled,
            _contact.c.cards,
            _contact.c.window_until,
            _contact.c.window_left,
            _contact.c.seen_at,
            _contact.c.listening,
        )
        .where(Among(_contact.c.person_id, "ids"))
        .order_by(_contact.c.id)
    )
)
_MUTED = Fixed(lambda: sa.select(_mute.c.person_id, _mute.c.kind).where(Among(_mute.c.person_id, "ids")))


def _readers(session: Session, ids: str) -> dict[int, _Reader]:
    found = {
        row[0]: _Reader(ended=row[1] is not None, number=row[2], phone=row[3] or "", targets=[])
        for row in _PEOPLE.all(session, ids=ids)
    }
    for row in _CONTACTS.all(session, ids=ids):
        reader = found[row[0]]
        seen = None if row[8] is None else utc(row[8])
        reader.heard = max(filter(None, (reader.heard, seen)), default=None)
        if row[9]:
            reader.targets.append(_target(row))
    for person_id, kind in _MUTED.all(session, ids=ids):
        found[person_id].muted.add(kind)
    return found


def _target(row: Sequence[Any]) -> Target:
    return Target(
        route=Route.WECOM if row[2] == Channel.WECOM.value else Route.OFFICIAL_ACCOUNT,
        address=row[4] or row[3],
        contact_id=row[1],
        cards=bool(row[5]),
        window_until=None if row[6] is None else utc(row[6]),
        window_left=row[7],
    )


def _sorted_out(
    session: Session, letters: list[Letter], equipment: Equipment, now: datetime
) -> tuple[list[Outcome], list[Message]]:
    """The ends of what is not to be sent, and the messages that are; the rest is put off."""
    ids = json_ids({letter.person_id for letter in letters})
    readers = _readers(session, ids)
    ended: list[Outcome] = []
    kept: list[Letter] = []
    later: list[tuple[Letter, datetime, str]] = []
    for letter in letters:
        reader = readers[letter.person_id]
        outcome = _end_of(session, letter, reader, equipment, now)
        if outcome is not None:
            ended.append(outcome)
        elif (until := _quiet(letter, equipment, now)) is not None:
            later.append((letter, until, "quiet"))
        else:
            kept.append(letter)
    put_off(session, later)
    updates, letters = _updates(session, kept)
    going = pace(session, letters, {person_id: reader.heard for person_id, reader in readers.items()}, now=now)
    ended += [_suppressed(letter, Reason.OVERTAKEN) for letter in updates if letter.update is None]
    going += [letter for letter in updates if letter.update is not None]
    return ended, [Message(letter, _targets(letter, readers[letter.person_id])) for letter in going]


def _end_of(session: Session, letter: Letter, reader: _Reader, equipment: Equipment, now: datetime) -> Outcome | None:
    if letter.kind not in KINDS:  # another release's: this one has neither words nor a check for it
        return exhausted(letter, Reason.UNKNOWN_KIND)
    if (reason := _not_to_send(session, letter, reader, now)) is not None:
        # A digest that may have arrived is not put together anew without its first: the rest of it would come twice.
        in_doubt = letter.answer_was_lost if letter.carried else letter.in_doubt and reason is Reason.EXPIRED
        return uncertain(letter) if in_doubt and letter.urgency is not Urgency.URGENT else _suppressed(letter, reason)
    if letter.expires_at <= now:  # nobody was told what was to be told: for what matters that is no quiet end
        return given_up(letter, Reason.EXPIRED)
    if not any(target.route in equipment.senders for target in _targets(letter, reader)):
        return given_up(letter, Reason.UNREACHABLE)
    return None


def _not_to_send(session: Session, letter: Letter, reader: _Reader, now: datetime) -> Reason | None:
    """Why a push is better not sent."""
    if letter.expires_at <= now and letter.urgency is Urgency.ROUTINE:
        return Reason.EXPIRED
    if reader.ended:
        return Reason.LEFT
    if letter.kind.value in reader.muted and KINDS[letter.kind].mutable:
        return Reason.MUTED
    return None if holds(session, letter.kind, letter.person_id, letter.data, now) else Reason.OVERTAKEN


def _suppressed(letter: Letter, reason: Reason) -> Outcome:
    return Outcome(letter, PushState.SUPPRESSED, code=letter.outcome, reason=reason)


def _quiet(letter: Letter, equipment: Equipment, now: datetime) -> datetime | None:
    """Until when a push waits; a message that may have arrived already is not put off, nor what is of no use by then."""
    if letter.urgency is Urgency.URGENT or KINDS[letter.kind].quiet is not Quiet.WAITS or letter.answer_was_lost:
        return None
    until = quiet_until(equipment.policy, letter.person_id, now=now)
    over = until is not None and until >= letter.expires_at and letter.urgency is Urgency.IMPORTANT
    return None if over else until


def _updates(session: Session, letters: list[Letter]) -> tuple[list[Letter], list[Letter]]:
    """Those that only update a card, with the card's handle; and the others, which are messages."""
    updates = [it for it in letters if it.kind is PushKind.CARD_CLOSED]
    others = [it for it in letters if it.kind is not PushKind.CARD_CLOSED]
    return [replace(it, update=_card_of(session, it)) for it in updates], others


def _card_of(session: Session, letter: Letter) -> str | None:
    """The card that it updates; None when there is none any more, its row does not say which, or it may be updated already."""
    of = letter.data.get("of")
    return card_of(session, of) if is_id(of) and not letter.answer_was_lost else None


def _targets(letter: Letter, reader: _Reader) -> list[Target]:
    """Where a push can go, in the order of its kind's routes."""
    fallback = Target(Route.FALLBACK, reader.number, phone=reader.phone)
    by_route = {target.route: target for target in (*reader.targets, fallback)}
    return [by_route[route] for route in KINDS[letter.kind].routes if route in by_route]


def _equipped() -> Equipment:
    if _equipment is None:
        msg = "workers.delivery.equip() has not been called"
        raise RuntimeError(msg)
    return _equipment


def _pool(name: str, threads: int) -> ThreadPoolExecutor:
    """Threads that stay, and with them the connections they opened."""
    with _lock:
        if name not in _pools:
            _pools[name] = ThreadPoolExecutor(threads, thread_name_prefix=name)
        return _pools[name]
