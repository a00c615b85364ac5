"""config.toml and the environment: typed, merged key by key, and refused early by the key's name alone."""

import base64
import json
import re
import subprocess
import sys
from datetime import date, time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from bot.init import write_config
from bot.settings import SAMPLE, Settings, WeeklyTime, load_settings
from bot.settings.load import all_keys
from bot.settings.sections import Period, Phone, Template, Term
from bot.settings.values import Weekly
from models.errors import SettingsError
from models.outbox import TEMPLATED
from models.post import Role

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"
AES_KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
OWN_KEY = base64.b64encode(bytes(range(32))).decode()
SECRETS = [
    "web.secret_key",
    "web.metrics_token",
    "privacy.encryption_keys",
    "official_account.secret",
    "official_account.token",
    "official_account.aes_key",
    "wecom.secret",
    "wecom.token",
    "wecom.aes_key",
]
OFFICIAL_ACCOUNT = {"APP_ID": "wx1", "SECRET": "s" * 32, "TOKEN": "token", "AES_KEY": ""}
WECOM = {"CORP_ID": "ww1", "AGENT_ID": "1000002", "SECRET": "s" * 32, "TOKEN": "token", "AES_KEY": AES_KEY}
OVERLAPPING = json.dumps(
    [
        {"name": "a", "first_day": "2026-03-01", "last_day": "2026-07-01"},
        {"name": "b", "first_day": "2026-02-01", "last_day": "2026-03-01"},
    ]
)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A config file that starts as it is."""
    path = tmp_path / "config.toml"
    write_config(path)
    return path


def refusal(path: Path) -> str:
    """The one line with which a config is refused."""
    with pytest.raises(SettingsError) as caught:
        load_settings(path)
    assert caught.value.__cause__ is None
    line = str(caught.value)
    assert "\n" not in line
    return line


def filled(example: str) -> str:
    """The example with secrets of one's own."""
    own = {"aes_key": AES_KEY, "encryption_keys": OWN_KEY}
    return re.sub(
        rf'^(\w+)( = .*)"{SAMPLE}[^"]*"',
        lambda it: f'{it[1]}{it[2]}"{own.get(it[1], "own" * 10)}"',
        example,
        flags=re.MULTILINE,
    )


# The example


def test_the_example_is_refused_by_the_names_of_its_sample_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.settings.load.MISTAKES_SHOWN", 100)

    line = refusal(EXAMPLE)

    assert re.findall(r"([\w.]+)(?:\[0\])? is still the sample", line) == SECRETS
    assert f"{SAMPLE}-" not in line


@pytest.mark.parametrize("key", SECRETS)
def test_each_sample_secret_is_refused_by_itself(tmp_path: Path, key: str) -> None:
    section, _, name = key.partition(".")
    before, header, after = EXAMPLE.read_text(encoding="utf-8").partition(f"\n[{section}]\n")
    own, sample = filled(after), re.search(rf"^{name} = .*$", after, flags=re.MULTILINE)
    assert sample
    mixed = filled(before) + header + re.sub(rf"^{name} = .*$", sample[0], own, count=1, flags=re.MULTILINE)
    path = tmp_path / "config.toml"
    path.write_text(mixed, encoding="utf-8")

    assert re.fullmatch(rf"\S+: {key}(\[0\])? is still the sample: put in your own", refusal(path))


