"""SIGKILL at each labelled point of a delivery, then another worker.

Nothing is lost, and where a platform can tell, nothing comes twice.
"""

import signal

import pytest

from models.channel import Channel
from models.outbox import KINDS, PushKind, PushState, Urgency
from tests.workers.office import Office
from workers.delivery import drain

POINTS = ("delivery.claimed", "delivery.before_request", "delivery.after_request", "delivery.before_settle")
ASKED = "delivery.asked"
DRAIN = "delivery.drain()"


@pytest.mark.parametrize("point", POINTS)
def test_a_killed_worker_loses_and_doubles_nothing(office: Office, point: str) -> None:
    office.bind("advisor", Channel.WECOM)
    office.bind("student", Channel.OFFICIAL_ACCOUNT)
    rows = [office.plan("advisor"), office.plan("student")]

    killed = office.elsewhere(DRAIN, failpoint=point)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert drain() == 0  # its lease still stands
    office.let_leases_run_out()
    drain()

    assert {office.row(push_id).state for push_id in rows} == {PushState.ACCEPTED}
    assert len(office.arrived()) == 2


@pytest.mark.parametrize("point", [*POINTS, ASKED])
@pytest.mark.parametrize("kind", [PushKind.CONCERN_UNSENT, PushKind.ALERT])
def test_a_killed_worker_leaves_no_doubt_unseen(office: Office, point: str, kind: PushKind) -> None:
    """A text cannot be told from its repeat: what was asked and not settled is uncertain, or urgent and sent once more."""
    office.bind("student", Channel.OFFICIAL_ACCOUNT, window=True)
    push_id = office.plan("student", kind)
    is_urgent = KINDS[kind].urgency is Urgency.URGENT

    assert office.elsewhere(DRAIN, failpoint=point).returncode == -signal.SIGKILL
    office.let_leases_run_out()
    drain()

    asked = point in {ASKED, *POINTS[2:]}
    assert office.row(push_id).state is (PushState.UNCERTAIN if asked and not is_urgent else PushState.ACCEPTED)
    arrived = int(point != ASKED) + int(is_urgent) if asked else 1
    assert len(office.arrived()) == arrived
