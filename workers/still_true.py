"""Whether what a push tells still holds, asked in the moment of sending: a reminder cannot outlive what it reminds of."""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, TypeGuard

import sqlalchemy as sa
from sqlmodel import Session

from models.alert import Alert
from models.checkin import Checkin
from models.db import Fixed
from models.outbox import KINDS, Holds, PushKind
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
