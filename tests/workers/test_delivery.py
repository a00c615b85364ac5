"""A push from row to phone: which way it takes, how it ends, and that it does so once."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from bot.sandbox.faults import FaultKind
from models import clock, db
from models.channel import Channel
from models.contact import Contact
from models.errors import SettingsError
from models.outbox import Outcome, Push, PushKind, PushState, Reason, Route, WayName, claim_due, settle
from models.person import Person
from tests.workers.office import FORM, TEMPLATE, Office
from workers.attempt import ATTEMPTS, Equipment, Message, attempt
from workers.clerk import Clerk
from workers.delivery import deliver_one, drain, equip
from workers.senders.official_account import TemplateForm
from workers.senders.parcel import Parcel, Target, Way

SERVICE, TEMPLATES, WECOM = "custom/send", "template/send", "message/send"


def test_a_push_reaches_the_phone_and_its_row_says_so(office: Office) -> None:
    address = office.bind("advisor", Channel.WECOM)
    push_id = office.plan("advisor")

    assert drain() == 1
    assert drain() == 0

    row = office.row(push_id)
    assert (row.state, row.channel, row.outcome) == (PushState.ACCEPTED, Channel.WECOM, "0")
    (message,) = office.arrived(address)
    assert message["text"] == office.world.words("push.concern_unsent", unit="软件2301", number=row.number)


def test_many_rows_go_once_each_whoever_drains(office: Office) -> None:
    office.bind("advisor", Channel.WECOM)
    office.bind("head", Channel.WECOM)
    rows = [office.plan(who, fact=f"test:{n}") for n in range(6) for who in ("advisor", "head")]

    threads = [threading.Thread(target=drain, args=(4,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(office.arrived()) == len(rows)
    assert {office.row(push_id).state for push_id in rows} == {PushState.ACCEPTED}


def test_a_thawed_worker_sends_and_settles_nothing(office: Office) -> None:
    address = office.bind("advisor", Channel.WECOM)
    push_id = office.plan("advisor")
    with db.unit_of_work() as session:
        (frozen,) = claim_due(session, 10, now=clock.now(), machine=clock.machine() - timedelta(seconds=9))
    target = Target(Route.WECOM, address, contact_id=1)

    drain()
    with ThreadPoolExecutor(1) as legs:
        late = attempt(Message(frozen, [target]), Equipment(office.senders(), office.world.words), Clerk(), legs)

    assert late is None
    assert len(office.arrived()) == 1
    with db.unit_of_work() as session:
        assert settle(session, [Outcome(frozen, PushState.EXHAUSTED)], now=clock.now()) == []
    assert office.row(push_id).state is PushState.ACCEPTED


def test_inside_the_window_a_text_goes_and_uses_it_up(office: Office) -> None:
    address = office.bind("student", Channel.OFFICIAL_ACCOUNT, window=True)
    rows = [office.plan("student", fact=f"test:{n}") for n in range(6)]

    drain()

    assert len(office.calls(SERVICE)) == 5
    assert len(office.calls(TEMPLATES)) == 1
    assert len(office.arrived(address)) == 6
    assert {office.row(push_id).state for push_id in rows} == {PushState.ACCEPTED}


def test_outside_the_window_a_template_goes_within_its_limits(office: Office) -> None:
    office.bind("student", Channel.OFFICIAL_ACCOUNT)
    push_id = office.plan("student", unit="一个名字长得超过了二十个字的学院下面的一个班级")

    drain()

    (call,) = office.calls(TEMPLATES)
    assert (call["errcode"], call["delivered"]) == (0, True)
    assert call["body"]["template_id"] == TEMPLATE
    assert call["body"]["client_msg_id"].startswith(f"push-{push_id}-")
    values = {keyword: field["value"] for keyword, field in call["body"]["data"].items()}
    assert values["thing1"] == "有一份没发出，回复「查看」"
    assert values["time2"] == f"{office.world.now.astimezone(office.world.policy.checkin.zone):%Y-%m-%d %H:%M}"
    assert len(values["thing4"]) == 20
    assert office.calls(SERVICE) == []


def test_a_window_that_only_we_think_open_gives_way_to_the_template(office: Office) -> None:
    address = office.bind("student", Channel.OFFICIAL_ACCOUNT, window=True)
    office.platform.official.followers[address].allowance = None
    push_id = office.plan("student")

    drain()

    assert [row["errcode"] for row in office.calls(SERVICE)] == [45015]
    assert office.row(push_id).state is PushState.ACCEPTED
    (contact,) = office.world.rows(Contact)
    assert (contact.window_left, contact.window_until) == (0, None)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_without_window_and_template_the_row_is_loudly_unreachable(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    office.templates.clear()
    office.equip()
    office.bind("student", Channel.OFFICIAL_ACCOUNT)
    push_id = office.plan("student")

    drain()

    row = office.row(push_id)
    assert (row.state, row.reason) == (PushState.EXHAUSTED, Reason.UNREACHABLE)
    assert [record.levelno for record in caplog.records if "could not be delivered" in record.message] == [
        logging.ERROR
    ]


def test_who_has_no_account_is_unreachable(office: Office) -> None:
    push_id = office.plan("advisor")

    assert drain() == 1

    row = office.row(push_id)
    assert (row.state, row.reason) == (PushState.EXHAUSTED, Reason.UNREACHABLE)


def test_who_stopped_listening_is_not_written_to(office: Office) -> None:
    office.bind("advisor", Channel.WECOM)
    with db.unit_of_work() as session:
        session.get_one(Contact, 1).listening = False
    push_id = office.plan("advisor")

    drain()

    assert office.row(push_id).reason == Reason.UNREACHABLE
    assert office.calls(WECOM) == []


def test_what_has_expired_and_who_has_left_are_not_sent(office: Office) -> None:
    office.bind("advisor", Channel.WECOM)
    office.bind("head", Channel.WECOM)
    expired = office.plan("advisor", PushKind.REBIND_DONE, lasts=timedelta(minutes=5))
    missed = office.plan("advisor", lasts=timedelta(minutes=5))
    gone = office.plan("head")
    office.world.forward(minutes=6)
    with db.unit_of_work() as session:
        session.get_one(Person, office.world.people["head"]).ended_at = office.world.now

    assert drain() == 3

    assert (office.row(missed).state, office.row(missed).reason) == (PushState.EXHAUSTED, Reason.EXPIRED)
    assert (office.row(expired).state, office.row(expired).reason) == (PushState.SUPPRESSED, Reason.EXPIRED)
    assert (office.row(gone).state, office.row(gone).reason) == (PushState.SUPPRESSED, Reason.LEFT)
    assert office.arrived() == []


def test_a_busy_platform_is_asked_again_later_and_at_last_given_up(office: Office) -> None:
    office.bind("advisor", Channel.WECOM)
    push_id = office.plan("advisor")
    office.platform.faults.order(WECOM, FaultKind.ERRCODE, errcode=-1, count=ATTEMPTS)

    for number in range(1, ATTEMPTS):
        drain()
        row = office.row(push_id)
        assert (row.state, row.outcome, row.attempts) == (PushState.QUEUED, "-1", number)
        assert row.next_at > office.world.now
        clock.move_to(row.next_at)
    drain()

    assert (office.row(push_id).state, office.row(push_id).reason) == (PushState.EXHAUSTED, Reason.GAVE_UP)


def test_a_retried_push_arrives(office: Office) -> None:
    office.bind("advisor", Channel.WECOM)
    push_id = office.plan("advisor")
    office.platform.faults.order(WECOM, FaultKind.ERRCODE, errcode=-1)

    drain()
    clock.move_to(office.row(push_id).next_at)
    drain()

    assert office.row(push_id).state is PushState.ACCEPTED
    assert len(office.arrived()) == 1


def test_a_lost_answer_is_tried_again_where_the_platform_knows_repeats(office: Office) -> None:
    office.bind("advisor", Channel.WECOM)
    office.bind("student", Channel.OFFICIAL_ACCOUNT)
    rows = [office.plan("advisor"), office.plan("student")]
    office.platform.faults.order(WECOM, FaultKind.LOST)
    office.platform.faults.order(TEMPLATES, FaultKind.LOST)

    drain()
    assert {office.row(push_id).state for push_id in rows} == {PushState.QUEUED}
    office.world.forward(seconds=4)
    drain()

    assert {office.row(push_id).state for push_id in rows} == {PushState.ACCEPTED}
    assert len(office.arrived()) == 2
    assert [row["outcome"] for row in office.platform.log if not row["delivered"] and row["recipient"]] == [
        "duplicate"
    ] * 2


def test_a_text_whose_answer_was_lost_is_uncertain(office: Office) -> None:
    office.bind("student", Channel.OFFICIAL_ACCOUNT, window=True)
    push_id = office.plan("student")
    office.platform.faults.order(SERVICE, FaultKind.LOST)

    drain()
    office.world.forward(hours=1)
    drain()

    row = office.row(push_id)
    assert (row.state, row.reason) == (PushState.UNCERTAIN, Reason.ANSWER_LOST)
    assert len(office.arrived()) == 1


@pytest.mark.parametrize(("lost", "end"), [(1, PushState.ACCEPTED), (2, PushState.UNCERTAIN)])
def test_an_urgent_text_whose_answer_was_lost_goes_once_more(office: Office, lost: int, end: PushState) -> None:
    office.bind("student", Channel.OFFICIAL_ACCOUNT, window=True)
    push_id = office.plan("student", PushKind.ALERT)
    office.platform.faults.order(SERVICE, FaultKind.LOST, count=lost)

    deliver_one(push_id)
    assert (office.row(push_id).state, office.row(push_id).outcome) == (PushState.QUEUED, "no answer")
    for _ in range(3):
        office.world.forward(minutes=1)
        deliver_one(push_id)

    assert office.row(push_id).state is end
    assert len(office.arrived()) == 2


def test_what_wecom_refuses_goes_by_the_official_account(office: Office) -> None:
    userid = office.bind("advisor", Channel.WECOM)
    openid = office.bind("advisor", Channel.OFFICIAL_ACCOUNT)
    office.platform.wecom.leave(userid)
    push_id = office.plan("advisor")

    drain()

    assert (office.row(push_id).state, office.row(push_id).channel) == (PushState.ACCEPTED, Channel.OFFICIAL_ACCOUNT)
    assert len(office.arrived(openid)) == 1


def test_what_everybody_refuses_ends_loudly(office: Office) -> None:
    userid = office.bind("advisor", Channel.WECOM)
    office.platform.wecom.leave(userid)
    push_id = office.plan("advisor")

    drain()

    row = office.row(push_id)
    assert (row.state, row.reason, row.outcome) == (PushState.EXHAUSTED, Reason.REFUSED, "81013")


def test_a_platform_that_wants_a_pause_gets_one(office: Office) -> None:
    office.bind("advisor", Channel.WECOM)
    rows = [office.plan("advisor", fact=f"test:{number}") for number in range(3)]
    office.platform.faults.order(WECOM, FaultKind.ERRCODE, errcode=45009)

    for push_id in rows:
        deliver_one(push_id)

    assert len(office.calls(WECOM)) == 1
    assert {office.row(push_id).state for push_id in rows} == {PushState.QUEUED}
    assert min(office.row(push_id).next_at for push_id in rows) > office.world.now + timedelta(seconds=30)


def test_an_unknown_code_is_tried_once_more(office: Office) -> None:
    office.bind("advisor", Channel.WECOM)
    push_id = office.plan("advisor")
    office.platform.faults.order(WECOM, FaultKind.ERRCODE, errcode=987654, count=2)

    drain()
    clock.move_to(office.row(push_id).next_at)
    drain()

    row = office.row(push_id)
    assert (row.state, row.reason, row.outcome) == (PushState.EXHAUSTED, Reason.REFUSED, "987654")


def test_a_row_that_cannot_be_put_into_words_stops_nobody(office: Office) -> None:
    office.bind("advisor", Channel.WECOM)
    broken = office.plan("advisor")
    with db.unit_of_work() as session:
        session.get_one(Push, broken).data = "{}"  # its words want a unit
    sound = office.plan("advisor", fact="test:2")

    drain()

    assert (office.row(broken).state, office.row(broken).outcome) == (PushState.QUEUED, "error")
    assert office.row(sound).state is PushState.ACCEPTED


class Breaking:
    """A channel that breaks off in the middle of a request."""

    route = Route.OFFICIAL_ACCOUNT

    def is_lost(self, code: int | None) -> bool:  # noqa: ARG002 — a channel is asked so
        """Never."""
        return False

    def ways(self, parcel: Parcel) -> list[Way]:
        """One, whose repeat the platform would not notice."""

        def send(_: float) -> None:
            raise ZeroDivisionError(parcel.number)

        return [Way(WayName.TEXT, repeatable=False, windowed=True, send=send)]


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_request_that_broke_off_is_as_uncertain_as_one_without_answer(office: Office) -> None:
    office.bind("student", Channel.OFFICIAL_ACCOUNT, window=True)
    push_id = office.plan("student")
    equip(Equipment({Route.OFFICIAL_ACCOUNT: Breaking()}, office.world.words))

    drain()

    assert office.row(push_id).state is PushState.UNCERTAIN


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_an_invalid_template_keyword_is_refused_at_start(office: Office) -> None:
    office.templates[PushKind.ALERT] = TemplateForm(FORM.id, {"thing1": "name"})

    with pytest.raises(SettingsError, match=r"official_account\.templates\.alert\.fields\.thing1"):
        office.senders()


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_platform_that_says_nothing_is_left_after_five_seconds(office: Office) -> None:
    office.bind("advisor", Channel.WECOM)
    push_id = office.plan("advisor")
    office.platform.faults.order(WECOM, FaultKind.SILENCE, seconds=7)

    began = clock.machine()
    drain()

    assert timedelta(seconds=4) < clock.machine() - began < timedelta(seconds=6)
    assert (office.row(push_id).state, office.row(push_id).outcome) == (PushState.QUEUED, "no answer")
