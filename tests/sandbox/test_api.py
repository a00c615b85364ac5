"""The API over real HTTP: answers, lost answers, odd requests."""

import http.client
import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from urllib.parse import urlsplit

import pytest

from bot.sandbox.api import api_app
from bot.sandbox.faults import FaultKind
from bot.sandbox.listen import listening
from bot.sandbox.platform import Platform
from bot.sandbox.swift import serving

TOKEN = "/cgi-bin/gettoken?corpid=ww0123456789abcdef&corpsecret=wecom-secret"

SEND = "/cgi-bin/message/send"
Host = Callable[[Platform], AbstractContextManager[str]]
HOSTS: list[Host] = [
    lambda platform: listening(api_app(platform, control=True)),
    lambda platform: serving(platform, control=True),
]


@pytest.fixture(params=HOSTS, ids=["flask", "swift"])
def host(request: pytest.FixtureRequest) -> Host:
    """Either way of carrying the same API."""
    found: Host = request.param
    return found


def call(address: str, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=5)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def told(address: str, path: str, given: Any) -> Any:
    status, body = call(address, "POST", path, json.dumps(given).encode())
    assert status == 200, body
    return json.loads(body)


def test_a_token_comes_over_http_and_a_lost_answer_does_not(host: Host) -> None:
    platform = Platform()
    with host(platform) as address:
        status, body = call(address, "GET", TOKEN)
        assert status == 200
        assert json.loads(body)["expires_in"] == 7200

        platform.faults.order("gettoken", FaultKind.LOST)
        with pytest.raises((http.client.HTTPException, OSError)):
            call(address, "GET", TOKEN)

        platform.faults.order("gettoken", FaultKind.HTTP_500)
        assert call(address, "GET", TOKEN)[0] == 500
        assert call(address, "GET", TOKEN)[0] == 200


def test_a_call_can_be_reset_stalled_or_answered_with_a_web_page(host: Host) -> None:
    platform = Platform()
    with host(platform) as address:
        platform.faults.order("gettoken", FaultKind.RESET)
        with pytest.raises(ConnectionResetError):
            call(address, "GET", TOKEN)

        platform.faults.order("gettoken", FaultKind.HTML)
        assert b"<!doctype" in call(address, "GET", TOKEN)[1]

        platform.faults.order("gettoken", FaultKind.SLOW, seconds=0.2)
        began = time.monotonic()
        assert call(address, "GET", TOKEN)[0] == 200
        assert time.monotonic() - began >= 0.2

        platform.faults.order("gettoken", FaultKind.SILENCE, seconds=0.1)
        with pytest.raises(http.client.RemoteDisconnected):
            call(address, "GET", TOKEN)
        assert call(address, "GET", TOKEN)[0] == 200


def test_another_process_orders_faults_moves_people_and_reads_the_log(host: Host) -> None:
    platform = Platform()
    with host(platform) as address:
        told(address, "/_control/people", [{"do": "joined", "address": "Wang"}, {"do": "heard", "address": "o1"}])
        told(address, "/_control/people", {"do": "blocked", "address": "o1"})
        told(address, "/_control/faults", [{"path": "send", "kind": "errcode", "errcode": -1, "count": 2}])
        told(address, "/_control/faults", {"daily": {SEND: 1}, "latency": 0.0})
        token = json.loads(call(address, "GET", TOKEN)[1])["access_token"]
        body = {"touser": "wang", "agentid": 1000002, "msgtype": "text", "text": {"content": "你好"}}

        codes = [told(address, f"{SEND}?access_token={token}", body)["errcode"] for _ in range(4)]

        assert codes == [-1, -1, 0, 45009]
        log = json.loads(call(address, "GET", "/_control/log?since=1")[1])
        assert log["next"] == len(platform.log)
        assert [row["errcode"] for row in log["rows"]] == codes
        assert (log["rows"][2]["body"], log["rows"][2]["channel"]) == (body, "wecom")
        assert json.loads(call(address, "GET", f"/_control/log?since={log['next']}")[1])["rows"] == []

        told(address, "/_control/faults", [{"clear": True}, {"chaos": {"seed": 1, "rate": 1.0, "kinds": ["html", -1]}}])
        assert platform.faults.ordered
        told(address, "/_control/faults", {"tokens": "revoked", "channel": "wecom"})
        assert json.loads(call(address, "GET", "/_control/events")[1]) == {"events": []}


@pytest.mark.parametrize("raw", [b"", b"{", b"[1]", b'{"path": 1}', b'{"kind": "x", "path": ""}', b'{"do": "fly"}'])
@pytest.mark.parametrize("path", ["/_control/faults", "/_control/people"])
def test_odd_orders_are_refused(host: Host, path: str, raw: bytes) -> None:
    with host(Platform()) as address:
        assert call(address, "POST", path, raw)[0] == 400
        assert call(address, "GET", "/_control/nothing")[0] == 404


def test_the_control_is_there_only_when_it_was_asked_for() -> None:
    with listening(api_app(Platform())) as address:
        assert call(address, "GET", "/_control/log")[0] == 404
    with serving(Platform()) as address:
        assert json.loads(call(address, "GET", "/_control/log")[1])["errcode"] == 40066


def test_a_connection_stays_open_for_many_calls() -> None:
    with serving(Platform()) as address:
        parts = urlsplit(address)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=5)
        connection.connect()
        mine = connection.sock.getsockname()
        for _ in range(20):
            connection.request("GET", TOKEN)
            assert json.loads(connection.getresponse().read())["access_token"]
            assert connection.sock.getsockname() == mine
        connection.close()


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_odd_requests_are_answered(host: Host, method: str) -> None:
    with host(Platform()) as address:
        for path in (
            "/cgi-bin/message/send",
            "/cgi-bin/x/../y",
            "/cgi-bin/menu/get?access_token=%ff",
            "/cgi-bin/token",
        ):
            status, body = call(address, method, path, b"\x00" * 2000 if method == "POST" else None)
            assert status < 500
            assert status != 200 or json.loads(body)["errcode"]
