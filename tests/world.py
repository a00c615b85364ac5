"""A small school for tests: its cast, its settings, its doors. Everything real but the platforms' API."""

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from flask import Flask

from bot.app import create_app
from bot.policy import make_policy, make_words
from bot.sandbox.callbacks import CallbackDoor
from bot.settings import Settings, load_settings
from models import clock, db
from models.audit import Audit, Fact
from models.channel import Channel
from models.contact import Contact
from models.outbox import Push, Urgency
from models.person import Kind, Person
from models.post import Post, Role
from models.unit import Level, Unit
from tests.phone import Phone

AES_KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
TOKEN = "a-token-for-tests"
APP_ID = "wx0123456789abcdef"
CORP_ID = "ww0123456789abcdef"
AGENT_ID = 1000002
SUNDAY_EVENING = datetime(2026, 11, 15, 19, 30, tzinfo=ZoneInfo("Asia/Shanghai"))
"""Half an hour after the class round opens, in a week without holidays; the dorm round opened on Friday."""

CONFIG = """
[school]
name = "测试学院"
terms = [{{ name = "秋", first_day = 2026-09-07, last_day = 2027-01-17 }}]
[database]
url = "{url}"
[queue]
url = "{queue}"
[web]
public_url = "http://bot.example"
secret_key = "0123456789abcdef0123456789abcdef"
[privacy]
encryption_keys = ["{key}"]
[official_account]
app_id = "{app_id}"
secret = "official-secret-for-tests"
token = "{token}"
aes_key = "{aes_key}"
api_base = "{api}"
[wecom]
corp_id = "{corp_id}"
agent_id = {agent_id}
secret = "wecom-secret-for-tests"
token = "{token}"
aes_key = "{aes_key}"
api_base = "{api}"
[duty]
contacts = ["T900", "T800"]
phones = [{{ name = "学校值班", number = "0000-110" }}]
"""

DOORS = {
    Channel.OFFICIAL_ACCOUNT: CallbackDoor(
        Channel.OFFICIAL_ACCOUNT, "/callback/official-account", TOKEN, AES_KEY, APP_ID, "gh_0123456789ab"
    ),
    Channel.WECOM: CallbackDoor(Channel.WECOM, "/callback/wecom", TOKEN, AES_KEY, CORP_ID, CORP_ID, AGENT_ID),
}


def write_settings(folder: Path, url: str, key: str, *, queue: str = "", api: str = "http://127.0.0.1:9") -> Path:
    """A config.toml for tests; returns its path."""
    path = folder / "config.toml"
    path.write_text(
        CONFIG.format(
            url=url,
            queue=queue,
            key=key,
            app_id=APP_ID,
            token=TOKEN,
            aes_key=AES_KEY,
            api=api,
            corp_id=CORP_ID,
            agent_id=AGENT_ID,
        ),
        "utf-8",
    )
    return path


