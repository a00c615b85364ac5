"""The waiting list: a freed time goes to the first in line whom it suits, for two hours; why others were passed over is kept."""

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from models import db
from models.audit import Fact
from models.booking import acting, waiting
from models.booking.choices import Mode
from models.booking.table import AppointmentState, CounselorTie, Haste, Opening, Waiter, WaiterEvent, WaiterState
from models.contact import Contact
from models.errors import NotFoundError, TimeTakenError, WrongStateError
from models.outbox import PushKind
from models.policy import Confirming, Ties
from models.seal import unseal_json
from tests.bookings import Bookings, at
from tests.world import World


@pytest.fixture
def book(world: World) -> Bookings:
    return Bookings(world)


@pytest.fixture
def full(book: Bookings) -> Bookings:
    """Nothing is free for two weeks: only then is waiting of use."""
    book.rules(horizon=timedelta(days=5), counselor_a_day=0, counselor_a_week=0)
    for day in range(16, 21):
        book.fill(day)
    for day in (17, 19):
        book.fill(day, counselor=book.supply.jiang)
    book.fill(18, counselor=book.supply.station)
    assert book.free() == []
    return book


def strangers(full: Bookings, day: int, hour: int) -> tuple[str, int]:
    """Who has 沈岚's time then, and the appointment's id."""
    who = f"stranger-{full.supply.shen}-{day}-{hour:02}00"
    [id_] = full.do(
        lambda session: list(
            session.execute(sa.text("SELECT id FROM appointment WHERE student_id = :id"), {"id": full.person(who)}).scalars()
        )
    )  # fmt: skip
    return who, id_


def frees(full: Bookings, day: int, hour: int) -> None:
    full.cancel(*strangers(full, day, hour))


def test_a_freed_time_goes_to_the_first_in_line(full: Bookings) -> None:
    full.join("student")
    full.join("twin")

    frees(full, 17, 9)

    offer = full.offer_to("student")
    assert offer is not None
    assert (offer.starts_at, offer.counselor_id, offer.state) == (at(17, 9), full.supply.shen, AppointmentState.OFFERED)
    assert offer.until == offer.made_at + timedelta(hours=2)
    assert full.offer_to("twin") is None
    assert full.events("student") == [WaiterEvent.OFFERED]
    assert full.events("twin") == []
    assert full.waits("student").state is WaiterState.OFFERED
    [push] = [push for push in full.world.pushes("student") if push.kind == PushKind.OFFER_MADE]
    assert push.expires_at == offer.until


def test_it_is_kept_for_them_from_the_moment_it_is_freed(full: Bookings) -> None:
    full.join("student")
    frees(full, 17, 9)

    with pytest.raises(TimeTakenError):
        full.hold("neighbour", at(17, 9))


def test_the_most_pressing_come_first_then_who_waits_longest(full: Bookings) -> None:
    full.join("student")
    full.join("twin", Haste.SOON)
    full.join("neighbour", Haste.SOON)

    for hour, first in ((9, "twin"), (10, "neighbour"), (11, "student")):
        frees(full, 17, hour)
        assert full.offer_to(first) is not None


def test_taking_it_books_it_and_ends_the_wait(full: Bookings) -> None:
    full.join("student", body={"topic": "sleep"})
    frees(full, 17, 9)

    booked = full.answer("student", take=True)

    assert booked is not None
    assert booked.certain
    it = full.row(booked.id)
    assert (it.state, it.until, it.first) == (AppointmentState.BOOKED, None, True)
    assert it.body is not None
    assert unseal_json(it.body, f"appointment.body:{it.id}") == {"topic": "sleep"}
    assert full.waits("student").state is WaiterState.TOOK
    assert full.events("student") == [WaiterEvent.OFFERED, WaiterEvent.TOOK]


def test_where_the_centre_confirms_a_taken_offer_waits_for_it(full: Bookings) -> None:
    full.rules(confirming=Confirming.BY_HAND)
    full.join("student")
    frees(full, 19, 9)

    booked = full.answer("student", take=True)

    assert booked is not None
    assert not booked.certain
    assert full.row(booked.id).state is AppointmentState.PENDING


def test_who_goes_on_waiting_keeps_their_place_and_the_next_is_asked(full: Bookings) -> None:
    full.join("student")
    full.join("twin")
    frees(full, 17, 9)

    assert full.answer("student", take=False) is None

    assert full.waits("student").state is WaiterState.WAITING
    assert full.offer_to("twin") is not None
    assert full.events("student") == [WaiterEvent.OFFERED, WaiterEvent.LET_GO, WaiterEvent.SKIPPED_ASKED]
    frees(full, 17, 10)
    offer = full.offer_to("student")
    assert offer is not None
    assert offer.starts_at == at(17, 10)


