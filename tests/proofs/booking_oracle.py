"""The judge of what is booked: it reads raw tables by statements of its own and what each process was told, and shares no code.

Every pair that overlaps, every confirmation that is lost, everybody who was passed over in line without a true reason, every
wrong count is a fault, in words.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

Row = Mapping[str, Any]
LIVE = frozenset(["held", "offered", "proposed", "pending", "booked"])
FIRM = frozenset(["pending", "booked"])
STOOD = FIRM | {"done", "missed"}
ENDED_BY = {"cancelled": "appointment_cancelled", "declined": "appointment_declined", "missed": "appointment_missed"}
SAYS_NO = frozenset(["let_go", "lapsed"])
SKEW = timedelta(minutes=30)
"""How far behind a process may be that waited for its turn, where time runs hundreds of times as fast."""

TABLES = ("appointment", "waiter", "waiter_log", "counselor", "audit")


def read(url: str) -> dict[str, list[Row]]:
    """The tables as they are in one moment."""
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool, isolation_level="SERIALIZABLE")
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":  # its driver would begin only with the first change
            connection.exec_driver_sql("BEGIN")
        found: dict[str, list[Row]] = {
            name: [dict(row) for row in connection.execute(sa.text(f"SELECT * FROM {name} ORDER BY id")).mappings()]  # noqa: S608
            for name in TABLES
        }
    engine.dispose()
    return found


class Book:
    """All of it, as it was in one moment, and what was told of it."""

    def __init__(self, tables: Mapping[str, Sequence[Row]], told: Iterable[Row] = ()) -> None:
        self.tables = tables
        self.appointments = {row["id"]: row for row in self.tables["appointment"]}
        self.waiters = {row["id"]: row for row in self.tables["waiter"]}
        self.facts: Counter[tuple[str, str]] = Counter((row["subject"], row["fact"]) for row in self.tables["audit"])
        self.told = list(told)
        # Facts are numbered under booking's one lock: of two of them the lower number came first, whatever their clocks said.
        self.began: dict[int, int] = {}
        self.offers: dict[tuple[int, datetime], int] = {}
        self.first_at: dict[datetime, int] = {}
        for row in self.tables["audit"]:
            self.first_at.setdefault(moment(row["at"]), row["id"])
            if row["fact"] == "wait_begun":
                self.began[int(row["subject"].partition(":")[2])] = row["id"]
            elif row["fact"] == "time_offered":
                self.offers[int(row["subject"].partition(":")[2]), moment(row["at"])] = row["id"]

    def waited(self, waiter: Row, number: int, at: datetime) -> bool:
        """Whether somebody was on the list when a fact was written down."""
        if waiter["id"] not in self.began or self.began[waiter["id"]] > number:
            return False
        own = self.appointments.get(waiter["earlier_than_id"])
        if waiter["haste"] == "earlier" and (own is None or moment(own["starts_at"]) <= at or _was_over(own, at)):
            return False
        if waiter["ended_at"] is None:
            return True
        ended = moment(waiter["ended_at"])
        return self.first_at[ended] > number if ended in self.first_at else ended > at


def _was_over(row: Row, at: datetime) -> bool:
    return row["state"] not in FIRM and row["closed_at"] is not None and moment(row["closed_at"]) <= at


def journals(folder: Path) -> list[Row]:
    """What the processes were told; of a line that was torn by a kill nobody was told."""
    found = []
    for path in sorted(folder.glob("journal-*.jsonl")):
        for line in path.read_text("utf-8").splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
    return found


def judge(book: Book) -> list[str]:
    """Every fault; [] when all is well."""
    return [*overlaps(book), *lost(book), *passed_over(book), *places(book), *counts(book)]


# ── overlap ────────────────────────────────────────────────────────────────────────────────────────────────────────


def overlaps(book: Book) -> list[str]:
    """Live rows that share a counselor or a room within their buffers, or a student within the session."""
    live = [row for row in book.tables["appointment"] if row["state"] in LIVE]
    found = []
    for whose, start, end in (
        ("counselor_id", "busy_from", "busy_to"), ("room_id", "busy_from", "busy_to"), ("student_id", "starts_at", "ends_at"),
    ):  # fmt: skip
        by_whom: defaultdict[int, list[Row]] = defaultdict(list)
        for row in live:
            if row[whose] is not None:
                by_whom[row[whose]].append(row)
        for rows in by_whom.values():
            rows.sort(key=lambda row: moment(row[start]))
            for n, one in enumerate(rows):
                for other in rows[n + 1 :]:
                    if moment(other[start]) >= moment(one[end]):
                        break
                    found.append(f"{one['id']} and {other['id']} overlap in {whose}")
    held: Counter[tuple[int, str]] = Counter(
        (row["student_id"], row["state"]) for row in live if row["state"] in {"held", "offered"}
    )
    return found + [f"student {student} has {n} {state}" for (student, state), n in held.items() if n > 1]


# ── what was told ──────────────────────────────────────────────────────────────────────────────────────────────────


def lost(book: Book) -> list[str]:
    """Whoever was told something still has it, or a fact says what became of it."""
    found = []
    for line in book.told:
        match line["op"]:
            case "booked" | "moved" | "confirmed":
                found += [f"{line['op']} {line['id']}: {it}" for it in _lost_one(book, line)]
            case "cancelled" | "declined":
                row = book.appointments.get(line["id"])
                if row is None or row["state"] != line["op"]:
                    found.append(f"{line['op']} {line['id']} is {row and row['state']}")
            case "joined" | "left":
                waiter = book.waiters.get(line["id"])
                if waiter is None or (line["op"] == "left" and waiter["state"] != "left"):
                    found.append(f"{line['op']} {line['id']} is {waiter and waiter['state']}")
            case "blocked":
                found.append(f"a free time was refused: {line}")
    return found


def _lost_one(book: Book, line: Row) -> list[str]:
    row = book.appointments.get(line["id"])
    if row is None:
        return ["is gone"]
    if row["student_id"] != line["student"]:
        return [f"is {row['student_id']}'s"]
    subject = f"appointment:{line['id']}"
    found = []
    if row["version"] < line["version"]:
        found.append(f"went back to version {row['version']}")
    same = (moment(row["starts_at"]), row["counselor_id"]) == (moment(line["starts"]), line["counselor"])
    if row["version"] == line["version"] and not same:
        found.append("stands at another time, and was not moved")
    if row["version"] - 1 > book.facts[subject, "appointment_moved"]:
        found.append(f"has version {row['version']}, and was moved {book.facts[subject, 'appointment_moved']} times")
    if not book.facts[subject, "appointment_booked"]:
        found.append("was never booked, the journal says")
    state = row["state"]
    if state in {"held", "offered", "proposed", "lapsed"}:
        found.append(f"is {state}")
    if state in ENDED_BY and not book.facts[subject, ENDED_BY[state]]:
        found.append(f"is {state}, and nobody did that")
    if line["op"] == "confirmed" and state == "pending":
        found.append("waits again")
    return found


# ── the line ───────────────────────────────────────────────────────────────────────────────────────────────────────


def passed_over(book: Book) -> list[str]:
    """Of each offer: whoever waited before was passed over in the same moment, with a reason that is true."""
    found = []
    offered_since: dict[int, int] = {}  # waiter → log id of the offer that is out
    said_no: set[tuple[int, int, datetime]] = set()
    why: dict[tuple[int, int, datetime, datetime], str] = {}
    log = book.tables["waiter_log"]
    for line in log:
        key = (line["waiter_id"], line["counselor_id"], moment(line["starts_at"]), moment(line["at"]))
        if line["event"].startswith("skipped"):
            why[key] = line["event"]
            found += _untrue(book, line, said_no)
        elif line["event"] == "offered":
            found += _inverted(book, line, why, offered_since)
            offered_since[line["waiter_id"]] = line["id"]
        else:
            offered_since.pop(line["waiter_id"], None)
            if line["event"] in SAYS_NO:
                said_no.add((line["waiter_id"], line["counselor_id"], moment(line["starts_at"])))
    return found


def _order(waiter: Row) -> tuple[int, datetime, int]:
    return waiter["rank"], moment(waiter["since"]), waiter["id"]


def _inverted(
    book: Book, offer: Row, why: Mapping[tuple[int, int, datetime, datetime], str], offered: Mapping[int, int]
) -> list[str]:
    mine, at = book.waiters[offer["waiter_id"]], moment(offer["at"])
    number = book.offers.get((mine["id"], at))
    if number is None:
        return [f"waiter {mine['id']} was offered a time, and no fact says so"]
    found = []
    if mine["id"] in offered:
        found.append(f"waiter {mine['id']} was offered a second time at {at}")
    for other in book.waiters.values():
        if not book.waited(other, number, at) or other["id"] in offered or _order(other) >= _order(mine):
            continue
        if (other["id"], offer["counselor_id"], moment(offer["starts_at"]), at) not in why:
            found.append(f"waiter {other['id']} was before {mine['id']}, whom {offer['starts_at']} was offered at {at}")
    return found


def _untrue(book: Book, line: Row, said_no: set[tuple[int, int, datetime]]) -> list[str]:
    """Reasons that the tables can tell of: the wish, what was said before, what one had then."""
    waiter, at = book.waiters[line["waiter_id"]], moment(line["at"])
    time = (line["waiter_id"], line["counselor_id"], moment(line["starts_at"]))
    match line["event"]:
        case "skipped_counselor":
            true = waiter["counselor_id"] not in {None, line["counselor_id"]}
        case "skipped_mode":
            true = waiter["mode"] is not None
        case "skipped_later":
            true = waiter["earlier_than_id"] is not None
        case "skipped_asked":
            true = time in said_no
        case "skipped_limit":
            true = any(
                row["student_id"] == waiter["student_id"]
                and row["counselor_id"] is not None
                and moment(row["made_at"]) <= at + SKEW
                and (row["closed_at"] is None or moment(row["closed_at"]) >= at - SKEW)
                for row in book.tables["appointment"]
            )
        case _:
            true = True
    return [] if true else [f"waiter {waiter['id']} was passed over at {at} as {line['event']}, which is not so"]


def places(book: Book) -> list[str]:
    """A place on the list and the time that is kept for it say the same."""
    kept: defaultdict[int, list[Row]] = defaultdict(list)
    for row in book.tables["appointment"]:
        if row["state"] == "offered":
            kept[row["waiter_id"]].append(row)
    found = [f"{rows[0]['id']} is kept for nobody" for waiter_id, rows in kept.items() if waiter_id not in book.waiters]
    open_ones: Counter[int] = Counter()
    for waiter in book.waiters.values():
        count = len(kept[waiter["id"]])
        if count != (waiter["state"] == "offered"):
            found.append(f"waiter {waiter['id']} is {waiter['state']}, and {count} times are kept for them")
        open_ones[waiter["student_id"]] += waiter["state"] in {"waiting", "offered"}
    return found + [f"student {student} waits {n} times" for student, n in open_ones.items() if n > 1]


# ── counts ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def counts(book: Book) -> list[str]:
    """A counselor's first bookings are those that stood; nobody has two; nothing dead is due."""
    rows = book.tables["appointment"]
    real: Counter[int] = Counter(row["counselor_id"] for row in rows if row["first"] and row["state"] in STOOD)
    found = [
        f"counselor {it['id']} has {it['firsts']} firsts, which are {real[it['id']]}"
        for it in book.tables["counselor"]
        if it["firsts"] != real[it["id"]]
    ]
    own: Counter[int] = Counter(row["student_id"] for row in rows if row["first"] and row["state"] in STOOD)
    found += [f"student {student} came {n} times for the first time" for student, n in own.items() if n > 1]
    for row in rows:
        if row["next_at"] is not None and row["state"] != "booked":
            found.append(f"{row['id']} is {row['state']}, and {row['step']} is due")
        if row["state"] == "booked" and row["next_at"] is None:
            found.append(f"{row['id']} is booked, and nothing is due")
        if row["state"] in {"held", "offered", "proposed", "pending"} and row["until"] is None:
            found.append(f"{row['id']} is {row['state']} without an end")
    return found


def moment(value: str | datetime) -> datetime:
    """A moment as either engine, or a journal, tells it."""
    it = datetime.fromisoformat(value) if isinstance(value, str) else value
    return it.replace(tzinfo=UTC) if it.tzinfo is None else it.astimezone(UTC)
