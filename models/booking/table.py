"""The tables of booking: who offers time, which time, who has it, who waits for it. Rules: docs/rules.md#booking.

Free times are never stored; they are computed from openings, changes and what is taken (`slots.py`). That no two live
appointments of a counselor, a student or a room overlap is the engine's own rule (migration 0003), also against raw SQL.
"""

from datetime import date, datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from models.booking.choices import Mode
from models.db import UTCDateTime, enum_column


class Tier(StrEnum):
    """Where a counselor works: ordinary matters are the college's own station's, others the centre's (J-11)."""

    STATION = "station"
    CENTRE = "centre"


class RoomUse(StrEnum):
    """What a room is for; all but the first can be booked by themselves when the school opens them (X-21)."""

    TALK = "talk"
    RELAX = "relax"
    VENT = "vent"
    SANDPLAY = "sandplay"


class Room(SQLModel, table=True):
    """A room; `unit_id` is its campus, college or the school (D-13, J-07)."""

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True)
    place: str = ""  # how to get there, as it is told to the student
    unit_id: int = Field(foreign_key="unit.id", index=True)
    use: RoomUse = Field(default=RoomUse.TALK, sa_type=enum_column(RoomUse))
    alone: bool = False  # can be booked without a counselor
    ended_at: datetime | None = Field(default=None, sa_type=UTCDateTime)


class Counselor(SQLModel, table=True):
    """Somebody who takes bookings. Without a qualification nobody does (K-31); a part-timer's term ends by itself (K-32).

    Units: minutes; None takes the school's setting. `modes` and `topics` are values with blanks between; no topics means any.
    """

    __table_args__ = (sa.CheckConstraint("length(trim(qualification)) > 0", name="qualified"),)

    id: int | None = Field(default=None, primary_key=True)
    person_id: int = Field(foreign_key="person.id", unique=True)
    qualification: str
    full_time: bool = True
    term_ends: date | None = None  # the last day on which they take bookings
    tier: Tier = Field(default=Tier.CENTRE, sa_type=enum_column(Tier))
    unit_id: int = Field(
        foreign_key="unit.id", index=True
    )  # the station's college; the school or a campus for the centre
    modes: str = "in_person"
    topics: str = ""
    room_id: int | None = Field(default=None, foreign_key="room.id")
    place: str = ""  # where they meet people when there is no room to book
    session_minutes: int | None = None
    buffer_before: int | None = None
    buffer_after: int | None = None
    most_a_day: int | None = None
    most_a_week: int | None = None
    firsts: int = 0  # first bookings that 「随便」 has to share out evenly
    calendar: str | None = Field(default=None, unique=True)  # digest of the secret in the calendar's address
    created_at: datetime = Field(sa_type=UTCDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UTCDateTime)


class CounselorTie(SQLModel, table=True):
    """A class or college whose students know the counselor otherwise, as a teacher (L-34); posts count by themselves."""

    __tablename__ = "counselor_tie"

    counselor_id: int = Field(foreign_key="counselor.id", primary_key=True)
    unit_id: int = Field(foreign_key="unit.id", primary_key=True)


class Opening(SQLModel, table=True):
    """A weekly stretch in which a counselor, or a room by itself, can be booked.

    Units: `starts` and `ends` are minutes from local midnight; `weekday` 0 is Monday. `modes` "" takes the counselor's.
    """

    __table_args__ = (
        sa.CheckConstraint("0 <= starts AND starts < ends AND ends <= 1440", name="stretch"),
        sa.CheckConstraint("weekday BETWEEN 0 AND 6", name="weekday"),
        sa.CheckConstraint("counselor_id IS NOT NULL OR room_id IS NOT NULL", name="whose"),
    )

    id: int | None = Field(default=None, primary_key=True)
    counselor_id: int | None = Field(default=None, foreign_key="counselor.id", index=True)
    room_id: int | None = Field(default=None, foreign_key="room.id")
    weekday: int
    starts: int
    ends: int
    modes: str = ""
    from_day: date | None = None
    to_day: date | None = None


class ChangeKind(StrEnum):
    """Why a stretch differs from the weekly plan."""

    EXTRA = "extra"  # open besides
    CLOSED = "closed"
    LEAVE = "leave"


