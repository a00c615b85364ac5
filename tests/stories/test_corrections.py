"""What a correction does to what was sent before, and what a teacher sees of a room."""

from collections.abc import Iterator

from models import db
from models.audit import Fact
from models.summary import Page, access_class_page, overview
from tests.world import World

ONE = ("这周有三次没来上课", "一两周", "尽快和 TA 聊聊", "还没说")


def page(world: World, who: str = "advisor") -> Page:
    with db.unit_of_work() as session:
        return access_class_page(
            session, world.policy.checkin, world.people[who], world.units["软件2301"], now=world.now
        )


def waiting(world: World) -> Iterator[tuple[int, int]]:
    with db.unit_of_work(write=False) as session:
        for row in overview(session, world.policy.checkin, world.people["advisor"], now=world.now):
            yield row.waiting, row.total


def test_a_corrected_name_waits_no_more_and_stands_below_as_corrected(world: World) -> None:
    phone = world.phone("committee")
    phone.talks("周报", "1", "1", "有一位", "0103", *ONE, "发送")
    phone.talks("周报", "更正", "1", "1", "有一位", "0105", *ONE, "发送")

    assert list(waiting(world)) == [(1, 1)]
    shown = page(world).concerns
    assert [(each["who"], each["corrected"], each["new"]) for each in shown] == [
        ("许明（2023010105）", False, True),
        ("何小雨（2023010103）", True, False),
    ]


def test_a_correction_to_nobody_leaves_nothing_waiting(world: World) -> None:
    phone = world.phone("committee")
    phone.talks("周报", "1", "1", "有一位", "0103", *ONE, "发送")
    phone.talks("周报", "更正", "1", "1", "暂时没有", "发送")

    assert list(waiting(world)) == [(0, 0)]


def test_every_concern_that_is_read_is_a_fact_of_its_own(world: World) -> None:
    world.phone("committee").talks("周报", "1", "1", "有一位", "0103", *ONE, "发送")

    page(world)
    page(world)

    assert world.facts(Fact.CONCERN_READ) == [Fact.CONCERN_READ] * 2


def test_a_room_where_somebody_is_often_away_stands_on_the_class_page(world: World) -> None:
    world.phone("officer").talks("宿舍", "和平时一样", "有人不常在")

    assert page(world).absent == ["3-301"]