def test_a_declined_time_that_nobody_wants_is_free_for_all(full: Bookings) -> None:
    full.join("student")
    frees(full, 17, 9)

    full.answer("student", take=False)

    full.hold("neighbour", at(17, 9))


def test_an_offer_that_nobody_answers_goes_on_after_two_hours(full: Bookings) -> None:
    full.join("student")
    full.join("twin")
    frees(full, 17, 9)
    full.world.forward(hours=2)

    assert full.lapse() == 1

    assert full.offer_to("student") is None
    assert full.offer_to("twin") is not None
    assert full.events("student") == [WaiterEvent.OFFERED, WaiterEvent.LAPSED, WaiterEvent.SKIPPED_ASKED]
    assert full.waits("student").state is WaiterState.WAITING
    assert full.states("student") == [AppointmentState.LAPSED]
    assert [push.kind for push in full.world.pushes("student")] == [PushKind.OFFER_MADE, PushKind.OFFER_OVER]
    assert full.lapse() == 0


def test_who_walks_in_on_an_offer_that_has_passed_does_not_pass_the_next_in_line(full: Bookings) -> None:
    """No duty has run: the one who wants the time lets it go to whom it is due."""
    full.join("student")
    full.join("twin")
    frees(full, 17, 9)
    full.world.forward(hours=2)

    def comes_and_is_told() -> None:
        with db.unit_of_work() as session:  # a turn that says sorry, and is kept
            with pytest.raises(TimeTakenError):
                hold(session)
            session.flush()

    def hold(session: object) -> None:
        from models.booking.taking import hold as take

        take(
            session, full.by("neighbour"), full.person("neighbour"), at(17, 9), Mode.IN_PERSON,  # type: ignore[arg-type]
            counselor_id=full.supply.shen, **full.how,
        )  # fmt: skip

    comes_and_is_told()

    assert full.offer_to("twin") is not None
    assert full.waits("student").state is WaiterState.WAITING


@pytest.mark.parametrize("how", ["freed", "matched"])
def test_whose_offer_has_passed_is_in_line_again_before_the_next_time_is_given_away(full: Bookings, how: str) -> None:
    """No duty has run since: whoever gives a time away puts the line in order first."""
    full.join("student")
    full.join("twin")
    frees(full, 17, 9)
    full.world.forward(hours=2)

    if how == "freed":
        frees(full, 18, 9)
    else:
        with db.unit_of_work() as session:
            session.add(Opening(counselor_id=full.supply.jiang, weekday=2, starts=9 * 60, ends=10 * 60))
        full.match()  # puts the line in order
        full.match()

    offers = [full.offer_to(who) for who in ("student", "twin")]
    assert [it.starts_at for it in offers if it is not None] == [at(18, 9), at(17, 9)]
    assert full.events("student")[:2] == [WaiterEvent.OFFERED, WaiterEvent.LAPSED]


def test_an_answer_after_it_went_on_is_told_so(full: Bookings) -> None:
    full.join("student")
    frees(full, 17, 9)
    offer = full.offer_to("student")
    assert offer is not None
    full.world.forward(hours=3)
    full.lapse()

    from models.booking import answering

    for take in (True, False):
        with pytest.raises(WrongStateError):
            full.do(
                lambda session, take=take: answering.answer_offer(  # type: ignore[misc]
                    session, full.by("student"), offer.id or 0, take=take, **full.how
                )
            )
    with pytest.raises(NotFoundError):
        full.do(lambda session: answering.take_offer(session, full.by("twin"), offer.id or 0, **full.how))


@pytest.mark.parametrize(
    ("wish", "why"),
    [
        ({"mode": Mode.ONLINE}, WaiterEvent.SKIPPED_MODE),
        ({"counselor_id": 2}, WaiterEvent.SKIPPED_COUNSELOR),
    ],
)
def test_whoever_wishes_something_else_is_passed_over_and_it_is_kept_why(
    full: Bookings, wish: dict[str, Any], why: WaiterEvent
) -> None:
    full.join("student", **wish)
    full.join("twin")

    frees(full, 17, 9)

    assert full.events("student") == [why]
    assert full.offer_to("twin") is not None


def test_whoever_is_busy_or_has_enough_is_passed_over(full: Bookings) -> None:
    stranger, id_ = strangers(full, 17, 9)
    full.join("student")
    with db.unit_of_work() as session:  # a group in the same hour, as the centre put it in
        session.execute(
            sa.text(
                "INSERT INTO appointment (student_id, counselor_id, mode, state, starts_at, ends_at, busy_from, busy_to, first,"
                " version, moves, made_at, late_cancel, face) SELECT :student, :jiang, mode, 'pending', starts_at, ends_at,"
                " busy_from, busy_to, first, version, moves, made_at, late_cancel, face FROM appointment WHERE id = :id"
            ),
            {"student": full.person("student"), "jiang": full.supply.jiang, "id": id_},
        )

    full.cancel(stranger, id_)
    frees(full, 18, 9)

    assert full.events("student") == [WaiterEvent.SKIPPED_BUSY, WaiterEvent.SKIPPED_LIMIT]


