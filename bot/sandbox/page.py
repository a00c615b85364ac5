"""The page `/sandbox/` and its small JSON API; nothing that is sent to it can make it fail."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from flask import Blueprint, Response, abort, jsonify, render_template, request

from bot.sandbox.listen import read_body
from bot.sandbox.phones import CHANNEL_WORDS, spoken
from bot.sandbox.sandbox import PART_WORDS, Sandbox
from bot.sandbox.trouble import TROUBLES
from models.channel import Channel

MOST = 64 * 1024
LONGEST_VERSION = 16
MOST_OPENED = 8
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'"
Answer = tuple[Response, int]


def page_blueprint(sandbox: Sandbox) -> Blueprint:
    """Page, state, and what a visitor can do."""
    blueprint = Blueprint(
        "sandbox", __name__, url_prefix="/sandbox", template_folder="templates", static_folder="static"
    )

    @blueprint.before_request
    def same_origin() -> None:
        if request.method == "POST" and not _is_ours():
            abort(403)

    @blueprint.after_request
    def guard(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Cache-Control"] = "no-store"
        return response

    _add_looks(blueprint, sandbox)
    _add_hands(blueprint, sandbox)
    _add_levers(blueprint, sandbox)
    return blueprint


def _add_looks(blueprint: Blueprint, sandbox: Sandbox) -> None:
    """What can be seen."""

    @blueprint.get("/")
    def page() -> str:
        return render_template(
            "sandbox.html",
            school=sandbox.school,
            run=sandbox.run,
            owners=list(sandbox.hands.owners.values()),
            words=CHANNEL_WORDS,
            wecom=Channel.WECOM,
            troubles=TROUBLES,
            parts=PART_WORDS,
        )

    @blueprint.get("/state")
    def state() -> Response:
        opened = [_number(word) for word in request.args.get("opened", "").split(",")[:MOST_OPENED] if word]
        return jsonify(sandbox.state(_number(request.args.get("since", "")), opened))


def _add_hands(blueprint: Blueprint, sandbox: Sandbox) -> None:
    """What people do with their phones."""

    @blueprint.post("/say")
    def say() -> Answer:
        given = _given()
        menu_id = _text(given, "menu_id") or None
        sent = sandbox.hands.say(_phone(given, sandbox), _text(given, "text"), menu_id=menu_id)
        return _done("" if sent else "写点什么再发送吧")

    @blueprint.post("/tap")
    def tap() -> Answer:
        given = _given()
        key = _text(given, "key")[:1024]
        if not key:
            abort(400)
        phone, label, task = _phone(given, sandbox), _text(given, "label")[:40], _text(given, "task")[:128]
        sandbox.hands.tap(phone, key, label, task=task)
        return _done()

    @blueprint.post("/follow")
    def follow() -> Answer:
        given = _given()
        sandbox.hands.follow(_phone(given, sandbox), on=given.get("on") is not False)
        return _done()


def _add_levers(blueprint: Blueprint, sandbox: Sandbox) -> None:
    """What the visitor does to time and to the bot."""

    @blueprint.post("/forward")
    def forward() -> Answer:
        moment = sandbox.forward()
        return _done("接下来没有安排好的事" if moment is None else f"已经到了 {spoken(moment)}")

    @blueprint.post("/kill")
    def kill() -> Answer:
        part = _text(_given(), "part")
        if part:
            return _done(_known(lambda: sandbox.kill_part(part)))
        sandbox.supervisor.kill()
        return _done("机器人的所有进程都停掉了，就像突然断电")

    @blueprint.post("/freeze")
    def freeze() -> Answer:
        given = _given()
        return _done(_known(lambda: sandbox.freeze_part(_text(given, "part"), on=given.get("on") is not False)))

    @blueprint.post("/fault")
    def fault() -> Answer:
        name = _text(_given(), "name")
        return _done(_known(lambda: sandbox.trouble(name)))

    @blueprint.post("/start")
    def start() -> Answer:
        sandbox.supervisor.start()
        return _done("机器人正在重新启动")


def _known(do: Callable[[], str]) -> str:
    """What is to be said; what does not exist ends the request with 404."""
    try:
        return do()
    except KeyError:
        abort(404)


def _number(word: str) -> int:
    return int(word) if word.isascii() and word.isdigit() and len(word) < LONGEST_VERSION else 0


def _is_ours() -> bool:
    """Whether a change was asked for by our own page."""
    origin = request.headers.get("Origin")
    if origin not in {None, f"http://{request.host}", f"https://{request.host}"}:
        return False
    return request.headers.get("Sec-Fetch-Site", "same-origin") == "same-origin" and request.is_json


def _given() -> Mapping[str, Any]:
    try:
        given = json.loads(read_body(MOST))
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        abort(400)
    return given


def _phone(given: Mapping[str, Any], sandbox: Sandbox) -> str:
    key = given.get("phone")
    if not isinstance(key, str) or key not in sandbox.hands.owners:
        abort(404)
    return key


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name)
    return value if isinstance(value, str) else ""


def _done(message: str = "") -> Answer:
    return jsonify({"message": message}), 200
