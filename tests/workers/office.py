"""A post office for tests: the school, a platform across HTTP, and delivery equipped for both."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from bot.sandbox.ledger import LogRow
from bot.sandbox.official_account import Account, Follower, Template
from bot.sandbox.platform import Platform
from bot.sandbox.wecom import Corp
from models import clock, db
from models.alert import Alert, Trigger
from models.channel import Channel
from models.contact import Contact
from models.outbox import KINDS, Holds, Push, PushAttempt, PushKind, Route, attempts_of, plan
from tests.world import AGENT_ID, APP_ID, CORP_ID, World
from workers.attempt import Equipment
from workers.delivery import equip
from workers.senders.fallback import FallbackSender
from workers.senders.official_account import OfficialAccountSender, TemplateForm
from workers.senders.parcel import Sender
from workers.senders.tokens import SharedTokens
from workers.senders.wecom import WeComSender

SECRETS = {Channel.OFFICIAL_ACCOUNT: "official-secret-for-tests", Channel.WECOM: "wecom-secret-for-tests"}
TEMPLATE = "TPL-notice"
FORM = TemplateForm(TEMPLATE, {"thing1": "text", "time2": "time", "character_string3": "number", "thing4": "unit"})
KEYWORDS = {"thing1": "事项", "time2": "时间", "character_string3": "编号", "thing4": "单位"}
ZONE = ZoneInfo("Asia/Shanghai")


def new_platform() -> Platform:
    """Both platforms, with the accounts that the tests' settings name."""
    account = Account(APP_ID, SECRETS[Channel.OFFICIAL_ACCOUNT], templates={TEMPLATE: Template("事项提醒", KEYWORDS)})
    return Platform(account, Corp(CORP_ID, SECRETS[Channel.WECOM], AGENT_ID))


@dataclass
class Office:
    """What a test of delivery needs."""

    world: World
    platform: Platform
    address: str
    templates: dict[PushKind, TemplateForm] = field(default_factory=lambda: dict.fromkeys(PushKind, FORM))
    redis_url: str = ""
    fallback: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Equip delivery in this process."""
        self.equip()

    def senders(self) -> dict[Route, Sender]:
        """New ones, as another process would have."""
        shared = SharedTokens(self.redis_url) if self.redis_url else None
        official = OfficialAccountSender(
            app_id=APP_ID,
            secret=SECRETS[Channel.OFFICIAL_ACCOUNT],
            api_base=self.address,
            templates=self.templates,
            zone=ZONE,
            shared=shared,
        )
        work = WeComSender(
            corp_id=CORP_ID,
            agent_id=AGENT_ID,
            secret=SECRETS[Channel.WECOM],
            api_base=self.address,
            shared=shared,
        )
        found: dict[Route, Sender] = {Route.OFFICIAL_ACCOUNT: official, Route.WECOM: work}
        if self.fallback:
            found[Route.FALLBACK] = FallbackSender(self.fallback)
        return found

    def equip(self) -> None:
        """Hand delivery new senders."""
        equip(Equipment(self.senders(), self.world.words, self.world.policy.push))

    def bind(self, who: str, channel: Channel, *, window: bool = False) -> str:
        """A bound account that the platform knows; with `window` its person has just written."""
        address = f"{who}-{channel.value}".lower()
        contact = Contact(channel=channel, address=address, person_id=self.world.people[who], bound_at=self.world.now)
        if channel is Channel.WECOM:
            self.platform.joined(address)
        elif window:
            self.platform.heard(address)
            contact.window_until, contact.window_left = self.world.now + timedelta(hours=48), 5
        else:
            self.platform.official.followers[address] = Follower()
        with db.unit_of_work() as session:
            session.add(contact)
        return address

    def plan(
        self,
        who: str,
        kind: PushKind = PushKind.CONCERN_UNSENT,
        *,
        lasts: timedelta = timedelta(days=1),
        fact: str = "test:1",
        **data: Any,
    ) -> int:
        """One row that is due now."""
        data = {name: "软件2301" if name == "unit" else 1 for name in KINDS[kind].fields} | self.facts(kind) | data
        with db.unit_of_work() as session:
            push_id = plan(session, fact, kind, self.world.people[who], now=self.world.now, lasts=lasts, **data)
        assert push_id is not None
        return push_id

    def facts(self, kind: PushKind) -> dict[str, Any]:
        """What the check at sending looks up: something that holds."""
        if KINDS[kind].holds is not Holds.ALERT_STANDS:
            return {}
        with db.unit_of_work() as session:
            contact = Contact(channel=Channel.WECOM, address=f"caller-{uuid4().hex}")
            session.add(contact)
            session.flush()
            it = Alert(contact_id=contact.id or 0, trigger=Trigger.CALL, created_at=self.world.now)
            session.add(it)
            session.flush()
            return {"alert": it.id}

    def row(self, push_id: int) -> Push:
        """A row of the outbox as it stands."""
        with db.unit_of_work(write=False) as session:
            return session.get_one(Push, push_id)

    def attempts(self, push_id: int) -> list[PushAttempt]:
        """Every request that was made for it."""
        with db.unit_of_work(write=False) as session:
            return list(attempts_of(session, push_id))

    def arrived(self, address: str | None = None) -> list[LogRow]:
        """What reached phones."""
        return self.platform.delivered(address)

    def calls(self, end: str) -> list[LogRow]:
        """What the platform was asked whose path ends so."""
        return [row for row in self.platform.log if row["api"].endswith(end)]

    def let_leases_run_out(self) -> None:
        """Eight seconds later, for those who hold rows."""
        with db.unit_of_work() as session:
            past = clock.machine() - timedelta(seconds=1)
            session.execute(sa.update(Push).where(sa.column("lease_until").is_not(None)).values(lease_until=past))

    def elsewhere(self, code: str, *, failpoint: str = "") -> subprocess.CompletedProcess[bytes]:
        """Run a line of code in a process of its own that is connected and equipped as this one is."""
        return subprocess.run(
            self._command(code), env=_environment(failpoint), check=False, timeout=60, capture_output=True
        )

    def beside(self, code: str) -> subprocess.Popen[bytes]:
        """The same, going on beside the test, which ends it."""
        return subprocess.Popen(self._command(code), env=_environment(), stdout=subprocess.DEVNULL)

    def _command(self, code: str) -> list[str]:
        given = json.dumps([self.world.settings.database.url, self.address, self.redis_url, self.world.now.isoformat()])
        return [sys.executable, "-m", "tests.workers.elsewhere", given, code]


def _environment(failpoint: str = "") -> dict[str, str]:
    return os.environ | {"XINQIAO_FAILPOINT": failpoint, "PYTHONPATH": str(Path(__file__).parents[2])}
