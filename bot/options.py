"""What the commands share: the option that names the config file, and reading it. Slim: every command loads it."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from bot.settings import Settings

Config = Annotated[
    Path | None, typer.Option("--config", "-c", help="The config file; default config.toml, or XINQIAO_CONFIG.")
]


def settings_of(config: Path | None, *, log_level: str = "WARNING") -> "Settings":
    """The settings of a command, and the log begun. A process that goes on says more than a command that ends."""
    from bot.log import setup_logging  # noqa: PLC0415
    from bot.settings import load_settings  # noqa: PLC0415

    if config is not None:
        os.environ["XINQIAO_CONFIG"] = str(config.absolute())
    settings = load_settings(config)
    setup_logging(os.environ.get("XINQIAO_LOG_LEVEL", log_level))
    return settings
