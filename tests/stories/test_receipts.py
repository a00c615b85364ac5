"""What the platforms tell by themselves: what became of a push, and what a follower allows. Nobody was heard by it."""

from typing import Any

import pytest
import sqlalchemy as sa

from bot.sandbox.callbacks import SignedRequest, event, sign, tell_events
from models import db
from models.audit import Audit, Fact
from models.channel import Channel
from models.contact import Contact
from models.outbox import AttemptOutcome, PushKind, PushReceipt, PushState
from models.subscription import Subscription
from models.talk import TalkLog
from tests.phone import Phone
from tests.rows import everything
from tests.workers.office import Office
from tests.world import DOORS, World
from workers.delivery import drain

ACCOUNT = Channel.OFFICIAL_ACCOUNT
FINISHED = "TEMPLATESENDJOBFINISH"


def told(office: Office) -> tuple[int, str]:
    """A push that went out as a template message, and to whom."""
    address = office.bind("student", ACCOUNT)
    push_id = office.plan("student", PushKind.CONCERN_UNSENT)
    drain()
    assert office.row(push_id).way == "template"
    return push_id, address


def platform_tells(office: Office) -> int:
    """The platform tells what it has to tell, through the real door."""
    client = office.world.app.test_client()

    def post(request: SignedRequest) -> None:
        response = client.post(request.url, data=request.body, content_type="text/xml")
        assert (response.status_code, response.data) == (200, b"success")

    return tell_events(office.platform.events, DOORS, post)


def phone_of(world: World, who: str, address: str) -> Phone:
    return world.phone(who, bound=False, address=address)


def contact(world: World, address: str) -> Contact:
    (it,) = world.rows(Contact, Contact.address == address)
    return it  # type: ignore[no-any-return]


# ── receipts ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_push_is_delivered_when_the_platform_says_so(office: Office) -> None:
    push_id, address = told(office)
    assert office.row(push_id).state is PushState.ACCEPTED

    assert platform_tells(office) == 1

    assert office.row(push_id).state is PushState.DELIVERED
    (attempt,) = office.attempts(push_id)
    assert (attempt.outcome, attempt.code) == (AttemptOutcome.DELIVERED, "success")
    assert contact(office.world, address).seen_at is None


def test_a_push_that_did_not_arrive_goes_another_way_and_a_blocked_account_is_lost(office: Office) -> None:
    office.platform.official.followers[office.bind("advisor", ACCOUNT)].blocked = True
    push_id = office.plan("advisor")
    drain()

    platform_tells(office)

    (attempt,) = office.attempts(push_id)
    assert (attempt.outcome, attempt.code) == (AttemptOutcome.FAILED, "failed:user block")
    it = contact(office.world, "advisor-official_account")
    assert (it.listening, it.seen_at) == (False, None)
    assert office.world.facts(Fact.CONTACT_LOST) == [Fact.CONTACT_LOST]
    assert office.row(push_id).state is PushState.QUEUED

    office.bind("advisor", Channel.WECOM)
    drain()
    assert (office.row(push_id).state, office.row(push_id).channel) == ("accepted", "wecom")


def test_a_failure_of_the_platforms_own_loses_nobody(office: Office) -> None:
    push_id, address = told(office)
    phone = phone_of(office.world, "student", address)
    handle = office.attempts(push_id)[0].handle or ""

    phone.event(FINISHED, MsgID=handle, Status="failed: system failed")

    assert office.attempts(push_id)[0].code == "failed:system failed"
    assert contact(office.world, address).listening


def test_whoever_wrote_since_is_not_lost(office: Office) -> None:
    push_id, address = told(office)
    phone = phone_of(office.world, "student", address)
    phone.says("你好")

    phone.event(FINISHED, MsgID=office.attempts(push_id)[0].handle or "", Status="failed:user block")

    assert office.attempts(push_id)[0].outcome is AttemptOutcome.FAILED
    assert contact(office.world, address).listening


def test_a_receipt_told_three_times_counts_once(office: Office) -> None:
    push_id, address = told(office)
    phone = phone_of(office.world, "student", address)
    handle = office.attempts(push_id)[0].handle or ""
    phone.event(FINISHED, MsgID=handle, Status="success")
    rows = everything()

    assert [phone.repeats(), phone.repeats()] == ["", ""]
    assert everything() == rows
    # Told once more a second later, or told otherwise: what was settled stays.
    phone.event(FINISHED, MsgID=handle, Status="success")
    phone.event(FINISHED, MsgID=handle, Status="failed: system failed")
    assert office.row(push_id).state is PushState.DELIVERED


def test_two_receipts_of_one_person_in_one_second_both_count(office: Office) -> None:
    address = office.bind("student", ACCOUNT)
    pushes = [office.plan("student", fact=f"test:{at}") for at in range(2)]
    drain()
    phone = phone_of(office.world, "student", address)

    for push_id in pushes:
        fields = {"MsgID": office.attempts(push_id)[0].handle or "", "Status": "success"}
        phone._post(sign(phone.door, event(phone.door, address, FINISHED, fields, created=1_800_000_000)))

    assert [office.row(push_id).state for push_id in pushes] == ["delivered", "delivered"]


