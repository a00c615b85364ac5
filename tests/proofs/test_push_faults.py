"""Platforms that fail, clocks that are wrong, a disk that is full: whatever becomes of a push, it is known."""

import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from bot.sandbox.faults import FaultKind
from models import clock, db
from models.alert import Alert, Trigger
from models.channel import Channel
from models.outbox import PushKind, plan
from models.person import Kind, Person
from tests.engines import EngineName
from tests.proofs.household import Household, forking, wrong_by
from tests.proofs.processes import CHAOS, Nursery, until
from tests.proofs.scene import bind, crowd, people
from tests.world import World

WECOM, OFFICIAL = Channel.WECOM, Channel.OFFICIAL_ACCOUNT
STALL = 5.5
"""Seconds: longer than a request may take."""


ALL_LOST = "urgent-all-lost"


@dataclass(frozen=True)
class Trouble:
    """One person, what goes wrong with the message to them, and what becomes of it: its end, and the messages that arrive."""

    name: str
    channel: Channel
    fault: FaultKind | int | None
    state: str
    arrived: int
    window: bool = False
    kind: PushKind = PushKind.CONCERN_UNSENT
    way: str = "text"


TROUBLES = (
    *(
        Trouble(f"wecom-{fault}", WECOM, fault, "accepted", 1)
        for fault in (
            -1,
            FaultKind.RESET,
            FaultKind.LOST,
            FaultKind.SILENCE,
            FaultKind.SLOW,
            FaultKind.HTML,
            FaultKind.HTTP_500,
        )
    ),
    *(
        Trouble(f"template-{fault}", OFFICIAL, fault, "accepted", 1, way="template")
        for fault in (-1, FaultKind.RESET, FaultKind.LOST, FaultKind.SLOW, FaultKind.HTML)
    ),
    *(
        Trouble(f"text-{fault}", OFFICIAL, fault, "uncertain", arrived, window=True)
        for fault, arrived in (
            (FaultKind.RESET, 0),
            (FaultKind.LOST, 1),
            (FaultKind.SILENCE, 0),
            (FaultKind.SLOW, 1),
            (FaultKind.HTML, 0),
        )
    ),
    Trouble("text-again", OFFICIAL, -1, "accepted", 1, window=True),
    # Another way is found: the template, the school's other ways.
    Trouble("no-window", OFFICIAL, 45015, "accepted", 1, window=True, way="template"),
    Trouble("window-used", OFFICIAL, 45047, "accepted", 1, window=True, way="template"),
    Trouble("unfollowed", OFFICIAL, 43004, "accepted", 1, way="notice"),
    Trouble("refuses", OFFICIAL, 43101, "accepted", 1, way="notice"),
    Trouble("left", WECOM, 81013, "accepted", 1, way="notice"),
    # What is urgent goes over all ways at once, and once more where nobody knows of any that it arrived.
    Trouble("urgent-lost", OFFICIAL, FaultKind.LOST, "accepted", 2, window=True, kind=PushKind.ALERT),
    Trouble(ALL_LOST, OFFICIAL, FaultKind.LOST, "accepted", 3, window=True, kind=PushKind.ALERT),
    Trouble("urgent-stall", WECOM, FaultKind.SLOW, "accepted", 2, kind=PushKind.ALERT),
)
REVOKED = (
    Trouble("wecom-revoked", WECOM, FaultKind.REVOKED, "accepted", 1),
    Trouble("template-revoked", OFFICIAL, FaultKind.REVOKED, "accepted", 1, way="template"),
)
EXPIRED = (
    Trouble("wecom-expired", WECOM, FaultKind.EXPIRED, "accepted", 1),
    Trouble("text-expired", OFFICIAL, FaultKind.EXPIRED, "accepted", 1, window=True),
)
"""After the others: a token that dies is everybody's."""