class OpeningChange(SQLModel, table=True):
    """One stretch that differs: a counselor's, a room's, or (both empty) everybody's."""

    __tablename__ = "opening_change"
    __table_args__ = (sa.CheckConstraint("starts_at < ends_at", name="stretch"),)

    id: int | None = Field(default=None, primary_key=True)
    counselor_id: int | None = Field(default=None, foreign_key="counselor.id", index=True)
    room_id: int | None = Field(default=None, foreign_key="room.id")
    kind: ChangeKind = Field(sa_type=enum_column(ChangeKind))
    starts_at: datetime = Field(sa_type=UTCDateTime)
    ends_at: datetime = Field(sa_type=UTCDateTime, index=True)
    modes: str = ""
    made_by: int | None = Field(default=None, foreign_key="person.id")
    made_at: datetime = Field(sa_type=UTCDateTime)


class AppointmentState(StrEnum):
    """The first five take up time."""

    HELD = "held"  # chosen, for five minutes
    OFFERED = "offered"  # to somebody on the waiting list
    PROPOSED = "proposed"  # by the counselor, in place of another time
    PENDING = "pending"  # the centre answers by `until`
    BOOKED = "booked"
    DONE = "done"
    MISSED = "missed"
    CANCELLED = "cancelled"
    DECLINED = "declined"  # by the centre, or an offer or proposal that was not taken
    LAPSED = "lapsed"  # an offer or proposal nobody answered


LIVE = (
    AppointmentState.HELD,
    AppointmentState.OFFERED,
    AppointmentState.PROPOSED,
    AppointmentState.PENDING,
    AppointmentState.BOOKED,
)
IS_LIVE = f"state IN ({', '.join(repr(each.value) for each in LIVE)})"
"""The same as SQL; the migration's overlap rules spell it so, and SQLite takes a partial index only for the same words."""

FIRM = (AppointmentState.PENDING, AppointmentState.BOOKED)
"""What a student would call an appointment."""

PASSING = (AppointmentState.HELD, AppointmentState.OFFERED, AppointmentState.PROPOSED)
"""What ends by itself when its `until` has passed, and then stands in nobody's way."""


class Side(StrEnum):
    """Who did something to an appointment."""

    STUDENT = "student"
    COUNSELOR = "counselor"
    CENTRE = "centre"
    SYSTEM = "system"


class Step(StrEnum):
    """What comes next in an appointment's life, in this order (`steps.py`)."""

    DAY_BEFORE = "day_before"
    SOON = "soon"
    AFTER = "after"
    CLOSE = "close"