def test_a_receipt_that_overtakes_our_own_note_is_kept(world: World) -> None:
    phone = world.phone("student")

    assert phone.event(FINISHED, MsgID="4711", Status="success") == ""

    (it,) = world.rows(PushReceipt)
    assert (it.channel, it.handle, it.arrived, it.code) == ("official_account", "4711", True, "success")


def test_a_stranger_s_receipt_changes_nobody(world: World) -> None:
    phone = world.phone("student", bound=False)

    assert phone.event(FINISHED, MsgID="4711", Status="failed:user block") == ""

    assert not contact(world, phone.address).listening


# ── nobody was heard ────────────────────────────────────────────────────────────────────────────────────────────────

TOLD: list[tuple[str, dict[str, str]]] = [
    (FINISHED, {"MsgID": "4711", "Status": "success"}),
    ("subscribe_msg_popup_event", {}),
    ("user_authorization_revoke", {"RevokeInfo": "1"}),
    ("user_info_modified", {}),
]


def consents(phone: Phone, name: str, *items: dict[str, str]) -> str:
    """An event about subscriptions, with a `List` node for each item."""
    holder = {"popup": "Popup", "change": "Change", "sent": "Sent"}[name]
    lists = "".join(
        "<List>" + "".join(f"<{key}><![CDATA[{value}]]></{key}>" for key, value in item.items()) + "</List>"
        for item in items
    )
    xml = event(phone.door, phone.address, f"subscribe_msg_{name}_event", {"X": "x"}, created=phone.next_id())
    tag = f"SubscribeMsg{holder}Event"
    return phone._send(xml.replace("<X><![CDATA[x]]></X>", f"<{tag}>{lists}</{tag}>"))


@pytest.mark.parametrize(("name", "fields"), TOLD)
def test_nobody_was_heard_by_it_and_no_window_opens(world: World, name: str, fields: dict[str, str]) -> None:
    phone = world.phone("committee")
    question = phone.says("周报")
    with db.unit_of_work() as session:
        session.execute(sa.update(Contact).values(seen_at=None, window_until=None, window_left=0))
    talk = [row.touched_at for row in world.rows(TalkLog)]

    if name.startswith("subscribe"):
        consents(phone, "popup", {"TemplateId": "T1", "SubscribeStatusString": "accept"})
    else:
        assert phone.event(name, **fields) == ""

    it = contact(world, phone.address)
    assert (it.seen_at, it.window_until, it.window_left) == (None, None, 0)
    assert [row.touched_at for row in world.rows(TalkLog)] == talk
    assert phone.says("帮助").endswith(question)


# ── subscriptions ───────────────────────────────────────────────────────────────────────────────────────────────────


def credits_of(world: World) -> dict[str, int]:
    """What is allowed, by template."""
    return {row.template_id: row.credits for row in world.rows(Subscription)}


def test_credits_follow_what_the_follower_allows(world: World) -> None:
    phone = world.phone("student")
    yes: dict[str, Any] = {"SubscribeStatusString": "accept", "PopupScene": "1"}
    no: dict[str, Any] = {"SubscribeStatusString": "reject", "PopupScene": "1"}

    assert consents(phone, "popup", {"TemplateId": "T1", **yes}) == ""
    consents(phone, "popup", {"TemplateId": "T1", **yes}, {"TemplateId": "T2", **no})
    assert credits_of(world) == {"T1": 2}
    phone.repeats()
    assert credits_of(world) == {"T1": 2}

    consents(phone, "sent", {"TemplateId": "T1", "MsgID": "1", "ErrorCode": "0", "ErrorStatus": "success"})
    consents(phone, "sent", {"TemplateId": "T1", "MsgID": "2", "ErrorCode": "43101", "ErrorStatus": "refused"})
    assert credits_of(world) == {"T1": 1}

    consents(phone, "change", {"TemplateId": "T1", "SubscribeStatusString": "reject"})
    consents(phone, "sent", {"TemplateId": "T1", "MsgID": "3", "ErrorCode": "0", "ErrorStatus": "success"})
    assert credits_of(world) == {"T1": 0}
    assert len(world.facts(Fact.SUBSCRIPTION_CHANGED)) == 4


# ── taken back ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("which", ["revoke", "cancellation"])
def test_whoever_takes_back_what_they_allowed_gets_nothing_until_they_write(world: World, which: str) -> None:
    phone = world.phone("student")
    phone.says("你好")
    seen = contact(world, phone.address).seen_at

    assert phone.event(f"user_authorization_{which}", OpenID=phone.address, AppID="wx", RevokeInfo="1") == ""

    it = contact(world, phone.address)
    assert (it.listening, it.seen_at, it.window_left) == (False, seen, 0)
    (fact,) = world.rows(Audit, Audit.fact == Fact.AUTHORIZATION_REVOKED)
    assert (fact.actor_id, fact.subject) == (world.people["student"], f"contact:{it.id}")

    phone.says("你好")
    assert contact(world, phone.address).listening


def test_an_account_that_changed_its_own_name_is_acknowledged_only(world: World) -> None:
    rows = everything()
    phone = world.phone("student", bound=False)

    assert phone.event("user_info_modified", OpenID=phone.address, AppID="wx") == ""
    assert everything() == rows
