"""`xinqiao worker -n N`: several worker processes under one small one that only watches, as in `bot.tree`.

The process that has checked the settings replaces itself by it. Told to end, each worker ends after the job at hand.
"""

import os
import sys
from typing import NoReturn

from bot.tree import Child, Tree
from workers import leash

FAREWELL = 12.0
"""Seconds that workers have to end: a drain claims for five and waits five for its last answers. systemd waits for 15."""


def run_workers(count: int) -> NoReturn:
    """Become the watcher of so many workers; they read the config that this process has read."""
    os.execv(sys.executable, [sys.executable, "-m", "bot.worker_tree", str(count)])  # noqa: S606 — ourselves, no shell


def main(count: int) -> int:
    """Be the watcher."""
    from bot.log import setup_logging  # noqa: PLC0415 — small, and only this process needs it here

    setup_logging(os.environ.get("XINQIAO_LOG_LEVEL", "INFO"))
    environment = dict(os.environ)
    one = leash.command(sys.executable, "-m", "bot.cli", "worker")
    children = [Child(f"worker {number}", one, environment) for number in range(1, count + 1)]
    return Tree(children, farewell=FAREWELL, alike=True).watch()


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
