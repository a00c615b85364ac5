"""Every sentence, by key. The files beside this one are the defaults; a school may reword any in a `words/` folder of its own."""

import string
import tomllib
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from models.errors import SettingsError

_WEEKDAYS = "一二三四五六日"


class Words:
    """`words(key, **values)` is a sentence; moments are shown in the school's time zone.

    `always` are values that every sentence may use: the school's name, phones and role names.
    """

    def __init__(self, zone: ZoneInfo, always: Mapping[str, str], own: Path | None = None) -> None:
        self.zone = zone
        self.always = dict(always)
        self._sentences = _read(sorted(_default_files().items()))
        if own is not None and own.is_dir():
            self._reword({path.name: _read_own(path) for path in own.glob("*.toml")})

    def __contains__(self, key: str) -> bool:
        return key in self._sentences

    def __call__(self, key: str, **values: Any) -> str:
        """The sentence. Raises: KeyError for a key or value that the start-up check should have missed."""
        sentence = self._sentences[key]
        if isinstance(sentence, list):
            return str(sentence[0])
        if "{" not in sentence:
            return sentence
        shown = {name: self.show(value) for name, value in values.items()}
        return sentence.format_map(self.always | shown)

    def also(self, key: str) -> list[str]:
        """A list of synonyms, [] when the key has none."""
        found = self._sentences.get(key, [])
        return found if isinstance(found, list) else [found]

    def role(self, role: str) -> str:
        """The school's own name of a role."""
        return self.always[f"role_{role}"]

    def turn(self, key: str, count: int, **values: Any) -> str:
        """The sentence of a list for the `count`-th time, 0 first; round again at the end."""
        found = self.also(key)
        return found[count % len(found)].format_map(
            self.always | {name: self.show(value) for name, value in values.items()}
        )

    def show(self, value: Any) -> Any:
        """A value as a person reads it."""
        if isinstance(value, datetime):
            local = value.astimezone(self.zone)
            return f"{local.month}月{local.day}日 周{_WEEKDAYS[local.weekday()]} {local:%H:%M}"
        if isinstance(value, date):
            return f"{value.month}月{value.day}日"
        if isinstance(value, list | tuple):
            return "、".join(str(self.show(each)) for each in value)
        return value

    def placeholders(self, key: str) -> set[str]:
        """What a sentence wants to be given, beyond what every sentence may use."""
        return _placeholders(key, self._sentences[key]) - self.always.keys()

    def keys(self) -> Iterable[str]:
        """Every key."""
        return self._sentences.keys()

    def _reword(self, own: Mapping[str, str]) -> None:
        for key, sentence in _read(sorted(own.items())).items():
            default = self._sentences.get(key)
            if default is None:
                msg = f"words/: {key} is no sentence of this version; take it out"
                raise SettingsError(msg)
            _check_form(key, sentence, default)
            if _placeholders(key, sentence) != _placeholders(key, default):
                wanted = ", ".join(sorted(_placeholders(key, default))) or "none"
                msg = f"words/: {key} must use exactly these placeholders: {wanted}"
                raise SettingsError(msg)
            self._sentences[key] = sentence


def _default_files() -> dict[str, str]:
    folder = files("handlers.words")
    return {item.name: item.read_text("utf-8") for item in folder.iterdir() if item.name.endswith(".toml")}


def _read(sources: Iterable[tuple[str, str]]) -> dict[str, str | list[str]]:
    sentences: dict[str, str | list[str]] = {}
    for name, text in sources:
        try:
            table = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            msg = f"words/{name}: not valid TOML ({error})"
            raise SettingsError(msg) from error
        _flatten("", table, sentences)
    return sentences


def _flatten(prefix: str, table: Mapping[str, Any], into: dict[str, str | list[str]]) -> None:
    for name, value in table.items():
        key = f"{prefix}{name}"
        if isinstance(value, dict):
            _flatten(f"{key}.", value, into)
        elif isinstance(value, list):
            into[key] = [str(each) for each in value]
        else:
            into[key] = str(value).strip("\n")


def _read_own(path: Path) -> str:
    """A school's file, also as Windows editors save it."""
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        msg = f"words/{path.name} is not UTF-8: save it again in that encoding"
        raise SettingsError(msg) from error


def _check_form(key: str, sentence: str | list[str], default: str | list[str]) -> None:
    """A sentence stays a sentence, a list a list; only synonyms may be none, and a sentence only where ours is none."""
    wanted = "one sentence" if isinstance(default, str) else "a list of sentences"
    parts = [sentence] if isinstance(sentence, str) else sentence
    empty = any(not part.strip() for part in parts) or (not parts and ".also." not in key)
    if (empty and sentence != default) or type(sentence) is not type(default):
        msg = f"words/: {key} must be {wanted}, and not empty"
        raise SettingsError(msg)


def _placeholders(key: str, sentence: str | list[str]) -> set[str]:
    parts = sentence if isinstance(sentence, list) else [sentence]
    try:
        found = [field for part in parts for field in string.Formatter().parse(part) if field[1] is not None]
    except ValueError:
        found = [("", "", "", None)]
    if any(not name or form or kind for _, name, form, kind in found):
        msg = f"words/: {key} has a broken placeholder; write braces only around names"
        raise SettingsError(msg)
    return {str(name) for _, name, _, _ in found}