class Appointment(SQLModel, table=True):
    """One stretch of time that somebody has, or is being asked about.

    `busy_from` and `busy_to` include the counselor's buffers; overlap is judged by them for counselor and room and by the
    session itself for the student. `serves_id` is the appointment in whose place a held or proposed time would come.
    """

    __table_args__ = (
        sa.CheckConstraint("starts_at < ends_at AND busy_from <= starts_at AND ends_at <= busy_to", name="stretch"),
        sa.CheckConstraint("counselor_id IS NOT NULL OR room_id IS NOT NULL", name="whose"),
        sa.CheckConstraint(
            f"state IN ({', '.join(repr(each.value) for each in AppointmentState)})", name="known_state"
        ),
        *(
            sa.Index(name, *columns, unique=unique, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
            for name, columns, where, unique in (
                ("one_hold", ("student_id",), "state = 'held'", True),
                ("one_offer", ("student_id",), "state = 'offered'", True),
                ("live_counselor", ("counselor_id", "busy_from"), IS_LIVE, False),
                ("live_room", ("room_id", "busy_from"), IS_LIVE, False),
                ("live_student", ("student_id", "starts_at"), IS_LIVE, False),
                ("appointment_counselor", ("counselor_id", "starts_at"), "state <> 'lapsed'", False),
                ("appointment_until", ("until",), "until IS NOT NULL", False),
                ("appointment_next", ("next_at",), "next_at IS NOT NULL", False),
                ("appointment_serves", ("serves_id",), "serves_id IS NOT NULL", False),
                ("appointment_proposal", ("proposal_id",), "proposal_id IS NOT NULL", False),
                ("appointment_waiter", ("waiter_id",), "waiter_id IS NOT NULL", False),
                ("appointment_thread", ("thread",), "thread IS NOT NULL", False),
                ("appointment_closed", ("closed_at",), "closed_at IS NOT NULL", False),
            )
        ),
        sa.Index("appointment_student", "student_id", "starts_at"),
        # A hold that is let go leaves its number to nobody: somebody may still answer to it.
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, primary_key=True)
    student_id: int = Field(foreign_key="person.id")
    counselor_id: int | None = Field(default=None, foreign_key="counselor.id")
    room_id: int | None = Field(default=None, foreign_key="room.id")
    mode: Mode = Field(sa_type=enum_column(Mode))
    state: AppointmentState = Field(sa_type=enum_column(AppointmentState))
    starts_at: datetime = Field(sa_type=UTCDateTime)
    ends_at: datetime = Field(sa_type=UTCDateTime)
    busy_from: datetime = Field(sa_type=UTCDateTime)
    busy_to: datetime = Field(sa_type=UTCDateTime)
    until: datetime | None = Field(default=None, sa_type=UTCDateTime)  # of what passes; of PENDING, the promised answer
    serves_id: int | None = None
    proposal_id: int | None = None
    waiter_id: int | None = None
    thread: int | None = Field(
        default=None, index=True
    )  # the first appointment about the same thing; its own id at first
    first: bool = False  # the student's first with anybody
    version: int = 1  # counts every change of time or counselor
    moves: int = 0  # of those, how many the student wished
    made_at: datetime = Field(sa_type=UTCDateTime)
    made_by: int | None = Field(default=None, foreign_key="person.id")
    body: bytes | None = None  # sealed JSON: topic, note, reasons
    coming_at: datetime | None = Field(default=None, sa_type=UTCDateTime)  # 「我会来」
    arrived_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    late_minutes: int | None = None
    closed_at: datetime | None = Field(default=None, sa_type=UTCDateTime)  # when it really ended, or stopped being
    closed_by: Side | None = Field(default=None, sa_type=enum_column(Side))
    late_cancel: bool = False  # inside the school's notice
    face: bool = False  # how it was has been told
    step: Step | None = Field(default=None, sa_type=enum_column(Step))
    next_at: datetime | None = Field(default=None, sa_type=UTCDateTime)


class ProposalState(StrEnum):
    """How a counselor's proposal stands."""

    OPEN = "open"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    LAPSED = "lapsed"  # unanswered: the centre's task
    WITHDRAWN = "withdrawn"  # the appointment went another way meanwhile


class Proposal(SQLModel, table=True):
    """Another time or colleague instead of an appointment's: nothing moves without the student's answer (K-35).

    The times themselves are appointments in the state PROPOSED, kept for the student until then.
    """

    __table_args__ = (
        sa.Index(
            "one_open_proposal",
            "appointment_id",
            unique=True,
            sqlite_where=sa.text("state = 'open'"),
            postgresql_where=sa.text("state = 'open'"),
        ),
        sa.Index(
            "proposal_until",
            "until",
            sqlite_where=sa.text("state = 'open'"),
            postgresql_where=sa.text("state = 'open'"),
        ),
    )

    id: int | None = Field(default=None, primary_key=True)
    appointment_id: int = Field(foreign_key="appointment.id", index=True)
    version: int  # of the appointment it speaks of
    for_leave: bool = False
    state: ProposalState = Field(default=ProposalState.OPEN, sa_type=enum_column(ProposalState))
    made_by: int | None = Field(default=None, foreign_key="person.id")
    made_at: datetime = Field(sa_type=UTCDateTime)
    until: datetime = Field(sa_type=UTCDateTime)
    answered_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    settled_by: int | None = Field(default=None, foreign_key="person.id")  # who at the centre took the task


class Haste(StrEnum):
    """The classes of the waiting list, the most pressing first."""

    SOON = "soon"  # 「有点难，想尽快」, or sent on by a station
    NORMAL = "normal"
    EARLIER = "earlier"  # has a time, and would take an earlier one


class WaiterState(StrEnum):
    """How somebody on the waiting list stands."""

    WAITING = "waiting"
    OFFERED = "offered"
    TOOK = "took"
    LEFT = "left"
    LAPSED = "lapsed"  # outside term, or their own appointment passed


class Waiter(SQLModel, table=True):
    """Somebody who waits; the order is haste, then `since`, then id."""

    __table_args__ = (
        sa.Index(
            "one_wait",
            "student_id",
            unique=True,
            sqlite_where=sa.text("state IN ('waiting', 'offered')"),
            postgresql_where=sa.text("state IN ('waiting', 'offered')"),
        ),
        sa.Index(
            "waiter_order",
            "rank",
            "since",
            "id",
            sqlite_where=sa.text("state = 'waiting'"),
            postgresql_where=sa.text("state = 'waiting'"),
        ),
    )

    id: int | None = Field(default=None, primary_key=True)
    student_id: int = Field(foreign_key="person.id")
    haste: Haste = Field(sa_type=enum_column(Haste))
    rank: int  # of its haste, 0 first
    since: datetime = Field(sa_type=UTCDateTime)
    counselor_id: int | None = Field(default=None, foreign_key="counselor.id")  # only this one
    mode: Mode | None = Field(default=None, sa_type=enum_column(Mode))
    earlier_than_id: int | None = Field(default=None, foreign_key="appointment.id")
    thread: int | None = None
    body: bytes | None = None  # sealed JSON: topic
    state: WaiterState = Field(default=WaiterState.WAITING, sa_type=enum_column(WaiterState))
    ended_at: datetime | None = Field(default=None, sa_type=UTCDateTime)


class WaiterEvent(StrEnum):
    """What happened to somebody who waits, when a time was given away."""

    OFFERED = "offered"
    TOOK = "took"
    LET_GO = "let_go"  # 「继续等」
    LAPSED = "lapsed"
    SKIPPED_MODE = "skipped_mode"
    SKIPPED_COUNSELOR = "skipped_counselor"
    SKIPPED_TIE = "skipped_tie"  # dual relation
    SKIPPED_BUSY = "skipped_busy"  # has something else then
    SKIPPED_LIMIT = "skipped_limit"
    SKIPPED_LATER = "skipped_later"  # not earlier than what they have
    SKIPPED_ASKED = "skipped_asked"  # said no to this very time before
    SKIPPED_UNREACHED = "skipped_unreached"  # no account of theirs takes pushes


class WaiterLog(SQLModel, table=True):
    """Why somebody was offered a time, or was not."""

    __tablename__ = "waiter_log"

    id: int | None = Field(default=None, primary_key=True)
    waiter_id: int = Field(foreign_key="waiter.id", index=True)
    at: datetime = Field(sa_type=UTCDateTime)
    event: WaiterEvent = Field(sa_type=enum_column(WaiterEvent))
    counselor_id: int | None = Field(default=None, foreign_key="counselor.id")
    starts_at: datetime = Field(sa_type=UTCDateTime)


class Referral(SQLModel, table=True):
    """A station sends somebody on to the centre; the thread goes with them (J-11)."""

    id: int | None = Field(default=None, primary_key=True)
    student_id: int = Field(foreign_key="person.id", index=True)
    from_id: int = Field(foreign_key="counselor.id")
    thread: int
    made_at: datetime = Field(sa_type=UTCDateTime)
    taken_at: datetime | None = Field(default=None, sa_type=UTCDateTime)


class Consent(SQLModel, table=True):
    """Somebody has read how their words are kept, and said yes to this version (L-30)."""

    id: int | None = Field(default=None, primary_key=True)
    person_id: int = Field(foreign_key="person.id", index=True)
    subject: str = "booking"
    version: str  # digest of the words that were shown
    given_at: datetime = Field(sa_type=UTCDateTime)
    withdrawn_at: datetime | None = Field(default=None, sa_type=UTCDateTime)


class Face(StrEnum):
    """How it was."""

    GREAT = "great"
    GOOD = "good"
    SO_SO = "so_so"
    BAD = "bad"


class Again(StrEnum):
    """Whether the same counselor next time."""

    SAME = "same"
    OTHER = "other"
    UNSURE = "unsure"


class Feedback(SQLModel, table=True):
    """How one visit was. It stands apart from whose visit it was: nobody can look a student up in it. Numbers go by chance."""

    id: int | None = Field(default=None, primary_key=True)
    counselor_id: int | None = Field(default=None, foreign_key="counselor.id", index=True)
    month: str  # YYYY-MM, and no closer
    face: Face = Field(sa_type=enum_column(Face))
    again: Again | None = Field(default=None, sa_type=enum_column(Again))
