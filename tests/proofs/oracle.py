"""The oracle: a judge of pushes that shares no code with the sender.

It has two witnesses: what the fake platform wrote down, and the tables, read by statements of its own. A message belongs to
the row whose number it shows and whose person has the address it went to; what travelled in a digest or a count is judged by
the message that carried it. Every message that nobody can excuse and every row that nobody can account for is a fault.
"""

import itertools
import json
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from typing_extensions import override

PUSHES = """
    SELECT id, fact, number, person_id, kind, urgency, state, next_at, fence, carrier_id, counted, channel, way, reason,
           settled_at, paced_at
    FROM outbox ORDER BY id"""
ATTEMPTS = "SELECT push_id, fence, channel, way, outcome, began_at FROM push_attempt ORDER BY id"
ACCOUNTS = """
    SELECT person_id, address FROM contact WHERE person_id IS NOT NULL
    UNION ALL SELECT id, number FROM person"""

TOLD = frozenset(["accepted", "delivered"])
ENDED = TOLD | {"suppressed", "uncertain", "exhausted"}
TEXT, NOTICE = "/message/custom/send", "/fallback/"
NO_REPEAT_KNOWN = {TEXT: ("official_account", "text"), NOTICE: ("fallback", "notice")}
"""Calls whose repeat no platform notices, as the tables name them. All others must not arrive twice, whatever was lost."""

LEASE = timedelta(seconds=8)
ON_ITS_WAY = timedelta(seconds=1)
"""What was on the wire as its fact was cancelled may still arrive so much later."""

GIVEN_UP = "a push could not be delivered"
_NUMBER = re.compile("编号\\W{0,2}([0-9A-Z]{4})")

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Told:
    """A message that the platform took; `arrived` when it reached the phone."""

    at: datetime
    call: str
    text: str
    arrived: bool


@dataclass
class Verdict:
    """What is wrong, in words; and the rows of doubles that nobody can prevent, each of which is to be seen in the tables."""

    faults: list[str] = field(default_factory=list)
    doubles: list[int] = field(default_factory=list)
    ends: Counter[str] = field(default_factory=Counter)

    @override
    def __str__(self) -> str:
        counts = f"{len(self.faults)} faults, {len(self.doubles)} doubles, {dict(self.ends)}"
        return "\n".join([*self.faults[:20], counts])


class Evidence:
    """Everything there is to judge by: the tables as they were in one moment, and what the platform has written down.

    Shape: `log` has the fake platform's rows, from its memory or from `/_control/log`; `loud` the lines that the processes
        logged. Both are read after the tables.
    """

    def __init__(self, url: str, log: Iterable[Row], loud: Iterable[str] = ()) -> None:
        engine = sa.create_engine(url, poolclass=sa.pool.NullPool, isolation_level="SERIALIZABLE")
        with engine.connect() as connection:
            if engine.dialect.name == "sqlite":  # its driver would begin only with the first change
                connection.exec_driver_sql("BEGIN")

            def read(text: str) -> list[Row]:
                return [dict(row) for row in connection.execute(sa.text(text)).mappings()]

            self.pushes = {row["id"]: row for row in read(PUSHES)}
            self.attempts: defaultdict[int, list[Row]] = defaultdict(list)
            for row in read(ATTEMPTS):
                self.attempts[row["push_id"]].append(row)
            people = {row["address"].lower(): row["person_id"] for row in read(ACCOUNTS)}
        engine.dispose()
        self.carried: defaultdict[int, list[Row]] = defaultdict(list)
        for push in self.pushes.values():
            if push["carrier_id"] is not None:
                self.carried[push["carrier_id"]].append(push)
        self.strange: list[str] = []
        self._told: defaultdict[tuple[int, str], list[Told]] = defaultdict(list)
        self._read_log(log, people)
        self.given_up = {line["push"] for line in map(_parsed, loud) if line.get("event") == GIVEN_UP}
        self.superiors_heard = {
            push["fact"].removeprefix("push:") for push in self.pushes.values() if push["kind"] == "unreachable"
        }

    def _read_log(self, log: Iterable[Row], people: Mapping[str, int]) -> None:
        known = {(push["person_id"], push["number"]) for push in self.pushes.values()}
        for row in log:
            if not row["recipient"] or not row["text"] or row["errcode"] or row["kind"] == "card_update":
                continue
            found = _NUMBER.search(row["text"])
            key = (people.get(row["recipient"].lower(), 0), found[1] if found else "")
            call = next((part for part in NO_REPEAT_KNOWN if part in row["api"]), row["api"])
            if key in known:
                self._told[key].append(Told(_moment(row["machine"]), call, row["text"], row["delivered"]))
            elif row["delivered"]:
                self.strange.append(f"a message over {call} belongs to no row")

    def is_quiet(self, now: datetime) -> bool:
        """Whether no row was under way, and none was due by then, a moment of the rules' clock before the look."""
        return not any(
            push["state"] == "sending" or (push["state"] == "queued" and _moment(push["next_at"]) <= now)
            for push in self.pushes.values()
        )

    def own(self, push: Row) -> list[Told]:
        """The messages that show this row's number to its person."""
        return self._told[push["person_id"], push["number"]]

    def carrier(self, push: Row) -> Row | None:
        """The row in whose message this one travels."""
        return self.pushes.get(push["carrier_id"]) if push["carrier_id"] is not None else None

    def about(self, push: Row) -> list[Told]:
        """Every message that told this row: its own, and those of the row that carries it."""
        carrier = self.carrier(push)
        return self.own(push) + ([] if carrier is None else self.own(carrier))