@dataclass
class World:
    """The school. People are named by what they do: `committee`, `officer`, `student`, `advisor`, `head`, `duty`, `leader`."""

    settings: Settings
    people: dict[str, int] = field(default_factory=dict)
    units: dict[str, int] = field(default_factory=dict)
    rung: list[tuple[int, Urgency]] = field(default_factory=list)
    _app: Flask | None = None
    _ids: int = 1000

    def __post_init__(self) -> None:
        """Take the wiring's own policy and words, and begin on a Sunday evening in term."""
        self.policy = make_policy(self.settings)
        self.words = make_words(self.settings, self.policy)
        clock.move_to(SUNDAY_EVENING)
        self._populate()

    @property
    def app(self) -> Flask:
        """The web application, made when first asked for."""
        if self._app is None:
            self._app = create_app(self.settings, self.rung.extend)
        return self._app

    def restart(self) -> None:
        """A new web process, as far as one process can have one."""
        self._app = None

    @property
    def now(self) -> datetime:
        """The rules' clock."""
        return clock.now()

    def forward(self, **span: float) -> None:
        """Move the rules' clock on."""
        clock.move_to(clock.now() + timedelta(**span))

    def phone(self, who: str, *, bound: bool = True, address: str | None = None) -> Phone:
        """Somebody's phone: staff on WeCom, students on the official account. Bound by a row; the talk has its own tests."""
        channel = Channel.WECOM if who in ("advisor", "head", "duty", "leader", "teacher") else Channel.OFFICIAL_ACCOUNT
        phone = Phone(self.app, DOORS[channel], address or f"{who}-{secrets.token_hex(4)}", self.next_id)
        if bound:
            with db.unit_of_work() as session:
                session.add(
                    Contact(channel=channel, address=phone.address, person_id=self.people[who], bound_at=self.now)
                )
        return phone

    def next_id(self) -> int:
        """A new MsgId."""
        self._ids += 1
        return self._ids

    def rows(self, table: type[Any], *conditions: Any) -> list[Any]:
        """The rows of a table, by id."""
        with db.unit_of_work(write=False) as session:
            return list(session.scalars(sa.select(table).where(*conditions).order_by(sa.inspect(table).primary_key[0])))

    def facts(self, *kinds: Fact) -> list[Fact]:
        """The journal so far; only these kinds when some are named."""
        return [row.fact for row in self.rows(Audit) if not kinds or row.fact in kinds]

    def pushes(self, who: str | None = None) -> list[Push]:
        """The outbox; one person's when named."""
        return self.rows(Push, *([Push.person_id == self.people[who]] if who else []))

    def _populate(self) -> None:
        with db.unit_of_work() as session:

            def unit(name: str, level: Level, parent: str | None) -> None:
                it = Unit(level=level, name=name, parent_id=self.units[parent] if parent else None)
                session.add(it)
                session.flush()
                self.units[name] = it.id or 0

            def person(who: str, number: str, name: str, kind: Kind, **home: str) -> None:
                ids: dict[str, Any] = {f"{level}_id": self.units[unit_name] for level, unit_name in home.items()}
                it = Person(number=number, name=name, kind=kind, phone=f"1380000{number[-4:]:0>4}", **ids)
                session.add(it)
                session.flush()
                self.people[who] = it.id or 0

            def post(who: str, role: Role, unit_name: str) -> None:
                session.add(
                    Post(person_id=self.people[who], role=role, unit_id=self.units[unit_name], started_at=self.now)
                )

            unit("测试学院", Level.SCHOOL, None)
            unit("信息学院", Level.COLLEGE, "测试学院")
            for name in ("软件2301", "软件2302"):
                unit(name, Level.CLASS, "信息学院")
            for name in ("3-301", "3-302"):
                unit(name, Level.DORM, "测试学院")
            at = {"college": "信息学院", "class": "软件2301", "dorm": "3-301"}
            person("committee", "2023010101", "林晓禾", Kind.STUDENT, **at)
            person("officer", "2023010102", "周一帆", Kind.STUDENT, **at)
            person("student", "2023010103", "何小雨", Kind.STUDENT, **at)
            person("twin", "2023010104", "何小雨", Kind.STUDENT, **(at | {"dorm": "3-302"}))
            person("second", "2023010105", "许明", Kind.STUDENT, **(at | {"dorm": "3-302"}))
            person("neighbour", "2023020106", "苏青", Kind.STUDENT, **(at | {"class": "软件2302"}))
            person("advisor", "T100", "陈默", Kind.STAFF, college="信息学院")
            person("teacher", "T200", "方远", Kind.STAFF, college="信息学院")
            person("head", "T300", "罗站", Kind.STAFF, college="信息学院")
            person("duty", "T900", "顾安", Kind.STAFF)
            person("leader", "T800", "钱校", Kind.STAFF)
            post("committee", Role.COMMITTEE_MEMBER, "软件2301")
            post("second", Role.COMMITTEE_MEMBER, "软件2301")
            post("officer", Role.DORM_OFFICER, "3-301")
            post("advisor", Role.ADVISOR, "软件2301")
            post("teacher", Role.ADVISOR, "软件2302")
            post("head", Role.STATION_HEAD, "信息学院")
            post("duty", Role.CENTRE, "测试学院")
            post("leader", Role.LEADING_GROUP, "测试学院")


def make_world(folder: Path, url: str, key: str, **channels: str) -> World:
    """A world on a migrated, connected database."""
    return World(load_settings(write_settings(folder, url, key, **channels)))
