"""Rounds: the weeks' check-ins, opened, due and closed by the school's settings. Rules: docs/rules.md#rounds.

A round stays open until the next one of its kind opens; after due it is late. Moments follow the school's time zone.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlmodel import Field, Session, SQLModel, col, select

from models.audit import Fact, record
from models.db import Fixed, UTCDateTime, enum_column, utc
from models.policy import CheckinPolicy, Term, WeeklyMoment

log = logging.getLogger(__name__)
WEEK = timedelta(weeks=1)
QUIET_WEEKS = 26
"""No holiday is longer."""


class RoundKind(StrEnum):
    """Whose check-in it is."""

    CLASS = "class"
    DORM = "dorm"


class Round(SQLModel, table=True):
    """One opening. `opens_on` is its local day: the same week opens once, however often it is asked for."""

    __table_args__ = (sa.UniqueConstraint("kind", "opens_on"),)

    id: int | None = Field(default=None, primary_key=True)
    kind: RoundKind = Field(sa_type=enum_column(RoundKind))
    opens_on: date
    opens_at: datetime = Field(sa_type=UTCDateTime)
    due_at: datetime = Field(sa_type=UTCDateTime)
    announced: bool = False  # the ticker planned its opening pushes
    missing_told: bool = False  # … and, after due, those to the teachers of classes that had not sent
    list_told: bool = False  # … and, on closing, the lists to the station heads


@dataclass(frozen=True)
class Slot:
    """A week's round as the settings have it, whether or not anybody opened it yet."""

    kind: RoundKind
    opens_at: datetime
    due_at: datetime
    quiet: bool

    @property
    def opens_on(self) -> date:
        """The local day, as the zone of `opens_at` has it."""
        return self.opens_at.date()


@lru_cache(maxsize=512)
def is_holiday(day: date) -> bool:
    """Whether a day belongs to a public holiday; past the calendar's data nothing does, and that is logged."""
    import chinese_calendar  # noqa: PLC0415 — only schedulers and first turns of a week pay for it

    try:
        on_holiday, name = chinese_calendar.get_holiday_detail(day)
    except NotImplementedError:
        log.warning("no holiday data for this year; every week counts as term", extra={"year": day.year})
        return False
    return bool(on_holiday and name)


def term_week(policy: CheckinPolicy, day: date) -> int | None:
    """Which week of term a day is in, 1 first; None outside term; 0 when the school has set no terms."""
    if not policy.terms:
        return 0
    term = term_of(policy.terms, day)
    if term is None:
        return None
    monday = term.first_day - timedelta(days=term.first_day.weekday())
    return (day - monday).days // 7 + 1


def term_of(terms: Sequence[Term], day: date) -> Term | None:
    """The term that a day is in."""
    return next((term for term in terms if term.first_day <= day <= term.last_day), None)


def is_day_off(policy: CheckinPolicy, day: date) -> bool:
    """Whether a day is outside term or a public holiday: then nobody is told how check-ins stand."""
    return term_week(policy, day) is None or is_holiday(day)


def _moments(policy: CheckinPolicy, kind: RoundKind) -> tuple[WeeklyMoment, WeeklyMoment]:
    if kind is RoundKind.CLASS:
        return policy.class_opens, policy.class_due
    return policy.dorm_opens, policy.dorm_due


def slot_on(policy: CheckinPolicy, kind: RoundKind, opens_on: date) -> Slot:
    """The slot that opens on a local day."""
    opens, due = _moments(policy, kind)
    days = (due.weekday - opens.weekday) % 7
    opens_at = datetime.combine(opens_on, opens.at, policy.zone)
    due_at = datetime.combine(opens_on + timedelta(days=days), due.at, policy.zone)
    if due_at <= opens_at:
        due_at = datetime.combine(opens_on + timedelta(days=days + 7), due.at, policy.zone)
    week = term_week(policy, opens_on)
    off_week = kind is RoundKind.DORM and week is not None and not _dorm_week(policy, week, opens_on)
    outside = week is None or term_week(policy, due_at.date()) is None
    quiet = outside or off_week or is_holiday(opens_on) or is_holiday(due_at.date())
    return Slot(kind, opens_at, due_at, quiet)


def _dorm_week(policy: CheckinPolicy, week: int, day: date) -> bool:
    # Without terms the calendar's own weeks are counted, so that every second one is the same on all machines.
    number = week or day.toordinal() // 7
    return number % policy.dorm_every_weeks == 0


