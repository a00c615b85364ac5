"""A counselor's change is a proposal: nothing moves without the student's answer. Rules: domain K-35, L-35."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import pytest

from models import db
from models.audit import Fact
from models.booking.acting import cancel, move
from models.booking.alternatives import could_propose, nearest
from models.booking.proposing import accept, decline, lapse_proposals, open_proposal, propose
from models.booking.slots import Slot
from models.booking.table import Appointment, AppointmentState, Proposal, ProposalState, Side
from models.booking.taking import By, hold
from models.errors import NotFoundError, TimeTakenError, WrongStateError
from models.outbox import PushKind
from tests.appointments import appointment, book_at, local
from tests.stories.cast import told
from tests.supply import JIANG, SHEN, Supply, make_supply
from tests.world import World

NINE = local("2026-11-19 09:00")  # a Thursday


@pytest.fixture
def supply(world: World) -> Supply:
    return make_supply(world)


@pytest.fixture
def booked(world: World, supply: Supply) -> int:
    return book_at(world, "student", supply.shen, NINE)


def counselor(world: World) -> By:
    return By(world.people[SHEN], Side.COUNSELOR)


def student(world: World, who: str = "student") -> By:
    return By(world.people[who], Side.STUDENT)


def slots_of(world: World, id_: int, *times: datetime) -> list[Slot]:
    """The own times that start then."""
    with db.unit_of_work() as session:
        it = session.get_one(Appointment, id_)
        found = could_propose(session, it, policy=world.policy.booking, now=world.now)
        return [slot for slot in found if slot.counselor_id == it.counselor_id and slot.starts_at in times]


def proposed(world: World, id_: int, *times: datetime, by: By | None = None) -> int:
    slots = slots_of(world, id_, *(times or (local("2026-11-19 10:00"), local("2026-11-20 09:00"))))
    with db.unit_of_work() as session:
        made = propose(session, by or counselor(world), id_, slots, policy=world.policy.booking, now=world.now)
        return made.id or 0


def asked(world: World, who: str = "student") -> Sequence[tuple[int, datetime]]:
    with db.unit_of_work() as session:
        it = open_proposal(session, world.people[who], now=world.now)
        return [(time.id, time.starts_at) for time in it.times] if it else []


def answer(world: World, verb: Callable[..., object], *args: object, by: By | None = None, **more: object) -> None:
    with db.unit_of_work() as session:
        verb(session, by or student(world), *args, policy=world.policy.booking, now=world.now, **more)


def states(world: World) -> list[AppointmentState]:
    return [it.state for it in world.rows(Appointment)]


def test_a_proposal_moves_nothing_and_keeps_its_times(world: World, supply: Supply, booked: int) -> None:
    proposed(world, booked)

    assert appointment(world, booked).starts_at == NINE
    assert states(world) == [AppointmentState.BOOKED, AppointmentState.PROPOSED, AppointmentState.PROPOSED]
    assert told(world, PushKind.PROPOSAL_MADE) == {"student"}
    assert world.facts(Fact.CHANGE_PROPOSED) == [Fact.CHANGE_PROPOSED]
    with pytest.raises(TimeTakenError):  # the times are the student's until then
        book_at(world, "officer", supply.shen, local("2026-11-20 09:00"))


def test_the_student_takes_one_and_the_others_are_free(world: World, supply: Supply, booked: int) -> None:
    id_ = proposed(world, booked)
    first, second = asked(world)

    answer(world, accept, id_, second[0])

    it = appointment(world, booked)
    assert (it.state, it.starts_at, it.version, it.moves) == (AppointmentState.BOOKED, second[1], 2, 0)
    assert world.rows(Proposal)[0].state is ProposalState.ACCEPTED
    assert not asked(world)
    book_at(world, "officer", supply.shen, first[1])
    book_at(world, "second", supply.shen, NINE)
    assert told(world, PushKind.PROPOSAL_ANSWERED) == {SHEN}
    assert not told(world, PushKind.BOOKING_MOVED)  # told once, not twice


def test_none_of_them_suits_and_nothing_moves(world: World, supply: Supply, booked: int) -> None:
    id_ = proposed(world, booked)

    answer(world, decline, id_, other=False)

    assert appointment(world, booked).starts_at == NINE
    assert not asked(world)
    book_at(world, "officer", supply.shen, local("2026-11-20 09:00"))
    assert told(world, PushKind.PROPOSAL_ANSWERED) == {SHEN}


def test_an_answer_counts_once(world: World, booked: int) -> None:
    id_ = proposed(world, booked)
    time = asked(world)[0][0]
    answer(world, accept, id_, time)

    with pytest.raises(WrongStateError):
        answer(world, accept, id_, time)
    with pytest.raises(WrongStateError):
        answer(world, decline, id_, other=True)

    assert appointment(world, booked).version == 2


def test_only_its_student_answers(world: World, booked: int) -> None:
    id_ = proposed(world, booked)
    time = asked(world)[0][0]

    for by in (student(world, "officer"), student(world, "committee")):
        with pytest.raises(NotFoundError):
            answer(world, accept, id_, time, by=by)
        with pytest.raises(NotFoundError):
            answer(world, decline, id_, by=by, other=True)
    assert not asked(world, "officer")


def test_a_time_of_another_proposal_is_not_taken(world: World, supply: Supply, booked: int) -> None:
    other = book_at(world, "officer", supply.shen, local("2026-11-18 09:00"))
    mine, theirs = proposed(world, booked), proposed(world, other, local("2026-11-18 11:00"))
    time = asked(world, "officer")[0][0]

    with pytest.raises(TimeTakenError):
        answer(world, accept, mine, time)

    assert theirs != mine
    assert appointment(world, other).starts_at == local("2026-11-18 09:00")


def test_a_new_proposal_takes_the_place_of_the_old_one(world: World, supply: Supply, booked: int) -> None:
    old = proposed(world, booked)
    time = asked(world)[0][0]

    proposed(world, booked, local("2026-11-20 14:00"))

    assert [start for _, start in asked(world)] == [local("2026-11-20 14:00")]
    with pytest.raises(WrongStateError):
        answer(world, accept, old, time)
    book_at(world, "officer", supply.shen, local("2026-11-20 09:00"))


def test_with_no_time_left_the_old_proposal_stands(world: World, supply: Supply, booked: int) -> None:
    proposed(world, booked)
    slots = slots_of(world, booked, local("2026-11-20 14:00"))
    book_at(world, "officer", supply.shen, local("2026-11-20 14:00"))

    with db.unit_of_work() as session, pytest.raises(TimeTakenError):
        propose(session, counselor(world), booked, slots, policy=world.policy.booking, now=world.now)

    assert len(asked(world)) == 2
    assert [it.state for it in world.rows(Proposal)] == [ProposalState.OPEN]


def test_moving_or_cancelling_withdraws_it(world: World, supply: Supply, booked: int) -> None:
    id_ = proposed(world, booked)
    with db.unit_of_work() as session:
        policy = world.policy.booking
        start = local("2026-11-20 15:00")
        who = world.people["student"]
        held = hold(session, student(world), who, start, appointment(world, booked).mode, policy=policy, now=world.now,
                    counselor_id=supply.shen, serves_id=booked)  # fmt: skip
        move(session, student(world), booked, held.id or 0, policy=policy, now=world.now)
    assert not asked(world)
    with pytest.raises(WrongStateError):
        answer(world, decline, id_, other=True)

    proposed(world, booked, local("2026-11-20 16:00"))
    answer(world, cancel, booked)

    assert not asked(world)
    assert {it.state for it in world.rows(Proposal)} == {ProposalState.WITHDRAWN}


def test_unanswered_it_is_the_centre_s_once(world: World, booked: int) -> None:
    proposed(world, booked)
    world.forward(hours=25)

    for _ in range(2):
        with db.unit_of_work() as session:
            lapse_proposals(session, policy=world.policy.booking, now=world.now)

    assert world.rows(Proposal)[0].state is ProposalState.LAPSED
    assert appointment(world, booked).state is AppointmentState.BOOKED
    assert [push.kind for push in world.pushes("duty")] == [PushKind.PROPOSAL_UNANSWERED]
    assert '"count": 1' in world.pushes("duty")[0].data


def test_several_unanswered_ones_are_one_push(world: World, supply: Supply, booked: int) -> None:
    other = book_at(world, "officer", supply.shen, local("2026-11-18 09:00"))
    proposed(world, booked)
    proposed(world, other, local("2026-11-18 11:00"))
    world.forward(hours=25)

    with db.unit_of_work() as session:
        assert lapse_proposals(session, policy=world.policy.booking, now=world.now) == 2

    assert ['"count": 2' in push.data for push in world.pushes("duty")] == [True]


def test_what_a_counselor_asked_for_is_not_counted_as_the_student_s_wish(
    world: World, supply: Supply, booked: int
) -> None:
    """Two days before, 「都不行，换一位」: the student may book with a colleague though the notice has passed."""
    world.forward(days=3)  # the evening before
    id_ = proposed(world, booked, local("2026-11-20 09:00"))
    answer(world, decline, id_, other=True)

    with db.unit_of_work() as session:
        policy, who = world.policy.booking, world.people["student"]
        held = hold(session, student(world), who, local("2026-11-19 15:00"), appointment(world, booked).mode, policy=policy,
                    now=world.now, counselor_id=supply.jiang, serves_id=booked)  # fmt: skip
        move(session, student(world), booked, held.id or 0, policy=policy, now=world.now)

    it = appointment(world, booked)
    assert (it.counselor_id, it.moves) == (supply.jiang, 0)


def test_a_late_cancellation_after_a_proposal_is_not_the_student_s(world: World, booked: int) -> None:
    world.forward(days=3)
    proposed(world, booked, local("2026-11-20 09:00"))

    answer(world, cancel, booked)

    assert appointment(world, booked).late_cancel is False


def test_a_colleague_may_be_proposed_and_hears_of_it_only_then(world: World, supply: Supply, booked: int) -> None:
    with db.unit_of_work() as session:
        it = session.get_one(Appointment, booked)
        slots = nearest(session, it, local("2026-11-23 00:00"), policy=world.policy.booking, now=world.now)
        propose(session, counselor(world), booked, slots, policy=world.policy.booking, now=world.now, for_leave=True)
        found = open_proposal(session, world.people["student"], now=world.now)
    assert found is not None
    assert found.for_leave
    assert {time.counselor for time in found.times} == {SHEN, JIANG}
    assert not told(world, PushKind.BOOKING_NEW) & {JIANG}
    theirs = next(time for time in found.times if time.colleague)

    answer(world, accept, found.id, theirs.id)

    it = appointment(world, booked)
    assert (it.counselor_id, it.starts_at) == (supply.jiang, theirs.starts_at)
    assert JIANG in told(world, PushKind.BOOKING_NEW)
    assert told(world, PushKind.PROPOSAL_ANSWERED) == {SHEN}
    assert not told(world, PushKind.BOOKING_GONE)


def test_nothing_is_proposed_of_what_is_over(world: World, booked: int) -> None:
    slots = slots_of(world, booked, local("2026-11-20 09:00"))
    world.forward(days=4)

    with db.unit_of_work() as session, pytest.raises(WrongStateError):
        propose(session, counselor(world), booked, slots, policy=world.policy.booking, now=world.now)


def test_the_answer_leaves_the_centre_time_to_ring_up(world: World, booked: int) -> None:
    world.forward(days=3)  # 13.5 hours before
    proposed(world, booked, local("2026-11-20 09:00"))
    assert world.rows(Proposal)[-1].until == NINE - timedelta(hours=2)

    world.forward(hours=12, minutes=30)  # one hour before
    proposed(world, booked, local("2026-11-20 10:00"))
    left = NINE - world.rows(Proposal)[-1].until
    assert timedelta(minutes=29) < left < timedelta(minutes=31)
