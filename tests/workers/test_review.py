"""What an adversary tried: a database that goes in the middle, a worker that freezes, clocks put back, digests that go stale."""

import contextlib
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta

import psycopg
import pytest
import redis
import sqlalchemy as sa

from bot.sandbox.faults import FaultKind
from models import clock, db
from models.channel import Channel
from models.contact import Contact
from models.errors import ChannelRefusedError
from models.outbox import (
    ENDS,
    KINDS,
    Outcome,
    Push,
    PushKind,
    PushState,
    PushTally,
    Reason,
    Route,
    WayName,
    cancel,
    claim_due,
    claim_these,
    pace,
    retry,
    settle,
)
from models.rebinding import RebindState, RebindWish
from tests.workers.office import Office, _environment
from tests.world import AGENT_ID, CORP_ID
from workers import delivery
from workers.attempt import ATTEMPTS, Equipment
from workers.delivery import AT_ONCE, deliver_these, drain, equip
from workers.queue import Doorbell
from workers.senders.codes import MIDNIGHT_SPREAD
from workers.senders.parcel import Parcel, Way
from workers.senders.wecom import WeComSender
from workers.valkey import EmbeddedValkey

SERVICE, TEMPLATES, WECOM = "custom/send", "template/send", "message/send"
ALERT = PushKind.ALERT
POSTGRESQL = pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
SQLITE = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def change(push_id: int, **values: object) -> None:
    """Alter a row as it stands in the table."""
    with db.unit_of_work() as session:
        session.execute(sa.update(Push).where(sa.column("id") == push_id).values(values))


def hang_up_on_everybody(office: Office) -> None:
    """The server ends every connection, as when it is started anew."""
    url = sa.make_url(office.world.settings.database.url).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(
            sa.text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
        )
    engine.dispose()


# ── the database goes ───────────────────────────────────────────────────────────────────────────────────────────


@POSTGRESQL
@pytest.mark.parametrize(("answers_after", "gone_after"), [(1.0, 0.3), (2.6, 1.4)])
def test_a_database_that_went_while_requests_were_in_the_air_costs_no_answer(
    office: Office, answers_after: float, gone_after: float
) -> None:
    people = ("advisor", "head", "student")
    for who in people:
        office.bind(who, Channel.OFFICIAL_ACCOUNT, window=True)
    office.plan(people[0], fact="before:1")
    drain()  # the token is there
    rows = [office.plan(who) for who in people]
    office.platform.faults.latency = answers_after
    settled: list[int] = []
    worker = threading.Thread(target=lambda: settled.append(drain()))

    worker.start()
    time.sleep(gone_after)
    hang_up_on_everybody(office)
    worker.join(20)
    with contextlib.suppress(psycopg.Error):
        office.row(rows[0])  # this thread's own connection went too

    assert settled == [3]
    assert {office.row(push_id).state for push_id in rows} == {PushState.ACCEPTED}


# ── a worker freezes ────────────────────────────────────────────────────────────────────────────────────────────


@SQLITE
@pytest.mark.slow
def test_a_worker_frozen_just_before_its_request_sends_nothing_when_it_thaws(office: Office) -> None:
    office.bind("student", Channel.OFFICIAL_ACCOUNT, window=True)
    push_id = office.plan("student", ALERT)
    worker = subprocess.Popen(
        office._command("delivery.drain()"), env=_environment("delivery.asked:1:SIGSTOP"), stdout=subprocess.DEVNULL
    )
    end = time.monotonic() + 10
    while not office.attempts(push_id) and time.monotonic() < end:
        time.sleep(0.05)
    time.sleep(6)
    office.let_leases_run_out()
    drain()
    assert office.row(push_id).state is PushState.ACCEPTED

    worker.send_signal(signal.SIGCONT)
    worker.wait(20)

    assert len(office.arrived()) == 1


# ── one of several channels breaks off ──────────────────────────────────────────────────────────────────────────


class Odd:
    """The official account, with ways of a test's own."""

    route = Route.OFFICIAL_ACCOUNT

    def __init__(self, *ways: tuple[WayName, bool, Callable[[float], str | None]]) -> None:
        self._ways = [Way(name, repeatable=repeatable, windowed=False, send=send) for name, repeatable, send in ways]

    def is_lost(self, code: int | None) -> bool:  # noqa: ARG002 — a channel is asked so
        """Never."""
        return False

    def ways(self, parcel: Parcel) -> Sequence[Way]:  # noqa: ARG002 — a channel is asked so
        """Those it was given."""
        return self._ways


