"""What is pushed about a second account: to the first one, to whoever checks, and then to the new one. Rules: design, Binding."""

from models.channel import Channel
from models.outbox import PushKind, PushState, Reason
from tests.phone import Phone
from tests.workers.office import Office
from tests.world import DOORS
from workers.delivery import drain
from workers.rebinding import move_wishes

LINE = "绑定 2023010103 何小雨 0103"


def new_phone(office: Office) -> Phone:
    """An account that the platform has heard of, and we have not."""
    office.platform.heard("new-one")
    return office.world.phone("student", bound=False, address="new-one")


def first_phone(office: Office) -> Phone:
    """The student's own account."""
    address = office.bind("student", Channel.OFFICIAL_ACCOUNT, window=True)
    return Phone(office.world.app, DOORS[Channel.OFFICIAL_ACCOUNT], address, office.world.next_id)


def test_the_first_account_is_asked_and_the_new_one_is_told(office: Office) -> None:
    first, second = first_phone(office), new_phone(office)
    second.says(LINE)

    drain()
    (asked,) = office.arrived(first.address)
    assert "有人想用另一个微信账号绑定成你" in str(asked)
    assert not office.arrived(second.address)

    first.talks("换绑", "是我")
    drain()
    (told,) = office.arrived(second.address)
    assert "你的微信账号已经换好" in str(told)
    assert len(office.arrived(first.address)) == 1


def test_whoever_checks_is_told_and_what_was_decided_meanwhile_is_not_sent(office: Office) -> None:
    office.bind("advisor", Channel.WECOM)
    first, second = first_phone(office), new_phone(office)
    second.says(LINE)
    office.world.forward(hours=24)
    move_wishes(now=office.world.now)
    first.talks("换绑", "不是我")

    drain()

    states = {push.kind: (push.state, push.reason) for push in office.world.pushes()}
    assert states[PushKind.REBIND_CONFIRM] == (PushState.SUPPRESSED, Reason.OVERTAKEN)
    assert states[PushKind.REBIND_ASK][0] is PushState.SUPPRESSED
    assert not office.arrived("advisor-wecom")


def test_the_advisor_hears_that_somebody_is_to_be_checked_and_not_who(office: Office) -> None:
    office.bind("advisor", Channel.WECOM)
    first_phone(office)
    new_phone(office).says(LINE)
    office.world.forward(hours=24)
    move_wishes(now=office.world.now)

    drain()

    (told,) = office.arrived("advisor-wecom")
    assert "软件2301有一位同学或老师想换微信账号" in str(told)
    assert "何小雨" not in str(told)
