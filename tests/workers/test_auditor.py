"""The auditor: it finds whatever stands still, in every shape, says nothing of what goes on, and costs next to nothing."""

import logging
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import Session

from bench.auditor import fill, one_pass
from models import chain, clock, db
from models.alert import Alert, Trigger
from models.audit import Fact, record
from models.booking.choices import Mode
from models.booking.table import Appointment, AppointmentState, Counselor, Proposal, ProposalState, Step
from models.channel import Channel
from models.contact import Contact
from models.outbox import (
    KINDS,
    AttemptOutcome,
    Push,
    PushAttempt,
    PushKind,
    PushReceipt,
    PushState,
    Reason,
    Route,
    Urgency,
    WayName,
)
from models.policy import CheckinPolicy, Term
from models.pulse import beat, last_beat
from models.round import Round
from tests.world import SUNDAY_EVENING, World
from workers import auditor
from workers.auditor import LOOK_BACK, STATEMENTS, Shape, stalled
from workers.rounds import plan_openings

HOLIDAYS = CheckinPolicy(
    terms=(Term(datetime(2020, 1, 1, tzinfo=UTC).date(), datetime(2020, 1, 2, tzinfo=UTC).date()),)
)
"""No round opens by itself."""

JUST = timedelta(seconds=29)
"""Late, but not so late that anybody need look."""


class UndoneError(Exception):
    """Ends a transaction that shall leave nothing."""


@contextmanager
def undone() -> Iterator[Session]:
    """A session whose work leaves nothing."""
    with suppress(UndoneError), db.unit_of_work() as session:
        yield session
        raise UndoneError


def found(session: Session, policy: CheckinPolicy = HOLIDAYS) -> dict[Shape, int]:
    session.flush()
    now, machine = clock.now(), clock.machine()
    return stalled(session, policy, now=now, machine=machine, since=now - LOOK_BACK)


