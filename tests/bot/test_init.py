"""`xinqiao init` writes a config that starts as it is."""

import stat
from pathlib import Path

import pytest

from bot.init import write_config
from bot.settings import SAMPLE, load_settings
from models.errors import SettingsError


def test_what_init_writes_starts_as_it_is_with_the_channels_off(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"

    write_config(path)

    settings = load_settings(path)
    assert (settings.official_account, settings.wecom) == (None, None)
    assert settings.duty.contacts == ()
    assert settings.database.url == f"sqlite:///{tmp_path}/xinqiao.db"


def test_every_file_has_keys_of_its_own(tmp_path: Path) -> None:
    first, second = tmp_path / "1.toml", tmp_path / "2.toml"

    write_config(first)
    write_config(second)

    one, other = load_settings(first), load_settings(second)
    assert one.web.secret_key != other.web.secret_key
    assert one.web.metrics_token != other.web.metrics_token
    assert one.privacy.encryption_keys != other.privacy.encryption_keys


def test_only_the_owner_can_read_the_keys(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"

    write_config(path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_is_there_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("mine")

    with pytest.raises(SettingsError, match="already there"):
        write_config(path)

    assert path.read_text() == "mine"


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be written"):
        write_config(tmp_path / "nowhere" / "config.toml")


@pytest.mark.parametrize("section", ["official_account", "wecom"])
def test_a_channel_is_switched_on_by_taking_the_marks_away(tmp_path: Path, section: str) -> None:
    path = tmp_path / "config.toml"
    write_config(path)
    text = path.read_text(encoding="utf-8")

    before, mark, after = text.partition(f"#[{section}]")
    opened = (
        before
        + mark.removeprefix("#")
        + "\n".join(line.removeprefix("#") if not line.startswith("# ") else line for line in after.splitlines())
    )
    path.write_text(opened.replace(f"{SAMPLE}-encoding-aes-key", "a" * 43).replace(SAMPLE, "own"), encoding="utf-8")

    assert getattr(load_settings(path), section) is not None
