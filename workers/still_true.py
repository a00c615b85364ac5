"""Whether what a push tells still holds, asked in the moment of sending: a reminder cannot outlive what it reminds of."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Any, TypeGuard
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlmodel import Session

from models.alert import Alert
from models.booking.bare import is_bare
from models.booking.table import Appointment, AppointmentState, Proposal, ProposalState
from models.checkin import Checkin
from models.db import Fixed, utc
from models.outbox import KINDS, Holds, PushKind
from models.policy import BookingPolicy
from models.post import Post
from models.progress import any_missing
from models.rebinding import RebindState, RebindWish
from models.round import Round
from models.unsent import still_waits
from models.vacancy import any_vacant

log = logging.getLogger(__name__)

Data = dict[str, Any]
Check = Callable[[Session, int, Data, datetime], bool]
"""Takes the session, whom the push is for, the row's data, and the moment."""

_checkin, _round, _post = Checkin.__table__, Round.__table__, Post.__table__  # type: ignore[attr-defined]
_appointment, _proposal = Appointment.__table__, Proposal.__table__  # type: ignore[attr-defined]
_alert, _wish = Alert.__table__, RebindWish.__table__  # type: ignore[attr-defined]
_SENT = Fixed(
    lambda: sa.select(_checkin.c.id).where(
        _checkin.c.round_id == sa.bindparam("round_id"), _checkin.c.unit_id == sa.bindparam("unit_id")
    )
)
_IN_POST = Fixed(
    lambda: sa.select(_post.c.id).where(
        _post.c.person_id == sa.bindparam("person_id"),
        _post.c.unit_id == sa.bindparam("unit_id"),
        _post.c.ended_at.is_(None),
    )
)
_ANY_POST = Fixed(
    lambda: (
        sa.select(_post.c.id).where(_post.c.person_id == sa.bindparam("person_id"), _post.c.ended_at.is_(None)).limit(1)
    )
)
_later = _round.alias("later")
_NEXT_ROUND = Fixed(
    lambda: (
        sa.select(_later.c.id)
        .select_from(_round.join(_later, (_later.c.kind == _round.c.kind) & (_later.c.opens_at > _round.c.opens_at)))
        .where(_round.c.id == sa.bindparam("round_id"), _later.c.opens_at <= sa.bindparam("now"))
    )
)
_VERSION = Fixed(lambda: sa.select(_checkin.c.version).where(_checkin.c.id == sa.bindparam("id_")))
_STANDS = Fixed(
    lambda: sa.select(_alert.c.id).where(_alert.c.id == sa.bindparam("id_"), _alert.c.withdrawn_at.is_(None))
)
_WISH = Fixed(lambda: sa.select(_wish.c.state).where(_wish.c.id == sa.bindparam("id_")))
_APPOINTMENT = Fixed(
    lambda: sa.select(
        _appointment.c.state,
        _appointment.c.version,
        _appointment.c.starts_at,
        _appointment.c.ends_at,
        _appointment.c.until,
        _appointment.c.face,
    ).where(_appointment.c.id == sa.bindparam("id_"))
)
_PROPOSAL = Fixed(lambda: sa.select(_proposal.c.state, _proposal.c.until).where(_proposal.c.id == sa.bindparam("id_")))
_SOME = Fixed(
    lambda: (
        sa.select(_appointment.c.id)
        .where(_appointment.c.counselor_id == sa.bindparam("counselor_id"))
        .where(_appointment.c.starts_at > sa.bindparam("since"), _appointment.c.starts_at < sa.bindparam("until"))
        .where(_appointment.c.state == sa.literal_column(f"'{AppointmentState.BOOKED.value}'"))
        .limit(1)
    )
)


MOST = 2**31
"""Ids are smaller: PostgreSQL keeps them in four bytes."""


def is_id(value: object) -> TypeGuard[int]:
    """Whether a value can be a row's id. Anything else would make the engine fail, and with it the whole group's claim."""
    return isinstance(value, int) and 0 < value < MOST


def _id(data: Data, name: str) -> int:
    value = data[name]
    if not is_id(value):
        raise TypeError(name)
    return value


def _ids(data: Data, name: str) -> list[int]:
    values = data[name]
    if not isinstance(values, list) or not all(map(is_id, values)):
        raise TypeError(name)
    return values


def _always(_session: Session, _person_id: int, _data: Data, _now: datetime) -> bool:
    return True


def _checkin_is_missing(session: Session, person_id: int, data: Data, now: datetime) -> bool:
    """Nobody has sent the unit's check-in, its round is still open, and the reader still looks after the unit.

    A push about several units stands while at least one of them is missing.
    """
    if "unit_ids" in data:
        return (
            any_missing(session, _id(data, "round"), _ids(data, "unit_ids"))
            and _NEXT_ROUND.one(session, round_id=_id(data, "round"), now=now) is None
            and _reader_has_a_post(session, person_id, data, now)
        )
    return (
        _SENT.one(session, round_id=_id(data, "round"), unit_id=_id(data, "unit_id")) is None
        and _NEXT_ROUND.one(session, round_id=_id(data, "round"), now=now) is None
        and _IN_POST.one(session, person_id=person_id, unit_id=_id(data, "unit_id")) is not None
    )


def _checkin_is_current(session: Session, person_id: int, data: Data, _now: datetime) -> bool:
    """No correction has come since, and the reader still has a post."""
    row = _VERSION.one(session, id_=_id(data, "checkin"))
    return row is not None and row[0] == data["version"] and _reader_has_a_post(session, person_id, data, _now)