def breaks(_: float) -> str | None:
    """A fault of ours in the middle of a request."""
    raise ZeroDivisionError


def refuses(_: float) -> str | None:
    """The platform says no."""
    raise ChannelRefusedError(45015)


def accepts(_: float) -> str | None:
    """The platform takes it."""
    return None


def test_an_urgent_push_that_one_channel_took_is_told_whatever_breaks_on_another(office: Office) -> None:
    userid = office.bind("duty", Channel.WECOM)
    office.bind("duty", Channel.OFFICIAL_ACCOUNT)
    push_id = office.plan("duty", ALERT)
    equip(
        Equipment(
            office.senders() | {Route.OFFICIAL_ACCOUNT: Odd((WayName.TEMPLATE, True, breaks))}, office.world.words
        )
    )

    drain()

    assert office.row(push_id).state is PushState.ACCEPTED
    assert [(it.channel, it.outcome.value) for it in office.attempts(push_id)] == [(Route.WECOM, "accepted")]
    assert len(office.arrived(userid)) == 1


def test_what_was_answered_is_kept_when_the_next_way_breaks_off(office: Office) -> None:
    office.bind("student", Channel.OFFICIAL_ACCOUNT)
    push_id = office.plan("student")
    text = (WayName.TEXT, False, refuses)
    equip(Equipment({Route.OFFICIAL_ACCOUNT: Odd(text, (WayName.TEMPLATE, True, breaks))}, office.world.words))
    drain()
    assert [it.outcome.value for it in office.attempts(push_id)] == ["refused"]

    equip(Equipment({Route.OFFICIAL_ACCOUNT: Odd(text, (WayName.TEMPLATE, True, accepts))}, office.world.words))
    office.world.forward(minutes=1)
    drain()

    assert office.row(push_id).state is PushState.ACCEPTED


