"""How long booking is remembered: words for a month, rows for two years, and nothing that somebody still waits on goes."""

from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from models import db
from models.booking import keeping, proposing, referring
from models.booking.alternatives import could_propose
from models.booking.feedback import tell_how_it_was
from models.booking.supply import close_stretch, open_extra
from models.booking.table import (
    Again,
    Appointment,
    AppointmentState,
    Face,
    Feedback,
    Haste,
    OpeningChange,
    Proposal,
    Referral,
    Side,
    Waiter,
    WaiterLog,
    WaiterState,
)
from models.booking.taking import By
from models.channel import Channel
from models.talk import Actor
from tests.bookings import Bookings, at
from tests.supply import SHEN, STATION
from tests.world import World
from workers import appointments
from workers.sweeps import sweep_bookings

WORDS = {"topic": "mood", "note": "睡不着", "reason": "改天再说"}


@pytest.fixture
def book(world: World) -> Bookings:
    return Bookings(world)


def actor(session: Any, world: World, who: str) -> Actor:
    return Actor(session, 0, Channel.WECOM, world.people[who], "", None, None, None, None)


def visited(book: Bookings, who: str, when: datetime) -> int:
    """Somebody books with words, comes, and tells how it was."""
    id_ = book.confirm_hold(who, book.hold(who, when), body=WORDS).id
    book.world.forward(seconds=(when - book.world.now).total_seconds() + 3 * 86400)
    appointments.take_steps(book.policy, now=book.world.now)
    book.do(
        lambda session: tell_how_it_was(
            session, actor(session, book.world, who), id_, Face.GOOD, Again.SAME, policy=book.policy, now=book.world.now
        )
    )
    return id_


def sweep(world: World) -> int:
    policy = world.policy
    return sweep_bookings(policy.booking_words_kept, policy.bookings_kept, now=world.now)


def sound() -> None:
    """Whatever refers to a row still finds it."""
    with db.unit_of_work(write=False) as session:
        for table in (Proposal, Waiter, WaiterLog):
            for key in sa.inspect(table).local_table.foreign_keys:
                other, here = key.column.table, key.parent
                lost = sa.select(here).where(here.is_not(None), here.not_in(sa.select(key.column)))
                assert session.connection().execute(lost).all() == [], (table, other.name)


def test_words_go_after_a_month_and_the_row_stays(world: World, book: Bookings) -> None:
    id_ = visited(book, "student", at(17, 9))
    waiting = book.join("twin", body=WORDS)
    book.leave("twin")
    ended = book.row(id_).closed_at
    assert ended is not None

    world.forward(seconds=(ended + timedelta(days=29, hours=23) - world.now).total_seconds())
    sweep(world)
    assert book.row(id_).body is not None

    world.forward(hours=2)
    sweep(world)
    it = book.row(id_)
    assert (it.body, it.state, it.face, it.counselor_id) == (None, AppointmentState.DONE, True, book.supply.shen)
    world.forward(days=5)
    sweep(world)
    assert world.rows(Waiter, Waiter.id == waiting)[0].body is None
    assert sweep(world) == 0


def test_words_of_what_is_still_to_come_stay_however_old(world: World, book: Bookings) -> None:
    id_ = book.confirm_hold("student", book.hold("student", at(17, 9)), body=WORDS).id
    waiting = book.join("twin", body=WORDS)
    world.forward(days=900)  # nobody walked it on

    sweep(world)

    assert book.row(id_).body is not None
    assert world.rows(Waiter, Waiter.id == waiting)[0].body is not None


