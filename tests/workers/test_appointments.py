"""Appointments and time: each step once, in its moment or late while it is of use; mornings; bare days; what passed."""

import json
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from models import clock, db
from models.audit import Fact
from models.booking import acting, walking
from models.booking.table import (
    AppointmentState,
    ChangeKind,
    Counselor,
    OpeningChange,
    Proposal,
    ProposalState,
    Room,
    RoomUse,
    Side,
    Step,
)
from models.booking.taking import By
from models.channel import Channel
from models.outbox import Push, PushKind, PushState, Reason
from models.person import Kind, Person
from models.policy import Policy
from tests.booked import appointment, change, counselor, opens, row
from tests.rows import everything
from tests.workers.office import ZONE, Office
from tests.world import World
from workers import appointments
from workers.delivery import drain
from workers.queue import Doorbell
from workers.schedule import duties, next_moment
from workers.ticker import tick

NOWHERE = "unix:///nowhere/at/all"
TUESDAY = datetime(2026, 11, 17, 15, tzinfo=ZONE)
"""In two days, seen from the world's Sunday evening."""

REMINDERS = {PushKind.BOOKING_TOMORROW, PushKind.BOOKING_SOON, PushKind.BOOKING_AFTER}
THEIRS = REMINDERS | {PushKind.MORNING_LIST, PushKind.NO_OPEN_SLOT}


def at(hour: int, minute: int = 0, *, day: int = 17) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=ZONE)


def walked(world: World, moment: datetime) -> list[PushKind]:
    """Let it be that moment, and what is due be done; returns the kinds that this planned."""
    before = {it.id for it in world.pushes()}
    clock.move_to(moment)
    appointments.take_steps(world.policy.booking, now=world.now)
    return [it.kind for it in world.pushes() if it.id not in before]


def told(world: World, *kinds: PushKind) -> list[Push]:
    return [it for it in world.pushes() if it.kind in (kinds or THEIRS)]


def data(it: Push) -> dict[str, object]:
    return dict(json.loads(it.data))


def next_of(policy: Policy, now: datetime) -> datetime | None:
    with db.unit_of_work(write=False) as session:
        return next_moment(session, policy, now)


# ── steps ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_appointment_is_reminded_of_twice_asked_after_and_closed_each_in_its_moment(world: World) -> None:
    id_ = appointment(world, counselor(world), TUESDAY)

    assert walked(world, at(19, 59, day=16)) == []
    assert walked(world, at(20, day=16)) == [PushKind.BOOKING_TOMORROW]
    assert walked(world, at(12, 59)) == []
    assert walked(world, at(13)) == [PushKind.BOOKING_SOON]
    assert walked(world, at(16, 19)) == []
    assert walked(world, at(16, 20)) == [PushKind.BOOKING_AFTER]
    assert walked(world, at(15, 49, day=19)) == []
    assert row(id_).state is AppointmentState.BOOKED
    assert walked(world, at(15, 50, day=19)) == []

    it = row(id_)
    assert (it.state, it.step, it.next_at, it.closed_by) == (AppointmentState.DONE, None, None, Side.SYSTEM)
    assert it.closed_at == it.ends_at
    assert world.facts(Fact.APPOINTMENT_ENDED) == [Fact.APPOINTMENT_ENDED]
    assert {push.person_id for push in told(world)} == {world.people["student"]}


def test_a_step_is_taken_once_however_often_anybody_looks(world: World) -> None:
    id_ = appointment(world, counselor(world), TUESDAY)
    walked(world, at(20, day=16))
    rows = everything()

    assert walked(world, at(20, day=16)) == []
    assert everything() == rows
    change(id_, step=Step.DAY_BEFORE, next_at=at(20, day=16))  # as if another process had looked before
    assert walked(world, at(20, day=16)) == []
    assert len(told(world)) == 1


def test_what_a_reminder_holds_is_the_time_and_nothing_else(world: World) -> None:
    id_ = appointment(world, counselor(world), TUESDAY)
    walked(world, at(20, day=16))
    walked(world, at(13))

    tomorrow, soon = told(world)
    assert data(tomorrow) == {
        "appointment": id_, "version": 1, "when": "15:00", "until_at": "2026-11-16T16:00:00+00:00",
    }  # fmt: skip
    assert data(soon) == {"appointment": id_, "version": 1, "when": "15:00"}
    assert tomorrow.expires_at == soon.expires_at == TUESDAY
    assert tomorrow.fact == f"appointment:{id_}@1"