@dataclass
class Rows:
    """Rows that all go on as they should, by what they are good for."""

    session: Session
    person_id: int
    contact_id: int
    count: int = 0
    counselor_id: int = 0

    def push(self, state: PushState, kind: PushKind = PushKind.CONCERN_CAME, **values: Any) -> int:
        self.count += 1
        now = clock.now()
        times = {"created_at": now, "due_at": now, "next_at": now, "expires_at": now + timedelta(days=1)}
        it = Push(
            dedupe_key=f"test:{self.count}",
            fact=values.pop("fact", f"test:{self.count}"),
            number="7K3F",
            person_id=self.person_id,
            kind=kind,
            urgency=KINDS[kind].urgency,
            state=state,
            **(times | values),
        )
        self.session.add(it)
        self.session.flush()
        return it.id or 0

    def queued(self) -> int:
        return self.push(PushState.QUEUED, next_at=clock.now() - JUST, expires_at=clock.now() - JUST)

    def urgent(self) -> int:
        return self.push(PushState.QUEUED, PushKind.ALERT, next_at=clock.now() - JUST)

    def refused(self, kind: PushKind) -> int:
        """Tried, and to be tried again soon."""
        return self.push(PushState.QUEUED, kind, next_at=clock.now() + timedelta(minutes=1), outcome="60020")

    def later(self) -> int:
        return self.push(PushState.QUEUED, next_at=clock.now() + timedelta(hours=8), expires_at=clock.now() - JUST)

    def sending(self) -> int:
        """Taken again and again for an hour, and held by somebody who has just fallen silent."""
        lease = clock.machine() - JUST
        return self.push(PushState.SENDING, next_at=clock.now() - timedelta(hours=1), lease_until=lease)

    def held(self) -> int:
        """By somebody who goes on."""
        return self.push(PushState.SENDING, lease_until=clock.machine() + timedelta(seconds=60))

    def carried(self, carrier: PushState = PushState.QUEUED) -> int:
        carrier_id = self.push(carrier, lease_until=clock.machine() if carrier is PushState.SENDING else None)
        past = clock.now() - timedelta(days=1)
        return self.push(PushState.CARRIED, carrier_id=carrier_id, next_at=past, expires_at=past)

    def exhausted(self, *, told: bool = True, kind: PushKind = PushKind.CONCERN_CAME, **values: Any) -> int:
        ended = {"settled_at": clock.now() - timedelta(minutes=9), "reason": Reason.UNREACHABLE} | values
        push_id = self.push(PushState.EXHAUSTED, kind, **ended)
        if told:
            self.push(PushState.ACCEPTED, PushKind.UNREACHABLE, fact=f"push:{push_id}")
        return push_id

    def alert(self, ask_until: datetime | None = None) -> int:
        it = Alert(contact_id=self.contact_id, trigger=Trigger.CALL, ask_until=ask_until, created_at=clock.now())
        self.session.add(it)
        self.session.flush()
        return it.id or 0

    def appointment(self, state: AppointmentState, **values: Any) -> int:
        """At a time of its own."""
        if not self.counselor_id:
            unit_id = int(self.session.connection().scalar(sa.text("SELECT min(id) FROM unit")) or 0)
            it = Counselor(person_id=self.person_id, qualification="q", unit_id=unit_id, created_at=clock.now())
            self.session.add(it)
            self.session.flush()
            self.counselor_id = it.id or 0
        self.count += 1
        starts = clock.now() + timedelta(days=30 + self.count)
        ends = starts + timedelta(minutes=50)
        row = Appointment(
            student_id=self.person_id, counselor_id=self.counselor_id, mode=Mode.PHONE, state=state,
            starts_at=starts, ends_at=ends, busy_from=starts, busy_to=ends, made_at=clock.now(), **values,
        )  # fmt: skip
        self.session.add(row)
        self.session.flush()
        return row.id or 0

    def proposal(self, state: ProposalState) -> int:
        it = Proposal(
            appointment_id=self.appointment(AppointmentState.BOOKED), version=1, state=state,
            made_at=clock.now(), until=clock.now() - JUST,
        )  # fmt: skip
        self.session.add(it)
        self.session.flush()
        return it.id or 0

    def fact(self) -> int:
        record(self.session, Fact.BOUND, None, "contact:1", at=clock.now())
        return int(self.session.connection().scalar(sa.text("SELECT max(id) FROM audit")) or 0)

    def receipt(self, *, ours: bool = True) -> int:
        """Of a message of ours, come just now; or of another's, come long ago."""
        push_id = self.push(PushState.ACCEPTED)
        handle = f"message-{push_id}"
        tried: dict[str, Any] = {"way": WayName.TEMPLATE, "began_at": clock.now(), "outcome": AttemptOutcome.ACCEPTED}
        if ours:
            self.session.add(
                PushAttempt(push_id=push_id, fence=1, channel=Route.OFFICIAL_ACCOUNT, handle=handle, **tried)
            )
        at = clock.now() - (timedelta(seconds=59) if ours else timedelta(hours=5))
        self.session.add(
            PushReceipt(channel=Route.OFFICIAL_ACCOUNT, handle=handle, code="success", arrived=True, at=at)
        )
        self.session.flush()
        return push_id


