"""The official account's side of the sandbox: followers, windows, customer-service and template messages.

Source: official account fact sheet 5 to 7 and 13.
"""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from bot.sandbox.ledger import ApiError, Body, PlatformEvent, Result, Sent, dicts, text_of
from bot.sandbox.template_rules import fault_in
from bot.sandbox.tokens import Tokens
from models.channel import Channel

TEXT_BYTES = 2048
SAME_MESSAGE = timedelta(minutes=10)
SERVICE_KINDS = frozenset(
    [
        "text",
        "image",
        "voice",
        "video",
        "music",
        "news",
        "mpnews",
        "mpnewsarticle",
        "msgmenu",
        "wxcard",
        "miniprogrampage",
    ]
)


class Trigger(StrEnum):
    """What a person does that opens a window."""

    MESSAGE = "message"
    MENU_TAP = "menu_tap"
    MESSAGE_MENU_TAP = "message_menu_tap"
    FOLLOW = "follow"
    SCAN = "scan"


WINDOWS = {
    Trigger.MESSAGE: (5, timedelta(hours=48)),
    Trigger.MENU_TAP: (3, timedelta(minutes=1)),
    Trigger.MESSAGE_MENU_TAP: (3, timedelta(minutes=1)),
    Trigger.FOLLOW: (3, timedelta(minutes=1)),
    Trigger.SCAN: (3, timedelta(minutes=1)),
}
"""How many customer-service messages each trigger allows, and for how long."""


@dataclass
class Allowance:
    """The window that the last trigger opened."""

    left: int
    until: datetime


@dataclass
class Follower:
    """One person's tie to the account; of template messages to somebody `failing` the platform says that it failed."""

    following: bool = True
    blocked: bool = False
    failing: bool = False
    allowance: Allowance | None = None


@dataclass(frozen=True)
class Template:
    """A template as the account's console shows it: keywords with the label of each."""

    title: str
    keywords: Mapping[str, str]

    def content(self) -> str:
        """As `get_all_private_template` tells it."""
        return "\n".join(f"{label}：{{{{{key}.DATA}}}}" for key, label in self.keywords.items())


@dataclass(frozen=True)
class Account:
    """What the console of an official account knows."""

    app_id: str
    secret: str
    original_id: str = "gh_sandbox000001"
    templates: Mapping[str, Template] = field(default_factory=dict)


