"""The page's own API, and a phone that talks through the real doors."""

import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response, request
from flask.testing import FlaskClient

from bot.doors.inbound import Inbound, InboundKind
from bot.doors.official_account import OfficialAccountDoor
from bot.doors.wecom import WecomDoor
from bot.sandbox import demo_config, school
from bot.sandbox.bot_view import BotView
from bot.sandbox.hands import OUT_OF_ORDER, Hands
from bot.sandbox.listen import free_port, listening
from bot.sandbox.phones import Phones
from bot.sandbox.platform import Platform
from bot.sandbox.sandbox import Sandbox
from bot.sandbox.server import sandbox_app
from bot.sandbox.supervisor import Supervisor
from models.channel import Channel
from models.policy import CheckinPolicy

JSON = {"Content-Type": "application/json"}


def turn(inbound: Inbound) -> str | None:
    """Repeats what it heard; silent to events but a follow."""
    if inbound.kind is InboundKind.FOLLOW:
        return "欢迎"
    return f"听到：{inbound.text}" if inbound.text != "别说话" else None


def bot_app(keys: demo_config.Keys) -> Flask:
    """Real doors, no bot behind them."""
    account, corp = demo_config.account_of(keys), demo_config.corp_of(keys)
    doors = {
        "official-account": OfficialAccountDoor(
            token=keys.official_token, app_id=account.app_id, aes_key=keys.official_aes_key
        ),
        "wecom": WecomDoor(
            token=keys.wecom_token, corp_id=corp.corp_id, agent_id=corp.agent_id, aes_key=keys.wecom_aes_key
        ),
    }
    app = Flask(__name__)

    @app.post("/callback/<name>")
    def callback(name: str) -> Response:
        answer = doors[name].post(request.query_string.decode(), request.get_data(), time.monotonic(), turn)
        return Response(answer.body, answer.status, content_type=answer.content_type)

    @app.route("/open/<token>", methods=["GET", "POST"])
    def opened(token: str) -> Response:
        shown = f"{request.method} {token} {request.args.get('q', '')} {request.headers['X-Forwarded-For']}"
        return Response(shown, 201, headers=[("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X-Robots-Tag", "none")])

    return app


def make_sandbox(folder: Path, address: str) -> Sandbox:
    keys = demo_config.Keys.of(folder)
    owners = school.owners()
    platform = Platform(demo_config.account_of(keys), demo_config.corp_of(keys))
    phones = Phones(tuple(owner.key for owner in owners))
    hands = Hands(platform, phones, owners, demo_config.doors_of(keys), address, patience=0.5)
    supervisor = Supervisor(("-c", "pass"), free_port(), {}, folder / "bot.log")
    return Sandbox(
        school.NAME, platform, phones, hands, supervisor, BotView(folder / "none.db", CheckinPolicy()), address
    )


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    """A sandbox whose bot is nothing but its doors."""
    with listening(bot_app(demo_config.Keys.of(tmp_path))) as address:
        yield make_sandbox(tmp_path, address)


@pytest.fixture
def page(sandbox: Sandbox) -> FlaskClient:
    """The page's client."""
    return sandbox_app(sandbox).test_client()


def screen(page: FlaskClient, phone: str, *, when: Any = None) -> list[dict[str, Any]]:
    """What stands on a phone, once nothing is under way."""
    bubbles: list[dict[str, Any]] = []
    for _ in range(100):
        state = page.get("/sandbox/state").get_json()
        bubbles = [bubble for bubble in state["bubbles"] if bubble["phone"] == phone]
        if all(bubble["state"] in {"done", "failed"} for bubble in bubbles) and (when is None or when(bubbles)):
            break
        time.sleep(0.02)
    return bubbles


def said(bubbles: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(bubble["side"], bubble["text"]) for bubble in bubbles]


@pytest.mark.parametrize("phone", ["student", "advisor"])
def test_a_word_goes_through_the_real_door_and_the_answer_stands_on_the_phone(page: FlaskClient, phone: str) -> None:
    assert page.post("/sandbox/say", json={"phone": phone, "text": "周报"}).status_code == 200

    bubbles = screen(page, phone, when=lambda found: len(found) == 2)

    assert said(bubbles) == [("me", "周报"), ("bot", "听到：周报")]
    assert not bubbles[1]["push"]


def test_a_silent_answer_leaves_the_word_alone(page: FlaskClient) -> None:
    page.post("/sandbox/say", json={"phone": "student", "text": "别说话"})

    assert said(screen(page, "student")) == [("me", "别说话")]


def test_following_opens_a_window_and_greets(sandbox: Sandbox, page: FlaskClient) -> None:
    page.post("/sandbox/follow", json={"phone": "student", "on": True})

    assert said(screen(page, "student", when=lambda found: len(found) == 2)) == [("notice", "已关注"), ("bot", "欢迎")]
    assert sandbox.hands.is_following("student")
    page.post("/sandbox/follow", json={"phone": "student", "on": False})
    assert not sandbox.hands.is_following("student")


