"""Held, booked, confirmed, declined, moved, cancelled: what each verb keeps, frees, counts and tells."""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from models import db
from models.audit import Fact
from models.booking import acting, proposing, tasks
from models.booking.alternatives import could_propose
from models.booking.choices import Mode
from models.booking.table import Appointment, AppointmentState, Counselor, Opening, Room, RoomUse, Side, Step
from models.booking.taking import By
from models.errors import RefusedError, TimeTakenError, TooLateError, WrongStateError
from models.outbox import PushKind
from models.policy import Confirming
from models.seal import unseal_json
from tests.bookings import Bookings, at
from tests.supply import SHEN
from tests.world import World


@pytest.fixture
def book(world: World) -> Bookings:
    return Bookings(world)


def kinds(book: Bookings) -> Counter[str]:
    return Counter(push.kind for push in book.world.pushes())


def test_a_hold_keeps_a_time_for_five_minutes(book: Bookings) -> None:
    held = book.row(book.hold("student", at(17, 9)))

    assert held.state is AppointmentState.HELD
    assert held.until is not None
    assert held.until - held.made_at == timedelta(minutes=5)
    with pytest.raises(TimeTakenError):
        book.hold("twin", at(17, 9))


def test_a_hold_that_has_passed_stands_in_nobodys_way(book: Bookings) -> None:
    first = book.hold("student", at(17, 9))
    book.world.forward(minutes=5, seconds=1)

    second = book.hold("twin", at(17, 9))

    assert book.world.rows(Appointment, Appointment.id == first) == []
    assert book.row(second).student_id == book.person("twin")


def test_a_hold_that_has_passed_counts_while_nobody_has_its_time(book: Bookings) -> None:
    held = book.hold("student", at(17, 9))
    book.world.forward(minutes=30)

    assert book.confirm_hold("student", held).certain


def test_one_hold_a_student(book: Bookings) -> None:
    first = book.hold("student", at(17, 9))

    book.hold("student", at(17, 10))

    assert book.world.rows(Appointment, Appointment.id == first) == []
    book.hold("twin", at(17, 9))


def test_holding_the_same_time_again_holds_it_anew(book: Bookings) -> None:
    first = book.row(book.hold("student", at(17, 9)))
    book.world.forward(minutes=4)

    again = book.row(book.hold("student", at(17, 9)))

    assert again.made_at - first.made_at >= timedelta(minutes=4)
    assert again.until == again.made_at + timedelta(minutes=5)


@pytest.mark.parametrize("when", [at(17, 9, 10), at(17, 12), at(14, 9), at(21, 9), at(15, 20)], ids=str)
def test_a_time_that_is_not_on_offer_cannot_be_held(book: Bookings, when: object) -> None:
    with pytest.raises(TimeTakenError):
        book.hold("student", when)  # type: ignore[arg-type]


def test_a_booking_is_certain_and_its_counselor_hears_of_it(book: Bookings) -> None:
    id_ = book.confirm_hold("student", book.hold("student", at(17, 9)), body={"topic": "sleep"}).id

    it = book.row(id_)
    assert (it.state, it.until, it.first, it.thread, it.version) == (AppointmentState.BOOKED, None, True, id_, 1)
    assert (it.step, it.next_at) == (Step.DAY_BEFORE, at(16, 20))
    assert it.body is not None
    assert unseal_json(it.body, f"appointment.body:{id_}") == {"topic": "sleep"}
    assert kinds(book) == {PushKind.BOOKING_NEW: 1}
    assert book.world.facts(Fact.APPOINTMENT_BOOKED) == [Fact.APPOINTMENT_BOOKED]


def test_booking_twice_is_told(book: Bookings) -> None:
    held = book.hold("student", at(17, 9))
    book.confirm_hold("student", held)

    with pytest.raises(WrongStateError):
        book.confirm_hold("student", held)


def test_what_is_not_there_any_more_cannot_be_booked(book: Bookings) -> None:
    """Its number is nobody else's since, on no engine."""
    held = book.hold("student", at(17, 9))
    book.hold("student", at(17, 10))

    with pytest.raises(TimeTakenError):
        book.confirm_hold("student", held)


def test_nobody_books_what_somebody_else_holds(book: Bookings) -> None:
    held = book.hold("student", at(17, 9))

    with pytest.raises(TimeTakenError):
        book.confirm_hold("twin", held)


