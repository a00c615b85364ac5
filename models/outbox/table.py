"""The outbox's tables: a push, its attempts apart from its content, and the sums that a look at millions would cost too much."""

import json
from bisect import bisect_left
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlmodel import Field, SQLModel
from typing_extensions import override

from models.db import UTCDateTime, enum_column
from models.outbox.kinds import PushKind, Urgency, kind_of

LIVE_STATES = "('queued', 'sending')"


class KindColumn(sa.types.TypeDecorator[PushKind]):
    """A column that holds a kind. One that this release does not know is read as such, and stays in its row as it is."""

    impl = sa.String(32)
    cache_ok = True

    @override
    def process_bind_param(self, value: PushKind | None, dialect: Dialect) -> str | None:
        return None if value is None else PushKind(value).value

    @override
    def process_result_value(self, value: str | None, dialect: Dialect) -> PushKind | None:
        return None if value is None else kind_of(value)


class PushState(StrEnum):
    """Where a push stands; the last five are ends."""

    QUEUED = "queued"
    SENDING = "sending"
    CARRIED = "carried"  # travels in another push's message (a digest, a count) and ends with it
    HELD = "held"  # was due before a backup was restored: waits for the operator's word
    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    SUPPRESSED = "suppressed"
    UNCERTAIN = "uncertain"
    EXHAUSTED = "exhausted"


ENDS = frozenset(
    [PushState.ACCEPTED, PushState.DELIVERED, PushState.SUPPRESSED, PushState.UNCERTAIN, PushState.EXHAUSTED]
)


class Reason(StrEnum):
    """Why a push ended as it did, where its state alone does not say."""

    EXPIRED = "expired"
    UNKNOWN_KIND = "unknown kind"  # this release does not know what it is to say
    LEFT = "left"
    OVERTAKEN = "overtaken"
    MUTED = "muted"
    CANCELLED = "cancelled"
    UNREACHABLE = "unreachable"
    REFUSED = "refused"
    GAVE_UP = "gave up"
    ANSWER_LOST = "answer lost"
    IN_DIGEST = "in digest"
    IN_COUNT = "in count"
    SHOWN = "shown"  # its person asked with 「查看」 before it went out


class WayName(StrEnum):
    """In which form a message goes."""

    TEXT = "text"
    CARD = "card"
    MENU = "menu"  # a text with lines to tap, at the official account
    UPDATE = "update"  # a card that is there already says something else
    TEMPLATE = "template"
    NOTICE = "notice"  # over the fallback
    SHOWN = "shown"  # in the answer to 「查看」


FULL_WAYS = (WayName.TEXT, WayName.CARD, WayName.MENU, WayName.SHOWN)
"""Ways that say all there is to say; after the others 「查看」 still has something to show."""


class Push(SQLModel, table=True):
    """One row of the outbox.

    `due_at` is when it should go and never changes; `next_at` is when it is looked at next. `paced_at` is when a message of its
    own was begun for it, the last time. `carrier_id` names the row whose message carries this one; `counted` is the N that a
    carrier's message shows.
    """

    __tablename__ = "outbox"
    __table_args__ = (
        sa.Index(
            "outbox_next",
            "next_at",
            sqlite_where=sa.text(f"state IN {LIVE_STATES} AND urgency <> 'urgent'"),
            postgresql_where=sa.text(f"state IN {LIVE_STATES} AND urgency <> 'urgent'"),
        ),
        sa.Index(
            "outbox_urgent",
            "next_at",
            sqlite_where=sa.text(f"state IN {LIVE_STATES} AND urgency = 'urgent'"),
            postgresql_where=sa.text(f"state IN {LIVE_STATES} AND urgency = 'urgent'"),
        ),
        sa.Index(
            "outbox_carried",
            "carrier_id",
            sqlite_where=sa.text("state = 'carried'"),
            postgresql_where=sa.text("state = 'carried'"),
        ),
        sa.Index(
            "outbox_carrier",
            "carrier_id",
            sqlite_where=sa.text("carrier_id IS NOT NULL"),
            postgresql_where=sa.text("carrier_id IS NOT NULL"),
        ),
        sa.Index(
            "outbox_held",
            "id",
            sqlite_where=sa.text("state = 'held'"),
            postgresql_where=sa.text("state = 'held'"),
        ),
        # What the auditor asks: these stay as small as what is under way, however long the table is.
        sa.Index(
            "outbox_lease",
            "lease_until",
            sqlite_where=sa.text("state = 'sending'"),
            postgresql_where=sa.text("state = 'sending'"),
        ),
        sa.Index(
            "outbox_expires",
            "expires_at",
            sqlite_where=sa.text(f"state IN {LIVE_STATES}"),
            postgresql_where=sa.text(f"state IN {LIVE_STATES}"),
        ),
        sa.Index(
            "outbox_exhausted",
            "settled_at",
            sqlite_where=sa.text("state = 'exhausted'"),
            postgresql_where=sa.text("state = 'exhausted'"),
        ),
        # What was begun for a person lately, and what waits for them.
        sa.Index("outbox_paced", "person_id", "paced_at"),
    )

    id: int | None = Field(default=None, primary_key=True)
    dedupe_key: str = Field(unique=True)
    fact: str = Field(default="", index=True)
    number: str
    person_id: int = Field(foreign_key="person.id")
    kind: PushKind = Field(sa_type=KindColumn)
    data: str = Field(default="{}")
    urgency: Urgency = Field(sa_type=enum_column(Urgency))
    state: PushState = Field(default=PushState.QUEUED, sa_type=enum_column(PushState))
    created_at: datetime = Field(sa_type=UTCDateTime)
    due_at: datetime = Field(sa_type=UTCDateTime)
    next_at: datetime = Field(sa_type=UTCDateTime)
    expires_at: datetime = Field(sa_type=UTCDateTime)
    lease_until: datetime | None = Field(default=None, sa_type=UTCDateTime)
    fence: int = Field(default=0)
    attempts: int = Field(default=0)
    held_for: str | None = None  # why it was put off: `quiet` or `pace`; such rows travel together
    carrier_id: int | None = None
    counted: int | None = None
    paced_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    channel: str | None = None  # a `Route`
    way: str | None = None  # a `WayName`
    outcome: str | None = None  # the platform's code of the last attempt
    reason: str | None = None  # a `Reason`
    settled_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    seen_at: datetime | None = Field(default=None, sa_type=UTCDateTime)


