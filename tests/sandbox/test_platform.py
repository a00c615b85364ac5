"""The sandbox's platforms keep the rules of the fact sheets."""

import json
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from bot.sandbox.faults import FaultKind
from bot.sandbox.limits import ZONE
from bot.sandbox.official_account import Account, Template, Trigger
from bot.sandbox.platform import Platform
from bot.sandbox.tokens import FORCED_APART, LIFE, OVERLAP, Tokens, TokenState
from bot.sandbox.wecom import Corp
from models import clock

OPENID = "oSandbox00000000000000000001"
ACCOUNT = Account(
    "wx0123456789abcdef",
    "official-secret",
    templates={"TPL": Template("周报提醒", {"thing1": "事项", "time2": "时间"})},
)
CORP = Corp("ww0123456789abcdef", "wecom-secret", 1000002)
CUSTOM = "/cgi-bin/message/custom/send"
TEMPLATE = "/cgi-bin/message/template/send"
WECOM = "/cgi-bin/message/send"


@pytest.fixture
def platform() -> Iterator[Platform]:
    yield Platform(ACCOUNT, CORP)
    clock.stop_moving()


def forward(span: timedelta) -> None:
    clock.move_to(clock.now() + span)


def official_token(platform: Platform) -> str:
    body = {"grant_type": "client_credential", "appid": ACCOUNT.app_id, "secret": ACCOUNT.secret}
    answer = platform.handle("POST", "/cgi-bin/stable_token", {}, json.dumps(body).encode())
    return str(answer.body["access_token"])


def wecom_token(platform: Platform) -> str:
    query = {"corpid": CORP.corp_id, "corpsecret": CORP.secret}
    return str(platform.handle("GET", "/cgi-bin/gettoken", query, b"").body["access_token"])


def post(platform: Platform, path: str, body: dict[str, Any], token: str | None = None) -> dict[str, Any]:
    if token is None:
        token = wecom_token(platform) if path == WECOM else official_token(platform)
    return platform.handle("POST", path, {"access_token": token}, json.dumps(body).encode()).body


def text(content: str = "你好") -> dict[str, Any]:
    return {"touser": OPENID, "msgtype": "text", "text": {"content": content}}


def card(client_msg_id: str | None = None, **values: str) -> dict[str, Any]:
    shown = {"thing1": "本周小结", "time2": "2026-11-22 19:00"} | values
    body: dict[str, Any] = {"touser": OPENID, "template_id": "TPL", "data": {k: {"value": v} for k, v in shown.items()}}
    return body | ({"client_msg_id": client_msg_id} if client_msg_id else {})


def note(content: str = "你好", touser: str = "wang", **extra: Any) -> dict[str, Any]:
    return {"touser": touser, "agentid": CORP.agent_id, "msgtype": "text", "text": {"content": content}, **extra}


# Windows of the official account.


@pytest.mark.parametrize(
    ("trigger", "allowed", "span"),
    [
        (Trigger.MESSAGE, 5, timedelta(hours=48)),
        (Trigger.FOLLOW, 3, timedelta(minutes=1)),
        (Trigger.MENU_TAP, 3, timedelta(minutes=1)),
        (Trigger.MESSAGE_MENU_TAP, 3, timedelta(minutes=1)),
    ],
)
def test_a_trigger_opens_its_allowance_for_its_time(
    platform: Platform, trigger: Trigger, allowed: int, span: timedelta
) -> None:
    platform.heard(OPENID, trigger)
    codes = [post(platform, CUSTOM, text())["errcode"] for _ in range(allowed + 1)]
    assert codes == [0] * allowed + [45047]

    platform.heard(OPENID, trigger)
    assert post(platform, CUSTOM, text())["errcode"] == 0
    forward(span)
    assert post(platform, CUSTOM, text())["errcode"] == 45015


def test_a_follower_who_never_did_anything_has_no_window(platform: Platform) -> None:
    platform.heard(OPENID)
    platform.official.followers[OPENID].allowance = None

    assert post(platform, CUSTOM, text())["errcode"] == 45015


