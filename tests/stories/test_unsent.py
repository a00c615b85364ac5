"""What was typed for a teacher and not sent: one reminder, then the teachers hear of it. Rules: docs/rules.md#concerns."""

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlmodel import select

from models import clock, db
from models.channel import Channel
from models.contact import Contact
from models.outbox import Push, PushKind, PushState, Reason
from models.person import Kind
from models.post import Role
from models.talk import TalkLog
from models.unsent import next_of_unsent, remind
from tests.stories.cast import add_person, appoint, said_by
from tests.workers.office import Office
from tests.world import World
from workers.delivery import drain
from workers.sweeps import put_away_talks, remind_of_unsent

SECRET = "半夜总在走廊哭"
ABOUT_TWIN = ("有事", "别人", "2023010104", SECRET)
CLASS_BEGUN = ("周报", "1", "1", "2", "2023010104", SECRET)
CLASS_QUESTION = ("周报", "1", "1", "4", SECRET)
ROOM_BEGUN = ("宿舍", "2", "1", SECRET)


def sweep(world: World) -> None:
    """What a scheduler does for talks now."""
    remind_of_unsent(world.policy, now=world.now)
    put_away_talks(world.policy.talk_lasts, now=world.now)


def told(world: World, kind: PushKind) -> list[tuple[str, Push]]:
    who = {person_id: name for name, person_id in world.people.items()}
    return [(who[push.person_id], push) for push in world.pushes() if push.kind is kind]


def names(world: World, kind: PushKind) -> list[str]:
    return [who for who, _ in told(world, kind)]


@pytest.mark.parametrize(
    ("who", "texts"),
    [
        ("student", ABOUT_TWIN),
        ("student", ABOUT_TWIN[:3]),  # somebody was named
        ("committee", CLASS_BEGUN),
        ("committee", (*CLASS_BEGUN, "1", "1", "1")),  # all is there but 「发送」
        ("committee", CLASS_QUESTION),
        ("officer", ROOM_BEGUN),
    ],
)
def test_an_unsent_concern_is_reminded_once_and_then_the_teacher_hears_that_there_was_one(
    world: World, who: str, texts: tuple[str, ...]
) -> None:
    phone = world.phone(who)
    phone.talks(*texts)

    world.forward(hours=21, minutes=59)
    sweep(world)
    assert world.pushes() == []

    world.forward(minutes=2)
    sweep(world)
    sweep(world)
    assert names(world, PushKind.CONCERN_WAITS) == [who]

    world.forward(hours=2)
    sweep(world)
    sweep(world)
    ((reader, push),) = told(world, PushKind.CONCERN_UNSENT)
    assert reader == "advisor"
    assert "软件2301有一份没发出" in said_by(world, push)
    for each in world.pushes():
        for word in (SECRET, "何小雨", "2023010104", "3-301"):
            assert word not in said_by(world, each)
    assert [row.log for row in world.rows(TalkLog)] == [None]
    assert phone.says("你好").split("\n")[0].endswith(("回复「有事」。", "回复「周报」。", "回复「宿舍」。"))
    assert "老师只知道有一份没发出" in (phone.heard[-1] or "")
    assert "老师只知道有一份没发出" not in phone.says("你好")


@pytest.mark.parametrize(
    ("who", "texts"),
    [
        ("student", ("有事", "别人")),
        ("committee", ("周报", "1", "1")),
        ("committee", ("周报", "2", "1", "1", "宿舍晚上有点吵")),
        ("committee", ("周报", "1", "1", "2")),
        ("officer", ("宿舍", "1")),
        ("committee", ("看小结",)),
        ("student", ("0", "1")),
    ],
)
def test_a_talk_without_anything_for_a_teacher_is_put_away_in_silence(
    world: World, who: str, texts: tuple[str, ...]
) -> None:
    world.phone(who).talks(*texts)

    for hours in (22, 1, 2):
        world.forward(hours=hours)
        sweep(world)

    assert names(world, PushKind.CONCERN_WAITS) == names(world, PushKind.CONCERN_UNSENT) == []


