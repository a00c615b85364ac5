"""The sections of config.toml and what each key holds.

Nothing of `models` is imported at the top: whoever only reads the settings does not load the database's libraries.
"""

import itertools
from collections.abc import Mapping
from datetime import date, time, timedelta
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from typing_extensions import override

from bot.settings.values import (
    AesKey,
    AppriseUrl,
    DatabaseUrl,
    EncryptionKeys,
    OptionalAesKey,
    OptionalSecret,
    Origin,
    Port,
    QueueUrl,
    Secret,
    SigningKey,
    Text,
    TimeOfDay,
    Weekly,
    WeeklyTime,
    check_keys,
)


class Section(BaseModel):
    """What all sections share."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True, hide_input_in_errors=True)


class Term(Section):
    """First and last day, both in it."""

    name: Text
    first_day: date
    last_day: date

    @field_validator("last_day")
    @classmethod
    def _not_before_first(cls, value: date, info: ValidationInfo) -> date:
        if value < info.data.get("first_day", value):
            msg = "must not be before first_day"
            raise ValueError(msg)
        return value


class Period(Section):
    """One lesson of the school's day (节次)."""

    name: Text
    starts: TimeOfDay
    ends: TimeOfDay

    @field_validator("ends")
    @classmethod
    def _after_start(cls, value: time, info: ValidationInfo) -> time:
        if value <= info.data.get("starts", time.min):
            msg = "must be later than starts"
            raise ValueError(msg)
        return value


