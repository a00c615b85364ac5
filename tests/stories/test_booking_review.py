"""What may come between two messages of a booking: the night, a leave, another phone, a term's end."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import sqlalchemy as sa

from models import db
from models.booking.acting import cancel, confirm
from models.booking.choices import Mode
from models.booking.leaving import take_leave
from models.booking.profiles import end_counselor
from models.booking.proposing import leave_to_centre, propose
from models.booking.referring import send_on
from models.booking.slots import slot_at
from models.booking.supply import close_stretch, open_extra
from models.booking.table import (
    LIVE,
    Appointment,
    AppointmentState,
    Counselor,
    Haste,
    Opening,
    Proposal,
    ProposalState,
    Referral,
    Side,
    Waiter,
    WaiterState,
)
from models.booking.taking import SYSTEM, By
from models.booking.waiting import join
from models.channel import Channel
from models.contact import Contact
from models.outbox import PushKind
from models.person import Person
from tests.appointments import appointment, book_at, local
from tests.phone import Phone
from tests.stories.cast import edit, options, page, told
from tests.stories.test_booking import TO_THE_TIMES, set_booking
from tests.supply import JIANG, SHEN, Supply, make_supply
from tests.world import DOORS, World
from workers import appointments
from workers.appointments import end_those_who_left

FAR = "2026-11-27 09:00"


@pytest.fixture
def supply(world: World) -> Supply:
    return make_supply(world)


def at(world: World, text: str) -> None:
    """It is so late now."""
    world.forward(seconds=(local(text) - world.now).total_seconds())


def live(world: World, who: str = "student") -> list[Appointment]:
    return world.rows(
        Appointment, Appointment.student_id == world.people[who], sa.column("state").in_([each.value for each in LIVE])
    )


def only_shen(world: World, supply: Supply) -> None:
    """Nobody else has hours."""
    with db.unit_of_work() as session:
        session.execute(sa.delete(Opening).where(sa.column("counselor_id") != supply.shen))


def waits(world: World, who: str = "officer", **wish: object) -> Phone:
    """Somebody on the waiting list."""
    phone = world.phone(who)
    id_ = world.people[who]
    with db.unit_of_work() as session:
        join(session, By(id_, Side.STUDENT), id_, wish.pop("haste", Haste.NORMAL), now=world.now, **wish)  # type: ignore[arg-type]
    return phone


def look_for_matches(world: World) -> int:
    return appointments.match_waiting(world.policy.booking, now=world.now)


def leave(world: World, supply: Supply, start: str, end: str) -> None:
    with db.unit_of_work() as session:
        by = By(world.people[SHEN], Side.COUNSELOR)
        take_leave(session, by, supply.shen, local(start), local(end), policy=world.policy.booking, now=world.now)


# ── the night ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("freed", "until"),
    [
        ("2026-11-17 20:00", "2026-11-17 22:00"),
        ("2026-11-17 21:30", "2026-11-18 08:00"),
        ("2026-11-17 23:00", "2026-11-18 09:00"),
        ("2026-11-18 02:00", "2026-11-18 09:00"),
    ],
)
def test_an_offer_does_not_lapse_while_its_student_sleeps(world: World, supply: Supply, freed: str, until: str) -> None:
    book_at(world, "student", supply.shen, local(FAR))
    waits(world, counselor_id=supply.shen)
    with db.unit_of_work() as session:
        session.execute(sa.delete(Opening))
    at(world, freed)
    with db.unit_of_work() as session:
        open_extra(
            session,
            SYSTEM,
            supply.shen,
            local("2026-11-20 09:00"),
            local("2026-11-20 10:00"),
            policy=world.policy.booking,
            now=world.now,
        )

    assert look_for_matches(world) == 1

    (it,) = live(world, "officer")
    assert it.until is not None
    assert abs(it.until - local(until)) < timedelta(seconds=5)


def test_what_begins_too_early_for_an_answer_in_the_morning_is_not_offered(world: World, supply: Supply) -> None:
    waits(world, counselor_id=supply.shen)
    with db.unit_of_work() as session:
        session.execute(sa.delete(Opening))
    at(world, "2026-11-17 23:00")
    with db.unit_of_work() as session:
        open_extra(
            session,
            SYSTEM,
            supply.shen,
            local("2026-11-18 07:30"),
            local("2026-11-18 08:20"),
            policy=world.policy.booking,
            now=world.now,
        )

    assert look_for_matches(world) == 0


def test_a_proposal_made_at_night_can_be_answered_in_the_morning(world: World, supply: Supply) -> None:
    id_ = book_at(world, "student", supply.shen, local("2026-11-18 09:00"))
    at(world, "2026-11-17 23:30")
    leave(world, supply, "2026-11-18 00:00", "2026-11-19 00:00")

    (it,) = world.rows(Proposal, Proposal.appointment_id == id_)
    assert it.until == local("2026-11-18 08:00")


# ── leave, closing, leaving ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_time_on_hold_is_not_booked_into_a_leave(world: World, supply: Supply) -> None:
    phone = world.phone("student")
    phone.talks(*TO_THE_TIMES, "11月17日9点沈老师")
    leave(world, supply, "2026-11-17 00:00", "2026-11-18 00:00")

    reply = phone.says("1")

    assert "约好了" not in reply
    assert all(it.state is not AppointmentState.BOOKED for it in live(world))


def test_an_offer_inside_a_leave_is_taken_back(world: World, supply: Supply) -> None:
    only_shen(world, supply)
    phone = waits(world, counselor_id=supply.shen)
    assert look_for_matches(world) == 1
    leave(world, supply, "2026-11-16 00:00", "2026-12-31 00:00")

    assert "约好了" not in phone.says("要")
    (it,) = world.rows(Waiter)
    assert it.state is WaiterState.WAITING


def test_whoever_is_booked_with_somebody_who_leaves_is_the_centre_s_to_ring_up(world: World, supply: Supply) -> None:
    book_at(world, "student", supply.shen, local("2026-11-17 09:00"))
    with db.unit_of_work() as session:
        end_counselor(session, SYSTEM, supply.shen, now=world.now)

    assert told(world, PushKind.PROPOSAL_UNANSWERED) == {"duty"}
    assert options(world.phone("duty").says("待办")) == ["老师不在，还没安排好 · 11月17日 周二 09:00 · 沈岚老师"]


def test_so_is_whoever_is_booked_with_somebody_whom_the_roster_no_longer_names(world: World, supply: Supply) -> None:
    book_at(world, "student", supply.shen, local("2026-11-17 09:00"))
    with db.unit_of_work() as session:
        session.get_one(Person, session.get_one(Counselor, supply.shen).person_id).ended_at = world.now

    assert end_those_who_left(now=world.now) == 1
    assert end_those_who_left(now=world.now) == 0
    assert told(world, PushKind.PROPOSAL_UNANSWERED) == {"duty"}
    assert options(world.phone("duty").says("待办")) == ["老师不在，还没安排好 · 11月17日 周二 09:00 · 沈岚老师"]


def test_a_time_on_hold_with_somebody_who_leaves_is_not_booked(world: World, supply: Supply) -> None:
    phone = world.phone("student")
    phone.talks(*TO_THE_TIMES, "11月17日9点沈老师")
    with db.unit_of_work() as session:
        end_counselor(session, SYSTEM, supply.shen, now=world.now)

    assert "约好了" not in phone.says("1")


# ── waiting for something earlier ───────────────────────────────────────────────────────────────────────────────────


def earlier(world: World, supply: Supply) -> tuple[int, Phone]:
    """A student with a time in two weeks, and an offer of an earlier one."""
    only_shen(world, supply)
    id_ = book_at(world, "officer", supply.shen, local(FAR))
    with db.unit_of_work() as session:
        session.execute(sa.delete(Opening))
    phone = waits(world, haste=Haste.EARLIER, earlier_than_id=id_)
    with db.unit_of_work() as session:
        open_extra(
            session,
            SYSTEM,
            supply.shen,
            local("2026-11-19 14:00"),
            local("2026-11-19 15:00"),
            policy=world.policy.booking,
            now=world.now,
        )
    assert look_for_matches(world) == 1
    with db.unit_of_work() as session:
        open_extra(
            session,
            SYSTEM,
            supply.shen,
            local("2026-11-17 09:00"),
            local("2026-11-17 11:00"),
            policy=world.policy.booking,
            now=world.now,
        )
    return id_, phone


def test_an_earlier_time_that_is_later_by_now_is_not_taken(world: World, supply: Supply) -> None:
    id_, phone = earlier(world, supply)
    phone.talks("改时间", "11月17日9点", "1")
    assert appointment(world, id_).starts_at == local("2026-11-17 09:00")

    phone.says("要")

    assert appointment(world, id_).starts_at == local("2026-11-17 09:00")
    assert [it.state for it in live(world, "officer")] == [AppointmentState.BOOKED]


def test_taking_the_earlier_time_moves_the_appointment_and_ends_the_wait(world: World, supply: Supply) -> None:
    id_, phone = earlier(world, supply)

    assert phone.says("要").startswith("约好了：11月19日 周四 14:00")

    assert appointment(world, id_).starts_at == local("2026-11-19 14:00")
    assert world.rows(Waiter)[0].state is WaiterState.TOOK


def test_who_was_sent_on_has_no_offer_left_in_place_of_what_was_called_off(world: World, supply: Supply) -> None:
    id_ = book_at(world, "officer", supply.station, local("2026-11-25 14:00"))
    phone = waits(world, haste=Haste.EARLIER, earlier_than_id=id_)
    assert look_for_matches(world) == 1
    with db.unit_of_work() as session:
        send_on(session, By(None, Side.COUNSELOR), id_, policy=world.policy.booking, now=world.now)

    assert live(world, "officer") == []
    assert "没有替你留着的时间" in phone.says("要")


def test_who_was_sent_on_is_not_passed_over_for_the_station_s_times(world: World, supply: Supply) -> None:
    waits(world, counselor_id=None, mode=Mode.IN_PERSON)
    with db.unit_of_work() as session:
        session.execute(sa.delete(Opening))
        session.add(Referral(student_id=world.people["officer"], from_id=supply.station, thread=1, made_at=world.now))
    with db.unit_of_work() as session:
        for who, day in ((supply.station, 18), (supply.shen, 19)):
            start = local(f"2026-11-{day} 14:00")
            open_extra(
                session, SYSTEM, who, start, start + timedelta(hours=1), policy=world.policy.booking, now=world.now
            )

    assert look_for_matches(world) == 1
    assert live(world, "officer")[0].counselor_id == supply.shen


def test_nobody_is_told_that_an_earlier_time_is_looked_for_in_place_of_nothing(world: World, supply: Supply) -> None:
    id_ = book_at(world, "student", supply.shen, local("2026-11-20 09:00"))
    phone = world.phone("student")
    phone.says("我的预约")
    world.phone(SHEN)
    with db.unit_of_work() as session:
        cancel(session, By(world.people[SHEN], Side.COUNSELOR), id_, policy=world.policy.booking, now=world.now)

    reply = phone.says("有更早的告诉我")

    assert "照样替你留着" not in reply
    assert world.rows(Waiter) == []


def two_phones(world: World) -> tuple[Phone, Phone]:
    """A student on both platforms."""
    phone = world.phone("student")
    other = Phone(phone.app, DOORS[Channel.WECOM], "student-too", world.next_id)
    with db.unit_of_work() as session:
        session.add(
            Contact(channel=Channel.WECOM, address=other.address, person_id=world.people["student"], bound_at=world.now)
        )
    return phone, other


# ── two phones ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_who_has_booked_on_another_phone_meanwhile_is_shown_it(world: World, supply: Supply) -> None:
    phone = world.phone("student")
    phone.talks(*TO_THE_TIMES)
    book_at(world, "student", supply.jiang, local("2026-11-17 14:00"))

    reply = phone.says("1")

    assert "你已经有一个预约" in reply
    assert "11月17日 周二 14:00，江河老师" in reply


def test_a_hold_that_another_phone_replaced_is_said_not_to_be_there(world: World, supply: Supply) -> None:
    phone, other = two_phones(world)
    phone.talks(*TO_THE_TIMES, "1")
    other.talks("预约", "1", "面对面", "跳过", "2")

    reply = phone.says("1")

    assert "别人" not in reply
    assert "约好了" not in reply


def test_a_second_answer_to_a_proposal_is_told_what_became_of_it(world: World, supply: Supply) -> None:
    id_ = book_at(world, "student", supply.shen, local("2026-11-20 09:00"))
    propose_to(world, supply, id_, "2026-11-23 09:00")
    one, other = two_phones(world)
    one.says("我的预约")
    other.says("我的预约")
    assert "改好了" in one.says("1")

    reply = other.says("1")

    assert "不在了" in reply
    assert appointment(world, id_).starts_at == local("2026-11-23 09:00")


def propose_to(world: World, supply: Supply, id_: int, *times: str) -> None:
    with db.unit_of_work() as session:
        it = session.get_one(Appointment, id_)
        slots = [
            slot_at(
                session, local(time), policy=world.policy.booking, now=world.now, student_id=it.student_id,
                counselor_id=supply.shen, instead_of=id_, by_staff=True,
            )
            for time in times
        ]  # fmt: skip
        by = By(world.people[SHEN], Side.COUNSELOR)
        propose(session, by, id_, [slot for slot in slots if slot], policy=world.policy.booking, now=world.now)


def test_a_proposed_time_that_has_passed_is_not_taken(world: World, supply: Supply) -> None:
    id_ = book_at(world, "student", supply.shen, local("2026-11-20 09:00"))
    propose_to(world, supply, id_, "2026-11-16 09:00", "2026-11-16 14:00")
    phone = world.phone("student")
    phone.says("我的预约")
    at(world, "2026-11-16 10:00")

    reply = phone.says("1")

    assert "改好了" not in reply
    assert appointment(world, id_).starts_at == local("2026-11-20 09:00")
    assert "11月16日 周一 14:00" in phone.says("我的预约")


def test_cancelling_withdraws_what_was_proposed(world: World, supply: Supply) -> None:
    id_ = book_at(world, "student", supply.shen, local("2026-11-20 09:00"))
    propose_to(world, supply, id_, "2026-11-23 09:00")
    phone = world.phone("student")

    assert "已取消" in phone.talks("取消预约", "1")

    assert live(world) == []
    assert world.rows(Proposal)[0].state is ProposalState.WITHDRAWN
    assert "没有预约" in phone.says("我的预约")


# ── moving ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_whom_a_leave_meets_tomorrow_may_choose_somebody_else_at_once(world: World, supply: Supply) -> None:
    book_at(world, "student", supply.shen, local("2026-11-17 09:00"))
    at(world, "2026-11-16 12:00")
    leave(world, supply, "2026-11-17 00:00", "2026-11-18 00:00")
    phone = world.phone("student")
    reply = phone.says("我的预约")
    assert "都不行，换一位" in options(reply)

    reply = phone.says(next(label for label in options(reply) if label == "都不行，换一位"))

    assert any(JIANG in label for label in options(reply)), reply


# ── by hand ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_by_hand_the_answer_is_promised_before_one_has_to_set_out(world: World, supply: Supply) -> None:
    set_booking(world, confirm="by_hand")
    id_ = book_at(world, "student", supply.shen, local("2026-11-16 09:00"))

    until = appointment(world, id_).until
    assert until is not None
    assert until <= local("2026-11-16 09:00") - world.policy.booking.notice


def test_by_hand_a_moved_one_waits_again_and_no_reminder_is_promised(world: World, supply: Supply) -> None:
    set_booking(world, confirm="by_hand")
    id_ = book_at(world, "student", supply.shen, local("2026-11-20 09:00"))
    phone = world.phone("student")

    reply = phone.talks("改时间", "11月24日9点", "1")

    assert appointment(world, id_).state is AppointmentState.PENDING
    assert "提醒你" not in reply
    assert "前一定给你答复" in reply
    with db.unit_of_work() as session:
        confirm(session, By(world.people["duty"], Side.CENTRE), id_, policy=world.policy.booking, now=world.now)
    assert appointment(world, id_).next_at == local("2026-11-23 20:00")


# ── a repeat ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_message_may_come_twice(world: World, supply: Supply) -> None:
    phone = world.phone("student")
    for said in (*TO_THE_TIMES, "1", "1", "改时间", "11月24日9点", "1", "我的预约", "取消预约", "1"):
        reply = phone.says(said)
        assert phone.repeats() == reply

    assert live(world) == []
    states = [it.state for it in world.rows(Appointment)]
    assert states == [AppointmentState.CANCELLED]


# ── by whom else ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_part_timer_s_last_day_is_the_last_day(world: World, supply: Supply) -> None:
    with db.unit_of_work() as session:
        session.get_one(Counselor, supply.jiang).term_ends = local("2026-11-19 00:00").date()
    phone = world.phone("student")

    assert "11月19日 周四 14:00 江河老师" in phone.talks(*TO_THE_TIMES, "江老师")
    assert all("11月24日" not in label for label in options(phone.says("江老师")))


def test_a_closed_day_for_everybody_ends_holds_too(world: World, supply: Supply) -> None:
    phone = world.phone("student")
    phone.talks(*TO_THE_TIMES, "11月17日9点沈老师")
    with db.unit_of_work() as session:
        close_stretch(session, SYSTEM, None, local("2026-11-17 00:00"), local("2026-11-18 00:00"), now=world.now)

    assert "约好了" not in phone.says("1")


# ── what is said is so ──────────────────────────────────────────────────────────────────────────────────────────────


def test_the_number_that_was_left_is_the_one_that_is_rung_up(world: World, supply: Supply) -> None:
    edit(world, "student", phone=None)
    phone = world.phone("student")

    done = phone.talks("预约", "1", "1", "电话", "跳过", "11月17日9点沈老师", "13912345678", "1")

    assert "尾号 5678" in done
    assert "尾号 5678" in phone.says("我的预约")
    (it,) = live(world)
    with db.unit_of_work() as session:
        leave_to_centre(session, SYSTEM, session.get_one(Appointment, it.id), now=world.now)
    assert "13912345678" in page(world, world.phone("duty").talks("待办", "1", "看是谁、怎么联系"))


def test_without_a_number_nobody_is_said_to_ring_up(world: World, supply: Supply) -> None:
    edit(world, "student", phone=None)
    set_booking(world, centre_phone="0632-1234567")

    done = world.phone("student").talks("预约", "1", "1", "电话", "跳过", "11月17日9点沈老师", "先不留", "1")

    assert "0632-1234567" in done


def test_a_change_that_came_too_often_names_the_time_as_it_is(world: World, supply: Supply) -> None:
    set_booking(world, changes=1)
    book_at(world, "student", supply.shen, local("2026-11-20 09:00"))
    phone, other = two_phones(world)
    phone.says("改时间")
    other.talks("改时间", "11月24日9点", "1")

    reply = phone.talks("11月25日9点", "1")

    assert "已经改过 1 次" in reply
    assert "现在还是：11月24日 周二 09:00" in reply
    assert [it.state for it in live(world)] == [AppointmentState.BOOKED]


def test_a_change_of_what_was_called_off_meanwhile_says_so(world: World, supply: Supply) -> None:
    id_ = book_at(world, "student", supply.shen, local("2026-11-20 09:00"))
    phone = world.phone("student")
    phone.talks("改时间", "11月24日9点")
    with db.unit_of_work() as session:
        cancel(session, By(world.people[SHEN], Side.COUNSELOR), id_, policy=world.policy.booking, now=world.now)

    reply = phone.says("1")

    assert "11月20日" not in reply
    assert "回复「预约」" in reply
    assert live(world) == []


def test_who_cancels_what_nobody_has_confirmed_has_nobody_waiting(world: World, supply: Supply) -> None:
    set_booking(world, confirm="by_hand")
    id_ = book_at(world, "student", supply.shen, local("2026-11-16 14:00"))
    phone = world.phone("student")

    assert "老师已经在准备" not in phone.says("取消预约")
    assert "已取消" in phone.says("1")

    assert not appointment(world, id_).late_cancel


def test_whom_the_counselor_asked_to_move_cancels_without_being_late(world: World, supply: Supply) -> None:
    id_ = book_at(world, "student", supply.shen, local("2026-11-17 09:00"))
    propose_to(world, supply, id_, "2026-11-23 09:00")
    at(world, "2026-11-16 12:00")
    phone = world.phone("student")

    assert "老师已经在准备" not in phone.says("取消预约")
    assert "已取消" in phone.says("1")


def test_nobody_waits_for_something_earlier_than_what_has_been(world: World, supply: Supply) -> None:
    id_ = book_at(world, "officer", supply.shen, local("2026-11-16 14:00"))
    with db.unit_of_work() as session:
        session.execute(sa.delete(Opening))
    phone = waits(world, haste=Haste.EARLIER, earlier_than_id=id_)
    at(world, "2026-11-16 15:30")
    appointments.take_steps(world.policy.booking, now=world.now)

    assert "排" not in phone.says("我的预约")
    assert world.rows(Waiter)[0].state is WaiterState.LAPSED


def test_one_of_two_who_want_the_same_time_has_it(world: World, supply: Supply) -> None:
    phones = [world.phone(who) for who in ("student", "officer")]
    for phone in phones:
        phone.talks(*TO_THE_TIMES, "沈老师")
    said = [phone.heard[-1] or "" for phone in phones]
    assert options(said[0])[0] == options(said[1])[0]

    with ThreadPoolExecutor(2) as both:
        read = list(both.map(lambda phone: phone.says("1"), phones))

    assert sorted("就约这个吗" in reply for reply in read) == [False, True]
    assert sum("不在了" in reply for reply in read) == 1
    done = [phone.says("1") for phone in phones]
    assert sum(reply.startswith("约好了") for reply in done) == 1
