"""What a student is reminded of and can answer with one tap, days later and twice; what a counselor's card can do."""

import re
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from bot.sandbox.callbacks import text_message
from bot.sandbox.faults import FaultKind
from models import clock, db
from models.audit import Fact
from models.booking import acting
from models.booking.table import AppointmentState, Haste, Side, Waiter, WaiterState
from models.booking.taking import By
from models.channel import Channel
from models.contact import Contact
from models.outbox import Button, Push, PushKind, WayName
from tests.booked import appointment, change, counselor, row
from tests.phone import Phone
from tests.rows import everything
from tests.stories.test_presses import OVER, staff, task
from tests.workers.office import ZONE, Office
from tests.world import DOORS
from workers import appointments
from workers.delivery import drain

TUESDAY = datetime(2026, 11, 17, 15, tzinfo=ZONE)
DEAD, MOVED, PAST, GONE = "这个预约取消了", "时间已经改了", "时间已经过了", "这个时间不在了"


def reminded(office: Office, *, hour: int = 20, day: int = 16) -> Push:
    """Let it be the moment of a reminder, and have it delivered; returns the newest push."""
    clock.move_to(datetime(2026, 11, day, hour, tzinfo=ZONE))
    appointments.take_steps(office.world.policy.booking, now=office.world.now)
    drain()
    return office.row(office.world.pushes()[-1].id or 0)


def on_phone(office: Office, who: str = "student") -> Phone:
    """A student's WeChat, who has just written."""
    address = office.bind(who, Channel.OFFICIAL_ACCOUNT, window=True)
    office.platform.heard(address)
    return office.world.phone(who, bound=False, address=address)


def menu_of(office: Office, phone: Phone, about: int | None = None) -> list[tuple[str, str]]:
    """The lines of the newest message that can be tapped, or of the one about an appointment: name and caption."""
    menus = [it["body"]["msgmenu"]["list"] for it in office.arrived(phone.address) if it["kind"] == "msgmenu"]
    lines = [[(line["id"], line["content"]) for line in menu] for menu in menus]
    if about is None:
        return lines[-1]
    (push,) = [it for it in office.world.pushes() if it.fact == f"appointment:{about}@1"]
    (found,) = [each for each in lines if each[0][0].startswith(task(push))]
    return found


def tap(phone: Phone, line: tuple[str, str]) -> str:
    """Tap a line: its text comes as a message, with the line's name."""
    name, caption = line
    return phone._send(text_message(phone.door, phone.address, caption, msg_id=phone.next_id(), menu_id=name))


# ── at the official account ─────────────────────────────────────────────────────────────────────────────────────────


def test_inside_the_window_a_reminder_can_be_tapped_and_says_nothing_but_the_time(office: Office) -> None:
    phone = on_phone(office)
    appointment(office.world, counselor(office.world), TUESDAY)

    it = reminded(office)

    assert it.way == WayName.MENU
    (arrived,) = office.arrived(phone.address)
    menu = arrived["body"]["msgmenu"]
    assert menu["head_content"].startswith("明天 15:00 有一个预约。")
    assert menu["head_content"].endswith(f"编号 {it.number}")
    assert [caption for _, caption in menu_of(office, phone)] == ["我会来", "改时间", "取消预约"]
    assert not re.search(r"^\s*\d+[.、]", arrived["text"], re.MULTILINE)


def test_outside_the_window_a_template_names_the_word(office: Office) -> None:
    address = office.bind("student", Channel.OFFICIAL_ACCOUNT)
    appointment(office.world, counselor(office.world), TUESDAY)

    assert reminded(office).way == WayName.TEMPLATE
    (arrived,) = office.arrived(address)
    assert "明天有预约，回复「我的预约」" in arrived["text"]


def test_an_account_that_may_not_send_menus_gets_the_text(office: Office) -> None:
    phone = on_phone(office)
    appointment(office.world, counselor(office.world), TUESDAY)
    office.platform.faults.order("custom/send", FaultKind.ERRCODE, errcode=48008, count=1)

    assert reminded(office).way == WayName.TEXT
    (arrived,) = office.arrived(phone.address)
    assert "明天 15:00 有一个预约" in arrived["text"]


