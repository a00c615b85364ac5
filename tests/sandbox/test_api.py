"""The API over real HTTP: answers, lost answers, odd requests."""

import http.client
import json
from urllib.parse import urlsplit

import pytest

from bot.sandbox.api import api_app
from bot.sandbox.faults import FaultKind
from bot.sandbox.listen import listening
from bot.sandbox.platform import Platform

TOKEN = "/cgi-bin/gettoken?corpid=ww0123456789abcdef&corpsecret=wecom-secret"


def call(address: str, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=5)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_a_token_comes_over_http_and_a_lost_answer_does_not() -> None:
    platform = Platform()
    with listening(api_app(platform)) as address:
        status, body = call(address, "GET", TOKEN)
        assert status == 200
        assert json.loads(body)["expires_in"] == 7200

        platform.faults.order("gettoken", FaultKind.LOST)
        with pytest.raises((http.client.HTTPException, OSError)):
            call(address, "GET", TOKEN)

        platform.faults.order("gettoken", FaultKind.HTTP_500)
        assert call(address, "GET", TOKEN)[0] == 500
        assert call(address, "GET", TOKEN)[0] == 200


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_odd_requests_are_answered(method: str) -> None:
    with listening(api_app(Platform())) as address:
        for path in (
            "/cgi-bin/message/send",
            "/cgi-bin/x/../y",
            "/cgi-bin/menu/get?access_token=%ff",
            "/cgi-bin/token",
        ):
            status, body = call(address, method, path, b"\x00" * 2000 if method == "POST" else None)
            assert status < 500
            assert status != 200 or json.loads(body)["errcode"]