def test_nobody_unknown_or_gone_is_reached(platform: Platform) -> None:
    assert post(platform, CUSTOM, text())["errcode"] == 40003

    platform.heard(OPENID)
    platform.unfollowed(OPENID)

    assert post(platform, CUSTOM, text())["errcode"] == 43004
    assert post(platform, TEMPLATE, card())["errcode"] == 43004
    assert platform.delivered() == []


def test_a_long_text_is_refused_and_keeps_the_allowance(platform: Platform) -> None:
    platform.heard(OPENID, Trigger.FOLLOW)

    assert post(platform, CUSTOM, text("字" * 683))["errcode"] == 45002
    assert [post(platform, CUSTOM, text("字" * 682))["errcode"] for _ in range(3)] == [0, 0, 0]


# Template messages.


def test_a_template_message_needs_no_window_and_tells_later_what_became_of_it(platform: Platform) -> None:
    platform.heard(OPENID)
    forward(timedelta(days=30))

    answer = post(platform, TEMPLATE, card())

    assert answer["errcode"] == 0
    event = platform.events.get(timeout=1)
    assert (event.address, event.name) == (OPENID, "TEMPLATESENDJOBFINISH")
    assert event.fields == {"MsgID": str(answer["msgid"]), "Status": "success"}
    assert platform.delivered(OPENID)[0]["text"] == "周报提醒\n事项：本周小结\n时间：2026-11-22 19:00"


def test_the_same_client_msg_id_arrives_once_within_ten_minutes(platform: Platform) -> None:
    platform.heard(OPENID)

    first, again = (post(platform, TEMPLATE, card("row-7")) for _ in range(2))
    forward(timedelta(minutes=10))
    later = post(platform, TEMPLATE, card("row-7"))

    assert first == again
    assert later["errcode"] == 0
    assert later["msgid"] != first["msgid"]
    assert len(platform.delivered(OPENID)) == 2
    assert platform.events.qsize() == 2


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"thing1": "一二三四五六七八九十一二三四五六七八九十超"}, "thing1"),
        ({"thing1": ""}, "thing1"),
        ({"thing1": "两\n行"}, "thing1"),
        ({"time2": "明天下午"}, "time2"),
    ],
)
def test_a_value_that_breaks_its_rule_is_refused_by_name(
    platform: Platform, values: dict[str, str], field: str
) -> None:
    platform.heard(OPENID)

    answer = post(platform, TEMPLATE, card(**values))

    assert answer["errcode"] == 47003
    assert field in answer["errmsg"]


def test_every_keyword_and_a_known_template_are_needed(platform: Platform) -> None:
    platform.heard(OPENID)
    missing = card()
    del missing["data"]["time2"]

    assert post(platform, TEMPLATE, missing)["errcode"] == 47003
    assert post(platform, TEMPLATE, card() | {"template_id": "other"})["errcode"] == 40037


def test_a_blocked_account_gets_its_answer_by_event(platform: Platform) -> None:
    platform.heard(OPENID)
    platform.official.followers[OPENID].blocked = True

    assert post(platform, TEMPLATE, card())["errcode"] == 0
    assert platform.events.get(timeout=1).fields["Status"] == "failed:user block"
    assert platform.delivered() == []


# WeCom.


def test_an_identical_body_arrives_once_in_its_interval(platform: Platform) -> None:
    platform.joined("Wang")
    checked: dict[str, Any] = {"enable_duplicate_check": 1, "duplicate_check_interval": 3600}

    for _ in range(2):
        assert post(platform, WECOM, note(**checked))["errcode"] == 0
    assert post(platform, WECOM, note("别的", **checked))["errcode"] == 0
    assert [row["outcome"] for row in platform.log if row["recipient"]] == ["ok", "duplicate", "ok"]

    forward(timedelta(seconds=3600))
    post(platform, WECOM, note(**checked))
    assert len(platform.delivered("wang")) == 3


def test_without_the_check_nothing_is_swallowed(platform: Platform) -> None:
    platform.joined("wang")

    post(platform, WECOM, note())
    post(platform, WECOM, note())

    assert len(platform.delivered("wang")) == 2


