"""What `xinqiao menu push` does: one menu file, checked whole, onto every platform that is on.

A tap says its word, as if it had been typed. The platforms' limits: fact sheets, official account 9, WeCom 12.
"""

import time
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bot.commanding import CommandRefusedError, words_of
from bot.pushes_shown import meaning
from bot.wiring import make_clients
from handlers.chat.conversations import CONVERSATIONS
from handlers.dialogue.conversation import GLOBAL_WORDS
from handlers.dialogue.reading import plain
from models.channel import Channel
from models.errors import ChannelError, SettingsError
from models.outbox import Route

if TYPE_CHECKING:
    from bot.settings import Settings

FILE = "menu.toml"
MOST_BUTTONS = 3
MOST_SUBS = 5
LONGEST_NAME = 16
LONGEST_SUB = {Channel.OFFICIAL_ACCOUNT: 60, Channel.WECOM: 40}
LONGEST_WORD = 128
LONGEST_URL = 1024
PATIENCE = 10.0
"""Units: lengths in bytes, patience in seconds."""


class _Item(BaseModel):
    """What can be tapped. `word` or `url`, one of them."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True, hide_input_in_errors=True)

    name: Annotated[str, Field(min_length=1)]
    word: str = ""
    url: str = ""
    on: tuple[Channel, ...] = tuple(Channel)

    def faults(self) -> list[str]:
        """What is wrong with what a tap does."""
        if bool(self.word) == bool(self.url):
            return ["needs either word or url"]
        if self.word and plain(self.word) not in known_words():
            return [f"has the word {self.word}, which starts nothing: use one of {'、'.join(sorted(known_words()))}"]
        if len(self.word.encode()) > LONGEST_WORD:
            return [f"has a word of more than {LONGEST_WORD} bytes: shorten it"]
        if self.url and not self.url.startswith(("https://", "http://")):
            return ["has a url that does not begin with https://"]
        return [f"has a url of more than {LONGEST_URL} bytes"] if len(self.url.encode()) > LONGEST_URL else []

    def body(self) -> dict[str, Any]:
        """As the platforms take it."""
        if self.url:
            return {"type": "view", "name": self.name, "url": self.url}
        return {"type": "click", "name": self.name, "key": self.word}


class _Button(_Item):
    """One of the three: taps itself, or opens into others."""

    sub: tuple[_Item, ...] = ()


class Menu(BaseModel):
    """The whole file."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    button: tuple[_Button, ...]

    @model_validator(mode="after")
    def _fits(self) -> "Menu":
        for at, button in enumerate(self.button, 1):
            faults = [] if button.sub else button.faults()
            if button.sub and (button.word or button.url):
                faults = ["has sub and something to tap: keep one of them"]
            faults += [f"/ {item.name}: {fault}" for item in button.sub for fault in item.faults()]
            if faults:
                msg = f"button {at} ({button.name}) {faults[0]}"
                raise ValueError(msg)
        for channel in Channel:
            _check_limits(channel, self.of(channel))
        return self

    def of(self, channel: Channel) -> list[tuple[_Button, list[_Item]]]:
        """The buttons of one platform, with what each opens into; one that would open into nothing is left out."""
        found = []
        for button in self.button:
            subs = [item for item in button.sub if channel in item.on]
            if channel in button.on and (subs or not button.sub):
                found.append((button, subs))
        return found

    def body(self, channel: Channel) -> dict[str, Any]:
        """As a platform takes it."""
        buttons = []
        for button, subs in self.of(channel):
            opened = {"name": button.name, "sub_button": [item.body() for item in subs]}
            buttons.append(opened if subs else button.body())
        return {"button": buttons}


def _check_limits(channel: Channel, buttons: list[tuple[_Button, list[_Item]]]) -> None:
    where = f"on {channel.value}"
    if not 1 <= len(buttons) <= MOST_BUTTONS:
        msg = f"there are {len(buttons)} buttons {where}: 1 to {MOST_BUTTONS} are allowed"
        raise ValueError(msg)
    for button, subs in buttons:
        if len(subs) > MOST_SUBS:
            msg = f"{button.name} has {len(subs)} entries {where}: at most {MOST_SUBS} are allowed"
            raise ValueError(msg)
        longest = [(button.name, LONGEST_NAME), *((item.name, LONGEST_SUB[channel]) for item in subs)]
        for name, most in longest:
            if len(name.encode()) > most:
                msg = f"the name {name} is too long {where}: at most {most} bytes, {most // 3} Chinese characters"
                raise ValueError(msg)


def known_words() -> Mapping[str, str]:
    """Every word that a tap may say."""
    words = [word for it in CONVERSATIONS for word in it.start] + [
        word for them in GLOBAL_WORDS.values() for word in them
    ]
    return {plain(word): word for word in words}


def read_menu(settings: "Settings") -> Menu:
    """The school's own menu, else ours. Raises: SettingsError, one line that says what is wrong with it."""
    own = settings.folder / FILE
    name, text = FILE, files("bot").joinpath(FILE).read_text("utf-8")
    try:
        if own.exists():
            name, text = str(own), own.read_text("utf-8-sig")
        return Menu.model_validate(tomllib.loads(text))
    except UnicodeDecodeError as error:
        msg = f"{name} is not UTF-8: save it again in that encoding"
        raise SettingsError(msg) from error
    except tomllib.TOMLDecodeError as error:
        msg = f"{name} is not valid TOML ({error})"
        raise SettingsError(msg) from error
    except ValidationError as error:
        detail = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, detail["loc"]))
        fault = str(detail["ctx"]["error"]) if detail["type"] == "value_error" else f"{place}: {detail['msg']}"
        msg = f"{name}: {fault}"
        raise SettingsError(msg) from error


def push_menu(settings: "Settings") -> None:
    """Put the menu onto every platform that is on.

    Raises: SettingsError when the file does not fit; CommandRefusedError when a platform did not take it.
    """
    words, menu = words_of(settings), read_menu(settings)
    clients = make_clients(settings)
    if not clients:
        raise CommandRefusedError(words("menu.no_channel"))
    failed = False
    for route, sender in clients.items():
        path = (
            f"menu/create?agentid={settings.wecom.agent_id}"
            if settings.wecom and route is Route.WECOM
            else "menu/create"
        )
        shown = words(f"pushes.channel.{route.value}")
        try:
            sender.client.send(path, menu.body(Channel(route)), until=time.monotonic() + PATIENCE, attempt=1)
            typer.echo(words("menu.done", channel=shown))
        except ChannelError as error:
            failed = True
            said = words("menu.unsure") if error.code is None else meaning(words, route.value, str(error.code))
            typer.echo(words("menu.failed", channel=shown, code=error.code, meaning=said), err=True)
    if failed:
        raise CommandRefusedError(words("menu.some_failed"))
