"""The two platforms in memory: one host that answers as both, keeps a log, and can be told to fail.

`handle` is the whole API; `bot.sandbox.api` only carries it over HTTP. What people do (follow, say, tap) is told
through `heard`, `unfollowed`, `joined`. Windows, allowances, duplicate checks and rates follow `clock.now()`, tokens
`clock.machine()`.
"""

import itertools
import json
import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bot.sandbox.faults import Fault, FaultKind, Faults
from bot.sandbox.ledger import ApiError, Body, LogRow, PlatformEvent, Result, Sent
from bot.sandbox.official_account import Account, OfficialAccount, Trigger
from bot.sandbox.tokens import TokenState
from bot.sandbox.wecom import Corp, WeCom
from models import clock
from models.channel import Channel

BODY_LIMIT = 1 << 20
OK: Body = {"errcode": 0, "errmsg": "ok"}
BARE_ANSWERS = frozenset(["/cgi-bin/token", "/cgi-bin/stable_token", "/cgi-bin/template/get_all_private_template"])
GET = "GET"
POST = "POST"


@dataclass(frozen=True)
class Answer:
    """What goes back over the wire; `lost` means that the connection ends instead.

    Units: `wait` in seconds, before the answer.
    """

    status: int
    body: Body
    lost: bool = False
    wait: float = 0.0


@dataclass
class _Asked:
    path: str
    channel: Channel | None
    query: Mapping[str, str]
    body: Body


_Verb = Callable[[_Asked], Result]


