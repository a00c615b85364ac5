"""Open conversations: one sealed log per contact, and the one read that starts every turn.

What the log means is the middle floor's business (handlers/dialogue); here it is text that must survive and stay secret.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlmodel import Field, Session, SQLModel

from models.channel import Channel
from models.contact import Contact
from models.db import Fixed, UTCDateTime, is_postgresql, utc
from models.person import Kind, Person
from models.post import Held, posts_of
from models.seal import SealBrokenError, keyring


class TalkLog(SQLModel, table=True):
    """The open conversation of a contact; `log` is NULL when none is open."""

    __tablename__ = "talk"
    __table_args__ = (
        sa.Index(
            "talk_open",
            "touched_at",
            sqlite_where=sa.text("log IS NOT NULL"),
            postgresql_where=sa.text("log IS NOT NULL"),
        ),
    )

    contact_id: int = Field(primary_key=True, foreign_key="contact.id")
    log: bytes | None = None
    touched_at: datetime = Field(sa_type=UTCDateTime)
    failures: int = 0
    dropped: str | None = None  # the conversation that the ticker put away, until its person was told
    unsent_for: int | None = None  # the class whose teachers a concern that was typed but not sent would have told
    reminded: bool = Field(default=False)  # its person was reminded of that once


@dataclass
class Actor:
    """Who is talking: a contact, and the person behind it once it is bound."""

    session: Session
    contact_id: int
    channel: Channel
    person_id: int | None
    name: str
    kind: Kind | None
    college_id: int | None
    class_id: int | None
    dorm_id: int | None

    @cached_property
    def posts(self) -> list[Held]:
        """The live posts, read when first asked for."""
        return [] if self.person_id is None else posts_of(self.session, self.person_id)

    @property
    def person(self) -> int:
        """The person's id, where only a bound contact can be."""
        if self.person_id is None:
            msg = "an unbound contact reached a step for bound ones"
            raise RuntimeError(msg)
        return self.person_id


@dataclass
class OpenTalk:
    """What is stored between two messages."""

    log: bytes | None  # JSON
    touched_at: datetime | None
    failures: int
    dropped: str | None
    unsent_for: int | None = None


@dataclass
class Met:
    """The contact behind an inbound message, locked for this turn."""

    actor: Actor
    listening: bool
    window_until: datetime | None
    window_left: int
    talk: OpenTalk


_contact, _person, _talk = Contact.__table__, Person.__table__, TalkLog.__table__  # type: ignore[attr-defined]
_MEET = Fixed(
    lambda: (
        sa.select(
            _contact.c.id,
            _contact.c.listening,
            _contact.c.window_until,
            _contact.c.window_left,
            _person.c.id.label("person_id"),
            _person.c.name,
            _person.c.kind,
            _person.c.college_id,
            _person.c.class_id,
            _person.c.dorm_id,
            _talk.c.log,
            _talk.c.touched_at,
            _talk.c.failures,
            _talk.c.dropped,
            _talk.c.unsent_for,
        )
        .select_from(
            _contact.outerjoin(
                _person, (_person.c.id == _contact.c.person_id) & _person.c.ended_at.is_(None)
            ).outerjoin(_talk, _talk.c.contact_id == _contact.c.id)
        )
        .where(
            _contact.c.channel == sa.bindparam("channel", type_=sa.String),
            _contact.c.address == sa.bindparam("address"),
        )
    )
)
_LOCK = Fixed(
    lambda: (
        sa.select(_contact.c.id)
        .where(
            _contact.c.channel == sa.bindparam("channel", type_=sa.String),
            _contact.c.address == sa.bindparam("address"),
        )
        .with_for_update()
    )
)
"""A statement of its own: one that waits for a lock sees the locked row as it is then, but its joins as they were before."""
_NEW = Fixed(
    lambda: (
        upsert(_contact)
        .values(
            channel=sa.bindparam("channel", type_=sa.String),
            address=sa.bindparam("address"),
            spelled=sa.bindparam("spelled"),
            listening=sa.bindparam("listening"),
            window_left=sa.bindparam("window_left"),
            cards=sa.false(),
        )
        .on_conflict_do_nothing()
    )
)
_SEEN = Fixed(
    lambda: (
        sa.update(_contact)
        .values(
            seen_at=sa.bindparam("at"),
            listening=sa.bindparam("listening_"),
            window_until=sa.bindparam("until_"),
            window_left=sa.bindparam("left_"),
        )
        .where(_contact.c.id == sa.bindparam("id_"))
    )
)
_KEEP = Fixed(
    lambda: (
        upsert(_talk)
        .values(
            contact_id=sa.bindparam("contact_id"),
            log=sa.bindparam("log"),
            touched_at=sa.bindparam("at"),
            failures=sa.bindparam("failures"),
            dropped=sa.bindparam("dropped"),
            unsent_for=sa.bindparam("unsent_for"),
            reminded=sa.false(),
        )
        .on_conflict_do_update(
            index_elements=[_talk.c.contact_id],
            set_={
                "log": sa.text("excluded.log"),
                "touched_at": sa.text("excluded.touched_at"),
                "failures": sa.text("excluded.failures"),
                "dropped": sa.text("excluded.dropped"),
                "unsent_for": sa.text("excluded.unsent_for"),
                # Once for what was typed, however often its person comes back to it.
                "reminded": _talk.c.reminded & sa.literal_column("excluded.unsent_for").is_not(None),
            },
        )
    )
)