def data_of(text: str) -> dict[str, Any]:
    """A row's `data`; {} when it cannot be read, so that what needs it says so."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


class AttemptOutcome(StrEnum):
    """What one request came to."""

    ASKED = "asked"  # begun, and its repeat could not be told: nobody knows until the answer is here
    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    BUSY = "busy"
    REFUSED = "refused"
    NO_ANSWER = "no answer"
    FAILED = "failed"  # accepted, but the platform's event says that it did not arrive


BEFORE = 0
"""Instead of a fence: claims count from 1."""


class PushAttempt(SQLModel, table=True):
    """One request for a push: when, over what, with what code and outcome. Never what was said.

    `handle` is the platform's own name of the message (for its events, and for updating a card). `fence` is the claim's,
    `BEFORE` once an operator wants the push tried anew: such an attempt says nothing about the next one.
    """

    __tablename__ = "push_attempt"
    __table_args__ = (
        sa.Index(
            "push_attempt_handle",
            "channel",
            "handle",
            sqlite_where=sa.text("handle IS NOT NULL"),
            postgresql_where=sa.text("handle IS NOT NULL"),
        ),
    )

    id: int | None = Field(default=None, primary_key=True)
    push_id: int = Field(foreign_key="outbox.id", index=True)
    fence: int
    channel: str
    way: str
    began_at: datetime = Field(sa_type=UTCDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    code: str | None = None
    outcome: AttemptOutcome = Field(sa_type=enum_column(AttemptOutcome))
    handle: str | None = None


class PushReceipt(SQLModel, table=True):
    """A platform's event about a message that no attempt names yet: it can be faster than our own note of sending."""

    __tablename__ = "push_receipt"

    channel: str = Field(primary_key=True)
    handle: str = Field(primary_key=True)
    code: str
    arrived: bool
    at: datetime = Field(sa_type=UTCDateTime, index=True)


LATE_BUCKETS = (1, 2, 5, 10, 30, 60, 300, 900, 3600)
"""Upper bounds in seconds of how late a push was accepted; the last bucket has none."""

LATE_NAMES = (*map(str, LATE_BUCKETS), "+Inf")
"""The buckets as `/metrics` spells them."""


def late_bucket(seconds: float) -> str:
    """The bucket that a lateness falls into, one of `LATE_NAMES`."""
    return LATE_NAMES[bisect_left(LATE_BUCKETS, seconds)]


class PushTally(SQLModel, table=True):
    """How many rows and attempts ended how, and how late: `subject` is `row`, `attempt` or `late`. Summed as they end."""

    __tablename__ = "push_tally"

    subject: str = Field(primary_key=True)
    outcome: str = Field(primary_key=True)
    channel: str = Field(primary_key=True)
    code: str = Field(primary_key=True)
    count: int


class Mute(SQLModel, table=True):
    """A kind of push that a person does not want."""

    person_id: int = Field(primary_key=True, foreign_key="person.id")
    kind: PushKind = Field(primary_key=True, sa_type=KindColumn)
    at: datetime = Field(sa_type=UTCDateTime)
