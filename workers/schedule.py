"""The one list of what recurs.

A duty asks "what is due?" of the rows and does it in transactions of its own. Each is safe on several machines at once, late,
and twice: what it plans has a dedupe key, what it changes has a condition.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import Session

from models import alert, clock, outbox, rebinding, unsent, vacancy
from models.booking import lapsing, mornings, walking
from models.db import unit_of_work
from models.policy import Policy
from models.pulse import beat
from models.round import coming_moments
from workers import appointments, auditor, delivery
from workers.queue import Doorbell
from workers.rebinding import move_wishes
from workers.rounds import Reminders, Vacancies, plan_lists, plan_missing, plan_openings
from workers.sweeps import (
    finish_imports,
    match_receipts,
    put_away_talks,
    remind_of_unsent,
    seal_journal,
    sweep_bookings,
    sweep_inbox,
    sweep_links,
    sweep_pushes,
)

LATE = timedelta(seconds=2)
"""How long the workers have for an urgent row before it is delivered here."""

TICK = timedelta(seconds=1)
OFTEN = timedelta(seconds=5)
NOW_AND_THEN = timedelta(seconds=10)
MINUTE = timedelta(minutes=1)
HOURLY = timedelta(hours=1)


@dataclass(frozen=True)
class Duty:
    """Something done every so often. `run` takes `clock.now()` and returns how much it did.

    `aside`: may wait for a platform, so it gets a thread of its own.
    """

    name: str
    every: timedelta
    run: Callable[[datetime], int]
    aside: bool = False


def duties(policy: Policy, bell: Doorbell) -> list[Duty]:
    """All of them, the most pressing first."""
    reminders, vacancies, days = Reminders(), Vacancies(), appointments.Mornings()
    return [
        Duty("alerts", TICK, lambda now: _call_for_silence(policy, now)),
        Duty("appointments", TICK, lambda now: appointments.take_steps(policy.booking, now=now)),
        Duty("what passed", TICK, lambda now: appointments.end_what_passed(policy.booking, now=now)),
        Duty("mornings", TICK, lambda now: days.tell(policy.booking, now=now)),
        Duty("openings", TICK, lambda now: plan_openings(policy.checkin, now=now)),
        Duty("reminders", TICK, lambda now: reminders.plan(policy.checkin, now=now)),
        Duty("missing check-ins", TICK, lambda now: plan_missing(policy.checkin, now=now)),
        Duty("class lists", TICK, lambda now: plan_lists(policy.checkin, now=now)),
        Duty("vacancies", TICK, lambda now: vacancies.plan(policy.checkin, now=now)),
        Duty("unsent concerns", TICK, lambda now: remind_of_unsent(policy, now=now)),
        Duty("receipts", TICK, lambda now: match_receipts(now=now)),
        Duty("bell", TICK, lambda now: _ring(bell, now)),
        Duty("late urgent pushes", TICK, _deliver_late, aside=True),
        Duty("talks", NOW_AND_THEN, lambda now: put_away_talks(policy.talk_lasts, now=now)),
        Duty("rebinding", NOW_AND_THEN, lambda now: move_wishes(now=now)),
        Duty("roster imports", NOW_AND_THEN, lambda now: finish_imports(now=now)),
        Duty("counselors who left", NOW_AND_THEN, lambda now: appointments.end_those_who_left(now=now)),
        Duty("waiting list", NOW_AND_THEN, lambda now: appointments.match_waiting(policy.booking, now=now)),
        Duty("pulse", OFTEN, lambda _: _beat()),
        Duty("journal", OFTEN, lambda _: seal_journal()),
        Duty("auditor", auditor.EVERY, lambda now: auditor.audit(policy, now=now), aside=True),
        Duty("bare days", MINUTE, lambda now: appointments.tell_bare_days(policy.booking, now=now)),
        Duty("old pushes", MINUTE, lambda now: sweep_pushes(policy.pushes_kept, now=now)),
        Duty(
            "old bookings", HOURLY, lambda now: sweep_bookings(policy.booking_words_kept, policy.bookings_kept, now=now)
        ),
        Duty("links", HOURLY, lambda now: sweep_links(now=now)),
        Duty("inbox", NOW_AND_THEN, lambda now: sweep_inbox(policy.keys_kept, policy.replies_kept, now=now)),
    ]


def next_moment(session: Session, policy: Policy, now: datetime) -> datetime | None:
    """When the next of these has something to do: `now` when something waits already, None when nothing ever will."""
    waiting = [
        outbox.next_due(session),
        alert.next_silence(session),
        rebinding.next_step(session),
        walking.next_step(session),
        lapsing.next_moment(session),
        mornings.next_morning(session, policy=policy.booking, now=now),
        unsent.next_of_unsent(session, policy.talk_lasts),
        vacancy.next_morning(policy.checkin, now=now),
    ]
    moments = [moment for moment in waiting if moment is not None] + coming_moments(policy.checkin, now=now)
    return max(now, min(moments)) if moments else None


def _beat() -> int:
    with unit_of_work() as session:
        beat(session, "ticker", machine=clock.machine())
    return 0


def _call_for_silence(policy: Policy, now: datetime) -> int:
    with unit_of_work(write=False) as session:
        silence = alert.next_silence(session)
    if silence is None or silence > now:
        return 0
    with unit_of_work() as session:
        return alert.call_for_silence(session, policy=policy.duty, now=now)


def _ring(bell: Doorbell, now: datetime) -> int:
    with unit_of_work(write=False) as session:
        due = outbox.anything_due(session, now=now, machine=clock.machine())
    if due:
        bell.ring_drain()
    return int(due)


def _deliver_late(now: datetime) -> int:
    with unit_of_work(write=False) as session:
        late = outbox.late_urgent(session, now=now, machine=clock.machine(), after=LATE)
    return delivery.deliver_these(late) if late else 0
