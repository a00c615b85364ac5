"""`xinqiao keys`, thin as every command: what it needs is imported when it runs."""

import typer

from bot.options import Config, settings_of

app = typer.Typer(name="keys", help="The keys that seal text about people.", no_args_is_help=True)


@app.callback()
def keys() -> None:
    """The keys that seal text about people."""


@app.command()
def rotate(config: Config = None) -> None:
    """Seal everything with the newest key, while the bot goes on; may be killed and run again."""
    from bot.keys_command import rotate_keys  # noqa: PLC0415

    rotate_keys(settings_of(config))
