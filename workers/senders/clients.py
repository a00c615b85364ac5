"""The two platforms' clients: wechatpy's, with what it lacks.

The token call has a timeout, moves with `api_base`, asks the stable address, and is not made again for ever; every call has a
timeout that ends with the attempt; errors are ours, and the library's own, which hold the request and in it the token, are let
go of here. This module is imported by the first message that goes out: wechatpy weighs 16 MiB.
"""

import hashlib
import logging
import os
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from typing_extensions import override
from urllib3 import Timeout
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError
from wechatpy import WeChatClient
from wechatpy.exceptions import WeChatClientException
from wechatpy.work import WeChatClient as WorkClient

from models.channel import Channel
from models.errors import ChannelBusyError, ChannelError, ChannelRefusedError, ChannelUnsureError
from workers.seldom import Seldom
from workers.senders.codes import BUSY_FOR, Verdict, of_token_call, pause_after, verdict
from workers.senders.tokens import SharedTokens, Token, TokenKeeper, TokenRefusedError

log = logging.getLogger(__name__)

CONNECTIONS = 16
CONNECT = 2.0
SHORTEST = 0.2
_seldom = Seldom(60)

Body = dict[str, Any]


class _Caller:
    """What both clients share; stands before wechatpy's class in each of them."""

    channel: Channel
    tokens: TokenKeeper
    _http: requests.Session

    def set_up(self, api_base: str, identity: str, shared: SharedTokens | None) -> None:
        """Aim at an address, with connections that stay open."""
        self.API_BASE_URL = f"{api_base}/cgi-bin/"
        # The environment (proxies, certificates) is read here once; requests would read it anew for every message.
        self._http.proxies = requests.utils.get_environ_proxies(api_base)
        self._http.verify = os.environ.get("REQUESTS_CA_BUNDLE") or True
        self._http.trust_env = False
        for scheme in ("https://", "http://"):
            self._http.mount(scheme, HTTPAdapter(pool_connections=2, pool_maxsize=CONNECTIONS, max_retries=0))
        name = hashlib.blake2b(f"{api_base} {identity}".encode(), digest_size=8).hexdigest()
        self.tokens = TokenKeeper(f"{self.channel.value}:{name}", self.fetch, shared)
        self._pauses: dict[str, tuple[float, int]] = {}

    def fetch(self, until: float) -> Token:
        """Ask the platform for a token. Raises: TokenRefusedError."""
        answer, trouble = _guarded(lambda: self.token_call(_timeout(until)))
        code = trouble.code if trouble is not None else int(answer.get("errcode") or 0)
        if code:
            pause = of_token_call(self.channel, code)
            if _seldom.may(f"{self.channel} token {code}"):
                log.error("the platform gives us no token", extra={"channel": self.channel.value, "code": code})
            raise TokenRefusedError(code, retry_after=pause)
        if trouble is not None or not answer.get("access_token"):
            raise TokenRefusedError(retry_after=BUSY_FOR)
        return Token.given(str(answer["access_token"]), float(answer.get("expires_in") or 0))

    def token_call(self, timeout: Any) -> Body:
        """The platform's own token call."""
        raise NotImplementedError

    def send(self, path: str, body: Body, *, until: float, attempt: int) -> Body:
        """POST a message; returns when the platform has accepted it.

        Raises: ChannelBusyError, ChannelRefusedError, ChannelUnsureError.
        """
        self._heed_pause(path)
        token = self.tokens.get(until)
        answer, trouble = self._post(path, body, token, until)
        if trouble is not None and trouble.code is not None and self._says(trouble.code) is Verdict.TOKEN:
            second = self.tokens.replace(token, until)
            if second != token:
                answer, trouble = self._post(path, body, second, until)
        if trouble is None:
            return answer
        raise trouble if trouble.code is None else self._judged(path, trouble.code, attempt)

    def _says(self, code: int) -> Verdict:
        return verdict(self.channel, code)

    def _post(self, path: str, body: Body, token: str, until: float) -> tuple[Body, ChannelError | None]:
        if until - time.monotonic() < SHORTEST:
            return {}, ChannelBusyError(retry_after=BUSY_FOR)
        post: Callable[..., Any] = self.post  # type: ignore[attr-defined]  # wechatpy's, from the class after this one
        return _guarded(lambda: post(path, data=body, params={"access_token": token}, timeout=_timeout(until)))

    def _heed_pause(self, path: str) -> None:
        until, code = self._pauses.get(path, (0.0, 0))
        if (left := until - time.monotonic()) > 0:
            raise ChannelBusyError(code, retry_after=timedelta(seconds=left))

    def _judged(self, path: str, code: int, attempt: int) -> ChannelError:
        extra = {"channel": self.channel.value, "code": code}
        match self._says(code):
            case Verdict.RETRY:
                return ChannelBusyError(code, retry_after=BUSY_FOR)
            case Verdict.TOKEN:
                # Fetched anew and still not taken: asking on would only lock us out.
                self._pauses[path] = (time.monotonic() + pause_after(code).total_seconds(), code)
                log.error("the platform does not take the token it gave", extra=extra)
                return ChannelBusyError(code, retry_after=pause_after(code))
            case Verdict.PAUSE:
                self._pauses[path] = (time.monotonic() + pause_after(code).total_seconds(), code)
                log.error("the platform wants no more calls for now", extra=extra)
                return ChannelBusyError(code, retry_after=pause_after(code))
            case Verdict.FIX:
                if _seldom.may(f"{self.channel} {code}"):
                    log.error("the platform refuses a call for a fault on our side", extra=extra)
                return ChannelRefusedError(code)
            case Verdict.UNKNOWN:
                log.warning("the platform answered with a code that is in no table", extra=extra)
                return ChannelBusyError(code, retry_after=BUSY_FOR) if attempt == 1 else ChannelRefusedError(code)
            case _:
                return ChannelRefusedError(code)


