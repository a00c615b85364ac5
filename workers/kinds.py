"""Every kind of push in one list: its words, its words where 20 characters must do, and whether it still holds."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

import sqlalchemy as sa
from sqlmodel import Session

from models.checkin import Checkin
from models.db import Fixed
from models.outbox import Letter, PushKind
from models.post import Post
from models.round import Round

StillTrue = Callable[[Session, Letter, datetime], bool]


@dataclass(frozen=True)
class KindOfPush:
    """`words` and `short` are keys of sentences; `still_true` is asked just before a push is sent."""

    words: str
    short: str
    still_true: StillTrue


_checkin, _round, _post = Checkin.__table__, Round.__table__, Post.__table__  # type: ignore[attr-defined]
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
_later = _round.alias("later")
_NEXT_ROUND = Fixed(
    lambda: (
        sa.select(_later.c.id)
        .select_from(_round.join(_later, (_later.c.kind == _round.c.kind) & (_later.c.opens_at > _round.c.opens_at)))
        .where(_round.c.id == sa.bindparam("round_id"), _later.c.opens_at <= sa.bindparam("now"))
    )
)


def _always(_session: Session, _letter: Letter, _now: datetime) -> bool:
    return True


def _checkin_is_missing(session: Session, letter: Letter, now: datetime) -> bool:
    """Nobody has sent the unit's check-in, its round is still open, and the reader still looks after the unit."""
    round_id, unit_id = letter.data["round"], letter.data["unit_id"]
    return (
        _SENT.one(session, round_id=round_id, unit_id=unit_id) is None
        and _NEXT_ROUND.one(session, round_id=round_id, now=now) is None
        and _IN_POST.one(session, person_id=letter.person_id, unit_id=unit_id) is not None
    )


def _kind(kind: PushKind, still_true: StillTrue = _always) -> tuple[PushKind, KindOfPush]:
    return kind, KindOfPush(f"push.{kind.value}", f"push.short.{kind.value}", still_true)


KINDS = MappingProxyType(
    dict(
        [
            _kind(PushKind.CLASS_OPENED, _checkin_is_missing),
            _kind(PushKind.CLASS_REMINDER, _checkin_is_missing),
            _kind(PushKind.DORM_OPENED, _checkin_is_missing),
            _kind(PushKind.DORM_REMINDER, _checkin_is_missing),
            _kind(PushKind.CHECKIN_CAME),
            _kind(PushKind.CONCERN_CAME),
            _kind(PushKind.ALERT),
            _kind(PushKind.ALERT_FACTS),
        ]
    )
)