def test_one_open_appointment_and_one_a_week(book: Bookings) -> None:
    book.book("student", at(17, 9))

    assert book.free("student") == []
    with pytest.raises(TimeTakenError):
        book.hold("student", at(24, 9))

    book.rules(most_open=2)
    with pytest.raises(TimeTakenError):
        book.hold("student", at(18, 9))
    book.book("student", at(24, 9))


def test_a_limit_reached_meanwhile_is_found_when_it_is_booked(book: Bookings) -> None:
    held = book.hold("student", at(17, 9))
    other = book.hold("twin", at(18, 9))
    with db.unit_of_work() as session:  # the centre gave them one by telephone
        it = session.get_one(Appointment, other)
        it.student_id, it.state, it.until = book.person("student"), AppointmentState.BOOKED, None
        session.add(it)

    with pytest.raises(RefusedError, match="has_one"):
        book.confirm_hold("student", held)


def test_staff_are_bound_by_no_limit(book: Bookings) -> None:
    book.book("student", at(17, 9))

    book.book("student", at(18, 9), by=book.staff)

    assert book.states("student") == [AppointmentState.BOOKED] * 2


def test_what_waits_for_the_centre_is_confirmed_once(book: Bookings) -> None:
    book.rules(confirming=Confirming.BY_HAND)
    id_ = book.book("student", at(17, 9))
    it = book.row(id_)
    assert (it.state, it.until, it.next_at) == (AppointmentState.PENDING, at(16, 12), None)
    assert kinds(book) == {PushKind.BOOKING_WAITS: 1}

    for _ in range(2):
        book.do(lambda session: acting.confirm(session, book.staff, id_, **book.how))

    it = book.row(id_)
    assert (it.state, it.until, it.step) == (AppointmentState.BOOKED, None, Step.DAY_BEFORE)
    assert kinds(book) == {PushKind.BOOKING_WAITS: 1, PushKind.BOOKING_CONFIRMED: 1, PushKind.BOOKING_NEW: 1}
    assert book.world.facts(Fact.APPOINTMENT_CONFIRMED) == [Fact.APPOINTMENT_CONFIRMED]


def test_what_the_centre_declines_is_free_again(book: Bookings) -> None:
    book.rules(confirming=Confirming.BY_HAND)
    id_ = book.book("student", at(17, 9))

    book.do(lambda session: acting.decline(session, book.staff, id_, **book.how))

    assert book.row(id_).state is AppointmentState.DECLINED
    assert firsts(book) == 0
    assert kinds(book)[PushKind.BOOKING_DECLINED] == 1
    book.hold("twin", at(17, 9))


def test_what_nobody_answered_is_asked_again_and_called_off_when_its_time_comes(book: Bookings) -> None:
    book.rules(confirming=Confirming.BY_HAND)
    id_ = book.book("student", at(18, 9))

    book.world.forward(days=1)
    assert book.lapse() == 1
    assert book.lapse() == 0
    it = book.row(id_)
    assert (it.state, it.until) == (AppointmentState.PENDING, at(17, 12))
    assert kinds(book)[PushKind.BOOKING_WAITS] == 2

    book.world.forward(days=3)
    book.lapse()
    assert book.row(id_).state is AppointmentState.DECLINED
    assert kinds(book)[PushKind.BOOKING_DECLINED] == 1
    assert firsts(book) == 0


def test_a_move_frees_the_old_time_and_keeps_the_appointment(book: Bookings) -> None:
    id_ = book.book("student", at(18, 9))

    book.move("student", id_, at(19, 14))

    it = book.row(id_)
    assert (it.state, it.starts_at, it.version, it.moves) == (AppointmentState.BOOKED, at(19, 14), 2, 1)
    assert it.next_at == at(18, 20)
    assert kinds(book) == {PushKind.BOOKING_NEW: 1, PushKind.BOOKING_MOVED: 1}
    assert len(book.world.rows(Appointment)) == 1
    book.hold("twin", at(18, 9))


def test_a_move_to_a_colleague_tells_both_and_takes_the_count_along(book: Bookings) -> None:
    id_ = book.book("student", at(18, 9))

    book.move("student", id_, at(19, 14), counselor=book.supply.jiang)

    assert kinds(book) == {PushKind.BOOKING_NEW: 2, PushKind.BOOKING_GONE: 1}
    assert (firsts(book), firsts(book, book.supply.jiang)) == (0, 1)