def test_i_will_come_is_kept_once_and_a_second_tap_days_later_is_answered_truly(office: Office) -> None:
    phone = on_phone(office)
    id_ = appointment(office.world, counselor(office.world), TUESDAY)
    reminded(office)
    come, _, cancel = menu_of(office, phone)

    assert tap(phone, come)
    assert row(id_).coming_at is not None
    assert tap(phone, come)
    assert office.world.facts(Fact.APPOINTMENT_COMING) == [Fact.APPOINTMENT_COMING]

    clock.move_to(TUESDAY + timedelta(days=1))
    before = row(id_)
    assert tap(phone, come).startswith("那条消息说的时间已经过了")
    assert tap(phone, cancel).startswith("那条消息说的时间已经过了")
    assert row(id_) == before


def test_cancelling_by_a_tap_asks_once_and_frees_the_time(office: Office) -> None:
    phone = on_phone(office)
    id_ = appointment(office.world, counselor(office.world), TUESDAY)
    reminded(office)
    *_, cancel = menu_of(office, phone)

    assert "1. " in tap(phone, cancel)
    phone.says("1")

    assert row(id_).state is AppointmentState.CANCELLED
    assert tap(phone, cancel).startswith("那条消息说的预约已经取消了")


def test_an_old_line_speaks_of_its_own_appointment_and_of_no_later_one(office: Office) -> None:
    phone = on_phone(office)
    one = counselor(office.world)
    appointment(office.world, one, TUESDAY)
    reminded(office)
    lines = menu_of(office, phone)
    clock.move_to(TUESDAY + timedelta(days=3))
    later = appointment(office.world, one, TUESDAY + timedelta(days=7))

    for line in lines:
        assert tap(phone, line).startswith("那条消息说的时间已经过了")

    assert (row(later).state, row(later).coming_at) == (AppointmentState.BOOKED, None)


def test_a_line_of_a_time_that_was_moved_changes_nothing(office: Office) -> None:
    phone = on_phone(office)
    id_ = appointment(office.world, counselor(office.world), TUESDAY)
    reminded(office)
    start, end = TUESDAY + timedelta(hours=1), TUESDAY + timedelta(hours=2)
    change(id_, version=2, starts_at=start, busy_from=start, ends_at=end, busy_to=end)

    assert tap(phone, menu_of(office, phone)[0]).startswith("那条消息说的预约改过时间了")
    assert row(id_).coming_at is None


def test_with_several_coming_a_tap_is_about_the_one_that_was_told(office: Office) -> None:
    phone = on_phone(office)
    one = counselor(office.world)
    nearer = appointment(office.world, one, TUESDAY - timedelta(hours=2))
    meant = appointment(office.world, one, TUESDAY)
    clock.move_to(datetime(2026, 11, 16, 20, tzinfo=ZONE))
    appointments.take_steps(office.world.policy.booking, now=office.world.now)
    drain()

    tap(phone, menu_of(office, phone, meant)[0])

    assert (row(nearer).coming_at, row(meant).coming_at is None) == (None, False)


def test_a_tap_in_the_middle_of_another_talk_asks_before_it_leaves_and_remembers_what_was_meant(office: Office) -> None:
    phone = on_phone(office)
    one = counselor(office.world)
    appointment(office.world, one, TUESDAY - timedelta(hours=2))
    meant = appointment(office.world, one, TUESDAY)
    reminded(office)
    lines = menu_of(office, phone, meant)
    question = phone.talks("有事", "2")

    assert tap(phone, lines[0]).startswith("先放下")
    assert phone.says("1") != question

    assert row(meant).coming_at is not None


@pytest.mark.parametrize(
    "name", ["7", "", "push-1-0000-coming", "push-99999999999-AAAA-coming", "push-{id}-{number}-known"]
)
def test_a_line_that_is_none_of_ours_is_the_word_it_says(office: Office, name: str) -> None:
    phone = on_phone(office)
    id_ = appointment(office.world, counselor(office.world), TUESDAY)
    it = reminded(office)

    tap(phone, (name.format(id=it.id, number=it.number), "我会来"))

    assert row(id_).coming_at is not None


