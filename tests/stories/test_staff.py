"""What the staff see: lists with counts in the chat, words behind a link, and each only their own. Rules: domain 2.2, 6.2."""

from collections.abc import Callable

import pytest

from models import db
from models.alert import Alert
from models.audit import Audit, Fact
from models.errors import NotFoundError
from models.link import Link
from models.person import Kind
from models.post import Role
from models.summary import access_alert_page, access_class_page
from models.unit import Level
from tests.stories.cast import add_person, add_unit, appoint, edit, link_in, opened, options, page, release
from tests.world import World

SEEN = "这周有三次没来上课"


def sent_with_a_concern(world: World) -> None:
    """The class's week came, with somebody to look after."""
    phone = world.phone("committee")
    phone.talks("周报", "2", "1 5", "2", "期中之后大家都很累", "1", "2", "周一帆", SEEN, "2", "2", "1", "1")


# ── 看小结 ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_list_holds_class_count_and_level_and_nothing_more(school: World) -> None:
    sent_with_a_concern(school)

    reply = school.phone("advisor").says("看小结")

    assert options(reply) == ["软件2301 · 待看 1 条 · 重点关注 · 有起伏"]
    for words in ("周一帆", SEEN, "期中", "林晓禾"):
        assert words not in reply


def test_a_number_gives_a_link_to_the_words(world: World) -> None:
    sent_with_a_concern(world)
    advisor = world.phone("advisor")
    advisor.says("看小结")

    reply = advisor.says("打开 1")

    assert "十分钟内有效，只能打开一次" in reply
    shown = page(world, reply)
    for words in (
        "软件2301",
        "林晓禾 于",
        "有起伏的是：学习、情感",
        "小范围",
        "期中之后大家都很累",
        "在校 5 人、请假 0 人",
        "周一帆（2023010102）",
        "重点关注",
        SEEN,
        "一两周",
    ):
        assert words in shown
    assert Fact.SUMMARY_READ in world.facts()


@pytest.mark.parametrize("said", ["1", "打开 1", "打开1", "软件2301", "第一个", "１、"])
def test_a_class_is_chosen_by_number_or_by_name(school: World, said: str) -> None:
    sent_with_a_concern(school)

    assert "/open/" in school.phone("advisor").talks("看小结", said)


def test_an_uneven_week_without_a_name_does_not_look_calm(school: World) -> None:
    school.phone("committee").talks("周报", "2", "4", "3", "家里的事多", "1", "1", "1")
    advisor = school.phone("advisor")

    assert options(advisor.says("看小结")) == ["软件2301 · 有起伏"]
    assert "家里的事多" in page(school, advisor.says("1"))


def test_a_question_or_a_dorm_s_words_wait_without_a_level(world: World) -> None:
    world.phone("committee").talks("周报", "1", "1", "4", "该怎么开口？", "1")
    world.phone("officer").talks("宿舍", "2", "1", "很吵", "1", "1")

    assert options(world.phone("advisor").says("看小结")) == ["软件2301 · 待看 2 条 · 五个方面平稳"]


def test_what_was_opened_counts_as_seen(world: World) -> None:
    sent_with_a_concern(world)
    advisor = world.phone("advisor")
    page(world, advisor.talks("看小结", "1"))

    assert options(advisor.says("看小结")) == ["软件2301 · 1 条都看过了 · 重点关注 · 有起伏"]
    assert "新</span>" not in page(world, advisor.says("1"))


def test_a_link_that_nobody_pressed_marks_nothing_as_seen(school: World) -> None:
    sent_with_a_concern(school)
    advisor = school.phone("advisor")
    school.app.test_client().get(link_in(advisor.talks("看小结", "1")))

    assert "待看 1 条" in advisor.says("看小结")


def test_asking_again_shows_what_came_meanwhile(world: World) -> None:
    world.phone("officer").talks("宿舍", "2", "1", "很吵", "1", "1")
    advisor = world.phone("advisor")
    assert options(advisor.says("看小结")) == ["软件2301 · 待看 1 条"]

    sent_with_a_concern(world)

    assert options(advisor.says("看小结")) == ["软件2301 · 待看 2 条 · 重点关注 · 有起伏"]


