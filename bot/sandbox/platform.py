"""The two platforms in memory: one host that answers as both, keeps a log, and can be told to fail.

`handle` is the whole API; `bot.sandbox.api` and `bot.sandbox.swift` only carry it over HTTP. What people do (follow, say,
tap, press) is told through `heard`, `unfollowed`, `joined`, `left`, `pressed`. Windows, allowances, quotas, duplicate checks
and rates follow `clock.now()`, tokens `clock.machine()`.
"""

import contextlib
import itertools
import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from bot.sandbox.call import FALLBACK, Answer, Asked, read, received, recipient_of, struck
from bot.sandbox.cards import Press
from bot.sandbox.faults import UNDONE, FaultKind, Faults
from bot.sandbox.ledger import ApiError, Body, CardChange, LogRow, PlatformEvent, Result, Sent
from bot.sandbox.limits import Limits
from bot.sandbox.official_account import Account, OfficialAccount, Trigger
from bot.sandbox.tokens import Tokens, TokenState
from bot.sandbox.wecom import Corp, WeCom
from models import clock
from models.channel import Channel

BODY_LIMIT = 1 << 20
OK: Body = {"errcode": 0, "errmsg": "ok"}
BARE_ANSWERS = frozenset(["/cgi-bin/token", "/cgi-bin/stable_token", "/cgi-bin/template/get_all_private_template"])
GET = "GET"
POST = "POST"


_Verb = Callable[[Asked], Result]


class Platform:
    """Both platforms' state behind one lock."""

    def __init__(self, account: Account | None = None, corp: Corp | None = None) -> None:
        self.official = OfficialAccount(account or Account("wx0123456789abcdef", "official-account-secret"))
        self.wecom = WeCom(corp or Corp("ww0123456789abcdef", "wecom-secret"))
        self.faults = Faults()
        self.limits = Limits()
        self.log: list[LogRow] = []
        self.events: queue.SimpleQueue[PlatformEvent] = queue.SimpleQueue()
        self.listeners: list[Callable[[LogRow], None]] = []
        self.card_listeners: list[Callable[[CardChange], None]] = []
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
            (Channel.WECOM, "/cgi-bin/message/update_template_card"): (POST, self._update_card),
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

    def left(self, userid: str) -> None:
        """A member cannot be reached through the application any more."""
        with self._lock:
            self.wecom.leave(userid)

    def pressed(self, userid: str, task: str) -> Press:
        """A member pressed a button of a card; what the platform says of it."""
        with self._lock:
            return self.wecom.pressed(userid, task, now=clock.now())

    def card_answered(self, userid: str, task: str, *, caption: str, card: Body | None = None) -> None:
        """The bot's direct answer to a press: the buttons turn grey under a caption, or the card is another."""
        with self._lock, contextlib.suppress(ApiError):  # the platform leaves a card alone when the new one is none
            result = self.wecom.answered(userid, task, caption=caption, card=card)
            asked = Asked("passive_reply", Channel.WECOM, {}, {"touser": userid, "caption": caption, "card": card})
            self.log.extend(self._rows(asked, result))
            for change in result.changes:
                self._tell_change(change)

    def tell_tokens(self, channel: Channel, fate: FaultKind) -> None:
        """All tokens of a platform die at once, by `REVOKED` or `EXPIRED`."""
        with self._lock:
            for tokens in self._tokens_of(channel):
                (tokens.revoke if fate is FaultKind.REVOKED else tokens.expire)()

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
        body = read(raw) if method == POST else {}
        recipient = recipient_of(path, body)
        fault = self.faults.take(path, recipient)
        kind = fault.kind if fault is not None else None
        result = Result()
        with self._lock:
            asked = Asked(path, self._channel(path, query), query, body or {}, body is not None)
            if fault is not None and kind in UNDONE:
                answer = struck(fault)
                rows = self._rows(asked, result, outcome=fault.kind, errcode=answer.body.get("errcode", 0))
            else:
                if kind in {FaultKind.REVOKED, FaultKind.EXPIRED} and asked.channel is not None:
                    self.tell_tokens(asked.channel, FaultKind(kind))
                try:
                    result = self._run(method, asked)
                except ApiError as error:
                    rid = f"{error.errmsg} rid: {self.next_msgid():x}"
                    answer = Answer(200, {"errcode": error.errcode, "errmsg": rid})
                    rows = self._rows(asked, result, outcome=f"errcode {error.errcode}", errcode=error.errcode)
                else:
                    bare = path in BARE_ANSWERS or path.startswith(FALLBACK)
                    answer = Answer(200, result.answer if bare else OK | result.answer)
                    rows = self._rows(asked, result)
            self.log.extend(rows)
        self._tell(rows, result)
        wait = self.faults.latency + (fault.seconds if fault is not None else 0.0)
        lost = kind in {FaultKind.LOST, FaultKind.SILENCE}
        return replace(answer, lost=lost, wait=wait, reset=kind is FaultKind.RESET)

    def _tell(self, rows: list[LogRow], result: Result) -> None:
        for row in rows:
            for listener in self.listeners if row["delivered"] else []:
                listener(row)
        for change in result.changes:
            self._tell_change(change)
        for event in result.events:
            self.events.put(event)

    def _tell_change(self, change: CardChange) -> None:
        for listener in self.card_listeners:
            listener(change)

    def _run(self, method: str, asked: Asked) -> Result:
        if not asked.readable:
            raise ApiError(47001, "data format error")
        if asked.path.startswith(FALLBACK):
            return received(asked)
        if asked.path in self._public:
            wanted, verb, _ = self._public[asked.path]
        else:
            wanted, verb = self._guarded(asked)
        if method != wanted:
            raise ApiError(43001 if wanted == GET else 43002, f"require {wanted} method")
        self.limits.spend(asked.path, clock.now())
        return verb(asked)

    def _guarded(self, asked: Asked) -> tuple[str, _Verb]:
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

    def _tokens_of(self, channel: Channel) -> tuple[Tokens, ...]:
        if channel is Channel.WECOM:
            return (self.wecom.tokens,)
        return self.official.stable_tokens, self.official.classic_tokens

    def _custom_send(self, asked: Asked) -> Result:
        return self.official.custom_send(asked.body, now=clock.now())

    def _template_send(self, asked: Asked) -> Result:
        return self.official.template_send(asked.body, now=clock.now(), msgid=self.next_msgid())

    def _templates(self, _: Asked) -> Result:
        return Result(self.official.private_templates())

    def _message_send(self, asked: Asked) -> Result:
        return self.wecom.message_send(asked.body, now=clock.now(), msgid=self.next_msgid())

    def _update_card(self, asked: Asked) -> Result:
        return self.wecom.update_card(asked.body, now=clock.now())

    def _menu_setter(self, channel: Channel) -> _Verb:
        def put(asked: Asked) -> Result:
            if asked.body and not isinstance(asked.body.get("button"), list):
                raise ApiError(40016, "invalid button size")
            self._of(channel).menu = asked.body or None
            return Result()

        return put

    def _menu_getter(self, channel: Channel) -> _Verb:
        def get(_: Asked) -> Result:
            if (menu := self._of(channel).menu) is None:
                raise ApiError(46003, "menu no exist")
            return Result(menu if channel is Channel.WECOM else {"menu": menu})

        return get

    def _of(self, channel: Channel) -> OfficialAccount | WeCom:
        return self.wecom if channel is Channel.WECOM else self.official

    def _rows(self, asked: Asked, result: Result, *, outcome: str = "ok", errcode: int = 0) -> list[LogRow]:
        nobody = Sent(recipient_of(asked.path, asked.body), "", "", outcome, delivered=False)
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
