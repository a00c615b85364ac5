"""Applications for the tests of serving: one that answers with its process id, one that cannot be made."""

import os
import sys
from collections.abc import Callable, Iterable
from typing import Any

from bot.serving import serve
from models.errors import SettingsError


def sound() -> Callable[..., Iterable[bytes]]:
    """Answers."""

    def app(_: dict[str, Any], start: Callable[[str, list[tuple[str, str]]], Any]) -> Iterable[bytes]:
        start("200 OK", [("Content-Type", "text/plain")])
        return [str(os.getpid()).encode()]

    return app


def broken() -> Callable[..., Any]:
    """Cannot be made."""
    msg = "words/: a.sentence is missing; put it back"
    raise SettingsError(msg)


if __name__ == "__main__":
    try:
        serve(f"tests.bot.small_app:{sys.argv[1]}", "127.0.0.1", int(sys.argv[2]), 2)
    except SettingsError as error:
        sys.exit(f"refused: {error}")
