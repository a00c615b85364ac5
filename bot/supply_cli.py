"""`xinqiao supply`, thin as every command: what it needs is imported when it runs."""

from pathlib import Path
from typing import Annotated

import typer

from bot.options import Config, settings_of

app = typer.Typer(
    name="supply", help="Counselors, rooms, weekly hours and changes: one workbook.", no_args_is_help=True
)


@app.command()
def template(file: Annotated[Path, typer.Argument(help="Where to write it: .xlsx.")], config: Config = None) -> None:
    """Write an empty workbook: four sheets with a sample row, and an explanation of each column; never overwrites."""
    from bot.supply_command import write_workbook  # noqa: PLC0415

    write_workbook(settings_of(config), file)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="The workbook: XLSX, or one sheet of it as CSV.")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing, say what would happen.")] = False,
    config: Config = None,
) -> None:
    """Import a workbook: all of it, or nothing and a list of what to mend. A second time changes nothing."""
    from bot.supply_command import import_workbook  # noqa: PLC0415

    import_workbook(settings_of(config), file, dry_run=dry_run)
