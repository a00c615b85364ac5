"""Passive replies: what goes back in the answer to a callback.

Source: platform/official-account 4, platform/wecom 4: text up to 2,048 bytes; beyond it the person sees a fault notice
or half a sentence.
"""

import logging
import re

log = logging.getLogger(__name__)

MOST_BYTES = 2_000
"""Of text; the platforms' own limit was seen at 2,047 and at 2,048."""

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def fit(text: str) -> str:
    """The text as the platforms take it: nothing XML forbids, at most 2,000 bytes, no half character.

    A text that has to be cut is an error of whoever wrote it, so someone must look.
    """
    text = _FORBIDDEN.sub("", text)
    raw = text.encode()
    if len(raw) <= MOST_BYTES:
        return text
    log.error("a reply had to be cut", extra={"bytes": len(raw), "limit": MOST_BYTES})
    return raw[:MOST_BYTES].decode(errors="ignore")


def text_reply(text: str, *, to: str, sender: str, created: int) -> bytes:
    """A text reply's XML. Units: `created` is in Unix seconds."""
    return (
        f"<xml><ToUserName>{_cdata(to)}</ToUserName><FromUserName>{_cdata(sender)}</FromUserName>"
        f"<CreateTime>{created}</CreateTime><MsgType><![CDATA[text]]></MsgType><Content>{_cdata(text)}</Content></xml>"
    ).encode()


def button_reply(caption: str, *, to: str, sender: str, created: int) -> bytes:
    """The XML that turns a pressed card's buttons grey and lets them say something else. Units: as above."""
    return (
        f"<xml><ToUserName>{_cdata(to)}</ToUserName><FromUserName>{_cdata(sender)}</FromUserName>"
        f"<CreateTime>{created}</CreateTime><MsgType><![CDATA[update_button]]></MsgType>"
        f"<Button><ReplaceName>{_cdata(caption)}</ReplaceName></Button></xml>"
    ).encode()


def _cdata(text: str) -> str:
    # The end mark inside a text would end the section, so it is divided between two.
    return f"<![CDATA[{text.replace(']]>', ']]]]><![CDATA[>')}]]>"
