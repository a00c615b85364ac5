"""Rebinding: a second account asks for a person who has one, and somebody who knows says yes or no. Rules: design, Binding."""

import json
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeVar

import pytest
from sqlmodel import col

from models import db, rebinding
from models.audit import Audit, Fact
from models.bind_code import make_code
from models.contact import Contact
from models.errors import NotFoundError
from models.outbox import Push, PushKind, PushState
from models.person import Kind
from models.post import Role
from models.rebinding import RebindState, RebindWish, access_wish, answer_wish
from models.talk import TalkLog, meet
from tests.phone import Phone
from tests.stories.cast import add_person, appoint, deafen, edit, options, release, said_by, told
from tests.world import DOORS, World
from workers.queue import Doorbell
from workers.rebinding import move_wishes
from workers.schedule import duties
from workers.still_true import holds

T = TypeVar("T")
LINE = "绑定 2023010103 何小雨 0103"


def tick(world: World, **span: float) -> int:
    """Time passes, and the ticker looks; returns how many wishes moved."""
    world.forward(**span)
    return move_wishes(now=world.now)


def whose(world: World, *phones: Phone) -> list[str | None]:
    """Whom each account stands for, by what they do in the cast."""
    names = {person_id: name for name, person_id in world.people.items()}
    found = [world.rows(Contact, col(Contact.address) == phone.address)[0] for phone in phones]
    return [names.get(contact.person_id) for contact in found]


def wishes(world: World) -> list[RebindState]:
    """Where every wish stands."""
    return [it.state for it in world.rows(RebindWish)]


def asked(world: World) -> set[str]:
    """Who is asked to check in person."""
    return told(world, PushKind.REBIND_CONFIRM)


def moved(world: World) -> tuple[Phone, Phone]:
    """A student's phone, and a new one that asks for the same student."""
    first, second = world.phone("student"), world.phone("student", bound=False)
    second.says(LINE)
    return first, second


# ── the first account is asked ──────────────────────────────────────────────────────────────────────────────────────


def test_the_first_account_says_yes_and_the_new_one_has_the_person(world: World) -> None:
    first, second = moved(world)
    assert [push.kind for push in world.pushes("student")] == [PushKind.REBIND_ASK]

    question = first.says("换绑")
    assert "想用另一个微信账号绑定成你，核对号 1" in question
    assert second.address not in question
    assert options(question) == ["是我，换过去", "不是我"]
    assert first.says("1").startswith("换好了：以后用新的微信账号")

    assert whose(world, first, second) == [None, "student"]
    assert wishes(world) == [RebindState.DONE]
    assert world.facts() == [Fact.REBIND_ASKED, Fact.REBOUND]
    assert [push.kind for push in world.pushes("student")] == [PushKind.REBIND_ASK, PushKind.REBIND_DONE]
    assert second.says("我的数据").startswith("这里存着关于你的")
    assert first.says("我的数据").startswith("这里还不知道你是谁")


def test_the_first_account_says_no_and_nothing_moves(world: World) -> None:
    first, second = moved(world)

    reply = first.talks("换绑", "不是我")

    assert reply.startswith("好，没有换，你的账号照旧。")
    assert "请告诉心理中心" in reply
    assert "学校值班 0000-110" in reply
    assert whose(world, first, second) == ["student", None]
    assert wishes(world) == [RebindState.REFUSED]
    assert world.facts() == [Fact.REBIND_ASKED, Fact.REBIND_REFUSED]
    assert told(world, PushKind.REBIND_DONE) == set()


def test_whoever_was_refused_hears_it_kindly_and_may_ask_again_a_day_later(world: World) -> None:
    first, second = moved(world)
    first.talks("换绑", "2")

    heard = second.says("绑定")
    assert "说不是本人" in heard
    assert "当面找心理中心" in heard
    assert heard.splitlines()[2].startswith("认识一下吧")
    assert second.says(LINE.removeprefix("绑定 ")).startswith("这次没有换")
    assert wishes(world) == [RebindState.REFUSED]

    world.forward(days=1)
    assert second.says("绑定").startswith("认识一下吧")
    assert second.says(LINE.removeprefix("绑定 ")).startswith("对上了。这个人还绑定着另一个账号")
    assert wishes(world) == [RebindState.REFUSED, RebindState.ASKED]