def healthy(session: Session, world: World) -> tuple[Rows, dict[Shape, list[int]]]:
    """All sorts of rows, none of which stands still; by shape those that can be made to."""
    contact = Contact(channel=Channel.WECOM, address="somebody", person_id=world.people["student"], bound_at=world.now)
    session.add(contact)
    session.flush()
    rows = Rows(session, world.people["advisor"], contact.id or 0)
    long_ago = clock.now() - timedelta(days=9)
    for state in (PushState.HELD, *PushState):
        if state not in {PushState.QUEUED, PushState.SENDING, PushState.CARRIED, PushState.EXHAUSTED}:
            rows.push(state, next_at=long_ago, expires_at=long_ago)
    rows.exhausted(told=False, kind=PushKind.CLASS_OPENED)  # not worth telling anybody
    rows.exhausted(told=False, kind=PushKind.STALLED)  # nobody above
    rows.exhausted(told=False, settled_at=clock.now() - JUST)
    rows.exhausted(told=False, settled_at=clock.now() - LOOK_BACK - JUST)  # found an hour ago
    carrier = rows.exhausted()
    rows.exhausted(told=False, carrier_id=carrier)  # told with the one that carried it
    rows.alert(clock.now() - JUST)
    rows.alert()
    rows.receipt(ours=False)
    rows.appointment(AppointmentState.PENDING, until=clock.now() + timedelta(days=1))
    rows.proposal(ProposalState.LAPSED)
    for _ in range(3):
        rows.fact()
    chain.seal(session, machine=clock.machine(), most=2)
    queued = [rows.queued() for _ in range(3)]
    sending = [rows.sending() for _ in range(4)] + [rows.held() for _ in range(2)]
    carried = [rows.carried(it) for it in (PushState.QUEUED, PushState.SENDING, PushState.HELD)]
    live = [rows.later() for _ in range(3)]
    return rows, {
        Shape.QUEUED: queued,
        Shape.QUEUED_URGENT: [rows.urgent() for _ in range(3)],
        Shape.REFUSED: [rows.refused(PushKind.CONCERN_CAME) for _ in range(3)],
        Shape.REFUSED_URGENT: [rows.refused(PushKind.ALERT) for _ in range(3)],
        Shape.SENDING: sending[:2],
        Shape.LEASE: sending[2:4],
        Shape.NO_LEASE: sending[4:],
        Shape.CARRIED: carried,
        Shape.EXPIRED: live,
        Shape.UNTOLD: [rows.exhausted() for _ in range(3)],
        Shape.ALERT: [rows.alert(clock.now() + timedelta(minutes=2)) for _ in range(3)],
        Shape.UNSEALED: [rows.fact() for _ in range(3)],
        Shape.RECEIPT: [rows.receipt() for _ in range(3)],
        Shape.STEP: [
            rows.appointment(AppointmentState.BOOKED, step=Step.SOON, next_at=clock.now() - JUST) for _ in range(3)
        ],
        Shape.PASSED: [
            rows.appointment(AppointmentState.OFFERED, until=clock.now() - JUST),
            rows.appointment(AppointmentState.PROPOSED, until=clock.now() - JUST),
            rows.appointment(AppointmentState.HELD, until=clock.now() - JUST),
        ],
        Shape.PROPOSAL: [rows.proposal(ProposalState.OPEN) for _ in range(3)],
    }


def change(session: Session, table: str, row_id: int, **values: object) -> None:
    bound = sa.table(table, sa.column("id"), *[sa.column(name) for name in values])
    session.connection().execute(sa.update(bound).where(bound.c.id == row_id).values(values))


def _untell(session: Session, push_id: int, _: timedelta) -> None:
    told = sa.text("UPDATE outbox SET fact = 'push:0' WHERE fact = :fact")
    session.connection().execute(told, {"fact": f"push:{push_id}"})


def _leave_receipt(session: Session, push_id: int, past: timedelta) -> None:
    old = sa.text("UPDATE push_receipt SET at = :at WHERE handle = :handle")
    at = clock.now() - past - timedelta(seconds=30)
    session.connection().execute(old, {"handle": f"message-{push_id}", "at": at})


def _lose_carrier(session: Session, push_id: int, past: timedelta) -> None:
    """It is not there any more, or has ended without those it carried."""
    ended = session.connection().scalar(sa.text("SELECT min(id) FROM outbox WHERE state = 'accepted'"))
    change(session, "outbox", push_id, carrier_id=ended if past.seconds % 2 else 10_000_000)


def _slowly(past: timedelta) -> timedelta:
    """What nobody waits for has twice the time."""
    return past + timedelta(seconds=30)