def test_moves_have_a_notice_and_a_cap(book: Bookings) -> None:
    id_ = book.book("student", at(17, 9))
    book.move("student", id_, at(18, 9))
    book.move("student", id_, at(19, 9))

    with pytest.raises(RefusedError, match="moved_enough"):
        book.move("student", id_, at(20, 9))

    book.rules(most_changes=9)
    book.world.forward(days=3)
    with pytest.raises(TooLateError) as caught:
        book.move("student", id_, at(20, 9))
    assert caught.value.values == {"hours": 24}
    assert book.row(id_).starts_at == at(19, 9)


def test_a_hold_moves_only_what_it_was_held_for(book: Bookings) -> None:
    id_ = book.book("student", at(17, 9))
    book.rules(most_open=2, most_a_week=0)
    held = book.hold("student", at(18, 9))

    with pytest.raises(TimeTakenError):
        book.do(lambda session: acting.move(session, book.by("student"), id_, held, **book.how))


def test_a_cancelled_time_is_free_and_tells_nothing_more(book: Bookings) -> None:
    id_ = book.book("student", at(17, 9))

    assert not book.cancel("student", id_, reason="有课")

    it = book.row(id_)
    assert (it.state, it.closed_by, it.late_cancel) == (AppointmentState.CANCELLED, Side.STUDENT, False)
    assert (it.step, it.next_at, it.until) == (None, None, None)
    assert kinds(book) == {PushKind.BOOKING_NEW: 1, PushKind.BOOKING_GONE: 1}
    with pytest.raises(WrongStateError):
        book.cancel("student", id_)
    book.hold("twin", at(17, 9))


def test_a_late_cancellation_is_kept_as_one(book: Bookings) -> None:
    id_ = book.book("student", at(16, 14))

    assert book.cancel("student", id_)
    assert book.row(id_).late_cancel


def test_the_past_cannot_be_cancelled_or_moved(book: Bookings) -> None:
    id_ = book.book("student", at(17, 9))
    book.world.forward(days=2)

    with pytest.raises(WrongStateError):
        book.cancel("student", id_)
    with pytest.raises(WrongStateError):
        book.move("student", id_, at(19, 9))


def test_nor_after_its_counselor_asked_for_another_time(book: Bookings) -> None:
    id_ = book.book("student", at(17, 9))
    by = By(book.world.people[SHEN], Side.COUNSELOR)
    slots = book.do(lambda session: could_propose(session, session.get_one(Appointment, id_), **book.how)[:1])
    asked = book.do(lambda session: proposing.propose(session, by, id_, slots, **book.how).id or 0)
    book.do(lambda session: proposing.decline(session, book.by("student"), asked, other=True, **book.how))
    book.world.forward(seconds=(at(17, 8, 58) - book.world.now).total_seconds())
    held = book.hold("student", at(18, 9), serves_id=id_)
    book.world.forward(minutes=3)

    with pytest.raises(WrongStateError):
        book.do(lambda session: acting.move(session, book.by("student"), id_, held, **book.how))

    assert book.row(id_).starts_at == at(17, 9)


def test_a_colleague_who_turns_out_not_to_be_free_is_counted_nowhere(book: Bookings) -> None:
    shen, jiang = book.supply.shen, book.supply.jiang
    id_ = book.book("student", at(17, 14))
    with db.unit_of_work() as session:  # they take longer, and the student has something else by then
        session.get_one(Counselor, jiang).session_minutes = 90
        room = Room(name="放松室", unit_id=book.world.units["测试学院"], use=RoomUse.RELAX, alone=True)
        session.add(room)
        session.flush()
        session.add(Opening(room_id=room.id, weekday=1, starts=15 * 60, ends=16 * 60))
        room_id = room.id or 0
    book.confirm_hold("student", book.hold("student", at(17, 15), room_id=room_id))

    with db.unit_of_work() as session, pytest.raises(TimeTakenError):
        tasks.assign(session, book.staff, id_, jiang, **book.how)

    assert {it.id: it.firsts for it in book.world.rows(Counselor)} == {shen: 1, jiang: 0, book.supply.station: 0}
    assert book.row(id_).counselor_id == shen