class School(Section):
    """Names and calendar. Shape: terms by first day, apart from each other."""

    name: Text
    timezone: ZoneInfo = ZoneInfo("Asia/Shanghai")
    level_names: tuple[Text, ...] = Field(default=("学校", "学院", "班级", "宿舍"), min_length=4, max_length=4)
    role_names: Mapping[str, Text] = Field(default_factory=dict)
    terms: tuple[Term, ...] = ()
    periods: tuple[Period, ...] = ()

    @field_validator("role_names")
    @classmethod
    def _roles_exist(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        if value:
            from models.post import Role  # noqa: PLC0415 — it brings the database's libraries; most schools rename nobody

            check_keys(value, [role.value for role in Role])
        return value

    @field_validator("terms")
    @classmethod
    def _terms_apart(cls, value: tuple[Term, ...]) -> tuple[Term, ...]:
        by_start = tuple(sorted(value, key=lambda term: term.first_day))
        if any(later.first_day <= earlier.last_day for earlier, later in itertools.pairwise(by_start)):
            msg = "must not overlap"
            raise ValueError(msg)
        return by_start


class Database(Section):
    """Where the rows are; a relative SQLite file has been set from the config file's folder."""

    url: DatabaseUrl = Field(repr=False)


class Queue(Section):
    """The doorbell; "" is the embedded one."""

    url: QueueUrl = Field(default="", repr=False)


class Web(Section):
    """The door to the network; an empty metrics_token leaves details to loopback alone."""

    host: Text = "127.0.0.1"
    port: Port = 8000
    public_url: Origin
    secret_key: SigningKey
    metrics_token: OptionalSecret = SecretStr("")


class Privacy(Section):
    """Keys for text about people, newest first, each in standard base64."""

    encryption_keys: EncryptionKeys


class Template(Section):
    """A template message: its number at the platform, and what each of its keywords shows."""

    id: Text
    fields: Mapping[str, Text] = Field(min_length=1)


class OfficialAccount(Section):
    """公众号; an empty aes_key means clear text."""

    app_id: Text
    secret: Secret
    token: Secret
    aes_key: OptionalAesKey
    previous_aes_key: OptionalAesKey = SecretStr("")
    api_base: Origin = "https://api.weixin.qq.com"
    templates: Mapping[str, Template] = Field(default_factory=dict)

    @field_validator("templates")
    @classmethod
    def _kinds_exist(cls, value: Mapping[str, Template]) -> Mapping[str, Template]:
        if value:
            from models.outbox import TEMPLATED  # noqa: PLC0415 — as for roles

            check_keys(value, [kind.value for kind in TEMPLATED])
        return value


class WeCom(Section):
    """企业微信; always encrypted."""

    corp_id: Text
    agent_id: int = Field(ge=1)
    secret: Secret
    token: Secret
    aes_key: AesKey
    previous_aes_key: OptionalAesKey = SecretStr("")
    api_base: Origin = "https://qyapi.weixin.qq.com"


class Phone(Section):
    """A number that helps, as it is shown."""

    name: Text
    number: Text


class Duty(Section):
    """Who is called and who operates, by staff number, and which phones are shown."""

    contacts: tuple[Text, ...] = ()
    phones: tuple[Phone, ...] = ()
    operators: tuple[Text, ...] = ()


class Fallback(Section):
    """Other ways to reach staff."""

    urls: tuple[AppriseUrl, ...] = Field(default=(), repr=False)


class Checkin(Section):
    """When check-ins open, fall due and are reminded. Rules: docs/rules.md#rounds."""

    class_opens: Weekly = WeeklyTime(6, time(19))
    class_due: Weekly = WeeklyTime(0, time(12))
    dorm_opens: Weekly = WeeklyTime(4, time(19))
    dorm_due: Weekly = WeeklyTime(6, time(18))
    dorm_every_weeks: int = Field(default=2, ge=1, le=26)
    reminder_before_due_hours: int = Field(default=3, ge=1, le=72)
    question_answered_within: Text = "一个工作日"
    talk_hours: int = Field(default=24, ge=1, le=168)

    @field_validator("reminder_before_due_hours")
    @classmethod
    def _after_opening(cls, value: int, info: ValidationInfo) -> int:
        for kind in ("class", "dorm"):
            opens, due = info.data.get(f"{kind}_opens"), info.data.get(f"{kind}_due")
            if opens and due and timedelta(hours=value) >= opens.until(due):
                msg = f"must be shorter than the time from {kind}_opens to {kind}_due"
                raise ValueError(msg)
        return value


class Booking(Section):
    """How counseling is booked; minutes, hours, days as the names say. Rules: docs/rules.md#booking."""

    session_minutes: int = Field(default=50, ge=10, le=240)
    buffer_before_minutes: int = Field(default=0, ge=0, le=120)
    buffer_after_minutes: int = Field(default=10, ge=0, le=120)
    notice_hours: int = Field(default=2, ge=0, le=336)
    horizon_days: int = Field(default=28, ge=1, le=180)
    open_per_student: int = Field(default=1, ge=1, le=10)
    weekly_per_student: int = Field(default=1, ge=0, le=7)
    daily_per_counselor: int = Field(default=6, ge=0, le=24)
    weekly_per_counselor: int = Field(default=20, ge=0, le=80)
    hold_minutes: int = Field(default=5, ge=1, le=60)
    cancel_notice_hours: int = Field(default=24, ge=0, le=336)
    change_notice_hours: int = Field(default=24, ge=0, le=336)
    changes: int = Field(default=2, ge=0, le=20)
    confirm: Literal["at_once", "by_hand"] = "at_once"
    answer_by: TimeOfDay = time(12)
    offer_hours: int = Field(default=2, ge=1, le=72)
    proposal_hours: int = Field(default=24, ge=1, le=168)
    remind_at: TimeOfDay = time(20)
    remind_before_hours: int = Field(default=2, ge=1, le=24)
    morning_at: TimeOfDay = time(8)
    misses: int = Field(default=3, ge=1, le=20)
    misses_within_days: int = Field(default=90, ge=7, le=400)
    late_after_minutes: int = Field(default=20, ge=5, le=120)
    dual_relation: Literal["hide", "warn"] = "hide"
    station_first: bool = True
    centre_phone: str = ""
    centre_mailbox: str = ""


class Urgent(Section):
    """A call for help."""

    unanswered_minutes: int = Field(default=2, ge=1, le=60)


class QuietHours(Section):
    """When nothing but the urgent is sent; the same time twice: never quiet."""

    starts: TimeOfDay = Field(default=time(22, 30), alias="from")
    ends: TimeOfDay = Field(default=time(7), alias="to")


class Retention(Section):
    """How long traces of messages are kept."""

    message_key_days: int = Field(default=30, ge=1, le=365)
    push_days: int = Field(default=180, ge=7, le=3650)
    stored_reply_hours: int = Field(default=24, ge=1, le=168)
    booking_days: int = Field(default=730, ge=90, le=3650)
    booking_words_days: int = Field(default=30, ge=1, le=365)


class Settings(BaseSettings):
    """All of it, made by `load_settings`. A channel that is None is off."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        env_prefix="XINQIAO_",
        env_nested_delimiter="__",
        env_nested_max_split=1,
    )

    school: School
    database: Database
    queue: Queue = Queue()
    web: Web
    privacy: Privacy
    official_account: OfficialAccount | None = None
    wecom: WeCom | None = None
    duty: Duty = Duty()
    fallback: Fallback = Fallback()
    checkin: Checkin = Checkin()
    booking: Booking = Booking()
    urgent: Urgent = Urgent()
    quiet_hours: QuietHours = QuietHours()
    retention: Retention = Retention()

    _folder: Path = PrivateAttr()

    def __init__(self, folder: Path, sections: Mapping[str, Any], /) -> None:
        """Check the sections; `folder` is the config file's."""
        super().__init__(**sections)
        self._folder = folder

    @property
    def folder(self) -> Path:
        """Where relative paths start."""
        return self._folder

    @override
    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, *_: Any, **__: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # File and environment come merged from `load_settings`: merged here, a table would mix the keys of both.
        return (init_settings,)
