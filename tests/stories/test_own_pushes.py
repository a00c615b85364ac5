"""What one is told of is one's own choice, as far as nothing has to be done about it (「我的数据」)."""

import json

import pytest

from models import db
from models.audit import Audit, Fact
from models.channel import Channel
from models.errors import NotFoundError
from models.mute import GOES_TO, GOES_TO_COUNSELORS, may_mute, toggle
from models.outbox import KINDS, MUTABLE, Mute, PushKind, Urgency
from models.talk import meet
from tests.booked import counselor
from tests.stories.cast import options, release
from tests.world import World

MAY = {
    "student": set(),
    "leader": set(),
    "committee": {PushKind.CLASS_OPENED, PushKind.CLASS_REMINDER},
    "officer": {PushKind.DORM_OPENED, PushKind.DORM_REMINDER},
    "advisor": {PushKind.CHECKIN_MISSING, PushKind.CHECKIN_CAME},
    "duty": {PushKind.CHECKIN_MISSING, PushKind.CHECKIN_CAME},
    "head": {PushKind.CHECKIN_MISSING, PushKind.CHECKIN_CAME, PushKind.CLASS_LIST},
}


@pytest.mark.parametrize("who", sorted(MAY))
def test_one_is_offered_what_one_can_get(school: World, who: str) -> None:
    phone = school.phone(who)

    reply = phone.talks("我的数据", "2")

    offered = [option for option in options(reply) if option.endswith("（现在收）")]
    assert offered == [
        school.words(f"my_data.kind.{kind.value}") + "（现在收）" for kind in MUTABLE if kind in MAY[who]
    ]
    assert phone.says("取消")


def test_whoever_takes_bookings_may_do_without_the_morning_list(school: World) -> None:
    counselor(school, "leader")
    phone = school.phone("leader")

    assert phone.talks("我的数据", "2", "1").startswith("好，「早上的预约数」不发了")
    assert [it.kind for it in school.rows(Mute)] == [PushKind.MORNING_LIST]


def test_only_routine_pushes_can_be_muted() -> None:
    assert {KINDS[kind].urgency for kind in MUTABLE} == {Urgency.ROUTINE}
    assert GOES_TO.keys() | GOES_TO_COUNSELORS == set(MUTABLE)


def test_a_choice_is_shown_kept_and_taken_back(world: World) -> None:
    phone = world.phone("committee")

    reply = phone.talks("我的数据", "设置", "1")
    assert reply.startswith("好，「小结开始」不发了")
    assert options(reply) == ["小结开始（现在不收）", "小结快到点的提醒（现在收）", "就这样"]
    (it,) = world.rows(Mute)
    assert (it.person_id, it.kind) == (world.people["committee"], PushKind.CLASS_OPENED)

    assert phone.says("就这样").startswith("好，就按这样发")
    assert options(phone.talks("我的数据", "2"))[0] == "小结开始（现在不收）"
    assert phone.says("小结开始").startswith("好，「小结开始」照常发。")
    assert world.rows(Mute) == []
    details = [json.loads(row.details) for row in world.rows(Audit, Audit.fact == Fact.PUSHES_MUTED)]
    assert details == [{"kind": "class_opened", "muted": 1}, {"kind": "class_opened", "muted": 0}]


def test_whoever_can_get_nothing_of_it_is_told_so(school: World) -> None:
    assert "没有可以少收的" in school.phone("student").talks("我的数据", "2")


def test_what_one_can_not_get_can_not_be_muted(school: World) -> None:
    phone = school.phone("committee")
    with db.unit_of_work() as session:
        actor = meet(session, Channel.OFFICIAL_ACCOUNT, phone.address).actor
        for kind in set(PushKind) - set(may_mute(session, actor)):
            with pytest.raises(NotFoundError):
                toggle(session, actor, kind, now=school.now)


def test_a_post_that_ended_meanwhile_ends_the_choice_with_a_word(school: World) -> None:
    phone = school.phone("committee")
    phone.talks("我的数据", "2")
    release(school, "committee")

    assert phone.says("1").startswith(school.words("errors.not_found"))
    assert school.rows(Mute) == []
