"""Callbacks as the platforms send them: build the message, sign and seal it, deliver it patiently, read the answer.

Three steps that stand alone, so a test can build a request and hand it to a Flask client, or deliver it over HTTP:

    request = sign(door, text_message(door, openid, "周报", msg_id=7))
    outcome = deliver(request, "http://127.0.0.1:8000")            # or client.post(request.url, data=request.body)
    reply = read_reply(door, outcome.body)                         # the text, or None when the bot had nothing to say

`read_answer` also gives what an answer to a card's button makes of the card; `tell_events` delivers what the platform itself
has to say.
"""

import http.client
import queue
import secrets
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from bot.sandbox.card_update import UPDATES, BadReplyError, CardUpdate, card_update
from bot.sandbox.cipher import BadEnvelopeError, Sealer, signature
from models import clock
from models.channel import Channel

if TYPE_CHECKING:
    from bot.sandbox.ledger import PlatformEvent

ATTEMPTS = 3
PATIENCE = 5.0
TEXT_BYTES = 2048
NOTHING = (b"", b"success")
BARE = frozenset(["CreateTime", "MsgId", "MsgID", "AgentID"])


@dataclass(frozen=True)
class CallbackDoor:
    """A bot's callback address and the secrets shared with it.

    Shape: an empty `aes_key` is clear text (official account only); `receiver_id` is the app id or the corp id;
        `account` is what ToUserName names (`gh_…` or the corp id).
    """

    channel: Channel
    path: str
    token: str
    aes_key: str
    receiver_id: str
    account: str
    agent_id: int = 0


@dataclass(frozen=True)
class SignedRequest:
    """One callback, ready to be sent as often as needed: a repeat carries the same signature and the same body."""

    path: str
    query: Mapping[str, str]
    body: bytes
    method: str = "POST"

    @property
    def url(self) -> str:
        """Path and query."""
        return f"{self.path}?{urlencode(self.query)}"


@dataclass(frozen=True)
class Outcome:
    """What the platform heard: `body` is None when no attempt was answered with 200 in time."""

    body: bytes | None
    attempts: int
    statuses: list[int] = field(default_factory=list)


# The messages.


def _xml(fields: Mapping[str, str]) -> str:
    nodes = (f"<{name}>{value if name in BARE else _cdata(value)}</{name}>" for name, value in fields.items())
    return f"<xml>{''.join(nodes)}</xml>"


def _cdata(value: str) -> str:
    return "<![CDATA[" + value.replace("]]>", "]]]]><![CDATA[>") + "]]>"


def message(door: CallbackDoor, sender: str, kind: str, fields: Mapping[str, str], *, msg_id: int) -> str:
    """A message of any kind as XML."""
    ending = {"MsgId": str(msg_id)} | _agent(door)
    return _xml(_heading(door, sender, kind, _second()) | dict(fields) | ending)


def text_message(door: CallbackDoor, sender: str, content: str, *, msg_id: int, menu_id: str | None = None) -> str:
    """A text as XML; `menu_id` marks a tap on a message menu (official account)."""
    fields = {"Content": content} | ({"bizmsgmenuid": menu_id} if menu_id is not None else {})
    return message(door, sender, "text", fields, msg_id=msg_id)


def event(
    door: CallbackDoor, sender: str, name: str, fields: Mapping[str, str] | None = None, *, created: int | None = None
) -> str:
    """An event as XML: `subscribe`, `unsubscribe`, `CLICK` with an EventKey, `TEMPLATESENDJOBFINISH` and so on.

    Units: `created` is the machine's second; together with the sender and the event it is what makes an event unique.
    """
    heading = _heading(door, sender, "event", created or _second())
    return _xml(heading | {"Event": name} | dict(fields or {}) | _agent(door))


def _heading(door: CallbackDoor, sender: str, kind: str, created: int) -> dict[str, str]:
    return {"ToUserName": door.account, "FromUserName": sender, "CreateTime": str(created), "MsgType": kind}


def _agent(door: CallbackDoor) -> dict[str, str]:
    return {"AgentID": str(door.agent_id)} if door.channel is Channel.WECOM else {}


def _second() -> int:
    return int(clock.machine().timestamp())


# The signature and the seal.


def sign(
    door: CallbackDoor, xml: str, *, sender: str = "", timestamp: int | None = None, nonce: str | None = None
) -> SignedRequest:
    """The request that carries this XML: sealed when the door has an AES key."""
    stamp, nonce = str(timestamp or _second()), nonce or secrets.token_hex(5)
    query = {"timestamp": stamp, "nonce": nonce}
    if door.channel is Channel.OFFICIAL_ACCOUNT:
        query = {"signature": signature(door.token, stamp, nonce), **query} | ({"openid": sender} if sender else {})
    if not door.aes_key:
        return SignedRequest(door.path, query, xml.encode())
    sealed = Sealer(door.aes_key, door.receiver_id).seal(xml)
    if door.channel is Channel.OFFICIAL_ACCOUNT:
        query["encrypt_type"] = "aes"
    query["msg_signature"] = signature(door.token, stamp, nonce, sealed)
    agent = f"<AgentID>{_cdata(str(door.agent_id))}</AgentID>" if door.channel is Channel.WECOM else ""
    nodes = f"<ToUserName>{_cdata(door.account)}</ToUserName>{agent}<Encrypt>{_cdata(sealed)}</Encrypt>"
    return SignedRequest(door.path, query, f"<xml>{nodes}</xml>".encode())