@pytest.mark.parametrize(
    "ending",
    [
        ("取消",),
        ("1", "1", "1", "1"),  # sent
        ("1", "1", "1", "2"),  # 「先不发」
        ("返回", "返回"),  # back to before anybody was named
        ("有事", "返回", "返回", "返回"),
    ],
)
def test_what_its_person_ended_or_took_back_is_told_to_nobody(world: World, ending: tuple[str, ...]) -> None:
    phone = world.phone("student")
    phone.talks(*ABOUT_TWIN)
    world.forward(hours=23)
    sweep(world)
    phone.talks(*ending)
    assert {row.unsent_for for row in world.rows(TalkLog)} == {None}

    world.forward(hours=30)
    sweep(world)

    assert names(world, PushKind.CONCERN_WAITS) == ["student"]
    assert names(world, PushKind.CONCERN_UNSENT) == []


def test_who_changes_their_mind_in_the_check_in_has_nothing_unsent(world: World) -> None:
    phone = world.phone("committee")
    phone.talks(*CLASS_BEGUN, "1", "1", "1")
    assert {row.unsent_for for row in world.rows(TalkLog)} == {world.units["软件2301"]}

    phone.talks("再改改", "3", "1")  # 「暂时没有」

    assert {row.unsent_for for row in world.rows(TalkLog)} == {None}


def test_a_talk_under_another_one_is_still_unsent(world: World) -> None:
    phone = world.phone("student")
    phone.talks(*ABOUT_TWIN, "0")  # the call for help stands above it

    assert {row.unsent_for for row in world.rows(TalkLog)} == {world.units["软件2301"]}


def test_a_concern_about_somebody_of_another_class_would_have_gone_to_their_teachers(world: World) -> None:
    add_person(world, "roommate", "2023020107", "白露", Kind.STUDENT, class_="软件2302", dorm="3-301")
    world.phone("student").talks("有事", "别人", "白露", SECRET)

    world.forward(hours=24, seconds=2)
    sweep(world)

    assert names(world, PushKind.CONCERN_UNSENT) == ["teacher"]


def test_a_check_in_of_another_class_goes_to_that_class_s_teachers(world: World) -> None:
    appoint(world, "committee", Role.COMMITTEE_MEMBER, "软件2302")
    world.phone("committee").talks("周报", "软件2302", "1", "1", "4", SECRET)

    world.forward(hours=24, seconds=2)
    sweep(world)

    assert names(world, PushKind.CONCERN_UNSENT) == ["teacher"]


def test_a_writer_who_is_the_teacher_is_not_told_of_their_own(world: World) -> None:
    world.phone("advisor").talks("有事", "别人", "林晓禾", SECRET)

    world.forward(hours=24, seconds=2)
    sweep(world)

    assert names(world, PushKind.CONCERN_UNSENT) == ["head"]


def test_who_has_sent_one_since_is_taken_at_that(world: World) -> None:
    phone = world.phone("committee")
    phone.talks(*CLASS_BEGUN)
    world.forward(hours=1)
    with db.unit_of_work() as session:  # the same person's other account
        mine = world.people["committee"]
        session.add(Contact(channel=Channel.WECOM, address="other", person_id=mine, bound_at=world.now))
    other = world.phone("duty", bound=False, address="other")
    assert other.talks(*ABOUT_TWIN, "1", "1", "1", "1").startswith("收到，已送到")

    world.forward(hours=24)
    sweep(world)

    assert names(world, PushKind.CONCERN_UNSENT) == []
    assert "老师只知道有一份没发出" not in phone.says("你好")


def test_the_reminder_is_not_repeated_for_the_same_words(world: World) -> None:
    phone = world.phone("student")
    phone.talks(*ABOUT_TWIN)
    world.forward(hours=23)
    sweep(world)
    phone.says("1")  # one more answer, and silence again

    world.forward(hours=23)
    sweep(world)
    assert names(world, PushKind.CONCERN_WAITS) == ["student"]

    world.forward(hours=2)
    sweep(world)
    assert names(world, PushKind.CONCERN_UNSENT) == ["advisor"]


