"""Binding WeCom accounts as the roster names them: the school's own directory needs no proof. Rules: design, Roster."""

from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlmodel import Session

from models.channel import Channel
from models.contact import Contact
from models.talk import TalkLog

_contact, _talk = Contact.__table__, TalkLog.__table__  # type: ignore[attr-defined]

_WECOM = sa.select(_contact.c.id, _contact.c.address, _contact.c.person_id).where(_contact.c.channel == Channel.WECOM)


def bind_accounts(session: Session, wanted: Mapping[str, int], *, now: datetime) -> None:
    """Bind each address to its person; what stood in the way, another account or another person, is unbound.

    Shape: `wanted` maps userids as the roster spells them; the platform takes any case, so they are found in lower case.
    An account that changes hands takes nothing along: its open conversation is emptied.
    """
    connection = session.connection()
    spelled = {userid.lower(): userid for userid in wanted}
    wanted = {userid.lower(): person_id for userid, person_id in wanted.items()}
    connection.execute(
        upsert(_contact).on_conflict_do_nothing(),
        [{"channel": Channel.WECOM, "address": address, "listening": True, "window_left": 0} for address in wanted],
    )
    found = {
        row.id: row
        # Two reads by index: joined by OR they become a walk over every account of the platform.
        for theirs in (_contact.c.address.in_(wanted), _contact.c.person_id.in_(wanted.values()))
        for row in connection.execute(_WECOM.where(theirs).order_by(_contact.c.id).with_for_update())
    }.values()
    wrong = [row.id for row in found if row.person_id is not None and wanted.get(row.address) != row.person_id]
    if wrong:
        connection.execute(sa.update(_contact).where(_contact.c.id.in_(wrong)).values(person_id=None, bound_at=None))
        connection.execute(
            sa.update(_talk).where(_talk.c.contact_id.in_(wrong)).values(log=None, failures=0, dropped=None)
        )
    new = [row for row in found if row.address in wanted and wanted[row.address] != row.person_id]
    if new:
        one = sa.update(_contact).where(_contact.c.id == sa.bindparam("of"))
        connection.execute(
            one.values(person_id=sa.bindparam("whose"), spelled=sa.bindparam("as_written"), bound_at=now),
            [{"of": row.id, "whose": wanted[row.address], "as_written": spelled[row.address]} for row in new],
        )
