"""The hands that hold the phones: what a person does becomes a callback, and the bot's answer a bubble.

Each message goes out in a thread of its own, as the platform does it: five seconds, three attempts, the same MsgId.
"""

import logging
import re
import threading
from collections.abc import Mapping, Sequence

from bot.sandbox.callbacks import (
    PATIENCE,
    CallbackDoor,
    deliver,
    event,
    read_answer,
    sign,
    text_message,
)
from bot.sandbox.card_update import BadReplyError, CardUpdate
from bot.sandbox.ledger import CardChange, LogRow, PlatformEvent
from bot.sandbox.official_account import Trigger
from bot.sandbox.phones import Bubble, Phones, Side, State
from bot.sandbox.platform import Platform
from bot.sandbox.school import Owner
from models.channel import Channel

log = logging.getLogger(__name__)

OUT_OF_ORDER = "该公众号提供的服务出现故障，请稍后再试"
NOT_DELIVERED = "消息没有送到应用，请稍后再试"
AT_ONCE = 24
LONGEST = 12_000
_UNSENDABLE = re.compile(r"[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Hands:
    """Acts for every phone and shows what comes back."""

    def __init__(  # the hands join all parts
        self,
        platform: Platform,
        phones: Phones,
        owners: Sequence[Owner],
        doors: Mapping[Channel, CallbackDoor],
        address: str,
        *,
        patience: float = PATIENCE,
    ) -> None:
        self.owners = {owner.key: owner for owner in owners}
        self._platform = platform
        self._phones = phones
        self._doors = doors
        self._address = address
        self._patience = patience
        self._by_address = {(owner.channel, owner.address): owner.key for owner in owners}
        self._room = threading.BoundedSemaphore(AT_ONCE)
        self._counting = threading.Lock()
        self._under_way = 0
        platform.listeners.append(self._arrived)
        platform.card_listeners.append(self._changed)
        threading.Thread(target=self._tell_events, name="platform events", daemon=True).start()

    def say(self, key: str, text: str, *, menu_id: str | None = None) -> bool:
        """Type a text, or tap an item of a message menu; False when there is nothing that could be sent."""
        owner = self.owners[key]
        text = _UNSENDABLE.sub("", text)[:LONGEST]
        if not text.strip():
            return False
        self._open_window(owner, Trigger.MESSAGE if menu_id is None else Trigger.MESSAGE_MENU_TAP)
        bubble = self._phones.add(key, Side.ME, text, state=State.SENDING)
        xml = text_message(
            self._doors[owner.channel],
            owner.address,
            text,
            msg_id=self._platform.next_msgid(),
            menu_id=menu_id if owner.channel is Channel.OFFICIAL_ACCOUNT else None,
        )
        self._start(owner, xml, bubble)
        return True

    def tap(self, key: str, menu_key: str, label: str, *, task: str = "") -> None:
        """Tap the account's menu, or with a task a button of a card."""
        owner = self.owners[key]
        bubble = self._phones.add(key, Side.ME, label or menu_key, form="tap", state=State.SENDING)
        if task:
            press = self._platform.pressed(owner.address, task)
            name = "template_card_event"
            fields = {"EventKey": menu_key, "TaskId": task, "CardType": press.form, "ResponseCode": press.code}
        else:
            self._open_window(owner, Trigger.MENU_TAP)
            name, fields = ("click" if owner.channel is Channel.WECOM else "CLICK"), {"EventKey": menu_key}
        self._start(owner, event(self._doors[owner.channel], owner.address, name, fields), bubble, task)

    def follow(self, key: str, *, on: bool = True) -> None:
        """Follow the account, or leave it."""
        owner = self.owners[key]
        if on and owner.channel is Channel.OFFICIAL_ACCOUNT:
            self._platform.heard(owner.address, Trigger.FOLLOW)
        elif on:
            self._platform.joined(owner.address)
        elif owner.channel is Channel.OFFICIAL_ACCOUNT:
            self._platform.unfollowed(owner.address)
        else:
            self._platform.left(owner.address)
        self._phones.add(key, Side.NOTICE, "已关注" if on else "已取消关注", form="follow" if on else "unfollow")
        name = "subscribe" if on else "unsubscribe"
        self._start(owner, event(self._doors[owner.channel], owner.address, name), None)

    def arrive_unseen(self, owner: Owner) -> None:
        """Somebody without a phone on the page follows the account and binds; returns when it is done."""
        door = self._doors[owner.channel]
        self._platform.heard(owner.address, Trigger.FOLLOW)
        follow = event(door, owner.address, "subscribe")
        bind = text_message(door, owner.address, owner.binding, msg_id=self._platform.next_msgid())
        for xml in (follow, bind):
            deliver(sign(door, xml, sender=owner.address), self._address, patience=self._patience)
        self._platform.heard(owner.address)

    def is_following(self, key: str) -> bool:
        """Whether pushes can reach this phone at all."""
        owner = self.owners[key]
        if owner.channel is Channel.WECOM:
            return owner.address in self._platform.wecom.members
        follower = self._platform.official.followers.get(owner.address)
        return follower is not None and follower.following

    @property
    def busy(self) -> bool:
        """Whether a phone waits for an answer."""
        return self._under_way > 0

    def _count(self, more: int) -> None:
        with self._counting:
            self._under_way += more

    def _open_window(self, owner: Owner, trigger: Trigger) -> None:
        if owner.channel is Channel.OFFICIAL_ACCOUNT:
            self._platform.heard(owner.address, trigger)

    def _start(self, owner: Owner, xml: str, bubble: Bubble | None, task: str = "") -> None:
        def send() -> None:
            try:
                with self._room:
                    self._send(owner, xml, bubble, task)
            finally:
                self._count(-1)

        self._count(+1)
        threading.Thread(target=send, name="phone", daemon=True).start()

    def _send(self, owner: Owner, xml: str, bubble: Bubble | None, task: str) -> None:
        door = self._doors[owner.channel]

        def again(attempt: int) -> None:
            if bubble is not None:
                self._phones.change(bubble, state=State.REPEATING, attempt=attempt)

        try:
            request = sign(door, xml, sender=owner.address)
            outcome = deliver(request, self._address, patience=self._patience, again=again)
            reply = read_answer(door, outcome.body, sender=owner.address)
        except BadReplyError:
            if bubble is not None:
                self._phones.change(bubble, state=State.FAILED)
                notice = OUT_OF_ORDER if owner.channel is Channel.OFFICIAL_ACCOUNT else NOT_DELIVERED
                self._phones.add(owner.key, Side.NOTICE, notice, form="fault")
            return
        except Exception:
            log.exception("a phone could not send")
            return
        if bubble is not None:
            self._phones.change(bubble, state=State.DONE)
        if isinstance(reply, CardUpdate):
            if task:  # after anything but a press the platform lets such an answer drop
                self._platform.card_answered(owner.address, task, caption=reply.caption, card=reply.card)
        elif reply:
            self._phones.add(owner.key, Side.BOT, reply)

    def _arrived(self, row: LogRow) -> None:
        if row["channel"] is not None and (key := self._by_address.get((row["channel"], row["recipient"] or ""))):
            self._phones.arrived(key, row)

    def _changed(self, change: CardChange) -> None:
        if key := self._by_address.get((Channel.WECOM, change.recipient)):
            self._phones.card_changed(key, change)

    def _tell_events(self) -> None:
        while True:
            told = self._platform.events.get()
            threading.Thread(target=self._tell, args=(told,), name="platform event", daemon=True).start()

    def _tell(self, told: PlatformEvent) -> None:
        door = self._doors[told.channel]
        try:
            request = sign(door, event(door, told.address, told.name, told.fields), sender=told.address)
            with self._room:
                deliver(request, self._address, patience=self._patience)
        except Exception:
            log.exception("an event could not be told")