def latest_slot(policy: CheckinPolicy, kind: RoundKind, now: datetime) -> Slot:
    """The last slot whose opening moment has come, quiet or not."""
    opens, _ = _moments(policy, kind)
    local = now.astimezone(policy.zone)
    day = local.date() - timedelta(days=(local.weekday() - opens.weekday) % 7)
    if datetime.combine(day, opens.at, policy.zone) > local:
        day -= WEEK
    return slot_on(policy, kind, day)


def next_slot(policy: CheckinPolicy, kind: RoundKind, now: datetime) -> Slot:
    """The next slot that is not quiet and opens after `now`; looks half a year ahead."""
    day = latest_slot(policy, kind, now).opens_on
    for _ in range(QUIET_WEEKS):
        day += WEEK
        slot = slot_on(policy, kind, day)
        if not slot.quiet:
            return slot
    return slot


_table = Round.__table__  # type: ignore[attr-defined]
_OPEN = Fixed(
    lambda: (
        upsert(_table)
        .values(
            kind=sa.bindparam("kind", type_=sa.String),
            opens_on=sa.bindparam("opens_on"),
            opens_at=sa.bindparam("opens_at"),
            due_at=sa.bindparam("due_at"),
            announced=sa.bindparam("announced"),
            missing_told=sa.false(),
            list_told=sa.false(),
        )
        .on_conflict_do_nothing(index_elements=[_table.c.kind, _table.c.opens_on])
        .returning(_table.c.id)
    )
)


def open_round(session: Session, slot: Slot, *, due_at: datetime, announced: bool, now: datetime) -> Round:
    """The slot's round, made if it was not there."""
    row = _OPEN.one(
        session,
        kind=slot.kind.value,
        opens_on=slot.opens_on,
        opens_at=slot.opens_at.astimezone(UTC),
        due_at=due_at.astimezone(UTC),
        announced=announced,
    )
    if row is not None:
        record(session, Fact.ROUND_OPENED, None, f"round:{row[0]}", at=now)
    return session.exec(select(Round).where(Round.kind == slot.kind, Round.opens_on == slot.opens_on)).one()


_LAST = Fixed(
    lambda: (
        sa.select(_table.c.id, _table.c.opens_at, _table.c.due_at, _table.c.announced)
        .where(_table.c.kind == sa.bindparam("kind", type_=sa.String), _table.c.opens_at <= sa.bindparam("now"))
        .order_by(_table.c.opens_at.desc())
        .limit(sa.literal_column("1"))
    )
)


def last_round(session: Session, policy: CheckinPolicy, kind: RoundKind, *, now: datetime) -> Round | None:
    """The last round of a kind that has opened."""
    row = _LAST.one(session, kind=kind.value, now=now)
    if row is None:
        return None
    opens_at = utc(row[1])
    opens_on = opens_at.astimezone(policy.zone).date()
    return Round(id=row[0], kind=kind, opens_on=opens_on, opens_at=opens_at, due_at=utc(row[2]), announced=bool(row[3]))


def current_round(session: Session, policy: CheckinPolicy, kind: RoundKind, *, now: datetime) -> Round:
    """The round that takes check-ins now.

    The last one opened, until the next opens. Where none was opened for this week yet, in holidays too, this opens it; it is
    then due at its usual moment, or, when that has passed, as the next one opens: nobody is late for a round nobody announced.
    """
    slot = latest_slot(policy, kind, now)
    last = last_round(session, policy, kind, now=now)
    if last is not None and (last.opens_on >= slot.opens_on or (slot.quiet and _covers(policy, last, now))):
        return last
    due_at = slot.due_at if slot.due_at > now and not slot.quiet else slot.opens_at + WEEK
    return open_round(session, slot, due_at=due_at, announced=slot.quiet, now=now)


def round_to_show(session: Session, policy: CheckinPolicy, kind: RoundKind, *, now: datetime) -> Round:
    """The round that staff are shown. Looking never opens one in a quiet week: nobody owes a check-in then."""
    if latest_slot(policy, kind, now).quiet and (last := last_round(session, policy, kind, now=now)) is not None:
        return last
    return current_round(session, policy, kind, now=now)


def _covers(policy: CheckinPolicy, last: Round, now: datetime) -> bool:
    """Whether a round opened before a quiet week is still the one that counts (dorms: every second week)."""
    weeks = policy.dorm_every_weeks if last.kind is RoundKind.DORM else 1
    return now - last.opens_at < weeks * WEEK


