"""The journal: one row per fact, written in the transaction that made it true. Ids and counts only, no names, no text."""

import json
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlmodel import Field, Session, SQLModel

from models.db import Fixed, UTCDateTime, enum_column


class Fact(StrEnum):
    """What can have happened."""

    BOUND = "bound"
    BINDING_REFUSED = "binding_refused"
    UNBOUND = "unbound"
    FOLLOWED = "followed"
    UNFOLLOWED = "unfollowed"
    BIND_CODE_MADE = "bind_code_made"
    ROSTER_IMPORTED = "roster_imported"
    ROUND_OPENED = "round_opened"
    CHECKIN_SENT = "checkin_sent"
    CHECKIN_CORRECTED = "checkin_corrected"
    CONCERN_SENT = "concern_sent"
    ALERT_RAISED = "alert_raised"
    ALERT_ANSWERED = "alert_answered"
    ALERT_WITHDRAWN = "alert_withdrawn"
    LINK_MADE = "link_made"
    SUMMARY_READ = "summary_read"
    CONCERN_READ = "concern_read"
    OWN_DATA_SHOWN = "own_data_shown"
    CONTACT_LOST = "contact_lost"
    PUSHES_MUTED = "pushes_muted"
    PUSH_CANCELLED = "push_cancelled"
    PUSH_RETRIED = "push_retried"
    PUSHES_RELEASED = "pushes_released"
    CARD_PRESSED = "card_pressed"
    REBIND_ASKED = "rebind_asked"
    REBOUND = "rebound"
    REBIND_REFUSED = "rebind_refused"
    KEYS_ROTATED = "keys_rotated"
    RESTORED = "restored"
    SUBSCRIPTION_CHANGED = "subscription_changed"
    AUTHORIZATION_REVOKED = "authorization_revoked"
    SUPPLY_CHANGED = "supply_changed"  # profiles, rooms, hours
    CONSENT_GIVEN = "consent_given"
    CONSENT_WITHDRAWN = "consent_withdrawn"
    APPOINTMENT_BOOKED = "appointment_booked"
    APPOINTMENT_CONFIRMED = "appointment_confirmed"
    APPOINTMENT_DECLINED = "appointment_declined"
    APPOINTMENT_MOVED = "appointment_moved"
    APPOINTMENT_CANCELLED = "appointment_cancelled"
    APPOINTMENT_COMING = "appointment_coming"
    APPOINTMENT_ARRIVED = "appointment_arrived"
    APPOINTMENT_ENDED = "appointment_ended"
    APPOINTMENT_MISSED = "appointment_missed"
    APPOINTMENTS_SHOWN = "appointments_shown"  # a named one, to its counselor or the centre
    CHANGE_PROPOSED = "change_proposed"
    CHANGE_ANSWERED = "change_answered"
    LEAVE_TAKEN = "leave_taken"
    REFERRED = "referred"
    WAIT_BEGUN = "wait_begun"
    WAIT_LEFT = "wait_left"
    TIME_OFFERED = "time_offered"
    OFFER_ANSWERED = "offer_answered"
    CALENDAR_MADE = "calendar_made"
    CALENDAR_REVOKED = "calendar_revoked"


class Audit(SQLModel, table=True):
    """One fact. `subject` is `table:id`; details hold ids and counts.

    The last four are the chain, filled in by the ticker within seconds: `seq` counts sealed rows, `digest` is that of the salted
    details, `chain` that of this row with the one before it.
    """

    __table_args__ = (
        sa.Index(
            "audit_unsealed",
            "id",
            sqlite_where=sa.text("seq IS NULL"),
            postgresql_where=sa.text("seq IS NULL"),
        ),
        sa.Index("audit_chain", "seq", unique=True),
    )

    id: int | None = Field(default=None, primary_key=True)
    at: datetime = Field(sa_type=UTCDateTime, index=True)
    fact: Fact = Field(sa_type=enum_column(Fact))
    actor_id: int | None = Field(default=None, index=True)
    subject: str = Field(index=True)
    details: str = Field(default="{}")
    seq: int | None = None
    salt: bytes | None = None
    digest: bytes | None = None
    chain: bytes | None = None


_INSERT = Fixed(
    lambda: sa.insert(Audit.__table__).values(  # type: ignore[attr-defined]
        {name: sa.bindparam(name) for name in ("at", "fact", "actor_id", "subject", "details")}
    )
)


def record(
    session: Session, fact: Fact, actor_id: int | None, subject: str, *, at: datetime, **details: int | str | None
) -> None:
    """Write one fact."""
    _INSERT.run(
        session,
        at=at,
        fact=fact.value,
        actor_id=actor_id,
        subject=subject,
        details=json.dumps(details) if details else "{}",
    )
