"""`xinqiao`: every command, thin. What a command needs is imported when it runs, so that the supervisor stays slim.

Exit status 0, or 2 with one line that says what is wrong and how to mend it.
"""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.options import Config, settings_of
from models.errors import CentreError, DeadlineError, NotFoundError, SettingsError

if TYPE_CHECKING:
    from bot.settings import Settings

app = typer.Typer(
    name="xinqiao",
    help="心桥 — a college's four-level mental-health network, in chat.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _settings(config: Path | None) -> "Settings":
    """The settings of a process that goes on."""
    return settings_of(config, log_level="INFO")


@app.command()
def demo(
    port: Annotated[int, typer.Option(help="Where the sandbox listens; a free one if this is taken.")] = 8000,
) -> None:
    """A sample school and a simulated WeChat in the browser, everything embedded."""
    from bot.sandbox.demo import run_demo  # noqa: PLC0415

    run_demo(port)


@app.command()
def run(config: Config = None) -> None:
    """Everything on one machine: web, worker, scheduler, queue and database."""
    from bot.tree import run_tree  # noqa: PLC0415

    run_tree(_settings(config))


@app.command()
def web(config: Config = None) -> None:
    """The web process alone."""
    from bot.serving import serve_web  # noqa: PLC0415

    settings = _part(config)
    serve_web(settings)


@app.command()
def worker(
    processes: Annotated[
        int, typer.Option("-n", "--processes", min=1, max=64, help="How many; one that dies is started again.")
    ] = 1,
    config: Config = None,
) -> None:
    """Worker processes: they deliver what is due."""
    from bot.wiring import equip_delivery  # noqa: PLC0415
    from bot.worker_tree import run_workers  # noqa: PLC0415
    from workers.worker import run_worker  # noqa: PLC0415

    settings = _part(config)
    equip_delivery(settings)
    if processes > 1:
        run_workers(processes)
    run_worker(settings.queue.url)


@app.command()
def scheduler(config: Config = None) -> None:
    """The ticker: finds what is due."""
    from bot.wiring import equip_ticker  # noqa: PLC0415
    from workers.ticker import run_forever  # noqa: PLC0415

    settings = _part(config)
    run_forever(equip_ticker(settings))


@app.command()
def init(config: Config = None) -> None:
    """Write a config.toml that starts as it is; never overwrites."""
    from bot.init import write_config  # noqa: PLC0415

    path = config or Path(os.environ.get("XINQIAO_CONFIG") or "config.toml")
    write_config(path)
    typer.echo(f"已写好 {path}。接着：")
    typer.echo("  xinqiao roster template 名单.xlsx   # 填好之后")
    typer.echo("  xinqiao roster import 名单.xlsx && xinqiao run")


@app.command()
def migrate(config: Config = None) -> None:
    """Bring the database to this version's schema."""
    from bot.app import open_keys  # noqa: PLC0415
    from models.db import connect  # noqa: PLC0415
    from models.schema import upgrade  # noqa: PLC0415

    settings = _settings(config)
    open_keys(settings)
    upgrade(connect(settings.database.url))
    typer.echo("数据库已是最新。")


@app.command()
def check(config: Config = None) -> None:
    """Look at config, database, queue, credentials, clock and duty contacts; each line ok or how to mend it."""
    from bot.check import report  # noqa: PLC0415

    fine = True
    for line in report(_settings(config)):
        typer.echo(str(line))
        fine = fine and line.ok
    if not fine:
        raise typer.Exit(2)


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="Where to write it; never overwrites.")], config: Config = None
) -> None:
    """The whole database into one file, while the bot goes on; without keys."""
    from bot.backup import write_backup  # noqa: PLC0415

    write_backup(_settings(config), file)


@app.command()
def restore(file: Annotated[Path, typer.Argument(help="What `backup` wrote.")], config: Config = None) -> None:
    """A backup into an empty database; what was due before waits for `xinqiao pushes release`."""
    from bot.restore import restore_backup  # noqa: PLC0415

    restore_backup(_settings(config), file)


@app.command("bind-code")
def bind_code(number: Annotated[str, typer.Argument(help="学号或工号")], config: Config = None) -> None:
    """A one-time code for somebody whose telephone number is not on the roster."""
    from bot.app import open_data  # noqa: PLC0415
    from models import clock  # noqa: PLC0415
    from models.bind_code import CODE_LASTS, make_code  # noqa: PLC0415
    from models.db import unit_of_work  # noqa: PLC0415

    settings = _settings(config)
    _ready(settings)
    open_data(settings)
    try:
        with unit_of_work() as session:
            code = make_code(session, number, now=clock.now())
    except NotFoundError as error:
        msg = "bind-code: nobody on the roster has this number; look at it again, or import the roster first"
        raise SettingsError(msg) from error
    typer.echo(
        f"绑定码 {code}，{CODE_LASTS.days} 天内有效，只能用一次。请当面或打电话告诉本人：绑定时用它代替手机后四位。"
    )


def _part(config: Path | None) -> "Settings":
    """The settings of one process of many: an old schema and an empty queue url are refused."""
    settings = _settings(config)
    if not settings.queue.url:
        msg = "queue.url is empty: only `xinqiao run` and `xinqiao demo` bring a queue; name the Redis server here"
        raise SettingsError(msg)
    _ready(settings)
    return settings


def _ready(settings: "Settings") -> None:
    """Refuse an old schema. Raises: SettingsError."""
    from models.db import connect  # noqa: PLC0415
    from models.schema import is_current  # noqa: PLC0415

    if not is_current(connect(settings.database.url)):
        msg = "database.url: the schema is not this version's; run `xinqiao migrate`"
        raise SettingsError(msg)


def main() -> None:
    """The console script."""
    from bot.keys_cli import app as keys  # noqa: PLC0415
    from bot.menu_cli import app as menu  # noqa: PLC0415
    from bot.pushes_cli import app as pushes  # noqa: PLC0415
    from bot.roster_cli import app as roster  # noqa: PLC0415
    from bot.supply_cli import app as supply  # noqa: PLC0415
    from bot.try_cli import app as try_  # noqa: PLC0415

    for group in (keys, menu, pushes, roster, supply, try_):
        app.add_typer(group)
    try:
        app()
    except DeadlineError:
        _refuse("database.url: the database was busy for too long; stop what holds it, then try again")
    except CentreError as error:
        _refuse(str(error))
    except Exception as error:
        from models.db import is_database_error  # noqa: PLC0415 — loaded already wherever it could be true

        if not is_database_error(error):
            raise
        _refuse("database.url: the database does not answer; is it running, and may this user write there?")


def _refuse(line: str) -> None:
    sys.stderr.write(f"xinqiao: {line}\n")
    sys.exit(2)


if __name__ == "__main__":
    main()