def test_a_bot_that_is_down_is_tried_three_times_and_then_the_platform_says_so(tmp_path: Path) -> None:
    page = sandbox_app(make_sandbox(tmp_path, f"http://127.0.0.1:{free_port()}")).test_client()

    page.post("/sandbox/say", json={"phone": "student", "text": "在吗"})
    bubbles = screen(page, "student", when=lambda found: len(found) == 2)

    assert said(bubbles) == [("me", "在吗"), ("notice", OUT_OF_ORDER)]
    assert (bubbles[0]["state"], bubbles[0]["attempt"]) == ("failed", 3)


def test_only_what_is_new_is_told(page: FlaskClient) -> None:
    page.post("/sandbox/say", json={"phone": "student", "text": "一"})
    screen(page, "student", when=lambda found: len(found) == 2)
    version = page.get("/sandbox/state").get_json()["version"]

    assert page.get(f"/sandbox/state?since={version}").get_json()["bubbles"] == []
    assert page.get("/sandbox/state?since=x").status_code == 200
    assert page.get("/sandbox/state?since=-1").status_code == 200


def test_a_tap_on_the_menu_arrives_as_its_key(page: FlaskClient) -> None:
    page.post("/sandbox/tap", json={"phone": "student", "key": "checkin", "label": "周报"})

    assert said(screen(page, "student", when=lambda found: len(found) == 2)) == [
        ("me", "周报"),
        ("bot", "听到：checkin"),
    ]


@pytest.mark.parametrize("action", ["say", "tap", "follow"])
@pytest.mark.parametrize(
    ("body", "headers", "statuses"),
    [
        (b"", JSON, {400}),
        (b"[]", JSON, {400}),
        (b"\xff\xfe", JSON, {400}),
        (b'{"phone": "nobody", "text": "x", "key": "k"}', JSON, {404}),
        (b'{"phone": [], "text": {}, "key": "k"}', JSON, {404}),
        (b"x" * 100_000, JSON, {413}),
        (b"phone=student&text=x", {"Content-Type": "application/x-www-form-urlencoded"}, {403}),
        (b"{}", JSON | {"Origin": "https://elsewhere.example"}, {403}),
        (b"{}", JSON | {"Sec-Fetch-Site": "cross-site"}, {403}),
    ],
)
def test_odd_or_foreign_requests_are_refused(
    page: FlaskClient, action: str, body: bytes, headers: dict[str, str], statuses: set[int]
) -> None:
    assert page.post(f"/sandbox/{action}", data=body, headers=headers).status_code in statuses


@pytest.mark.parametrize("text", ["😀" * 3000, "\x00\x01", "]]>", "<script>", " ", "x" * 50_000, "\ud800"])
def test_odd_texts_do_no_harm(page: FlaskClient, text: str) -> None:
    assert page.post("/sandbox/say", json={"phone": "student", "text": text}).status_code == 200
    assert all(bubble["state"] == "done" for bubble in screen(page, "student"))


def test_the_page_shows_six_phones_and_allows_nothing_from_elsewhere(page: FlaskClient) -> None:
    shown = page.get("/sandbox/")

    assert shown.get_data(as_text=True).count('class="seat"') == 6
    assert "default-src 'none'" in shown.headers["Content-Security-Policy"]
    for name in ("sandbox.css", "sandbox.js", "bridge.svg"):
        with page.get(f"/sandbox/static/{name}") as asset:
            assert asset.status_code == 200
    assert page.get("/").location == "/sandbox/"


def test_other_paths_go_to_the_bot(sandbox: Sandbox, page: FlaskClient) -> None:
    answer = page.get("/open/abc%2Fd?q=%E5%A5%BD")
    assert answer.status_code == 404  # the slash stays encoded up to the bot, whose route then has two parts

    answer = page.post("/open/abc?q=%E5%A5%BD", data=b"x")
    assert (answer.status_code, answer.get_data(as_text=True)) == (201, "POST abc 好 127.0.0.1")
    assert answer.headers.getlist("Set-Cookie") == ["a=1", "b=2"]

    sandbox.bot_address = "http://127.0.0.1:1"
    assert sandbox_app(sandbox).test_client().get("/open/abc").status_code == 503


def test_the_platforms_api_answers_on_the_same_address(page: FlaskClient) -> None:
    assert page.get("/cgi-bin/gettoken").get_json()["errcode"] == 41002


def test_every_kind_of_push_stands_on_the_phone_as_such(sandbox: Sandbox, page: FlaskClient) -> None:
    owner = sandbox.hands.owners["student"]
    sandbox.platform.heard(owner.address)
    numbers = itertools.count(1)
    with listening(sandbox_app(sandbox)):
        for kind, body in (
            ("text", {"content": "你好"}),
            (
                "msgmenu",
                {"head_content": "开始吗", "list": [{"id": "a", "content": "开始"}], "tail_content": "也可以打字"},
            ),
        ):
            sent = {"touser": owner.address, "msgtype": kind, kind: body}
            row: Any = {
                "channel": Channel.OFFICIAL_ACCOUNT,
                "recipient": owner.address,
                "kind": kind,
                "text": f"{next(numbers)}",
                "body": sent,
            }
            for listener in sandbox.platform.listeners:
                listener(row)

    bubbles = screen(page, "student")

    assert [bubble["form"] for bubble in bubbles] == ["text", "msgmenu"]
    assert all(bubble["push"] for bubble in bubbles)
    assert bubbles[1]["items"] == [["a", "开始"]]