def judge(
    evidence: Evidence,
    planned: Collection[int] = (),
    *,
    now: datetime,
    cancelled: Mapping[int, datetime] | None = None,
) -> Verdict:
    """Look at every row and every message.

    Shape: `planned` are the ids that a process had promised; `cancelled` says when, by the machine, the fact of a row was over.
        `now` is the rules' clock before the evidence was read: what fell due since is nobody's fault.
    """
    verdict = Verdict()
    verdict.faults += [f"{push_id} is gone" for push_id in planned if push_id not in evidence.pushes]
    verdict.faults += evidence.strange
    for push in evidence.pushes.values():
        name = f"{push['id']} ({push['urgency']} {push['kind']})"
        verdict.ends[push["state"]] += 1
        found = [*_lost(evidence, push, now), *_ghosts(evidence, push), *_doubles(evidence, push, verdict.doubles)]
        verdict.faults += [f"{name} {it}" for it in found]
    ahead = now - datetime.now(UTC)
    for push_id, at in (cancelled or {}).items():
        late = _late(evidence, evidence.pushes[push_id], at, ahead)
        verdict.faults += [f"{push_id} came {it.total_seconds():.1f} s after it was cancelled" for it in late]
    return verdict


def _lost(evidence: Evidence, push: Row, now: datetime) -> list[str]:
    """A row has an end that is true, or stands where it will be looked at again."""
    state, carrier = push["state"], evidence.carrier(push)
    if state == "queued":
        return [] if _moment(push["next_at"]) > now else ["was due and stands still"]
    if state == "carried":
        waits = carrier is not None and carrier["state"] == "queued" and _moment(carrier["next_at"]) > now
        return [] if waits else ["is carried by nobody"]
    if state not in ENDED:
        return [f"has no end: {state}"]
    found = []
    if push["settled_at"] is None:
        found.append("ended at no time")
    if state not in TOLD and not push["reason"]:
        found.append(f"is {state} without a reason")
    if state in TOLD and push["reason"] != "shown":
        found += _not_told(evidence, push, carrier)
    if state == "uncertain" and not _was_in_doubt(evidence, carrier or push):
        found.append("is uncertain, and no answer was lost")
    loud = push["id"] in evidence.given_up or str(push["id"]) in evidence.superiors_heard
    if state == "exhausted" and carrier is None and not loud:
        found.append("was given up in silence")
    return found