@pytest.mark.parametrize(
    ("came_back", "says"),
    [
        (at(23, 59, day=16), [PushKind.BOOKING_TOMORROW]),
        (at(0), []),  # 「明天」 is today, and two hours before it there is another one
        (at(12, 59), []),
        (at(14, 49), [PushKind.BOOKING_SOON]),
        (at(14, 50), []),  # on their way
        (at(15, 10), []),
        (at(16, 30), [PushKind.BOOKING_AFTER]),
        (at(9, day=19), [PushKind.BOOKING_AFTER]),
        (at(15, 50, day=19), []),
        (at(12, day=30), []),
    ],
)
def test_a_scheduler_that_was_down_says_late_what_is_still_of_use_and_only_the_last_of_it(
    world: World, came_back: datetime, says: list[PushKind]
) -> None:
    appointment(world, counselor(world), TUESDAY)

    assert walked(world, came_back) == says
    assert walked(world, came_back) == []


def test_after_a_late_step_the_next_comes_in_its_own_moment(world: World) -> None:
    id_ = appointment(world, counselor(world), TUESDAY)
    walked(world, at(2))

    assert (row(id_).step, row(id_).next_at) == (Step.SOON, at(13))


def test_two_reminders_that_fall_together_are_one(world: World) -> None:
    policy = replace(world.policy.booking, remind_before=timedelta(hours=24))
    appointment(world, counselor(world), TUESDAY)
    clock.move_to(at(20, day=16))

    appointments.take_steps(policy, now=world.now)

    assert [it.kind for it in told(world)] == [PushKind.BOOKING_SOON]


def test_a_room_by_itself_is_not_asked_after(world: World) -> None:
    id_ = appointment(world, counselor(world), TUESDAY)
    change(id_, counselor_id=None, room_id=a_room(world))

    assert walked(world, at(20, day=16)) == [PushKind.BOOKING_TOMORROW]
    assert walked(world, at(13)) == [PushKind.BOOKING_SOON]
    assert walked(world, at(16, 20)) == []
    walked(world, at(16, day=19))
    assert row(id_).state is AppointmentState.DONE


def a_room(world: World) -> int:
    with db.unit_of_work() as session:
        it = Room(name="放松室", unit_id=world.units["测试学院"], use=RoomUse.RELAX, alone=True)
        session.add(it)
        session.flush()
        return it.id or 0


@pytest.mark.parametrize("state", sorted(set(AppointmentState) - {AppointmentState.BOOKED}))
def test_nothing_is_ever_said_of_what_is_no_appointment(world: World, state: AppointmentState) -> None:
    id_ = appointment(world, counselor(world), TUESDAY)
    change(id_, state=state)  # and its step was forgotten

    assert walked(world, at(20, day=16)) == []
    assert row(id_).next_at is None
    assert row(id_).state is state


def test_what_was_cancelled_has_nothing_due(world: World) -> None:
    id_ = appointment(world, counselor(world), TUESDAY)
    with db.unit_of_work() as session:
        by = By(world.people["student"], Side.STUDENT)
        acting.cancel(session, by, id_, policy=world.policy.booking, now=world.now)

    assert walked(world, at(12, day=30)) == []
    assert row(id_).state is AppointmentState.CANCELLED


def test_what_ended_early_or_was_told_of_is_asked_after_no_more_than_it_needs(world: World) -> None:
    id_ = appointment(world, counselor(world), TUESDAY)
    walked(world, at(15, 30))
    change(id_, face=True, closed_at=at(15, 30), closed_by=Side.COUNSELOR)

    assert walked(world, at(16, 20)) == []
    walked(world, at(16, day=19))
    assert (row(id_).closed_at, row(id_).closed_by) == (at(15, 30), Side.COUNSELOR)


def test_many_at_one_moment_are_all_taken(world: World) -> None:
    for at_ in range(2 * appointments.BATCH + 3):
        appointment(world, counselor_of(world, at_), TUESDAY, who="student" if at_ == 0 else f"student-{at_}")

    walked(world, at(20, day=16))

    assert len(told(world, PushKind.BOOKING_TOMORROW)) == 2 * appointments.BATCH + 3


def counselor_of(world: World, number: int) -> int:
    """A counselor and a student of their own for each of many."""
    with db.unit_of_work() as session:
        for who, kind in ((f"student-{number}", Kind.STUDENT), (f"counselor-{number}", Kind.STAFF)):
            it = Person(number=f"{who}", name="某", kind=kind)
            session.add(it)
            session.flush()
            world.people[who] = it.id or 0
    return counselor(world, f"counselor-{number}")


