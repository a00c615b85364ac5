"""How `xinqiao pushes` shows a push: by its number and kind, its reader by the number on the roster, staff by name too."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from models.channel import Channel
from models.contact import Contact
from models.outbox import AttemptOutcome, Push, PushAttempt, PushKind, PushState, Reason, Route
from models.outbox.operating import LATE_AFTER, Listed
from workers.senders.codes import is_lost, verdict

if TYPE_CHECKING:
    from bot.settings import Settings
    from handlers.words.catalogue import Words

_FINE = {"0", "success"}


def row(words: "Words", it: Listed, *, now: datetime) -> list[str]:
    """A line of the list."""
    push = it.push
    return [
        str(push.id),
        push.number,
        words(f"pushes.kind.{push.kind.value}"),
        _person(words, it),
        words(f"pushes.state.{push.state.value}"),
        moment_text(words, push.due_at),
        str(push.attempts),
        _channel(words, push.channel),
        _note(words, push, now=now),
    ]


def _person(words: "Words", it: Listed) -> str:
    return words("pushes.shown.person", name=it.name, number=it.number) if it.name else it.number


def _channel(words: "Words", channel: str | None) -> str:
    return words(f"pushes.channel.{channel}") if channel else ""


def _note(words: "Words", push: Push, *, now: datetime) -> str:
    """Why it stands as it does, and how late it is."""
    parts = []
    if push.state in {PushState.QUEUED, PushState.SENDING} and (late := now - push.next_at) > LATE_AFTER:
        parts.append(words("pushes.shown.late", late=_span(words, late)))
    if push.carrier_id is not None:
        parts.append(words("pushes.shown.carried_by", id=push.carrier_id))
    if push.state is PushState.QUEUED and push.held_for:
        parts.append(_reason(words, push.held_for))
    if push.reason:
        parts.append(_reason(words, push.reason))
    if push.state is PushState.QUEUED and push.channel and not push.outcome:
        parts.append(words("pushes.verdict.not_reached"))
    if push.outcome and push.channel and push.outcome not in _FINE:
        parts.append(f"{push.outcome} {meaning(words, push.channel, push.outcome)}")
    return "；".join(parts)


def _reason(words: "Words", reason: str) -> str:
    key = f"pushes.reason.{reason.replace(' ', '_')}"
    return words(key) if key in words else reason


def _span(words: "Words", span: timedelta) -> str:
    minutes = max(1, int(span.total_seconds() // 60))
    for unit, size in (("days", 24 * 60), ("hours", 60)):
        if minutes >= 2 * size:
            return words(f"pushes.shown.{unit}", count=minutes // size)
    return words("pushes.shown.minutes", count=minutes)


def moment_text(words: "Words", moment: datetime | None) -> str:
    """A moment to the second, in the school's time zone."""
    return f"{moment.astimezone(words.zone):%m-%d %H:%M:%S}" if moment else words("pushes.shown.never")


def life(words: "Words", it: Listed, carried: Sequence[int], *, now: datetime) -> Iterator[tuple[str, str]]:
    """A push's fields in the order of its life."""
    push = it.push
    yield "kind", f"{words(f'pushes.kind.{push.kind.value}')}（id:{push.id}，{push.number}）"
    yield "urgency", words(f"pushes.urgency.{push.urgency.value}")
    yield "person", _person(words, it)
    yield "fact", push.fact
    yield "planned", moment_text(words, push.created_at)
    yield "due", moment_text(words, push.due_at)
    state = words(f"pushes.state.{push.state.value}")
    note = _note(words, push, now=now)
    yield "state", f"{state}（{note}）" if note else state
    if push.state in {PushState.QUEUED, PushState.SENDING}:
        yield "next", moment_text(words, push.next_at)
        yield "expires", moment_text(words, push.expires_at)
    yield "claimed", _claimed(words, push)
    if carried:
        yield "carrier", words("pushes.shown.carries", ids=list(carried))
    if push.channel:
        way = words(f"pushes.way.{push.way}") if push.way else ""
        yield "channel", f"{_channel(words, push.channel)} {way}".strip()
    if push.settled_at:
        yield "settled", moment_text(words, push.settled_at)
    yield "seen", moment_text(words, push.seen_at)