@SQLITE
def test_a_request_that_never_ends_does_not_hold_the_worker_for_ever(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.bind("student", Channel.OFFICIAL_ACCOUNT)
    office.bind("advisor", Channel.WECOM)
    stuck, sound = office.plan("student"), office.plan("advisor")
    goes_on = threading.Event()
    way = (WayName.TEMPLATE, True, lambda _: str(goes_on.wait(30)))
    equip(Equipment(office.senders() | {Route.OFFICIAL_ACCOUNT: Odd(way)}, office.world.words))
    monkeypatch.setattr(delivery, "LONGEST", 1.0, raising=False)
    began = time.monotonic()

    drain()

    assert time.monotonic() - began < 10
    goes_on.set()
    assert office.row(sound).state is PushState.ACCEPTED
    assert office.row(stuck).state is PushState.SENDING


# ── a platform that stays in trouble ────────────────────────────────────────────────────────────────────────────


def test_what_one_platform_does_not_take_in_six_tries_goes_over_another_before_it_is_given_up(office: Office) -> None:
    userid, openid = office.bind("advisor", Channel.WECOM), office.bind("advisor", Channel.OFFICIAL_ACCOUNT)
    push_id = office.plan("advisor")
    office.platform.faults.order(WECOM, FaultKind.ERRCODE, count=ATTEMPTS)

    for _ in range(ATTEMPTS):
        drain()
        office.world.forward(minutes=10)

    assert (office.row(push_id).state, office.row(push_id).channel) == (PushState.ACCEPTED, Route.OFFICIAL_ACCOUNT)
    assert (len(office.arrived(userid)), len(office.arrived(openid))) == (0, 1)


@pytest.mark.parametrize(
    "kind", [PushKind.CONCERN_UNSENT, PushKind.REBIND_DONE], ids=lambda kind: KINDS[kind].urgency.value
)
@pytest.mark.parametrize("fault", [FaultKind.LOST, FaultKind.HTTP_500])
def test_what_may_have_arrived_goes_no_other_way_at_its_last_try_and_ends_uncertain(
    office: Office, fault: FaultKind, kind: PushKind
) -> None:
    userid, openid = office.bind("advisor", Channel.WECOM), office.bind("advisor", Channel.OFFICIAL_ACCOUNT)
    push_id = office.plan("advisor", kind)
    office.platform.faults.order(WECOM, fault, count=ATTEMPTS)

    for _ in range(ATTEMPTS):
        drain()
        office.world.forward(minutes=10)

    row = office.row(push_id)
    assert (row.state, row.reason, row.channel) == (PushState.UNCERTAIN, Reason.ANSWER_LOST, Route.WECOM)
    assert len(office.arrived(userid)) == int(fault is FaultKind.LOST)
    assert office.arrived(openid) == []
    sums = {it.outcome: it.count for it in office.world.rows(PushTally) if it.subject == "row"}
    assert sums == {"uncertain": 1}


@pytest.mark.parametrize("fault", [FaultKind.ERRCODE, FaultKind.LOST])
def test_what_an_operator_sends_again_goes_out_however_long_ago_it_went_wrong(office: Office, fault: FaultKind) -> None:
    userid = office.bind("advisor", Channel.WECOM)
    push_id = office.plan("advisor", lasts=timedelta(hours=1))
    office.platform.faults.order(WECOM, fault, count=ATTEMPTS)
    for _ in range(ATTEMPTS):
        drain()
        office.world.forward(minutes=10)
    assert office.row(push_id).state in {PushState.EXHAUSTED, PushState.UNCERTAIN}
    before = len(office.arrived(userid))
    office.world.forward(hours=15)

    with db.unit_of_work() as session:
        retry(session, session.get_one(Push, push_id), now=clock.now())
    drain()

    assert office.row(push_id).state is PushState.ACCEPTED
    assert len(office.arrived(userid)) == before + 1


def test_a_platform_that_cannot_be_reached_does_not_keep_a_push_from_the_other(office: Office) -> None:
    office.bind("advisor", Channel.WECOM)
    openid = office.bind("advisor", Channel.OFFICIAL_ACCOUNT)
    dead = WeComSender(corp_id=CORP_ID, agent_id=AGENT_ID, secret="secret", api_base="http://127.0.0.1:9")
    equip(Equipment(office.senders() | {Route.WECOM: dead}, office.world.words))
    push_id = office.plan("advisor")
    end = time.monotonic() + 30

    while time.monotonic() < end and office.row(push_id).state is PushState.QUEUED:
        drain()
        office.world.forward(seconds=1)
        time.sleep(1)

    assert office.row(push_id).state is PushState.ACCEPTED
    assert len(office.arrived(openid)) == 1


def test_a_push_that_outlives_the_quota_waits_for_its_reset_and_no_longer(office: Office) -> None:
    people = ("advisor", "head", "student", "duty", "leader", "teacher")
    for who in people:
        office.bind(who, Channel.OFFICIAL_ACCOUNT)
    rows = [office.plan(who, lasts=timedelta(hours=5)) for who in people]  # 19:30; the quota is new at midnight
    office.platform.faults.order(TEMPLATES, FaultKind.ERRCODE, errcode=45009, count=len(rows))

    drain()

    assert {office.row(push_id).state for push_id in rows} == {PushState.QUEUED}
    midnight = office.world.now + timedelta(hours=4, minutes=30)
    assert all(
        midnight <= office.row(push_id).next_at < midnight + MIDNIGHT_SPREAD + timedelta(minutes=2) for push_id in rows
    )


def test_a_card_whose_update_was_not_taken_is_updated_later(office: Office) -> None:
    office.bind("head", Channel.WECOM)
    with db.unit_of_work() as session:
        session.get_one(Contact, 1).cards = True
    told = office.plan("head", PushKind.CONCERN_CAME)
    with db.unit_of_work() as session:
        session.execute(sa.text("UPDATE post SET ended_at = NULL"))
    drain()
    assert office.row(told).way == WayName.CARD
    closed = office.plan("head", PushKind.CARD_CLOSED, fact="test:2", of=told, name="王")
    office.platform.faults.order("update_template_card", FaultKind.ERRCODE, errcode=-1)

    drain()
    office.world.forward(seconds=10)
    drain()

    assert (office.row(closed).state, office.row(closed).way) == (PushState.ACCEPTED, WayName.UPDATE)


# ── clocks ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_clock_that_is_put_back_does_not_hold_back_what_is_urgent(office: Office) -> None:
    userid = office.bind("duty", Channel.WECOM)
    office.world.forward(hours=1)
    for number in range(7):
        office.plan("duty", ALERT, fact=f"test:{number}")
    drain()
    office.world.forward(hours=-1)
    push_id = office.plan("duty", ALERT, fact="later:1")

    drain()
    office.world.forward(seconds=16)
    drain()

    assert office.row(push_id).state is PushState.ACCEPTED
    assert len(office.arrived(userid)) == 7


# ── what travels together ───────────────────────────────────────────────────────────────────────────────────────


def waiting_together(office: Office, *planned: tuple[PushKind, timedelta]) -> list[int]:
    """Rows of the advisor's that were put off until their sixth place is free, and are due again."""
    rows = [office.plan("advisor", kind, fact=f"together:{n}", lasts=lasts) for n, (kind, lasts) in enumerate(planned)]
    for push_id in rows:
        change(push_id, held_for="pace")
    return rows


def test_a_digest_goes_wherever_the_weightiest_of_it_may_go(office: Office) -> None:
    office.fallback = (f"{office.address.replace('http', 'json')}/fallback/{{number}}",)
    office.equip()
    userid = office.bind("advisor", Channel.WECOM)
    office.platform.wecom.leave(userid)
    rows = waiting_together(
        office, (PushKind.REBIND_DONE, timedelta(days=1)), (PushKind.CONCERN_UNSENT, timedelta(days=1))
    )

    drain()

    assert (office.row(rows[1]).state, office.row(rows[1]).channel) == (PushState.ACCEPTED, Route.FALLBACK)


def test_a_digest_with_something_important_does_not_wait_for_morning(office: Office) -> None:
    office.bind("advisor", Channel.WECOM)
    rows = waiting_together(
        office, (PushKind.REBIND_DONE, timedelta(days=1)), (PushKind.CONCERN_UNSENT, timedelta(days=1))
    )
    office.platform.faults.order(WECOM, FaultKind.ERRCODE, errcode=-1)
    drain()

    office.world.forward(hours=4)  # 23:30
    drain()

    assert office.row(rows[1]).state is PushState.ACCEPTED


def test_a_digest_does_not_end_with_the_first_of_it_that_ends(office: Office) -> None:
    office.bind("advisor", Channel.WECOM)
    rows = waiting_together(
        office, (PushKind.CONCERN_UNSENT, timedelta(minutes=5)), (PushKind.CONCERN_UNSENT, timedelta(days=7))
    )
    office.platform.faults.order(WECOM, FaultKind.ERRCODE, errcode=50003)  # asks for a minute's pause
    drain()
    change(rows[0], expires_at=office.world.now + timedelta(seconds=30))

    office.world.forward(minutes=10)
    office.equip()
    drain()

    assert office.row(rows[1]).state is PushState.ACCEPTED


def test_what_no_longer_holds_is_not_told_in_a_digest_that_is_tried_again(office: Office) -> None:
    userid = office.bind("advisor", Channel.WECOM)
    with db.unit_of_work() as session:
        wish = RebindWish(
            contact_id=1,
            person_id=office.world.people["student"],
            created_at=office.world.now,
            asked_until=office.world.now + timedelta(days=1),
        )
        session.add(wish)
        session.flush()
        wish_id = wish.id or 0
    sound = office.plan("advisor")
    stale = office.plan("advisor", PushKind.REBIND_CONFIRM, wish=wish_id)
    for push_id in (sound, stale):
        change(push_id, held_for="pace")
    office.platform.faults.order(WECOM, FaultKind.ERRCODE, errcode=-1)
    drain()

    with db.unit_of_work() as session:
        session.get_one(RebindWish, wish_id).state = RebindState.REFUSED
    office.world.forward(minutes=1)
    drain()

    assert (office.row(stale).state, office.row(stale).reason) == (PushState.SUPPRESSED, Reason.OVERTAKEN)
    (message,) = office.arrived(userid)
    assert office.row(sound).number in message["text"]
    assert "2 条消息" not in message["text"]


def test_what_joins_a_digest_at_its_last_try_has_its_own_tries(office: Office) -> None:
    office.bind("advisor", Channel.WECOM)
    rows = waiting_together(office, *[(PushKind.CONCERN_UNSENT, timedelta(days=1))] * 3)
    office.platform.faults.order(WECOM, FaultKind.ERRCODE, errcode=-1, count=ATTEMPTS)
    for _ in range(ATTEMPTS - 1):
        drain()
        office.world.forward(minutes=11)
    late = office.plan("advisor", fact="late:1")
    change(late, held_for="pace")

    drain()
    assert {office.row(push_id).state for push_id in rows} == {PushState.EXHAUSTED}
    office.world.forward(minutes=11)
    drain()

    assert office.row(late).state is PushState.ACCEPTED
    sums = {it.outcome: it.count for it in office.world.rows(PushTally) if it.subject == "row"}
    assert sums == {"exhausted": 3, "accepted": 1}


def test_the_sums_are_those_of_the_rows_whatever_was_taken_out_of_a_digest_on_its_way(office: Office) -> None:
    office.bind("advisor", Channel.WECOM)
    rows = waiting_together(office, *[(PushKind.CONCERN_UNSENT, timedelta(days=1))] * 4)
    with db.unit_of_work() as session:
        letters = claim_due(session, 10, now=clock.now(), machine=clock.machine())
        (digest,) = pace(session, letters, {}, now=clock.now())
    taken_out = next(push_id for push_id in rows if push_id != digest.id)
    with db.unit_of_work() as session:
        cancel(session, session.get_one(Push, taken_out), now=clock.now())

    with db.unit_of_work() as session:
        settle(session, [Outcome(digest, PushState.ACCEPTED, Route.WECOM, reason=Reason.IN_DIGEST)], now=clock.now())

    ends = Counter(office.row(push_id).state.value for push_id in rows)
    assert ends == {"accepted": 3, "suppressed": 1}
    sums = {it.outcome: it.count for it in office.world.rows(PushTally) if it.subject == "row"}
    assert sums == ends
    assert {office.row(push_id).state for push_id in rows} <= ENDS


# ── a group of rows ─────────────────────────────────────────────────────────────────────────────────────────────


def test_rows_that_somebody_else_has_do_not_keep_the_rest_of_a_list_waiting(office: Office) -> None:
    office.bind("duty", Channel.WECOM)
    office.bind("head", Channel.WECOM)
    taken = [office.plan("duty", ALERT, fact=f"test:{n}") for n in range(AT_ONCE)]
    free = office.plan("head", ALERT)
    with db.unit_of_work() as session:
        claim_these(session, taken, now=clock.now(), machine=clock.machine())

    assert deliver_these([*taken, free]) == 1


# ── the worker ──────────────────────────────────────────────────────────────────────────────────────────────────

WORKER = "from workers.worker import run_worker; run_worker({url!r})"


def until_it_listens(valkey: EmbeddedValkey) -> None:
    """Wait until a worker has told the queue that it is there."""
    end = time.monotonic() + 30
    with redis.Redis.from_url(valkey.url) as client:
        while not client.scard("rq:workers"):
            assert time.monotonic() < end, "no worker came"
            time.sleep(0.1)


@SQLITE
@pytest.mark.slow
def test_a_worker_that_is_told_to_stop_while_the_queue_is_away_stops(office: Office, valkey: EmbeddedValkey) -> None:
    process = office.beside(WORKER.format(url=valkey.url))
    try:
        until_it_listens(valkey)
        valkey.kill()
        time.sleep(3)

        process.send_signal(signal.SIGTERM)

        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()


@SQLITE
@pytest.mark.slow
def test_a_drain_that_fails_is_not_rung_for_again_at_once(office: Office, valkey: EmbeddedValkey) -> None:
    office.bind("advisor", Channel.WECOM)
    office.plan("advisor")
    code = f"delivery._equipment = None; {WORKER.format(url=valkey.url)}"
    process = subprocess.Popen(office._command(code), env=_environment(), stderr=subprocess.PIPE)
    until_it_listens(valkey)
    Doorbell(valkey.url).ring_drain()
    time.sleep(4)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=10)

    assert said.decode().count("a job failed") == 1