def test_two_schedulers_take_each_row_once(world: World) -> None:
    ids = [appointment(world, counselor_of(world, n), TUESDAY, who=f"student-{n}") for n in range(30)]
    clock.move_to(at(20, day=16))
    threads = [
        threading.Thread(target=appointments.take_steps, args=(world.policy.booking,), kwargs={"now": world.now})
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(told(world, PushKind.BOOKING_TOMORROW)) == 30
    assert {row(id_).step for id_ in ids} == {Step.SOON}


# ── sending ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def ends(office: Office, push: Push) -> tuple[PushState, str | None]:
    drain()
    it = office.row(push.id or 0)
    return it.state, it.reason


@pytest.mark.parametrize(
    "meanwhile",
    [
        {"state": AppointmentState.CANCELLED},
        {"state": AppointmentState.MISSED},
        {"version": 2},
        {"state": AppointmentState.PENDING},
    ],
    ids=str,
)
def test_a_reminder_dies_with_its_appointment(office: Office, meanwhile: dict[str, object]) -> None:
    office.bind("student", Channel.OFFICIAL_ACCOUNT, window=True)
    id_ = appointment(office.world, counselor(office.world), TUESDAY)
    walked(office.world, at(20, day=16))
    change(id_, **meanwhile)

    (push,) = told(office.world)
    assert ends(office, push) == (PushState.SUPPRESSED, Reason.OVERTAKEN)
    assert office.arrived() == []


def test_tomorrow_is_said_only_while_it_is(office: Office) -> None:
    office.bind("student", Channel.WECOM)
    appointment(office.world, counselor(office.world), TUESDAY)
    walked(office.world, at(20, day=16))
    clock.move_to(at(0))

    (push,) = told(office.world)
    assert ends(office, push) == (PushState.SUPPRESSED, Reason.OVERTAKEN)


def test_nobody_is_asked_how_it_was_when_it_was_not(office: Office) -> None:
    office.bind("student", Channel.WECOM)
    id_ = appointment(office.world, counselor(office.world), TUESDAY)
    walked(office.world, at(16, 20))
    change(id_, state=AppointmentState.MISSED)

    (push,) = told(office.world)
    assert ends(office, push) == (PushState.SUPPRESSED, Reason.OVERTAKEN)


@pytest.mark.parametrize(
    ("starts_at", "state"),
    [(TUESDAY, PushState.QUEUED), (at(7, 30, day=16), PushState.QUEUED), (at(6, day=16), PushState.ACCEPTED)],
)
def test_a_counselor_sleeps_unless_the_morning_is_too_late(
    office: Office, starts_at: datetime, state: PushState
) -> None:
    office.bind("teacher", Channel.WECOM)
    clock.move_to(at(23, day=15))
    id_ = appointment(office.world, counselor(office.world), starts_at)
    lasts = starts_at - office.world.now
    push_id = office.plan("teacher", PushKind.BOOKING_NEW, lasts=lasts, appointment=id_, version=1)

    drain()
    assert office.row(push_id).state is state
    clock.move_to(at(7, 6, day=16))
    drain()
    assert office.row(push_id).state is PushState.ACCEPTED


def test_a_student_is_reminded_at_whatever_hour_it_is_due(office: Office) -> None:
    office.bind("student", Channel.WECOM)
    appointment(office.world, counselor(office.world), at(8))
    walked(office.world, at(6))

    drain()
    assert len(office.arrived()) == 1


def test_nobody_above_hears_of_a_student_whom_no_reminder_reaches(office: Office) -> None:
    office.bind("advisor", Channel.WECOM)
    appointment(office.world, counselor(office.world), TUESDAY)
    walked(office.world, at(20, day=16))
    drain()

    assert [it.kind for it in office.world.pushes()] == [PushKind.BOOKING_TOMORROW]


# ── mornings ────────────────────────────────────────────────────────────────────────────────────────────────────────


def morning(world: World, moment: datetime) -> int:
    clock.move_to(moment)
    return appointments.Mornings().tell(world.policy.booking, now=world.now)


def test_each_counselor_hears_in_the_morning_how_many_will_come(world: World) -> None:
    one, other = counselor(world), counselor(world, "head")
    for hour, who in ((9, "student"), (15, "twin"), (17, "second")):
        appointment(world, one, at(hour), who=who)
    appointment(world, other, at(15, day=18), who="neighbour")
    appointment(world, other, at(9), who="committee", state=AppointmentState.PENDING)

    assert morning(world, at(7, 59)) == 0
    assert morning(world, at(8)) == 1
    assert morning(world, at(8)) == 0

    (it,) = told(world, PushKind.MORNING_LIST)
    assert (it.person_id, data(it)["count"]) == (world.people["teacher"], 3)
    assert it.expires_at == at(17)
    assert morning(world, at(8, day=18)) == 1


@pytest.mark.parametrize(("moment", "count"), [(at(9, 30), 1), (at(11, 59), 1), (at(12), None), (at(18), None)])
def test_late_it_counts_who_is_still_to_come_and_in_the_afternoon_it_is_no_morning(
    world: World, moment: datetime, count: int | None
) -> None:
    one = counselor(world)
    appointment(world, one, at(9))
    appointment(world, one, at(15), who="twin")

    morning(world, moment)

    assert [data(it)["count"] for it in told(world, PushKind.MORNING_LIST)] == ([] if count is None else [count])


def test_a_morning_whose_only_one_is_off_is_not_told(office: Office) -> None:
    office.bind("teacher", Channel.WECOM)
    id_ = appointment(office.world, counselor(office.world), at(15))
    morning(office.world, at(8))
    change(id_, state=AppointmentState.CANCELLED)

    (push,) = told(office.world)
    assert ends(office, push) == (PushState.SUPPRESSED, Reason.OVERTAKEN)


# ── bare days ───────────────────────────────────────────────────────────────────────────────────────────────────────


def bare(world: World, moment: datetime) -> list[str]:
    """The days of which the centre hears anew."""
    before = len(told(world, PushKind.NO_OPEN_SLOT))
    clock.move_to(moment)
    appointments.tell_bare_days(world.policy.booking, now=world.now)
    return [str(data(it)["on"]) for it in told(world, PushKind.NO_OPEN_SLOT)[before:]]


def differs(
    world: World, since: datetime, until: datetime, *, counselor_id: int, kind: ChangeKind = ChangeKind.LEAVE
) -> None:
    with db.unit_of_work() as session:
        session.add(
            OpeningChange(kind=kind, starts_at=since, ends_at=until, made_at=world.now, counselor_id=counselor_id)
        )


def test_a_coming_working_day_without_hours_is_told_to_the_centre_once_a_day(world: World) -> None:
    opens(counselor(world), 0, 1, 2, 4)  # not on Thursdays

    assert bare(world, at(8, day=16)) == []  # of Tuesday and Wednesday
    assert bare(world, at(7, 59, day=17)) == []
    assert bare(world, at(8, day=17)) == ["2026-11-19"]
    assert bare(world, at(9, day=17)) == []
    assert bare(world, at(8, day=18)) == ["2026-11-19"]
    assert bare(world, at(8, day=19)) == []
    assert {it.person_id for it in told(world)} == {world.people["duty"]}


def test_weekends_holidays_and_days_outside_term_are_not_bare(world: World) -> None:
    opens(counselor(world), 0, 1, 2, 3, 4)
    assert [bare(world, at(8, day=day)) for day in range(16, 31)] == [[]] * 15

    clock.move_to(datetime(2027, 1, 17, 9, tzinfo=ZONE))  # the last day of term
    assert appointments.tell_bare_days(world.policy.booking, now=world.now) == 0


def test_a_school_that_offers_nothing_at_all_is_not_told_so_every_day(world: World) -> None:
    assert bare(world, at(8)) == []
    counselor(world)
    assert bare(world, at(9)) == []


def test_leave_makes_a_day_bare_and_extra_hours_mend_it(world: World) -> None:
    one = counselor(world)
    opens(one, 0, 1, 2, 3, 4)
    differs(world, at(14, day=18), at(16, 20, day=18), counselor_id=one)  # forty minutes are left: no session
    assert bare(world, at(8)) == ["2026-11-18"]

    differs(world, at(9, day=18), at(10, day=18), counselor_id=one, kind=ChangeKind.EXTRA)
    assert bare(world, at(8, day=17) + timedelta(hours=1)) == []


def test_a_full_day_is_open_and_not_bare(world: World) -> None:
    one = counselor(world)
    opens(one, 0, 1, 2, 3, 4, hours=(14, 15))
    appointment(world, one, at(14, day=18))

    assert bare(world, at(8)) == []


def test_a_counselor_whose_term_is_over_or_who_has_left_opens_nothing(world: World) -> None:
    one = counselor(world, term_ends=at(0, day=17).date())
    opens(one, 0, 1, 2, 3, 4)
    assert bare(world, at(8)) == ["2026-11-18", "2026-11-19"]

    with db.unit_of_work() as session:
        session.get_one(Counselor, one).ended_at = world.now
    assert bare(world, at(8, day=18)) == []


def test_a_day_that_was_opened_meanwhile_is_not_told(office: Office) -> None:
    office.bind("duty", Channel.WECOM)
    one = counselor(office.world)
    opens(one, 0, 1, 2, 4)
    bare(office.world, at(8))
    opens(one, 3)

    (push,) = told(office.world)
    assert ends(office, push) == (PushState.SUPPRESSED, Reason.OVERTAKEN)


def test_a_day_that_is_still_bare_is_told(office: Office) -> None:
    address = office.bind("duty", Channel.WECOM)
    opens(counselor(office.world), 0, 1, 2, 4)
    bare(office.world, at(8))
    drain()

    (arrived,) = office.arrived(address)
    assert "11月19日 周四还没有一个能约的时间" in arrived["text"]


# ── what passed ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_nobody_answered_ends_by_itself(world: World) -> None:
    one = counselor(world)
    soon = world.now + timedelta(minutes=5)
    held = appointment(world, one, at(9), state=AppointmentState.HELD, until=soon)
    booked = appointment(world, one, at(15))
    until = world.now + timedelta(hours=24)
    proposed = appointment(
        world, one, at(16, day=18), state=AppointmentState.PROPOSED, until=until, serves_id=booked, proposal_id=1
    )
    with db.unit_of_work() as session:
        session.add(Proposal(id=1, appointment_id=booked, version=1, made_at=world.now, until=until))
    assert next_of(world.policy, world.now) == soon

    world.forward(minutes=5)
    assert appointments.end_what_passed(world.policy.booking, now=world.now) == 1
    world.forward(hours=24)
    appointments.end_what_passed(world.policy.booking, now=world.now)

    with db.unit_of_work(write=False) as session:
        found = dict(session.execute(sa.text("SELECT id, state FROM appointment")).all())
        assert session.get_one(Proposal, 1).state is ProposalState.LAPSED
    assert found == {booked: "booked", proposed: "lapsed"}
    assert held not in found
    assert [it.person_id for it in told(world, PushKind.PROPOSAL_UNANSWERED)] == [world.people["duty"]]


def test_a_proposal_without_a_time_of_its_own_ends_too(world: World) -> None:
    booked = appointment(world, counselor(world), at(15))
    with db.unit_of_work() as session:
        until = world.now + timedelta(hours=1)
        session.add(Proposal(appointment_id=booked, version=1, made_at=world.now, until=until))

    world.forward(hours=1)
    assert appointments.end_what_passed(world.policy.booking, now=world.now) == 1


# ── in the list of what recurs ──────────────────────────────────────────────────────────────────────────────────────


def to_the_minute(moment: datetime) -> datetime:
    return moment.astimezone(ZONE).replace(second=0, microsecond=0)


def moments(world: World, *, until: datetime) -> Sequence[datetime]:
    """From due moment to due moment, as the sandbox goes."""
    every = duties(world.policy, Doorbell(NOWHERE))
    found: list[datetime] = []
    while (moment := next_of(world.policy, world.now)) is not None and moment < until:
        clock.move_to(moment if moment > world.now else world.now + timedelta(seconds=1))
        found.append(to_the_minute(world.now))
        tick(every, world.now)
        with db.unit_of_work() as session:
            session.execute(sa.update(Push).values(state=PushState.ACCEPTED))
    return found


def test_going_from_due_moment_to_due_moment_every_step_comes_in_its_own(world: World) -> None:
    id_ = appointment(world, counselor(world), TUESDAY)

    visited = moments(world, until=at(16, day=19))

    assert {at(20, day=16), at(8), at(13), at(16, 20), at(15, 50, day=19)} <= set(visited)
    due = {it.kind: to_the_minute(it.due_at) for it in told(world)}
    assert due == {
        PushKind.BOOKING_TOMORROW: at(20, day=16),
        PushKind.MORNING_LIST: at(8),
        PushKind.BOOKING_SOON: at(13),
        PushKind.BOOKING_AFTER: at(16, 20),
    }
    assert row(id_).state is AppointmentState.DONE


def test_a_look_at_what_is_due_goes_by_its_index(world: World, database: db.Database) -> None:
    explain = "EXPLAIN QUERY PLAN " if database.is_sqlite else "EXPLAIN "
    sql = "SELECT next_at FROM appointment WHERE next_at IS NOT NULL ORDER BY next_at LIMIT 1"
    with db.unit_of_work(write=False) as session:
        if not database.is_sqlite:
            session.execute(sa.text("SET LOCAL enable_seqscan = off"))
        plan = "\n".join(str(line[-1]) for line in db.driver(session).execute(explain + sql).fetchall())
        assert walking.next_step(session) is None
    assert "appointment_next" in plan
