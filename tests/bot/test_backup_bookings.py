"""Backup and restore of a school whose counselors are booked: every row, the rules of overlap, and numbers that go on."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from bot.backup import write_backup
from bot.restore import restore_backup
from models import db
from models.booking import consent, proposing
from models.booking.alternatives import could_propose
from models.booking.supply import close_stretch
from models.booking.table import (
    LIVE,
    Again,
    Appointment,
    AppointmentState,
    Consent,
    CounselorTie,
    Face,
    Feedback,
    Haste,
    Opening,
    OpeningChange,
    Proposal,
    Referral,
    Room,
    RoomUse,
    Side,
    Waiter,
    WaiterLog,
)
from models.booking.taking import By
from models.channel import Channel
from models.seal import unseal_json
from models.talk import Actor
from tests.bookings import Bookings, at
from tests.bot.test_backup import contents, elsewhere
from tests.engines import ENGINES, EngineName
from tests.supply import SHEN
from tests.world import World

TABLES = (
    Appointment, Consent, CounselorTie, Feedback, Opening, OpeningChange, Proposal, Referral, Room, Waiter, WaiterLog,
)  # fmt: skip


@pytest.fixture
def book(world: World) -> Bookings:
    """A week with something in every table of booking, and in every state that takes up time."""
    book = Bookings(world)
    shen = By(world.people[SHEN], Side.COUNSELOR)
    with db.unit_of_work() as session:
        actor = Actor(session, 0, Channel.WECOM, world.people["student"], "", None, None, None, None)
        consent.give(session, actor, "0123456789abcdef", now=world.now)
        session.add(CounselorTie(counselor_id=book.supply.jiang, unit_id=world.units["软件2302"]))
        room = Room(name="放松室", unit_id=world.units["测试学院"], use=RoomUse.RELAX, alone=True)
        session.add(room)
        session.flush()
        session.add(Opening(room_id=room.id, weekday=3, starts=540, ends=660))
        session.add(
            Feedback(id=2**31 - 2, counselor_id=book.supply.shen, month="2026-10", face=Face.BAD, again=Again.OTHER)
        )
        room_id = room.id or 0
    book.confirm_hold("student", book.hold("student", at(17, 9)), body={"topic": "mood", "note": "睡不着"})
    book.confirm_hold("student", book.hold("student", at(19, 9), room_id=room_id))
    moved = book.book("committee", at(20, 9))
    slots = book.do(lambda session: could_propose(session, session.get_one(Appointment, moved), **book.how)[4:6])
    book.do(lambda session: proposing.propose(session, shen, moved, slots, **book.how))
    given_up = book.book("twin", at(17, 10))
    book.join("second", Haste.SOON, body={"topic": "sleep"})
    book.cancel("twin", given_up)  # offered to `second`
    book.join("neighbour")
    book.hold("officer", at(18, 9))
    book.do(lambda session: close_stretch(session, shen, book.supply.shen, at(26, 9), at(26, 12), now=world.now))
    with db.unit_of_work() as session:
        session.add(
            Referral(student_id=world.people["twin"], from_id=book.supply.station, thread=given_up, made_at=world.now)
        )
    states = {it.state for it in world.rows(Appointment)}
    assert states >= {*LIVE} - {AppointmentState.PENDING}
    for table in TABLES:
        assert world.rows(table), table
    return book


def bookings(database: db.Database) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of booking."""
    names = {table.__tablename__ for table in TABLES} | {"counselor"}
    return {name: rows for name, rows in contents(database).items() if name in names}


def refuses_overlap(world: World) -> None:
    """A second one in the place of each live row, said in SQL, for its counselor, its room, its student."""
    table = Appointment.__table__  # type: ignore[attr-defined]
    live = [it for it in world.rows(Appointment) if it.state in LIVE]
    assert len(live) >= 6
    stranger = world.people["leader"]
    for it in live:
        values = it.model_dump(exclude={"id"}) | {"state": "booked", "thread": None}
        for other in ({"student_id": stranger}, {"counselor_id": None, "room_id": it.room_id}, {}):
            if other.get("room_id", 0) is None:
                continue
            with pytest.raises(sa.exc.DBAPIError, match="no_overlap"), db.unit_of_work() as session:
                session.connection().execute(sa.insert(table).values(**(values | other)))
        earlier = {"busy_from": it.busy_from - timedelta(minutes=5), "starts_at": it.starts_at - timedelta(minutes=5)}
        with pytest.raises(sa.exc.DBAPIError, match="no_overlap"), db.unit_of_work() as session:
            session.connection().execute(sa.insert(table).values(**(values | earlier | {"student_id": stranger})))


@pytest.mark.parametrize("target", ENGINES)
def test_bookings_go_to_the_other_engine_and_back(
    book: Bookings, tmp_path: Path, engine: EngineName, target: EngineName
) -> None:
    world, before = book.world, bookings(db.database())
    first, second = tmp_path / "first.backup", tmp_path / "second.backup"
    write_backup(world.settings, first)
    with elsewhere(target, tmp_path) as there:
        restore_backup(there, first)
        assert bookings(db.database()) == before
        refuses_overlap(world)
        assert bookings(db.database()) == before
        write_backup(there, second)
    (tmp_path / "home").mkdir()
    with elsewhere(engine, tmp_path / "home") as here:
        restore_backup(here, second)

        assert bookings(db.database()) == before
        refuses_overlap(world)


@pytest.mark.parametrize("target", ENGINES)
def test_booking_goes_on_after_it(book: Bookings, tmp_path: Path, target: EngineName) -> None:
    world, file = book.world, tmp_path / "school.backup"
    newest = max(it.id for it in world.rows(Appointment))
    write_backup(world.settings, file)
    with elsewhere(target, tmp_path) as there:
        restore_backup(there, file)

        (kept,) = [it for it in world.rows(Appointment) if it.body]
        assert unseal_json(kept.body, f"appointment.body:{kept.id}") == {"topic": "mood", "note": "睡不着"}
        assert book.book("officer", at(18, 9)) > newest  # what was on hold is theirs still
        taken = book.answer("second", take=True)
        assert taken is not None
        assert book.row(taken.id).state is AppointmentState.BOOKED
        book.cancel("second", taken.id)
        assert book.offer_to("neighbour") is not None
