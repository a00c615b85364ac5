"""What is done with each thing a platform can send: the one list.

Source: platform/official-account 2 and 3, platform/wecom 2 and 3. Names are compared in lower case, since the platforms
do not agree on theirs (`CLICK`, `click`). Both share the list, since what they both have means the same.
"""

import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from bot.doors.errors import Flaw, UnreadableError
from bot.doors.inbound import Inbound, InboundKind
from bot.doors.parse import Nodes, text_of
from bot.doors.told import consents_of, names_in, receipt_of
from models.channel import Channel

UNKNOWN = "unknown"
"""Stands for every name that is not in the table."""

TABLE: Final[Mapping[str, InboundKind | None]] = MappingProxyType(
    {
        # Messages. A kind starts a turn; None is acknowledged and counted, nothing else.
        "text": InboundKind.TEXT,
        "image": InboundKind.IMAGE,
        "voice": InboundKind.VOICE,
        "video": InboundKind.VIDEO,
        "shortvideo": InboundKind.VIDEO,
        "location": InboundKind.LOCATION,
        "link": InboundKind.LINK,
        # Coming, going, being there.
        "event/subscribe": InboundKind.FOLLOW,  # the scene of a QR code is not kept: nothing here is bound by scanning
        "event/unsubscribe": InboundKind.UNFOLLOW,
        "event/scan": None,
        "event/enter_agent": None,
        "event/location": None,
        # Menus and cards.
        "event/click": InboundKind.MENU,
        "event/template_card_event": InboundKind.PRESS,
        "event/template_card_menu_event": None,  # our cards have no corner menu
        "event/view": None,
        "event/view_miniprogram": None,
        "event/scancode_push": None,
        "event/scancode_waitmsg": None,
        "event/pic_sysphoto": None,  # the pictures follow as messages
        "event/pic_photo_or_album": None,
        "event/pic_weixin": None,
        "event/location_select": None,
        # What became of a push, and who wants any.
        "event/templatesendjobfinish": InboundKind.RECEIPT,
        "event/masssendjobfinish": None,
        "event/subscribe_msg_popup_event": InboundKind.SUBSCRIPTION,
        "event/subscribe_msg_change_event": InboundKind.SUBSCRIPTION,
        "event/subscribe_msg_sent_event": InboundKind.SUBSCRIPTION,
        # Privacy, official account.
        "event/user_info_modified": None,  # nothing of it is kept here
        "event/user_authorization_revoke": InboundKind.REVOKED,
        "event/user_authorization_cancellation": InboundKind.REVOKED,
        # The enterprise, WeCom.
        "event/batch_job_result": None,
        "event/open_approval_change": None,
        "event/sys_approval_change": None,
        "event/share_agent_change": None,
        "event/share_chain_change": None,
        "event/inactive_alert": None,
        "event/close_inactive_agent": None,
        "event/reopen_inactive_agent": None,
        "event/low_active_alert": None,
        "event/low_active": None,
        "event/active_restored": None,
        "event/change_contact": None,
        "event/modify_calendar": None,
        "event/delete_calendar": None,
        "event/add_schedule": None,
        "event/modify_schedule": None,
        "event/delete_schedule": None,
        "event/respond_schedule": None,
    }
)

_MOST_ADDRESS = 64
_MOST_DIGITS = 20
_BETWEEN = "\x1f"  # which XML cannot hold, so two events never join to the same text


def name_of(nodes: Nodes) -> str:
    """A message's own name: its type, and for events `event/` and which one; in lower case.

    Raises: UnreadableError when there is none.
    """
    kind = _needed(nodes, "MsgType").lower()
    return f"event/{_needed(nodes, 'Event').lower()}" if kind == "event" else kind


def inbound_of(kind: InboundKind, nodes: Nodes, channel: Channel, received: float) -> Inbound:
    """The message as a turn wants it.

    Raises: UnreadableError when it does not say who sent it, to whom, or which one it is.
    """
    sender = _needed(nodes, "FromUserName")
    if kind is InboundKind.REVOKED:  # which the platform sends in its own name
        sender = text_of(nodes, "OpenID") or sender
    if len(sender) > _MOST_ADDRESS or not sender.isprintable():
        raise UnreadableError(Flaw.MISSING)
    text = item = ""
    tapped = kind is InboundKind.MENU
    if kind is InboundKind.TEXT:
        text = text_of(nodes, "Content")
        item = text_of(nodes, "bizmsgmenuid")
        tapped = bool(item)
    elif kind in (InboundKind.MENU, InboundKind.PRESS):
        text = text_of(nodes, "EventKey")
    elif kind is InboundKind.REVOKED:
        text = text_of(nodes, "Event").lower()
    elif kind is InboundKind.LOCATION:
        # Somebody who is asked where they are may well answer with a place on the map.
        text = " ".join(text_of(nodes, name) for name in ("Label", "Location_X", "Location_Y")).strip()
    return Inbound(
        channel=channel,
        key=_key(nodes, channel, sender),
        # WeCom takes a userid in any case; one member must stay one person here.
        address=sender.lower() if channel is Channel.WECOM else sender,
        kind=kind,
        text=text,
        received=received,
        to=_needed(nodes, "ToUserName"),
        tapped=tapped,
        item=item[:_MOST_ADDRESS],
        spelled=sender if channel is Channel.WECOM and not sender.islower() else None,
        task=text_of(nodes, "TaskId") if kind is InboundKind.PRESS else "",
        receipt=receipt_of(nodes) if kind is InboundKind.RECEIPT else None,
        consents=consents_of(nodes) if kind is InboundKind.SUBSCRIPTION else (),
    )


def _key(nodes: Nodes, channel: Channel, sender: str) -> str:
    """What every repeat of this message shares with it, and no other message does: MsgId, which events do not have.

    Events about messages name those, and several can come in one second.
    """
    if text_of(nodes, "MsgType").lower() != "event":
        message_id = _needed(nodes, "MsgId")
        if len(message_id) <= _MOST_DIGITS and message_id.isascii() and message_id.isdigit():
            return f"{channel}:{message_id}"
        return f"{channel}:id:{_digest(message_id)}"
    return f"{channel}:event:" + _digest(
        _BETWEEN.join(
            (
                sender.lower() if channel is Channel.WECOM else sender,
                _needed(nodes, "CreateTime"),
                text_of(nodes, "Event").lower(),
                text_of(nodes, "EventKey"),
                text_of(nodes, "TaskId"),
                *names_in(nodes),
            )
        )
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _needed(nodes: Nodes, name: str) -> str:
    value = text_of(nodes, name)
    if not value or value.isspace():
        raise UnreadableError(Flaw.MISSING)
    return value
