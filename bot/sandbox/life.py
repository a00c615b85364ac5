"""A push's life as the page draws it: planned, due, claimed, tried, accepted, delivered, seen, and every attempt."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from sqlite3 import Row
from typing import Any

from bot.sandbox.phones import ZONE
from bot.sandbox.push_words import (
    CHANNELS,
    ENDED_WELL,
    HELD_FOR,
    LIVE,
    OUTCOMES,
    REASONS,
    STATES,
    WAYS,
    word_of_code,
)

DONE = "done"
NOW = "now"
COMING = "coming"
BAD = "bad"
NO_EVENTS = "这条路上平台不会说"


@dataclass(frozen=True)
class Step:
    """One stage: `mark` is `done`, `now`, `coming` or `bad`; `note` says what the stage alone does not."""

    label: str
    when: str
    mark: str
    note: str = ""


@dataclass(frozen=True)
class Attempt:
    """One request. Units: `took` in milliseconds, None while nobody answered."""

    when: str
    channel: str
    way: str
    code: str
    meaning: str
    outcome: str
    word: str
    took: int | None


@dataclass(frozen=True)
class Life:
    """What one row went through; `ending` says in a sentence how it stands."""

    steps: list[Step] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    ending: str = ""

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def life_of(row: Row, attempts: Sequence[Row], *, now: datetime) -> Life:
    """The life of a row of the outbox, from its columns and its attempts."""
    made = [_attempt(each) for each in attempts]
    return Life([*_before(row, attempts, now), *_after(row, attempts, made)], made, _ending(row))


def _before(row: Row, attempts: Sequence[Row], now: datetime) -> list[Step]:
    """Up to the first request."""
    due, following = moment_of(row["due_at"]), moment_of(row["next_at"])
    live, waits = row["state"] in LIVE, ""
    if row["held_for"] and live:
        waits = HELD_FOR.get(row["held_for"], "")
    elif row["state"] == "queued" and following > max(now, due):
        waits = f"{_clock(following)} 再试" if attempts else f"{_clock(following)} 发出"
    is_due = due <= now
    claimed = attempts[0]["began_at"] if attempts else None
    return [
        Step("计划", _clock(moment_of(row["created_at"])), DONE),
        Step("到时候", _clock(due), DONE if is_due or not live else COMING, waits),
        Step(
            "认领",
            _clock(moment_of(claimed)) if claimed else "",
            DONE if attempts else NOW if row["state"] == "sending" else COMING,
            f"前后 {row['fence']} 次" if row["fence"] > max(1, len(attempts)) else "",
        ),
    ]


def _after(row: Row, attempts: Sequence[Row], made: Sequence[Attempt]) -> list[Step]:
    """From the first request to the person's own eyes."""
    taken = next((each for each in attempts if each["outcome"] in ENDED_WELL), None)
    tried = Step("尝试", made[-1].when if made else "", _tried(row, made), f"{len(made)} 次" if len(made) > 1 else "")
    if row["state"] in LIVE or row["state"] in ENDED_WELL:
        settled = _clock(moment_of(row["settled_at"])) if row["settled_at"] else ""
        accepted = _clock(moment_of(taken["ended_at"] or taken["began_at"])) if taken else settled
        is_taken, is_there = row["state"] in ENDED_WELL, row["state"] == "delivered"
        silent = is_taken and not is_there and row["way"] != "template"
        ends = [
            Step("平台收下", accepted if is_taken else "", DONE if is_taken else COMING),
            Step("送达", settled if is_there else "", DONE if is_there else COMING, NO_EVENTS if silent else ""),
        ]
    else:
        mark = DONE if row["state"] == "suppressed" else BAD
        when = _clock(moment_of(row["settled_at"])) if row["settled_at"] else ""
        ends = [Step(STATES.get(row["state"], row["state"]), when, mark, REASONS.get(row["reason"] or "", ""))]
    seen = _clock(moment_of(row["seen_at"])) if row["seen_at"] else ""
    return [tried, *ends, Step("看过", seen, DONE if seen else COMING)]


def _tried(row: Row, made: Sequence[Attempt]) -> str:
    if not made:
        return COMING
    if made[-1].outcome in {"accepted", "delivered"}:
        return DONE
    return NOW if row["state"] in LIVE else BAD


def _attempt(row: Row) -> Attempt:
    began = moment_of(row["began_at"])
    ended = moment_of(row["ended_at"]) if row["ended_at"] else None
    return Attempt(
        when=_clock(began),
        channel=CHANNELS.get(row["channel"], row["channel"]),
        way=WAYS.get(row["way"], row["way"]),
        code=row["code"] or "",
        meaning=word_of_code(row["code"]),
        outcome=row["outcome"],
        word=OUTCOMES.get(row["outcome"], row["outcome"]),
        took=None if ended is None else max(0, round((ended - began).total_seconds() * 1000)),
    )


def _ending(row: Row) -> str:
    """How it stands, where the steps do not already say."""
    if row["state"] == "carried":
        return f"跟着编号 {row['carrier']} 一起送出" if row["carrier"] else "跟着另一条一起送出"
    if row["state"] == "held":
        return "备份恢复之前就该发的，等人看过再放行"
    if row["state"] == "accepted" and row["reason"]:
        return REASONS.get(row["reason"], "")
    return ""


def _clock(moment: datetime) -> str:
    local = moment.astimezone(ZONE)
    return f"{local.month}月{local.day}日 {local:%H:%M:%S}"


def moment_of(value: object) -> datetime:
    """A moment as SQLite holds it."""
    moment = datetime.fromisoformat(str(value))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