def test_after_two_years_everything_that_hung_on_it_goes_and_feedback_stays(world: World, book: Bookings) -> None:
    visited(book, "student", at(17, 9))
    declined = book.book("twin", at(23, 9))
    by = By(world.people[SHEN], Side.COUNSELOR)
    slots = book.do(lambda session: could_propose(session, session.get_one(Appointment, declined), **book.how)[:2])
    asked = book.do(lambda session: proposing.propose(session, by, declined, slots, **book.how).id or 0)
    book.do(lambda session: proposing.decline(session, book.by("twin"), asked, other=False, **book.how))
    book.join("second", Haste.NORMAL, body=WORDS)
    book.cancel("twin", declined)
    book.answer("second", take=True)
    sent_on = book.book("neighbour", at(25, 14), counselor=book.supply.station, by=book.staff)
    station = By(world.people[STATION], Side.COUNSELOR)
    book.do(lambda session: referring.send_on(session, station, sent_on, **book.how))
    book.do(lambda session: close_stretch(session, by, book.supply.shen, at(26, 9), at(26, 12), now=world.now))
    book.do(lambda session: open_extra(session, by, book.supply.shen, at(28, 9), at(28, 12), **book.how))
    world.forward(days=30)
    appointments.take_steps(book.policy, now=world.now)
    appointments.end_what_passed(book.policy, now=world.now)
    kept = [len(world.rows(table)) for table in (Appointment, Proposal, Waiter, WaiterLog, Referral, OpeningChange)]
    assert all(kept)

    world.forward(days=690)
    sweep(world)
    assert [
        len(world.rows(table)) for table in (Appointment, Proposal, Waiter, WaiterLog, Referral, OpeningChange)
    ] == kept

    world.forward(days=60)
    sweep(world)
    for table in (Appointment, Proposal, Waiter, WaiterLog, Referral, OpeningChange):
        assert world.rows(table) == [], table
    assert [it.face for it in world.rows(Feedback)] == [Face.GOOD]
    assert sweep(world) == 0


def test_what_somebody_still_waits_on_waits_for_them(world: World, book: Bookings) -> None:
    earlier, asked, free = (
        book.book("student", at(17, 9)),
        book.book("twin", at(17, 10)),
        book.book("second", at(17, 11)),
    )
    book.join("student", Haste.EARLIER, earlier_than_id=earlier)
    by = By(world.people[SHEN], Side.COUNSELOR)
    slots = book.do(lambda session: could_propose(session, session.get_one(Appointment, asked), **book.how)[:1])
    book.do(lambda session: proposing.propose(session, by, asked, slots, **book.how))
    with db.unit_of_work() as session:  # as only a fault would leave them: over, and referred to
        session.execute(
            sa.update(Appointment)
            .where(sa.column("id").in_([earlier, asked, free]))
            .values(state=AppointmentState.DONE, closed_at=at(17, 12), step=None, next_at=None)
        )
    world.forward(days=800)

    sweep(world)

    left = {it.id for it in world.rows(Appointment, Appointment.state == AppointmentState.DONE)}
    assert left == {earlier, asked}
    sound()

    with db.unit_of_work() as session:
        session.execute(sa.update(Waiter).values(state=WaiterState.LAPSED, ended_at=at(18, 9)))
        session.execute(sa.update(Proposal).values(state="lapsed"))
    sweep(world)
    assert world.rows(Appointment, Appointment.state == AppointmentState.DONE) == []
    assert world.rows(Proposal) == []


def test_many_go_in_small_batches_in_any_order(world: World, book: Bookings) -> None:
    for day in (17, 18, 19, 20):
        for hour, who in enumerate(("student", "twin", "second"), 9):
            book.cancel(who, book.book(who, at(day, hour)))
    waiting = book.join("officer")
    book.leave("officer")
    world.forward(days=731)

    counts: list[int] = []
    while not counts or counts[-1]:
        counts.append(book.do(lambda session: keeping.forget(session, before=world.now - timedelta(days=730), most=5)))
        sound()

    assert counts == [6, 5, 2, 0]
    assert world.rows(Waiter, Waiter.id == waiting) == []


def test_an_id_that_was_forgotten_is_nobody_elses(world: World, book: Bookings) -> None:
    old = book.book("student", at(17, 9))
    book.cancel("student", old)
    world.forward(days=731)
    sweep(world)
    assert world.rows(Appointment) == []
    world.forward(days=-731)  # back to a term in which one can book

    assert book.book("twin", at(17, 9)) > old