def test_asking_twice_is_one_wish_and_one_push(world: World) -> None:
    _, second = moved(world)

    assert second.says(LINE).startswith("对上了。")
    assert second.says("绑定").startswith("之前的换绑（核对号 1）还在等原来的账号回应")
    assert second.says(LINE.removeprefix("绑定 ")).startswith("对上了。")

    assert wishes(world) == [RebindState.ASKED]
    assert len(world.pushes("student")) == 1
    assert world.facts() == [Fact.REBIND_ASKED]


def test_an_account_that_waits_sees_nothing_and_can_call_for_help(school: World) -> None:
    _, second = moved(school)

    for word in ("我的数据", "有事", "周报", "换绑"):
        assert second.says(word).startswith("这里还不知道你是谁")
    assert options(second.says("0")) == ["我自己", "别人", "按错了"]


def test_wrong_tries_count_and_open_no_wish(school: World) -> None:
    school.phone("student")
    second = school.phone("student", bound=False)

    for _ in range(5):
        assert second.says("绑定 2023010103 何小雨 9999").startswith("对不上名单")

    assert second.says(LINE).startswith("试了几次都没对上")
    assert wishes(school) == []


def test_each_of_several_accounts_that_ask_is_shown_and_decided_alone(world: World) -> None:
    first, second = moved(world)
    third = world.phone("student", bound=False)
    third.says(LINE)

    rows = options(first.says("换绑"))
    assert len(rows) == 2
    assert [row.split(" · ")[-1] for row in rows] == ["核对号 1", "核对号 2"]
    first.talks("1", "不是我")
    assert first.talks("换绑", "是我，换过去").startswith("换好了")

    assert whose(world, first, second, third) == [None, None, "student"]
    assert wishes(world) == [RebindState.REFUSED, RebindState.DONE]


def test_the_account_that_has_the_person_now_is_the_one_that_is_asked(school: World) -> None:
    first, second = moved(school)
    third = school.phone("student", bound=False)
    third.says(LINE)

    first.talks("换绑", "1", "是我")
    assert first.says("换绑").startswith("这里还不知道你是谁")
    assert second.talks("换绑", "不是我").startswith("好，没有换")
    assert whose(school, first, second, third) == [None, "student", None]


def test_whoever_says_next_that_it_is_somebody_else_leaves_the_first_wish(school: World) -> None:
    first, second = moved(school)

    assert second.says("绑定 2023010102 周一帆 0102").startswith("周一帆，绑定好了。")
    assert wishes(school) == [RebindState.EXPIRED]
    assert first.says("换绑").startswith("现在没有等你确认的换绑")


def test_no_wish_no_question(school: World) -> None:
    assert school.phone("student").says("换绑").startswith("现在没有等你确认的换绑")


def test_the_person_s_account_on_the_other_platform_may_answer(world: World) -> None:
    edit(world, "advisor", phone="13800001234")
    work, first = world.phone("advisor"), world.phone("student", bound=False)
    first.says("绑定 T100 陈默 1234")
    second = world.phone("student", bound=False)
    second.says("绑定 T100 陈默 1234")

    assert work.talks("换绑", "是我").startswith("换好了：以后用新的微信账号")
    assert whose(world, work, first, second) == ["advisor", None, "advisor"]


def test_what_was_being_written_goes_with_the_account(world: World) -> None:
    edit(world, "advisor", phone="13800001234")
    work, first = world.phone("advisor"), world.phone("student", bound=False)
    first.talks("绑定 T100 陈默 1234", "有事", "2", "班里的同学", "两天没来")
    second = world.phone("student", bound=False)
    second.says("绑定 T100 陈默 1234")

    work.talks("换绑", "是我")

    kept = {it.contact_id: it.log for it in world.rows(TalkLog)}
    (old,) = world.rows(Contact, col(Contact.address) == first.address)
    assert kept[old.id] is None
    assert first.says("1").startswith("你好，这里是")