class OfficialAccountClient(_Caller, WeChatClient):  # type: ignore[misc]  # wechatpy has no types
    """公众号."""

    channel = Channel.OFFICIAL_ACCOUNT

    def __init__(self, app_id: str, secret: str, api_base: str, shared: SharedTokens | None) -> None:
        WeChatClient.__init__(self, app_id, secret, timeout=CONNECT, auto_retry=False)
        self.set_up(api_base, f"{app_id} {secret}", shared)

    @override
    def token_call(self, timeout: Any) -> Body:
        body = {"grant_type": "client_credential", "appid": self.appid, "secret": self.secret}
        return _token_answer(self._http.post(f"{self.API_BASE_URL}stable_token", json=body, timeout=timeout))


class WeComClient(_Caller, WorkClient):  # type: ignore[misc]  # wechatpy has no types
    """企业微信."""

    channel = Channel.WECOM

    def __init__(self, corp_id: str, secret: str, api_base: str, shared: SharedTokens | None) -> None:
        WorkClient.__init__(self, corp_id, secret, timeout=CONNECT, auto_retry=False)
        self.set_up(api_base, f"{corp_id} {secret}", shared)

    @override
    def token_call(self, timeout: Any) -> Body:
        query = {"corpid": self.corp_id, "corpsecret": self.secret}
        return _token_answer(self._http.get(f"{self.API_BASE_URL}gettoken", params=query, timeout=timeout))


def _timeout(until: float) -> Any:
    """For connecting and for the wait on the answer, together no longer than is left."""
    return Timeout(total=max(SHORTEST, until - time.monotonic()), connect=CONNECT)


def _token_answer(response: requests.Response) -> Body:
    response.raise_for_status()
    answer = response.json()
    return answer if isinstance(answer, dict) else {}


def _guarded(call: Callable[[], Any]) -> tuple[Body, ChannelError | None]:
    """Make a call and translate what went wrong; the library's error is gone when this returns.

    Shape: a ChannelError whose `code` is set carries the platform's word, still to be judged.
    """
    try:
        answer = call()
    except WeChatClientException as error:
        if error.errcode is not None:
            return {}, ChannelError(int(error.errcode))
        return {}, _of_status(error.response)
    except requests.HTTPError as error:
        return {}, _of_status(error.response)
    except requests.RequestException as error:
        return {}, ChannelBusyError(retry_after=BUSY_FOR) if _never_left(error) else ChannelUnsureError()
    except ValueError:
        return {}, ChannelUnsureError()
    # What is not JSON comes back from wechatpy as the response itself: nobody knows what became of the message.
    return (answer, None) if isinstance(answer, dict) else ({}, ChannelUnsureError())


def _of_status(response: requests.Response | None) -> ChannelError:
    if response is not None and response.status_code < requests.codes.server_error:
        return ChannelBusyError(retry_after=BUSY_FOR)
    return ChannelUnsureError()


def _never_left(error: requests.RequestException) -> bool:
    """Whether it is certain that the platform has not seen the request."""
    if isinstance(error, requests.ConnectTimeout | requests.exceptions.ProxyError | requests.exceptions.SSLError):
        return True
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(reason, NewConnectionError | ConnectTimeoutError)