QUOTAS = (
    Trouble("quota-falls-back", OFFICIAL, 45009, "accepted", 1, way="notice"),
    Trouble("quota-waits", OFFICIAL, 45009, "queued", 0, kind=PushKind.REBIND_DONE),
    Trouble("minute-waits", WECOM, 45009, "queued", 0, kind=PushKind.REBIND_DONE),
)
"""Last: from then on the account is left alone."""


def enrol(home: Household, world: World, troubles: tuple[Trouble, ...]) -> dict[int, Trouble]:
    """Each trouble's person, and the push to them; by the push's id."""
    found = {}
    for it in troubles:
        with db.unit_of_work() as session:
            person = Person(number=f"T-{it.name}", name="陈默", kind=Kind.STAFF)
            session.add(person)
            session.flush()
            world.people[it.name] = person.id or 0
        contact = bind(world, home.platform, it.name, it.channel, window=it.window)
        order(home, it)
        with db.unit_of_work() as session:
            alert = Alert(contact_id=contact, trigger=Trigger.CALL, created_at=world.now)
            session.add(alert)
            session.flush()
            shown = {PushKind.ALERT: {"alert": alert.id}, PushKind.REBIND_DONE: {"platform": "公众号"}}.get(it.kind, {})
            fact = f"trouble:{it.name}"
            push = plan(session, fact, it.kind, world.people[it.name], now=world.now, unit="软件2301", **shown)
        found[push or 0] = it
    home.planned += found
    return found


def order(home: Household, it: Trouble) -> None:
    """Let it go wrong."""
    address, faults = f"{it.name}-{it.channel.value}", home.platform.faults
    path = "message/send" if it.channel is WECOM else "custom/send" if it.window else "template/send"
    if it.name == ALL_LOST:
        faults.order("/fallback/T-" + ALL_LOST, FaultKind.HTTP_500)
    match it.fault:
        case 45015:
            home.platform.official.know(address).allowance = None
        case 45047:
            allowance = home.platform.official.know(address).allowance
            assert allowance is not None
            allowance.left = 0
        case 43004:
            home.platform.unfollowed(address)
        case 81013:
            home.platform.left(address)
        case int():
            faults.order(path, FaultKind.ERRCODE, errcode=it.fault, recipient=address)
        case FaultKind():
            faults.order(path, it.fault, seconds=STALL if it.fault in {FaultKind.SLOW, FaultKind.SILENCE} else 0.0, recipient=address)


def is_as_expected(home: Household, troubles: dict[int, Trouble]) -> None:
    """Every one has its end, and so many messages."""
    rows = {row[0]: row for row in home.ask("SELECT id, state, way FROM outbox")}
    wrong = []
    for push_id, it in troubles.items():
        addresses = {f"{it.name}-{it.channel.value}", f"T-{it.name}"}
        arrived = sum(row["delivered"] and row["recipient"] in addresses for row in home.platform.log)
        way = it.way if it.state == "accepted" and it.kind is not PushKind.ALERT else rows[push_id][2]
        if (rows[push_id][1:], arrived) != ((it.state, way), it.arrived):
            wrong.append(f"{it.name}: {rows[push_id][1:]}, arrived {arrived}")
    assert not wrong, "\n".join(wrong)


@pytest.fixture
def homes(engine: EngineName, nursery: Nursery, tmp_path: Path) -> Iterator["Homes"]:
    """Makes households and ends them."""
    it = Homes(engine, nursery, tmp_path)
    yield it
    for home in it.made:
        home.end()
    clock.stop_moving()


@dataclass
class Homes:
    """A maker of households."""

    engine: EngineName
    nursery: Nursery
    folder: Path

    def __post_init__(self) -> None:
        self.made: list[Household] = []

    def new(self, folder: Path | None = None) -> Household:
        """One with its processes out of the nursery; its school is there, and its clock stands."""
        home = Household((folder or self.folder) / f"home-{len(self.made)}", self.engine, forking(self.nursery))
        self.made.append(home)
        with home.set_up():
            return home


