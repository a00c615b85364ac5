"""A door: one platform's callbacks come in, verified and flat; the reply goes out the way the platform wants it.

Knows nothing of HTTP but status, body and content type; the web hands it what came and sends what it answers.
"""

import logging
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Final

from bot.doors.counters import FOREIGN, Outcome, Tally
from bot.doors.envelope import Envelope, Key
from bot.doors.errors import DoorError, StaleError, UnprovenError, UnreadableError
from bot.doors.inbound import Inbound, InboundKind, NoAnswer, Turn
from bot.doors.kinds import TABLE, UNKNOWN, inbound_of, name_of
from bot.doors.parse import Nodes, parse, text_of
from bot.doors.query import Query
from bot.doors.reply import button_reply, fit, text_reply
from models import clock
from models.channel import Channel

log = logging.getLogger(__name__)

PLAIN = "text/plain; charset=utf-8"
XML = "text/xml; charset=utf-8"

_HARMLESS_NAME = re.compile(r"[a-z0-9_/]{1,64}")


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back over HTTP."""

    status: int
    body: bytes = b""
    content_type: str = PLAIN


REFUSED: Final = Answer(403)
"""The same for every reason, so that a stranger learns nothing."""
UNREADABLE: Final = Answer(400)


@dataclass(frozen=True, slots=True)
class Letter:
    """A callback once it is proven and open. Shape: `key` is None when it came in clear text."""

    nodes: Nodes
    key: Key | None


class Door(ABC):
    """What both platforms have in common. Made once, used by every thread."""

    def __init__(self, channel: Channel, token: str, envelope: Envelope | None, *, silence: bytes) -> None:
        """Shape: `silence` is the body that says "received, nothing to say"."""
        if not token:
            message = "a door needs a token"
            raise ValueError(message)
        self._channel = channel
        self._token = token
        self._envelope = envelope
        self._tally = Tally(channel)
        self._silence = Answer(200, silence)

    def get(self, query: str) -> Answer:
        """Answer the platform's console, which checks that this address is ours.

        Shape: `query` is the address's query string, still percent-encoded.
        """
        try:
            echo = self._echo(Query(query))
        except DoorError as error:
            return self._turned_away(error)
        self._tally.callback(Outcome.VERIFIED)
        return Answer(200, echo)

    def post(self, query: str, body: bytes, received: float, turn: Turn) -> Answer:
        """Answer one message or event.

        Shape: `query` as in `get`.
        Units: `received` is `time.monotonic()` when the request arrived.
        Raises: NoAnswer when the turn does: then nothing may go back until the platform has stopped listening.
        """
        try:
            letter = self._open(Query(query), body)
            inbound = self._inbound(letter.nodes, received)
        except DoorError as error:
            return self._turned_away(error)
        if inbound is None:
            self._tally.callback(Outcome.ACKNOWLEDGED)
            return self._silence
        try:
            said = turn(inbound)
        except NoAnswer:
            self._tally.callback(Outcome.UNANSWERED)
            raise
        except Exception:
            log.exception("a turn failed", extra={"channel": self._channel})
            self._tally.callback(Outcome.FAILED)
            return self._silence
        return self._reply(said, letter, inbound.kind)

    @abstractmethod
    def _echo(self, query: Query) -> bytes:
        """What the console wants to hear. Raises: DoorError."""

    @abstractmethod
    def _open(self, query: Query, body: bytes) -> Letter:
        """Prove and open a callback. Raises: DoorError."""

    def _is_foreign(self, nodes: Nodes) -> bool:  # noqa: ARG002 — one platform has no other apps
        """Whether it is meant for somebody else behind the same address."""
        return False

    def _open_sealed(self, envelope: Envelope, query: Query, body: bytes) -> Letter:
        """Open a sealed callback; whatever stands beside `Encrypt` is not covered by its signature and is ignored."""
        try:
            encrypted = text_of(parse(body), "Encrypt")
        except UnreadableError as error:
            # Nothing is proven yet, and an envelope that cannot be read cannot be proven.
            raise UnprovenError from error
        message, key = envelope.open(self._proven(envelope, query, encrypted))
        return Letter(parse(message), key)

    @staticmethod
    def _proven(envelope: Envelope, query: Query, encrypted: str) -> str:
        """The same sealed text, once its signature and its time are right. Raises: UnprovenError."""
        signature, timestamp, nonce = query["msg_signature"], query["timestamp"], query["nonce"]
        if not encrypted or not envelope.is_signed(signature, timestamp, nonce, encrypted):
            raise UnprovenError
        query.check_fresh()
        return encrypted

    def _inbound(self, nodes: Nodes, received: float) -> Inbound | None:
        """The message for a turn; None when it is only acknowledged. Raises: UnreadableError."""
        if self._is_foreign(nodes):
            self._tally.inbound(FOREIGN)
            return None
        name = name_of(nodes)
        if name not in TABLE:
            shown = name if _HARMLESS_NAME.fullmatch(name) else ""
            log.warning("an unknown type was acknowledged", extra={"channel": self._channel, "type": shown})
            self._tally.inbound(UNKNOWN)
            return None
        kind = TABLE[name]
        inbound = None if kind is None else inbound_of(kind, nodes, self._channel, received)
        self._tally.inbound(name)
        return inbound

    def _reply(self, said: str | None, letter: Letter, kind: InboundKind) -> Answer:
        text = fit(said) if said else ""
        press = kind is InboundKind.PRESS
        if not text or text.isspace() or (press and self._channel is not Channel.WECOM):  # who else has cards
            self._tally.callback(Outcome.SILENT)
            return self._silence
        body = (button_reply if press else text_reply)(
            text,
            to=text_of(letter.nodes, "FromUserName"),
            sender=text_of(letter.nodes, "ToUserName"),
            created=int(clock.machine().timestamp()),
        )
        if letter.key is not None and self._envelope is not None:
            body = self._envelope.seal(body, letter.key)
        self._tally.callback(Outcome.ANSWERED)
        return Answer(200, body, XML)

    def _turned_away(self, error: DoorError) -> Answer:
        if isinstance(error, UnreadableError):
            log.warning("a signed callback could not be read", extra={"channel": self._channel, "flaw": error.flaw})
            self._tally.callback(Outcome.UNREADABLE)
            return UNREADABLE
        if isinstance(error, StaleError):
            log.warning("a signed callback was too far from our time", extra={"channel": self._channel})
            self._tally.callback(Outcome.STALE)
            return REFUSED
        # Strangers knock all day; they are counted, a log line each would be theirs to write.
        self._tally.callback(Outcome.REFUSED)
        return REFUSED