def _round_and_next() -> sa.Select[Any]:
    later = _table.alias("later")
    following = (
        sa.select(sa.func.min(later.c.opens_at))
        .where(later.c.kind == _table.c.kind, later.c.opens_at > _table.c.opens_at)
        .scalar_subquery()
    )
    return sa.select(_table.c.kind, _table.c.opens_at, following).where(_table.c.id == sa.bindparam("round_id"))


_AND_NEXT = Fixed(_round_and_next)


def closes_at(session: Session, policy: CheckinPolicy, round_id: int) -> datetime:
    """When a round closes: as the next one opens. Raises: LookupError for a round that is not there."""
    row = _AND_NEXT.one(session, round_id=round_id)
    if row is None:
        msg = "no such round"
        raise LookupError(msg)
    by_calendar = next_slot(policy, RoundKind(row[0]), utc(row[1])).opens_at.astimezone(UTC)
    # In a quiet week somebody may have opened the next one by asking for it.
    return by_calendar if row[2] is None else min(by_calendar, utc(row[2]))


def opening_waits(session: Session, policy: CheckinPolicy, kind: RoundKind, *, now: datetime) -> bool:
    """Whether `plan_round` would find something; only reads."""
    slot = latest_slot(policy, kind, now)
    if slot.quiet or slot.due_at <= now:
        return False
    announced = session.exec(select(Round.announced).where(Round.kind == kind, Round.opens_on == slot.opens_on)).first()
    return not announced


def plan_round(session: Session, policy: CheckinPolicy, kind: RoundKind, *, now: datetime) -> Round | None:
    """The round whose opening is to be announced now, made if need be; None when there is nothing to announce.

    A round whose due moment has passed is not announced any more: a scheduler that was down for days must not knock.
    """
    slot = latest_slot(policy, kind, now)
    if slot.quiet or slot.due_at <= now:
        return None
    it = open_round(session, slot, due_at=slot.due_at, announced=False, now=now)
    return None if it.announced else it


def round_to_remind(session: Session, policy: CheckinPolicy, kind: RoundKind, *, now: datetime) -> Round | None:
    """The announced round whose reminder moment has come and whose due moment has not."""
    slot = latest_slot(policy, kind, now)
    if slot.quiet or not slot.due_at - policy.remind_before <= now < slot.due_at:
        return None
    found = session.exec(select(Round).where(Round.kind == kind, Round.opens_on == slot.opens_on)).first()
    return found if found is not None and found.announced else None


def round_to_chase(session: Session, policy: CheckinPolicy, *, now: datetime) -> Round | None:
    """The announced class round that is past due and still open, whose teachers were not told yet which classes are missing."""
    slot = latest_slot(policy, RoundKind.CLASS, now)
    if slot.quiet or now < slot.due_at or is_day_off(policy, now.astimezone(policy.zone).date()):
        return None
    query = select(Round).where(Round.kind == RoundKind.CLASS, Round.opens_on == slot.opens_on)
    found = session.exec(query.where(col(Round.announced).is_(True), col(Round.missing_told).is_(False))).first()
    return found if found is not None and found.due_at <= now else None


def round_before(session: Session, policy: CheckinPolicy, *, now: datetime) -> Round | None:
    """The announced class round that closed as the one of this week opened; None in a quiet week, and as a term begins.

    Rounds that somebody's word opened in quiet weeks are passed over: they owe nobody a list.
    """
    slot = latest_slot(policy, RoundKind.CLASS, now)
    term = term_of(policy.terms, slot.opens_on)
    earlier = (slot_on(policy, RoundKind.CLASS, slot.opens_on - weeks * WEEK) for weeks in range(1, QUIET_WEEKS + 1))
    last = next((it for it in earlier if not it.quiet), None)
    if slot.quiet or last is None or term_of(policy.terms, last.opens_on) != term:
        return None
    query = select(Round).where(Round.kind == RoundKind.CLASS, Round.opens_on == last.opens_on)
    return session.exec(query.where(col(Round.announced).is_(True))).first()


def coming_moments(policy: CheckinPolicy, *, now: datetime) -> list[datetime]:
    """When something of the rounds happens by itself after `now`: openings, reminders before due, what is missing at due."""
    coming = []
    for kind in RoundKind:
        following = next_slot(policy, kind, now)
        coming += [following.opens_at] if not following.quiet else []
        for slot in (latest_slot(policy, kind, now), following):
            coming += [slot.due_at - policy.remind_before] if not slot.quiet else []
            coming += [slot.due_at] if not slot.quiet and kind is RoundKind.CLASS else []
    return sorted(moment.astimezone(UTC) for moment in coming if moment > now)
