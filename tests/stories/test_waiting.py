"""「查看」: what waited for somebody, told once, a few lines at a time, whatever question is open."""

import json
import re
from typing import Any

import pytest
import sqlalchemy as sa

from models import db
from models.channel import Channel
from models.outbox import KINDS, Push, PushKind, PushState, Reason, Route, WayName, plan
from tests.rows import everything
from tests.stories.cast import opened, options
from tests.workers.office import Office
from tests.world import World
from workers.delivery import drain

NOTHING = "现在没有等着你看的消息"
MENU = "你好。可以回复："


def told(world: World, who: str, kind: PushKind = PushKind.CONCERN_UNSENT, *, fact: str = "", **data: Any) -> int:
    """Plan one push that is due now."""
    values = {name: f"{name}甲" for name in KINDS[kind].fields} | data
    with db.unit_of_work() as session:
        fact = fact or f"test:{len(world.pushes())}"
        push_id = plan(session, fact, kind, world.people[who], now=world.now, **values)
    assert push_id is not None
    return push_id


def mark(world: World, push_id: int, **values: Any) -> None:
    """Put a row into a state, as delivery would."""
    with db.unit_of_work() as session:
        session.execute(sa.update(Push).where(sa.column("id") == push_id).values(paced_at=world.now, **values))


def row(push_id: int) -> Push:
    with db.unit_of_work(write=False) as session:
        return session.get_one(Push, push_id)


def numbers(reply: str) -> list[str]:
    """The pushes that a reply shows, by their numbers."""
    return re.findall(r"编号 (\w{4})", reply)


HINTED = {"state": PushState.DELIVERED, "channel": Route.OFFICIAL_ACCOUNT.value, "way": WayName.TEMPLATE}
WHOLE = {"state": PushState.ACCEPTED, "channel": Route.WECOM.value, "way": WayName.TEXT}


# ── what is shown ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_nothing_waiting_is_one_kind_sentence(world: World) -> None:
    reply = world.phone("student").says("查看")

    assert reply.startswith(NOTHING)
    assert "\n" not in reply


def test_a_stranger_gets_the_menu_as_before(school: World) -> None:
    phone = school.phone("student", bound=False)

    assert phone.says("查看") == phone.says("更多") == phone.says("帮助")


def test_what_was_not_sent_yet_is_told_whole_and_ends_there(world: World) -> None:
    push_id = told(world, "advisor", unit="软件2301")

    phone = world.phone("advisor")
    reply = phone.says("查看")

    it = row(push_id)
    assert world.words("push.concern_unsent", unit="软件2301", number=it.number) in reply
    assert (it.state, it.reason, it.channel, it.way) == ("accepted", Reason.SHOWN, Channel.WECOM, WayName.SHOWN)
    assert it.seen_at is not None
    assert it.seen_at == it.settled_at
    assert phone.says("查看").startswith(NOTHING)


@pytest.mark.parametrize(
    "values",
    [
        HINTED,
        {"state": PushState.ACCEPTED, "channel": Route.FALLBACK.value, "way": WayName.NOTICE},
        {**WHOLE, "reason": Reason.IN_DIGEST},
        {**WHOLE, "reason": Reason.IN_COUNT},
        {"state": PushState.UNCERTAIN, "channel": Route.OFFICIAL_ACCOUNT.value, "reason": Reason.ANSWER_LOST},
        {"state": PushState.EXHAUSTED, "reason": Reason.UNREACHABLE},
    ],
)
def test_what_was_only_hinted_at_or_did_not_arrive_waits(school: World, values: dict[str, Any]) -> None:
    push_id = told(school, "advisor")
    mark(school, push_id, **values)
    phone = school.phone("advisor")

    assert numbers(phone.says("查看")) == [row(push_id).number]
    assert row(push_id).seen_at is not None
    assert phone.says("查看").startswith(NOTHING)


