"""The sample school: invented people in two colleges, six classes and thirty-six dorms, the same at every start.

All of it is invented: given names are words of the seasons.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import cycle
from pathlib import Path

from models.channel import Channel

NAME = "云川示范学院"
HEADERS = (
    "学号/工号",
    "姓名",
    "身份",
    "学院",
    "班级",
    "宿舍",
    "角色",
    "负责范围",
    "手机号",
    "企业微信账号",
    "出生年",
)
COLLEGES = {
    "经济管理学院": ("会计2401", "会计2402", "物流2401"),
    "信息工程学院": ("软件2401", "软件2402", "数媒2401"),
}
BUILDINGS = ("梅苑", "兰苑", "竹苑", "菊苑", "松苑", "荷苑")
DORMS_A_CLASS = 6
BEDS = 4
BIRTH_YEAR = "2006"
DUTY = "T001"

_SURNAMES = "林周陈许苏叶方沈江陆顾程夏袁白温乔闻宋施钟柳纪"
_GIVEN = (
    "小满谷雨清和知夏望舒听澜云起若溪星野晚晴立冬春山南风初雪秋水远舟青禾照野朝露半夏"
    "松月寒露芒种霜降惊蛰白石杏雨长庚木槿流萤疏影新竹扶光沐阳疏桐一苇归帆微澜采薇既白"
)
"""Two characters each."""


@dataclass(frozen=True)
class Row:
    """One line of the roster: a person and perhaps a post."""

    number: str
    name: str
    kind: str
    college: str = ""
    class_group: str = ""
    dorm: str = ""
    role: str = ""
    scope: str = ""
    phone: str = ""
    wecom_userid: str = ""
    birth_year: str = ""

    def cells(self) -> tuple[str, ...]:
        """In the order of `HEADERS`."""
        return (
            self.number,
            self.name,
            self.kind,
            self.college,
            self.class_group,
            self.dorm,
            self.role,
            self.scope,
            self.phone,
            self.wecom_userid,
            self.birth_year,
        )


@dataclass(frozen=True)
class Owner:
    """Whose phone stands on the page. `hints` are words worth trying while nothing is asked."""

    key: str
    role: str
    row: Row
    place: str
    channel: Channel
    address: str
    hints: tuple[str, ...]

    @property
    def binding(self) -> str:
        """The one line that binds this person."""
        return f"绑定 {self.row.number} {self.row.name} {self.row.phone[-4:]}"


def _names() -> Iterator[str]:
    """Names nobody bears twice here: the two cycles meet again after more steps than the school has people."""
    surnames, given = cycle(_SURNAMES), cycle(zip(_GIVEN[::2], _GIVEN[1::2], strict=True))
    while True:
        yield next(surnames) + "".join(next(given))


def _staff() -> list[Row]:
    first, second = COLLEGES
    everyone = (
        ("T001", "何静安", "", "中心", "", "hejingan"),
        ("T002", "秦若水", "", "中心主任", "", "qinruoshui"),
        ("T003", "邵文心", "", "咨询师", "", "shaowenxin"),
        ("T004", "孟归远", "", "咨询师", "", "mengguiyuan"),
        ("T005", "罗正言", "", "学管办主任", "", "luozhengyan"),
        ("T006", "章明远", "", "领导小组", "", "zhangmingyuan"),
        ("T011", "俞向晚", first, "站长", "", "yuxiangwan"),
        ("T012", "贺子川", second, "站长", "", "hezichuan"),
        ("T013", "康怀瑾", first, "学院负责人", "", "kanghuaijin"),
        ("T014", "戴明朗", second, "学院负责人", "", "daiminglang"),
        ("T015", "柏静好", first, "咨询师", "", "baijinghao"),
        ("T016", "金朗然", second, "咨询师", "", "jinlangran"),
        ("T021", "苗青阳", first, "辅导员", ";".join(COLLEGES[first]), "miaoqingyang"),
        ("T022", "雷晓舟", second, "辅导员", ";".join(COLLEGES[second][:2]), "leixiaozhou"),
        ("T023", "严知秋", second, "辅导员", COLLEGES[second][2], "yanzhiqiu"),
    )
    return [
        Row(number, name, "教师", college, "", "", role, scope, f"1990001{position:04}", userid)
        for position, (number, name, college, role, scope, userid) in enumerate(everyone, start=1001)
    ]


def _students() -> Iterator[Row]:
    names = _names()
    phones = iter(range(2001, 9999))
    for group, (college, class_group) in enumerate((c, g) for c, groups in COLLEGES.items() for g in groups):
        for room in range(DORMS_A_CLASS):
            dorm = f"{BUILDINGS[group]}{room // 3 + 1}0{room % 3 + 1}"
            for bed in range(BEDS):
                role = "宿舍信息员" if bed == 0 else "心理委员" if (room, bed) == (0, 1) else ""
                yield Row(
                    f"2024{group + 1:02}{room * BEDS + bed + 1:02}",
                    next(names),
                    "学生",
                    college,
                    class_group,
                    dorm,
                    role,
                    phone=f"1990002{next(phones):04}",
                    birth_year=BIRTH_YEAR,
                )


def roster() -> list[Row]:
    """Everybody: staff first, then students by class, dorm and bed."""
    return [*_staff(), *_students()]


def write_roster(path: Path) -> None:
    """The roster as the CSV that a school would hand in."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADERS)
        writer.writerows(row.cells() for row in roster())


def owners() -> tuple[Owner, ...]:
    """The eight people whose phones are shown: two who would talk and a counselor, then everybody around one class."""
    rows = roster()
    staff = {row.number: row for row in rows}
    officer, committee, student = [row for row in rows if row.class_group == "会计2401"][:3]
    friend = [row for row in rows if row.class_group == "软件2401"][2]
    return (
        _student("student", "学生", student, "预约", "我的预约", "有事", "帮助"),
        _student("friend", "朋友", friend, "预约", "我的预约", "我的数据", "帮助"),
        _teacher("counselor", "咨询师", staff["T003"], "心理中心", "值班", "我的数据", "帮助"),
        _student("dorm_officer", "宿舍信息员", officer, "宿舍", "有事", "帮助"),
        _student("committee_member", "心理委员", committee, "周报", "有事", "帮助"),
        _teacher("advisor", "辅导员", staff["T021"], "经济管理学院", "看小结", "进度", "帮助"),
        _teacher("station_head", "站长", staff["T011"], "经济管理学院", "进度", "看小结", "帮助"),
        _teacher("duty", "值班老师", staff[DUTY], "心理中心", "看小结", "待办", "值班", "帮助"),
    )


def unseen_officers() -> list[Owner]:
    """Everybody else among the students who has a post; they have phones too, only not on the page."""
    shown = {owner.row.number for owner in owners()}
    return [
        _student(row.number, row.role, row) for row in roster() if row.dorm and row.role and row.number not in shown
    ]


def _student(key: str, role: str, row: Row, *hints: str) -> Owner:
    place = f"{row.class_group} · {row.dorm}"
    return Owner(key, role, row, place, Channel.OFFICIAL_ACCOUNT, f"oDemo{row.number:0>23}", hints)


def _teacher(key: str, role: str, row: Row, place: str, *hints: str) -> Owner:
    return Owner(key, role, row, place, Channel.WECOM, row.wecom_userid, hints)


def term_for(day: date) -> tuple[date, date]:
    """A term in which the week of this day is an even one, so that the dorms' fortnightly round falls into it."""
    monday = day - timedelta(days=day.weekday())
    return monday - timedelta(weeks=5), monday + timedelta(weeks=20)
