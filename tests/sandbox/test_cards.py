"""WeCom's cards after they were sent: pressed, changed for one person or for all, and by whom no more."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from bot.sandbox.platform import Platform
from bot.sandbox.wecom import TASK_USED
from models import clock

if TYPE_CHECKING:
    from bot.sandbox.ledger import CardChange

SEND = "/cgi-bin/message/send"
UPDATE = "/cgi-bin/message/update_template_card"
AGENT_ID = 1000002


@pytest.fixture
def platform() -> Iterator[Platform]:
    made = Platform()
    made.joined("wang")
    made.joined("li")
    yield made
    clock.stop_moving()


def post(platform: Platform, path: str, body: dict[str, Any]) -> dict[str, Any]:
    corp = platform.wecom.corp
    query = {"corpid": corp.corp_id, "corpsecret": corp.secret}
    token = str(platform.handle("GET", "/cgi-bin/gettoken", query, b"").body["access_token"])
    return platform.handle("POST", path, {"access_token": token}, json.dumps(body).encode()).body


def card(title: str = "有一件紧急的事", task: str = "t-1", **extra: Any) -> dict[str, Any]:
    return {
        "card_type": "button_interaction",
        "task_id": task,
        "main_title": {"title": title},
        "button_list": [{"text": "我来", "key": "claim"}],
    } | extra


def sent(platform: Platform, touser: str = "wang|Li", **extra: Any) -> dict[str, Any]:
    message = {"touser": touser, "agentid": AGENT_ID, "msgtype": "template_card", "template_card": card()}
    return post(platform, SEND, message | extra)


def update(platform: Platform, code: str, **how: Any) -> dict[str, Any]:
    return post(platform, UPDATE, {"agentid": AGENT_ID, "response_code": code} | how)


def shown(platform: Platform, userid: str, task: str = "t-1") -> tuple[str, str]:
    """What stands on top of the card, and on its grey buttons."""
    found = platform.wecom.card_of(userid, task)
    assert found is not None
    return found["main_title"]["title"], found.get("replace_text", "")


GREY = {"button": {"replace_name": "王老师已接手"}}


def test_the_code_of_the_sending_changes_the_card_for_those_who_are_named_once(platform: Platform) -> None:
    changes: list[CardChange] = []
    platform.card_listeners.append(changes.append)
    answer = sent(platform)

    assert update(platform, answer["response_code"], userids=["LI"], **GREY)["errcode"] == 0

    assert shown(platform, "li") == ("有一件紧急的事", "王老师已接手")
    assert shown(platform, "wang") == ("有一件紧急的事", "")
    assert [(change.recipient, str(change.msgid)) for change in changes] == [("li", answer["msgid"])]
    row = platform.log[-1]
    assert (row["kind"], row["outcome"], row["recipient"]) == ("card_update", "updated", "li")
    assert "王老师已接手" in row["text"]
    assert len(platform.delivered()) == 2
    assert update(platform, answer["response_code"], userids=["wang"], **GREY)["errcode"] == 60140


def test_a_whole_card_takes_the_place_of_the_old_one_for_all(platform: Platform) -> None:
    code = sent(platform)["response_code"]

    assert update(platform, code, atall=1, template_card=card("还有 2 件紧急"))["errcode"] == 0

    assert shown(platform, "wang") == shown(platform, "li") == ("还有 2 件紧急", "")


def test_each_press_gives_a_code_of_its_own(platform: Platform) -> None:
    code = sent(platform)["response_code"]

    first, second = (platform.pressed("Wang", "t-1") for _ in range(2))

    assert first.form == "button_interaction"
    for each in (first.code, second.code, code):
        assert update(platform, each, userids=["wang", "li"], **GREY)["errcode"] == 0
        assert update(platform, each, userids=["wang", "li"], **GREY)["errcode"] == 60140


def test_a_code_lives_for_72_hours(platform: Platform) -> None:
    early, late = sent(platform)["response_code"], platform.pressed("wang", "t-1").code

    clock.move_to(clock.now() + timedelta(hours=72) - timedelta(seconds=5))
    assert update(platform, early, atall=1, **GREY)["errcode"] == 0
    clock.move_to(clock.now() + timedelta(seconds=5))
    assert update(platform, late, atall=1, **GREY)["errcode"] == 60140
    assert update(platform, "never issued", atall=1, **GREY)["errcode"] == 60140


@pytest.mark.parametrize(
    ("how", "errcode"),
    [
        ({"agentid": 7, "atall": 1, **GREY}, 301002),
        (GREY, 82001),
        ({"userids": ["nobody"], **GREY}, 81013),
        ({"userids": ["wang"]}, 40058),
        ({"userids": ["wang"], "template_card": card(), **GREY}, 40058),
        ({"userids": ["wang"], "button": {}}, 40058),
        ({"userids": ["wang"], "template_card": {"card_type": "poem"}}, 40058),
        ({"userids": ["wang"], "response_code": []}, 60140),
    ],
)
def test_a_refused_update_changes_nothing_and_keeps_the_code(
    platform: Platform, how: dict[str, Any], errcode: int
) -> None:
    code = sent(platform)["response_code"]

    assert update(platform, code, **how)["errcode"] == errcode
    assert shown(platform, "wang")[1] == ""
    assert update(platform, code, atall=1, **GREY)["errcode"] == 0


def test_who_never_had_the_card_is_left_out(platform: Platform) -> None:
    code = sent(platform, "wang")["response_code"]

    answer = update(platform, code, userids=["wang", "li", "nobody"], **GREY)

    assert answer["invaliduser"] == ["nobody"]
    assert [(row["recipient"], row["outcome"]) for row in platform.log if row["kind"] == "card_update"] == [
        ("nobody", "invalid user"),
        ("wang", "updated"),
        ("li", "not a recipient"),
    ]


def test_the_answer_to_a_press_changes_the_card_for_whoever_pressed(platform: Platform) -> None:
    sent(platform)

    platform.card_answered("wang", "t-1", caption="你已接手")
    assert (shown(platform, "wang")[1], shown(platform, "li")[1]) == ("你已接手", "")
    platform.card_answered("wang", "t-1", caption="", card=card("已经处理好了"))
    assert shown(platform, "wang") == ("已经处理好了", "")
    platform.card_answered("wang", "another", caption="没有这张卡")
    platform.card_answered("wang", "t-1", caption="", card={"card_type": "poem"})

    assert [row["outcome"] for row in platform.log if row["api"] == "passive_reply"] == [
        "updated",
        "updated",
        "not a recipient",
    ]


def test_a_task_id_stands_for_one_card_but_the_same_body_again_is_only_a_repeat(platform: Platform) -> None:
    checked: dict[str, Any] = {"enable_duplicate_check": 1}

    assert sent(platform, **checked)["response_code"]
    assert sent(platform, **checked)["errcode"] == 0
    assert sent(platform)["errcode"] == TASK_USED
    assert sent(platform, "wang", **checked)["errcode"] == TASK_USED
    assert len(platform.delivered("wang")) == 1

    platform.wecom.task_used = 0
    assert sent(platform)["errcode"] == 0
    assert platform.log[-1]["outcome"] == "task used"
    assert len(platform.delivered("wang")) == 1


def test_cards_are_not_shown_to_those_who_read_in_wechat_only(platform: Platform) -> None:
    platform.wecom.plugin_only.add("wang")

    assert sent(platform)["errcode"] == 0

    assert [(row["recipient"], row["outcome"], row["delivered"]) for row in platform.log if row["recipient"]] == [
        ("wang", "card not shown", False),
        ("li", "ok", True),
    ]
    note = {"touser": "wang", "agentid": AGENT_ID, "msgtype": "text", "text": {"content": "你好"}}
    assert post(platform, SEND, note)["errcode"] == 0
    assert len(platform.delivered("wang")) == 1


def test_a_card_without_callbacks_has_no_code(platform: Platform) -> None:
    notice = {
        "card_type": "text_notice",
        "main_title": {"title": "通知"},
        "card_action": {"type": 1, "url": "https://a"},
    }

    assert "response_code" not in sent(platform, template_card=notice)
    menu = {"task_id": "t-9", "action_menu": {"desc": "更多", "action_list": [{"text": "不看", "key": "k"}]}}
    code = sent(platform, template_card=notice | menu)["response_code"]
    assert update(platform, code, atall=1, **GREY)["errcode"] == 40058
