"""The page's own API, and a phone that talks through the real doors."""

import itertools
import json
import os
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response, request
from flask.testing import FlaskClient
from playwright.sync_api import Page
from sqlalchemy.orm import close_all_sessions

from bot.doors.inbound import Inbound, InboundKind
from bot.doors.official_account import OfficialAccountDoor
from bot.doors.wecom import WecomDoor
from bot.sandbox import demo_config, school
from bot.sandbox.bot_view import BotView
from bot.sandbox.cipher import Sealer, signature
from bot.sandbox.hands import OUT_OF_ORDER, Hands
from bot.sandbox.listen import free_port, listening
from bot.sandbox.phones import Phones
from bot.sandbox.platform import Platform
from bot.sandbox.sandbox import Sandbox
from bot.sandbox.server import sandbox_app
from bot.sandbox.supervisor import Supervisor
from bot.sandbox.trouble import TROUBLES
from models import clock, db
from models.channel import Channel
from models.outbox.table import AttemptOutcome, Push, PushState, Reason
from models.policy import CheckinPolicy
from tests.sandbox.browser import opened
from tests.sandbox.test_life import NOW, Bot, asked

JSON = {"Content-Type": "application/json"}


def turn(inbound: Inbound) -> str | None:
    """Repeats what it heard; silent to events but a follow."""
    if inbound.kind is InboundKind.FOLLOW:
        return "欢迎"
    return f"听到：{inbound.text}" if inbound.text != "别说话" else None


def bot_app(keys: demo_config.Keys, *, presses: bool = False) -> Flask:
    """Real doors, no bot behind them; with `presses` one that answers everything in WeCom as a pressed button."""
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
        if presses and name == "wecom":
            sealed = ET.fromstring(request.get_data()).findtext("Encrypt", "")  # noqa: S314  # our own hands sent it
            heard = ET.fromstring(Sealer(keys.wecom_aes_key, corp.corp_id).open(sealed))  # noqa: S314  # as above
            app.config["HEARD"] = {node.tag: node.text for node in heard}
            return Response(sealed_update(keys), content_type="text/xml")
        answer = doors[name].post(request.query_string.decode(), request.get_data(), time.monotonic(), turn)
        return Response(answer.body, answer.status, content_type=answer.content_type)

    @app.route("/open/<token>", methods=["GET", "POST"])
    def opened(token: str) -> Response:
        shown = f"{request.method} {token} {request.args.get('q', '')} {request.headers['X-Forwarded-For']}"
        return Response(shown, 201, headers=[("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X-Robots-Tag", "none")])

    return app


def sealed_update(keys: demo_config.Keys) -> bytes:
    """What a bot answers to a pressed button."""
    door = demo_config.doors_of(keys)[Channel.WECOM]
    address = next(owner.address for owner in school.owners() if owner.key == "advisor")
    xml = (
        f"<xml><ToUserName>{address}</ToUserName><FromUserName>{door.account}</FromUserName><CreateTime>1</CreateTime>"
        "<MsgType>update_button</MsgType><Button><ReplaceName>你已接手</ReplaceName></Button></xml>"
    )
    sealed = Sealer(door.aes_key, door.receiver_id).seal(xml)
    return (
        f"<xml><Encrypt>{sealed}</Encrypt><MsgSignature>{signature(door.token, '5', 'n', sealed)}</MsgSignature>"
        "<TimeStamp>5</TimeStamp><Nonce>n</Nonce></xml>"
    ).encode()


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


@pytest.mark.parametrize("action", ["say", "tap", "follow", "fault", "freeze"])
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


def test_the_page_shows_eight_phones_and_allows_nothing_from_elsewhere(page: FlaskClient) -> None:
    shown = page.get("/sandbox/")

    assert shown.get_data(as_text=True).count('class="seat"') == 8
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
                "msgid": 0,
            }
            for listener in sandbox.platform.listeners:
                listener(row)

    bubbles = screen(page, "student")

    assert [bubble["form"] for bubble in bubbles] == ["text", "msgmenu"]
    assert all(bubble["push"] for bubble in bubbles)
    assert bubbles[1]["items"] == [["a", "开始"]]


def test_a_card_that_is_pressed_turns_grey_where_it_stands(tmp_path: Path) -> None:
    bot = bot_app(demo_config.Keys.of(tmp_path), presses=True)
    with listening(bot) as address:
        sandbox = make_sandbox(tmp_path, address)
        page = sandbox_app(sandbox).test_client()
        for key in ("advisor", "station_head"):
            sandbox.platform.joined(sandbox.hands.owners[key].address)
        send_card(sandbox, "advisor", "station_head")

        page.post("/sandbox/tap", json={"phone": "advisor", "key": "claim", "label": "我来", "task": "t-1"})
        bubbles = screen(page, "advisor", when=lambda found: any(bubble["replaced"] for bubble in found))

        assert [(bubble["form"], bubble["replaced"]) for bubble in bubbles] == [
            ("template_card", "你已接手"),
            ("tap", ""),
        ]
        assert screen(page, "station_head")[0]["replaced"] == ""
        told = bot.config["HEARD"]
        assert [told[name] for name in ("Event", "EventKey", "TaskId", "CardType", "AgentID")] == [
            "template_card_event",
            "claim",
            "t-1",
            "button_interaction",
            str(demo_config.AGENT_ID),
        ]
        update = {"agentid": demo_config.AGENT_ID, "response_code": told["ResponseCode"], "atall": 1}
        assert asked_of(sandbox, "update_template_card", update | {"button": {"replace_name": "已处理"}}) == 0
        assert screen(page, "station_head")[0]["replaced"] == "已处理"


