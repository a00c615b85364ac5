"""Contacts: one account on one platform, and the person it is bound to."""

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, Session, SQLModel, col, select

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

    @property
    def send_to(self) -> str:
        """What a push is addressed to: platforms take any case, and like their own best."""
        return self.spelled or self.address


def contacts_of(session: Session, person_id: int) -> list[Contact]:
    """The bound contacts of a person, WeCom first: it has no window and no allowance."""
    found = session.exec(select(Contact).where(Contact.person_id == person_id).order_by(col(Contact.id))).all()
    return sorted(found, key=lambda contact: contact.channel is not Channel.WECOM)


def listening(session: Session, person_ids: Collection[int]) -> dict[int, list[Contact]]:
    """The contacts through which each of these people can be reached now, WeCom first; nobody without one is in it."""
    found = session.exec(
        select(Contact)
        .where(col(Contact.person_id).in_(person_ids), col(Contact.listening).is_(True))
        .order_by(col(Contact.id))
    ).all()
    reached: dict[int, list[Contact]] = {}
    for contact in sorted(found, key=lambda contact: contact.channel is not Channel.WECOM):
        reached.setdefault(contact.person_id or 0, []).append(contact)
    return reached


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


def close_window(session: Session, it: Contact) -> None:
    """The platform says that this window is closed; one that the person has opened since stays open."""
    _CLOSE.run(session, id_=it.id, until_=it.window_until)