def test_the_example_with_secrets_of_ones_own_loads(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(filled(EXAMPLE.read_text(encoding="utf-8")), encoding="utf-8")

    settings = load_settings(path)

    assert settings.official_account
    assert settings.official_account.templates["digest"].fields
    assert settings.wecom
    assert settings.wecom.agent_id == 1000002


def test_the_example_holds_the_defaults(tmp_path: Path, config: Path) -> None:
    settings = load_settings(config)
    required = "".join(
        f'[{section}]\n{key} = "{value}"\n'
        for section, key, value in [
            ("school", "name", settings.school.name),
            ("database", "url", settings.database.url),
        ]
    )
    web = f'[web]\npublic_url = "{settings.web.public_url}"\nsecret_key = "{"k" * 16}"\n'
    bare = tmp_path / "bare.toml"
    bare.write_text(f'{required}{web}[privacy]\nencryption_keys = ["{OWN_KEY}"]\n', encoding="utf-8")

    by_default = load_settings(bare)
    for section in Settings.model_fields.keys() - {"web", "privacy"}:
        assert getattr(by_default, section) == getattr(settings, section)
    assert (by_default.web.host, by_default.web.port) == (settings.web.host, settings.web.port)


def test_every_key_stands_in_the_example_with_a_comment_above_it() -> None:
    explained, section, comment = [], "", ""
    for line in EXAMPLE.read_text(encoding="utf-8").splitlines():
        if header := re.fullmatch(r"\[(\w+)(\.templates\.\w+)?\]", line):
            section = "template" if header[2] else header[1]
        elif key := re.match(r"(\w+) = ", line):
            assert re.search(r"[\u4e00-\u9fff]", comment), f"{section}.{key[1]} in Chinese"
            assert re.search(r"[a-z]{2,}[ ,;.]", comment), f"{section}.{key[1]} in English"
            explained.append((section, key[1]))
        comment = comment + line if line.startswith("#") else ""

    assert sorted(explained) == sorted(
        [key for key in all_keys() if key[1] != "templates"] + [("template", name) for name in Template.model_fields]
    )


def test_the_tables_inside_lists_stand_in_the_example_too() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")

    for model in (Term, Period, Phone):
        assert re.search("{ " + ".*".join(f"{name} = " for name in model.model_fields), text), model


def test_the_example_names_every_role_and_every_kind_of_push() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")

    assert [name for name in (*Role, *TEMPLATED) if not re.search(rf"\b{name}\b", text)] == []


# File and environment


def test_the_environment_wins_key_by_key(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XINQIAO_WEB__PORT", "9000")
    monkeypatch.setenv("XINQIAO_QUIET_HOURS__FROM", "23:00")

    settings = load_settings(config)

    assert (settings.web.port, settings.web.host) == (9000, "127.0.0.1")
    assert (settings.quiet_hours.starts, settings.quiet_hours.ends) == (time(23), time(7))


def test_lists_and_tables_come_as_json_and_replace_those_of_the_file(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text(
        config.read_text(encoding="utf-8")
        .replace("role_names = {}", 'role_names = { advisor = "导师" }')
        .replace("contacts = []", 'contacts = ["T001", "T002"]'),
        encoding="utf-8",
    )
    assert load_settings(config).school.role_names == {"advisor": "导师"}

    monkeypatch.setenv("XINQIAO_SCHOOL__ROLE_NAMES", '{"dorm_officer": "宿舍安全员"}')
    monkeypatch.setenv("XINQIAO_SCHOOL__TERMS", '[{"name": "秋", "first_day": "2026-09-07", "last_day": "2027-01-17"}]')
    monkeypatch.setenv("XINQIAO_DUTY__CONTACTS", '["T009"]')
    monkeypatch.setenv("XINQIAO_DUTY__PHONES", '[{"name": "值班", "number": "110"}]')

    settings = load_settings(config)
    assert settings.school.role_names == {"dorm_officer": "宿舍安全员"}
    assert settings.school.terms[0].first_day == date(2026, 9, 7)
    assert settings.duty.contacts == ("T009",)
    assert settings.duty.phones[0].number == "110"


def test_a_channel_given_by_the_environment_alone_counts(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in OFFICIAL_ACCOUNT.items():
        monkeypatch.setenv(f"XINQIAO_OFFICIAL_ACCOUNT__{key}", value)
    monkeypatch.setenv(
        "XINQIAO_OFFICIAL_ACCOUNT__TEMPLATES", json.dumps({"alert": {"id": "t1", "fields": {"thing1": "text"}}})
    )
    for key, value in WECOM.items():
        monkeypatch.setenv(f"XINQIAO_WECOM__{key}", value)

    settings = load_settings(config)

    assert settings.official_account
    assert not settings.official_account.aes_key
    assert settings.official_account.templates["alert"].id == "t1"
    assert settings.official_account.api_base == "https://api.weixin.qq.com"
    assert settings.wecom
    assert settings.wecom.aes_key.get_secret_value() == AES_KEY


def test_a_channel_given_by_halves_is_refused_by_what_is_missing(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XINQIAO_WECOM__CORP_ID", "ww1")

    line = refusal(config)

    assert re.findall(r"[\w.]+(?= is missing)", line) == [
        f"wecom.{key}" for key in ("agent_id", "secret", "token", "aes_key")
    ]


def test_without_a_file_the_environment_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "SCHOOL__NAME": "某校",
        "DATABASE__URL": "sqlite:///data/x.db",
        "WEB__PUBLIC_URL": "https://bot.example.edu.cn/",
        "WEB__SECRET_KEY": "k" * 16,
        "PRIVACY__ENCRYPTION_KEYS": json.dumps([OWN_KEY]),
    }.items():
        monkeypatch.setenv(f"XINQIAO_{name}", value)

    settings = load_settings()

    assert settings.folder == tmp_path
    assert settings.database.url == f"sqlite:///{tmp_path}/data/x.db"
    assert settings.web.public_url == "https://bot.example.edu.cn"


def test_without_file_and_environment_init_is_named(tmp_path: Path) -> None:
    line = refusal(tmp_path / "config.toml")

    assert "`xinqiao init`" in line
    assert "school.name is missing" in line


def test_the_file_is_named_by_the_environment(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XINQIAO_CONFIG", str(config))

    assert load_settings().folder == config.parent


def test_a_file_saved_by_notepad_loads(config: Path) -> None:
    config.write_bytes(b"\xef\xbb\xbf" + config.read_bytes().replace(b"\n", b"\r\n"))

    assert load_settings(config).school.name


# What comes out


@pytest.mark.parametrize(
    ("given", "settled"),
    [
        ("sqlite:///x.db", "sqlite:///{folder}/x.db"),
        ("sqlite:///data/x.db?timeout=5", "sqlite:///{folder}/data/x.db?timeout=5"),
        ("sqlite:////var/lib/x.db", "sqlite:////var/lib/x.db"),
        ("postgresql://u:p@h/n", "postgresql+psycopg://u:p@h/n"),
        ("postgres://u:p@h/n", "postgresql+psycopg://u:p@h/n"),
        ("postgresql+psycopg://u:p@h/n", "postgresql+psycopg://u:p@h/n"),
    ],
)
def test_the_database_is_found_from_the_files_folder(
    config: Path, monkeypatch: pytest.MonkeyPatch, given: str, settled: str
) -> None:
    monkeypatch.setenv("XINQIAO_DATABASE__URL", given)

    assert load_settings(config).database.url == settled.format(folder=config.parent)


def test_an_encryption_key_may_come_in_either_alphabet(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = b"\xfb\xff" * 16
    both = [base64.urlsafe_b64encode(raw).decode(), base64.b64encode(raw).decode()]
    monkeypatch.setenv("XINQIAO_PRIVACY__ENCRYPTION_KEYS", json.dumps(both))

    first, second = load_settings(config).privacy.encryption_keys

    assert first.get_secret_value() == second.get_secret_value() == both[1]


def test_showing_the_settings_shows_no_secret(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XINQIAO_DATABASE__URL", "postgresql://u:canary@h/n")
    monkeypatch.setenv("XINQIAO_QUEUE__URL", "redis://:canary@h/0")
    monkeypatch.setenv("XINQIAO_FALLBACK__URLS", '["mailto://u:canary@h"]')
    monkeypatch.setenv("XINQIAO_WEB__SECRET_KEY", "canary" * 3)

    assert "canary" not in repr(load_settings(config))


def test_settings_stay_as_they_were_read(config: Path) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load_settings(config).web.port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "weekday", "at"),
    [
        ("周日 19:00", 6, time(19)),
        ("周天 19:00", 6, time(19)),
        ("星期日 19:00", 6, time(19)),
        ("Sunday 19:00", 6, time(19)),
        ("sun 7:05", 6, time(7, 5)),
        ("周一12:00", 0, time(12)),
        ("星期三 09:30", 2, time(9, 30)),
    ],
)
def test_a_weekly_moment_is_read_as_people_write_it(text: str, weekday: int, at: time) -> None:
    assert TypeAdapter(Weekly).validate_python(text) == WeeklyTime(weekday, at)


@given(st.integers(0, 6), st.times(), st.integers(0, 6), st.times())
def test_a_weekly_moment_comes_round_within_a_week(day: int, at: time, later_day: int, later_at: time) -> None:
    earlier = WeeklyTime(day, at.replace(second=0, microsecond=0))
    later = WeeklyTime(later_day, later_at.replace(second=0, microsecond=0))

    there, back = earlier.until(later), later.until(earlier)

    assert (there + back).days == (14 if earlier == later else 7)


# Refusals


@pytest.mark.parametrize(
    "key", ["school.name", "database.url", "web.public_url", "web.secret_key", "privacy.encryption_keys"]
)
def test_a_missing_key_is_named(config: Path, key: str) -> None:
    name = key.partition(".")[2]
    text = config.read_text(encoding="utf-8")
    config.write_text(re.sub(rf"^{name} = .*\n", "", text, count=1, flags=re.MULTILINE), encoding="utf-8")

    assert refusal(config) == f"{config}: {key} is missing: add it"


@pytest.mark.parametrize(
    ("key", "value", "mend"),
    [
        ("school.name", "", "must not be empty"),
        ("school.timezone", "Asia/Canary", "must be a time zone"),
        ("school.level_names", '["canary", "b", "c"]', "must have at least 4 entries"),
        ("school.level_names", '["canary", "b", "c", "d", "e"]', "must have at most 4 entries"),
        ("school.role_names", '{"dean": "canary"}', "cannot have dean: its keys are committee_member"),
        (
            "school.terms[0].last_day",
            '[{"name":"a","first_day":"2026-09-01","last_day":"2026-08-01"}]',
            "before first_day",
        ),
        ("school.terms[0].first_day", '[{"name":"a","first_day":"canary","last_day":"2026-08-01"}]', "must be a day"),
        ("school.terms", OVERLAPPING, "must not overlap"),
        ("school.periods[0].ends", '[{"name":"a","starts":"08:00","ends":"08:00"}]', "must be later than starts"),
        ("school.periods", "canary", "must be a list (in the environment: JSON)"),
        ("database.url", "mysql://canary", "must be"),
        ("database.url", "sqlite://", "must be"),
        ("database.url", "sqlite:///:memory:", "must be"),
        ("queue.url", "canary", "must be empty"),
        ("web.port", "canary", "must be a whole number"),
        ("web.port", "70000", "must be at most 65535"),
        ("web.public_url", "canary", "must be scheme, host"),
        ("web.public_url", "https://canary/path", "must be scheme, host"),
        ("web.public_url", "https://u:canary@host", "must be scheme, host"),
        ("web.secret_key", "canary", "must have at least 16 characters"),
        ("web.metrics_token", f"{SAMPLE}-of-mine", "is still the sample"),
        ("privacy.encryption_keys", "[]", "is empty"),
        ("privacy.encryption_keys[1]", f'["{OWN_KEY}", "canary"]', "must be base64 of 32 random bytes"),
        ("privacy.encryption_keys[0]", f'["{"7" * 42}钥匙"]', "must be base64 of 32 random bytes"),
        ("official_account.aes_key", "canary", "must be the 43 characters"),
        ("official_account.api_base", "https://canary/cgi-bin", "must be scheme, host"),
        ("official_account.templates", '{"canaries": {"id": "a", "fields": {"thing1": "a"}}}', "cannot have canaries"),
        ("official_account.templates.alert.fields", '{"alert": {"id": "a", "fields": {}}}', "must have at least 1"),
        ("wecom.aes_key", "", "must not be empty"),
        ("wecom.agent_id", "canary", "must be a whole number"),
        ("duty.contacts", "T001", "must be a list"),
        ("duty.contacts[0]", "[1001]", "must be text in quotes"),
        ("duty.phones[0].number", '[{"name": "canary"}]', "is missing"),
        ("fallback.urls[0]", '["canary"]', "must be an address"),
        ("checkin.class_opens", "周八 19:00", "must be a weekday and a time"),
        ("checkin.class_due", "周一 24:00", "must be a time of day"),
        ("checkin.dorm_every_weeks", "0", "must be at least 1"),
        ("checkin.reminder_before_due_hours", "17", "must be shorter than the time from class_opens to class_due"),
        ("urgent.unanswered_minutes", "1.5", "must be a whole number"),
        ("quiet_hours.to", "canary", "must be a time of day"),
        ("retention.message_key_days", "canary", "must be a whole number"),
        ("booking.canaries", "1", "is not a setting"),
        ("web.canaries", "1", "is not a setting"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_its_key(
    config: Path, monkeypatch: pytest.MonkeyPatch, key: str, value: str, mend: str
) -> None:
    for section, keys in (("OFFICIAL_ACCOUNT", OFFICIAL_ACCOUNT), ("WECOM", WECOM)):
        for name, good in keys.items():
            monkeypatch.setenv(f"XINQIAO_{section}__{name}", good)
    section, name, *_ = re.split(r"[.\[]", key)
    monkeypatch.setenv(f"XINQIAO_{section}__{name}".upper(), value)

    line = refusal(config)

    assert line.startswith(f"{config}: {key} {mend}") or mend in line.removeprefix(f"{config}: {key} ")
    assert key in line
    assert not re.search(r"canary\b|周八|T001", line)


@pytest.mark.parametrize("line", ["[canaries]\nx = 1", "folder = 1"])
def test_an_unknown_section_is_refused(config: Path, line: str) -> None:
    config.write_text(f"{line}\n{config.read_text(encoding='utf-8')}", encoding="utf-8")

    assert "is not a setting" in refusal(config)


@pytest.mark.parametrize(
    ("variable", "mend"),
    [
        ("XINQIAO_WEBB__PORT", "remove it or correct its spelling"),
        ("XINQIAO_DATABASE_URL", "write XINQIAO_DATABASE__URL"),
        ("XINQIAO_OFFICIAL_ACCOUNT_TOKEN", "write XINQIAO_OFFICIAL_ACCOUNT__TOKEN"),
    ],
)
def test_a_variable_that_was_meant_as_a_setting_is_refused(
    config: Path, monkeypatch: pytest.MonkeyPatch, variable: str, mend: str
) -> None:
    monkeypatch.setenv(variable, "canary")

    assert refusal(config) == f"{config}: {variable} (environment) is not a setting: {mend}"


def test_several_mistakes_stand_in_one_line(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for key in ("WEB__PORT", "URGENT__UNANSWERED_MINUTES", *(f"RETENTION__X{number}" for number in range(5))):
        monkeypatch.setenv(f"XINQIAO_{key}", "x")

    line = refusal(config)

    assert "web.port must be" in line
    assert "urgent.unanswered_minutes must be" in line
    assert line.endswith("; and 2 more")


@pytest.mark.parametrize(
    ("content", "mend"),
    [
        (b'[web]\nsecret_key = "canary\n', "is not TOML (at line 2, column "),
        (b"[web]\nsecret_key = canary", "is not TOML (at line 2, column "),
        ("[school]\nname = '枣庄'".encode("gbk"), "is not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_without_its_text(config: Path, content: bytes, mend: str) -> None:
    config.write_bytes(content)

    line = refusal(config)

    assert mend in line
    assert "canary" not in line


def test_reading_the_settings_does_not_load_the_databases_libraries() -> None:
    script = (
        "import sys, bot.settings, bot.init; sys.exit(any(name in sys.modules for name in ('sqlalchemy', 'sqlmodel')))"
    )

    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=60).returncode == 0


def test_every_section_of_the_contract_is_there() -> None:
    assert set(Settings.model_fields) == {
        "school",
        "database",
        "queue",
        "web",
        "privacy",
        "official_account",
        "wecom",
        "duty",
        "fallback",
        "checkin",
        "booking",
        "urgent",
        "quiet_hours",
        "retention",
    }
