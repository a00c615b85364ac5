"""What the platform writes down and says: its errors, its log, its events."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypedDict

from models.channel import Channel

Body = dict[str, Any]


class ApiError(Exception):
    """A call that the platform refuses."""

    def __init__(self, errcode: int, errmsg: str) -> None:
        super().__init__(errcode, errmsg)
        self.errcode = errcode
        self.errmsg = errmsg


class LogRow(TypedDict):
    """One call and one recipient.

    Shape: `time` follows the movable clock, `machine` the machine's; `recipient` is None where a call has none;
        `text` is what the person can read; `outcome` is "ok", "duplicate", "rate dropped", "blocked", "invalid user",
        "system failed", "card not shown", "task used", "updated", "not a recipient", "errcode N" or the fault's kind;
        `msgid` is 0 where there is none.
    """

    time: datetime
    machine: datetime
    channel: Channel | None
    api: str
    recipient: str | None
    kind: str
    text: str
    body: Body
    outcome: str
    errcode: int
    delivered: bool
    msgid: int


@dataclass
class Sent:
    """What became of a message for one recipient."""

    recipient: str | None
    kind: str
    text: str
    outcome: str = "ok"
    delivered: bool = True
    msgid: int = 0


@dataclass
class Result:
    """An accepted call: the answer's fields, what became of it for each recipient, and what follows."""

    answer: Body = field(default_factory=dict)
    sent: list[Sent] = field(default_factory=list)
    events: list["PlatformEvent"] = field(default_factory=list)
    changes: list["CardChange"] = field(default_factory=list)


@dataclass(frozen=True)
class CardChange:
    """A card that now looks different to one person; with a `replace_text` its buttons are grey and say that."""

    recipient: str
    msgid: int
    card: Body


@dataclass(frozen=True)
class PlatformEvent:
    """Something the platform tells the bot by callback a moment later."""

    channel: Channel
    address: str
    name: str
    fields: dict[str, str]


def text_of(body: Body, kind: str) -> str:
    """The text a person can read in a message of this kind."""
    part = body.get(kind)
    if not isinstance(part, dict):
        return ""
    match kind:
        case "text" | "markdown":
            return str(part.get("content", ""))
        case "msgmenu":
            items = [str(item.get("content", "")) for item in dicts(part.get("list"))]
            return "\n".join(
                line for line in (part.get("head_content", ""), *items, part.get("tail_content", "")) if line
            )
        case "template_card":
            title = part.get("main_title") if isinstance(part.get("main_title"), dict) else {}
            rows = [
                f"{row.get('keyname', '')}：{row.get('value', '')}"
                for row in dicts(part.get("horizontal_content_list"))
            ]
            replaced = part.get("replace_text")
            buttons = (
                [str(replaced)] if replaced else [str(item.get("text", "")) for item in dicts(part.get("button_list"))]
            )
            parts = (
                (title.get("title", ""), title.get("desc", ""), part.get("sub_title_text", ""), *rows, *buttons)
                if title is not None
                else ()
            )
            return "\n".join(str(line) for line in parts if line)
        case "textcard":
            return f"{part.get('title', '')}\n{part.get('description', '')}".strip()
    return ""


def dicts(value: object) -> list[Body]:
    """The dicts of a list, whatever else came."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
