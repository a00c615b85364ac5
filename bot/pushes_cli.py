"""`xinqiao pushes`, thin as every command: what it needs is imported when it runs."""

import os
from typing import Annotated

import typer

from bot.options import Config, settings_of

app = typer.Typer(name="pushes", help="What was to be told, and what became of it.", invoke_without_command=True)
Names = Annotated[
    list[str] | None, typer.Argument(metavar="ID…", help="Ids or numbers (编号); id:12 is always the id.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Do it to all of them.")]


@app.callback()
def pushes(
    context: typer.Context,
    *,
    state: Annotated[list[str] | None, typer.Option(help="Only this state; may be given several times.")] = None,
    kind: Annotated[list[str] | None, typer.Option(help="Only this kind; may be given several times.")] = None,
    person: Annotated[str | None, typer.Option(metavar="NUMBER", help="Only for this student or staff number.")] = None,
    late: Annotated[bool, typer.Option("--late", help="Only what should have gone and did not.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 30,
    config: Config = None,
) -> None:
    """List pushes: what waits, what is held, what may not have arrived; the most pressing first."""
    if context.invoked_subcommand is not None:
        if config is not None:
            os.environ["XINQIAO_CONFIG"] = str(config.absolute())
        return
    from bot.pushes_command import list_pushes  # noqa: PLC0415

    list_pushes(settings_of(config), states=state or [], kinds=kind or [], person=person, late=late, limit=limit)


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="ID", help="Its id or its number (编号); id:12 is always the id.")],
    config: Config = None,
) -> None:
    """One push and its life: planned, claimed, every request, what came of it, and what one can do."""
    from bot.pushes_command import show_push  # noqa: PLC0415

    show_push(settings_of(config), name)


@app.command()
def retry(
    names: Names = None,
    *,
    exhausted: Annotated[bool, typer.Option("--exhausted", help="All that could not be delivered.")] = False,
    since: Annotated[int, typer.Option(metavar="HOURS", min=1, help="With --exhausted: of the last hours.")] = 24,
    config: Config = None,
) -> None:
    """Send again, at once."""
    from bot.pushes_command import retry_exhausted, retry_pushes  # noqa: PLC0415

    if exhausted and not names:
        retry_exhausted(settings_of(config), hours=since)
    else:
        retry_pushes(settings_of(config), names or [])


@app.command()
def cancel(
    names: Names = None,
    *,
    held: Annotated[bool, typer.Option("--held", help="All that is held since a restore.")] = False,
    yes: Yes = False,
    config: Config = None,
) -> None:
    """Take back what has not gone out."""
    from bot.pushes_command import cancel_held, cancel_pushes  # noqa: PLC0415

    if held and not names:
        cancel_held(settings_of(config), agreed=yes)
    else:
        cancel_pushes(settings_of(config), names or [])


@app.command()
def release(*, yes: Yes = False, config: Config = None) -> None:
    """Let go out what is held since a restore."""
    from bot.pushes_command import release_held  # noqa: PLC0415

    release_held(settings_of(config), agreed=yes)