def test_a_counselor_whom_they_know_otherwise_is_not_offered(full: Bookings) -> None:
    full.join("student")
    full.join("neighbour")
    with db.unit_of_work() as session:
        session.add(CounselorTie(counselor_id=full.supply.shen, unit_id=full.world.units["软件2301"]))

    for ties in (Ties.HIDE, Ties.WARN):
        full.rules(ties=ties)
        frees(full, 17, 9 if ties is Ties.HIDE else 10)

    assert full.events("student") == [WaiterEvent.SKIPPED_TIE] * 2


def test_whom_no_push_reaches_is_passed_over(full: Bookings) -> None:
    full.join("student")
    with db.unit_of_work() as session:
        session.execute(
            sa.update(Contact).where(Contact.person_id == full.person("student")).values(listening=False)  # type: ignore[arg-type]
        )

    frees(full, 17, 9)

    assert full.events("student") == [WaiterEvent.SKIPPED_UNREACHED]


def test_what_starts_too_soon_is_offered_to_nobody(full: Bookings) -> None:
    full.rules(notice=timedelta(0))
    full.join("student")
    full.world.forward(hours=12, minutes=45)  # Monday, 8:15

    frees(full, 16, 9)
    assert full.offer_to("student") is None

    frees(full, 16, 10)
    offer = full.offer_to("student")
    assert offer is not None
    assert offer.until == at(16, 9, 30)


def test_who_has_a_time_is_moved_to_an_earlier_one(full: Bookings) -> None:
    stranger, id_ = strangers(full, 19, 9)
    full.join(stranger, earlier_than_id=id_)
    full.join("student")
    frees(full, 20, 9)  # later than what they have
    assert full.events(stranger) == []
    assert full.offer_to("student") is not None
    full.answer("student", take=True)

    frees(full, 17, 9)
    booked = full.answer(stranger, take=True)

    assert booked is not None
    assert booked.id == id_
    it = full.row(id_)
    assert (it.starts_at, it.version, it.moves, it.state) == (at(17, 9), 2, 0, AppointmentState.BOOKED)
    assert full.waits(stranger).state is WaiterState.TOOK
    assert full.events(stranger) == [WaiterEvent.OFFERED, WaiterEvent.TOOK]
    full.hold("neighbour", at(19, 9))


def test_the_time_that_an_earlier_one_leaves_is_offered_on(full: Bookings) -> None:
    stranger, id_ = strangers(full, 19, 9)
    full.join(stranger, earlier_than_id=id_)
    frees(full, 17, 9)
    full.join("student")

    full.answer(stranger, take=True)

    offer = full.offer_to("student")
    assert offer is not None
    assert offer.starts_at == at(19, 9)


def test_a_later_time_is_no_earlier_one(full: Bookings) -> None:
    stranger, id_ = strangers(full, 18, 9)
    full.join(stranger, earlier_than_id=id_)

    frees(full, 18, 10)

    assert full.events(stranger) == [WaiterEvent.SKIPPED_LATER]


def test_whoever_cancels_waits_for_no_earlier_time(full: Bookings) -> None:
    stranger, id_ = strangers(full, 19, 9)
    full.join(stranger, earlier_than_id=id_)
    frees(full, 17, 9)
    assert full.offer_to(stranger) is not None
    full.join("student", counselor_id=full.supply.shen)

    full.cancel(stranger, id_)

    assert full.waits(stranger).state is WaiterState.LAPSED
    offer = full.offer_to("student")
    assert offer is not None
    assert offer.starts_at == at(17, 9)


def test_waiting_for_an_earlier_time_takes_an_own_one_that_is_to_come(full: Bookings) -> None:
    _, id_ = strangers(full, 19, 9)

    with pytest.raises(WrongStateError):
        full.join("student", earlier_than_id=id_)


def test_booking_by_oneself_ends_the_wait_and_passes_the_offer_on(full: Bookings) -> None:
    full.join("student")
    full.join("twin")
    frees(full, 17, 9)
    full.book("student", at(27, 9), by=full.staff)

    assert full.waits("student").state is WaiterState.LEFT
    assert full.offer_to("student") is None
    assert full.offer_to("twin") is not None


def test_leaving_passes_the_offer_on(full: Bookings) -> None:
    full.join("student")
    full.join("twin")
    frees(full, 17, 9)

    assert full.leave("student")
    assert not full.leave("student")

    assert full.waits("student").state is WaiterState.LEFT
    assert full.offer_to("twin") is not None
    assert full.world.facts(Fact.WAIT_LEFT) == [Fact.WAIT_LEFT]


