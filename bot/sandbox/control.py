"""What a test or a bench in another process may do to the platforms, as JSON over HTTP; never part of the demo.

- POST /_control/faults: one or a list of {"path", "kind", "count", "errcode", "seconds", "lasts", "recipient"} (an order),
  {"chaos": {"seed", "rate", "kinds", "path", "seconds"}}, {"clear": true}, {"daily": {PATH: CALLS}},
  {"at_once": {PATH: CALLS}}, {"latency": SECONDS}, {"tokens": "revoked" or "expired", "channel": CHANNEL}
- POST /_control/people: one or a list of {"do", "address", "trigger"}, `do` being one of `DEEDS`
- GET /_control/log?since=N&limit=M: {"next", "rows"}, rows from number N on
- GET /_control/events: {"events"}, taken from those that wait to be told
"""

import json
import queue
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from bot.sandbox.faults import FaultKind
from bot.sandbox.official_account import Trigger
from bot.sandbox.platform import Platform
from models.channel import Channel

PREFIX = "/_control/"
ROWS = 10_000
Said = tuple[int, Any]


class Control:
    """Answers under `/_control/`. Odd input gets 400 and changes nothing after the odd item."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._ways: dict[tuple[str, str], Callable[[Mapping[str, str], Any], Any]] = {
            ("POST", "faults"): lambda _, given: self._each(given, self._order),
            ("POST", "people"): lambda _, given: self._each(given, self._person),
            ("GET", "log"): lambda query, _: self._log(query),
            ("GET", "events"): lambda *_: {"events": self._events()},
        }

    def handle(self, method: str, path: str, query: Mapping[str, str], raw: bytes) -> Said:
        """Status and JSON."""
        way = self._ways.get((method, path.removeprefix(PREFIX)))
        if way is None:
            return 404, {}
        try:
            return 200, way(query, json.loads(raw) if method == "POST" else None)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            return 400, {"error": f"{type(error).__name__}: {error}"}

    @staticmethod
    def _each(given: Any, do: Callable[[dict[str, Any]], None]) -> Any:
        items = given if isinstance(given, list) else [given]
        for item in items:
            do(dict(item))
        return {"done": len(items)}

    def _order(self, given: dict[str, Any]) -> None:
        faults, limits = self._platform.faults, self._platform.limits
        if given.pop("clear", False):
            faults.clear()
        if "latency" in given:
            faults.latency = float(given.pop("latency"))
        for path, calls in given.pop("daily", {}).items():
            limits.daily(path, calls)
        for path, calls in given.pop("at_once", {}).items():
            limits.at_once(path, calls)
        if "tokens" in given:
            self._platform.tell_tokens(Channel(given.pop("channel")), FaultKind(given.pop("tokens")))
        if chaos := given.pop("chaos", None):
            kinds = [kind if isinstance(kind, int) else FaultKind(kind) for kind in chaos.pop("kinds")]
            faults.chaos(kinds=kinds, **chaos)
        if given:
            lasts = given.pop("lasts", None)
            span = None if lasts is None else timedelta(seconds=lasts)
            faults.order(given.pop("path"), FaultKind(given.pop("kind")), lasts=span, **given)

    def _person(self, given: dict[str, Any]) -> None:
        do, address = DEEDS[given["do"]], str(given["address"])
        do(self._platform, address, given)

    def _log(self, query: Mapping[str, str]) -> Any:
        since, limit = int(query.get("since", "0")), int(query.get("limit", str(ROWS)))
        rows = self._platform.log[since : since + limit]
        return {"next": since + len(rows), "rows": [{name: _plain(row[name]) for name in row} for row in rows]}  # type: ignore[literal-required]

    def _events(self) -> list[dict[str, Any]]:
        taken: list[dict[str, Any]] = []
        while True:
            try:
                event = self._platform.events.get_nowait()
            except queue.Empty:
                return taken
            taken.append(
                {"channel": event.channel.value, "address": event.address, "name": event.name, "fields": event.fields}
            )


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    return value.value if isinstance(value, Channel) else value


def _heard(platform: Platform, address: str, given: Mapping[str, Any]) -> None:
    platform.heard(address, Trigger(given.get("trigger", Trigger.MESSAGE)))


def _flag(name: str, *, on: bool) -> Callable[[Platform, str, Mapping[str, Any]], None]:
    return lambda platform, address, _: setattr(platform.official.know(address), name, on)


DEEDS: dict[str, Callable[[Platform, str, Mapping[str, Any]], object]] = {
    "heard": _heard,
    "known": lambda platform, address, _: platform.official.know(address),
    "unfollowed": lambda platform, address, _: platform.unfollowed(address),
    "blocked": _flag("blocked", on=True),
    "unblocked": _flag("blocked", on=False),
    "failing": _flag("failing", on=True),
    "joined": lambda platform, address, _: platform.joined(address),
    "left": lambda platform, address, _: platform.left(address),
    "plugin_only": lambda platform, address, _: platform.wecom.plugin_only.add(address.lower()),
    "client_too": lambda platform, address, _: platform.wecom.plugin_only.discard(address.lower()),
}
"""What people do, and what is so about them."""