def test_a_new_concern_is_reminded_anew(world: World) -> None:
    phone = world.phone("student")
    for _ in range(2):
        phone.talks(*ABOUT_TWIN)
        world.forward(hours=23)
        sweep(world)
        phone.says("取消")

    assert names(world, PushKind.CONCERN_WAITS) == ["student", "student"]


def test_a_reminder_does_not_outlive_the_silence_it_speaks_of(office: Office) -> None:
    world = office.world
    phone = world.phone("student")
    phone.talks(*ABOUT_TWIN)
    world.forward(hours=23)
    sweep(world)
    phone.says("1")

    drain()

    ((_, push),) = told(world, PushKind.CONCERN_WAITS)
    assert (push.state, push.reason) == (PushState.SUPPRESSED, Reason.OVERTAKEN)
    assert office.arrived() == []


def test_a_reminder_goes_out_while_the_talk_waits(office: Office) -> None:
    world = office.world
    address = office.bind("student", Channel.OFFICIAL_ACCOUNT, window=True)
    world.phone("student", bound=False, address=address).talks(*ABOUT_TWIN)
    world.forward(hours=23)
    sweep(world)

    drain()

    ((_, push),) = told(world, PushKind.CONCERN_WAITS)
    assert push.state is PushState.ACCEPTED
    assert len(office.arrived()) == 1


def test_a_short_lived_talk_is_reminded_half_way(world: World) -> None:
    phone = world.phone("student")
    phone.talks(*ABOUT_TWIN)
    policy = replace(world.policy, talk_lasts=timedelta(hours=1))

    with db.unit_of_work() as session:
        assert remind(session, policy, now=world.now + timedelta(minutes=29)) == 0
        assert remind(session, policy, now=world.now + timedelta(minutes=31)) == 1
        assert remind(session, policy, now=world.now + timedelta(minutes=32)) == 0


def test_nobody_is_woken_for_what_they_did_not_send(world: World) -> None:
    world.forward(hours=9, minutes=30)  # 5:00 in the morning: due at 3:00 of the night after
    world.phone("student").talks(*ABOUT_TWIN)

    world.forward(hours=17)  # 22:00
    sweep(world)
    assert names(world, PushKind.CONCERN_WAITS) == []
    world.forward(minutes=20)  # the quiet hours begin at 22:30
    sweep(world)

    assert names(world, PushKind.CONCERN_WAITS) == ["student"]


def test_somebody_who_has_unbound_is_not_written_to_and_not_spoken_of(world: World) -> None:
    phone = world.phone("student")
    phone.talks(*ABOUT_TWIN)
    with db.unit_of_work() as session:
        contact = session.exec(select(Contact).where(Contact.address == phone.address)).one()
        contact.person_id = None
        session.add(contact)

    for hours in (23, 2):
        world.forward(hours=hours)
        sweep(world)

    assert world.pushes() == []


def test_several_schedulers_remind_once_and_tell_once(world: World) -> None:
    world.phone("student").talks(*ABOUT_TWIN)
    for hours, kind in ((23, PushKind.CONCERN_WAITS), (2, PushKind.CONCERN_UNSENT)):
        world.forward(hours=hours)
        threads = [threading.Thread(target=lambda: sweep(world)) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(told(world, kind)) == 1


def test_the_moments_of_an_unsent_talk_are_known(world: World) -> None:
    lasts = world.policy.talk_lasts
    with db.unit_of_work(write=False) as session:
        assert next_of_unsent(session, lasts) is None
    world.phone("student").talks(*ABOUT_TWIN)

    seen = []
    for _ in range(2):
        with db.unit_of_work(write=False) as session:
            moment = next_of_unsent(session, lasts)
        assert moment is not None
        clock.move_to(moment)
        sweep(world)
        seen.append([push.kind for push in world.pushes()])

    assert seen == [[PushKind.CONCERN_WAITS], [PushKind.CONCERN_WAITS, PushKind.CONCERN_UNSENT]]
    with db.unit_of_work(write=False) as session:
        assert next_of_unsent(session, lasts) is None