def _late(evidence: Evidence, push: Row, cancelled: datetime, ahead: timedelta) -> list[timedelta]:
    """By how much messages came too late. Only who took the row before it was cancelled, and still held it, may have sent one."""
    paced = None if push["paced_at"] is None else _moment(push["paced_at"]) - ahead
    was_held = push["state"] != "suppressed" and paced is not None and paced <= cancelled
    last = cancelled + (LEASE if was_held else ON_ITS_WAY)
    return [it.at - cancelled for it in evidence.about(push) if it.arrived and it.at > last]


def _was_in_doubt(evidence: Evidence, push: Row) -> bool:
    """Nobody knew what became of a request; one that was frozen and lost the row may have written its answer down since."""
    attempts = evidence.attempts[push["id"]]
    begun = None if push["paced_at"] is None else _moment(push["paced_at"])
    went_untold = begun is not None and all(_moment(it["began_at"]) < begun for it in attempts)
    return went_untold or any(it["outcome"] in {"asked", "no answer"} or it["fence"] < push["fence"] for it in attempts)


def _not_told(evidence: Evidence, push: Row, carrier: Row | None) -> list[str]:
    """Who is said to have been told was; a digest or count says how many it stands for."""
    told = evidence.about(push)
    if not told:
        return [f"is {push['state']}, and the platform never heard of it"]
    if carrier is None:
        return []
    together = 1 + sum(it["state"] in TOLD for it in evidence.carried[carrier["id"]])
    if carrier["counted"] is not None and carrier["counted"] < together:
        return [f"is in a count of {carrier['counted']}, which stands for {together}"]
    whole = [it.text for it in evidence.own(carrier) if it.call == TEXT or it.call.endswith("/cgi-bin/message/send")]
    if whole and not any(str(carrier["counted"] or together) in text for text in whole):
        return ["is in a message that does not say how many it stands for"]
    return []


def _ghosts(evidence: Evidence, push: Row) -> list[str]:
    """Whoever claimed last ends a row, by what they did themselves: nobody ends it who had lost it."""
    attempts = evidence.attempts[push["id"]]
    if any(it["fence"] > push["fence"] for it in attempts):
        return ["was tried under a claim that nobody had"]
    if push["state"] not in TOLD or push["reason"] == "shown" or push["carrier_id"] is not None:
        return []
    own = [it for it in attempts if it["fence"] == push["fence"] and it["outcome"] in TOLD]
    if any((it["channel"], it["way"]) == (push["channel"], push["way"]) for it in own):
        return []
    return [f"was settled by a ghost: whoever held it last, under claim {push['fence']}, has sent nothing"]


def _doubles(evidence: Evidence, push: Row, excused: list[int]) -> list[str]:
    """What came twice. Excused is what no platform could tell from its repeat, and is seen: uncertain, or urgent, asked twice."""
    arrived = Counter(it.call for it in evidence.about(push) if it.arrived)
    found = []
    for call, count in arrived.items():
        if count == 1:
            continue
        way = NO_REPEAT_KNOWN.get(call)
        asked = [it for it in evidence.attempts[push["id"]] if (it["channel"], it["way"]) == way]
        shown = push["state"] == "uncertain" or (push["urgency"] == "urgent" and len(asked) >= count)
        if way is not None and shown and _unknown(asked) >= count - 1:
            excused += [push["id"]] * (count - 1)
        else:
            found.append(f"came {count} times over {call}")
    if push["urgency"] != "urgent" and len(arrived) > 1:
        found.append(f"came over {' and '.join(sorted(arrived))}")
    return found


def _unknown(asked: list[Row]) -> int:
    """Requests whose answer nobody knew as the next one began: it was lost, or its holder had let the claim run out."""
    silent: list[bool] = [
        one["fence"] < other["fence"] and _moment(other["began_at"]) - _moment(one["began_at"]) >= LEASE
        for one, other in itertools.pairwise(asked)
    ]
    return max(sum(it["outcome"] in {"asked", "no answer"} for it in asked), sum(silent))


def _parsed(line: str) -> Row:
    try:
        said = json.loads(line)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _moment(value: str | datetime) -> datetime:
    it = datetime.fromisoformat(value) if isinstance(value, str) else value
    return it.replace(tzinfo=UTC) if it.tzinfo is None else it.astimezone(UTC)
