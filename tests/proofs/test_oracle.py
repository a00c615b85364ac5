"""The oracle finds what is wrong: worlds made wrong by hand, one fault each."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from bot.sandbox.swift import serving
from models import clock, db
from models.channel import Channel
from models.outbox import PushKind
from tests.engines import EngineName
from tests.proofs.oracle import Evidence, Verdict, judge
from tests.workers.office import Office, new_platform
from tests.world import World
from workers.delivery import drain


@pytest.fixture
def engine() -> EngineName:
    """One engine will do: the chaos that the oracle judges runs on both."""
    return "sqlite"


@pytest.fixture
def office(world: World) -> Iterator[Office]:
    """The school with a platform that answers, on each engine in turn."""
    with serving(platform := new_platform()) as address:
        yield Office(world, platform, address)


class Told:
    """Pushes that went as they should."""

    def __init__(self, office: Office, ids: list[int]) -> None:
        self.office, self.ids, self.loud = office, ids, ""
        drain()

    def judged(self, **how: Any) -> Verdict:
        """What the oracle says of it."""
        url = self.office.world.settings.database.url
        return judge(Evidence(url, self.office.platform.log, self.loud.splitlines()), self.ids, now=clock.now(), **how)

    def change(self, statement: str, **values: Any) -> None:
        """Falsify the tables."""
        with db.unit_of_work() as session:
            session.connection().execute(sa.text(statement), values)

    def again(self, recipient: str, api: str) -> None:
        """A message arrives once more."""
        (row,) = [it for it in self.office.arrived(recipient) if api in it["api"]]
        self.office.platform.log.append(row)


@pytest.fixture
def told(office: Office) -> Told:
    """A text to a member, a text in the window, an alert over both platforms."""
    office.bind("advisor", Channel.WECOM)
    office.bind("student", Channel.OFFICIAL_ACCOUNT, window=True)
    office.bind("duty", Channel.WECOM)
    office.bind("duty", Channel.OFFICIAL_ACCOUNT, window=True)
    return Told(office, [office.plan("advisor"), office.plan("student"), office.plan("duty", PushKind.ALERT)])


def test_what_went_well_is_found_to_be_well(told: Told) -> None:
    verdict = told.judged()

    assert verdict.faults == []
    assert verdict.doubles == []
    assert verdict.ends == {"accepted": 3}


def wrong(told: Told, **how: Any) -> str:
    (fault,) = told.judged(**how).faults
    return fault


def test_a_row_that_is_gone_is_found(told: Told) -> None:
    told.ids.append(4711)

    assert wrong(told) == "4711 is gone"


def test_a_row_that_was_due_and_stands_still_is_found_and_one_that_waits_is_not(told: Told) -> None:
    told.office.bind("head", Channel.WECOM)
    told.ids.append(told.office.plan("head"))
    assert "stands still" in wrong(told)

    told.change("UPDATE outbox SET next_at = :at WHERE id = :id", at=clock.now() + timedelta(hours=1), id=told.ids[-1])
    assert told.judged().faults == []


def test_a_row_without_end_is_found(told: Told) -> None:
    told.change("UPDATE outbox SET state = 'sending' WHERE id = :id", id=told.ids[0])

    assert "has no end: sending" in wrong(told)


def test_a_row_that_nobody_carries_is_found(told: Told) -> None:
    told.change("UPDATE outbox SET state = 'carried', carrier_id = :by WHERE id = :id", id=told.ids[0], by=4711)

    assert "is carried by nobody" in wrong(told)


def test_an_end_without_reason_is_found(told: Told) -> None:
    told.change("UPDATE outbox SET state = 'suppressed' WHERE id = :id", id=told.ids[0])

    assert "is suppressed without a reason" in wrong(told)


def test_an_end_that_nobody_heard_of_is_found(told: Told) -> None:
    told.office.platform.log[:] = [it for it in told.office.platform.log if it["recipient"] != "advisor-wecom"]

    assert "the platform never heard of it" in wrong(told)


def test_giving_up_in_silence_is_found_and_giving_up_aloud_is_not(told: Told) -> None:
    told.change("UPDATE outbox SET state = 'exhausted', reason = 'refused' WHERE id = :id", id=told.ids[0])
    assert "was given up in silence" in wrong(told)

    told.loud = f'{{"event": "a push could not be delivered", "push": {told.ids[0]}}}'
    assert told.judged().faults == []


def test_uncertain_without_a_lost_answer_is_found(told: Told) -> None:
    told.change("UPDATE outbox SET state = 'uncertain', reason = 'answer lost' WHERE id = :id", id=told.ids[1])

    assert "no answer was lost" in wrong(told)


@pytest.mark.parametrize(
    ("recipient", "api"), [("advisor-wecom", "message/send"), ("student-official_account", "message/custom/send")]
)
def test_a_message_that_came_twice_is_found(told: Told, recipient: str, api: str) -> None:
    told.again(recipient, api)

    assert f"came 2 times over /cgi-bin/{api}".replace("/cgi-bin/message/custom", "/message/custom") in wrong(told)


def test_an_urgent_text_that_came_twice_is_a_fault_until_an_answer_was_lost_and_it_shows(told: Told) -> None:
    told.again("duty-official_account", "message/custom/send")
    assert "came 2 times" in wrong(told)

    told.change(
        """INSERT INTO push_attempt (push_id, fence, channel, way, began_at, outcome)
           SELECT push_id, fence, channel, way, began_at, 'no answer' FROM push_attempt
           WHERE push_id = :id AND way = 'text' AND channel = 'official_account'""",
        id=told.ids[2],
    )
    verdict = told.judged()
    assert verdict.faults == []
    assert verdict.doubles == [told.ids[2]]


@pytest.mark.parametrize(("seconds", "faults"), [(2, 1), (9, 0)])
def test_an_urgent_text_sent_again_after_its_first_sender_fell_silent_is_excused(
    told: Told, seconds: int, faults: int
) -> None:
    """It was frozen, and writes its answer down when it is thawed."""
    told.again("duty-official_account", "message/custom/send")
    told.change("UPDATE push_attempt SET fence = 2 WHERE push_id = :id", id=told.ids[2])
    told.change("UPDATE outbox SET fence = 2 WHERE id = :id", id=told.ids[2])
    told.change(
        """INSERT INTO push_attempt (push_id, fence, channel, way, began_at, outcome)
           VALUES (:id, 1, 'official_account', 'text', :at, 'accepted')""",
        id=told.ids[2],
        at=clock.now() - timedelta(seconds=seconds),
    )
    told.change("UPDATE push_attempt SET id = id + 100 WHERE push_id = :id AND fence = 2", id=told.ids[2])

    assert len(told.judged().faults) == faults


def test_a_member_who_gets_an_urgent_text_twice_is_found_even_when_its_answer_was_lost(told: Told) -> None:
    told.again("duty-wecom", "message/send")
    told.change(
        """INSERT INTO push_attempt (push_id, fence, channel, way, began_at, outcome)
           SELECT push_id, fence, channel, way, began_at, 'no answer' FROM push_attempt
           WHERE push_id = :id AND channel = 'wecom'""",
        id=told.ids[2],
    )

    assert "came 2 times over /cgi-bin/message/send" in wrong(told)


def test_a_push_that_came_over_both_platforms_is_found_unless_it_is_urgent(told: Told) -> None:
    told.change("UPDATE outbox SET urgency = 'important' WHERE id = :id", id=told.ids[2])

    assert "came over /cgi-bin/message/send and /message/custom/send" in wrong(told)

    told.change(
        """INSERT INTO push_attempt (push_id, fence, channel, way, began_at, outcome)
           SELECT push_id, fence, channel, way, began_at, 'no answer' FROM push_attempt
           WHERE push_id = :id AND channel = 'wecom'""",
        id=told.ids[2],
    )
    assert "came over /cgi-bin/message/send and /message/custom/send" in wrong(told)  # that platform knows a repeat


def test_a_message_of_no_row_is_found(told: Told) -> None:
    told.change("UPDATE outbox SET number = '0000' WHERE id = :id", id=told.ids[0])

    assert "a message over /cgi-bin/message/send belongs to no row" in told.judged().faults


def test_a_reminder_after_it_was_cancelled_is_found(told: Told) -> None:
    before, after = clock.machine() - timedelta(minutes=1), clock.machine()
    assert "s after it was cancelled" in wrong(told, cancelled={told.ids[0]: before})
    assert told.judged(cancelled={told.ids[0]: after}).faults == []

    at = clock.machine() - timedelta(seconds=5)  # five seconds before it arrived, and it was taken after that
    assert "s after it was cancelled" in wrong(told, cancelled={told.ids[0]: at})
    told.change(
        "UPDATE outbox SET paced_at = :at WHERE id = :id", at=clock.now() - timedelta(seconds=6), id=told.ids[0]
    )
    assert told.judged(cancelled={told.ids[0]: at}).faults == []


def test_a_reminder_that_another_worker_had_put_an_end_to_is_found(told: Told) -> None:
    at = clock.machine() - timedelta(seconds=5)
    told.change(
        "UPDATE outbox SET state = 'suppressed', reason = 'overtaken', paced_at = :at WHERE id = :id",
        at=clock.now() - timedelta(seconds=6),
        id=told.ids[0],
    )

    assert "s after it was cancelled" in wrong(told, cancelled={told.ids[0]: at})


def test_a_row_that_a_ghost_settled_is_found(told: Told) -> None:
    told.change("UPDATE outbox SET fence = fence + 1 WHERE id = :id", id=told.ids[0])

    assert "was settled by a ghost" in wrong(told)


def test_an_attempt_under_a_claim_of_the_future_is_found(told: Told) -> None:
    told.change("UPDATE push_attempt SET fence = fence + 1 WHERE push_id = :id", id=told.ids[1])

    assert any("a claim that nobody had" in fault for fault in told.judged().faults)


def test_a_digest_is_judged_by_what_it_carries(office: Office) -> None:
    office.bind("advisor", Channel.WECOM)
    told = Told(office, [office.plan("advisor", fact=f"test:{n}") for n in range(9)])
    assert told.judged().faults == []
    assert told.judged().ends == {"accepted": 9}

    told.change(
        """UPDATE outbox SET carrier_id = (SELECT min(carrier_id) FROM outbox), reason = 'in digest' WHERE id = :id""",
        id=told.ids[0],
    )
    assert any("came 2 times" in fault for fault in told.judged().faults)