def test_joining_again_keeps_the_place_and_changes_the_wish(full: Bookings) -> None:
    first = full.join("student")
    full.join("twin")

    again = full.join("student", mode=Mode.PHONE)

    assert first == again
    it = full.waits("student")
    assert (it.mode, it.rank) == (Mode.PHONE, 1)
    place = full.do(lambda session: waiting.place_of(session, full.person("student"), now=full.world.now))
    assert place is not None
    assert place.before == 0


def test_the_place_counts_who_may_want_the_same(full: Bookings) -> None:
    full.join("second", counselor_id=full.supply.jiang)
    full.join("neighbour", counselor_id=full.supply.shen)
    full.join("twin")
    full.join("committee", Haste.SOON)

    def before(who: str) -> int:
        place = full.do(lambda session: waiting.place_of(session, full.person(who), now=full.world.now))
        assert place is not None
        return place.before

    assert [before(who) for who in ("committee", "second", "neighbour", "twin")] == [0, 1, 1, 3]
    assert full.do(lambda session: waiting.place_of(session, full.person("student"), now=full.world.now)) is None


def test_the_days_follow_from_how_many_were_served_lately(full: Bookings) -> None:
    full.join("student")
    full.join("twin")
    served = [full.person(f"served-{number}") for number in range(14)]
    with db.unit_of_work() as session:
        for number, student in enumerate(served):
            session.add(
                Waiter(
                    student_id=student, haste=Haste.NORMAL, rank=1, since=full.world.now,
                    state=WaiterState.TOOK, ended_at=full.world.now - timedelta(days=number),
                )
            )  # fmt: skip

    place = full.do(lambda session: waiting.place_of(session, full.person("twin"), now=full.world.now))

    assert place is not None
    assert (place.before, place.days) == (1, 4)


def test_new_hours_are_offered_to_who_waits(full: Bookings) -> None:
    full.join("student", counselor_id=full.supply.jiang)
    full.join("twin")
    assert full.match() == 0
    with db.unit_of_work() as session:
        session.add(Opening(counselor_id=full.supply.jiang, weekday=4, starts=14 * 60, ends=16 * 60))

    assert full.match() == 2

    assert [it.starts_at for who in ("student", "twin") if (it := full.offer_to(who))] == [at(20, 14), at(20, 15)]
    assert full.match() == 0


def test_a_pass_asks_no_more_than_it_may_and_the_first_first(full: Bookings) -> None:
    for who in ("student", "twin", "neighbour"):
        full.join(who)
    with db.unit_of_work() as session:
        session.add(Opening(counselor_id=full.supply.jiang, weekday=4, starts=14 * 60, ends=17 * 60))

    assert full.match(most=1) == 1
    assert full.offer_to("student") is not None
    assert full.match(most=1) == 1
    assert full.offer_to("twin") is not None


def test_a_look_that_finds_nobody_writes_nothing(full: Bookings) -> None:
    full.join("student", mode=Mode.ONLINE)
    frees(full, 17, 9)
    before = full.events("student")

    for _ in range(3):
        assert full.match() == 0

    assert full.events("student") == before == [WaiterEvent.SKIPPED_MODE]


def test_what_comes_into_reach_is_offered(full: Bookings) -> None:
    full.join("student")
    assert full.match() == 0

    full.world.forward(days=3)  # Monday week is now within the horizon

    assert full.match() == 1
    offer = full.offer_to("student")
    assert offer is not None
    assert offer.starts_at == at(23, 9)


def test_a_declined_booking_is_offered_on(full: Bookings) -> None:
    full.rules(confirming=Confirming.BY_HAND)
    full.join("student")
    frees(full, 19, 9)
    full.answer("student", take=True)
    full.join("twin")
    [id_] = [it.id or 0 for it in full.world.rows(type(full.row(1))) if it.state is AppointmentState.PENDING]

    full.do(lambda session: acting.decline(session, full.staff, id_, **full.how))

    assert full.offer_to("twin") is not None


def test_a_moved_appointment_frees_its_time_for_who_waits(full: Bookings) -> None:
    stranger, id_ = strangers(full, 18, 9)
    frees(full, 20, 9)
    full.join("student", counselor_id=full.supply.shen)

    full.rules(most_a_week=0)
    with db.unit_of_work() as session:  # the student whom 20 November was offered to looks elsewhere
        session.execute(sa.text("UPDATE waiter SET state = 'waiting' WHERE state = 'offered'"))
    full.move(stranger, id_, at(20, 9))

    offer = full.offer_to("student")
    assert offer is not None
    assert offer.starts_at == at(18, 9)
