"""What changes a push other than sending it: it was seen, its platform reported on it, an operator decided."""

from collections import Counter
from collections.abc import Collection
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlmodel import Session, col, select

from models.db import Fixed
from models.errors import WrongStateError
from models.outbox.claiming import IS_URGENT
from models.outbox.kinds import Route
from models.outbox.settling import tally
from models.outbox.table import (
    BEFORE,
    FULL_WAYS,
    AttemptOutcome,
    Push,
    PushAttempt,
    PushReceipt,
    PushState,
    Reason,
    WayName,
)

RECEIPTS_KEPT = timedelta(days=1)

_table, _receipts, _attempts = Push.__table__, PushReceipt.__table__, PushAttempt.__table__  # type: ignore[attr-defined]
_RECEIPT = Fixed(
    lambda: (
        upsert(_receipts)
        .values(
            {
                name: sa.bindparam(name, type_=sa.types.NullType())
                for name in ("channel", "handle", "code", "arrived", "at")
            }
        )
        .on_conflict_do_nothing()
    )
)
_TOLD_WHOLE = _table.c.way.in_([sa.literal_column(f"'{way}'") for way in FULL_WAYS]) & _table.c.reason.is_(None)
_SEEN = Fixed(
    lambda: (
        sa.update(_table)
        .values(seen_at=sa.bindparam("now_"))
        .where(
            _table.c.person_id == sa.bindparam("person_"),
            _table.c.paced_at > sa.bindparam("since"),
            _table.c.seen_at.is_(None),
            # What was only hinted at still waits behind 「查看」; what is urgent stands in the list itself.
            _TOLD_WHOLE | IS_URGENT,
        )
    )
)
SEEN_SINCE = timedelta(days=7)


def note_opened(session: Session, person_id: int, *, now: datetime) -> None:
    """A person opened a list or a link: what was sent to them lately has been seen."""
    _SEEN.run(session, person_=person_id, now_=now, since=now - SEEN_SINCE)


def show(session: Session, pushes: Collection[Push], channel: str, *, now: datetime) -> None:
    """「查看」 shows these in its answer: what had not been sent ends here, the rest has been seen."""
    sums: Counter[tuple[str, str, str, str]] = Counter()
    # As they are now: a worker may have claimed one since it was read, and sends it then.
    query = select(Push).where(col(Push.id).in_([it.id for it in pushes])).with_for_update()
    # Whatever carries others first, as whoever settles it does: neither waits for the other's.
    query = query.order_by(col(Push.carrier_id).is_not(None), col(Push.id))
    for it in session.exec(query.execution_options(populate_existing=True)):
        it.seen_at = now
        if it.state in {PushState.QUEUED, PushState.CARRIED, PushState.UNCERTAIN, PushState.EXHAUSTED}:
            if it.state in {PushState.UNCERTAIN, PushState.EXHAUSTED}:
                sums["row", it.state.value, it.channel or "", it.reason or ""] -= 1
            if it.state is PushState.QUEUED:
                _set_down(session, it, now=now)
            it.state, it.reason, it.channel, it.way = PushState.ACCEPTED, Reason.SHOWN, channel, WayName.SHOWN
            it.carrier_id, it.settled_at, it.fence, it.lease_until = None, now, it.fence + 1, None
            sums["row", PushState.ACCEPTED.value, channel, Reason.SHOWN.value] += 1
        session.add(it)
    session.flush()
    tally(session, sums)


def _set_down(session: Session, it: Push, *, now: datetime) -> None:
    """What a row carried goes on by itself."""
    for each in session.exec(select(Push).where(Push.carrier_id == it.id, Push.state == PushState.CARRIED)):
        each.state, each.carrier_id, each.next_at = PushState.QUEUED, None, now
        session.add(each)


def note_receipt(
    session: Session, channel: Route, handle: str, *, arrived: bool, code: str, now: datetime
) -> PushAttempt | None:
    """A platform's event says what became of a message; kept for later when nothing here names the message yet."""
    attempt = session.exec(
        select(PushAttempt).where(PushAttempt.channel == channel, PushAttempt.handle == handle)
    ).first()
    if attempt is None:
        _RECEIPT.run(session, channel=channel.value, handle=handle, code=code, arrived=arrived, at=now)
        return None
    if attempt.outcome is AttemptOutcome.ACCEPTED:
        _apply(session, attempt, arrived=arrived, code=code, now=now)
    return attempt


_its_attempt = (_attempts.c.channel == _receipts.c.channel) & (_attempts.c.handle == _receipts.c.handle)
_WAITS = Fixed(
    lambda: (
        sa.select(_receipts.c.handle)
        .select_from(_receipts.outerjoin(_attempts, _its_attempt & _attempts.c.handle.is_not(None)))
        .where(_attempts.c.id.is_not(None) | (_receipts.c.at < sa.bindparam("before")))
        .limit(sa.literal_column("1"))
    )
)


