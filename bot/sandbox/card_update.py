"""What a bot's answer to a pressed button makes of the card, read from its XML. Source: WeCom fact sheet 4."""

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass

from bot.sandbox.ledger import Body

UPDATE_BUTTON = "update_button"
UPDATES = frozenset([UPDATE_BUTTON, "update_template_card"])
CARD_LISTS = frozenset(
    [
        "action_list",
        "button_list",
        "horizontal_content_list",
        "jump_list",
        "option_list",
        "select_list",
        "vertical_content_list",
    ]
)
CARD_SPELLINGS = {"key_name": "keyname", "check_box": "checkbox"}


class BadReplyError(Exception):
    """An answer that a platform would show to the person as a fault."""


@dataclass(frozen=True)
class CardUpdate:
    """What the answer to a pressed button makes of the card: a caption on grey buttons, and a whole card or the same."""

    caption: str
    card: Body | None = None


def card_update(root: ET.Element) -> CardUpdate:
    """The update in this answer. Raises: BadReplyError when its parts are missing."""
    if root.findtext("MsgType") == UPDATE_BUTTON:
        if not (caption := root.findtext("Button/ReplaceName")):
            raise BadReplyError("no ReplaceName")
        return CardUpdate(caption)
    if (card := root.find("TemplateCard")) is None or not card.findtext("CardType"):
        raise BadReplyError("no TemplateCard")
    body = _card_body(card)
    return CardUpdate(str(body.get("replace_text", "")), body)


def _card_body(node: ET.Element) -> Body:
    """A card's XML as the JSON that a sending call would carry."""
    body: Body = {}
    for child in node:
        name = re.sub(r"(?<!^)(?=[A-Z])", "_", child.tag).lower()
        name = CARD_SPELLINGS.get(name, name)
        value = _card_body(child) if len(child) else child.text or ""
        if name in CARD_LISTS:
            body.setdefault(name, []).append(value)
        else:
            body[name] = value
    return body
