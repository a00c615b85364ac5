"""Subscription notices (订阅通知): what a follower has allowed. Kept from the platform's events; nothing is sent by it yet."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlmodel import Field, Session, SQLModel

from models.audit import Fact, record
from models.db import Fixed
from models.talk import Actor


class Subscription(SQLModel, table=True):
    """How many notices of one template a contact still takes."""

    contact_id: int = Field(primary_key=True, foreign_key="contact.id")
    template_id: str = Field(primary_key=True)
    credits: int = 0


_table = Subscription.__table__  # type: ignore[attr-defined]
_ALLOW = Fixed(
    lambda: (
        upsert(_table)
        .values(
            contact_id=sa.bindparam("contact_id"),
            template_id=sa.bindparam("template_id"),
            credits=sa.literal_column("1"),
        )
        .on_conflict_do_update(
            index_elements=["contact_id", "template_id"], set_={"credits": _table.c.credits + sa.literal_column("1")}
        )
    )
)
_WHOSE = (_table.c.contact_id == sa.bindparam("contact_id_"), _table.c.template_id == sa.bindparam("template_id_"))
_REFUSE = Fixed(lambda: sa.update(_table).values(credits=sa.literal_column("0")).where(*_WHOSE))
_USE = Fixed(
    lambda: (
        sa.update(_table)
        .values(credits=_table.c.credits - sa.literal_column("1"))
        .where(*_WHOSE, _table.c.credits > sa.literal_column("0"))
    )
)


def allow(session: Session, actor: Actor, template_id: str, *, now: datetime) -> None:
    """One more notice of this template may come."""
    _ALLOW.run(session, contact_id=actor.contact_id, template_id=template_id)
    record(session, Fact.SUBSCRIPTION_CHANGED, actor.person_id, f"contact:{actor.contact_id}", at=now, allowed=1)


def refuse(session: Session, actor: Actor, template_id: str, *, now: datetime) -> None:
    """None may come any more, those allowed before neither."""
    _REFUSE.run(session, contact_id_=actor.contact_id, template_id_=template_id)
    record(session, Fact.SUBSCRIPTION_CHANGED, actor.person_id, f"contact:{actor.contact_id}", at=now, allowed=0)


def use(session: Session, actor: Actor, template_id: str) -> None:
    """One has come."""
    _USE.run(session, contact_id_=actor.contact_id, template_id_=template_id)
