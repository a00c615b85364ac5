"""What waits in a household's outbox as trouble comes: something over every way, and something that is over before it is sent."""

import itertools
import json
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from bot.sandbox.callbacks import SignedRequest, deliver, read_reply, sign, text_message
from bot.sandbox.official_account import Follower
from bot.sandbox.platform import Platform
from models import clock, db
from models.alert import Alert, Trigger
from models.channel import Channel
from models.contact import Contact
from models.outbox import Push, PushKind, plan
from models.person import Kind, Person
from models.round import RoundKind, current_round
from tests.proofs.household import Household
from tests.world import DOORS, World

NOT_KEPT = "没处理成"
LATER = timedelta(seconds=5)
DOOR = DOORS[Channel.OFFICIAL_ACCOUNT]
OVER = "SELECT id FROM outbox WHERE fact = :fact AND kind IN ('class_opened', 'class_reminder')"
ARRIVES = """
    INSERT INTO checkin (round_id, unit_id, version, author_id, sent_at, state, members, on_leave)
    VALUES (:round, :unit, 1, :author, :now, 'calm', 0, 0)"""


def bind(world: World, platform: Platform, who: str, channel: Channel, *, window: bool = False) -> int:
    """A bound account that the platform knows; with `window` its person has just written."""
    address = f"{who}-{channel.value}"
    contact = Contact(channel=channel, address=address, person_id=world.people[who], bound_at=world.now)
    if channel is Channel.WECOM:
        platform.joined(address)
    elif window:
        platform.heard(address)
        contact.window_until, contact.window_left = world.now + timedelta(hours=48), 5
    else:
        platform.official.followers[address] = Follower()
    with db.unit_of_work() as session:
        session.add(contact)
        session.flush()
        return contact.id or 0


@dataclass
class Scene:
    """A peopled household, where a committee member has begun a check-in of which only the last answer is missing."""

    home: Household
    address: str
    round_id: int
    unit_id: int
    author_id: int

    @property
    def fact(self) -> str:
        """The fact of everything that asks for the check-in."""
        return f"round:{self.round_id}:unit:{self.unit_id}"

    def answers(self) -> str:
        """The last answer, delivered until somebody takes it; what was not kept is said again, as a new message."""
        end = time.monotonic() + 60
        for msg_id in itertools.count(9_000_000):
            request = sign(DOOR, text_message(DOOR, self.address, "1", msg_id=msg_id))
            while (reply := self._delivered(request)) is None:
                assert time.monotonic() < end, "nobody takes the answer"
                time.sleep(0.2)
            if NOT_KEPT not in reply:
                self.is_over()
                return reply
        raise AssertionError

    def _delivered(self, request: SignedRequest) -> str | None:
        outcome = deliver(request, f"http://127.0.0.1:{self.home.port}", attempts=1, patience=5)
        return None if outcome.body is None else read_reply(DOOR, outcome.body)

    def arrives(self) -> None:
        """The check-in comes without a turn; whatever asks for it is over from now on."""
        self.home.change(ARRIVES, round=self.round_id, unit=self.unit_id, author=self.author_id, now=clock.now())
        self.is_over()

    def is_over(self) -> None:
        """Nobody may be asked for the check-in any more."""
        at = clock.machine()
        self.home.cancelled |= {int(str(row[0])): at for row in self.home.ask(OVER, fact=self.fact)}


def people(home: Household) -> Scene:
    """Set up a household's school and what is to be told there."""
    with home.set_up() as world:
        contacts = [
            bind(world, home.platform, who, channel, window=window)
            for who, channel, window in (
                ("advisor", Channel.WECOM, False),
                ("duty", Channel.WECOM, False),
                ("leader", Channel.WECOM, False),
                ("duty", Channel.OFFICIAL_ACCOUNT, True),
                ("student", Channel.OFFICIAL_ACCOUNT, True),
                ("second", Channel.OFFICIAL_ACCOUNT, True),
                ("officer", Channel.OFFICIAL_ACCOUNT, False),
            )
        ]
        phone = world.phone("committee")
        phone.talks("周报", "1", "1", "1")
        home.platform.heard(phone.address)
        with db.unit_of_work() as session:
            round_ = current_round(session, world.policy.checkin, RoundKind.CLASS, now=world.now)
            unit = world.units["软件2301"]
            asks: dict[str, Any] = {"round": round_.id, "unit_id": unit, "unit": "软件2301"}
            fact = f"round:{round_.id}:unit:{unit}"
            stands, withdrawn = (
                Alert(contact_id=contacts[0], trigger=Trigger.CALL, created_at=world.now, withdrawn_at=at)
                for at in (None, world.now)
            )
            session.add_all([stands, withdrawn])
            session.flush()
            now, who = world.now, world.people
            ids = [
                *(
                    plan(session, "told:1", PushKind.CONCERN_UNSENT, who[name], now=now, unit="软件2301")
                    for name in ("advisor", "student", "officer")
                ),
                plan(session, "alert:1", PushKind.ALERT, who["duty"], now=now, alert=stands.id, unit="软件2301"),
                plan(session, "alert:2", PushKind.ALERT, who["leader"], now=now, alert=withdrawn.id, unit="软件2301"),
                plan(session, fact, PushKind.CLASS_REMINDER, who["second"], now=now, **asks),
                plan(session, fact, PushKind.CLASS_REMINDER, who["committee"], now=now, due=now + LATER, **asks),
            ]
            home.planned = [it for it in ids if it is not None]
            home.cancelled[home.planned[4]] = clock.machine()
            return Scene(home, phone.address, round_.id or 0, unit, who["committee"])


def crowd(home: Household, count: int, *, at: datetime | None = None) -> None:
    """So many members of staff, each with one push that is due."""
    with home.set_up() as world, db.database().engine.begin() as connection:
        at = at or world.now
        ids = range(1_000, 1_000 + count)
        connection.execute(
            sa.insert(Person), [{"id": n, "number": f"M{n}", "name": "陈默", "kind": Kind.STAFF} for n in ids]
        )
        contacts = [
            {"channel": Channel.WECOM, "address": f"m{n}", "person_id": n, "listening": True, "cards": False}
            | {"window_left": 0, "bound_at": at}
            for n in ids
        ]
        connection.execute(sa.insert(Contact), contacts)
        row: dict[str, Any] = {"fact": "crowd", "kind": "concern_unsent", "urgency": "important", "state": "queued"}
        row |= {"data": json.dumps({"unit": "软件2301"}), "fence": 0, "attempts": 0}
        times = {"created_at": at, "due_at": at, "next_at": at, "expires_at": at + timedelta(days=1)}
        rows = [{"id": n, "dedupe_key": f"crowd:{n}", "person_id": n, "number": _number(n)} | row | times for n in ids]
        connection.execute(sa.insert(Push), rows)
    for n in ids:
        home.platform.joined(f"m{n}")
    home.planned += ids


def _number(n: int) -> str:
    return f"{n:04X}"[-4:].replace("I", "Z")
