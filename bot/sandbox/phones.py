"""What stands on the phones' screens: bubbles in order, each change numbered, so a page can ask for what is new."""

import threading
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from bot.sandbox.ledger import Body, CardChange, LogRow, dicts
from models import clock
from models.channel import Channel

ZONE = ZoneInfo("Asia/Shanghai")
KEPT = 400
WEEKDAYS = "一二三四五六日"


class Side(StrEnum):
    """Who speaks."""

    ME = "me"
    BOT = "bot"
    NOTICE = "notice"


class State(StrEnum):
    """How far a message of the person's own has come; what others say is always `done`."""

    SENDING = "sending"
    REPEATING = "repeating"
    DONE = "done"
    FAILED = "failed"


@dataclass
class Bubble:
    """One thing on a screen. `version` is the number of its last change; `replaced` stands on a card's grey buttons."""

    id: int
    phone: str
    side: Side
    text: str
    when: str
    at: int
    version: int = 0
    state: State = State.DONE
    push: bool = False
    form: str = "text"
    title: str = ""
    rows: list[tuple[str, str]] = field(default_factory=list)
    link: str = ""
    items: list[tuple[str, str]] = field(default_factory=list)
    task: str = ""
    replaced: str = ""
    msgid: int = 0
    attempt: int = 1


def spoken(moment: datetime) -> str:
    """A moment as the page shows it: 11月22日 周日 19:00."""
    local = moment.astimezone(ZONE)
    return f"{local.month}月{local.day}日 周{WEEKDAYS[local.weekday()]} {local:%H:%M}"


class Phones:
    """All screens behind one lock."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        self._lock = threading.Lock()
        self._screens: dict[str, list[Bubble]] = {key: [] for key in keys}
        self._version = 0
        self._last = 0

    def add(self, phone: str, side: Side, text: str, **more: Any) -> Bubble:  # fields of Bubble
        """One more bubble at the end of a screen."""
        now = clock.now()
        with self._lock:
            self._last += 1
            self._version += 1
            bubble = Bubble(self._last, phone, side, text, spoken(now), int(now.timestamp()), self._version, **more)
            screen = self._screens[phone]
            screen.append(bubble)
            del screen[:-KEPT]
            return bubble

    def change(self, bubble: Bubble, *, state: State, attempt: int | None = None) -> None:
        """How far a message has come."""
        with self._lock:
            self._version += 1
            bubble.state = state
            bubble.attempt = attempt or bubble.attempt
            bubble.version = self._version

    def since(self, version: int) -> tuple[int, list[dict[str, Any]]]:
        """The newest version, and every bubble that changed after `version`, oldest first."""
        with self._lock:
            changed = [asdict(b) for screen in self._screens.values() for b in screen if b.version > version]
            return self._version, sorted(changed, key=lambda bubble: int(bubble["id"]))

    def arrived(self, phone: str, row: LogRow) -> None:
        """A push that the platform delivered."""
        body, kind = row["body"], row["kind"]
        shape = _SHAPES.get(kind, _plain)(body, row["text"])
        self.add(phone, Side.BOT, push=True, form=kind, msgid=row["msgid"], **shape)

    def card_changed(self, phone: str, change: CardChange) -> None:
        """A card on a screen looks different now, where it stands."""
        shape = _card({"template_card": change.card}, "")
        with self._lock:
            for bubble in self._screens[phone]:
                if bubble.form == "template_card" and bubble.msgid == change.msgid:
                    self._version += 1
                    for name, value in shape.items():
                        setattr(bubble, name, value)
                    bubble.version = self._version


def _plain(_: Body, text: str) -> dict[str, Any]:
    return {"text": text}


def _template(body: Body, text: str) -> dict[str, Any]:
    title, *lines = text.split("\n")
    rows = [(label, value) for label, _, value in (line.partition("：") for line in lines)]
    return {"text": "", "title": title, "rows": rows, "link": _address(body.get("url"))}


def _menu(body: Body, _: str) -> dict[str, Any]:
    menu = body["msgmenu"]
    return {
        "text": str(menu.get("head_content", "")),
        "title": str(menu.get("tail_content", "")),
        "items": [(str(item["id"]), str(item["content"])) for item in dicts(menu.get("list"))],
    }


def _card(body: Body, _: str) -> dict[str, Any]:
    card = body["template_card"]
    title = card.get("main_title") if isinstance(card.get("main_title"), dict) else {}
    action = card.get("card_action") if isinstance(card.get("card_action"), dict) else {}
    lines = (title.get("desc"), card.get("sub_title_text"))
    return {
        "title": str(title.get("title", "")),
        "text": "\n".join(str(line) for line in lines if line),
        "rows": [
            (str(row.get("keyname", "")), str(row.get("value", "")))
            for row in dicts(card.get("horizontal_content_list"))
        ],
        "items": [(str(item.get("key", "")), str(item.get("text", ""))) for item in dicts(card.get("button_list"))],
        "link": _address(action.get("url")),
        "task": str(card.get("task_id", "")),
        "replaced": str(card.get("replace_text") or ""),
    }


def _textcard(body: Body, _: str) -> dict[str, Any]:
    card = body["textcard"]
    return {"title": str(card["title"]), "text": str(card["description"]), "link": _address(card["url"])}


def _address(value: object) -> str:
    return value if isinstance(value, str) and value.startswith(("http://", "https://")) else ""


_SHAPES = {"template": _template, "msgmenu": _menu, "template_card": _card, "textcard": _textcard}

CHANNEL_WORDS = {Channel.OFFICIAL_ACCOUNT: "公众号", Channel.WECOM: "企业微信"}