def test_the_student_hears_when_somebody_else_cancels(book: Bookings) -> None:
    id_ = book.book("student", at(17, 9))
    shen = By(book.world.people["沈岚"], Side.COUNSELOR)

    book.do(lambda session: acting.cancel(session, shen, id_, **book.how))

    assert kinds(book) == {PushKind.BOOKING_NEW: 1, PushKind.BOOKING_CALLED_OFF: 1}


def test_firsts_count_who_really_came_first(book: Bookings) -> None:
    """One that was called off is nobody's first; the next one is."""
    id_ = book.book("student", at(17, 9))
    assert firsts(book) == 1
    book.cancel("student", id_)
    assert firsts(book) == 0

    again = book.book("student", at(18, 9))
    assert firsts(book) == 1
    assert book.row(again).first
    assert book.row(again).thread == id_  # the same counselor: they go on where they were

    book.world.forward(days=8)
    assert not book.row(book.book("student", at(25, 9))).first
    assert firsts(book) == 1


def test_a_room_by_itself_counts_apart(book: Bookings) -> None:
    from models.booking.table import Opening, Room, RoomUse

    with db.unit_of_work() as session:
        room = Room(name="放松室", unit_id=book.world.units["测试学院"], use=RoomUse.RELAX, alone=True)
        session.add(room)
        session.flush()
        session.add(Opening(room_id=room.id, weekday=1, starts=9 * 60, ends=12 * 60))
        room_id = room.id
    book.book("student", at(17, 9))

    id_ = book.book("student", at(17, 10), room_id=room_id)

    it = book.row(id_)
    assert (it.counselor_id, it.room_id, it.state, it.first) == (None, room_id, AppointmentState.BOOKED, False)
    with pytest.raises(TimeTakenError):
        book.book("student", at(24, 9), room_id=room_id)


def test_a_phone_call_takes_no_room(book: Bookings) -> None:
    assert book.row(book.hold("student", at(17, 9))).room_id == book.supply.room
    assert book.row(book.hold("student", at(17, 9), mode=Mode.PHONE)).room_id is None


def test_of_many_at_once_one_gets_the_time(book: Bookings) -> None:
    students = [f"racer-{n}" for n in range(12)]
    for who in students:
        book.person(who)

    won = race(students, lambda who: book.book(who, at(17, 9)))

    assert len(won) == 1
    [it] = book.world.rows(Appointment)
    assert it.state is AppointmentState.BOOKED
    assert firsts(book) == 1


def test_one_students_many_taps_book_once(book: Bookings) -> None:
    taps = [at(17, 9), at(17, 10), at(18, 9), at(19, 14), at(20, 14)]

    won = race(taps, lambda when: book.book("student", when))

    assert len(won) == 1
    assert [it.state for it in book.world.rows(Appointment)].count(AppointmentState.BOOKED) == 1


def test_two_who_swap_their_times_do_not_wait_for_each_other(book: Bookings) -> None:
    """Neither can: the other's time is taken until it is free. Nobody is left hanging."""
    ids = {
        "student": book.book("student", at(18, 9)),
        "twin": book.book("twin", at(19, 14), counselor=book.supply.jiang),
    }

    for _ in range(5):
        won = race(
            ["student", "twin"],
            lambda who: book.move(
                who, ids[who], *((at(19, 14),) if who == "student" else (at(18, 9),)),
                counselor=book.supply.jiang if who == "student" else book.supply.shen,
            ),
        )  # fmt: skip
        assert won == []


def race(runners: Sequence[Any], run: Callable[..., object]) -> list[object]:
    """All at once; who came through."""
    won: list[object] = []
    broken: list[Exception] = []
    line = threading.Barrier(len(runners))

    def one(runner: object) -> None:
        line.wait(10)
        try:
            run(runner)
        except (RefusedError, WrongStateError):
            return
        except Exception as error:  # noqa: BLE001 — shown below
            broken.append(error)
        else:
            won.append(runner)

    threads = [threading.Thread(target=one, args=(runner,)) for runner in runners]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert broken == []
    return won


def firsts(book: Bookings, counselor: int | None = None) -> int:
    [it] = book.world.rows(Counselor, Counselor.id == (counselor or book.supply.shen))
    return it.firsts  # type: ignore[no-any-return]