def test_an_account_that_gave_its_person_away_goes_on_with_none_of_their_talks(school: World) -> None:
    first, second = school.phone("committee"), school.phone("committee", bound=False)
    second.says("绑定 2023010101 林晓禾 0101")
    first.talks("周报", "1", "0", "换绑", "1", "是我")

    assert first.says("1").startswith("你好，这里是")
    assert first.says("周报").startswith("这里还不知道你是谁")


def test_a_code_works_once_also_for_a_new_account(school: World) -> None:
    first, second = school.phone("student"), school.phone("student", bound=False)
    with db.unit_of_work() as session:
        code = make_code(session, "2023010103", now=school.now)
    assert second.says(f"绑定 2023010103 何小雨 {code}").startswith("对上了")
    first.talks("换绑", "是我")

    assert school.phone("student", bound=False).says(f"绑定 2023010103 何小雨 {code}").startswith("对不上名单")


# ── passed on ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_day_of_silence_passes_the_wish_on_to_the_advisor(world: World) -> None:
    advisor = world.phone("advisor")
    first, second = moved(world)
    assert tick(world, hours=23.9) == 0
    assert advisor.says("换绑").startswith("现在没有等你确认的换绑")

    assert tick(world, hours=0.1) == 1
    assert tick(world, hours=1) == 0
    assert asked(world) == {"advisor"}
    assert second.says("绑定").startswith("之前的换绑（核对号 1）正请辅导员或心理中心的老师核对")

    question = advisor.says("换绑")
    assert "何小雨（学号或工号尾号 0103，软件2301）想换到另一个微信账号" in question
    assert second.address not in question
    assert options(question) == ["核对过了，换过去", "不是本人，不换", "还没核对，先放着"]
    assert advisor.says("3").startswith("好，先放着")
    assert advisor.talks("换绑", "1").startswith("换好了，TA 的新账号会收到一条消息")

    assert whose(world, first, second) == [None, "student"]
    (rebound,) = world.rows(Audit, col(Audit.fact) == Fact.REBOUND)
    assert rebound.actor_id == world.people["advisor"]
    assert told(world, PushKind.REBIND_DONE) == {"student"}
    assert first.says("我的数据").startswith("这里还不知道你是谁")


def test_the_advisor_says_no(world: World) -> None:
    advisor = world.phone("advisor")
    first, second = moved(world)
    tick(world, hours=24)

    assert advisor.talks("换绑", "不是本人，不换").startswith("好，没有换，TA 原来的账号照旧")
    assert whose(world, first, second) == ["student", None]
    assert wishes(world) == [RebindState.REFUSED]
    assert second.says(LINE).startswith("这次没有换")


def test_the_first_account_may_still_answer_what_was_passed_on(world: World) -> None:
    first, second = moved(world)
    tick(world, hours=24)

    first.talks("换绑", "是我")
    assert whose(world, first, second) == [None, "student"]


def test_where_nobody_of_the_person_s_listens_it_is_passed_on_at_once(world: World) -> None:
    world.phone("advisor")
    first = world.phone("student")
    first.event("unsubscribe")
    second = world.phone("student", bound=False)

    reply = second.says(LINE)

    assert reply.startswith("对上了。原来的账号联系不上，已经请辅导员或心理中心的老师核对")
    assert "核对号 1" in reply
    assert wishes(world) == [RebindState.PASSED_ON]
    assert {push.kind for push in world.pushes()} == {PushKind.REBIND_CONFIRM}


def test_a_first_account_that_leaves_meanwhile_passes_it_on_at_once(world: World) -> None:
    first, second = moved(world)
    assert tick(world, minutes=1) == 0
    first.event("unsubscribe")

    assert second.says(LINE).startswith("对上了。原来的账号联系不上")
    assert wishes(world) == [RebindState.PASSED_ON]


def test_the_ticker_sees_that_nobody_listens_any_more(world: World) -> None:
    first, _ = moved(world)
    first.event("unsubscribe")

    assert tick(world, seconds=10) == 1
    assert wishes(world) == [RebindState.PASSED_ON]