class OfficialAccount:
    """State and rules of one certified service account; calls come in with their token checked."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.stable_tokens = Tokens()
        self.classic_tokens = Tokens()
        self.followers: dict[str, Follower] = {}
        self.menu: Body | None = None
        self._seen: dict[tuple[str, str], tuple[datetime, int]] = {}

    # What people do.

    def hear(self, openid: str, trigger: Trigger, *, now: datetime) -> None:
        """A follower did something: the last trigger's window replaces the one before."""
        follower = self.followers.setdefault(openid, Follower())
        follower.following = True
        count, span = WINDOWS[trigger]
        follower.allowance = Allowance(count, now + span)

    def know(self, openid: str) -> Follower:
        """A follower, whose window stays as it is."""
        return self.followers.setdefault(openid, Follower())

    def unfollow(self, openid: str) -> None:
        """The person leaves: no window, nothing arrives any more."""
        self.followers[openid] = Follower(following=False)

    # What the bot asks for.

    def token(self, query: Mapping[str, str]) -> Body:
        """`token`: a new one at each call."""
        self._check_credentials(query)
        text, seconds = self.classic_tokens.renewing()
        return {"access_token": text, "expires_in": seconds}

    def stable_token(self, body: Body) -> Body:
        """`stable_token`: the same one while it lives."""
        self._check_credentials(body)
        text, seconds = self.stable_tokens.stable(force=body.get("force_refresh") is True)
        return {"access_token": text, "expires_in": seconds}

    def _check_credentials(self, given: Mapping[str, object]) -> None:
        if given.get("grant_type") != "client_credential":
            raise ApiError(40002, "invalid grant_type")
        if not given.get("appid"):
            raise ApiError(41002, "appid missing")
        if not given.get("secret"):
            raise ApiError(41004, "appsecret missing")
        if given["appid"] != self.account.app_id:
            raise ApiError(40013, "invalid appid")
        if not secrets.compare_digest(str(given["secret"]).encode(), self.account.secret.encode()):
            raise ApiError(40125, "invalid appsecret")

    def custom_send(self, body: Body, *, now: datetime) -> Result:
        """`message/custom/send`: inside a window and its allowance only."""
        openid, follower = self._recipient(body)
        kind = body.get("msgtype")
        if kind not in SERVICE_KINDS:
            raise ApiError(40008, "invalid message type")
        if not isinstance(body.get(kind), dict):
            raise ApiError(44002 if kind != "text" else 44004, f"empty {kind}")
        text = text_of(body, kind)
        if kind == "text" and not text:
            raise ApiError(44004, "empty content")
        if len(text.encode()) > TEXT_BYTES:
            raise ApiError(45002, "content size out of limit")
        if kind == "news" and len(dicts(body["news"].get("articles"))) != 1:
            raise ApiError(45008, "article size out of limit")
        if kind == "msgmenu" and not all(
            item.get("id") and item.get("content") for item in dicts(body["msgmenu"].get("list"))
        ):
            raise ApiError(40035, "invalid parameter")
        if follower.allowance is None or follower.allowance.until <= now:
            raise ApiError(45015, "response out of time limit or subscription is canceled")
        if follower.allowance.left <= 0:
            raise ApiError(45047, "out of response count limit")
        follower.allowance.left -= 1
        delivered = not follower.blocked
        return Result(sent=[Sent(openid, kind, text, "ok" if delivered else "blocked", delivered)])

    def template_send(self, body: Body, *, now: datetime, msgid: int) -> Result:
        """`message/template/send`: needs no window; the job event says later what became of it."""
        openid, follower = self._recipient(body)
        template = self.account.templates.get(str(body.get("template_id", "")))
        if template is None:
            raise ApiError(40037, "invalid template_id")
        data = body.get("data")
        data = data if isinstance(data, dict) else {}
        for keyword in template.keywords:
            value = data.get(keyword)
            if fault := fault_in(keyword, value.get("value") if isinstance(value, dict) else None):
                raise ApiError(47003, f"argument invalid! {fault}")
        if (url := body.get("url")) and not re.match(r"https?://", str(url)):
            raise ApiError(40039, "invalid url size")
        text = "\n".join(
            [template.title, *(f"{label}：{data[key]['value']}" for key, label in template.keywords.items())]
        )
        if client_msg_id := body.get("client_msg_id"):
            key = (openid, str(client_msg_id))
            if (seen := self._seen.get(key)) and now - seen[0] < SAME_MESSAGE:
                return Result(
                    {"msgid": seen[1]}, [Sent(openid, "template", text, "duplicate", delivered=False, msgid=seen[1])]
                )
            self._seen[key] = (now, msgid)
        delivered = not (follower.blocked or follower.failing)
        outcome = "ok" if delivered else "blocked" if follower.blocked else "system failed"
        status = {"ok": "success", "blocked": "failed:user block"}.get(outcome, "failed: system failed")
        event = PlatformEvent(
            Channel.OFFICIAL_ACCOUNT, openid, "TEMPLATESENDJOBFINISH", {"MsgID": str(msgid), "Status": status}
        )
        sent = Sent(openid, "template", text, outcome, delivered, msgid)
        return Result({"msgid": msgid}, [sent], [event])

    def _recipient(self, body: Body) -> tuple[str, Follower]:
        openid = body.get("touser")
        follower = self.followers.get(openid) if isinstance(openid, str) else None
        if follower is None or not isinstance(openid, str):
            raise ApiError(40003, "invalid openid")
        if not follower.following:
            raise ApiError(43004, "require subscribe")
        return openid, follower

    def private_templates(self) -> Body:
        """`template/get_all_private_template`."""
        return {
            "template_list": [
                {"template_id": key, "title": template.title, "content": template.content(), "example": ""}
                for key, template in self.account.templates.items()
            ]
        }