def _reader_has_a_post(session: Session, person_id: int, _data: Data, _now: datetime) -> bool:
    return _ANY_POST.one(session, person_id=person_id) is not None


def _post_is_vacant(session: Session, person_id: int, data: Data, now: datetime) -> bool:
    """At least one of the units still has nobody, and the reader still has a post."""
    return any_vacant(session, _ids(data, "unit_ids")) and _reader_has_a_post(session, person_id, data, now)


def _talk_waits(session: Session, _person_id: int, data: Data, _now: datetime) -> bool:
    """The talk is open, was not touched since, and what it holds was not sent."""
    return still_waits(session, _id(data, "talk"), datetime.fromisoformat(data["touched"]))


def _alert_stands(session: Session, _person_id: int, data: Data, _now: datetime) -> bool:
    """Nobody has said that it was pressed by mistake."""
    return _STANDS.one(session, id_=_id(data, "alert")) is not None


def _rebind_is_open(session: Session, _person_id: int, data: Data, _now: datetime) -> bool:
    row = _WISH.one(session, id_=_id(data, "wish"))
    return row is not None and row[0] in {RebindState.ASKED.value, RebindState.PASSED_ON.value}


@dataclass(frozen=True)
class _Appointment:
    """What a check asks of an appointment."""

    state: AppointmentState
    version: int
    starts_at: datetime
    ends_at: datetime
    until: datetime | None
    face: bool


def _appointment_of(session: Session, data: Data) -> _Appointment | None:
    row = _APPOINTMENT.one(session, id_=_id(data, "appointment"))
    if row is None:
        return None
    state, version, starts_at, ends_at, until, face = row
    passes = None if until is None else utc(until)
    return _Appointment(AppointmentState(state), version, utc(starts_at), utc(ends_at), passes, bool(face))


def _appointment_stands(session: Session, _person_id: int, data: Data, now: datetime) -> bool:
    """It is certain, still to come, and as it was when it was told; `until_at` is when its words stop being true."""
    it = _appointment_of(session, data)
    if it is None or it.state is not AppointmentState.BOOKED or it.version != data["version"] or it.starts_at <= now:
        return False
    return "until_at" not in data or now < datetime.fromisoformat(data["until_at"])


def _appointment_waits(session: Session, _person_id: int, data: Data, now: datetime) -> bool:
    """The centre has not answered, and could still."""
    it = _appointment_of(session, data)
    waits = it is not None and it.state is AppointmentState.PENDING and it.starts_at > now
    return it is not None and waits and it.version == data["version"]


def _proposal_is_open(session: Session, _person_id: int, data: Data, now: datetime) -> bool:
    row = _PROPOSAL.one(session, id_=_id(data, "proposal"))
    return row is not None and row[0] == ProposalState.OPEN.value and utc(row[1]) > now


def _offer_stands(session: Session, _person_id: int, data: Data, now: datetime) -> bool:
    it = _appointment_of(session, data)
    return it is not None and it.state is AppointmentState.OFFERED and it.until is not None and it.until > now


def _counselor_has_some(session: Session, _person_id: int, data: Data, now: datetime) -> bool:
    """Somebody is still to come before the day is over."""
    until = datetime.fromisoformat(data["until_at"])
    return _SOME.one(session, counselor_id=_id(data, "counselor"), since=now, until=until) is not None


def _visit_is_untold(session: Session, _person_id: int, data: Data, now: datetime) -> bool:
    """Nobody said that it was missed, and its student has not told how it was."""
    it = _appointment_of(session, data)
    return (
        it is not None
        and it.state in {AppointmentState.BOOKED, AppointmentState.DONE}
        and it.version == data["version"]
        and it.ends_at <= now
        and not it.face
    )


def _day_is_bare(session: Session, _person_id: int, data: Data, _now: datetime) -> bool:
    """Nobody has opened anything for that day since."""
    policy = BookingPolicy(zone=ZoneInfo(data["zone"]), session=timedelta(minutes=_id(data, "minutes")))
    return is_bare(session, date.fromisoformat(data["on"]), policy=policy)


CHECKS: Mapping[Holds, Check] = MappingProxyType(
    {
        Holds.ALWAYS: _always,
        Holds.CHECKIN_IS_MISSING: _checkin_is_missing,
        Holds.CHECKIN_IS_CURRENT: _checkin_is_current,
        Holds.READER_HAS_A_POST: _reader_has_a_post,
        Holds.POST_IS_VACANT: _post_is_vacant,
        Holds.TALK_WAITS: _talk_waits,
        Holds.ALERT_STANDS: _alert_stands,
        Holds.REBIND_IS_OPEN: _rebind_is_open,
        Holds.APPOINTMENT_STANDS: _appointment_stands,
        Holds.APPOINTMENT_WAITS: _appointment_waits,
        Holds.PROPOSAL_IS_OPEN: _proposal_is_open,
        Holds.OFFER_STANDS: _offer_stands,
        Holds.COUNSELOR_HAS_SOME: _counselor_has_some,
        Holds.DAY_IS_BARE: _day_is_bare,
        Holds.VISIT_IS_UNTOLD: _visit_is_untold,
    }
)
"""What `models.outbox.kinds` names."""


def holds(session: Session, kind: PushKind, person_id: int, data: Data, now: datetime) -> bool:
    """Whether a push should still reach its person. Data that its own check cannot read: yes, and somebody looks."""
    try:
        return CHECKS[KINDS[kind].holds](session, person_id, data, now)
    except (LookupError, TypeError, ValueError):
        log.exception("nobody can tell whether a push still holds", extra={"kind": kind.value})
        return True
