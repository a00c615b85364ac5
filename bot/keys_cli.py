"""`xinqiao keys`, thin as every command: what it needs is imported when it runs."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(name="keys", help="The keys that seal text about people.", no_args_is_help=True)
Config = Annotated[
    Path | None, typer.Option("--config", "-c", help="The config file; default config.toml, or XINQIAO_CONFIG.")
]


@app.callback()
def keys() -> None:
    """The keys that seal text about people."""


@app.command()
def rotate(config: Config = None) -> None:
    """Seal everything with the newest key, while the bot goes on; may be killed and run again."""
    from bot.commanding import settings_of  # noqa: PLC0415
    from bot.keys_command import rotate_keys  # noqa: PLC0415

    rotate_keys(settings_of(config))