def test_a_number_means_what_was_shown_whatever_came_since(school: World) -> None:
    school.phone("officer").talks("宿舍", "2", "1", "很吵", "1", "1")
    appoint(school, "neighbour", Role.COMMITTEE_MEMBER, "软件2302")
    head = school.phone("head")
    assert options(head.says("看小结")) == ["软件2301 · 待看 1 条"]

    school.phone("neighbour").talks("周报", "1", "1", "有一位", "班里的同学", SEEN, "1", "3", "1", "1")

    assert "很吵" in page(school, head.says("1"))


def test_with_nothing_there_the_next_step_is_named(school: World) -> None:
    assert "「进度」" in school.phone("advisor").says("看小结")
    assert "「进度」" not in school.phone("leader").says("看小结")


def test_a_correction_is_marked_and_shows_the_newest_words(world: World) -> None:
    phone, advisor = world.phone("committee"), world.phone("advisor")
    phone.talks("周报", "2", "1", "1", "第一版", "1", "1", "1")
    phone.talks("周报", "1", "2", "1", "1", "第二版", "1", "1", "1")

    shown = page(world, advisor.talks("看小结", "1"))

    assert "第二版" in shown
    assert "第一版" not in shown
    assert "第 2 份" in shown


def test_many_classes_come_a_page_at_a_time(school: World) -> None:
    names = [f"网络与新媒体工程23{at:02}" for at in range(40)]
    for at, name in enumerate(names):
        add_unit(school, name, Level.CLASS, "信息学院")
        add_person(school, name, f"30{at:02}", f"同学{at}", Kind.STUDENT, class_=name)
        appoint(school, name, Role.COMMITTEE_MEMBER, name)
        school.phone(name).talks("周报", "1", "1", "1", "1")
    head = school.phone("head")

    seen: list[str] = []
    reply = head.says("看小结")
    while "更多" in options(reply):
        assert len(reply.encode()) <= 2000
        seen += options(reply)[:-1]
        reply = head.says("更多")
    seen += options(reply)[:-1]

    assert [label.split(" · ")[0] for label in seen] == names
    assert options(reply)[-1] == "从头看"
    assert "/open/" in head.says(names[17])  # a name works wherever the page stands


# ── the page ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_looking_spends_nothing_and_the_button_spends_it_once(world: World) -> None:
    sent_with_a_concern(world)
    reply = world.phone("advisor").talks("看小结", "1")
    client, path = world.app.test_client(), link_in(reply)

    for _ in range(3):
        looked = client.get(path)
        assert looked.status_code == 200
        assert SEEN not in looked.get_data(as_text=True)
        assert 'method="post"' in looked.get_data(as_text=True)
    client.head(path)
    assert SEEN in opened(world, reply).get_data(as_text=True)

    for again in (client.get(path), client.post(path)):
        assert again.status_code == 404
        assert "已经用过或过期了" in again.get_data(as_text=True)
        assert SEEN not in again.get_data(as_text=True)


def test_a_link_lasts_ten_minutes(world: World) -> None:
    sent_with_a_concern(world)
    advisor = world.phone("advisor")
    first, second = advisor.talks("看小结", "1"), advisor.says("1")

    world.forward(minutes=9, seconds=59)
    assert opened(world, first).status_code == 200
    world.forward(seconds=1)
    assert opened(world, second).status_code == 404


def test_access_is_checked_again_when_the_link_is_opened(world: World) -> None:
    sent_with_a_concern(world)
    reply = world.phone("advisor").talks("看小结", "1")

    release(world, "advisor")

    response = opened(world, reply)
    assert response.status_code == 404
    assert SEEN not in response.get_data(as_text=True)


@pytest.mark.parametrize("path", ["/open/", "/open/x", "/open/" + "A" * 5000, "/open/..%2f..", "/open/%00"])
def test_a_made_up_link_looks_like_an_old_one(school: World, path: str) -> None:
    for response in (school.app.test_client().get(path), school.app.test_client().post(path)):
        assert response.status_code == 404


def test_the_page_is_never_stored_indexed_or_framed(school: World) -> None:
    sent_with_a_concern(school)
    reply = school.phone("advisor").talks("看小结", "1")

    for response in (school.app.test_client().get(link_in(reply)), opened(school, reply)):
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert "noindex" in response.headers["X-Robots-Tag"]
        assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]


def test_a_link_s_token_is_nowhere_in_the_database_in_clear(school: World) -> None:
    sent_with_a_concern(school)
    token = link_in(school.phone("advisor").talks("看小结", "1")).removeprefix("/open/")

    (link,) = school.rows(Link)
    assert token not in str(vars(link))


