"""What cannot be sent as it stands: each has an end that somebody sees, nothing is lost, and the others go on."""

import json
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from bot.pushes_command import list_pushes, show_push
from bot.sandbox.faults import FaultKind
from models import clock, db
from models.channel import Channel
from models.contact import Contact
from models.outbox import KINDS, Push, PushKind, PushState, Reason, Route, WayName, retry
from models.outbox.operating import Wanted, listed
from models.outbox.pacing import MOST
from models.person import Person
from tests.phone import Phone
from tests.workers.office import Office
from tests.world import DOORS
from workers.attempt import ATTEMPTS
from workers.delivery import drain
from workers.senders.official_account import TemplateForm

WECOM, SERVICE, TEMPLATES = "message/send", "custom/send", "template/send"
STRANGE = TemplateForm("TPL-of-another-account", {"thing1": "text"})
DECLARED = list(KINDS)


def end(office: Office, push_id: int) -> tuple[PushState, str | None, str | None]:
    """How a row stands: state, reason, the platform's last code."""
    row = office.row(push_id)
    return row.state, row.reason, row.outcome


def listed_ids(office: Office) -> set[int | None]:
    """What `xinqiao pushes` shows an operator who asks for nothing in particular."""
    with db.unit_of_work(write=False) as session:
        return {it.push.id for it in listed(session, Wanted(), now=office.world.now, most=100)}


def told_above(office: Office) -> list[int]:
    """Whom somebody heard of that they could not be reached."""
    return [it.person_id for it in office.world.pushes() if it.kind is PushKind.UNREACHABLE]


def alter(push_id: int, **values: Any) -> None:
    """Write into a row what no release of ours would."""
    with db.unit_of_work() as session:
        sets = ", ".join(f"{name} = :{name}" for name in values)
        session.execute(sa.text(f"UPDATE outbox SET {sets} WHERE id = :id"), values | {"id": push_id})  # noqa: S608 — our own names


def until_it_ends(office: Office, push_id: int) -> None:
    """Drain, and go on to when the row is looked at next, until it has an end."""
    for _ in range(ATTEMPTS + 1):
        drain()
        if office.row(push_id).settled_at is not None:
            return
        clock.move_to(office.row(push_id).next_at)
    pytest.fail("it never ended")


# ── the person ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_who_has_left_is_not_written_to_and_nobody_is_told_to_look_for_them(office: Office) -> None:
    office.bind("advisor", Channel.WECOM)
    office.bind("head", Channel.WECOM)
    gone, sound = office.plan("advisor"), office.plan("head")
    with db.unit_of_work() as session:
        session.get_one(Person, office.world.people["advisor"]).ended_at = office.world.now

    drain()

    assert end(office, gone) == (PushState.SUPPRESSED, Reason.LEFT, None)
    assert office.row(sound).state is PushState.ACCEPTED
    assert told_above(office) == []


def test_who_has_no_contact_is_told_above_and_reads_it_once_they_bind(office: Office) -> None:
    office.bind("head", Channel.WECOM)
    alone, sound = office.plan("advisor"), office.plan("head", fact="test:2")

    drain()

    assert end(office, alone) == (PushState.EXHAUSTED, Reason.UNREACHABLE, None)
    assert office.row(sound).state is PushState.ACCEPTED
    assert told_above(office) == [office.world.people["head"]]
    assert alone in listed_ids(office)
    assert office.row(alone).number in office.world.phone("advisor").says("查看")


