"""The outbox: what must be told, to whom, by when, and what became of it. Rules: design, idea 3; docs/rules.md#pushes.

A row is written in the transaction of the fact it tells. Its dedupe key names the fact, its version, the kind, the step and
the recipient, so planning twice plans once. A worker claims due rows under a lease with a fencing token and settles them
with the same token: a worker that slept through its lease settles nothing.
"""

from models.outbox.changing import (
    cancel,
    match_receipts,
    note_opened,
    note_receipt,
    receipts_wait,
    release,
    retry,
    show,
)
from models.outbox.claiming import LEASE, Letter, Past, claim_due, claim_these, put_off, renew
from models.outbox.keeping import forget, over_since
from models.outbox.kinds import (
    KINDS,
    MUTABLE,
    PLANNED_NEVER,
    TEMPLATED,
    Button,
    Holds,
    KindOfPush,
    PushKind,
    Quiet,
    Route,
    Urgency,
)
from models.outbox.looking import anything_due, attempts_of, late_urgent, next_due, told_of, waiting_for
from models.outbox.pacing import card_of, pace
from models.outbox.planning import plan, planned
from models.outbox.settling import Outcome, Try, begin, drop_attempt, settle, tally
from models.outbox.table import (
    ENDS,
    FULL_WAYS,
    LATE_NAMES,
    AttemptOutcome,
    Mute,
    Push,
    PushAttempt,
    PushReceipt,
    PushState,
    PushTally,
    Reason,
    WayName,
    data_of,
    late_bucket,
)

__all__ = [
    "ENDS",
    "FULL_WAYS",
    "KINDS",
    "LATE_NAMES",
    "LEASE",
    "MUTABLE",
    "PLANNED_NEVER",
    "TEMPLATED",
    "AttemptOutcome",
    "Button",
    "Holds",
    "KindOfPush",
    "Letter",
    "Mute",
    "Outcome",
    "Past",
    "Push",
    "PushAttempt",
    "PushKind",
    "PushReceipt",
    "PushState",
    "PushTally",
    "Quiet",
    "Reason",
    "Route",
    "Try",
    "Urgency",
    "WayName",
    "anything_due",
    "attempts_of",
    "begin",
    "cancel",
    "card_of",
    "claim_due",
    "claim_these",
    "data_of",
    "drop_attempt",
    "forget",
    "late_bucket",
    "late_urgent",
    "match_receipts",
    "next_due",
    "note_opened",
    "note_receipt",
    "over_since",
    "pace",
    "plan",
    "planned",
    "put_off",
    "receipts_wait",
    "release",
    "renew",
    "retry",
    "settle",
    "show",
    "tally",
    "told_of",
    "waiting_for",
]
