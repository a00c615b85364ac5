"""What a setting can hold. A reader that refuses raises a ValueError that says how to mend it, never the value."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time, timedelta
from typing import Annotated

from pydantic import AfterValidator, Field, PlainValidator, SecretStr, StringConstraints

SAMPLE = "change-me"
"""How every secret in config.example.toml begins; one that begins so is refused."""

KEY_BYTES = 32
SHORTEST_SECRET_KEY = 16

_ENGLISH = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_WEEKDAYS = {
    name: weekday
    for weekday, (english, chinese) in enumerate(zip(_ENGLISH, "一二三四五六日", strict=True))
    for name in (english, english[:3], f"周{chinese}", f"星期{chinese}")
} | {"周天": 6, "星期天": 6}
_TIME = r"(\d{1,2})[:：](\d{2})"  # a Chinese keyboard types the wide colon


@dataclass(frozen=True, slots=True)
class WeeklyTime:
    """A weekday (0 = Monday) and a local time.

    Not the one of `models.policy`, which the wiring makes of it: importing that loads the database's libraries.
    """

    weekday: int
    at: time

    def until(self, later: "WeeklyTime") -> timedelta:
        """How long until `later` comes round; a week when it is the same moment."""
        days = (later.weekday - self.weekday) % 7
        gap = timedelta(days=days, hours=later.at.hour - self.at.hour, minutes=later.at.minute - self.at.minute)
        return gap if gap > timedelta() else gap + timedelta(weeks=1)


def _time(value: object) -> time:
    if isinstance(value, time):
        return value
    found = re.fullmatch(_TIME, value.strip()) if isinstance(value, str) else None
    if found and (hour := int(found[1])) < 24 and (minute := int(found[2])) < 60:  # noqa: PLR2004
        return time(hour, minute)
    msg = 'must be a time of day such as "22:30"'
    raise ValueError(msg)


def _weekly_time(value: object) -> WeeklyTime:
    found = re.fullmatch(r"(\D+?)\s*(\d.*)", value.strip()) if isinstance(value, str) else None
    weekday = _WEEKDAYS.get(found[1].lower()) if found else None
    if found is None or weekday is None:
        msg = 'must be a weekday and a time such as "周日 19:00" or "Sunday 19:00"'
        raise ValueError(msg)
    return WeeklyTime(weekday, _time(found[2]))


def _origin(value: str) -> str:
    if not re.fullmatch(r"https?://([\w.-]+|\[[0-9A-Fa-f:]+])(:\d{1,5})?/?", value):
        msg = 'must be scheme, host and perhaps port, nothing after it, such as "https://bot.example.edu.cn"'
        raise ValueError(msg)
    return value.rstrip("/")


def _database_url(value: str) -> str:
    if re.match(r"sqlite(\+pysqlite)?:///(?!:memory:)[^?]", value):
        return value
    if found := re.match(r"postgres(ql)?(\+psycopg)?://", value):
        return f"postgresql+psycopg://{value[found.end() :]}"
    msg = 'must be "sqlite:///FILE" or "postgresql://USER:PASSWORD@HOST/NAME"'
    raise ValueError(msg)


def _queue_url(value: str) -> str:
    if value and not value.startswith(("redis://", "rediss://", "unix://")):
        msg = 'must be empty (embedded) or begin with "redis://", "rediss://" or "unix://"'
        raise ValueError(msg)
    return value


def _own(value: SecretStr) -> SecretStr:
    text = value.get_secret_value().strip()
    if text.startswith(SAMPLE):
        msg = "is still the sample: put in your own"
        raise ValueError(msg)
    return SecretStr(text)


def _given(value: SecretStr) -> SecretStr:
    if not value:
        msg = "must not be empty"
        raise ValueError(msg)
    return value


def _signing_key(value: SecretStr) -> SecretStr:
    if len(value) < SHORTEST_SECRET_KEY:
        msg = f"must have at least {SHORTEST_SECRET_KEY} characters, drawn at random"
        raise ValueError(msg)
    return value


def _aes_key(value: SecretStr) -> SecretStr:
    if value and not re.fullmatch(r"[A-Za-z0-9+/]{43}", value.get_secret_value()):
        msg = "must be the 43 characters of EncodingAESKey as the platform shows them"
        raise ValueError(msg)
    return value


def _encryption_key(value: SecretStr) -> SecretStr:
    try:
        raw = base64.b64decode(value.get_secret_value().translate(str.maketrans("-_", "+/")), validate=True)
    except ValueError:
        raw = b""
    if len(raw) != KEY_BYTES:
        msg = f"must be base64 of {KEY_BYTES} random bytes (`openssl rand -base64 {KEY_BYTES}` makes one)"
        raise ValueError(msg)
    return SecretStr(base64.b64encode(raw).decode())


def _at_least_one(value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    if not value:
        msg = "is empty: put at least one key there"
        raise ValueError(msg)
    return value


def check_keys(given: Mapping[str, object], known: list[str]) -> None:
    """Refuse a table with a key that is not known."""
    if strange := sorted(set(given) - set(known)):
        msg = f"cannot have {', '.join(strange)}: its keys are {', '.join(known)}"
        raise ValueError(msg)


Text = Annotated[str, StringConstraints(min_length=1, max_length=100)]
TimeOfDay = Annotated[time, PlainValidator(_time)]
Weekly = Annotated[WeeklyTime, PlainValidator(_weekly_time)]
Port = Annotated[int, Field(ge=1, le=65535)]
Origin = Annotated[str, AfterValidator(_origin)]
DatabaseUrl = Annotated[str, AfterValidator(_database_url)]
QueueUrl = Annotated[str, AfterValidator(_queue_url)]
AppriseUrl = Annotated[str, StringConstraints(pattern="://")]

OptionalSecret = Annotated[SecretStr, AfterValidator(_own)]
Secret = Annotated[OptionalSecret, AfterValidator(_given)]
SigningKey = Annotated[OptionalSecret, AfterValidator(_signing_key)]
OptionalAesKey = Annotated[OptionalSecret, AfterValidator(_aes_key)]
AesKey = Annotated[OptionalAesKey, AfterValidator(_given)]
EncryptionKey = Annotated[OptionalSecret, AfterValidator(_encryption_key)]
EncryptionKeys = Annotated[tuple[EncryptionKey, ...], AfterValidator(_at_least_one)]