@pytest.mark.parametrize("code", [81013, 60111, 40003])
def test_a_userid_that_is_not_there_is_refused_marked_and_told_above(office: Office, code: int) -> None:
    userid = office.bind("advisor", Channel.WECOM)
    office.bind("head", Channel.WECOM)
    wrong, sound = office.plan("advisor"), office.plan("head", fact="test:2")
    office.platform.faults.order(WECOM, FaultKind.ERRCODE, errcode=code, recipient=userid)

    drain()

    assert end(office, wrong) == (PushState.EXHAUSTED, Reason.REFUSED, str(code))
    assert office.row(sound).state is PushState.ACCEPTED
    assert [it.listening for it in office.world.rows(Contact, sa.column("address") == userid)] == [False]
    assert told_above(office) == [office.world.people["head"]]
    assert wrong in listed_ids(office)

    second = office.plan("advisor", fact="test:3")
    drain()
    assert end(office, second)[:2] == (PushState.EXHAUSTED, Reason.UNREACHABLE)
    assert len([row for row in office.calls(WECOM) if row["recipient"] == userid]) == 1


@pytest.mark.parametrize("window", [False, True])
@pytest.mark.parametrize(("code", "listens"), [(40003, False), (49003, True)])
def test_an_openid_of_another_account_is_refused_and_told_above(
    office: Office, *, code: int, listens: bool, window: bool
) -> None:
    office.bind("student", Channel.OFFICIAL_ACCOUNT, window=window)
    office.bind("advisor", Channel.WECOM)
    wrong, sound = office.plan("student"), office.plan("advisor", fact="test:2")
    for api in (SERVICE, TEMPLATES):
        office.platform.faults.order(api, FaultKind.ERRCODE, errcode=code, count=9)

    drain()

    assert end(office, wrong) == (PushState.EXHAUSTED, Reason.REFUSED, str(code))
    assert office.row(sound).state is PushState.ACCEPTED
    # 49003 may be a wrong app_id of ours: nobody is given up for it.
    (contact,) = office.world.rows(Contact, sa.column("channel") == Channel.OFFICIAL_ACCOUNT.value)
    assert contact.listening is listens
    assert told_above(office) == [office.world.people["advisor"]]


@pytest.mark.parametrize("channel", Channel)
@pytest.mark.parametrize("address", ["", "|", "@all", " ", "甲" * 300])
def test_an_address_that_can_be_nobodys_reaches_nobody(office: Office, channel: Channel, address: str) -> None:
    office.bind("head", Channel.WECOM)
    office.bind("duty", Channel.WECOM)
    with db.unit_of_work() as session:
        session.add(Contact(channel=channel, address=address, person_id=office.world.people["advisor"]))
    wrong, sound = office.plan("advisor"), office.plan("head", fact="test:2")

    drain()

    assert end(office, wrong)[1] in {Reason.REFUSED, Reason.UNREACHABLE}
    assert office.row(sound).state is PushState.ACCEPTED
    assert office.row(wrong).number not in str([row["text"] for row in office.arrived()])


# ── the account's settings ──────────────────────────────────────────────────────────────────────────────────────


def test_a_template_that_the_platform_does_not_know_is_refused_and_told_above(office: Office) -> None:
    office.templates[PushKind.CONCERN_UNSENT] = STRANGE
    office.equip()
    openid = office.bind("student", Channel.OFFICIAL_ACCOUNT)
    office.bind("advisor", Channel.WECOM)
    wrong, sound = office.plan("student"), office.plan("student", PushKind.REBIND_DONE, fact="test:2")

    drain()

    assert end(office, wrong) == (PushState.EXHAUSTED, Reason.REFUSED, "40037")
    assert office.row(sound).state is PushState.ACCEPTED
    assert told_above(office) == [office.world.people["advisor"]]
    assert wrong in listed_ids(office)
    assert office.row(wrong).number in Phone(
        office.world.app, DOORS[Channel.OFFICIAL_ACCOUNT], openid, office.world.next_id
    ).says("查看")


def test_a_template_that_the_platform_does_not_know_gives_way_to_another_channel(office: Office) -> None:
    office.fallback = (office.address.replace("http", "json") + "/fallback/{number}",)
    office.templates[PushKind.CONCERN_UNSENT] = STRANGE
    office.equip()
    office.bind("student", Channel.OFFICIAL_ACCOUNT)
    push_id = office.plan("student")

    drain()

    assert (office.row(push_id).state, office.row(push_id).channel) == (PushState.ACCEPTED, Route.FALLBACK)
    assert [(it.channel, it.code) for it in office.attempts(push_id)][:1] == [(Route.OFFICIAL_ACCOUNT, "40037")]
    assert told_above(office) == []


