"""What was typed for a teacher and not sent. Rules: docs/rules.md#concerns; X-28, X-29, L-20.

Its writer is reminded once; when the talk is put away, the teachers hear that there was one, and nothing of it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from models.concern import Concern
from models.contact import Contact
from models.db import Fixed, utc
from models.outbox import PushKind, plan
from models.policy import Policy
from models.post import first_to_tell
from models.quiet import said_by_now
from models.talk import PutAway, TalkLog
from models.unit import place

LEFT = timedelta(hours=2)
"""How long before its talk is put away somebody is reminded; at most half of the talk's time."""

_talk, _contact, _concern = TalkLog.__table__, Contact.__table__, Concern.__table__  # type: ignore[attr-defined]
_OPEN = _talk.c.log.is_not(None) & _talk.c.unsent_for.is_not(None)
_QUIET = Fixed(
    lambda: (
        sa.select(_talk.c.contact_id, _contact.c.person_id, _talk.c.touched_at)
        .select_from(_talk.join(_contact, _contact.c.id == _talk.c.contact_id))
        .where(_OPEN, ~_talk.c.reminded)
        .where(_talk.c.touched_at > sa.bindparam("after"), _talk.c.touched_at <= sa.bindparam("until"))
        .order_by(_talk.c.touched_at)
        .limit(sa.bindparam("most", type_=sa.Integer))
    )
)
_REMINDED = Fixed(
    lambda: (
        sa.update(_talk)
        .values(reminded=sa.true())
        .where(_talk.c.contact_id == sa.bindparam("id_"), _talk.c.touched_at == sa.bindparam("touched_"))
        .where(_OPEN, ~_talk.c.reminded)
    )
)
_WAITS = Fixed(
    lambda: sa.select(_talk.c.contact_id).where(
        _talk.c.contact_id == sa.bindparam("id_"), _talk.c.touched_at == sa.bindparam("touched_"), _OPEN
    )
)
_SENT_SINCE = Fixed(
    lambda: sa.select(_concern.c.id).where(
        _concern.c.writer_id == sa.bindparam("writer_id"), _concern.c.created_at >= sa.bindparam("since")
    )
)
_UNTOLD = Fixed(lambda: sa.update(_talk).values(unsent_for=sa.null()).where(_talk.c.contact_id == sa.bindparam("id_")))
_OLDEST = Fixed(lambda: sa.select(_talk.c.touched_at).where(_OPEN).order_by(_talk.c.touched_at).limit(1))
_OLDEST_NOT_REMINDED = Fixed(
    lambda: sa.select(_talk.c.touched_at).where(_OPEN, ~_talk.c.reminded).order_by(_talk.c.touched_at).limit(1)
)
_A_MOMENT = timedelta(seconds=1)


def _remind_after(lasts: timedelta) -> timedelta:
    return lasts - min(LEFT, lasts / 2)


def anybody_to_remind(session: Session, policy: Policy, *, now: datetime) -> bool:
    """Whether `remind` would find a talk; only reads."""
    return bool(_to_remind(session, policy, now, most=1))


def _to_remind(session: Session, policy: Policy, now: datetime, most: int) -> Sequence[Sequence[Any]]:
    """Talks whose reminder is due, or would be in the night that is about to begin."""
    lasts, soon = policy.talk_lasts, said_by_now(policy.push, now=now)
    until = min(soon - _remind_after(lasts), now - lasts / 2)
    return _QUIET.all(session, after=now - lasts, until=until, most=most)


def remind(session: Session, policy: Policy, *, now: datetime, most: int = 200) -> int:
    """Plan the one reminder for each talk that is soon put away with something unsent; returns how many talks those were.

    Nobody is woken for it: what would fall due in the night is said before.
    """
    lasts = policy.talk_lasts
    found = _to_remind(session, policy, now, most)
    for contact_id, person_id, touched in found:
        touched_at = utc(touched)
        marked = _REMINDED.run(session, id_=contact_id, touched_=touched_at)
        if marked.rowcount == 1 and person_id is not None:
            plan(
                session,
                f"talk:{contact_id}@{touched_at.isoformat()}",
                PushKind.CONCERN_WAITS,
                person_id,
                now=now,
                lasts=touched_at + lasts - now,
                talk=contact_id,
                touched=touched_at.isoformat(),
            )
    return len(found)


def still_waits(session: Session, contact_id: int, touched_at: datetime) -> bool:
    """Whether a talk is open, holds something unsent, and was not touched since."""
    return _WAITS.one(session, id_=contact_id, touched_=touched_at) is not None


def tell_of_unsent(session: Session, it: PutAway, *, now: datetime) -> bool:
    """Tell the teachers of a talk that was put away with something unsent, without a word of it or of whose it was.

    Whoever has sent a concern since, on another account perhaps, is taken at that.
    """
    if it.unsent_for is None:
        return False
    if it.person_id is None or _SENT_SINCE.one(session, writer_id=it.person_id, since=it.touched_at) is not None:
        _UNTOLD.run(session, id_=it.contact_id)
        return False
    unit = place(session, it.unsent_for)
    for staff in first_to_tell(session, unit.id, but=it.person_id):
        fact = f"talk:{it.contact_id}@{it.touched_at.isoformat()}"
        plan(session, fact, PushKind.CONCERN_UNSENT, staff.id, now=now, unit=unit.name)
    return True


def next_of_unsent(session: Session, lasts: timedelta) -> datetime | None:
    """When the next reminder is due, or the next talk with something unsent is put away."""
    oldest, waiting = _OLDEST.one(session), _OLDEST_NOT_REMINDED.one(session)
    moments = [] if oldest is None else [step_after(utc(oldest[0]), lasts, reminded=True)]
    moments += [] if waiting is None else [step_after(utc(waiting[0]), lasts, reminded=False)]
    return min(moments, default=None)


def step_after(touched_at: datetime, lasts: timedelta, *, reminded: bool) -> datetime:
    """When a talk with something unsent is reminded, or, once it was, put away."""
    return touched_at + (lasts + _A_MOMENT if reminded else _remind_after(lasts))
