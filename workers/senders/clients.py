"""The two platforms' clients: a token, one exchange, and what its answer means.

Not wechatpy's: it repeats requests by itself, knows neither the stable token nor a deadline, and costs 16 MiB and twice the
processor (docs/benchmarks.md). Every call the bot makes is a POST of JSON, so there was little left for it to do.
"""

import hashlib
import json
import logging
import time
from http import HTTPStatus
from typing import Any, ClassVar
from urllib.parse import quote, urlencode

import orjson
from typing_extensions import override

from models.channel import Channel
from models.errors import ChannelBusyError, ChannelError, ChannelRefusedError, ChannelUnsureError
from workers.seldom import Seldom
from workers.senders.codes import BUSY_FOR, Verdict, of_token_call, verdict
from workers.senders.pauses import ALL, Pauses
from workers.senders.tokens import SharedTokens, Token, TokenKeeper, TokenRefusedError
from workers.senders.wire import Lost, Reply, Wire

log = logging.getLogger(__name__)

SHORTEST = 0.2
"""Seconds that must be left for a request to begin at all."""

_seldom = Seldom(60)

Body = dict[str, Any]


class _Client:
    """What both clients share."""

    channel: ClassVar[Channel]

    def __init__(self, api_base: str, identity: str, shared: SharedTokens | None) -> None:
        self._wire = Wire(api_base)
        self._pauses = Pauses(self.channel)
        name = hashlib.blake2b(f"{api_base} {identity}".encode(), digest_size=8).hexdigest()
        self.tokens = TokenKeeper(f"{self.channel.value}:{name}", self.fetch, shared)

    def fetch(self, until: float) -> Token:
        """Ask the platform for a token. Raises: TokenRefusedError."""
        method, target, body = self._token_request()
        answer, trouble = self._ask(method, target, body, until)
        code = trouble.code if trouble is not None else None
        if code is not None:
            if _seldom.may(f"{self.channel} token {code}"):
                log.error("the platform gives us no token", extra={"channel": self.channel.value, "code": code})
            raise TokenRefusedError(code, retry_after=of_token_call(self.channel, code))
        if trouble is not None or not answer.get("access_token"):
            raise TokenRefusedError(retry_after=BUSY_FOR)
        return Token.given(str(answer["access_token"]), float(answer.get("expires_in") or 0))

    def _token_request(self) -> tuple[str, str, bytes | None]:
        """The platform's own token call: method, target, body."""
        raise NotImplementedError

    def send(self, path: str, body: Body, *, until: float, attempt: int) -> Body:
        """POST to a path below `/cgi-bin/`, by `until` (`time.monotonic()`); returns when the platform has accepted it.

        Raises: ChannelBusyError, ChannelRefusedError, ChannelUnsureError.
        """
        self._pauses.heed(path)
        began, data = time.monotonic(), orjson.dumps(body)
        token = self.tokens.get(until)
        answer, trouble = self._post(path, data, token, until)
        if trouble is not None and trouble.code is not None and self._says(trouble.code) is Verdict.TOKEN:
            second = self.tokens.replace(token, until)
            if second != token:
                answer, trouble = self._post(path, data, second, until)
        if trouble is None:
            self._pauses.end(path, began=began)
            return answer
        raise trouble if trouble.code is None else self._judged(path, trouble.code, attempt, began)

    def _says(self, code: int) -> Verdict:
        return verdict(self.channel, code)

    def _post(self, path: str, data: bytes, token: str, until: float) -> tuple[Body, ChannelError | None]:
        if until - time.monotonic() < SHORTEST:
            return {}, ChannelBusyError(retry_after=BUSY_FOR)
        mark = "&" if "?" in path else "?"
        return self._ask("POST", f"/cgi-bin/{path}{mark}access_token={quote(token, safe='')}", data, until)

    def _ask(self, method: str, target: str, data: bytes | None, until: float) -> tuple[Body, ChannelError | None]:
        """Make a call and say what went wrong. Shape: a ChannelError with a `code` is the platform's word, to be judged."""
        began = time.monotonic()
        reply = self._wire.exchange(method, target, data, until=until)
        if reply is Lost.NEVER_LEFT:
            # Whoever came with too little time has learnt nothing about the platform.
            is_down = time.monotonic() < until
            return {}, ChannelBusyError(retry_after=self._pauses.begin(ALL, None, began=began) if is_down else BUSY_FOR)
        self._pauses.end(ALL, began=began)
        if reply is Lost.NO_ANSWER:
            return {}, ChannelUnsureError()
        return _read(reply)

    def _judged(self, path: str, code: int, attempt: int, began: float) -> ChannelError:
        extra = {"channel": self.channel.value, "code": code}
        match self._says(code):
            case Verdict.RETRY:
                return ChannelBusyError(code, retry_after=BUSY_FOR, asked=True)
            case Verdict.TOKEN:
                # Fetched anew and still not taken: asking on would only lock us out.
                log.error("the platform does not take the token it gave", extra=extra)
                return self._paused(path, code, began)
            case Verdict.PAUSE:
                log.error("the platform wants no more calls for now", extra=extra)
                return self._paused(path, code, began)
            case Verdict.FIX:
                if _seldom.may(f"{self.channel} {code}"):
                    log.error("the platform refuses a call for a fault on our side", extra=extra)
                return ChannelRefusedError(code)
            case Verdict.UNKNOWN:
                log.warning("the platform answered with a code that is in no table", extra=extra)
                again = attempt == 1
                return ChannelBusyError(code, retry_after=BUSY_FOR, asked=True) if again else ChannelRefusedError(code)
            case _:
                return ChannelRefusedError(code)

    def _paused(self, path: str, code: int, began: float) -> ChannelError:
        return ChannelBusyError(code, retry_after=self._pauses.begin(path, code, began=began), asked=True)


