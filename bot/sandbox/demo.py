"""`xinqiao demo`: a sample school, a simulated WeChat, and an ordinary bot beside them, from one command.

`run_demo` looks whether real credentials are near, then becomes a fresh process whose clock can be moved: that one is the
sandbox. Its bot is `xinqiao run` with a config of its own, which knows nothing of the demo.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

from bot.sandbox import demo_config, school, supply
from bot.sandbox.bot_view import BotView
from bot.sandbox.hands import Hands
from bot.sandbox.listen import LOOPBACK, free_port, make_listener
from bot.sandbox.phones import ZONE, Phones
from bot.sandbox.platform import Platform
from bot.sandbox.sandbox import Sandbox
from bot.sandbox.server import sandbox_app
from bot.sandbox.supervisor import Supervisor
from models import clock
from models.channel import Channel
from models.errors import SettingsError
from models.policy import CheckinPolicy, Term
from models.round import RoundKind, next_slot

PREFIX = "XINQIAO_"
SECTIONS = ("OFFICIAL_ACCOUNT", "WECOM", "DATABASE", "QUEUE", "PRIVACY", "FALLBACK")
CHANNELS = ("official_account", "wecom")
USUAL_PORT = 8000
LAST_PORT = 65535
FRESH = "fresh"
KEPT = "kept"
BEFORE = timedelta(minutes=1)
GREETING = 6.0
FIRST_START = "bound"
AT_ONCE = 4
LAST_WORD = 500


def run_demo(port: int | None = None, folder: Path | None = None) -> None:
    """Run until interrupted; data lies in `folder`, else in a temporary one that goes with the demo.

    Raises: SettingsError when real credentials are near.
    """
    _refuse_real_credentials()
    if port is not None and not 0 <= port <= LAST_PORT:
        raise SettingsError(f"--port {port} is no port: choose one from 1 to {LAST_PORT}")
    kept = folder is not None
    home = folder.absolute() if folder is not None else Path(tempfile.mkdtemp(prefix="xinqiao-demo-"))
    home.mkdir(parents=True, exist_ok=True)
    environment = {name: value for name, value in os.environ.items() if not name.upper().startswith(PREFIX)}
    environment |= {clock.SHIFT_FILE: str(home / "clock"), "PYTHONUTF8": "1"}
    sys.stdout.flush()
    arguments = [str(home), KEPT if kept else FRESH, str(port or USUAL_PORT)]
    os.execve(sys.executable, [sys.executable, "-m", __name__, *arguments], environment)  # noqa: S606  # ourselves


def _refuse_real_credentials() -> None:
    for name in os.environ:
        if name.upper().startswith(tuple(PREFIX + section for section in SECTIONS)):
            raise SettingsError(f"the demo does not run beside real settings: unset {name}, or use another shell")
    path = Path(os.environ.get("XINQIAO_CONFIG") or "config.toml")
    if not path.exists():
        return
    try:
        config = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        config = dict.fromkeys(CHANNELS)
    if found := [channel for channel in CHANNELS if channel in config]:
        section = " and ".join(f"[{channel}]" for channel in found)
        raise SettingsError(f"the demo does not run beside real settings: {path} has {section}; use another folder")


class Demo:
    """The sandbox process: prepares the school, starts the bot, serves until told to stop."""

    def __init__(self, home: Path, port: int) -> None:
        self._home = home
        self._keys = demo_config.Keys.of(home)
        self._config = home / "config.toml"
        self._private = free_port()
        self._port = free_port(port)
        self._address = f"http://{LOOPBACK}:{self._port}"
        self._first = not (home / FIRST_START).exists()
        self._log = home / "bot.log"
        owners = school.owners()
        platform = Platform(demo_config.account_of(self._keys), demo_config.corp_of(self._keys))
        phones = Phones(tuple(owner.key for owner in owners))
        bot = f"http://{LOOPBACK}:{self._private}"
        hands = Hands(platform, phones, owners, demo_config.doors_of(self._keys), bot)
        self._opening = _opening(clock.machine())
        self._term = Term(*school.term_for(self._opening.astimezone(ZONE).date()))
        view = BotView(home / demo_config.DATABASE, CheckinPolicy(terms=(self._term,)))
        run = ("-m", "bot.cli", "run", "-c", str(self._config))
        self._supervisor = Supervisor(run, self._private, os.environ, self._log)
        self._sandbox = Sandbox(school.NAME, platform, phones, hands, self._supervisor, view, bot)

    def run(self) -> int:
        """Serve until a signal; the exit status."""
        ended = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: ended.set())
        self._prepare()
        server = make_listener(sandbox_app(self._sandbox), self._port)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
        self._supervisor.start()
        try:
            if not self._supervisor.wait_ready():
                raise SettingsError(f"the bot did not start; its last word was: {_last_line(self._log)}")
            self._arrive()
            sys.stdout.write(f"心桥演示已经开好，请在浏览器里打开 {self._address}/sandbox/ （按 Ctrl+C 结束）\n")
            sys.stdout.flush()
            ended.wait()
        finally:
            self._supervisor.stop()
        return 0

    def _prepare(self) -> None:
        """Set the clock, write the config, fill the database."""
        if self._first:
            clock.move_to(self._opening)
        text = demo_config.config_text(self._keys, address=self._address, port=self._private, term=self._term)
        self._config.touch(mode=0o600)
        self._config.write_text(text, encoding="utf-8")
        if self._first:
            roster, offered = self._home / "roster.csv", self._home / "supply.xlsx"
            school.write_roster(roster)
            supply.write_supply(offered, self._opening.astimezone(ZONE).date(), self._term.last_day)
            self._command("migrate")
            self._command("roster", "import", str(roster), "--yes")
            self._command("supply", "import", str(offered))

    def _command(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "bot.cli", *arguments, "-c", str(self._config)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # ourselves
        if done.returncode:
            last = (done.stderr.strip() or done.stdout.strip() or "no word").splitlines()[-1]
            raise SettingsError(f"`xinqiao {arguments[0]}` failed for the sample school: {last}")

    def _arrive(self) -> None:
        """Staff are in WeCom; the students shown, and all who have a post, follow the account and bind, once."""
        platform, hands = self._sandbox.platform, self._sandbox.hands
        for row in school.roster():
            if row.wecom_userid:
                platform.joined(row.wecom_userid)
        shown = [owner for owner in hands.owners.values() if owner.channel is Channel.OFFICIAL_ACCOUNT]
        unseen = school.unseen_officers()
        if not self._first:
            for owner in (*shown, *unseen):
                platform.heard(owner.address)
            return
        for owner in shown:
            hands.follow(owner.key)
            self._settle()
            hands.say(owner.key, owner.binding)
            self._settle()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(hands.arrive_unseen, unseen))
        (self._home / FIRST_START).touch()

    def _settle(self) -> None:
        """Wait until no phone waits for an answer."""
        end = time.monotonic() + GREETING
        while time.monotonic() < end and self._sandbox.hands.busy:
            time.sleep(0.02)


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() if log.exists() else []
    return lines[-1][:LAST_WORD] if lines else "(none)"


def _opening(now: datetime) -> datetime:
    """A minute before the dorms' round of the next week that no holiday touches: each step forward rings somebody."""
    every_week = CheckinPolicy(dorm_every_weeks=1)
    while True:
        dorm = next_slot(every_week, RoundKind.DORM, now)
        now = dorm.opens_at
        if next_slot(every_week, RoundKind.CLASS, now).opens_at - now < timedelta(weeks=1):
            return now - BEFORE


def main(arguments: list[str]) -> int:
    """The sandbox process; see `run_demo`."""
    home, kind, port = Path(arguments[0]), arguments[1], int(arguments[2])
    try:
        return Demo(home, port).run()
    except SettingsError as error:
        sys.stderr.write(f"xinqiao: {error}\n")
        return 2
    finally:
        if kind == FRESH:
            shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
