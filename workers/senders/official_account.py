"""公众号: a customer-service text while the person's window is open, with lines to tap where it has any; else a template message.

The text cannot be told from its repeat by the platform; the template message can, for ten minutes, by its `client_msg_id`.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from models.booking.pressing import SPOKEN
from models.channel import Channel
from models.errors import SettingsError
from models.outbox import PushKind, Route, WayName
from workers.senders.codes import is_lost
from workers.senders.parcel import Parcel, Way

if TYPE_CHECKING:
    from workers.senders.clients import OfficialAccountClient
    from workers.senders.tokens import SharedTokens

LIMITS = {"thing": 20, "const": 20, "short_thing": 5, "phrase": 5, "character_string": 32, "name": 10}
"""Characters that a value may have, by the prefix of its keyword; anything else is cut to 20 (fact sheet 7.3)."""

SHOWN = ("text", "time", "number", "unit")
"""What a template's keyword may show: the push in 20 characters, its moment, its number, the unit it speaks of."""

REMEMBERS = timedelta(minutes=10)
"""For so long the platform knows a template message by its `client_msg_id` (fact sheet 7.1)."""

NOTHING = "-"
"""The platform refuses an empty value."""


@dataclass(frozen=True)
class TemplateForm:
    """A template of the account's, and which of `SHOWN` each of its keywords gets: `{"thing1": "text", "time2": "time"}`."""

    id: str
    fields: Mapping[str, str]


def check_forms(forms: Mapping[PushKind, TemplateForm]) -> None:
    """Raises: SettingsError when a keyword is to show what there is not."""
    for kind, form in forms.items():
        for keyword, shown in form.fields.items():
            if shown not in SHOWN:
                msg = f"official_account.templates.{kind}.fields.{keyword} must be one of {', '.join(SHOWN)}"
                raise SettingsError(msg)


class OfficialAccountSender:
    """Sends through one certified service account."""

    route = Route.OFFICIAL_ACCOUNT

    def __init__(
        self,
        *,
        app_id: str,
        secret: str,
        api_base: str,
        templates: Mapping[PushKind, TemplateForm],
        zone: ZoneInfo,
        shared: "SharedTokens | None" = None,
    ) -> None:
        check_forms(templates)
        self._templates = dict(templates)
        self._zone = zone
        self._credentials = (app_id, secret, api_base, shared)
        self._lock = threading.Lock()
        self._made: OfficialAccountClient | None = None

    @property
    def client(self) -> "OfficialAccountClient":
        """The client behind it, made when first asked for."""
        from workers.senders.clients import OfficialAccountClient  # noqa: PLC0415 — heavy, see there

        with self._lock:
            self._made = self._made or OfficialAccountClient(*self._credentials)
            return self._made

    def ways(self, parcel: Parcel) -> Sequence[Way]:
        """Inside the window the text, then the kind's template, or the one that only says that something waits.

        A text that can be tapped is tried first: an account may lack the right to send it.
        """
        inside = [self._menu(parcel)] if parcel.buttons and all(it in SPOKEN for it, _ in parcel.buttons) else []
        inside.append(self._plain(parcel))
        form = self._templates.get(parcel.kind)
        short = parcel.short
        if form is None:
            form, short = self._templates.get(PushKind.DIGEST), parcel.hint
        if form is None:
            return inside
        send = partial(self._send_template, parcel, form, short)
        return [*inside, Way(WayName.TEMPLATE, repeatable=True, windowed=False, send=send, remembers=REMEMBERS)]

    def is_lost(self, code: int | None) -> bool:
        """Whether the person does not follow the account any more."""
        return is_lost(Channel.OFFICIAL_ACCOUNT, code)

    def _plain(self, parcel: Parcel) -> Way:
        return Way(WayName.TEXT, repeatable=False, windowed=True, send=partial(self._send_text, parcel))

    def _menu(self, parcel: Parcel) -> Way:
        return Way(WayName.MENU, repeatable=False, windowed=True, send=partial(self._send_menu, parcel))

    def _send_menu(self, parcel: Parcel, until: float) -> None:
        # A tap comes back as a text: the line's content, with its id beside it, today or in a year.
        lines = [{"id": f"{parcel.dedupe}-{button.value}", "content": caption} for button, caption in parcel.buttons]
        menu = {"head_content": parcel.text, "list": lines, "tail_content": ""}
        body = {"touser": parcel.to.address, "msgtype": "msgmenu", "msgmenu": menu}
        self.client.send("message/custom/send", body, until=until, attempt=parcel.attempt)

    def _send_text(self, parcel: Parcel, until: float) -> None:
        body = {"touser": parcel.to.address, "msgtype": "text", "text": {"content": parcel.text}}
        self.client.send("message/custom/send", body, until=until, attempt=parcel.attempt)

    def _send_template(self, parcel: Parcel, form: TemplateForm, short: str, until: float) -> str | None:
        body = {
            "touser": parcel.to.address,
            "template_id": form.id,
            "data": {
                keyword: {"value": self._value(parcel, keyword, shown, short)} for keyword, shown in form.fields.items()
            },
            "client_msg_id": parcel.dedupe,
        }
        answer = self.client.send("message/template/send", body, until=until, attempt=parcel.attempt)
        return str(answer["msgid"]) if answer.get("msgid") else None

    def _value(self, parcel: Parcel, keyword: str, shown: str, short: str) -> str:
        match shown:
            case "time":
                return f"{parcel.at.astimezone(self._zone):%Y-%m-%d %H:%M}"
            case "number":
                return parcel.number
            case "unit":
                return fit(keyword, parcel.unit)
            case _:
                return fit(keyword, short)


def fit(keyword: str, value: str) -> str:
    """A value as the platform takes it: one line, not empty, not too long for its keyword."""
    limit = LIMITS.get(keyword.rstrip("0123456789"), 20)
    line = " ".join(value.split()) or NOTHING
    return line if len(line) <= limit else f"{line[: limit - 1]}…"
