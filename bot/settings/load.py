"""Reading config.toml and the environment, and saying what is wrong with them in one line.

The environment (`XINQIAO_SECTION__KEY`, lists and tables as JSON) wins over the file, key by key.
"""

import os
import re
import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import EnvSettingsSource, TomlConfigSettingsSource
from typing_extensions import override

from bot.settings.sections import Section, Settings
from models.errors import SettingsError

CONFIG = "XINQIAO_CONFIG"
"""Environment variable naming the config file."""

MISTAKES_SHOWN = 5


def load_settings(path: Path | None = None) -> Settings:
    """Read the settings of `path`, else of `XINQIAO_CONFIG`, else of config.toml here, with the environment over them.

    Raises: SettingsError, one line that names the keys and how to mend them, never a value.
    """
    path = path or Path(os.environ.get(CONFIG) or "config.toml")
    folder = path.absolute().parent  # a link is not followed: mounted configs are often links into a hidden folder
    values = _merged(_File(Settings, path)(), _Environment(Settings)(), folder)
    mistakes = _stray_variables()
    settings = None
    try:
        settings = Settings(folder, values)
    except ValidationError as error:
        mistakes += [_sentence(detail) for detail in error.errors(include_url=False, include_input=False)]
    if settings is None or mistakes:
        raise SettingsError(_one_line(path, mistakes))
    return settings


class _File(TomlConfigSettingsSource):
    """config.toml, also as Windows editors save it; {} when there is none."""

    @override
    def _read_file(self, file_path: Any) -> dict[str, Any]:
        try:
            return tomllib.loads(file_path.read_text(encoding="utf-8-sig"))
        except tomllib.TOMLDecodeError as error:
            place = re.search(r"\(at [^()]*\)$", str(error))
            msg = f"{file_path} is not TOML {place[0] if place else ''}: mend it there, as config.example.toml has it"
        except UnicodeDecodeError:
            msg = f"{file_path} is not UTF-8: save it again in that encoding"
        except OSError as error:
            msg = f"{file_path} cannot be read ({error.strerror}): let this user read it"
        raise SettingsError(msg)


class _Environment(EnvSettingsSource):
    """The environment; what should be JSON and is not goes on as text, so that validation names its key."""

    @override
    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            return value


def _merged(file: dict[str, Any], environment: dict[str, Any], folder: Path) -> dict[str, Any]:
    required: dict[str, Any] = {name: {} for name, field in Settings.model_fields.items() if field.is_required()}
    merged = required | file  # an absent section is judged as an empty one, so that its keys are named
    for section, keys in environment.items():
        below = file.get(section)
        merged[section] = below | keys if isinstance(below, dict) and isinstance(keys, dict) else keys
    match merged["database"]:
        case {"url": str(url)} as database:
            merged["database"] = database | {"url": _from_folder(url.strip(), folder)}
    return merged


def _from_folder(url: str, folder: Path) -> str:
    scheme, slashes, rest = url.partition(":///")
    file, mark, options = rest.partition("?")
    if not scheme.startswith("sqlite") or file in {"", ":memory:"}:
        return url
    return f"{scheme}{slashes}{(folder / file).as_posix()}{mark}{options}"


def all_keys() -> list[tuple[str, str]]:
    """Every section and key, as they are written."""
    keys = []
    for section, field in Settings.model_fields.items():
        kinds = getattr(field.annotation, "__args__", (field.annotation,))
        model = next(kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Section))
        keys += [(section, key.alias or name) for name, key in model.model_fields.items()]
    return keys


def _stray_variables() -> list[str]:
    """Variables that were meant as settings and are none: an unknown section, or one underline where two belong."""
    prefix = Settings.model_config["env_prefix"]
    near = {f"{section}_{key}": f"{section}__{key}" for section, key in all_keys()}
    stray = []
    for name in sorted(name for name in os.environ if name.upper().startswith(prefix)):
        rest = name[len(prefix) :].lower()
        section, nested, _ = rest.partition("__")
        if nested and section not in Settings.model_fields:
            stray.append(f"{name} (environment) is not a setting: remove it or correct its spelling")
        elif rest in near:
            stray.append(f"{name} (environment) is not a setting: write {prefix}{near[rest].upper()}")
    return stray


_SENTENCES = {
    "missing": "is missing: add it",
    "extra_forbidden": "is not a setting: remove it or correct its spelling",
    "string_type": "must be text in quotes",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": 'must be an address such as "mailto://…"',
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "tuple_type": "must be a list (in the environment: JSON)",
    "model_type": "must be a table (in the environment: JSON)",
    "mapping_type": "must be a table (in the environment: JSON)",
    "too_short": "must have at least {min_length} entries",
    "too_long": "must have at most {max_length} entries",
    "zoneinfo_str": 'must be a time zone such as "Asia/Shanghai"',
}


def _sentence(detail: ErrorDetails) -> str:
    """One mistake; never pydantic's own text, which may hold the value."""
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "value_error":
        text = str(context["error"])
    elif kind.startswith("int_"):
        text = "must be a whole number"
    elif kind.startswith("date_"):
        text = "must be a day such as 2026-09-01"
    else:
        text = _SENTENCES.get(kind, "has the wrong form: config.example.toml shows the right one").format(**context)
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in detail["loc"])
    return f"{key.removeprefix('.')} {text}"


def _one_line(path: Path, mistakes: list[str]) -> str:
    more = len(mistakes) - MISTAKES_SHOWN
    named = "; ".join(mistakes[:MISTAKES_SHOWN]) + (f"; and {more} more" if more > 0 else "")
    if path.is_file():
        text = f"{path}: {named}"
    else:
        text = f"there is no {path}: run `xinqiao init`, or give what is required in the environment ({named})"
    return " ".join(text.split())
