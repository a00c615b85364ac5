"""WeCom's side of the sandbox: members, application messages and their cards. Source: fact sheet 5 to 8 and 13."""

import hashlib
import json
import secrets
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.sandbox.cards import WITH_BUTTONS, Cards, Press, task_of
from bot.sandbox.ledger import ApiError, Body, CardChange, Result, Sent, dicts, text_of
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
CARDS_WITH_LINK = frozenset(["text_notice", "news_notice"])
NOT_IN_PLUGIN = frozenset(["template_card", "markdown"])
TASK_USED = 42014
"""What the platform answers to a task id that an earlier card had.

Not verified: the fact sheet says that reuse is refused and names no code, and one report from the field has errcode 0 and
nothing delivered. `WeCom.task_used` changes it; 0 is that silent way.
"""


@dataclass(frozen=True)
class Corp:
    """What the console of an enterprise knows about one self-built application."""

    corp_id: str
    secret: str
    agent_id: int = 1000002


class WeCom:
    """State and rules of one application in one enterprise; calls come in with their token checked.

    User ids are kept in lower case. `plugin_only` are members who read in WeChat, where cards are not shown.
    """

    def __init__(self, corp: Corp) -> None:
        self.corp = corp
        self.tokens = Tokens()
        self.members: set[str] = set()
        self.plugin_only: set[str] = set()
        self.task_used = TASK_USED
        self.menu: Body | None = None
        self._cards = Cards()
        self._bodies: dict[bytes, datetime] = {}
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
        hidden = "duplicate" if self._is_repeat(body, now=now) else self._task_fault(body)
        text = text_of(body, kind).encode()[:TEXT_BYTES].decode(errors="ignore")
        sent = [Sent(userid, kind, text, "invalid user", delivered=False) for userid in invalid]
        for userid in known:
            outcome = hidden or self._outcome(userid, kind, now=now)
            sent.append(Sent(userid, kind, text, outcome, outcome == "ok", msgid))
        answer: Body = {"invaliduser": "|".join(invalid), "msgid": str(msgid)}
        if kind == "template_card":
            card = body["template_card"]
            holders = [one.recipient for one in sent if one.delivered and one.recipient is not None]
            code = (
                self._cards.code_again(task_of(card), now=now)
                if hidden
                else self._cards.sent(card, holders, msgid, now=now)
            )
            if card["card_type"] in WITH_BUTTONS or card.get("action_menu"):
                answer["response_code"] = code
        return Result(answer, sent)

    def _outcome(self, userid: str, kind: str, *, now: datetime) -> str:
        if not self._has_room(userid, now=now):
            return "rate dropped"
        return "card not shown" if kind in NOT_IN_PLUGIN and userid in self.plugin_only else "ok"

    def update_card(self, body: Body, *, now: datetime) -> Result:
        """`message/update_template_card`: one change per response code, for those of its recipients who are named."""
        self._check_agent(body)
        holders = self._cards.of_code(body.get("response_code"), now=now)
        named, invalid = (list(holders), []) if body.get("atall") == 1 else self._named(body)
        caption, card = self._new_face(body)
        if caption and card is None and not self._cards.may_grey(str(body["response_code"])):
            raise ApiError(40058, "button of a card without buttons")
        changes = self._cards.change_by_code(str(body["response_code"]), named, caption=caption, card=card)
        changed = {change.recipient: change for change in changes}
        sent = [Sent(userid, "card_update", "", "invalid user", delivered=False) for userid in invalid]
        for userid in named:
            change = changed.get(userid)
            sent.append(_updated(change) if change else _left_out(userid))
        return Result({"invaliduser": invalid}, sent, changes=changes)

    def pressed(self, userid: str, task: str, *, now: datetime) -> Press:
        """A member pressed a button of a card."""
        return self._cards.pressed(userid.lower(), task, now=now)

    def answered(self, userid: str, task: str, *, caption: str, card: Body | None) -> Result:
        """The bot's direct answer to a press changes the card for whoever pressed."""
        if card is not None:
            self._check_card({"task_id": task} | card)
        change = self._cards.change_for(userid.lower(), task, caption=caption, card=card)
        if change is None:
            return Result(sent=[_left_out(userid.lower())])
        return Result(sent=[_updated(change)], changes=[change])

    def card_of(self, userid: str, task: str) -> Body | None:
        """A card as this member sees it now; None when it never came."""
        return self._cards.seen_by(userid.lower(), task)

    def _named(self, body: Body) -> tuple[list[str], list[str]]:
        """Members and unknown ids among `userids`, lower-case, each once."""
        given = body.get("userids")
        userids = list(dict.fromkeys(str(userid).lower() for userid in given)) if isinstance(given, list) else []
        if not userids:
            raise ApiError(82001, "All userids & partyids & tagids are empty")
        return self._known(userids, "user & party & tag all invalid")

    def _new_face(self, body: Body) -> tuple[str, Body | None]:
        """The grey buttons' caption, and the new card when it is a whole one."""
        button, card = body.get("button"), body.get("template_card")
        if isinstance(button, dict) == isinstance(card, dict):
            raise ApiError(40058, "either button or template_card")
        if isinstance(button, dict):
            if not (name := button.get("replace_name")):
                raise ApiError(40058, "missing button.replace_name")
            return str(name), None
        assert isinstance(card, dict)  # noqa: S101  # the one of the two that is left
        self._check_card({"task_id": "kept"} | card)
        return str(card.get("replace_text") or ""), card

    def _check_agent(self, body: Body) -> None:
        if "agentid" not in body:
            raise ApiError(41011, "missing agentid")
        if str(body["agentid"]) != str(self.corp.agent_id):
            raise ApiError(301002, "agentid not belong to this token")

    def _check(self, body: Body) -> str:
        self._check_agent(body)
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
        if form in WITH_BUTTONS and not card.get("task_id"):
            raise ApiError(40058, "missing task_id")

    def _recipients(self, body: Body) -> tuple[list[str], list[str]]:
        """Known members and unknown ids, lower-case, each once."""
        given = body.get("touser")
        if not isinstance(given, str) or not given:
            raise ApiError(82001, "All touser & toparty & totag are empty")
        if given == "@all":
            return sorted(self.members), []
        userids = list(dict.fromkeys(userid.strip().lower() for userid in given.split("|") if userid.strip()))
        return self._known(userids, "all touser & toparty & totag invalid")

    def _known(self, userids: list[str], nobody: str) -> tuple[list[str], list[str]]:
        """Members, and the others; `nobody` is what a list without a member is answered."""
        if len(userids) > RECIPIENTS:
            raise ApiError(40032, "invalid userid list length")
        known = [userid for userid in userids if userid in self.members]
        if not known:
            raise ApiError(81013, nobody)
        return known, [userid for userid in userids if userid not in self.members]

    def _is_repeat(self, body: Body, *, now: datetime) -> bool:
        """Whether the duplicate check swallows this body."""
        key = hashlib.blake2b(json.dumps(body, sort_keys=True).encode(), digest_size=16).digest()
        before, self._bodies[key] = self._bodies.get(key), now
        if before is None or str(body.get("enable_duplicate_check", 0)) != "1":
            return False
        interval = body.get("duplicate_check_interval", SAME_BODY_DEFAULT)
        seconds = min(interval, SAME_BODY_MAX) if isinstance(interval, int) and interval > 0 else SAME_BODY_DEFAULT
        if now - before >= timedelta(seconds=seconds):
            return False
        self._bodies[key] = before
        return True

    def _task_fault(self, body: Body) -> str:
        """Why a card is not shown though it was taken; "" when its task id is its own. Raises: ApiError."""
        task = task_of(body["template_card"]) if body["msgtype"] == "template_card" else ""
        if not task or not self._cards.knows(task):
            return ""
        if self.task_used:
            raise ApiError(self.task_used, "task_id repeated")
        return "task used"

    def _has_room(self, userid: str, *, now: datetime) -> bool:
        arrived = self._arrived[userid]
        while arrived and arrived[-1] > now:  # the clock was moved back
            arrived.pop()
        while arrived and now - arrived[0] >= HOUR:
            arrived.popleft()
        if len(arrived) >= PER_HOUR or (len(arrived) >= PER_MINUTE and now - arrived[-PER_MINUTE] < MINUTE):
            return False
        arrived.append(now)
        return True


def _updated(change: CardChange) -> Sent:
    text = text_of({"template_card": change.card}, "template_card")
    return Sent(change.recipient, "card_update", text, "updated", delivered=False, msgid=change.msgid)


def _left_out(userid: str) -> Sent:
    return Sent(userid, "card_update", "", "not a recipient", delivered=False)
