"""What a template message's value may hold, by the prefix of its keyword. Source: official account fact sheet 7.3."""

import re
from collections.abc import Callable

_HAN = r"\u3400-\u9fff\u3007"
_DATE = r"\d{4}[年\-/.]\d{1,2}[月\-/.]\d{1,2}日?"
_CLOCK = r"\d{1,2}:\d{2}(:\d{2})?"
_MOMENT = rf"({_DATE}\s?({_CLOCK})?|{_CLOCK})"


def _match(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern)
    return lambda value: compiled.fullmatch(value) is not None


def _at_most(limit: int) -> Callable[[str], bool]:
    return lambda value: len(value) <= limit


RULES: dict[str, Callable[[str], bool]] = {
    "thing": _at_most(20),
    "short_thing": _at_most(5),
    "const": _at_most(20),
    "enum": _at_most(20),
    "phrase": _match(rf"[{_HAN}]{{1,5}}"),
    "name": _match(rf"[{_HAN}·]{{1,10}}|[^{_HAN}]{{1,20}}"),
    "character_string": _match(rf"[^{_HAN}]{{1,32}}"),
    "number": _match(r"-?\d{1,32}(\.\d+)?"),
    "letter": _match(r"[A-Za-z]{1,32}"),
    "symbol": _match(rf"[^\w\s{_HAN}]{{1,5}}"),
    "time": _match(rf"{_MOMENT}(~{_MOMENT})?"),
    "date": _match(rf"{_MOMENT}(~{_MOMENT})?"),
    "amount": _match(r"[¥$€£]?\d{1,10}(\.\d+)?元?"),
    "phone_number": _match(r"[\d+\-() ]{1,17}"),
    "car_number": _at_most(8),
}


def fault_in(keyword: str, value: object) -> str | None:
    """Why the platform refuses this value, in its words; None when it takes it."""
    if not isinstance(value, str) or not value.strip():
        return f"data.{keyword}.value is empty"
    if any(ord(character) < ord(" ") for character in value):
        return f"data.{keyword}.value invalid"
    rule = RULES.get(re.sub(r"\d+$", "", keyword))
    return f"data.{keyword}.value invalid" if rule is not None and not rule(value) else None
