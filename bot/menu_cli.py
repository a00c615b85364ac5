"""`xinqiao menu`, thin as every command: what it needs is imported when it runs."""

import typer

from bot.options import Config, settings_of

app = typer.Typer(name="menu", help="The menu below the chat, one file for both platforms.", no_args_is_help=True)


@app.callback()
def menu() -> None:
    """The menu below the chat, one file for both platforms."""


@app.command()
def push(config: Config = None) -> None:
    """Put menu.toml (the school's beside config.toml, else ours) onto every platform that is on."""
    from bot.menu import push_menu  # noqa: PLC0415

    push_menu(settings_of(config))
