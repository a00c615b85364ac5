"""An appointment's life as one line of steps, each due at a moment of its own. Rules: docs/rules.md#booking; domain 6.5.

The row carries which step comes next and when, so that "what is due?" is one look at an index, and what has moved or gone has
nothing due: a reminder is written in the moment in which it is due, of the appointment as it is then.
"""

from datetime import datetime, timedelta

from models.booking.table import Appointment, Step
from models.policy import BookingPolicy

ASKED_AFTER = timedelta(minutes=30)
CLOSED_AFTER = timedelta(days=2)
"""How long the counselor has for 「没来」 before a past appointment counts as having been."""

ORDER = tuple(Step)


def moment(step: Step, it: Appointment, policy: BookingPolicy) -> datetime:
    """When a step is due; aware UTC."""
    match step:
        case Step.DAY_BEFORE:
            day = it.starts_at.astimezone(policy.zone).date() - timedelta(days=1)
            return datetime.combine(day, policy.remind_at, policy.zone).astimezone(it.starts_at.tzinfo)
        case Step.SOON:
            return it.starts_at - policy.remind_before
        case Step.AFTER:
            return it.ends_at + ASKED_AFTER
        case Step.CLOSE:
            return it.ends_at + CLOSED_AFTER


def set_next(it: Appointment, policy: BookingPolicy, *, now: datetime, after: Step | None = None) -> None:
    """Put the first step that is still to come on the row; behind `after`, when that one is done. Past ones are let go."""
    coming = ORDER if after is None else ORDER[ORDER.index(after) + 1 :]
    for step in coming:
        at = moment(step, it, policy)
        if at > now or step is Step.CLOSE:
            it.step, it.next_at = step, at
            return
    it.step = it.next_at = None