def meet(session: Session, channel: Channel, address: str, spelled: str | None = None) -> Met:
    """The contact behind an address, locked until the turn ends; made when it is new."""
    whose = {"channel": channel.value, "address": address}
    locks = is_postgresql(session)  # SQLite's one writer is lock enough
    if locks:
        _LOCK.one(session, **whose)
    row = _MEET.one(session, **whose)
    if row is None:
        _NEW.run(session, **whose, spelled=spelled, listening=True, window_left=0)
        if locks:
            _LOCK.one(session, **whose)
        row = _MEET.one(session, **whose)
    if row is None:  # pragma: no cover — the insert above made it
        msg = "a contact vanished inside its own transaction"
        raise RuntimeError(msg)
    actor = Actor(
        session=session,
        contact_id=row[0],
        channel=channel,
        person_id=row[4],
        name=row[5] or "",
        kind=Kind(row[6]) if row[6] else None,
        college_id=row[7],
        class_id=row[8],
        dorm_id=row[9],
    )
    return Met(
        actor=actor,
        listening=bool(row[1]),
        window_until=None if row[2] is None else utc(row[2]),
        window_left=row[3],
        talk=OpenTalk(
            log=_unsealed(row[10], row[0]),
            touched_at=None if row[11] is None else utc(row[11]),
            failures=row[12] or 0,
            dropped=row[13],
            unsent_for=row[14],
        ),
    )


def _unsealed(sealed: bytes | None, contact_id: int) -> bytes | None:
    if sealed is None:
        return None
    try:
        return keyring().open(sealed, f"talk.log:{contact_id}")
    except SealBrokenError:
        # A log nobody can read must not lock its person out; the talk starts anew.
        return None


def note_seen(
    session: Session,
    contact_id: int,
    *,
    listening: bool,
    window_until: datetime | None,
    window_left: int,
    now: datetime,
) -> None:
    """Remember when the contact was last heard, and the platform's window that this opened."""
    _SEEN.run(session, id_=contact_id, at=now, listening_=listening, until_=window_until, left_=window_left)


def keep(session: Session, contact_id: int, talk: OpenTalk, *, now: datetime) -> None:
    """Store the conversation's log, or empty it when none is open."""
    _KEEP.run(
        session,
        contact_id=contact_id,
        log=None if talk.log is None else keyring().seal(talk.log, f"talk.log:{contact_id}"),
        at=now,
        failures=talk.failures,
        dropped=talk.dropped,
        unsent_for=talk.unsent_for,
    )


@dataclass(frozen=True, slots=True)
class PutAway:
    """A conversation that nobody touched any more; `unsent_for` is the class whose teachers were to hear of what it held."""

    contact_id: int
    person_id: int | None
    touched_at: datetime
    unsent_for: int | None


_STALE = Fixed(
    lambda: (
        sa.select(_talk.c.contact_id, _contact.c.person_id, _talk.c.log, _talk.c.touched_at, _talk.c.unsent_for)
        .select_from(_talk.join(_contact, _contact.c.id == _talk.c.contact_id))
        .where(_talk.c.log.is_not(None), _talk.c.touched_at < sa.bindparam("before"))
        .order_by(_talk.c.touched_at)
        .limit(sa.bindparam("most", type_=sa.Integer))
    )
)
_PUT_AWAY = Fixed(
    lambda: (
        sa.update(_talk)
        .values(
            log=sa.null(),
            failures=sa.literal_column("0"),
            dropped=sa.bindparam("dropped_"),
            reminded=sa.false(),
        )
        .where(_talk.c.contact_id == sa.bindparam("id_"), _talk.c.touched_at == sa.bindparam("touched_"))
    )
)


def put_away(session: Session, *, before: datetime, most: int = 200) -> list[PutAway]:
    """Drop conversations that nobody touched since `before`, leaving the name of each for one line to its person.

    Shape: those that were dropped, oldest first; less than `most` means that no more are waiting. One that moved meanwhile stays.
    """
    dropped = []
    for contact_id, person_id, sealed, touched_at, unsent_for in _STALE.all(session, before=before, most=most):
        name = _name_in(_unsealed(sealed, contact_id))
        gone = _PUT_AWAY.run(session, id_=contact_id, touched_=utc(touched_at), dropped_=name)
        if gone.rowcount == 1:
            dropped.append(PutAway(contact_id, person_id, utc(touched_at), unsent_for))
    return dropped


def _name_in(log: bytes | None) -> str | None:
    """The conversation that a log belongs to; None when it cannot be read."""
    try:
        return str(json.loads(log or "")["stack"][0]["name"])
    except (ValueError, LookupError, TypeError):
        return None