def _claimed(words: "Words", push: Push) -> str:
    if push.state is PushState.SENDING and push.lease_until is not None:
        return words("pushes.shown.claimed_now", count=push.fence, until=moment_text(words, push.lease_until))
    return words("pushes.shown.claimed", count=push.fence) if push.fence else words("pushes.shown.never")


def accounts(words: "Words", settings: "Settings", push: Push, found: Sequence[Contact], *, now: datetime) -> str:
    """Over what its reader can be reached as things stand, without an address: most pushes that fail, fail for this."""
    said = []
    for each in found:
        state = _account(settings, push, each, now=now)
        until = moment_text(words, each.window_until)
        said.append(words(f"pushes.account.{state}", channel=_channel(words, each.channel.value), until=until))
    return "；".join(said) or words("pushes.account.none")


def _account(settings: "Settings", push: Push, it: Contact, *, now: datetime) -> str:
    official = settings.official_account
    if (settings.wecom if it.channel is Channel.WECOM else official) is None:
        return "off"
    if not it.listening:
        return "silent"
    if it.channel is Channel.WECOM or official is None:
        return "listens"
    if it.window_left > 0 and it.window_until is not None and it.window_until > now:
        return "open"
    return "template" if {push.kind.value, PushKind.DIGEST.value} & official.templates.keys() else "no_template"


def attempt_row(words: "Words", it: PushAttempt) -> list[str]:
    """A line about one request."""
    return [
        moment_text(words, it.began_at),
        _channel(words, it.channel),
        words(f"pushes.way.{it.way}"),
        it.code or "",
        _told(words, it),
        words(f"pushes.outcome.{it.outcome.value.replace(' ', '_')}"),
    ]


def _told(words: "Words", it: PushAttempt) -> str:
    if it.code:
        return meaning(words, it.channel, it.code)
    return words("pushes.verdict.not_reached") if it.outcome is AttemptOutcome.BUSY else ""


def meaning(words: "Words", channel: str, code: str) -> str:
    """What a platform's word means, in one phrase: its own, else that of what it asks of us."""
    if f"pushes.code.{channel}_{code}" in words:
        return words(f"pushes.code.{channel}_{code}")
    return words(f"pushes.verdict.{_sense(channel, code)}")


def _sense(channel: str, code: str) -> str:
    plain = code.strip().lower()
    if channel == Route.FALLBACK:
        return "no_way"
    if plain in _FINE:
        return "delivered" if plain == "success" else "accepted"
    if plain.startswith("failed"):
        return "blocked" if "block" in plain else "failed"
    if not plain.lstrip("-").isdigit():
        return "unknown"
    return verdict(Channel(channel), int(plain)).value


def next_step(words: "Words", push: Push) -> str:
    """What one can do about it."""
    last = push.state.value
    if push.state is PushState.EXHAUSTED and push.reason in {Reason.UNREACHABLE, Reason.UNKNOWN_KIND}:
        last = Reason(push.reason).value.replace(" ", "_")
    elif push.state is PushState.EXHAUSTED and _has_lost_its_account(push):
        last = "lost"
    elif push.state is PushState.QUEUED and push.channel and push.outcome not in _FINE:
        last = "told_to_wait" if push.outcome else "not_reached"
    return words(f"pushes.next_step.{last}", id=push.id)


def _has_lost_its_account(push: Push) -> bool:
    """Whether the platform's last word was that nothing arrives at this account: nothing is sent there until it is heard."""
    known = push.channel in set(Channel) and push.outcome is not None and push.outcome.isdigit()
    return known and is_lost(Channel(str(push.channel)), int(str(push.outcome)))


def counted(words: "Words", table: str, counts: Mapping[PushState, int] | Mapping[PushKind, int]) -> str:
    """「在等 3 条、没送成 1 条」."""
    parts = [
        words("pushes.count", what=words(f"pushes.{table}.{each.value}"), count=count) for each, count in counts.items()
    ]
    return "、".join(parts)