def send_card(sandbox: Sandbox, *keys: str) -> None:
    """A push with a button, as the bot sends it."""
    body = {
        "touser": "|".join(sandbox.hands.owners[key].address for key in keys),
        "agentid": demo_config.AGENT_ID,
        "msgtype": "template_card",
        "template_card": {
            "card_type": "button_interaction",
            "task_id": "t-1",
            "main_title": {"title": "有一件紧急的事"},
            "button_list": [{"text": "我来", "key": "claim"}],
        },
    }
    assert asked_of(sandbox, "send", body) == 0


def asked_of(sandbox: Sandbox, name: str, body: dict[str, Any]) -> int:
    """The code of a call as the bot makes it."""
    corp = sandbox.platform.wecom.corp
    query = {"corpid": corp.corp_id, "corpsecret": corp.secret}
    token = sandbox.platform.handle("GET", "/cgi-bin/gettoken", query, b"").body["access_token"]
    raw = json.dumps(body).encode()
    answer = sandbox.platform.handle("POST", f"/cgi-bin/message/{name}", {"access_token": token}, raw)
    return int(answer.body["errcode"])


# What can be made to go wrong.


def test_every_trouble_can_be_ordered_and_ended(sandbox: Sandbox, page: FlaskClient) -> None:
    for name in TROUBLES:
        assert page.post("/sandbox/fault", json={"name": name}).get_json()["message"] == TROUBLES[name].said
        shown = page.get("/sandbox/state").get_json()["faults"]
        assert bool(shown) is (name != "well")
    assert page.get("/sandbox/state").get_json()["faults"] == []

    page.post("/sandbox/fault", json={"name": "busy"})
    page.post("/sandbox/fault", json={"name": "quota"})
    assert page.get("/sandbox/state").get_json()["faults"] == ["平台忙，还有 3 次", "额度用完，到 0 点"]
    send = "/cgi-bin/message/send"
    assert [sandbox.platform.handle("POST", send, {}, b"{}").body["errcode"] for _ in range(4)] == [-1, -1, -1, 45009]


TREE = """
import subprocess, sys, time
names = ["web", "worker", "scheduler"]
asleep = "import time; time.sleep(60)"
start = lambda name: subprocess.Popen([sys.executable, "-c", asleep, "bot.cli", name])
children = {name: start(name) for name in names}
while True:
    time.sleep(0.02)
    for name in names:
        if children[name].poll() is not None:
            children[name] = start(name)
"""
TREE_SIZE = 3


@pytest.fixture
def tree(sandbox: Sandbox, tmp_path: Path) -> Iterator[Supervisor]:
    """A tree of sleepers that starts again what dies."""
    sandbox.supervisor = Supervisor(("-c", TREE), free_port(), dict(os.environ), tmp_path / "bot.log")
    sandbox.supervisor.start()
    for _ in range(250):
        if len(sandbox.supervisor.parts()) == TREE_SIZE:
            break
        time.sleep(0.02)
    yield sandbox.supervisor
    sandbox.supervisor.kill()


