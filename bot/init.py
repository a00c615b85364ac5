"""`xinqiao init`: a config.toml that starts as it is, made of config.example.toml: fresh keys, channels off."""

import base64
import os
import re
import secrets
from pathlib import Path

from models.errors import SettingsError

CHANNELS = ("official_account", "wecom")


def write_config(path: Path) -> None:
    """Write a new config file that only its owner can read.

    Raises: SettingsError when something is there already, or the folder does not take it.
    """
    text = _fresh(_example())
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        msg = f"{path} is already there and was not touched: move it away, or name another with --config"
        raise SettingsError(msg) from None
    except OSError as error:
        msg = f"{path} cannot be written ({error.strerror}): choose a folder that this user may write to"
        raise SettingsError(msg) from None


def _example() -> str:
    beside = Path(__file__).with_name("config.example.toml")  # where a wheel puts it; in the source tree it is one up
    file = beside if beside.exists() else beside.parents[1] / beside.name
    return file.read_text(encoding="utf-8")


def _fresh(example: str) -> str:
    fresh = {
        "secret_key": secrets.token_urlsafe(48),
        "metrics_token": secrets.token_urlsafe(24),
        "encryption_keys": base64.b64encode(secrets.token_bytes(32)).decode(),
    }
    lines, section = [], ""
    for line in example.splitlines():
        if header := re.match(r"\[([a-z_]+)", line):
            section = header[1]
        key = line.partition(" ")[0]
        if section in CHANNELS and line and not line.startswith("#"):
            lines.append(f"#{line}")
        elif key in fresh:
            lines.append(re.sub(r'"change-me[^"]*"', f'"{fresh[key]}"', line))
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"