def test_the_thirty_first_message_of_a_minute_vanishes_silently(platform: Platform) -> None:
    platform.joined("wang")

    codes = {post(platform, WECOM, note(f"第 {n} 条"))["errcode"] for n in range(31)}

    assert codes == {0}
    assert len(platform.delivered("wang")) == 30
    forward(timedelta(minutes=1))
    post(platform, WECOM, note("下一分钟"))
    assert len(platform.delivered("wang")) == 31


def test_unknown_members_are_named_and_all_unknown_is_refused(platform: Platform) -> None:
    platform.joined("wang")

    assert post(platform, WECOM, note(touser="Wang|Nobody"))["invaliduser"] == "nobody"
    assert post(platform, WECOM, note(touser="nobody"))["errcode"] == 81013
    assert post(platform, WECOM, note(touser=""))["errcode"] == 82001
    assert post(platform, WECOM, note() | {"agentid": 7})["errcode"] == 301002


def test_a_long_wecom_text_is_cut_at_a_character(platform: Platform) -> None:
    platform.joined("wang")

    assert post(platform, WECOM, note("字" * 1000))["errcode"] == 0
    assert platform.delivered("wang")[0]["text"] == "字" * 682


# Tokens.


def test_the_stable_token_stays_the_same_and_wecoms_too(platform: Platform) -> None:
    assert official_token(platform) == official_token(platform)
    assert wecom_token(platform) == wecom_token(platform)
    assert official_token(platform) != wecom_token(platform)


def test_a_stable_token_is_renewed_before_its_end_and_both_live_on_for_a_while() -> None:
    moment = clock.machine()
    tokens = Tokens(lambda: moment)
    old, seconds = tokens.stable()
    assert seconds == 7200

    moment += LIFE - OVERLAP
    new, _ = tokens.stable()
    assert new != old
    assert tokens.check(old) is tokens.check(new) is TokenState.GOOD

    moment += OVERLAP
    assert tokens.check(old) is TokenState.NOT_LATEST
    moment += LIFE
    assert tokens.check(new) is TokenState.EXPIRED
    assert tokens.check("never issued") is TokenState.UNKNOWN


def test_a_forced_refresh_kills_the_old_token_but_not_twice_in_a_row() -> None:
    moment = clock.machine()
    tokens = Tokens(lambda: moment)
    first, _ = tokens.stable()
    second, _ = tokens.stable(force=True)
    assert tokens.check(first) is TokenState.NOT_LATEST
    assert tokens.stable(force=True)[0] == second

    moment += FORCED_APART
    assert tokens.stable(force=True)[0] != second


@pytest.mark.parametrize(
    ("spoil", "errcode"),
    [(lambda _: "", 41001), (lambda token: token + "x", 40014)],
)
def test_a_bad_token_is_named(platform: Platform, spoil: Any, errcode: int) -> None:
    platform.heard(OPENID)
    platform.joined("wang")

    assert post(platform, CUSTOM, text(), spoil(official_token(platform)))["errcode"] == errcode
    assert post(platform, WECOM, note(), spoil(wecom_token(platform)))["errcode"] == errcode


def test_revoked_and_expired_tokens_say_so_and_a_new_one_works(platform: Platform) -> None:
    platform.heard(OPENID)
    token = official_token(platform)

    platform.official.stable_tokens.revoke()
    assert post(platform, CUSTOM, text(), token)["errcode"] == 40001
    platform.official.stable_tokens.expire()
    assert post(platform, CUSTOM, text(), token)["errcode"] == 42001
    assert post(platform, CUSTOM, text())["errcode"] == 0


def test_one_platforms_token_is_nothing_to_the_other(platform: Platform) -> None:
    platform.joined("wang")

    assert post(platform, WECOM, note(), official_token(platform))["errcode"] == 40014


