"""The auditor: finds what should have moved and did not. Rules: design, idea 3; docs/rules.md#pushes.

It shares no code with the sender: every statement is its own text, so that a mistake there is not repeated here. Each of them
goes by an index that holds only what is under way: a pass costs the same however many rows have ended.
"""

import logging
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

import sqlalchemy as sa
from sqlmodel import Session

from models import clock
from models.db import Fixed, unit_of_work
from models.outbox.kinds import KINDS
from models.policy import CheckinPolicy, Policy
from models.pulse import beat, last_beat
from models.round import RoundKind, latest_slot
from models.stall import ROWS, tell_operators

log = logging.getLogger(__name__)

PULSE = "auditor"
EVERY = timedelta(seconds=10)
LATE = timedelta(seconds=30)
"""How long after its moment a row may still stand where it stood."""

SLOW = timedelta(seconds=60)
"""The same, for what nobody waits for."""

LONG = timedelta(minutes=10)
"""How long after its time a push may still wait for a platform that does not take it."""

LONGEST_LEASE = timedelta(seconds=90)
"""Nobody holds a row that far ahead: the clock that wrote it was wrong."""

LOOK_BACK = timedelta(hours=1)
"""For how long somebody who was not told is found; longer when the auditor itself was silent."""

MOST = 1000
"""Of each shape; more is not counted."""


class Shape(StrEnum):
    """In what way something stands still."""

    QUEUED = "queued"  # due, and nobody takes it
    QUEUED_URGENT = "queued_urgent"
    REFUSED = "refused"  # tried, not taken, and long after its time it waits to be tried again
    REFUSED_URGENT = "refused_urgent"
    SENDING = "sending"  # its holder fell silent, and nobody takes it again
    LEASE = "lease"  # held until a moment that no lease reaches
    NO_LEASE = "no_lease"  # being sent by nobody
    CARRIED = "carried"  # waits for a message that is not under way
    EXPIRED = "expired"  # its time is over, and it has no end
    UNTOLD = "untold"  # ended unreachable, and nobody above was told
    ALERT = "alert"  # a question stayed unanswered, and nobody was called
    UNSEALED = "unsealed"  # a fact that is in no chain
    RECEIPT = "receipt"  # the platform's word about a message of ours, not written down
    STEP = "step"  # of an appointment: a reminder that nobody wrote, or one that nobody closed
    PASSED = "passed"  # a time kept for somebody who had until then to answer: a hold, an offer, a proposal
    PROPOSAL = "proposal"  # unanswered past its time, and not handed to the centre
    ROUND = "round"  # opened by the calendar, and nobody was told


_SUPERIOR = ", ".join(f"'{rule.kind.value}'" for rule in KINDS.values() if rule.superior)
_WHERE: Mapping[Shape, str] = MappingProxyType(
    {
        Shape.QUEUED: """
            outbox WHERE state IN ('queued', 'sending') AND urgency <> 'urgent' AND next_at < :late AND state = 'queued'""",
        Shape.QUEUED_URGENT: """
            outbox WHERE state IN ('queued', 'sending') AND urgency = 'urgent' AND next_at < :late AND state = 'queued'""",
        Shape.REFUSED: """
            outbox WHERE state IN ('queued', 'sending') AND urgency <> 'urgent' AND next_at >= :late AND next_at < :soon
              AND state = 'queued' AND outcome IS NOT NULL AND due_at < :long""",
        Shape.REFUSED_URGENT: """
            outbox WHERE state IN ('queued', 'sending') AND urgency = 'urgent' AND next_at >= :late AND next_at < :soon
              AND state = 'queued' AND outcome IS NOT NULL AND due_at < :long""",
        Shape.SENDING: """
            outbox WHERE state = 'sending' AND lease_until < :lease_over""",
        Shape.LEASE: """
            outbox WHERE state = 'sending' AND lease_until > :lease_absurd""",
        Shape.NO_LEASE: """
            outbox WHERE state = 'sending' AND lease_until IS NULL AND next_at < :late""",
        # `held` waits for the operator's word after a restore, and what it carries waits with it.
        Shape.CARRIED: """
            outbox AS it LEFT JOIN outbox AS carrier ON carrier.id = it.carrier_id
            WHERE it.state = 'carried'
              AND (carrier.id IS NULL OR carrier.state NOT IN ('queued', 'sending', 'held'))""",
        Shape.EXPIRED: """
            outbox WHERE state IN ('queued', 'sending') AND expires_at < :late""",
        Shape.UNTOLD: f"""
            outbox AS it
            WHERE it.state = 'exhausted' AND it.settled_at > :since AND it.settled_at < :late AND it.kind IN ({_SUPERIOR})
              AND (SELECT count(*) FROM outbox AS told
                   WHERE told.fact IN ('push:' || it.id, 'push:' || it.carrier_id) AND told.kind = 'unreachable') = 0""",  # noqa: S608 — kinds of ours
        Shape.ALERT: """
            alert WHERE ask_until < :late""",
        Shape.UNSEALED: """
            audit WHERE seq IS NULL AND at < :slow""",
        # A receipt that names no attempt is somebody else's message, or one whose sender died: its row went out again.
        # CROSS: SQLite keeps this order, and does not begin with the millions.
        Shape.RECEIPT: """
            push_receipt AS it CROSS JOIN push_attempt AS a
            WHERE it.at < :slow AND a.channel = it.channel AND a.handle = it.handle AND a.handle IS NOT NULL""",
        Shape.STEP: """
            appointment WHERE next_at < :slow""",
        # Also a booking whose promised answer is late: its moment moves on as the centre is told again.
        Shape.PASSED: """
            appointment WHERE until < :slow""",
        Shape.PROPOSAL: """
            proposal WHERE state = 'open' AND until < :slow""",
    }
)