def test_what_somebody_typed_cannot_become_markup(school: World) -> None:
    evil = "<script>alert(1)</script><img src=x onerror=alert(1)>{{ words }}"
    school.phone("committee").talks("周报", "2", "1", "1", evil, "1", "2", "<b>某人</b>", evil, "1", "1", "1", "1")

    shown = page(school, school.phone("advisor").talks("看小结", "1"))

    assert "<script>" not in shown
    assert "<b>" not in shown
    assert "&lt;script&gt;" in shown


def test_every_reading_is_a_fact_with_its_reader(world: World) -> None:
    sent_with_a_concern(world)
    page(world, world.phone("head").talks("看小结", "1"))

    (read,) = [row for row in world.rows(Audit) if row.fact is Fact.SUMMARY_READ]
    assert (read.actor_id, read.subject) == (world.people["head"], f"unit:{world.units['软件2301']}")


# ── 进度 ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_progress_says_done_not_yet_and_late(world: World) -> None:
    appoint(world, "neighbour", Role.COMMITTEE_MEMBER, "软件2302")
    head = world.phone("head")
    world.phone("committee").talks("周报", "1", "1", "1", "1")

    early = head.says("进度")
    assert early.startswith("本周小结：2 个班里 1 个已交（11月16日 周一 12:00 截止）")
    assert "✓ 软件2301（11月15日 周日 19:30）" in early
    assert "· 软件2302 还没交" in early

    world.forward(hours=17)
    assert "！软件2302 过了截止时间，还没交" in head.says("进度")

    world.phone("neighbour").talks("周报", "1", "1", "1", "1")
    late = head.says("进度")
    assert "2 个班里 2 个已交" in late
    assert "✓ 软件2302（晚交，11月16日 周一 12:30）" in late


def test_a_correction_after_due_makes_nobody_late(school: World) -> None:
    phone = school.phone("committee")
    phone.talks("周报", "1", "1", "1", "1")
    school.forward(hours=20)
    phone.talks("周报", "1", "3", "1", "1", "1")

    assert "✓ 软件2301（11月15日 周日 19:30）" in school.phone("head").says("进度")


def test_an_advisor_sees_only_their_own_classes(school: World) -> None:
    reply = school.phone("advisor").says("进度")

    assert "软件2301" in reply
    assert "软件2302" not in reply


def test_a_long_list_of_classes_comes_a_page_at_a_time_missing_ones_first(school: World) -> None:
    names = [f"网络与新媒体工程23{at:02}" for at in range(70)]
    for at, name in enumerate(names):
        add_unit(school, name, Level.CLASS, "信息学院")
        add_person(school, name, f"30{at:02}", f"同学{at}", Kind.STUDENT, class_=name)
    school.phone("committee").talks("周报", "1", "1", "1", "1")
    head = school.phone("head")

    replies = [head.says("进度")]
    while options(replies[-1]):
        replies.append(head.says("1"))

    assert all(len(reply.encode()) <= 2000 for reply in replies)
    whole = "\n".join(replies)
    assert [name for name in names if whole.count(f"{name} 还没交") == 1] == names
    assert "✓ 软件2301" in replies[-1]
    assert replies[-1].endswith("想看内容，回复「看小结」。")


# ── who may what ────────────────────────────────────────────────────────────────────────────────────────────────

STUDENTS: dict[str, list[tuple[Role, str]]] = {
    "student": [],
    "officer": [(Role.DORM_OFFICER, "3-301")],
    "committee": [(Role.COMMITTEE_MEMBER, "软件2301")],
}
STAFF: dict[str, list[tuple[Role, str]]] = {
    "nobody": [],
    "advisor": [(Role.ADVISOR, "软件2301")],
    "class teacher": [(Role.CLASS_TEACHER, "软件2301")],
    "other advisor": [(Role.ADVISOR, "软件2302")],
    "station head": [(Role.STATION_HEAD, "信息学院")],
    "other head": [(Role.STATION_HEAD, "经管学院")],
    "college lead": [(Role.COLLEGE_LEAD, "信息学院")],
    "affairs director": [(Role.AFFAIRS_DIRECTOR, "信息学院")],
    "centre": [(Role.CENTRE, "测试学院")],
    "centre director": [(Role.CENTRE_DIRECTOR, "测试学院")],
    "counselor": [(Role.COUNSELOR, "测试学院")],
    "leading group": [(Role.LEADING_GROUP, "测试学院")],
    "on duty": [],  # anybody may be on the list, somebody of the school's guards too
}
OWN = {"advisor", "class teacher", "station head", "college lead", "affairs director"}
MATRIX: dict[str, set[str]] = {
    "start 看小结": set(STAFF),
    "start 进度": OWN | {"other advisor", "other head", "centre", "centre director"},
    "read the class": OWN,
    "read the call": {"on duty"},
    "start 周报": {"committee"},
    "start 宿舍": {"officer"},
    "start 有事": {*STUDENTS, *STAFF},
    "start 我的数据": {*STUDENTS, *STAFF},
}