BREAKS: dict[Shape, Callable[[Session, int, timedelta], None]] = {
    Shape.QUEUED: lambda session, it, past: change(session, "outbox", it, next_at=clock.now() - past),
    Shape.QUEUED_URGENT: lambda session, it, past: change(session, "outbox", it, next_at=clock.now() - past),
    Shape.REFUSED: lambda session, it, past: change(session, "outbox", it, due_at=clock.now() - auditor.LONG - past),
    Shape.REFUSED_URGENT: lambda session, it, past: change(
        session, "outbox", it, due_at=clock.now() - auditor.LONG - past
    ),
    Shape.SENDING: lambda session, it, past: change(session, "outbox", it, lease_until=clock.machine() - past),
    Shape.LEASE: lambda session, it, past: change(session, "outbox", it, lease_until=clock.machine() + 4 * past),
    Shape.NO_LEASE: lambda session, it, past: change(
        session, "outbox", it, lease_until=None, next_at=clock.now() - past
    ),
    Shape.CARRIED: _lose_carrier,
    Shape.EXPIRED: lambda session, it, past: change(session, "outbox", it, expires_at=clock.now() - past),
    Shape.UNTOLD: _untell,
    Shape.ALERT: lambda session, it, past: change(session, "alert", it, ask_until=clock.now() - past),
    Shape.UNSEALED: lambda session, it, past: change(
        session, "audit", it, at=clock.now() - past - timedelta(seconds=30)
    ),
    Shape.RECEIPT: _leave_receipt,
    Shape.STEP: lambda session, it, past: change(session, "appointment", it, next_at=clock.now() - _slowly(past)),
    Shape.PASSED: lambda session, it, past: change(session, "appointment", it, until=clock.now() - _slowly(past)),
    Shape.PROPOSAL: lambda session, it, past: change(session, "proposal", it, until=clock.now() - _slowly(past)),
}


def test_every_shape_can_be_broken_here() -> None:
    assert set(BREAKS) == set(STATEMENTS) == set(Shape) - {Shape.ROUND}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    broken=st.lists(
        st.tuples(st.sampled_from(sorted(BREAKS)), st.integers(0, 2), st.integers(31, 3000)),
        unique_by=lambda it: it[:2],
        max_size=12,
    )
)
def test_whatever_stands_still_is_found_and_nothing_else(world: World, broken: list[tuple[Shape, int, int]]) -> None:
    with undone() as session:
        _, rows = healthy(session, world)
        assert found(session) == {}

        expected: Counter[Shape] = Counter()
        for shape, at, seconds in broken:
            if at < len(rows[shape]):
                BREAKS[shape](session, rows[shape][at], timedelta(seconds=seconds))
                expected[shape] += 1

        assert found(session) == expected


def test_a_backlog_is_counted_no_further_than_it_tells_anything(world: World) -> None:
    with undone() as session:
        rows = Rows(session, world.people["advisor"], 0)
        for _ in range(auditor.MOST + 5):
            rows.queued()
        session.connection().execute(sa.text("UPDATE outbox SET next_at = expires_at"))
        world.forward(seconds=60)

        assert found(session)[Shape.QUEUED] == auditor.MOST


def test_a_round_that_nobody_announced_is_found_whether_it_has_a_row_or_not(world: World) -> None:
    policy = world.policy.checkin
    with db.unit_of_work(write=False) as session:
        assert found(session, policy) == {Shape.ROUND: 1}  # the dorms' is due already

    plan_openings(policy, now=world.now)
    with undone() as session:
        session.connection().execute(sa.text("DELETE FROM outbox"))
        assert found(session, policy) == {}
        session.connection().execute(sa.update(Round).values(announced=False).where(sa.column("kind") == "class"))
        assert found(session, policy) == {Shape.ROUND: 1}

        world.forward(hours=17)  # due: nobody is to be told any more
        assert Shape.ROUND not in found(session, policy)


def test_a_round_has_half_a_minute_to_be_announced(world: World) -> None:
    opening = SUNDAY_EVENING.replace(minute=0)
    with db.unit_of_work(write=False) as session:
        clock.move_to(opening + JUST)
        assert found(session, world.policy.checkin) == {}
        world.forward(seconds=2)
        assert found(session, world.policy.checkin) == {Shape.ROUND: 1}


# ── telling ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def quiet(world: World) -> World:
    """A school in its holidays, where one push has been forgotten."""
    clock.move_to(datetime(2026, 8, 3, 4, tzinfo=UTC))
    with db.unit_of_work() as session:
        Rows(session, world.people["advisor"], 0).push(PushState.QUEUED, next_at=world.now - timedelta(minutes=5))
    return world


def later_pass(world: World) -> int:
    """The next one, ten seconds after."""
    with db.unit_of_work() as session:
        at, count = last_beat(session, auditor.PULSE) or (clock.machine(), 0)
        beat(session, auditor.PULSE, machine=at - auditor.EVERY, found=count)
    return auditor.audit(world.policy, now=world.now)


