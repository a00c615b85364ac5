"""`xinqiao roster`, thin as every command: what it needs is imported when it runs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.options import Config

if TYPE_CHECKING:
    from bot.settings import Settings

app = typer.Typer(name="roster", help="The school's units, people and posts: one sheet.", no_args_is_help=True)


@app.command()
def template(
    file: Annotated[Path, typer.Argument(help="Where to write it: .xlsx, or .csv.")], config: Config = None
) -> None:
    """Write an empty sheet with headers, sample rows and an explanation of each column; never overwrites."""
    from bot.roster_command import write_sheet  # noqa: PLC0415

    write_sheet(_settings(config), file)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="The sheet: CSV or XLSX.")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing, say what would happen.")] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Also when more than a tenth of people or posts would end.")
    ] = False,
    config: Config = None,
) -> None:
    """Import a sheet: all of it, or nothing and a list of what to mend."""
    from bot.roster_command import import_sheet  # noqa: PLC0415

    import_sheet(_settings(config), file, dry_run=dry_run, agreed=yes)


def _settings(config: Path | None) -> "Settings":
    from bot.settings import load_settings  # noqa: PLC0415

    return load_settings(config)
