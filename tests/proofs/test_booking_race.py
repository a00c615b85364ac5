"""Two hundred race for twenty times through the doors of two web processes: twenty get one, the others the nearest three."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, time, timedelta
from itertools import cycle
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlmodel import col, select

from bot.sandbox.callbacks import read_reply, sign, text_message
from models import db
from models.booking.slots import free_slots
from models.booking.table import Appointment, AppointmentState, Counselor
from models.person import Person
from tests.proofs.crowd import DOOR, enrol
from tests.proofs.processes import Nursery, Web
from tests.supply import counselor, opening
from tests.world import World

CLIENTS, WEBS = 200, 2
NAMES = ("沈岚", "江河", "白露", "秦川")
TUESDAY = date(2026, 11, 17)
HOURS = range(9, 14)
TO_THE_TIMES = ("预约", "同意", "能等", "面对面", "跳过")
OPTION = re.compile(r"^\d\. (?:(\d+)月(\d+)日|(\S+)) .*?(\d\d):(\d\d)", re.MULTILINE)
AT_ONCE = 32


def supply(world: World) -> None:
    """Four counselors who see five people a day."""
    with db.unit_of_work() as session:
        for number, name in enumerate(NAMES):
            id_ = counselor(world, session, name, f"K6{number}", world.units["测试学院"], place="图书馆 210")
            for weekday in range(5):
                opening(session, id_, weekday, time(HOURS.start), time(HOURS.stop))


class Line:
    """Messages to whichever process is next."""

    def __init__(self, webs: list[Web]) -> None:
        self._webs = cycle(webs)
        self._ids = iter(range(2_000_000, 9_000_000))

    def says(self, number: int, said: str) -> str:
        """One phone's message; what came back."""
        address = f"crowd-{number}"
        request = sign(DOOR, text_message(DOOR, address, said, msg_id=next(self._ids)))
        outcome = next(self._webs).hears(request, patience=20)
        assert outcome.body is not None
        return read_reply(DOOR, outcome.body, sender=address) or ""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_twenty_win_and_each_of_the_others_is_offered_the_nearest_three(
    world: World, nursery: Nursery, config: Path
) -> None:
    supply(world)
    students = [it.number for it in enrol(world, CLIENTS)]
    with db.unit_of_work() as session:
        session.connection().execute(sa.update(Person).where(col(Person.phone).is_(None)).values(phone="13800000000"))
    line = Line([nursery.web(config) for _ in range(WEBS)])
    wanted = {n: (NAMES[n % 4], HOURS[n % 20 // 4]) for n in students}

    with ThreadPoolExecutor(AT_ONCE) as people:
        for said in TO_THE_TIMES:
            list(people.map(lambda n, said=said: line.says(n, said), students))
        replies = dict(
            zip(
                students,
                people.map(lambda n: line.says(n, f"11月17日{wanted[n][1]}点{wanted[n][0][0]}老师"), students),
                strict=True,
            )
        )
        held = [n for n in students if "就约这个吗" in replies[n]]
        done = list(people.map(lambda n: line.says(n, "1"), held))

    assert len(held) == len(NAMES) * len(HOURS)
    assert {wanted[n] for n in held} == {(name, hour) for name in NAMES for hour in HOURS}
    assert all(reply.startswith("约好了：11月17日") for reply in done), done
    rows = world.rows(Appointment)
    assert [it.state for it in rows] == [AppointmentState.BOOKED] * len(held)
    assert {it.starts_at.astimezone(world.policy.booking.zone).date() for it in rows} == {TUESDAY}
    for n in sorted(set(students) - set(held)):
        is_nearest(world, *wanted[n], replies[n])


def is_nearest(world: World, name: str, hour: int, reply: str) -> None:
    """Three times, none of them farther than what is still free: some nearer ones went meanwhile.

    Who came too late to choose sees those of whom they named; from whom a time was taken while they chose it, everybody's.
    """
    with db.unit_of_work(write=False) as session:
        [it] = session.exec(select(Counselor).where(Counselor.person_id == world.people[name])).all()
        free = free_slots(session, policy=world.policy.booking, now=world.now)
    if reply.startswith("「"):
        free = [slot for slot in free if slot.counselor_id == it.id]
    zone = world.policy.booking.zone
    target = datetime.combine(TUESDAY, time(hour), zone)
    offered = times_in(reply, world)
    assert len(offered) == 3, reply
    far = sorted(abs(it.starts_at - target) for it in free)[:3]
    mine = sorted(abs(it - target) for it in offered)
    assert all(one <= other for one, other in zip(mine, far, strict=True)), reply


def times_in(reply: str, world: World) -> list[datetime]:
    """The times that a list shows."""
    zone = world.policy.booking.zone
    today = world.now.astimezone(zone).date()
    found = []
    for month, day, word, hour, minute in OPTION.findall(reply):
        near = {"今天": today, "明天": today + timedelta(days=1), "后天": today + timedelta(days=2)}
        on = near[word] if word else date(2026, int(month), int(day))
        found.append(datetime.combine(on, time(int(hour), int(minute)), zone))
    return found