class Platform:
    """Both platforms' state behind one lock."""

    def __init__(self, account: Account | None = None, corp: Corp | None = None) -> None:
        self.official = OfficialAccount(account or Account("wx0123456789abcdef", "official-account-secret"))
        self.wecom = WeCom(corp or Corp("ww0123456789abcdef", "wecom-secret"))
        self.faults = Faults()
        self.log: list[LogRow] = []
        self.events: queue.SimpleQueue[PlatformEvent] = queue.SimpleQueue()
        self.listeners: list[Callable[[LogRow], None]] = []
        self._lock = threading.RLock()
        self._msgids = itertools.count(time.time_ns() // 1_000)
        self._public: dict[str, tuple[str, _Verb, Channel]] = {
            "/cgi-bin/token": (GET, lambda asked: Result(self.official.token(asked.query)), Channel.OFFICIAL_ACCOUNT),
            "/cgi-bin/stable_token": (
                POST,
                lambda asked: Result(self.official.stable_token(asked.body)),
                Channel.OFFICIAL_ACCOUNT,
            ),
            "/cgi-bin/gettoken": (GET, lambda asked: Result(self.wecom.gettoken(asked.query)), Channel.WECOM),
        }
        self._verbs: dict[tuple[Channel, str], tuple[str, _Verb]] = {
            (Channel.OFFICIAL_ACCOUNT, "/cgi-bin/message/custom/send"): (POST, self._custom_send),
            (Channel.OFFICIAL_ACCOUNT, "/cgi-bin/message/template/send"): (POST, self._template_send),
            (Channel.OFFICIAL_ACCOUNT, "/cgi-bin/template/get_all_private_template"): (GET, self._templates),
            (Channel.WECOM, "/cgi-bin/message/send"): (POST, self._message_send),
        }
        for channel in Channel:
            self._verbs[channel, "/cgi-bin/menu/create"] = (POST, self._menu_setter(channel))
            self._verbs[channel, "/cgi-bin/menu/get"] = (GET, self._menu_getter(channel))
            self._verbs[channel, "/cgi-bin/menu/delete"] = (GET, self._menu_setter(channel))

    # What people do.

    def heard(self, openid: str, trigger: Trigger = Trigger.MESSAGE) -> None:
        """A follower said, tapped or followed: opens the window that goes with it."""
        with self._lock:
            self.official.hear(openid, trigger, now=clock.now())

    def unfollowed(self, openid: str) -> None:
        """A follower left."""
        with self._lock:
            self.official.unfollow(openid)

    def joined(self, userid: str) -> None:
        """A member can be reached through the application."""
        with self._lock:
            self.wecom.join(userid)

    def next_msgid(self) -> int:
        """A 64-bit id that no earlier run has used."""
        return next(self._msgids)

    def delivered(self, recipient: str | None = None) -> list[LogRow]:
        """The log's rows that reached a phone; of one person, when named."""
        with self._lock:
            return [row for row in self.log if row["delivered"] and recipient in {None, row["recipient"]}]

    # What the bot asks for.

    def handle(self, method: str, path: str, query: Mapping[str, str], raw: bytes) -> Answer:
        """One API call, whole. Never raises, whatever is sent."""
        fault = self.faults.take(path)
        events: list[PlatformEvent] = []
        with self._lock:
            asked = _Asked(path, self._channel(path, query), query, {})
            if fault is not None and fault.kind in {FaultKind.ERRCODE, FaultKind.HTTP_500, FaultKind.SILENCE}:
                answer = self._struck(fault)
                rows = self._rows(asked, Result(), outcome=fault.kind, errcode=answer.body.get("errcode", 0))
            else:
                try:
                    asked.body = _read(raw) if method == POST else {}
                    result = self._run(method, asked)
                except ApiError as error:
                    rid = f"{error.errmsg} rid: {self.next_msgid():x}"
                    answer = Answer(200, {"errcode": error.errcode, "errmsg": rid})
                    rows = self._rows(asked, Result(), outcome=f"errcode {error.errcode}", errcode=error.errcode)
                else:
                    answer = Answer(200, result.answer if path in BARE_ANSWERS else OK | result.answer)
                    rows = self._rows(asked, result)
                    events = result.events
            self.log.extend(rows)
        for row in rows:
            for listener in self.listeners if row["delivered"] else []:
                listener(row)
        for event in events:
            self.events.put(event)
        if fault is None:
            return answer
        lost = fault.kind in {FaultKind.LOST, FaultKind.SILENCE}
        return Answer(answer.status, answer.body, lost=lost, wait=fault.seconds)

    def _run(self, method: str, asked: _Asked) -> Result:
        if asked.path in self._public:
            wanted, verb, _ = self._public[asked.path]
        else:
            wanted, verb = self._guarded(asked)
        if method != wanted:
            raise ApiError(43001 if wanted == GET else 43002, f"require {wanted} method")
        return verb(asked)

    def _guarded(self, asked: _Asked) -> tuple[str, _Verb]:
        """The verb behind this path, for whoever shows a good token."""
        if not any(path == asked.path for _, path in self._verbs):
            raise ApiError(40066, "invalid url")
        text = asked.query.get("access_token", "")
        if not text:
            raise ApiError(41001, "access_token missing")
        state = TokenState.UNKNOWN if asked.channel is None else self._token_state(text, asked.channel)
        if asked.channel is None or state is not TokenState.GOOD:
            raise ApiError(state.value, f"access_token {state.name.lower()}")
        return self._verbs[asked.channel, asked.path]

    def _channel(self, path: str, query: Mapping[str, str]) -> Channel | None:
        """Which platform is asked: by the path, else by the kind of the token."""
        if path in self._public:
            return self._public[path][2]
        owners = [channel for channel, known in self._verbs if known == path]
        if len(owners) == 1:
            return owners[0]
        token = query.get("access_token", "")
        return next(
            (channel for channel in owners if self._token_state(token, channel) is not TokenState.UNKNOWN), None
        )

    def _token_state(self, text: str, channel: Channel) -> TokenState:
        if channel is Channel.WECOM:
            return self.wecom.tokens.check(text)
        stable = self.official.stable_tokens.check(text)
        return stable if stable is not TokenState.UNKNOWN else self.official.classic_tokens.check(text)

    def _custom_send(self, asked: _Asked) -> Result:
        return self.official.custom_send(asked.body, now=clock.now())

    def _template_send(self, asked: _Asked) -> Result:
        return self.official.template_send(asked.body, now=clock.now(), msgid=self.next_msgid())

    def _templates(self, _: _Asked) -> Result:
        return Result(self.official.private_templates())

    def _message_send(self, asked: _Asked) -> Result:
        return self.wecom.message_send(asked.body, now=clock.now(), msgid=self.next_msgid())

    def _menu_setter(self, channel: Channel) -> _Verb:
        def put(asked: _Asked) -> Result:
            if asked.body and not isinstance(asked.body.get("button"), list):
                raise ApiError(40016, "invalid button size")
            self._of(channel).menu = asked.body or None
            return Result()

        return put

    def _menu_getter(self, channel: Channel) -> _Verb:
        def get(_: _Asked) -> Result:
            if (menu := self._of(channel).menu) is None:
                raise ApiError(46003, "menu no exist")
            return Result(menu if channel is Channel.WECOM else {"menu": menu})

        return get

    def _of(self, channel: Channel) -> OfficialAccount | WeCom:
        return self.wecom if channel is Channel.WECOM else self.official

    def _struck(self, fault: Fault) -> Answer:
        if fault.kind is FaultKind.ERRCODE:
            return Answer(200, {"errcode": fault.errcode, "errmsg": "ordered fault"})
        return Answer(500, {})

    def _rows(self, asked: _Asked, result: Result, *, outcome: str = "ok", errcode: int = 0) -> list[LogRow]:
        recipient = asked.body.get("touser")
        nobody = Sent(recipient if isinstance(recipient, str) else None, "", "", outcome, delivered=False)
        return [
            LogRow(
                time=clock.now(),
                machine=clock.machine(),
                channel=asked.channel,
                api=asked.path,
                recipient=sent.recipient,
                kind=sent.kind,
                text=sent.text,
                body={key: value for key, value in asked.body.items() if key != "secret"},
                outcome=sent.outcome,
                errcode=errcode,
                delivered=sent.delivered,
                msgid=sent.msgid,
            )
            for sent in result.sent or [nobody]
        ]


def _read(raw: bytes) -> Body:
    try:
        body = json.loads(raw.decode())
    except (ValueError, RecursionError) as error:
        raise ApiError(47001, "data format error") from error
    if not isinstance(body, dict):
        raise ApiError(47001, "data format error")
    return body
