"""Cleaning one cell: what a hand or a spreadsheet did to it is undone where the meaning is certain, else refused."""

import re
import unicodedata
from datetime import date
from typing import TYPE_CHECKING, Any

from models.roster.columns import Column, SchoolNames, fold, trim

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LONGEST_NAME = 50
LONGEST_NUMBER = 32
OLDEST = 1900
_EXACT = 10**15
"""From here on a spreadsheet's number cell has lost its last digits."""

_SCIENTIFIC = re.compile(r"\d(\.\d+)?E\+\d+", re.IGNORECASE)
_NUMBER = re.compile(rf"[\w.\-]{{1,{LONGEST_NUMBER}}}")
_PHONE = re.compile(r"\+?\d{5,20}")
_PHONE_MARKS = str.maketrans("", "", "-()")
_WECOM = re.compile(r"[\w.@\-]{1,64}", re.ASCII)
_YEAR = re.compile(r"(\d{4})(?:年|[-/.年]\d.*)?")
_BETWEEN_CHINESE = re.compile(r"(?<=[\u2e80-\u9fff\U00020000-\U0003ffff·]) (?=[\u2e80-\u9fff\U00020000-\U0003ffff·])")
_SCOPE_ENDS = re.compile("[;；]")


class BadCellError(Exception):
    """A cell that cannot be taken; the key's last part and the values make its sentence."""

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(key)
        self.key = key
        self.values = values


class Cleaner:
    """Cleans the cells of one sheet."""

    def __init__(self, names: SchoolNames, year: int) -> None:
        self._kinds = names.read_kinds()
        self._roles = names.read_roles()
        self._year = year
        self._clean: Mapping[Column, Callable[[str], str]] = {
            Column.NUMBER: self._number,
            Column.NAME: self._name,
            Column.KIND: self._kind,
            Column.COLLEGE: self._college,
            Column.CLASS: self._unit,
            Column.DORM: self._unit,
            Column.ROLE: self._role,
            Column.SCOPE: str,
            Column.PHONE: self._phone,
            Column.WECOM_USERID: self._wecom,
            Column.BIRTH_YEAR: self._birth_year,
        }

    def clean(self, column: Column, value: Any) -> str:
        """The cell as it is stored; "" when it is empty. Raises: BadCellError."""
        if column in {Column.NUMBER, Column.PHONE} and isinstance(value, int | float) and abs(value) >= _EXACT:
            raise BadCellError("rounded")
        text = text_of(value)
        return self._clean[column](text) if text else ""

    def _number(self, text: str) -> str:
        number = digits_of(text)
        if not _NUMBER.fullmatch(number):
            raise BadCellError("number", value=text)
        return number

    def _name(self, text: str) -> str:
        # 「张  三」 is how spreadsheets make two characters as wide as three.
        name = _BETWEEN_CHINESE.sub("", text)
        if len(name) > LONGEST_NAME:
            raise BadCellError("too_long", most=LONGEST_NAME)
        return name

    def _kind(self, text: str) -> str:
        kind = self._kinds.get(fold(text))
        if kind is None:
            raise BadCellError("kind", value=text)
        return kind.value

    def _unit(self, text: str) -> str:
        if _SCOPE_ENDS.search(text):
            raise BadCellError("unit_mark", value=text)
        return self._name(text)

    def _college(self, text: str) -> str:
        if "/" in fold(text):
            raise BadCellError("college_mark", value=text)
        return self._unit(text)

    def _role(self, text: str) -> str:
        role = self._roles.get(fold(text))
        if role is None:
            raise BadCellError("role", value=text)
        return role.value

    def _phone(self, text: str) -> str:
        phone = digits_of(text).translate(_PHONE_MARKS)
        if not _PHONE.fullmatch(phone):
            raise BadCellError("phone", value=text)
        return phone

    def _wecom(self, text: str) -> str:
        userid = digits_of(text)
        if not _WECOM.fullmatch(userid):
            raise BadCellError("wecom_userid", value=text)
        return userid

    def _birth_year(self, text: str) -> str:
        found = _YEAR.fullmatch(digits_of(text))
        if found is None or not OLDEST <= int(found[1]) <= self._year:
            raise BadCellError("birth_year", value=text)
        return found[1]


def scope_names(text: str) -> list[str]:
    """The unit names of a scope, in order."""
    return [name for each in _SCOPE_ENDS.split(text) if (name := trim(each))]


def text_of(value: Any) -> str:
    """A cell as text, "" when it is empty. Raises: BadCellError."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, date):
        value = value.isoformat()
    text = trim(str(value)).lstrip("'")
    if "\ufffd" in text or (
        not text.isprintable() and any(unicodedata.category(each) in {"Cc", "Cs", "Cn"} for each in text)
    ):
        raise BadCellError("characters")
    return text


def digits_of(text: str) -> str:
    """Without blanks, full-width digits or a program's `.0`; what a program has rounded away cannot come back."""
    text = "".join(unicodedata.normalize("NFKC", text).split())
    if _SCIENTIFIC.fullmatch(text):
        raise BadCellError("rounded")
    return text[:-2] if text.endswith(".0") and text[:-2].isdecimal() else text
