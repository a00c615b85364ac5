"""Who offers time, where and when: every change is recorded, and what is open follows it."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from models import db
from models.audit import Audit, Fact
from models.booking import profiles, supply
from models.booking.slots import free_slots
from models.booking.supply import Weekly
from models.booking.table import ChangeKind, Counselor, Opening, OpeningChange, Side, Tier
from models.booking.taking import SYSTEM, By
from models.errors import NotFoundError, RefusedError
from models.person import Person
from tests.supply import Supply, make_supply
from tests.world import World

ZONE = ZoneInfo("Asia/Shanghai")
BY = By(None, Side.CENTRE)
WEDNESDAY = datetime(2026, 11, 18, tzinfo=ZONE)


def at(hour: int, minute: int = 0, *, days: int = 0) -> datetime:
    """A moment of the coming Wednesday, or some days later."""
    return (WEDNESDAY + timedelta(days=days, hours=hour, minutes=minute)).astimezone(UTC)


def starts(world: World, counselor_id: int, *, days: int = 0) -> list[str]:
    """When sessions of a counselor begin on the coming Wednesday, or some days later."""
    with db.unit_of_work(write=False) as session:
        found = free_slots(
            session,
            policy=world.policy.booking,
            now=world.now,
            counselor_id=counselor_id,
            first=at(0, days=days),
            last=at(23, 59, days=days),
        )
    return [slot.starts_at.astimezone(ZONE).strftime("%H:%M") for slot in found]


@pytest.fixture
def given(world: World) -> Supply:
    """The small supply; 白站 is open on Wednesdays from 14 to 17."""
    return make_supply(world)


def test_nobody_takes_bookings_without_a_qualification(world: World, given: Supply) -> None:
    with db.unit_of_work() as session:
        teacher = world.people["teacher"]
        with pytest.raises(RefusedError, match="unqualified"):
            profiles.make_counselor(
                session, BY, teacher, qualification=" ", unit_id=world.units["测试学院"], now=world.now
            )
        with pytest.raises(RefusedError, match="unqualified"):
            profiles.change_counselor(session, BY, given.shen, qualification="", now=world.now)
        it = profiles.make_counselor(
            session, BY, teacher, qualification="注册心理师", unit_id=world.units["测试学院"], now=world.now
        )

        assert it.id not in {given.shen, given.jiang, given.station}


def test_somebody_off_the_roster_takes_no_bookings(world: World) -> None:
    with db.unit_of_work() as session:
        session.get_one(Person, world.people["teacher"]).ended_at = world.now
        with pytest.raises(RefusedError, match="not_on_roster"):
            profiles.make_counselor(session, BY, world.people["teacher"], qualification="q", unit_id=1, now=world.now)


def test_a_newcomer_begins_with_as_many_firsts_as_the_others_have(world: World, given: Supply) -> None:
    with db.unit_of_work() as session:
        session.execute(sa.update(Counselor).values(firsts=7))
        it = profiles.make_counselor(session, BY, world.people["teacher"], qualification="q", unit_id=1, now=world.now)

        assert it.firsts == 7


def test_who_ended_comes_back_as_the_same(world: World, given: Supply) -> None:
    with db.unit_of_work() as session:
        assert profiles.end_counselor(session, BY, given.jiang, now=world.now) == []
        with pytest.raises(NotFoundError):
            profiles.end_counselor(session, BY, given.jiang, now=world.now)
    assert starts(world, given.jiang, days=1) == []

    with db.unit_of_work() as session:
        person = session.get_one(Counselor, given.jiang).person_id
        it = profiles.make_counselor(session, BY, person, now=world.now, tier=Tier.CENTRE)

        assert it.id == given.jiang
    assert starts(world, given.jiang, days=1) == ["14:00", "15:00", "16:00"]


def test_weekly_hours_open_and_close(world: World, given: Supply) -> None:
    policy, now = world.policy.booking, world.now
    with db.unit_of_work() as session:
        supply.open_hours(session, BY, given.station, Weekly(2, 9 * 60, 11 * 60), policy=policy, now=now)
        with pytest.raises(RefusedError, match="hours_twice"):
            supply.open_hours(session, BY, given.station, Weekly(2, 10 * 60, 12 * 60), policy=policy, now=now)
        with pytest.raises(RefusedError, match="no_stretch"):
            supply.open_hours(session, BY, given.station, Weekly(2, 12 * 60, 12 * 60), policy=policy, now=now)
    assert starts(world, given.station) == ["09:00", "10:00", "14:00", "15:00", "16:00"]

    with db.unit_of_work() as session:
        cut = supply.close_hours(session, BY, given.station, 2, 10 * 60, 15 * 60, policy=policy, now=now)

    assert cut == 2
    assert starts(world, given.station) == ["09:00", "15:00", "16:00"]


def test_hours_that_were_open_keep_their_row(world: World, given: Supply) -> None:
    with db.unit_of_work() as session:
        supply.replace_hours(
            session,
            BY,
            [Weekly(2, 9 * 60, 12 * 60)],
            counselor_id=given.station,
            policy=world.policy.booking,
            now=world.now,
        )

        rows = session.scalars(
            sa.select(Opening).where(Opening.counselor_id == given.station).order_by(Opening.id)  # type: ignore[arg-type]
        ).all()
        assert [(row.starts, str(row.from_day), str(row.to_day)) for row in rows] == [
            (840, "None", "2026-11-14"),
            (540, "2026-11-15", "None"),
        ]


def test_the_same_hours_again_change_nothing(world: World, given: Supply) -> None:
    hours = [Weekly(2, 14 * 60, 17 * 60), Weekly(3, 9 * 60, 12 * 60)]
    with db.unit_of_work() as session:
        first = supply.replace_hours(
            session, BY, hours, counselor_id=given.station, policy=world.policy.booking, now=world.now
        )
    world.forward(days=3)
    with db.unit_of_work() as session:
        second = supply.replace_hours(
            session, BY, hours, counselor_id=given.station, policy=world.policy.booking, now=world.now
        )

    assert (first, second) == ((1, 0), (0, 0))


def test_a_stretch_closes_and_opens_again(world: World, given: Supply) -> None:
    policy, now = world.policy.booking, world.now
    with db.unit_of_work() as session:
        assert supply.close_stretch(session, BY, given.station, at(14), at(16), now=now) == []
    assert starts(world, given.station) == ["16:00"]

    with db.unit_of_work() as session:
        added = supply.open_extra(session, BY, given.station, at(15), at(18), policy=policy, now=now)

    assert added == 1, "from 15 to 17 the plan is open again, only the hour after it is extra"
    assert starts(world, given.station) == ["15:00", "16:00", "17:00"]
    assert len(world.rows(OpeningChange, OpeningChange.kind == ChangeKind.EXTRA)) == 1


def test_closing_takes_extra_hours_back(world: World, given: Supply) -> None:
    policy, now = world.policy.booking, world.now
    with db.unit_of_work() as session:
        supply.open_extra(session, BY, given.station, at(9), at(12), policy=policy, now=now)
    assert starts(world, given.station)[:3] == ["09:00", "10:00", "11:00"]

    with db.unit_of_work() as session:
        supply.close_stretch(session, BY, given.station, at(10), at(14), now=now)

    assert starts(world, given.station) == ["09:00", "14:00", "15:00", "16:00"]


def test_what_is_over_or_no_stretch_is_refused(world: World, given: Supply) -> None:
    policy, now = world.policy.booking, world.now
    with db.unit_of_work() as session:
        for start, end, key in ((at(9), at(9), "no_stretch"), (at(9, days=-7), at(10, days=-7), "stretch_over")):
            with pytest.raises(RefusedError, match=key):
                supply.open_extra(session, BY, given.station, start, end, policy=policy, now=now)
            with pytest.raises(RefusedError, match=key):
                supply.close_stretch(session, BY, given.station, start, end, now=now)


def test_every_change_is_a_fact(world: World, given: Supply) -> None:
    policy, now = world.policy.booking, world.now
    with db.unit_of_work() as session:
        room = profiles.make_room(session, BY, "沙盘室", world.units["测试学院"], now=now)
        profiles.end_room(session, BY, room.id or 0, now=now)
        profiles.change_counselor(session, BY, given.shen, now=now, most_a_day=3)
        profiles.set_ties(session, BY, given.shen, [world.units["软件2302"]], now=now)
        assert not profiles.set_ties(session, BY, given.shen, [world.units["软件2302"]], now=now)
        supply.open_extra(session, SYSTEM, given.shen, at(18), at(20), policy=policy, now=now)
        supply.close_stretch(session, BY, None, at(18), at(20), now=now)
        profiles.end_counselor(session, BY, given.shen, now=now)

    facts = world.rows(Audit, Audit.fact == Fact.SUPPLY_CHANGED)
    assert [fact.subject.split(":")[0] for fact in facts] == ["room", "room", *["counselor"] * 3, "school", "counselor"]


def test_time_is_minutes_of_the_school(world: World, given: Supply) -> None:
    with db.unit_of_work(write=False) as session:
        found = supply.hours_of(session, given.station, supply.today_of(world.policy.booking, world.now))

    assert [(it.weekday, time(it.starts // 60), time(it.ends // 60)) for it in found] == [(2, time(14), time(17))]
