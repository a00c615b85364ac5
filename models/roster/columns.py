"""What a roster sheet may say: its columns, kinds and roles, in both languages and in the school's own words."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from models.person import Kind
from models.post import ROLE_NAMES, Role
from models.unit import Level


class Column(StrEnum):
    """The columns; the value is the English header."""

    NUMBER = "number"
    NAME = "name"
    KIND = "kind"
    COLLEGE = "college"
    CLASS = "class"
    DORM = "dorm"
    ROLE = "role"
    SCOPE = "scope"
    PHONE = "phone"
    WECOM_USERID = "wecom_userid"
    BIRTH_YEAR = "birth_year"


REQUIRED = (Column.NUMBER, Column.NAME, Column.KIND)

HEADERS: Mapping[Column, tuple[str, ...]] = {
    Column.NUMBER: ("学号/工号", "学号", "工号"),
    Column.NAME: ("姓名",),
    Column.KIND: ("身份",),
    Column.COLLEGE: ("学院",),
    Column.CLASS: ("班级",),
    Column.DORM: ("宿舍",),
    Column.ROLE: ("角色",),
    Column.SCOPE: ("负责范围",),
    Column.PHONE: ("手机号", "手机"),
    Column.WECOM_USERID: ("企业微信账号",),
    Column.BIRTH_YEAR: ("出生年", "出生年份"),
}
"""The Chinese headers; the template writes the first of each."""

KINDS: Mapping[Kind, tuple[str, ...]] = {Kind.STUDENT: ("学生",), Kind.STAFF: ("教师", "教职工", "老师")}

WHOLE_SCHOOL = "全校"

_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff"))


def fold(text: str) -> str:
    """The same for two spellings that mean the same: full-width or not, blanks or none, capitals or not."""
    return "".join(unicodedata.normalize("NFKC", text.translate(_INVISIBLE)).split()).casefold()


def trim(text: str) -> str:
    """The text as it was meant, without stray blanks around it or several in a row."""
    return " ".join(text.translate(_INVISIBLE).split())


@dataclass(frozen=True)
class SchoolNames:
    """The school's own words for itself, its four levels and its roles."""

    school: str
    levels: tuple[str, ...] = ("学校", "学院", "班级", "宿舍")
    roles: Mapping[Role, str] = field(default_factory=dict)

    def level(self, level: Level) -> str:
        """What the school calls a level."""
        return self.levels[list(Level).index(level)]

    def role(self, role: Role) -> str:
        """What the school calls a role."""
        return self.roles.get(role, ROLE_NAMES[role])

    def header(self, column: Column) -> str:
        """A column's header, as the template writes it."""
        own = {Column.COLLEGE: Level.COLLEGE, Column.CLASS: Level.CLASS, Column.DORM: Level.DORM}
        return self.level(own[column]) if column in own else HEADERS[column][0]

    def read_headers(self) -> dict[str, Column]:
        """Every header that is understood, folded."""
        known = {fold(name): column for column, names in HEADERS.items() for name in (column.value, *names)}
        return known | {fold(self.header(column)): column for column in Column}

    def read_kinds(self) -> dict[str, Kind]:
        """Every word for a kind, folded."""
        return {fold(name): kind for kind, names in KINDS.items() for name in (kind.value, *names)}

    def read_roles(self) -> dict[str, Role]:
        """Every word for a role, folded; the school's own come first."""
        known = {fold(name): role for role, name in ROLE_NAMES.items()} | {role.value: role for role in Role}
        return known | {fold(name): role for role, name in self.roles.items()}