def test_nobody_taps_for_somebody_else(office: Office) -> None:
    phone, other = on_phone(office), on_phone(office, "twin")
    id_ = appointment(office.world, counselor(office.world), TUESDAY)
    reminded(office)

    tap(other, menu_of(office, phone)[0])

    assert row(id_).coming_at is None


# ── cards ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def member(office: Office) -> Phone:
    """A student who uses WeCom, and sees cards."""
    address = office.bind("student", Channel.WECOM)
    with db.unit_of_work() as session:
        session.execute(sa.update(Contact).where(sa.column("address") == address).values(cards=True))
    return Phone(office.world.app, DOORS[Channel.WECOM], address, office.world.next_id)


def card(office: Office, id_: int, kind: PushKind, who: str = "teacher", **data: object) -> Push:
    """A push about an appointment, on a card that its reader has."""
    push_id = office.plan(
        who, kind, fact=f"appointment:{id_}@1:{kind}", lasts=timedelta(hours=43), appointment=id_, version=1, **data
    )
    drain()
    it = office.row(push_id)
    assert it.way == WayName.CARD, it.reason
    return it


def test_a_counselor_confirms_on_the_card_and_a_second_press_says_the_same(office: Office) -> None:
    phone = staff(office, "teacher")
    id_ = appointment(office.world, counselor(office.world), TUESDAY)
    it = card(office, id_, PushKind.BOOKING_NEW)

    assert phone.presses(task(it), "confirm") == "已确认"
    rows = everything()
    assert phone.presses_again() == "已确认"
    assert everything() == rows
    assert phone.presses(task(it), "confirm") == "已确认"
    assert phone.presses(task(it), "propose") == "请回复「建议改期」"
    assert row(id_).state is AppointmentState.BOOKED


@pytest.mark.parametrize("key", ["confirm", "propose"])
def test_a_card_of_what_is_no_more_says_what_became_of_it(office: Office, key: str) -> None:
    phone = staff(office, "teacher")
    one = counselor(office.world)
    id_ = appointment(office.world, one, TUESDAY)
    it = card(office, id_, PushKind.BOOKING_NEW)

    change(id_, version=2)
    assert phone.presses(task(it), key) == MOVED
    change(id_, state=AppointmentState.CANCELLED)
    assert phone.presses(task(it), key) == DEAD
    change(id_, state=AppointmentState.BOOKED, version=1)
    clock.move_to(TUESDAY + timedelta(minutes=1))
    assert phone.presses(task(it), key) == PAST
    change(id_, state=AppointmentState.MISSED)
    assert phone.presses(task(it), key) == PAST
    with db.unit_of_work() as session:
        session.delete(session.get_one(type(row(id_)), id_))
    assert phone.presses(task(it), key) == OVER


def test_a_card_whose_appointment_went_to_a_colleague_is_nothing_of_its_readers(office: Office) -> None:
    phone = staff(office, "teacher")
    id_ = appointment(office.world, counselor(office.world), TUESDAY)
    it = card(office, id_, PushKind.BOOKING_NEW)
    change(id_, counselor_id=counselor(office.world, "head"), version=2)

    assert phone.presses(task(it), "confirm") == OVER


def test_a_student_answers_on_the_card_and_is_told_the_words_for_the_rest(office: Office) -> None:
    phone = member(office)
    id_ = appointment(office.world, counselor(office.world), TUESDAY)
    it = reminded(office)
    assert it.way == WayName.CARD
    pushes = len(office.world.pushes())

    assert phone.presses(task(it), "coming") == "记下了，到时见"
    assert phone.presses(task(it), "coming") == "记下了，到时见"
    assert phone.presses(task(it), "move") == "请回复「改时间」"
    assert phone.presses(task(it), "cancel") == "请回复「取消预约」"

    assert (row(id_).state, row(id_).coming_at is None) == (AppointmentState.BOOKED, False)
    assert office.world.facts(Fact.APPOINTMENT_COMING) == [Fact.APPOINTMENT_COMING]
    assert len(office.world.pushes()) == pushes
    clock.move_to(TUESDAY + timedelta(days=4))
    assert phone.presses(task(it), "coming") == PAST


