"""Whatever is neither page nor platform goes to the bot behind the sandbox, so its links work on the one address."""

import http.client
from urllib.parse import urlsplit

from flask import Blueprint, Response, redirect, request
from werkzeug.wrappers import Response as Answer

from bot.sandbox.listen import read_body

PATIENCE = 30.0
MOST = 8 << 20
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
HOP_BY_HOP = frozenset(
    [
        "connection",
        "content-length",
        "date",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "server",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ]
)
AWAY = """<!doctype html><html lang="zh-CN"><meta charset="utf-8"><title>机器人没有在运行</title>
<meta name="viewport" content="width=device-width">
<p>机器人现在没有在运行。请在演示页面上重新启动它，再打开这一页。</p></html>"""


def proxy_blueprint(address: str) -> Blueprint:
    """The bot at `address`, under every path that nobody else takes."""
    blueprint = Blueprint("proxy", __name__)

    @blueprint.get("/")
    def home() -> Answer:
        return redirect("/sandbox/")

    @blueprint.route("/<path:_>", methods=METHODS)
    def pass_on(_: str) -> Response:
        body = read_body(MOST)
        try:
            return _ask(address, body)
        except (http.client.InvalidURL, ValueError):
            return Response(status=400)
        except (OSError, http.client.HTTPException):
            return Response(AWAY, status=503, content_type="text/html; charset=utf-8")

    return blueprint


def _ask(address: str, body: bytes) -> Response:
    bot = urlsplit(address)
    raw = str(request.environ.get("REQUEST_URI") or request.full_path)
    if not raw.startswith("/"):
        parts = urlsplit(raw)
        raw = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
    headers = {name: value for name, value in request.headers if name.lower() not in HOP_BY_HOP}
    headers |= {"X-Forwarded-For": request.remote_addr or "", "X-Forwarded-Host": request.host, "Host": request.host}
    connection = http.client.HTTPConnection(bot.hostname or "", bot.port, timeout=PATIENCE)
    try:
        connection.request(request.method, raw, body or None, headers)
        answer = connection.getresponse()
        response = Response(answer.read(), status=answer.status)
    finally:
        connection.close()
    response.headers.remove("Content-Type")
    for name, value in answer.getheaders():
        if name.lower() not in HOP_BY_HOP:
            response.headers.add(name, value)
    return response
