"""What a workbook of the supply may say: its four sheets, their columns and words, in both languages."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from models.booking.choices import Mode, Topic
from models.booking.table import ChangeKind, RoomUse, Tier
from models.roster.columns import fold


class Part(StrEnum):
    """The sheets; the value is the English title."""

    COUNSELORS = "counselors"
    ROOMS = "rooms"
    HOURS = "hours"
    CHANGES = "changes"


class Column(StrEnum):
    """The columns; the value is the English header."""

    NUMBER = "number"
    NAME = "name"
    QUALIFICATION = "qualification"
    EMPLOYMENT = "employment"
    TERM_ENDS = "term_ends"
    TIER = "tier"
    UNIT = "unit"
    MODES = "modes"
    TOPICS = "topics"
    ROOM = "room"
    PLACE = "place"
    SESSION = "session_minutes"
    BEFORE = "buffer_before"
    AFTER = "buffer_after"
    A_DAY = "most_a_day"
    A_WEEK = "most_a_week"
    TIES = "ties"
    ENDED = "ended"
    USE = "use"
    ALONE = "alone"
    WEEKDAYS = "weekdays"
    STARTS = "starts"
    ENDS = "ends"
    FROM_DAY = "from_day"
    TO_DAY = "to_day"
    KIND = "kind"
    DAY = "day"
    LAST_DAY = "last_day"


TITLES: Mapping[Part, tuple[str, ...]] = {
    Part.COUNSELORS: ("咨询师",),
    Part.ROOMS: ("房间",),
    Part.HOURS: ("每周时段", "时段"),
    Part.CHANGES: ("变动",),
}
"""The template writes the first of each."""

COLUMNS: Mapping[Part, tuple[Column, ...]] = {
    Part.COUNSELORS: (
        Column.NUMBER, Column.NAME, Column.QUALIFICATION, Column.EMPLOYMENT, Column.TERM_ENDS, Column.TIER, Column.UNIT,
        Column.MODES, Column.TOPICS, Column.ROOM, Column.PLACE, Column.SESSION, Column.BEFORE, Column.AFTER, Column.A_DAY,
        Column.A_WEEK, Column.TIES, Column.ENDED,
    ),
    Part.ROOMS: (Column.ROOM, Column.PLACE, Column.UNIT, Column.USE, Column.ALONE, Column.ENDED),
    Part.HOURS: (
        Column.NUMBER, Column.ROOM, Column.WEEKDAYS, Column.STARTS, Column.ENDS, Column.MODES, Column.FROM_DAY, Column.TO_DAY,
    ),
    Part.CHANGES: (
        Column.NUMBER, Column.ROOM, Column.KIND, Column.DAY, Column.STARTS, Column.LAST_DAY, Column.ENDS, Column.MODES,
    ),
}  # fmt: skip

REQUIRED: Mapping[Part, tuple[Column, ...]] = {
    Part.COUNSELORS: (Column.NUMBER, Column.QUALIFICATION),
    Part.ROOMS: (Column.ROOM,),
    Part.HOURS: (Column.WEEKDAYS, Column.STARTS, Column.ENDS),
    Part.CHANGES: (Column.KIND, Column.DAY),
}

HEADERS: Mapping[Column, tuple[str, ...]] = {
    Column.NUMBER: ("工号", "学号/工号"),
    Column.NAME: ("姓名",),
    Column.QUALIFICATION: ("资质",),
    Column.EMPLOYMENT: ("专职/兼职", "专兼职"),
    Column.TERM_ENDS: ("聘期到", "任期到"),
    Column.TIER: ("归属",),
    Column.UNIT: ("学院/校区", "学院", "校区"),
    Column.MODES: ("方式",),
    Column.TOPICS: ("擅长",),
    Column.ROOM: ("房间", "房间名称"),
    Column.PLACE: ("地点",),
    Column.SESSION: ("每次分钟",),
    Column.BEFORE: ("之前留空", "之前留空分钟"),
    Column.AFTER: ("之后留空", "之后留空分钟"),
    Column.A_DAY: ("每天最多",),
    Column.A_WEEK: ("每周最多",),
    Column.TIES: ("任教班级或学院", "任教"),
    Column.ENDED: ("停用",),
    Column.USE: ("用途",),
    Column.ALONE: ("可单独预约",),
    Column.WEEKDAYS: ("星期", "周几"),
    Column.STARTS: ("开始", "开始时间"),
    Column.ENDS: ("结束", "结束时间"),
    Column.FROM_DAY: ("从哪天起", "起始日期"),
    Column.TO_DAY: ("到哪天止", "截止日期"),
    Column.KIND: ("类型",),
    Column.DAY: ("日期", "开始日期"),
    Column.LAST_DAY: ("结束日期",),
}
"""The Chinese headers; the template writes the first of each."""

MODES = {Mode.IN_PERSON: ("面对面", "当面", "线下"), Mode.PHONE: ("电话",), Mode.ONLINE: ("线上", "网络", "视频")}
TOPICS = {
    Topic.STUDY: ("学习", "学业"),
    Topic.LIFE: ("生活",),
    Topic.RELATIONS: ("人际", "人际关系"),
    Topic.FAMILY: ("家庭",),
    Topic.LOVE: ("感情", "恋爱"),
    Topic.MOOD: ("情绪",),
    Topic.SLEEP: ("睡眠",),
    Topic.WORK: ("就业", "工作"),
}
TIERS = {Tier.CENTRE: ("中心",), Tier.STATION: ("二级站", "站")}
USES = {RoomUse.TALK: ("咨询",), RoomUse.RELAX: ("放松",), RoomUse.VENT: ("宣泄",), RoomUse.SANDPLAY: ("沙盘",)}
KINDS = {ChangeKind.EXTRA: ("加开",), ChangeKind.CLOSED: ("关闭", "停诊"), ChangeKind.LEAVE: ("请假",)}
FULL_TIME = {True: ("专职", "full-time", "full time"), False: ("兼职", "part-time", "part time")}
YES = {True: ("是", "yes", "true", "1", "y"), False: ("否", "no", "false", "0", "n")}


@dataclass(frozen=True)
class Known:
    """The headers of one sheet."""

    part: Part

    def read_headers(self) -> dict[str, Column]:
        """Every header that is understood, folded."""
        return {fold(name): column for column in COLUMNS[self.part] for name in (column.value, *HEADERS[column])}


def part_of(title: str) -> Part | None:
    """Which sheet a title means."""
    known = {fold(name): part for part, names in TITLES.items() for name in (part.value, *names)}
    return known.get(fold(title))