def test_where_the_first_account_unbinds_the_new_one_just_binds(world: World) -> None:
    first, second = moved(world)
    first.talks("我的数据", "解除绑定", "确定解除")

    assert second.says(LINE).startswith("何小雨，绑定好了。")
    assert wishes(world) == [RebindState.DONE]
    assert whose(world, first, second) == [None, "student"]


def test_where_the_first_account_unbinds_a_teacher_may_say_yes_too(world: World) -> None:
    advisor = world.phone("advisor")
    first, second = moved(world)
    first.talks("我的数据", "解除绑定", "确定解除")
    tick(world, seconds=10)

    assert advisor.talks("换绑", "核对过了").startswith("换好了")
    assert whose(world, first, second) == [None, "student"]


def test_an_old_wish_ends_by_itself_and_nobody_decides_it_later(world: World) -> None:
    advisor = world.phone("advisor")
    first, second = moved(world)
    tick(world, hours=24)
    advisor.says("换绑")

    assert tick(world, days=7) == 1
    assert wishes(world) == [RebindState.EXPIRED]
    assert advisor.talks("换绑", "换绑").startswith("现在没有等你确认的换绑")
    assert first.says("换绑").startswith("现在没有等你确认的换绑")
    heard = second.says("绑定")
    assert heard.startswith("之前的换绑（核对号 1）一直没有等到确认")
    assert whose(world, first, second) == ["student", None]


def test_a_question_that_is_answered_too_late_says_so(world: World) -> None:
    advisor, teacher = world.phone("advisor"), world.phone("head")
    first, second = moved(world)
    tick(world, hours=24)
    for phone in (advisor, teacher, first):
        assert "核对号 1" in phone.says("换绑")

    assert advisor.says("不是本人，不换").startswith("好，没有换")
    assert teacher.says("核对过了，换过去").startswith("这件事已经处理过了")
    assert first.says("是我").startswith("这件事已经处理过了")
    assert whose(world, first, second) == ["student", None]
    assert world.facts(Fact.REBOUND, Fact.REBIND_REFUSED) == [Fact.REBIND_REFUSED]


def test_nobody_reachable_leaves_a_push_that_can_be_seen_to_stand(world: World) -> None:
    moved(world)
    deafen(world, "student")

    tick(world, hours=24)

    assert asked(world) == {"advisor"}  # the nearest there are, none of them bound
    assert {push.state for push in world.pushes() if push.kind is PushKind.REBIND_CONFIRM} == {PushState.QUEUED}


def test_a_school_without_anybody_to_ask_keeps_the_wish(school: World) -> None:
    moved(school)
    for who in ("advisor", "teacher", "head", "duty", "leader"):
        release(school, who)

    tick(school, hours=24)

    assert wishes(school) == [RebindState.PASSED_ON]
    assert asked(school) == set()


def test_the_scheduler_knows_when_a_wish_has_had_its_time(world: World) -> None:
    assert next_step(world) is None
    moved(world)
    assert next_step(world) == world.rows(RebindWish)[0].created_at + timedelta(hours=24)

    (duty,) = [it for it in duties(world.policy, Doorbell("unix:///nowhere")) if it.name == "rebinding"]
    world.forward(hours=24)
    assert duty.run(world.now) == 1
    assert next_step(world) == world.rows(RebindWish)[0].asked_until


def next_step(world: World) -> datetime | None:
    """When the next wish has had its time."""
    with db.unit_of_work(write=False) as session:
        return rebinding.next_step(session)


def test_a_person_who_left_ends_the_wish(school: World) -> None:
    advisor = school.phone("advisor")
    moved(school)
    edit(school, "student", ended_at=school.now)

    tick(school, hours=24)

    assert wishes(school) == [RebindState.EXPIRED]
    assert asked(school) == set()
    assert advisor.says("换绑").startswith("现在没有等你确认的换绑")


# ── who is asked, and who may decide ────────────────────────────────────────────────────────────────────────────────