def test_what_was_uncertain_goes_once_more_when_the_operator_says_so(office: Office) -> None:
    office.bind("student", Channel.OFFICIAL_ACCOUNT, window=True)
    push_id = office.plan("student")
    office.platform.faults.order(SERVICE, FaultKind.LOST)
    drain()
    assert office.row(push_id).state is PushState.UNCERTAIN

    with db.unit_of_work() as session:
        retry(session, session.get_one(Push, push_id), now=office.world.now)
    drain()

    assert office.row(push_id).state is PushState.ACCEPTED
    assert [it.outcome.value for it in office.attempts(push_id)] == ["no answer", "accepted"]


def test_a_template_that_was_put_right_takes_it_when_the_operator_says_so(office: Office) -> None:
    forms = dict(office.templates)
    office.templates[PushKind.CONCERN_UNSENT] = STRANGE
    office.equip()
    office.bind("student", Channel.OFFICIAL_ACCOUNT)
    push_id = office.plan("student")
    drain()

    office.templates = forms
    office.equip()
    with db.unit_of_work() as session:
        retry(session, session.get_one(Push, push_id), now=office.world.now)
    drain()

    assert office.row(push_id).state is PushState.ACCEPTED


@pytest.mark.parametrize(
    "url", ["nonsense://somewhere/{number}", "没有冒号", "https://", "mailto://", "json://[::/{number}"]
)
def test_an_address_of_the_schools_other_ways_that_apprise_does_not_know(
    office: Office, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    office.fallback = (url,)
    office.equip()
    office.bind("head", Channel.WECOM)
    wrong, sound = office.plan("advisor"), office.plan("head", fact="test:2")

    drain()

    assert end(office, wrong)[:2] == (PushState.EXHAUSTED, Reason.REFUSED)
    assert office.row(sound).state is PushState.ACCEPTED
    assert told_above(office) == [office.world.people["head"]]
    assert any("fallback.urls" in record.message for record in caplog.records)


def test_one_bad_address_of_the_schools_other_ways_does_not_stop_the_good_one(office: Office) -> None:
    office.fallback = ("nonsense://x", office.address.replace("http", "json") + "/fallback/{number}")
    office.equip()
    push_id = office.plan("advisor")

    drain()

    assert (office.row(push_id).state, office.row(push_id).channel) == (PushState.ACCEPTED, Route.FALLBACK)


def test_an_address_of_the_schools_other_ways_that_is_dead_makes_nothing_come_twice(office: Office) -> None:
    office.fallback = ("json://127.0.0.1:9/gateway", office.address.replace("http", "json") + "/fallback/{number}")
    office.equip()
    push_id = office.plan("advisor")

    drain()
    office.world.forward(minutes=5)
    drain()

    assert (office.row(push_id).state, office.row(push_id).channel) == (PushState.ACCEPTED, Route.FALLBACK)
    assert len([row for row in office.platform.log if "/fallback/" in row["api"]]) == 1


# ── the row ─────────────────────────────────────────────────────────────────────────────────────────────────────

NO_DATA = ["", "{", "null", "[]", '"文"', "7", "{'unit': '软件2301'}", "[" * 100_000, '{"unit": NaN']


@pytest.mark.parametrize("data", NO_DATA, ids=lambda data: data[:12])
def test_data_that_cannot_be_read_stops_nobody_and_ends_where_one_looks(office: Office, data: str) -> None:
    office.bind("advisor", Channel.WECOM)
    office.bind("head", Channel.WECOM)
    broken, sound = office.plan("advisor"), office.plan("advisor", fact="test:2")
    alter(broken, data=data)

    drain()
    assert end(office, broken) == (PushState.QUEUED, None, "error")
    assert office.row(sound).state is PushState.ACCEPTED
    until_it_ends(office, broken)

    assert end(office, broken) == (PushState.EXHAUSTED, Reason.GAVE_UP, "error")
    assert told_above(office) == [office.world.people["head"]]
    assert broken in listed_ids(office)


def test_a_push_that_shows_nothing_of_its_data_goes_without(office: Office) -> None:
    office.bind("duty", Channel.WECOM)
    push_id = office.plan("duty", PushKind.ALERT_FACTS)
    alter(push_id, data="{")

    drain()

    assert office.row(push_id).state is PushState.ACCEPTED


def test_whoever_asks_is_shown_what_waits_without_what_cannot_be_read(office: Office) -> None:
    phone = office.world.phone("advisor")
    broken, sound = office.plan("advisor"), office.plan("advisor", fact="test:2")
    alter(broken, data="{")

    reply = phone.says("查看")

    assert office.row(broken).number in reply
    assert office.row(sound).number in reply


IDS = (
    "round", "unit_id", "unit_ids", "checkin", "version", "talk", "touched", "alert", "wish", "of", "concern",
    "appointment", "proposal", "counselor", "on", "zone", "minutes", "until_at",
)  # fmt: skip
"""What the checks look up, and what updates a card."""


@pytest.mark.parametrize("value", ["甲", -1, 2**40, 2**80, 1.5, None, [], ["甲"], [2**40], {"a": 1}, True], ids=str)
def test_ids_that_are_none_stop_nobody(office: Office, value: object) -> None:
    office.bind("advisor", Channel.WECOM)
    office.bind("duty", Channel.WECOM)
    sound = office.plan("duty")
    rows = [office.plan("advisor", kind, fact=f"test:{kind}") for kind in DECLARED]
    for push_id in rows:
        data = json.loads(office.row(push_id).data) | dict.fromkeys(IDS, value)
        if KINDS[office.row(push_id).kind].fields >= {"units"} or value == []:
            data.pop("unit_id")
        alter(push_id, data=json.dumps(data))

    for _ in range(4):
        drain()
        office.world.forward(minutes=11)

    assert office.row(sound).state is PushState.ACCEPTED
    left = {office.row(push_id).kind: office.row(push_id).state for push_id in rows}
    assert [kind for kind, state in left.items() if state is PushState.SENDING] == []
    # A round or a talk that is not there is over, and a card that is not there is not updated.
    unsent = {kind for kind, state in left.items() if state is PushState.SUPPRESSED}
    assert PushKind.CARD_CLOSED in unsent
    assert unsent <= {kind for kind, rule in KINDS.items() if rule.holds != "always"} | {PushKind.CARD_CLOSED}


def test_a_kind_that_this_release_does_not_know_stops_nobody_and_waits_for_one_that_does(
    office: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    phone = office.world.phone("advisor")
    office.bind("duty", Channel.WECOM)
    strange = [office.plan("advisor", kind, fact=f"test:{kind}") for kind in (PushKind.CONCERN_CAME, PushKind.ALERT)]
    sound = [office.plan("duty", fact="test:2"), office.plan("duty", PushKind.ALERT)]
    office.plan("advisor", fact="test:3")
    for push_id in strange:
        alter(push_id, kind="appointment_moved")
    drain()

    assert [end(office, push_id) for push_id in strange] == [(PushState.EXHAUSTED, Reason.UNKNOWN_KIND, None)] * 2
    assert {office.row(push_id).state for push_id in sound} == {PushState.ACCEPTED}
    assert set(strange) <= listed_ids(office)
    list_pushes(office.world.settings, states=[], kinds=[], person=None, late=False, limit=30)
    show_push(office.world.settings, f"id:{strange[0]}")
    assert "这个版本不认识它" in capsys.readouterr().out
    assert phone.says("查看").startswith("等着你看的有 1 条")


def test_a_row_of_another_release_keeps_its_kind_and_goes_once_there_are_words_for_it(office: Office) -> None:
    office.bind("advisor", Channel.WECOM)
    push_id = office.plan("advisor")
    alter(push_id, kind="appointment_moved")
    drain()

    with db.unit_of_work() as session:
        row = session.get_one(Push, push_id)
        retry(session, row, now=office.world.now)
    with db.unit_of_work(write=False) as session:
        kept = session.execute(sa.text("SELECT kind, state FROM outbox WHERE id = :id"), {"id": push_id}).one()
    assert tuple(kept) == ("appointment_moved", "queued")
    alter(push_id, kind=PushKind.CONCERN_UNSENT.value)  # as if this were the release that has it
    drain()

    assert office.row(push_id).state is PushState.ACCEPTED


def test_a_kind_that_nobody_knows_any_more_does_not_stop_the_digest_it_is_in(office: Office) -> None:
    userid = office.bind("advisor", Channel.WECOM)
    rows = [office.plan("advisor", fact=f"test:{n}") for n in range(MOST + 3)]
    office.platform.faults.order(WECOM, FaultKind.LOST, count=MOST)  # so it comes again as it was
    drain()
    carried = [push_id for push_id in rows if office.row(push_id).state is PushState.CARRIED]
    alter(carried[0], kind="appointment_moved")

    office.world.forward(minutes=1)
    drain()

    assert {office.row(push_id).state for push_id in rows} == {PushState.ACCEPTED}
    assert any("有新消息" in row["text"] for row in office.arrived(userid))


def test_a_kind_that_is_muted_and_unknown_shows_the_others(office: Office) -> None:
    phone = office.world.phone("head")
    with db.unit_of_work() as session:
        session.execute(
            sa.text("INSERT INTO mute (person_id, kind, at) VALUES (:person, 'appointment_moved', :at)"),
            {"person": office.world.people["head"], "at": "2026-11-15 00:00:00.000000"},
        )

    assert "小结" in phone.talks("我的数据", "2")


@pytest.mark.parametrize("channel", Channel)
def test_a_value_without_end_is_cut_and_the_rest_of_the_sentence_arrives(office: Office, channel: Channel) -> None:
    who = "advisor" if channel is Channel.WECOM else "student"
    address = office.bind(who, channel, window=True)
    push_id = office.plan(who, unit="软" * 100_000)

    drain()

    assert office.row(push_id).state is PushState.ACCEPTED
    assert office.row(push_id).way == WayName.TEXT
    (message,) = office.arrived(address)
    assert len(message["text"].encode()) <= 600
    assert f"编号 {office.row(push_id).number}" in message["text"]


def test_many_values_without_end_fit_one_digest(office: Office) -> None:
    userid = office.bind("advisor", Channel.WECOM)
    rows = [office.plan("advisor", fact=f"test:{n}", unit="软" * 100_000) for n in range(MOST + 20)]

    drain()

    assert {office.row(push_id).state for push_id in rows} == {PushState.ACCEPTED}
    assert max(len(row["text"].encode()) for row in office.arrived(userid)) <= 2000
    assert all("编号" in row["text"] for row in office.arrived(userid))


# ── what travels together ───────────────────────────────────────────────────────────────────────────────────────


def test_somebody_above_hears_of_an_important_push_that_travelled_with_a_routine_one(office: Office) -> None:
    userid = office.bind("advisor", Channel.WECOM)
    office.bind("head", Channel.WECOM)
    office.platform.wecom.leave(userid)
    office.world.forward(hours=4)  # 23:30: routine ones wait for the morning
    first = office.plan("advisor", PushKind.REBIND_DONE, fact="test:0", lasts=timedelta(days=2))
    drain()
    rows = [office.plan("advisor", fact=f"test:{n}", lasts=timedelta(days=2)) for n in range(1, 4)]
    for push_id in (first, *rows):
        alter(push_id, held_for="quiet")
    office.world.forward(hours=8)

    drain()

    assert {office.row(push_id).state for push_id in (first, *rows)} == {PushState.EXHAUSTED}
    assert len({office.row(push_id).carrier_id for push_id in (first, *rows)} - {None}) == 1
    assert set(told_above(office)) == {office.world.people["head"]}
