"""`xinqiao try`: ask the readers of words without config, database or queue. Thin as every command."""

from typing import Annotated

import typer

app = typer.Typer(name="try", help="Try the readers of words on lines from standard input.", no_args_is_help=True)


@app.callback()
def try_() -> None:
    """Try the readers of words on lines from standard input; no config, database or queue."""


@app.command()
def when(
    now: Annotated[
        str, typer.Option(metavar="ISO", help="The local moment of lines that have none of their own.")
    ] = "",
    term: Annotated[
        list[str] | None,
        typer.Option(metavar="FIRST/LAST", help="First and last day of a term, for 「第8周周三」; may be repeated."),
    ] = None,
) -> None:
    """What a time means: REFERENCE<TAB>TEXT lines in; a day, a moment, a span, or an empty line (ask back) out."""
    from bot.try_command import answer_times, as_moment, as_term  # noqa: PLC0415

    reference = as_moment(now, "--now") if now else None
    answer_times(reference, [as_term(it) for it in term or ()])
