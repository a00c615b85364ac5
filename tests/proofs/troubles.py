"""Troubles: everything that a platform does wrong, to one person each, and the end that fits."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.sandbox.faults import FaultKind
from models import db
from models.alert import Alert, Trigger
from models.channel import Channel
from models.outbox import PushKind, plan
from models.person import Kind, Person
from tests.engines import EngineName
from tests.proofs.household import Household, Start
from tests.proofs.processes import until
from tests.proofs.scene import bind
from tests.proofs.stories import Life, Story
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
            shown: dict[str, Any] = {"alert": alert.id} if it.kind is PushKind.ALERT else {"platform": "公众号"}
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
        case FaultKind.SLOW | FaultKind.SILENCE:
            faults.order(path, it.fault, seconds=STALL, recipient=address)
        case FaultKind():
            faults.order(path, it.fault, recipient=address)


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


def goes_through(home: Household, troubles: tuple[Trouble, ...]) -> None:
    """All of them at once, and each has its end."""
    with home.set_up() as world:
        found = enrol(home, world, troubles)
        time.sleep(0.5)
    waits = {push_id for push_id, it in found.items() if it.state == "queued"}

    def is_over() -> bool:
        rows = home.ask("SELECT id, next_at FROM outbox WHERE state IN ('queued', 'sending')")
        return {row[0] for row in rows} & found.keys() <= waits and home.is_quiet()

    until(is_over, seconds=60)
    is_as_expected(home, found)
    verdict = home.verdict()
    assert verdict.faults == [], str(verdict)


def suffer(engine: EngineName, start: Start, folder: Path) -> Story:
    """The story of all troubles."""

    def prepared() -> Life:
        home = Household(folder / f"{engine}-troubles", engine, start)
        with home.set_up():
            pass

        def happens(_: ThreadPoolExecutor) -> float:
            began = time.monotonic()
            home.begin("worker")
            home.begin("scheduler")
            goes_through(home, TROUBLES)
            assert len(home.verdict().doubles) == 1  # the urgent one of which nobody knew anything
            for troubles in (REVOKED, EXPIRED, QUOTAS):
                goes_through(home, troubles)
            return time.monotonic() - began

        return home, happens

    return Story(f"{engine}: troubles of the platforms", prepared)