@pytest.mark.parametrize(
    "values",
    [
        WHOLE,
        {**HINTED, "seen_at": sa.column("due_at")},
        {"state": PushState.SUPPRESSED, "reason": Reason.OVERTAKEN},
        {"state": PushState.EXHAUSTED, "reason": Reason.EXPIRED},
        {"due_at": sa.column("expires_at")},
    ],
)
def test_what_was_told_is_seen_or_is_over_does_not(school: World, values: dict[str, Any]) -> None:
    mark(school, told(school, "advisor"), **values)

    assert school.phone("advisor").says("查看").startswith(NOTHING)


def test_nobody_sees_what_waits_for_somebody_else(school: World) -> None:
    push_id = told(school, "advisor")

    assert school.phone("teacher").says("查看").startswith(NOTHING)
    assert row(push_id).state is PushState.QUEUED


def test_what_does_not_hold_any_more_is_not_told_late(world: World) -> None:
    world.phone("committee").talks("周报", "1", "1", "1", "1")
    (came,) = [it for it in world.pushes("advisor") if it.kind is PushKind.CHECKIN_CAME]
    stands = told(world, "advisor")
    mark(world, came.id or 0, **HINTED)
    data = json.loads(came.data) | {"version": 99}  # a correction has come since
    with db.unit_of_work() as session:
        session.execute(sa.update(Push).where(sa.column("id") == came.id).values(data=json.dumps(data)))

    assert numbers(world.phone("advisor").says("查看")) == [row(stands).number]
    assert row(came.id or 0).seen_at is None


def test_a_row_without_what_its_words_want_still_gets_its_line(school: World) -> None:
    push_id = told(school, "advisor")
    mark(school, push_id, data="{}")

    assert numbers(school.phone("advisor").says("查看")) == [row(push_id).number]


def test_cards_about_cards_are_no_news(school: World) -> None:
    told(school, "advisor", PushKind.CARD_TRIAL)
    mark(school, told(school, "advisor", PushKind.CARD_CLOSED, name="方远"), **HINTED)

    assert school.phone("advisor").says("查看").startswith(NOTHING)


# ── a page at a time ────────────────────────────────────────────────────────────────────────────────────────────────


def test_five_lines_a_page_and_the_rest_by_more(world: World) -> None:
    pushes = [told(world, "advisor", unit=f"软件23{at:02}") for at in range(12)]
    phone = world.phone("advisor")

    pages = [phone.says(text) for text in ("查看", "更多", "更多", "更多")]

    shown = [numbers(page) for page in pages]
    assert [len(each) for each in shown] == [5, 5, 2, 0]
    assert [number for each in shown for number in each] == [row(push_id).number for push_id in pushes]
    assert "还有 7 条，回复「更多」接着看。" in pages[0]
    assert "更多" not in pages[2]
    assert MENU in pages[3]


def test_a_page_settles_what_it_shows_and_nothing_else(world: World) -> None:
    pushes = [told(world, "advisor", unit=f"软件23{at:02}") for at in range(7)]
    phone = world.phone("advisor")

    phone.says("查看")

    assert [row(push_id).state for push_id in pushes] == ["accepted"] * 5 + ["queued"] * 2
    rows = everything()
    phone.repeats()
    assert everything() == rows


def test_urgent_ones_come_first(school: World) -> None:
    phone = school.phone("student")
    told(school, "duty", PushKind.CONCERN_UNSENT)
    phone.talks("0", "2")

    lines = school.phone("duty").says("查看").splitlines()

    assert lines[1].startswith("· 紧急：软件2301有同学需要帮助")
    assert lines[2].startswith("· unit甲有一份没发出")


def test_a_page_always_fits_a_reply(school: World) -> None:
    long = "网络与新媒体工程2023级本科一班" * 4
    for _ in range(5):
        told(school, "advisor", unit=long)
    phone = school.phone("advisor")
    phone.talks("有事", "2", "班里的同学")

    replies = [phone.says("查看")]
    while numbers(replies[-1]):
        replies.append(phone.says("查看"))

    assert sum(len(numbers(reply)) for reply in replies) == 5
    assert all(len(reply.encode()) <= 1900 for reply in replies)