@pytest.mark.slow
def test_whatever_a_platform_does_a_push_has_the_end_that_fits(homes: Homes) -> None:
    home = homes.new()
    home.begin("worker")
    home.begin("scheduler")
    goes_through(home, TROUBLES)
    assert len(home.verdict().doubles) == 1  # the urgent one of which nobody knew anything

    for troubles in (REVOKED, EXPIRED, QUOTAS):
        goes_through(home, troubles)


def goes_through(home: Household, troubles: tuple[Trouble, ...]) -> None:
    """All of them at once, and each has its end."""
    with home.set_up() as world:
        found = enrol(home, world, troubles)
        time.sleep(0.5)
    waits = {push_id for push_id, it in found.items() if it.state == "queued"}

    def is_over() -> bool:
        rows = home.ask("SELECT id, next_at FROM outbox WHERE state IN ('queued', 'sending')")
        return {row[0] for row in rows} & found.keys() <= waits and home.is_quiet()

    until(is_over, seconds=40)
    is_as_expected(home, found)
    verdict = home.verdict()
    assert verdict.faults == [], str(verdict)


@pytest.mark.slow
@pytest.mark.parametrize("hours", [-1, 1])
def test_a_worker_whose_clock_is_an_hour_wrong_loses_and_doubles_nothing(homes: Homes, hours: int) -> None:
    """Leases are the machine's: what it writes means nothing to the others, and the others' means nothing to it."""
    home = homes.new()
    crowd(home, 150, at=home.now - timedelta(hours=2))
    scene = people(home)
    home.platform.faults.latency = 0.1
    home.begin("scheduler")
    home.wrong_clocks["worker"] = wrong_by(home.folder / "clock", timedelta(hours=hours))
    home.begin("worker", name="a wrong worker")
    home.wrong_clocks.clear()
    home.begin("worker")
    scene.arrives()
    home.until_quiet(seconds=30)
    time.sleep(0.5)
    verdict = home.verdict()
    assert verdict.faults == [], str(verdict)


@pytest.mark.slow
@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_jumps_an_hour_under_everybody_loses_and_doubles_nothing(homes: Homes, hours: int) -> None:
    home = homes.new()
    crowd(home, 300, at=home.now - timedelta(hours=2))
    file = wrong_by(home.folder / "clock", timedelta())
    home.wrong_clocks = dict.fromkeys(("worker", "scheduler"), file)
    home.platform.faults.latency = 0.2
    home.begin("scheduler")
    home.begin("worker")
    until(lambda: len(home.platform.delivered()) > 30, seconds=20)
    wrong_by(file, timedelta(hours=hours))
    clock.move_to(clock.now() + timedelta(hours=hours))
    home.until_quiet(seconds=30)
    time.sleep(0.5)
    verdict = home.verdict()
    assert verdict.faults == [], str(verdict)
    assert verdict.ends["accepted"] >= 300


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with a few MiB; only root can have one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", folder], check=False).returncode:  # noqa: S607
        pytest.skip("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)  # noqa: S607


@pytest.mark.slow
def test_a_full_disk_loses_and_doubles_nothing(homes: Homes, small_disk: Path) -> None:
    if homes.engine == "postgresql":
        pytest.skip("PostgreSQL ends itself on a full disk and is started by whoever clears it: see the points' restarts")
    home = homes.new(small_disk)
    crowd(home, 200)
    home.platform.faults.latency = 0.1
    home.begin("scheduler")
    home.begin("worker")
    until(lambda: len(home.platform.delivered()) > 20, seconds=20)
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            pass
    time.sleep(4.0)
    filler.unlink()
    at = time.monotonic()
    took = home.until_quiet(seconds=40) - at
    time.sleep(0.5)
    verdict = home.verdict()
    assert verdict.faults == [], str(verdict)
    assert took < 20.0
