"""WeCom's side of the sandbox: members and application messages. Source: fact sheet 5 to 7 and 13."""

import json
import secrets
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.sandbox.ledger import ApiError, Body, Result, Sent, dicts, text_of
from bot.sandbox.tokens import Tokens

TEXT_BYTES = 2048
RECIPIENTS = 1000
PER_MINUTE = 30
PER_HOUR = 1000
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
SAME_BODY_DEFAULT = 1800
SAME_BODY_MAX = 14_400
KINDS = frozenset(
    [
        "text",
        "image",
        "voice",
        "video",
        "file",
        "textcard",
        "news",
        "mpnews",
        "markdown",
        "miniprogram_notice",
        "template_card",
    ]
)
CARDS = frozenset(["text_notice", "news_notice", "button_interaction", "vote_interaction", "multiple_interaction"])
CARDS_WITH_TASK = frozenset(["button_interaction", "vote_interaction", "multiple_interaction"])
CARDS_WITH_LINK = frozenset(["text_notice", "news_notice"])


@dataclass(frozen=True)
class Corp:
    """What the console of an enterprise knows about one self-built application."""

    corp_id: str
    secret: str
    agent_id: int = 1000002


class WeCom:
    """State and rules of one application in one enterprise; calls come in with their token checked.

    User ids are kept in lower case.
    """

    def __init__(self, corp: Corp) -> None:
        self.corp = corp
        self.tokens = Tokens()
        self.members: set[str] = set()
        self.menu: Body | None = None
        self._bodies: dict[str, datetime] = {}
        self._tasks: set[str] = set()
        self._arrived: defaultdict[str, deque[datetime]] = defaultdict(deque)

    def join(self, userid: str) -> None:
        """A member enters the application's visible range."""
        self.members.add(userid.lower())

    def leave(self, userid: str) -> None:
        """A member leaves it."""
        self.members.discard(userid.lower())

    def gettoken(self, query: Mapping[str, str]) -> Body:
        """`gettoken`: the same one while it lives."""
        if not query.get("corpid"):
            raise ApiError(41002, "corpid missing")
        if not query.get("corpsecret"):
            raise ApiError(41004, "corpsecret missing")
        if query["corpid"] != self.corp.corp_id:
            raise ApiError(40013, "invalid corpid")
        if not secrets.compare_digest(query["corpsecret"].encode(), self.corp.secret.encode()):
            raise ApiError(40001, "invalid credential")
        text, seconds = self.tokens.kept()
        return {"access_token": text, "expires_in": seconds}

    def message_send(self, body: Body, *, now: datetime, msgid: int) -> Result:
        """`message/send`: no window; identical bodies and too many messages vanish with errcode 0."""
        kind = self._check(body)
        known, invalid = self._recipients(body)
        same = self._is_repeat(body, now=now)
        text = text_of(body, kind).encode()[:TEXT_BYTES].decode(errors="ignore")
        sent = [Sent(userid, kind, text, "invalid user", delivered=False) for userid in invalid]
        for userid in known:
            outcome = "duplicate" if same else "ok" if self._has_room(userid, now=now) else "rate dropped"
            sent.append(Sent(userid, kind, text, outcome, outcome == "ok", msgid))
        answer: Body = {"invaliduser": "|".join(invalid), "msgid": str(msgid)}
        if kind == "template_card":
            answer["response_code"] = secrets.token_urlsafe(24)
        return Result(answer, sent)

    def _check(self, body: Body) -> str:
        if "agentid" not in body:
            raise ApiError(41011, "missing agentid")
        if str(body["agentid"]) != str(self.corp.agent_id):
            raise ApiError(301002, "agentid not belong to this token")
        kind = body.get("msgtype")
        if kind not in KINDS:
            raise ApiError(40008, "invalid message type")
        part = body.get(kind)
        if not isinstance(part, dict):
            raise ApiError(40063, f"some parameters are empty: {kind}")
        if kind in {"text", "markdown"} and not part.get("content"):
            raise ApiError(44004, "empty content")
        if kind == "textcard" and not all(part.get(name) for name in ("title", "description", "url")):
            raise ApiError(40063, "some parameters are empty: textcard")
        if kind == "template_card":
            self._check_card(part)
        return str(kind)

    def _check_card(self, card: Body) -> None:
        form = card.get("card_type")
        if form not in CARDS:
            raise ApiError(40058, "invalid card_type")
        title = card.get("main_title")
        if not (isinstance(title, dict) and title.get("title")) and not (
            form == "text_notice" and card.get("sub_title_text")
        ):
            raise ApiError(40058, "missing main_title.title")
        if form in CARDS_WITH_LINK and not isinstance(card.get("card_action"), dict):
            raise ApiError(40058, "missing card_action")
        if form == "button_interaction" and not dicts(card.get("button_list")):
            raise ApiError(40058, "missing button_list")
        if form in CARDS_WITH_TASK and not card.get("task_id"):
            raise ApiError(40058, "missing task_id")

    def _recipients(self, body: Body) -> tuple[list[str], list[str]]:
        """Known members and unknown ids, lower-case, each once."""
        given = body.get("touser")
        if not isinstance(given, str) or not given:
            raise ApiError(82001, "All touser & toparty & totag are empty")
        if given == "@all":
            return sorted(self.members), []
        userids = list(dict.fromkeys(userid.strip().lower() for userid in given.split("|") if userid.strip()))
        if len(userids) > RECIPIENTS:
            raise ApiError(40032, "invalid userid list length")
        known = [userid for userid in userids if userid in self.members]
        if not known:
            raise ApiError(81013, "all touser & toparty & totag invalid")
        return known, [userid for userid in userids if userid not in self.members]

    def _is_repeat(self, body: Body, *, now: datetime) -> bool:
        """Whether the duplicate check swallows this body; a card's task id may stand for one body only."""
        key = json.dumps(body, sort_keys=True, ensure_ascii=False)
        if str(body.get("enable_duplicate_check", 0)) == "1":
            interval = body.get("duplicate_check_interval", SAME_BODY_DEFAULT)
            seconds = min(interval, SAME_BODY_MAX) if isinstance(interval, int) and interval > 0 else SAME_BODY_DEFAULT
            if (before := self._bodies.get(key)) and now - before < timedelta(seconds=seconds):
                return True
        if body["msgtype"] == "template_card" and (task := str(body["template_card"].get("task_id") or "")):
            if task in self._tasks:
                raise ApiError(40058, "task_id repeated")
            self._tasks.add(task)
        self._bodies[key] = now
        return False

    def _has_room(self, userid: str, *, now: datetime) -> bool:
        arrived = self._arrived[userid]
        while arrived and now - arrived[0] >= HOUR:
            arrived.popleft()
        if len(arrived) >= PER_HOUR or sum(now - moment < MINUTE for moment in arrived) >= PER_MINUTE:
            return False
        arrived.append(now)
        return True