def player(world: World, name: str) -> int:
    """A person with exactly these posts."""
    if name in STUDENTS:
        return world.people[name]
    add_person(world, name, "T800" if name == "on duty" else f"T7{len(name):02}", f"某{name}", Kind.STAFF)
    for role, unit in STAFF[name]:
        appoint(world, name, role, unit)
    return world.people[name]


def may(action: Callable[[], object]) -> bool:
    """Whether an action is allowed; a refusal looks like something missing."""
    try:
        action()
    except NotFoundError:
        return False
    return True


@pytest.mark.parametrize("name", [*STUDENTS, *STAFF])
def test_the_matrix_of_who_may_what(school: World, name: str) -> None:
    add_unit(school, "经管学院", Level.COLLEGE, "测试学院")
    if name != "committee":
        sent_with_a_concern(school)
    school.phone("second").talks("0", "2")  # calls everybody on duty
    school.phone("advisor")
    school.phone("duty")
    edit(school, "leader", number="T801")  # so that it is the player who may be on the duty list
    person_id = player(school, name)
    phone = school.phone(name)
    class_id, (alert,) = school.units["软件2301"], school.rows(Alert)

    allowed = {
        f"start {word}": not _refused(phone.says(word))
        for word in ("看小结", "进度", "周报", "宿舍", "有事", "我的数据")
    }
    with db.unit_of_work() as session:
        policy, now = school.policy, school.now
        allowed["read the class"] = may(
            lambda: access_class_page(session, policy.checkin, person_id, class_id, now=now)
        )
        allowed["read the call"] = may(lambda: access_alert_page(session, policy.duty, person_id, alert.id, now=now))

    assert allowed == {action: name in who for action, who in MATRIX.items()}


def _refused(reply: str) -> bool:
    return "你的名单里还没有它" in reply


def test_the_centre_reads_a_class_only_while_nobody_nearer_can_be_reached(world: World) -> None:
    sent_with_a_concern(world)
    duty = world.phone("duty")

    assert SEEN in page(world, duty.talks("看小结", "软件2301"))

    reply = duty.says("1")
    world.phone("head")
    assert opened(world, reply).status_code == 404
    assert duty.says("看小结").startswith("现在没有要看的内容")


def test_what_is_missing_and_what_is_not_yours_look_the_same(school: World) -> None:
    with db.unit_of_work() as session:
        errors = []
        for class_id in (school.units["软件2302"], school.units["3-301"], 9999):
            with pytest.raises(NotFoundError) as caught:
                access_class_page(session, school.policy.checkin, school.people["advisor"], class_id, now=school.now)
            errors.append(caught.value.key)
    assert errors == ["errors.not_found"] * 3


def test_old_concerns_leave_the_list_after_two_weeks(school: World) -> None:
    sent_with_a_concern(school)
    advisor = school.phone("advisor")

    school.forward(days=13, hours=23)
    assert "待看 1 条" in advisor.says("看小结")
    school.forward(hours=2)
    assert "待看" not in advisor.says("看小结")


def test_a_call_leaves_the_list_after_three_days(school: World) -> None:
    school.phone("student").talks("0", "2")
    duty = school.phone("duty")

    school.forward(days=2, hours=23)
    assert options(duty.says("看小结"))[0].startswith("紧急 · 软件2301")
    school.forward(hours=2)
    assert "紧急 ·" not in duty.says("看小结")


def test_time_stands_in_the_school_s_zone(school: World) -> None:
    school.forward(hours=5)
    school.phone("committee").talks("周报", "1", "1", "1", "1")

    assert "11月16日 周一 00:30" in page(school, school.phone("advisor").talks("看小结", "1"))