@pytest.mark.parametrize(
    ("change", "errcode"),
    [
        ({"grant_type": "x"}, 40002),
        ({"appid": ""}, 41002),
        ({"secret": ""}, 41004),
        ({"appid": "x"}, 40013),
        ({"secret": "x"}, 40125),
    ],
)
def test_wrong_credentials_are_named(platform: Platform, change: dict[str, str], errcode: int) -> None:
    body = {"grant_type": "client_credential", "appid": ACCOUNT.app_id, "secret": ACCOUNT.secret} | change

    assert platform.handle("POST", "/cgi-bin/stable_token", {}, json.dumps(body).encode()).body["errcode"] == errcode


# Faults, odd input, the log.


def test_ordered_faults_strike_so_often_and_no_more(platform: Platform) -> None:
    platform.heard(OPENID)
    platform.faults.order("custom/send", FaultKind.ERRCODE, count=2, errcode=-1)

    assert [post(platform, CUSTOM, text())["errcode"] for _ in range(3)] == [-1, -1, 0]
    assert len(platform.delivered(OPENID)) == 1


def test_a_fault_can_last_a_while_and_mean_one_person(platform: Platform) -> None:
    platform.heard(OPENID)
    platform.faults.order("custom/send", FaultKind.ERRCODE, errcode=43101, lasts=timedelta(minutes=5))
    assert [post(platform, CUSTOM, text())["errcode"] for _ in range(3)] == [43101] * 3

    forward(timedelta(minutes=5))
    assert post(platform, CUSTOM, text())["errcode"] == 0

    platform.faults.order("", FaultKind.ERRCODE, errcode=48002, recipient="somebody else")
    assert post(platform, CUSTOM, text())["errcode"] == 0


def test_chance_strikes_its_share_and_the_same_again_for_the_same_seed(platform: Platform) -> None:
    platform.joined("wang")
    token = wecom_token(platform)

    def codes() -> list[int]:
        platform.faults.chaos(7, 0.3, [-1, 45009])
        return [int(post(platform, WECOM, note(f"第 {n} 条"), token)["errcode"]) for n in range(200)]

    first = codes()

    assert first == codes()
    assert set(first) == {0, -1, 45009}
    assert 30 < sum(code != 0 for code in first) < 90
    platform.faults.clear()
    assert post(platform, WECOM, note(), token)["errcode"] == 0


@pytest.mark.parametrize("kind", [FaultKind.RESET, FaultKind.SILENCE, FaultKind.HTML, FaultKind.HTTP_500])
def test_what_was_not_carried_out_has_no_effect(platform: Platform, kind: FaultKind) -> None:
    platform.heard(OPENID)
    token = official_token(platform)
    platform.faults.order(CUSTOM, kind)

    answer = platform.handle("POST", CUSTOM, {"access_token": token}, json.dumps(text()).encode())

    assert platform.delivered(OPENID) == []
    assert platform.log[-1]["outcome"] == kind
    assert (answer.reset, answer.lost, bool(answer.page), answer.status) == (
        kind is FaultKind.RESET,
        kind is FaultKind.SILENCE,
        kind is FaultKind.HTML,
        200 if kind is FaultKind.HTML else 500,
    )


@pytest.mark.parametrize(("kind", "errcode"), [(FaultKind.REVOKED, 40001), (FaultKind.EXPIRED, 42001)])
@pytest.mark.parametrize("path", [CUSTOM, WECOM])
def test_tokens_can_die_under_a_call(platform: Platform, path: str, kind: FaultKind, errcode: int) -> None:
    platform.heard(OPENID)
    platform.joined("wang")
    body = text() if path == CUSTOM else note()
    platform.faults.order(path, kind)

    assert post(platform, path, body)["errcode"] == errcode
    assert post(platform, path, body)["errcode"] == 0


def test_a_spent_quota_comes_back_at_midnight_in_beijing(platform: Platform) -> None:
    clock.move_to(datetime(2026, 11, 24, 23, 50, tzinfo=ZONE))
    platform.heard(OPENID)
    platform.limits.daily(TEMPLATE, 3)

    assert [post(platform, TEMPLATE, card())["errcode"] for _ in range(4)] == [0, 0, 0, 45009]
    assert post(platform, CUSTOM, text())["errcode"] == 0
    forward(timedelta(minutes=9))
    assert post(platform, TEMPLATE, card())["errcode"] == 45009
    forward(timedelta(minutes=1))
    assert post(platform, TEMPLATE, card())["errcode"] == 0