# ── with a question open ────────────────────────────────────────────────────────────────────────────────────────────


def test_it_answers_no_open_question_which_is_shown_again(school: World) -> None:
    told(school, "committee", PushKind.CONCERN_WAITS, title="本周小结", word="周报")
    phone = school.phone("committee")
    question = phone.says("周报")

    reply = phone.says("查看")

    assert len(numbers(reply)) == 1
    assert reply.endswith(f"刚才我们说到「本周小结」，接着来。\n\n{question}")
    assert "对得上吗" in phone.says("1")


def test_more_is_the_next_page_where_the_open_question_does_not_take_it(school: World) -> None:
    for at in range(7):
        told(school, "committee", unit=f"软件23{at:02}")
    phone = school.phone("committee")
    phone.says("周报")

    assert "还有 2 条，回复「更多」" in phone.says("查看")
    reply = phone.says("更多")
    assert len(numbers(reply)) == 2
    assert options(reply)[0] == "都还平稳"
    assert "没太看懂" in phone.says("更多")


def test_more_stays_an_answer_where_the_open_question_takes_it(school: World) -> None:
    for at in range(7):
        told(school, "student", unit=f"软件23{at:02}")
    phone = school.phone("student")
    phone.talks("有事", "2", "班里的同学")  # asks what happened, in one's own words

    assert "还有 2 条，回复「查看」接着看" in phone.says("查看")
    assert numbers(phone.says("更多")) == []
    assert len(numbers(phone.says("查看"))) == 2


def test_a_question_that_does_not_fit_below_the_lines_can_be_had_again(school: World) -> None:
    for _ in range(5):
        told(school, "student", unit="网络与新媒体工程2023级本科一班" * 4)
    phone = school.phone("student")
    phone.talks("有事", "2", "班里的同学", "他这几天没来上课。" * 60)
    phone.talks("1", "1", "1")
    shown = phone.says("帮助")

    reply = phone.says("查看")

    assert len(reply.encode()) <= 1900
    assert len(numbers(reply)) >= 1
    assert shown.splitlines()[-2] in reply or "回复「帮助」就能接着" in reply
    assert phone.says("帮助") == shown


# ── lists and links ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("way", ["看小结", "进度", "link"])
def test_opening_a_list_or_a_link_marks_what_was_told_as_seen(world: World, way: str) -> None:
    world.phone("committee").talks("周报", "1", "1", "2", "何小雨", "1", "这周没来上课", "1", "2", "1", "1")
    phone = world.phone("advisor")
    whole, hinted, other = told(world, "advisor"), told(world, "advisor"), told(world, "head")
    for push_id, values in ((whole, WHOLE), (hinted, HINTED), (other, WHOLE)):
        mark(world, push_id, **values)

    if way == "link":
        link = phone.talks("看小结", "1")
        with db.unit_of_work() as session:
            session.execute(sa.update(Push).values(seen_at=None))
        assert opened(world, link).status_code == 200
    else:
        phone.says(way)

    assert row(whole).seen_at is not None
    assert row(hinted).seen_at is None  # 「查看」 still has to tell it
    assert row(other).seen_at is None


# ── with delivery ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_was_shown_is_not_sent_any_more(office: Office) -> None:
    address = office.bind("advisor", Channel.WECOM)
    push_id = told(office.world, "advisor")
    phone = office.world.phone("advisor", bound=False, address=address)

    phone.says("查看")
    drain()

    assert office.row(push_id).state is PushState.ACCEPTED
    assert office.arrived() == []


def test_what_a_template_message_hints_at_is_shown_and_then_seen(office: Office) -> None:
    address = office.bind("student", Channel.OFFICIAL_ACCOUNT)
    push_id = told(office.world, "student", PushKind.REBIND_DONE, platform="公众号")
    drain()
    assert office.row(push_id).way == WayName.TEMPLATE

    reply = office.world.phone("student", bound=False, address=address).says("查看")

    assert numbers(reply) == [office.row(push_id).number]
    assert office.row(push_id).seen_at is not None
    assert drain() == 0
