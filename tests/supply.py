"""A small supply for tests: two counselors of the centre, one of the station, a room, and their weekly hours."""

from dataclasses import dataclass
from datetime import time
from typing import Any

from sqlmodel import Session, SQLModel

from models import clock, db
from models.booking.table import Counselor, Opening, Room, Tier
from models.channel import Channel
from models.contact import Contact
from models.person import Kind, Person
from models.post import Post, Role
from tests.world import World

SHEN, JIANG, STATION = "沈岚", "江河", "白站"
"""Who they are in `World.people`; on the roster under the same name, as K501, K502, K503."""

ROOM = "咨询室一"
MORNING, AFTERNOON = (time(9), time(12)), (time(14), time(17))


@dataclass(frozen=True)
class Supply:
    """What there is, by id."""

    counselors: dict[str, int]
    rooms: dict[str, int]

    @property
    def shen(self) -> int:
        """Of the centre: weekdays 9–12 and 14–17 in the room; also by phone."""
        return self.counselors[SHEN]

    @property
    def jiang(self) -> int:
        """Of the centre: Tuesday and Thursday 14–17, in person at a place of their own, and online."""
        return self.counselors[JIANG]

    @property
    def station(self) -> int:
        """Of 信息学院's station: Wednesday 14–17, in person."""
        return self.counselors[STATION]

    @property
    def room(self) -> int:
        """沈岚 meets people there."""
        return self.rooms[ROOM]


def make_supply(world: World, *, hours: bool = True) -> Supply:
    """Put it into the world; without `hours` nobody is open yet."""
    with db.unit_of_work() as session:
        school, college = world.units["测试学院"], world.units["信息学院"]
        room = add(session, Room(name=ROOM, place="综合楼 301", unit_id=school))
        shen = counselor(
            world, session, SHEN, "K501", school, modes="in_person phone", room_id=room, topics="study relations mood"
        )
        jiang = counselor(world, session, JIANG, "K502", school, modes="in_person online", place="图书馆 210")
        station = counselor(world, session, STATION, "K503", college, tier=Tier.STATION, place="信息楼 105")
        if hours:
            for weekday in range(5):
                for stretch in (MORNING, AFTERNOON):
                    opening(session, shen, weekday, *stretch)
            for weekday in (1, 3):
                opening(session, jiang, weekday, *AFTERNOON)
            opening(session, station, 2, *AFTERNOON)
    return Supply({SHEN: shen, JIANG: jiang, STATION: station}, {ROOM: room})


def counselor(
    world: World,
    session: Session,
    name: str,
    number: str,
    unit_id: int,
    *,
    college: str | None = None,
    bound: bool = False,
    **profile: Any,
) -> int:
    """A staff person with the post and the profile of a counselor; returns the profile's id."""
    college_id = world.units[college] if college else None
    person_id = add(session, Person(number=number, name=name, kind=Kind.STAFF, college_id=college_id))
    world.people[name] = person_id
    session.add(Post(person_id=person_id, role=Role.COUNSELOR, unit_id=unit_id, started_at=clock.now()))
    if bound:
        session.add(Contact(channel=Channel.WECOM, address=number, person_id=person_id, bound_at=clock.now()))
    given: dict[str, Any] = {"qualification": "国家二级心理咨询师", "created_at": clock.now()} | profile
    return add(session, Counselor(person_id=person_id, unit_id=unit_id, **given))


def opening(session: Session, counselor_id: int | None, weekday: int, starts: time, ends: time, **more: Any) -> int:
    """Weekly hours; `counselor_id` None and a `room_id`: of a room by itself."""
    minutes: dict[str, Any] = {"starts": starts.hour * 60 + starts.minute, "ends": ends.hour * 60 + ends.minute}
    return add(session, Opening(counselor_id=counselor_id, weekday=weekday, **minutes, **more))


def add(session: Session, row: SQLModel) -> int:
    """A row's id."""
    session.add(row)
    session.flush()
    id_: int = row.id  # type: ignore[attr-defined]
    return id_