def test_too_many_calls_at_once_are_refused(platform: Platform) -> None:
    platform.joined("wang")
    token = wecom_token(platform)
    platform.limits.at_once(WECOM, 1)

    with platform.limits.under_way(WECOM):
        assert post(platform, WECOM, note("一"), token)["errcode"] == 0
        with platform.limits.under_way(WECOM):
            assert post(platform, WECOM, note("二"), token)["errcode"] == 45033
    assert post(platform, WECOM, note("三"), token)["errcode"] == 0


def test_the_other_ways_are_received_and_can_fail(platform: Platform) -> None:
    raw = json.dumps({"title": "心桥", "message": "有一条紧急消息", "type": "info"}).encode()
    platform.faults.order("/fallback/mail", FaultKind.HTTP_500)

    assert platform.handle("POST", "/fallback/mail", {}, raw).status == 500
    assert platform.handle("POST", "/fallback/mail", {}, raw).status == 200

    rows = [(row["channel"], row["api"], row["text"], row["outcome"]) for row in platform.log]
    assert rows == [
        (None, "/fallback/mail", "", "http_500"),
        (None, "/fallback/mail", "心桥\n有一条紧急消息", "ok"),
    ]
    assert len(platform.delivered("mail")) == 1


def test_a_message_that_the_platform_could_not_deliver_is_told_so(platform: Platform) -> None:
    platform.heard(OPENID)
    platform.official.know(OPENID).failing = True

    assert post(platform, TEMPLATE, card())["errcode"] == 0
    assert platform.events.get(timeout=1).fields["Status"] == "failed: system failed"
    assert platform.delivered() == []


def test_ten_thousand_messages_cost_no_more_each_than_a_thousand(platform: Platform) -> None:
    for number in range(100):
        platform.joined(f"m{number}")
    token = wecom_token(platform)

    def burst(name: str) -> float:
        began = time.perf_counter()
        for number in range(1000):
            post(platform, WECOM, note(f"{name} {number}", f"m{number % 100}", enable_duplicate_check=1), token)
        return time.perf_counter() - began

    first = burst("first")
    for number in range(8):
        burst(str(number))

    assert burst("last") < 5 * first + 0.2
    assert len(platform.log) > 10_000


def test_a_lost_answer_was_a_delivery(platform: Platform) -> None:
    platform.heard(OPENID)
    platform.faults.order(CUSTOM, FaultKind.LOST)

    answer = platform.handle("POST", CUSTOM, {"access_token": official_token(platform)}, json.dumps(text()).encode())

    assert answer.lost
    assert len(platform.delivered(OPENID)) == 1


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"{", b"\xff", b"null", b"[" * 100_000, b'{"touser": []}', b'{"touser": {"a": 1}}']
)
@pytest.mark.parametrize(
    "path", [CUSTOM, TEMPLATE, WECOM, "/cgi-bin/stable_token", "/cgi-bin/menu/create", "/cgi-bin/nothing"]
)
def test_odd_bodies_get_an_errcode(platform: Platform, path: str, raw: bytes) -> None:
    token = wecom_token(platform) if path == WECOM else official_token(platform)

    answer = platform.handle("POST", path, {"access_token": token}, raw)

    assert answer.status == 200
    assert answer.body.get("errcode", 0) != 0 or path == "/cgi-bin/menu/create"


def test_the_log_tells_what_became_of_each_call_and_holds_no_secret(platform: Platform) -> None:
    platform.heard(OPENID)
    post(platform, CUSTOM, text("一"))
    platform.unfollowed(OPENID)
    post(platform, CUSTOM, text("二"))

    rows = [row for row in platform.log if row["api"] == CUSTOM]
    assert [(row["recipient"], row["text"], row["outcome"], row["delivered"]) for row in rows] == [
        (OPENID, "一", "ok", True),
        (OPENID, "", "errcode 43004", False),
    ]
    assert ACCOUNT.secret not in str(platform.log)