def _counting(where: str) -> Fixed:
    return Fixed(lambda: sa.text(f"SELECT count(*) FROM (SELECT 1 FROM {where} LIMIT {MOST}) AS found"))  # noqa: S608 — texts of ours


STATEMENTS: Mapping[Shape, Fixed] = MappingProxyType({shape: _counting(where) for shape, where in _WHERE.items()})
_ANNOUNCED = Fixed(
    lambda: sa.text("SELECT count(*) FROM round WHERE kind = :kind AND opens_on = :opens_on AND announced")
)


def audit(policy: Policy, *, now: datetime) -> int:
    """One pass; returns how much stands still. Found in two passes running, the operators hear of it.

    Safe on several machines at once: a pass that another has just made is not made again.
    """
    machine = clock.machine()
    with unit_of_work(write=False) as session:
        before = last_beat(session, PULSE)
        silent = timedelta() if before is None else abs(machine - before[0])
        if before is not None and silent < EVERY / 2:
            return 0
        found = stalled(session, policy.checkin, now=now, machine=machine, since=now - LOOK_BACK - silent)
    count = sum(found.values())
    if count:
        log.error("something that should have moved did not", extra={shape.value: n for shape, n in found.items()})
    with unit_of_work() as session:
        beat(session, PULSE, machine=machine, found=count)
        if count and before is not None and before[1]:
            tell_operators(session, policy.duty, ROWS, count, now=now)
    return count


def stalled(
    session: Session, policy: CheckinPolicy, *, now: datetime, machine: datetime, since: datetime
) -> dict[Shape, int]:
    """How much stands still, by shape, at most `MOST` of each; shapes of which there is nothing are left out."""
    times = {
        "late": now - LATE,
        "slow": now - SLOW,
        "soon": now + timedelta(days=1),
        "long": now - LONG,
        "since": since,
        "lease_over": machine - LATE,
        "lease_absurd": machine + LONGEST_LEASE,
    }
    counts = {shape: _number(session, statement, **_named(shape, times)) for shape, statement in STATEMENTS.items()}
    counts[Shape.ROUND] = sum(1 for _ in _unannounced(session, policy, now))
    return {shape: count for shape, count in counts.items() if count}


def _named(shape: Shape, times: Mapping[str, datetime]) -> dict[str, datetime]:
    return {name: moment for name, moment in times.items() if f":{name}" in _WHERE[shape]}


def _number(session: Session, statement: Fixed, **values: object) -> int:
    row = statement.one(session, **values)
    return 0 if row is None else int(row[0])


def _unannounced(session: Session, policy: CheckinPolicy, now: datetime) -> Iterator[RoundKind]:
    """Rounds that opened by the calendar, are not yet due, and of which nobody was told: also those that have no row."""
    for kind in RoundKind:
        slot = latest_slot(policy, kind, now - LATE)
        if slot.quiet or slot.due_at <= now:
            continue
        if not _number(session, _ANNOUNCED, kind=kind.value, opens_on=slot.opens_on):
            yield kind