class OfficialAccountClient(_Client):
    """公众号."""

    channel = Channel.OFFICIAL_ACCOUNT

    def __init__(self, app_id: str, secret: str, api_base: str, shared: SharedTokens | None) -> None:
        self._credentials = {"grant_type": "client_credential", "appid": app_id, "secret": secret}
        super().__init__(api_base, f"{app_id} {secret}", shared)

    @override
    def _token_request(self) -> tuple[str, str, bytes | None]:
        return "POST", "/cgi-bin/stable_token", orjson.dumps(self._credentials)


class WeComClient(_Client):
    """企业微信."""

    channel = Channel.WECOM

    def __init__(self, corp_id: str, secret: str, api_base: str, shared: SharedTokens | None) -> None:
        self._credentials = {"corpid": corp_id, "corpsecret": secret}
        super().__init__(api_base, f"{corp_id} {secret}", shared)

    @override
    def _token_request(self) -> tuple[str, str, bytes | None]:
        return "GET", f"/cgi-bin/gettoken?{urlencode(self._credentials)}", None


def _read(reply: Reply) -> tuple[Body, ChannelError | None]:
    """The platform's word out of its answer; where there is none, nobody knows what became of the message."""
    if reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return {}, ChannelUnsureError()
    if reply.status >= HTTPStatus.MULTIPLE_CHOICES:
        # Something in front of the platform turned us away.
        return {}, ChannelBusyError(retry_after=BUSY_FOR, asked=True)
    try:
        answer = _parsed(reply.body)
        code = int(answer.get("errcode") or 0)
    except (ValueError, TypeError, AttributeError, RecursionError):
        return {}, ChannelUnsureError()
    return (answer, None) if code == 0 else ({}, ChannelError(code))


def _parsed(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except ValueError:
        # The platforms cut texts in the middle of a character and leave control characters in; the code is still good.
        return json.loads(body.decode(errors="replace"), strict=False)
