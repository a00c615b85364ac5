"""Leave over booked appointments, a station that sends somebody on, and hours on duty. Rules: issue 4.1; J-11; K-32, K-42."""

from datetime import datetime, timedelta

import pytest
from sqlmodel import select

from models import db
from models.audit import Fact
from models.booking.attending import arrived, ended_early, missed
from models.booking.hours import in_hours, worked
from models.booking.leaving import booked_and_coming, take_leave
from models.booking.proposing import open_proposal
from models.booking.referring import send_on
from models.booking.slots import free_slots
from models.booking.table import AppointmentState, Counselor, Proposal, ProposalState, Referral, Side
from models.booking.taking import By
from models.errors import RefusedError
from models.outbox import PushKind
from tests.appointments import appointment, book_at, local
from tests.stories.cast import told
from tests.supply import SHEN, STATION, Supply, make_supply
from tests.world import World

THURSDAY, FRIDAY = local("2026-11-19 00:00"), local("2026-11-20 00:00")


@pytest.fixture
def supply(world: World) -> Supply:
    return make_supply(world)


def leave(world: World, counselor_id: int, start: datetime, end: datetime) -> tuple[int, int]:
    with db.unit_of_work() as session:
        by = By(world.people[SHEN], Side.COUNSELOR)
        done = take_leave(session, by, counselor_id, start, end, policy=world.policy.booking, now=world.now)
        return done.asked, done.left


def test_each_booked_student_is_asked_and_nothing_moves(world: World, supply: Supply) -> None:
    inside = book_at(world, "student", supply.shen, local("2026-11-19 09:00"))
    other = book_at(world, "officer", supply.shen, local("2026-11-19 14:00"))
    book_at(world, "second", supply.shen, local("2026-11-20 09:00"))
    with db.unit_of_work() as session:
        assert booked_and_coming(session, supply.shen, THURSDAY, FRIDAY, now=world.now) == [inside, other]

    assert leave(world, supply.shen, THURSDAY, FRIDAY) == (2, 0)

    assert told(world, PushKind.PROPOSAL_MADE) == {"student", "officer"}
    assert not told(world, PushKind.PROPOSAL_UNANSWERED)
    assert {appointment(world, id_).state for id_ in (inside, other)} == {AppointmentState.BOOKED}
    with db.unit_of_work() as session:
        asked = open_proposal(session, world.people["student"], now=world.now)
    assert asked is not None
    own = [time for time in asked.times if not time.colleague]
    assert [time.starts_at for time in own] == [local("2026-11-20 10:00")]  # the first own time after it; 9 is taken
    assert [time.counselor_id for time in asked.times if time.colleague] == [supply.jiang] * (len(asked.times) - 1)
    assert world.facts(Fact.LEAVE_TAKEN) == [Fact.LEAVE_TAKEN]


def test_no_time_of_the_leave_is_on_offer(world: World, supply: Supply) -> None:
    leave(world, supply.shen, THURSDAY, FRIDAY)

    with db.unit_of_work() as session:
        found = free_slots(session, policy=world.policy.booking, now=world.now, counselor_id=supply.shen, last=FRIDAY)
    assert found
    assert all(slot.starts_at < THURSDAY for slot in found)


def test_with_nothing_to_propose_the_centre_is_told_at_once(world: World, supply: Supply) -> None:
    book_at(world, "student", supply.shen, local("2026-11-19 09:00"))
    with db.unit_of_work() as session:
        jiang = session.get_one(Counselor, supply.jiang)
        station = session.get_one(Counselor, supply.station)
        jiang.ended_at = station.ended_at = world.now

    assert leave(world, supply.shen, THURSDAY, local("2027-01-16 00:00")) == (0, 1)

    assert world.rows(Proposal)[0].state is ProposalState.LAPSED
    assert told(world, PushKind.PROPOSAL_UNANSWERED) == {"duty"}
    assert not told(world, PushKind.PROPOSAL_MADE)


def test_leave_that_is_over_is_refused(world: World, supply: Supply) -> None:
    with pytest.raises(RefusedError):
        leave(world, supply.shen, local("2026-11-10 00:00"), local("2026-11-11 00:00"))