def of_staff(world: World, who: str) -> Phone:
    """A new account that says it is somebody of the staff, whose own account is silent."""
    number = {"advisor": "T100", "duty": "T900", "leader": "T800", "counselor": "T700"}[who]
    name = {"advisor": "陈默", "duty": "顾安", "leader": "钱校", "counselor": "许诺"}[who]
    edit(world, who, phone="13800001234")
    world.phone(who)
    second = Phone(world.app, DOORS[world.rows(Contact)[-1].channel], f"new-{who}", world.next_id)
    assert second.says(f"绑定 {number} {name} 1234").startswith("对上了")
    tick(world, hours=24)
    return second


@pytest.mark.parametrize(
    ("who", "post", "expected"),
    [
        ("advisor", None, {"duty"}),
        ("leader", None, {"duty"}),
        ("duty", None, {"leader"}),  # of the centre: its director, else the leading group
        ("duty", "director", {"director"}),
        ("counselor", None, {"leader"}),
        ("counselor", "director", {"director"}),
    ],
)
def test_staff_are_confirmed_by_the_centre_and_the_centre_by_its_heads(
    school: World, who: str, post: str | None, expected: set[str]
) -> None:
    add_person(school, "counselor", "T700", "许诺", Kind.STAFF)
    appoint(school, "counselor", Role.COUNSELOR, "测试学院")
    add_person(school, "director", "T600", "安主任", Kind.STAFF)
    if post:
        appoint(school, "director", Role.CENTRE_DIRECTOR, "测试学院")

    of_staff(school, who)

    assert asked(school) == expected


def test_the_only_one_who_could_confirm_is_never_asked_about_themself(school: World) -> None:
    release(school, "leader")

    second = of_staff(school, "duty")

    assert asked(school) == set()
    assert second.says("换绑").startswith("这里还不知道你是谁")


class Sees(StrEnum):
    """From when on somebody may decide a student's wish."""

    ASKED = "asked"  # the person, from an account that they have
    PASSED_ON = "passed on"
    NEVER = "never"


@pytest.mark.parametrize(
    ("who", "sees"),
    [
        ("student", Sees.ASKED),
        ("advisor", Sees.PASSED_ON),
        ("head", Sees.PASSED_ON),
        ("duty", Sees.PASSED_ON),
        ("teacher", Sees.NEVER),  # of the other class
        ("leader", Sees.NEVER),
        ("committee", Sees.NEVER),
        ("twin", Sees.NEVER),
    ],
)
def test_who_may_decide_and_for_everybody_else_it_is_missing(world: World, who: str, sees: Sees) -> None:
    first, _ = moved(world)
    phone = first if who == "student" else world.phone(who)

    for allowed in (sees is Sees.ASKED, sees is not Sees.NEVER):
        assert ("核对号 1" in phone.says("换绑")) is allowed
        phone.says("取消")
        if allowed:
            assert decides(phone, access_wish, 1).id == 1
        else:
            assert refusal(world, phone, 1) == refusal(world, phone, 999)
        tick(world, hours=24)


def decides(phone: Phone, verb: Callable[..., T], wish_id: int, **values: object) -> T:
    """What a verb says to whoever holds a phone."""
    with db.unit_of_work() as session:
        return verb(session, meet(session, phone.door.channel, phone.address).actor, wish_id, **values)


def refusal(world: World, phone: Phone, wish_id: int) -> tuple[str, dict[str, object]]:
    """How a verb refuses."""
    with pytest.raises(NotFoundError) as caught:
        decides(phone, answer_wish, wish_id, yes=True, now=world.now)
    return caught.value.key, caught.value.values


def test_an_advisor_of_two_classes_sees_each_of_them_with_name_tail_and_unit(school: World) -> None:
    appoint(school, "advisor", Role.ADVISOR, "软件2302")
    advisor = school.phone("advisor")
    moved(school)
    school.phone("neighbour")
    school.phone("student", bound=False).says("绑定 2023020106 苏青 0106")
    tick(school, hours=24)

    assert options(advisor.says("换绑")) == [
        "何小雨（尾号 0103）· 软件2301 · 微信 · 核对号 1",
        "苏青（尾号 0106）· 软件2302 · 微信 · 核对号 2",
    ]