def part(page: FlaskClient, name: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """A process as the page shows it, once it is so."""
    for _ in range(250):
        shown: dict[str, Any] = next(it for it in page.get("/sandbox/state").get_json()["parts"] if it["name"] == name)
        if holds(shown):
            return shown
        time.sleep(0.02)
    pytest.fail("it did not come to that")


@pytest.mark.skipif(sys.platform != "linux", reason="looks through /proc")
def test_one_process_can_be_killed_and_comes_back(page: FlaskClient, tree: Supervisor) -> None:
    assert part(page, "worker", lambda shown: shown["alive"])["word"] == "派送进程"
    before = {it.name: it.pid for it in tree.parts()}

    assert "派送进程停掉了" in page.post("/sandbox/kill", json={"part": "worker"}).get_json()["message"]

    for _ in range(250):
        after = {it.name: it.pid for it in tree.parts()}
        if after.get("worker", before["worker"]) != before["worker"]:
            break
        time.sleep(0.02)
    assert {name: pid == before[name] for name, pid in after.items()} == {
        "web": True,
        "worker": False,
        "scheduler": True,
    }
    assert "没有在运行" in page.post("/sandbox/kill", json={"part": "valkey"}).get_json()["message"]
    assert page.post("/sandbox/kill", json={"part": "everything"}).status_code == 404


@pytest.mark.skipif(sys.platform != "linux", reason="looks through /proc")
def test_a_frozen_worker_is_shown_so_until_it_is_thawed(page: FlaskClient, tree: Supervisor) -> None:
    part(page, "worker", lambda shown: shown["alive"])

    page.post("/sandbox/freeze", json={"part": "worker", "on": True})
    assert part(page, "worker", lambda shown: shown["frozen"])["alive"]
    page.post("/sandbox/freeze", json={"part": "worker", "on": False})
    part(page, "worker", lambda shown: not shown["frozen"])

    tree.kill()
    assert tree.parts() == []


# In a browser.


@pytest.fixture
def bot(tmp_path: Path) -> Iterator[Bot]:
    """The bot's tables."""
    yield Bot(tmp_path)
    close_all_sessions()


@pytest.fixture
def window(sandbox: Sandbox, tree: Supervisor, bot: Bot) -> Iterator[Page]:
    """A browser in front of a page whose outbox has rows and whose bot is a tree of sleepers."""
    sandbox.view = bot.view
    with listening(sandbox_app(sandbox)) as address, opened(f"{address}/sandbox/") as shown:
        yield shown


@pytest.mark.browser
@pytest.mark.skipif(sys.platform != "linux", reason="looks through /proc")
def test_a_row_opens_to_its_life_by_keyboard_and_stays_open_while_it_goes_on(window: Page, bot: Bot) -> None:
    it = bot.push(asked(1, AttemptOutcome.BUSY, "-1"), attempts=1)
    window.locator("#outbox-toggle").focus()
    window.keyboard.press("Enter")
    opener = window.locator(".push .opener")
    opener.focus()
    window.keyboard.press("Enter")
    window.locator(f"#life-{it} .attempts").get_by_text("平台忙 · -1").wait_for()

    with db.unit_of_work() as session:
        row = session.get_one(Push, it)
        row.state, row.settled_at, row.seen_at = PushState.DELIVERED, NOW, NOW
    window.locator(".push .state", has_text="已送达").wait_for()

    assert window.locator(f"#life-{it} .steps li").all_inner_texts()[-1].startswith("看过")
    window.locator(f'#life-{it} .steps li[data-mark="done"]', has_text="看过").wait_for()
    assert opener.evaluate("it => it === document.activeElement")
    window.keyboard.press("Enter")
    assert window.locator(f"#life-{it}").is_hidden()
    window.keyboard.press("Escape")
    assert window.locator("#outbox-body").is_hidden()


@pytest.mark.browser
@pytest.mark.skipif(sys.platform != "linux", reason="looks through /proc")
def test_a_visitor_makes_things_go_wrong_by_button(window: Page, sandbox: Sandbox, tree: Supervisor) -> None:
    window.locator("#trouble-toggle").click()
    trouble = window.locator("#trouble")
    for label in ("平台忙", "令牌失效", "额度用完", "回答丢失", "卡住 5 秒", "断开连接"):
        trouble.get_by_role("button", name=label).click()
    trouble.get_by_text("断开连接，还有 3 次").wait_for()
    assert len(sandbox.platform.faults.open(clock.now())) == 5
    trouble.get_by_role("button", name="恢复正常").click()
    trouble.get_by_text("平台一切正常").wait_for()

    before = {it.name: it.pid for it in tree.parts()}
    trouble.get_by_role("button", name="停掉调度进程").click()
    trouble.get_by_role("button", name="冻住派送进程").click()
    trouble.get_by_role("button", name="解冻派送进程").wait_for()
    assert window.locator("#trouble-lamp").inner_text() == "1"
    trouble.get_by_role("button", name="解冻派送进程").click()
    trouble.get_by_role("button", name="冻住派送进程").wait_for()
    after = {it.name: it.pid for it in tree.parts()}
    assert [name for name in before if after[name] != before[name]] == ["scheduler"]

    trouble.get_by_role("button", name="全部停电").click()
    window.locator("#bot-word", has_text="机器人已停掉").wait_for()
    assert tree.parts() == []
    assert trouble.get_by_role("button", name="停掉网页进程").is_disabled()


@pytest.mark.browser
def test_nothing_stands_out_of_a_phones_width(window: Page, bot: Bot) -> None:
    bot.push(asked(1, AttemptOutcome.REFUSED, "43004"), state=PushState.EXHAUSTED, reason=Reason.UNREACHABLE)
    window.set_viewport_size({"width": 390, "height": 844})
    window.locator("#outbox-toggle").click()
    window.locator("#trouble-toggle").click()
    window.locator(".push").click()
    window.locator(".attempts").wait_for()

    assert window.evaluate("document.documentElement.scrollWidth") == 390
    assert window.evaluate("document.querySelector('.panes').scrollWidth") <= 390
