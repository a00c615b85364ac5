"""Muting: kinds of pushes that a person does not want. Only routine ones can be; what somebody must act on always comes."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final

from sqlmodel import Session, col, select

from models.audit import Fact, record
from models.booking.table import Counselor
from models.errors import NotFoundError
from models.outbox import MUTABLE, Mute, PushKind
from models.post import ADVISORS, CENTRE_LEADS, Role
from models.talk import Actor

_TEACHERS = frozenset([*ADVISORS, Role.STATION_HEAD, *CENTRE_LEADS])
GOES_TO: Final[Mapping[PushKind, frozenset[Role]]] = MappingProxyType(
    {
        PushKind.CLASS_OPENED: frozenset([Role.COMMITTEE_MEMBER]),
        PushKind.CLASS_REMINDER: frozenset([Role.COMMITTEE_MEMBER]),
        PushKind.DORM_OPENED: frozenset([Role.DORM_OFFICER]),
        PushKind.DORM_REMINDER: frozenset([Role.DORM_OFFICER]),
        PushKind.CHECKIN_MISSING: _TEACHERS,
        PushKind.CLASS_LIST: frozenset([Role.STATION_HEAD]),
        PushKind.CHECKIN_CAME: _TEACHERS,
    }
)
"""Who can get each kind that can be muted, by their posts."""

GOES_TO_COUNSELORS: Final = frozenset([PushKind.MORNING_LIST])
"""What goes to whoever takes bookings: that is a profile, whatever their posts."""


def may_mute(session: Session, actor: Actor) -> list[PushKind]:
    """The kinds that somebody can get and need not, in the list's order."""
    roles = {post.role for post in actor.posts}
    theirs = {kind for kind, goes_to in GOES_TO.items() if goes_to & roles}
    if _takes_bookings(session, actor):
        theirs |= GOES_TO_COUNSELORS
    return [kind for kind in MUTABLE if kind in theirs]


def _takes_bookings(session: Session, actor: Actor) -> bool:
    its = select(Counselor.id).where(Counselor.person_id == actor.person, col(Counselor.ended_at).is_(None))
    return session.exec(its).first() is not None


def muted(session: Session, actor: Actor) -> set[PushKind]:
    """What somebody does not want."""
    return {it.kind for it in session.exec(select(Mute).where(Mute.person_id == actor.person))}


def toggle(session: Session, actor: Actor, kind: PushKind, *, now: datetime) -> bool:
    """Mute a kind, or take it back; returns whether it is muted now. Raises: NotFoundError when they could not get it."""
    if kind not in may_mute(session, actor):
        raise NotFoundError
    before = session.get(Mute, (actor.person, kind))
    if before is None:
        session.add(Mute(person_id=actor.person, kind=kind, at=now))
    else:
        session.delete(before)
    subject = f"person:{actor.person}"
    record(session, Fact.PUSHES_MUTED, actor.person, subject, at=now, kind=kind.value, muted=int(before is None))
    return before is None
