"""Contacts: one account on one platform, and the person it is bound to."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, Session, SQLModel, col, select

from models.audit import Fact, record
from models.channel import Channel
from models.db import Fixed, UTCDateTime, enum_column


class Contact(SQLModel, table=True):
    """An openid or a WeCom userid.

    `listening` is false after an unsubscribe. `window_until` and `window_left` say how long and how many customer-service
    messages the official account still takes for it (fact sheet 6.3); WeCom has no window.
    """

    __table_args__ = (
        sa.UniqueConstraint("channel", "address"),
        # A second account of the same platform never takes the first one's place (design: Binding).
        sa.Index(
            "one_account_a_platform",
            "person_id",
            "channel",
            unique=True,
            sqlite_where=sa.text("person_id IS NOT NULL"),
            postgresql_where=sa.text("person_id IS NOT NULL"),
        ),
    )

    id: int | None = Field(default=None, primary_key=True)
    channel: Channel = Field(sa_type=enum_column(Channel))
    address: str
    spelled: str | None = None  # as the platform or the roster writes it, where that is not the address itself
    person_id: int | None = Field(default=None, foreign_key="person.id", index=True)
    bound_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    listening: bool = Field(default=True)
    window_until: datetime | None = Field(default=None, sa_type=UTCDateTime)
    window_left: int = Field(default=0)
    seen_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    cards: bool = Field(default=False)  # a card's button was pressed here; WeChat's plug-in hides cards

    @property
    def send_to(self) -> str:
        """What a push is addressed to: platforms take any case, and like their own best."""
        return self.spelled or self.address


def contacts_of(session: Session, person_id: int) -> list[Contact]:
    """The bound contacts of a person, WeCom first: it has no window and no allowance."""
    found = session.exec(select(Contact).where(Contact.person_id == person_id).order_by(col(Contact.id))).all()
    return sorted(found, key=lambda contact: contact.channel is not Channel.WECOM)


_table = Contact.__table__  # type: ignore[attr-defined]
_USE = Fixed(
    lambda: (
        sa.update(_table)
        .values(window_left=_table.c.window_left - 1)
        .where(
            _table.c.id == sa.bindparam("id_"),
            _table.c.window_until > sa.bindparam("now"),
            _table.c.window_left > sa.literal_column("0"),
        )
    )
)
_CLOSE = Fixed(
    lambda: (
        sa.update(_table)
        .values(window_left=sa.literal_column("0"), window_until=sa.null())
        .where(_table.c.id == sa.bindparam("id_"), _table.c.window_until == sa.bindparam("until_"))
    )
)


def use_window(session: Session, contact_id: int, *, now: datetime) -> bool:
    """Take one message from the contact's window; False when it is closed or used up."""
    return _USE.run(session, id_=contact_id, now=now).rowcount == 1


def close_window(session: Session, contact_id: int, until: datetime | None) -> None:
    """The platform says that this window is closed; one that the person has opened since stays open."""
    _CLOSE.run(session, id_=contact_id, until_=until)


_GIVE_BACK = Fixed(
    lambda: (
        sa.update(_table)
        .values(window_left=_table.c.window_left + 1)
        .where(_table.c.id == sa.bindparam("id_"), _table.c.window_until == sa.bindparam("until_"))
    )
)


def give_back_window(session: Session, contact_id: int, until: datetime | None) -> None:
    """The message that was taken from this window did not go; a window that the person has opened since is whole anyway."""
    _GIVE_BACK.run(session, id_=contact_id, until_=until)


_LOSE = Fixed(
    lambda: (
        sa.update(_table)
        .values(listening=sa.bindparam("no"), window_left=sa.literal_column("0"), window_until=sa.null())
        .where(_table.c.id == sa.bindparam("id_"), _table.c.listening == sa.bindparam("yes"))
        .where(sa.func.coalesce(_table.c.seen_at, sa.bindparam("asked_")) <= sa.bindparam("asked_"))
    )
)


def lose(session: Session, contact_id: int, code: str, *, asked_at: datetime, now: datetime) -> None:
    """The platform says that nothing arrives at this account any more; whoever has written since is not lost."""
    if _LOSE.run(session, id_=contact_id, no=False, yes=True, asked_=asked_at).rowcount:
        record(session, Fact.CONTACT_LOST, None, f"contact:{contact_id}", at=now, code=code)


_STOP = Fixed(
    lambda: (
        sa.update(_table)
        .values(listening=sa.bindparam("no"), window_left=sa.literal_column("0"), window_until=sa.null())
        .where(_table.c.id == sa.bindparam("id_"))
    )
)


def revoke(session: Session, contact_id: int, person_id: int | None, what: str, *, now: datetime) -> None:
    """Somebody took back at the platform what they had allowed us: nothing is sent there until they write again."""
    _STOP.run(session, id_=contact_id, no=False)
    record(session, Fact.AUTHORIZATION_REVOKED, person_id, f"contact:{contact_id}", at=now, what=what)
