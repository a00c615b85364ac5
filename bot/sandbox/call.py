"""One call of the platforms' API on its way: what was asked, and what goes back over the wire."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from bot.sandbox.faults import Fault, FaultKind
from bot.sandbox.ledger import Body, Result, Sent
from models.channel import Channel

FALLBACK = "/fallback/"
WEB_PAGE = "<!doctype html><title>502 Bad Gateway</title><h1>502 Bad Gateway</h1>"


@dataclass(frozen=True)
class Answer:
    """What goes back over the wire: `page` instead of `body` where it is not JSON.

    `lost` means that the connection ends instead, and `reset` that it ends at once and roughly.
    Units: `wait` in seconds, before the answer.
    """

    status: int
    body: Body
    lost: bool = False
    wait: float = 0.0
    reset: bool = False
    page: str = ""


@dataclass
class Asked:
    """A call: `readable` is False when its body was no JSON object."""

    path: str
    channel: Channel | None
    query: Mapping[str, str]
    body: Body
    readable: bool = True


def struck(fault: Fault) -> Answer:
    """The answer to a call that is not carried out."""
    if fault.kind is FaultKind.ERRCODE:
        return Answer(200, {"errcode": fault.errcode, "errmsg": "ordered fault"})
    if fault.kind is FaultKind.HTML:
        return Answer(200, {}, page=WEB_PAGE)
    return Answer(500, {})


def received(asked: Asked) -> Result:
    """A message of the school's other ways (apprise, `json://`), for whoever the path names."""
    lines = (asked.body.get(name) for name in ("title", "message"))
    text = "\n".join(line for line in lines if isinstance(line, str) and line)
    return Result(sent=[Sent(recipient_of(asked.path, asked.body), "fallback", text)])


def recipient_of(path: str, body: Body | None) -> str | None:
    """Whom the call is for; None when it names nobody."""
    if path.startswith(FALLBACK):
        return path.removeprefix(FALLBACK)
    recipient = (body or {}).get("touser")
    return recipient if isinstance(recipient, str) else None


def read(raw: bytes) -> Body | None:
    """The JSON object that was sent, None when it is none."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None
