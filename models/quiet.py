"""Quiet hours: routine pushes wait for morning. Rules: docs/rules.md#pushes."""

from datetime import UTC, datetime, timedelta

from models.policy import PushPolicy

SPREAD = timedelta(minutes=5)
"""Over which the morning's pushes go out, each person's all at once: not everything at seven."""


EVENING = timedelta(minutes=15)
"""Before the quiet hours begin: what would fall due in the night is better said now."""


def quiet_until(policy: PushPolicy, person_id: int, *, now: datetime) -> datetime | None:
    """When somebody may be written to again; None when they may now."""
    if policy.quiet_from == policy.quiet_to:
        return None
    local = now.astimezone(policy.zone)
    at = local.timetz().replace(tzinfo=None)
    over_midnight = policy.quiet_from > policy.quiet_to
    since, until = at >= policy.quiet_from, at < policy.quiet_to
    if not (since or until if over_midnight else since and until):
        return None
    day = local.date() + timedelta(days=1 if over_midnight and at >= policy.quiet_from else 0)
    ends = datetime.combine(day, policy.quiet_to, policy.zone).astimezone(UTC)
    return ends + SPREAD * (person_id % 60) / 60


def waking(policy: PushPolicy, start: datetime) -> datetime:
    """A moment, or the end of the quiet hours in which it lies."""
    return quiet_until(policy, 0, now=start) or start


def awake_for(policy: PushPolicy, start: datetime, span: timedelta) -> datetime:
    """When somebody who hears of something at `start` has had so much time for it; quiet hours do not count.

    A span of a day or more has its day in it: there the clock counts.
    """
    since = waking(policy, start)
    until = since + span
    if span >= timedelta(days=1) or (morning := quiet_until(policy, 0, now=until)) is None:
        return until
    evening = _begins_before(policy, until)
    return morning + (until - max(evening, since))


def _begins_before(policy: PushPolicy, moment: datetime) -> datetime:
    """When the quiet hours began in which a moment lies."""
    local = moment.astimezone(policy.zone)
    day = local.date() - timedelta(days=1 if local.timetz().replace(tzinfo=None) < policy.quiet_from else 0)
    return datetime.combine(day, policy.quiet_from, policy.zone).astimezone(UTC)


def said_by_now(policy: PushPolicy, *, now: datetime) -> datetime:
    """Up to when what falls due is said now: in the last quarter of an hour before the quiet hours, until their end."""
    if quiet_until(policy, 0, now=now) is not None:
        return now
    return quiet_until(policy, 0, now=now + EVENING) or now