def test_a_press_on_a_dead_reminder_says_so(office: Office) -> None:
    phone = member(office)
    id_ = appointment(office.world, counselor(office.world), TUESDAY)
    it = reminded(office)
    with db.unit_of_work() as session:
        by = By(office.world.people["student"], Side.STUDENT)
        acting.cancel(session, by, id_, policy=office.world.policy.booking, now=office.world.now)

    for key in ("coming", "move", "cancel"):
        assert phone.presses(task(it), key) == DEAD
    assert row(id_).coming_at is None


def offered(office: Office, *, who: str = "student", hours: float = 2) -> tuple[int, Push]:
    """A time that is kept for somebody on the waiting list, and its card."""
    world = office.world
    with db.unit_of_work() as session:
        waiter = Waiter(
            student_id=world.people[who], haste=Haste.NORMAL, rank=1, since=world.now, state=WaiterState.OFFERED
        )
        session.add(waiter)
        session.flush()
        waiter_id = waiter.id
    until = world.now + timedelta(hours=hours)
    id_ = appointment(
        world, counselor(world), TUESDAY, who=who, state=AppointmentState.OFFERED, until=until, waiter_id=waiter_id
    )
    return id_, card(office, id_, PushKind.OFFER_MADE, who, waiter=waiter_id)


def test_an_offer_is_taken_on_the_card_and_taken_it_stays(office: Office) -> None:
    phone = member(office)
    id_, it = offered(office)

    assert phone.presses(task(it), "take") == "约好了"
    assert row(id_).state is AppointmentState.BOOKED
    rows = len(office.world.pushes())
    assert phone.presses(task(it), "take") == "约好了"
    assert phone.presses(task(it), "wait_on") == "约好了"
    assert row(id_).state is AppointmentState.BOOKED
    assert len(office.world.pushes()) == rows


def test_whoever_goes_on_waiting_keeps_their_place_and_the_time_is_gone(office: Office) -> None:
    phone = member(office)
    id_, it = offered(office)

    assert phone.presses(task(it), "wait_on") == "好，继续为你留意"
    assert row(id_).state is AppointmentState.DECLINED
    assert phone.presses(task(it), "wait_on") == "好，继续为你留意"
    assert phone.presses(task(it), "take") == GONE
    assert [waiter.state for waiter in office.world.rows(Waiter)] == [WaiterState.WAITING]


def test_an_offer_whose_hours_are_over_is_gone_whether_or_not_anybody_swept_it(office: Office) -> None:
    phone = member(office)
    id_, it = offered(office)
    office.world.forward(hours=2)

    assert phone.presses(task(it), "take") == GONE
    appointments.end_what_passed(office.world.policy.booking, now=office.world.now)
    assert phone.presses(task(it), "take") == GONE
    assert row(id_).state is AppointmentState.LAPSED


def test_an_offer_can_be_taken_by_a_tap(office: Office) -> None:
    phone = on_phone(office)
    world = office.world
    with db.unit_of_work() as session:
        waiter = Waiter(
            student_id=world.people["student"], haste=Haste.NORMAL, rank=1, since=world.now, state=WaiterState.OFFERED
        )
        session.add(waiter)
        session.flush()
        waiter_id = waiter.id
    id_ = appointment(
        world, counselor(world), TUESDAY, state=AppointmentState.OFFERED, until=world.now + timedelta(hours=2),
        waiter_id=waiter_id,
    )  # fmt: skip
    office.plan("student", PushKind.OFFER_MADE, fact=f"offer:{id_}", appointment=id_, version=1)
    drain()
    take, wait_on = menu_of(office, phone)
    assert (take[1], wait_on[1]) == ("要", "继续等")

    tap(phone, take)

    assert row(id_).state is AppointmentState.BOOKED
    assert {button.value for button in (Button.TAKE, Button.WAIT_ON)} == {
        name.split("-")[-1] for name, _ in (take, wait_on)
    }