def receipts_wait(session: Session, *, now: datetime) -> bool:
    """Whether `match_receipts` would find something; only reads."""
    return _WAITS.one(session, before=now - RECEIPTS_KEPT) is not None


def match_receipts(session: Session, *, now: datetime, most: int = 100) -> list[PushAttempt]:
    """Receipts that came before our own note of sending; returns the attempts whose messages did not arrive."""
    found = session.exec(
        select(PushReceipt, PushAttempt)
        .join(
            PushAttempt,
            (col(PushAttempt.channel) == col(PushReceipt.channel))
            & (col(PushAttempt.handle) == col(PushReceipt.handle)),
        )
        .limit(most)
        .with_for_update(skip_locked=True, of=PushReceipt)  # another ticker may be at them
    ).all()
    failed = []
    for receipt, attempt in found:
        if attempt.outcome is AttemptOutcome.ACCEPTED:
            _apply(session, attempt, arrived=receipt.arrived, code=receipt.code, now=now)
            if not receipt.arrived:
                failed.append(attempt)
        session.delete(receipt)
    session.execute(sa.delete(PushReceipt).where(col(PushReceipt.at) < now - RECEIPTS_KEPT))
    return failed


def _apply(session: Session, attempt: PushAttempt, *, arrived: bool, code: str, now: datetime) -> None:
    """Write an event's word into the attempt and its row. A message that did not arrive is tried another way."""
    attempt.outcome = AttemptOutcome.DELIVERED if arrived else AttemptOutcome.FAILED
    attempt.code = code
    session.add(attempt)
    its_row = session.get_one(Push, attempt.push_id, with_for_update=True, populate_existing=True)
    carried = session.exec(select(Push).where(Push.carrier_id == its_row.id)).all()
    sums: Counter[tuple[str, str, str, str]] = Counter()
    sums["attempt", AttemptOutcome.ACCEPTED.value, attempt.channel, "0"] -= 1
    sums["attempt", attempt.outcome.value, attempt.channel, code] += 1
    by_this = its_row.channel == attempt.channel and its_row.way == attempt.way
    for it in (its_row, *carried):
        if it.state is not PushState.ACCEPTED or not by_this:
            continue
        sums["row", it.state.value, it.channel or "", it.reason or ""] -= 1
        if arrived:
            it.state = PushState.DELIVERED
            sums["row", it.state.value, it.channel or "", it.reason or ""] += 1
        elif it is its_row:
            it.state, it.next_at, it.settled_at, it.reason = PushState.QUEUED, now, None, None
        else:
            it.state, it.settled_at, it.reason = PushState.CARRIED, None, None
        session.add(it)
    session.flush()
    tally(session, sums)


def cancel(session: Session, it: Push, *, now: datetime) -> None:
    """An operator takes a push back before it goes out. Raises: WrongStateError when it is under way or has ended."""
    if it.state not in {PushState.QUEUED, PushState.CARRIED, PushState.HELD}:
        raise WrongStateError("pushes.not_waiting")
    _set_down(session, it, now=now)
    it.state, it.reason, it.settled_at, it.carrier_id = PushState.SUPPRESSED, Reason.CANCELLED, now, None
    session.add(it)
    session.flush()
    tally(session, Counter({("row", it.state.value, it.channel or "", Reason.CANCELLED.value): 1}))


def retry(session: Session, it: Push, *, now: datetime, lasts: timedelta = timedelta(hours=1)) -> None:
    """An operator wants it tried again, now. Raises: WrongStateError when it is under way or has arrived."""
    if it.state not in {
        PushState.QUEUED,
        PushState.HELD,
        PushState.UNCERTAIN,
        PushState.EXHAUSTED,
        PushState.SUPPRESSED,
    }:
        raise WrongStateError("pushes.not_over")
    if it.state not in {PushState.QUEUED, PushState.HELD}:
        tally(session, Counter({("row", it.state.value, it.channel or "", it.reason or ""): -1}))
    it.state, it.next_at, it.attempts, it.settled_at, it.reason = PushState.QUEUED, now, 0, None, None
    it.held_for, it.carrier_id, it.expires_at = None, None, max(it.expires_at, now + lasts)
    # Whatever was refused or left unanswered so far has been looked at: no way is closed to it any more.
    it.paced_at = None
    session.add(it)
    session.execute(sa.update(PushAttempt).where(col(PushAttempt.push_id) == it.id).values(fence=BEFORE))


def release(session: Session, *, now: datetime, most: int | None = None) -> int:
    """The operator's word after a restore: what had been due before it goes out after all; returns how many."""
    held = session.exec(select(Push).where(Push.state == PushState.HELD).limit(most).with_for_update()).all()
    for it in held:
        it.state, it.next_at = PushState.QUEUED, now
        session.add(it)
    return len(held)