# ── at once ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def at_once(phones: Iterable[tuple[Phone, str]]) -> list[str]:
    """Each says its word at the same moment."""
    pairs = list(phones)
    with ThreadPoolExecutor(len(pairs)) as crowd:
        return list(crowd.map(lambda pair: pair[0].says(pair[1]), pairs))


def test_two_confirmations_at_once_are_one(world: World) -> None:
    advisor, head = world.phone("advisor"), world.phone("head")
    first, second = moved(world)
    tick(world, hours=24)
    phones = (first, advisor, head)
    for phone in phones:
        phone.says("换绑")

    replies = at_once((phone, "1") for phone in phones)

    # One has done it; whoever comes after hears so, and the account that lost its person in between is a stranger's.
    assert sum(reply.startswith("换好了") for reply in replies) == 1, replies
    assert whose(world, first, second) == [None, "student"]
    assert world.facts(Fact.REBOUND) == [Fact.REBOUND]
    assert len([push for push in world.pushes() if push.kind is PushKind.REBIND_DONE]) == 1


def test_a_yes_and_a_no_at_once_are_one_of_them(world: World) -> None:
    advisor = world.phone("advisor")
    first, second = moved(world)
    tick(world, hours=24)
    first.says("换绑")
    advisor.says("换绑")

    at_once([(advisor, "1"), (first, "2")])

    (state,) = wishes(world)
    assert state in {RebindState.DONE, RebindState.REFUSED}
    assert len(world.facts(Fact.REBOUND, Fact.REBIND_REFUSED)) == 1
    expected = [None, "student"] if state is RebindState.DONE else ["student", None]
    assert whose(world, first, second) == expected


def test_two_new_accounts_confirmed_at_once_leave_one_account(world: World) -> None:
    advisor, head = world.phone("advisor"), world.phone("head")
    first, second = moved(world)
    third = world.phone("student", bound=False)
    third.says(LINE)
    tick(world, hours=24)
    advisor.talks("换绑", "1")
    head.talks("换绑", "2")

    replies = at_once([(advisor, "1"), (head, "1")])

    assert all(reply.startswith("换好了") for reply in replies), replies
    assert whose(world, first) == [None]
    assert sorted(filter(None, whose(world, second, third))) == ["student"]
    assert wishes(world) == [RebindState.DONE, RebindState.DONE]


# ── pushes ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_no_push_names_the_student_or_an_account(world: World) -> None:
    advisor = world.phone("advisor")
    first, second = moved(world)
    tick(world, hours=24)
    advisor.talks("换绑", "1")

    assert {push.kind for push in world.pushes()} == {
        PushKind.REBIND_ASK,
        PushKind.REBIND_CONFIRM,
        PushKind.REBIND_DONE,
    }
    for push in world.pushes():
        shown = said_by(world, push)
        for word in ("何小雨", "2023010103", "0103", first.address, second.address):
            assert word not in shown


def still(world: World, push: Push) -> bool:
    """Whether a push would still be sent."""
    with db.unit_of_work(write=False) as session:
        return holds(session, push.kind, push.person_id, json.loads(push.data), world.now)


def test_a_push_about_a_wish_that_is_over_is_not_sent(world: World) -> None:
    advisor = world.phone("advisor")
    moved(world)
    tick(world, hours=24)
    questions = [push for push in world.pushes() if push.kind is not PushKind.REBIND_DONE]
    assert all(still(world, push) for push in questions)

    advisor.talks("换绑", "2")
    assert not any(still(world, push) for push in questions)


def test_a_question_to_the_teachers_lasts_as_long_as_the_wish(world: World) -> None:
    moved(world)
    tick(world, hours=24)

    (question,) = [push for push in world.pushes() if push.kind is PushKind.REBIND_CONFIRM]
    (wish,) = world.rows(RebindWish)
    assert question.expires_at == wish.asked_until == question.due_at + timedelta(days=7)