def test_found_twice_the_operators_hear_of_it_once_an_hour(quiet: World, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "workers.auditor"):
        assert auditor.audit(quiet.policy, now=quiet.now) == 1
    assert caplog.messages == ["something that should have moved did not"]
    assert quiet.pushes("duty") == []

    for _ in range(3):
        assert later_pass(quiet) == 1
    told = quiet.pushes("duty")
    assert [(it.kind, it.urgency, it.data) for it in told] == [(PushKind.STALLED, Urgency.URGENT, '{"count": 1}')]

    quiet.forward(hours=1)
    later_pass(quiet)
    assert len(quiet.pushes("duty")) == 2


def test_what_moved_by_the_next_pass_is_told_to_nobody(quiet: World) -> None:
    auditor.audit(quiet.policy, now=quiet.now)
    with db.unit_of_work() as session:
        session.connection().execute(sa.text("UPDATE outbox SET state = 'accepted'"))

    assert later_pass(quiet) == 0
    assert later_pass(quiet) == 0
    assert quiet.pushes("duty") == []


def test_two_auditors_make_one_pass_and_say_how_it_went(quiet: World) -> None:
    assert auditor.audit(quiet.policy, now=quiet.now) == 1
    assert auditor.audit(quiet.policy, now=quiet.now) == 0

    with db.unit_of_work(write=False) as session:
        last = last_beat(session, auditor.PULSE)
    assert last is not None
    assert last[1] == 1
    assert quiet.pushes("duty") == []


# ── cost ────────────────────────────────────────────────────────────────────────────────────────────────────────────


TABLES = ("outbox", "push_attempt", "audit", "appointment")


def fill_calendar(session: Session, person_id: int, count: int) -> None:
    """So many appointments that are over, and one in a hundred still to come."""
    rows = Rows(session, person_id, 0)
    rows.appointment(AppointmentState.DONE)
    table = Appointment.__table__  # type: ignore[attr-defined]
    keys = {"student_id": person_id, "counselor_id": rows.counselor_id, "mode": Mode.PHONE, "made_at": clock.now()}
    begun = datetime(2020, 1, 1, tzinfo=UTC)
    for first in range(0, count, 5000):
        values = []
        for at in range(first, first + 5000):
            starts = begun + at * timedelta(hours=1)
            ends = starts + timedelta(minutes=50)
            live = at % 100 == 0
            steps = {"next_at": clock.now() + timedelta(days=9), "step": Step.SOON} if live else {}
            state = AppointmentState.BOOKED if live else AppointmentState.DONE
            moments = {"starts_at": starts, "ends_at": ends, "busy_from": starts, "busy_to": ends}
            values.append(keys | moments | {"next_at": None, "step": None, "state": state} | steps)
        session.execute(sa.insert(table), values)


def plan_of(session: Session, sql: str, values: dict[str, Any]) -> list[str]:
    """What the engine would do, a line each."""
    explain = "EXPLAIN " if db.is_postgresql(session) else "EXPLAIN QUERY PLAN "
    return [str(row[-1]) for row in db.driver(session).execute(explain + sql, values).fetchall()]


def test_a_pass_among_a_hundred_thousand_rows_walks_no_table(world: World, database: db.Database) -> None:
    clock.move_to(datetime(2026, 8, 3, 4, tzinfo=UTC))
    with database.unit_of_work(until=time.monotonic() + 60) as session:
        fill(session, 100_000)
        fill_calendar(session, world.people["student"], 20_000)
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE")
    database.dispose()  # an open connection would go on by what it knew before

    names = ("late", "slow", "soon", "long", "since", "lease_over", "lease_absurd")
    with db.unit_of_work(write=False) as session:
        for shape, statement in STATEMENTS.items():
            sql, _ = statement._compiled(is_sqlite=database.is_sqlite)
            values = {name: world.now for name in names if name in sql}
            for line in plan_of(session, sql, values):
                assert not any(f"Seq Scan on {name}" in line for name in TABLES), (shape, line)
                walks = line.startswith("SCAN ") and "push_receipt" not in line and not line.startswith("SCAN found")
                # What is carried is looked at whole, by an index that holds nothing else.
                assert not walks or "outbox_carried" in line or "SCAN CONSTANT ROW" in line, (shape, line)
    spent = [one_pass(HOLIDAYS) for _ in range(25)]

    assert statistics.median(spent) < 20