def test_what_has_begun_is_not_asked_about(world: World, supply: Supply) -> None:
    id_ = book_at(world, "student", supply.shen, local("2026-11-16 09:00"))
    world.forward(hours=13, minutes=45)  # 9:15 on Monday

    assert leave(world, supply.shen, world.now, FRIDAY) == (0, 0)
    assert appointment(world, id_).state is AppointmentState.BOOKED


# ── a station sends on ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_station_sends_on_and_the_thread_goes_along(world: World, supply: Supply) -> None:
    id_ = book_at(world, "student", supply.station, local("2026-11-18 14:00"))
    world.forward(days=3)
    by = By(world.people[STATION], Side.COUNSELOR)
    with db.unit_of_work() as session:
        arrived(session, by, id_, policy=world.policy.booking, now=world.now)
        send_on(session, by, id_, policy=world.policy.booking, now=world.now)
        send_on(session, by, id_, policy=world.policy.booking, now=world.now)

    assert len(world.rows(Referral)) == 1
    assert told(world, PushKind.SENT_ON) == {"student"}
    with db.unit_of_work() as session:
        session.get_one(type(appointment(world, id_)), id_).state = AppointmentState.DONE
    world.forward(days=7)
    later = book_at(world, "student", supply.shen, local("2026-11-26 09:00"))
    assert appointment(world, later).thread == appointment(world, id_).thread
    assert world.rows(Referral)[0].taken_at is not None


def test_what_is_still_to_come_is_freed(world: World, supply: Supply) -> None:
    id_ = book_at(world, "student", supply.station, local("2026-11-18 14:00"))

    with db.unit_of_work() as session:
        by = By(world.people[STATION], Side.COUNSELOR)
        send_on(session, by, id_, policy=world.policy.booking, now=world.now)

    assert appointment(world, id_).state is AppointmentState.CANCELLED
    assert told(world, PushKind.BOOKING_CALLED_OFF) == set()
    book_at(world, "student", supply.shen, local("2026-11-19 09:00"))


def test_the_centre_sends_nobody_on_to_itself(world: World, supply: Supply) -> None:
    id_ = book_at(world, "student", supply.shen, local("2026-11-18 14:00"))

    with db.unit_of_work() as session, pytest.raises(RefusedError):
        send_on(session, By(world.people[SHEN], Side.COUNSELOR), id_, policy=world.policy.booking, now=world.now)


# ── hours ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def hours(world: World, counselor_id: int) -> tuple[int, int, int, int]:
    with db.unit_of_work() as session:
        counselor = session.get_one(Counselor, counselor_id)
        it = worked(session, counselor, policy=world.policy.booking, now=world.now)
        return it.on_duty, it.sessions, it.counselled, it.missed


def test_open_hours_are_counted_day_by_day_and_leave_is_not(world: World, supply: Supply) -> None:
    """沈岚 is open 9–12 and 14–17 on weekdays; she began on Sunday evening."""
    world.forward(days=5)  # Friday 19:30
    assert hours(world, supply.shen)[0] == 5 * 6 * 60

    with db.unit_of_work() as session:
        session.info["planned"] = []
    leave(world, supply.shen, world.now + timedelta(hours=1), local("2026-11-23 12:00"))
    world.forward(days=3)  # Monday 19:30
    assert hours(world, supply.shen)[0] == 5 * 6 * 60 + 3 * 60
    assert in_hours(45 * 3) == 3.0


def test_sessions_count_as_long_as_they_were(world: World, supply: Supply) -> None:
    early = book_at(world, "student", supply.shen, local("2026-11-16 09:00"))
    late = book_at(world, "officer", supply.shen, local("2026-11-16 10:00"))
    gone = book_at(world, "second", supply.shen, local("2026-11-16 11:00"))
    world.forward(hours=17)
    by, policy = By(world.people[SHEN], Side.COUNSELOR), world.policy.booking
    with db.unit_of_work() as session:
        arrived(session, by, early, policy=policy, now=world.now)
        ended_early(session, by, early, 30, now=world.now)
        arrived(session, by, late, policy=policy, now=world.now, late=10)
        missed(session, by, gone, policy=policy, now=world.now)

    assert hours(world, supply.shen) == (180, 2, 30 + 40, 1)


def test_a_fixed_number_of_rows_is_read_of_those_who_never_worked(world: World, supply: Supply) -> None:
    with db.unit_of_work() as session:
        assert session.exec(select(Counselor)).all()
    assert hours(world, supply.jiang) == (0, 0, 0, 0)
