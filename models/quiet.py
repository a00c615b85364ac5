"""Quiet hours: routine pushes wait for morning. Rules: docs/rules.md#pushes."""

from datetime import UTC, datetime, timedelta

from models.policy import PushPolicy

SPREAD = timedelta(minutes=5)
"""Over which the morning's pushes go out, each person's all at once: not everything at seven."""


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