def verification(door: CallbackDoor, echo: str, *, timestamp: int | None = None) -> SignedRequest:
    """The GET by which a platform checks the address; the bot must answer with `echo` in clear."""
    query = {"timestamp": str(timestamp or _second()), "nonce": secrets.token_hex(5), "echostr": echo}
    if door.channel is Channel.OFFICIAL_ACCOUNT:
        query["signature"] = signature(door.token, query["timestamp"], query["nonce"])
    else:
        query["echostr"] = Sealer(door.aes_key, door.receiver_id).seal(echo)
        query["msg_signature"] = signature(door.token, query["timestamp"], query["nonce"], query["echostr"])
    return SignedRequest(door.path, query, b"", method="GET")


# The answer.


def read_reply(door: CallbackDoor, body: bytes | None, *, sender: str = "") -> str | None:
    """The text that the person sees; None when the bot said nothing, or changed a card.

    Raises: BadReplyError when the platform would show its fault notice instead.
    """
    answer = read_answer(door, body, sender=sender)
    return answer if isinstance(answer, str) else None


def read_answer(door: CallbackDoor, body: bytes | None, *, sender: str = "") -> str | CardUpdate | None:
    """A text, what becomes of the pressed card, or None when the bot said nothing.

    Raises: BadReplyError when the platform would show its fault notice instead.
    """
    if body is None:
        raise BadReplyError("no answer")
    if body.strip() in NOTHING:
        return None
    clear = _opened(door, body) if door.aes_key else body
    if not clear:
        return None
    root = _root(clear)
    nodes = _nodes(root)
    kind = nodes.get("MsgType")
    if not nodes.get("CreateTime", "").isdigit():
        raise BadReplyError("no time")
    if nodes.get("FromUserName") != door.account or (sender and nodes.get("ToUserName", "").lower() != sender.lower()):
        raise BadReplyError("to or from")
    if kind in UPDATES and door.channel is Channel.WECOM:
        return card_update(root)
    if kind != "text":
        raise BadReplyError("not a text reply")
    content = nodes.get("Content", "")
    if len(content.encode()) > TEXT_BYTES and door.channel is Channel.OFFICIAL_ACCOUNT:
        raise BadReplyError("over-long")
    return content.encode()[:TEXT_BYTES].decode(errors="ignore")


def _opened(door: CallbackDoor, body: bytes) -> bytes:
    nodes = _nodes(_root(body))
    sealed = nodes.get("Encrypt", "")
    expected = signature(door.token, nodes.get("TimeStamp", ""), nodes.get("Nonce", ""), sealed)
    if not secrets.compare_digest(expected.encode(), nodes.get("MsgSignature", "").encode()):
        raise BadReplyError("signature")
    try:
        return Sealer(door.aes_key, door.receiver_id).open(sealed).encode()
    except BadEnvelopeError as error:
        raise BadReplyError(str(error)) from error


def _root(body: bytes) -> ET.Element:
    if b"<!" in body.replace(b"<![CDATA[", b""):
        raise BadReplyError("declarations")
    try:
        root = ET.fromstring(body)  # noqa: S314  # the bot's own answer, and declarations were refused above
    except (ET.ParseError, ValueError) as error:
        raise BadReplyError("not XML") from error
    if root.tag != "xml":
        raise BadReplyError("root")
    return root


def _nodes(root: ET.Element) -> dict[str, str]:
    return {node.tag: node.text or "" for node in root}


# The delivery.


def deliver(
    request: SignedRequest,
    address: str,
    *,
    attempts: int = ATTEMPTS,
    patience: float = PATIENCE,
    again: Callable[[int], None] = lambda _: None,
) -> Outcome:
    """Send as the platform does until one attempt is answered with 200, each with the same body and its own seconds.

    An attempt that fails at once (nobody listens) still waits for its time to pass: a restarted bot meets the repeat.
    `again` is told the number of each attempt after the first.
    """
    statuses: list[int] = []
    for attempt in range(1, attempts + 1):
        if attempt > 1:
            again(attempt)
        started = time.monotonic()
        status, body = _attempt(request, address, patience)
        statuses.append(status)
        if status == http.client.OK:
            return Outcome(body, attempt, statuses)
        if attempt < attempts:
            time.sleep(max(0.0, patience - (time.monotonic() - started)))
    return Outcome(None, len(statuses), statuses)


def tell_events(
    events: "queue.SimpleQueue[PlatformEvent]",
    doors: Mapping[Channel, CallbackDoor],
    post: Callable[[SignedRequest], object],
) -> int:
    """Tell the bot, through the real door, every event that waits; returns how many there were.

    Shape: `post` delivers one request, such as `lambda it: deliver(it, address)` or a Flask client's call.
    """
    for told in range(1 << 62):
        try:
            it = events.get_nowait()
        except queue.Empty:
            return told
        door = doors[it.channel]
        post(sign(door, event(door, it.address, it.name, it.fields), sender=it.address))
    raise AssertionError


def _attempt(request: SignedRequest, address: str, patience: float) -> tuple[int, bytes]:
    """Status and body; status 0 when there was no answer in time."""
    parts = urlsplit(address)
    started = time.monotonic()
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=patience)
    try:
        headers = {"Content-Type": "text/xml", "User-Agent": "Mozilla/4.0"}
        connection.request(request.method, request.url, request.body or None, headers)
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()
    return (answer.status, body) if time.monotonic() - started <= patience else (0, b"")
