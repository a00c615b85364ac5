# ruff: noqa: S608 — raw SQL is what this is about
"""Statements that would make two live appointments overlap, or tell a time that is none, if the engine let them.

They are made up from a book full of rows, by chance from a seed. Each is one attempt: the statements before it prepare the
connection, all of it is undone after. `must_pass` has the near misses that have to be allowed.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from models.db import to_utc_text
from tests.engines import EngineName

MONDAY = datetime(2026, 11, 16, tzinfo=UTC)
LIVE = ("held", "offered", "proposed", "pending", "booked")
DEAD = ("done", "missed", "cancelled", "declined", "lapsed")
TOUCH = timedelta(microseconds=1)
COUNSELORS, ROOMS, STUDENTS, HOURS, DAYS = 4, 4, 400, 8, 5
SOMEBODY = 390
"""The first of the students who have nothing."""

WHO = ("counselor_id", "room_id", "student_id")


@dataclass(frozen=True)
class Row:
    """An appointment as raw SQL sees it."""

    id: int | None
    student_id: int
    counselor_id: int | None
    room_id: int | None
    state: str
    starts_at: datetime
    ends_at: datetime
    busy_from: datetime
    busy_to: datetime

    def values(self, engine: EngineName, **other: str) -> dict[str, str]:
        """Its columns as SQL; `other` are spelled as they stand."""
        found = {name: literal(getattr(self, name), engine) for name in self.__annotations__}
        found |= {
            "mode": "'in_person'", "first": "false", "version": "1", "moves": "0", "late_cancel": "false", "face": "false",
            "made_at": literal(MONDAY, engine),
        }  # fmt: skip
        if self.id is None:
            del found["id"]
        return found | other

    def at(self, starts_at: datetime, ends_at: datetime) -> "Row":
        """At another time, with buffers of the same length."""
        before, after = self.starts_at - self.busy_from, self.busy_to - self.ends_at
        return replace(
            self, starts_at=starts_at, ends_at=ends_at, busy_from=starts_at - before, busy_to=ends_at + after
        )


@dataclass(frozen=True)
class Attempt:
    """One hostile act: statements of which the last ones must not have any effect."""

    name: str
    statements: tuple[str, ...]
    settings: tuple[str, ...] = ()


def literal(value: Any, engine: EngineName) -> str:
    """A value as SQL."""
    match value:
        case None:
            return "NULL"
        case datetime():
            return f"'{to_utc_text(value)}'" if engine == "sqlite" else f"'{value.isoformat(' ')}'"
        case str():
            return "'" + value.replace("'", "''") + "'"
        case _:
            return str(value)


def full_book() -> list[Row]:
    """Every counselor, each in a room, has somebody for 50 minutes of every hour of a week, by turns in each live state."""
    rows = []
    for number in range(COUNSELORS * HOURS * DAYS):
        day, rest = divmod(number, COUNSELORS * HOURS)
        hour, counselor = divmod(rest, COUNSELORS)
        starts = MONDAY + timedelta(days=day, hours=hour)
        rows.append(
            Row(
                id=number + 1, student_id=number + 1, counselor_id=counselor + 1, room_id=counselor + 1,
                state=LIVE[number % len(LIVE)], starts_at=starts, ends_at=starts + timedelta(minutes=50),
                busy_from=starts, busy_to=starts + timedelta(minutes=60),
            )
        )  # fmt: skip
    ghosts = [
        replace(row, id=1000 + row.id, student_id=200 + row.id, state=DEAD[row.id % len(DEAD)])
        for row in rows[:100]
        if row.id is not None
    ]
    return rows + ghosts


def insert(rows: list[Row], engine: EngineName, verb: str = "INSERT", tail: str = "", **other: str) -> str:
    """One insert of several rows; `other` replaces values of the last."""
    values = [row.values(engine) for row in rows[:-1]] + [rows[-1].values(engine, **other)]
    names = list(values[0])
    tuples = ", ".join(f"({', '.join(each[name] for name in names)})" for each in values)
    return f"{verb} INTO appointment ({', '.join(names)}) VALUES {tuples} {tail}".strip()


def assign(row: Row, engine: EngineName, names: tuple[str, ...]) -> str:
    """A SET list that takes a row's values."""
    values = row.values(engine)
    return ", ".join(f"{name} = {values[name]}" for name in names)


TIMES = ("starts_at", "ends_at", "busy_from", "busy_to")
SPARE = Row(
    None, SOMEBODY, 9, None, "booked", MONDAY + timedelta(days=30), MONDAY + timedelta(days=30, minutes=50),
    MONDAY + timedelta(days=30), MONDAY + timedelta(days=30, minutes=60),
)  # fmt: skip
"""A row that is in nobody's way: counselor 9 and the last students have nothing."""


class Hostile:
    """Makes attempts up."""

    def __init__(self, engine: EngineName, seed: int) -> None:
        self.engine = engine
        self.luck = random.Random(seed)
        self.book = full_book()
        self.live = [row for row in self.book if row.state in LIVE]
        self.dead = [row for row in self.book if row.state in DEAD]

    def clash(self, *, dead: bool = False) -> tuple[Row, Row]:
        """A row of the book, and a new one that overlaps it in counselor, room or student, by much or by a microsecond."""
        victim = self.luck.choice(self.live)
        what = self.luck.choice(WHO)
        start, end = (victim.starts_at, victim.ends_at) if what == "student_id" else (victim.busy_from, victim.busy_to)
        length = end - start
        mine = self.luck.choice(
            [
                (start, end),
                (start + length / 4, end - length / 4),
                (start - timedelta(hours=2), end + timedelta(hours=3)),
                (start - timedelta(minutes=30), start + TOUCH),
                (end - TOUCH, end + timedelta(minutes=30)),
                (start - timedelta(hours=11), start + timedelta(hours=12)),
            ]
        )
        new = replace(SPARE, student_id=self.luck.randint(SOMEBODY, STUDENTS), state=self.luck.choice(LIVE))
        new = replace(new, **{what: getattr(victim, what)}).at(*mine)
        # Without buffers of its own, so that it touches its victim by what was drawn, and the student by the session itself.
        new = replace(new, busy_from=mine[0], busy_to=mine[1])
        if new.state in {"held", "offered"} and what == "student_id" and self.luck.random() < 0.5:
            new = replace(new, state="booked")
        return victim, replace(new, state=self.luck.choice(DEAD)) if dead else new

    def attempts(self, count: int) -> Iterator[Attempt]:
        """So many, of every sort in turn."""
        makers = [*_BOTH, *(_SQLITE if self.engine == "sqlite" else _POSTGRESQL)]
        settings = _SQLITE_SETTINGS if self.engine == "sqlite" else _POSTGRESQL_SETTINGS
        for number in range(count):
            made = makers[number % len(makers)](self)
            yield replace(made, settings=self.luck.choice(settings))


def _plain(it: Hostile) -> Attempt:
    _, new = it.clash()
    return Attempt("insert", (insert([new], it.engine),))


def _with_an_id(it: Hostile) -> Attempt:
    """-1 is how SQLite's triggers see an id that is still to be given; somebody may really have it."""
    victim, new = it.clash()
    changed = f"UPDATE appointment SET id = -1 WHERE id = {victim.id}"
    form = it.luck.choice([(), (changed,)])
    return Attempt("insert beside the id -1", (*form, insert([new], it.engine)))


def _several_rows(it: Hostile) -> Attempt:
    _, new = it.clash()
    rows = [replace(SPARE, student_id=SOMEBODY, state="pending"), new]
    if it.luck.random() < 0.5:
        rows = [replace(new, state="booked"), replace(SPARE, student_id=new.student_id).at(new.starts_at, new.ends_at)]
    it.luck.shuffle(rows)
    return Attempt("insert of several", (insert(rows, it.engine),))


def _own_twin(it: Hostile) -> Attempt:
    """Two rows of one statement that clash with each other only."""
    shift = timedelta(minutes=it.luck.randint(0, 49))
    twin = replace(SPARE, student_id=SOMEBODY + 1).at(SPARE.starts_at + shift, SPARE.ends_at + shift)
    return Attempt("insert of twins", (insert([SPARE, twin], it.engine),))


def _from_a_select(it: Hostile) -> Attempt:
    victim = it.luck.choice(it.live)
    names = [name for name in SPARE.values(it.engine) if name != "id"]
    taken = ", ".join(str(it.luck.randint(SOMEBODY, STUDENTS)) if name == "student_id" else name for name in names)
    return Attempt(
        "insert from a select",
        (f"INSERT INTO appointment ({', '.join(names)}) SELECT {taken} FROM appointment WHERE id = {victim.id}",),
    )


def _upsert(it: Hostile) -> Attempt:
    victim, new = it.clash()
    new = replace(new, id=it.luck.choice([row.id for row in it.live if row.id != victim.id]))
    sets = ", ".join(f"{name} = excluded.{name}" for name in (*TIMES, *WHO, "state"))
    tail = it.luck.choice([f"ON CONFLICT (id) DO UPDATE SET {sets}", "ON CONFLICT DO NOTHING"])
    return Attempt("upsert", (insert([new], it.engine, tail=tail),))


def _move(it: Hostile) -> Attempt:
    victim, new = it.clash()
    mover = it.luck.choice([row for row in it.live if row.id != victim.id])
    names = (*TIMES, *WHO)
    return Attempt("update", (f"UPDATE appointment SET {assign(new, it.engine, names)} WHERE id = {mover.id}",))


def _flip(it: Hostile) -> Attempt:
    ghost = it.luck.choice(it.dead)
    return Attempt("state flip", (f"UPDATE appointment SET state = '{it.luck.choice(LIVE)}' WHERE id = {ghost.id}",))


def _flip_many(it: Hostile) -> Attempt:
    state = it.luck.choice(("pending", "booked", "proposed"))
    return Attempt("flip of all", (f"UPDATE appointment SET state = '{state}' WHERE state = '{it.luck.choice(DEAD)}'",))


def _insert_dead_then_wake(it: Hostile) -> Attempt:
    _, new = it.clash(dead=True)
    new = replace(new, id=5000)
    wake = f"UPDATE appointment SET state = '{it.luck.choice(LIVE)}' WHERE id = 5000"
    return Attempt("insert dead, then wake", (insert([new], it.engine), wake))


def _gather(it: Hostile) -> Attempt:
    """Several rows at once to one counselor, room or student."""
    first, second = it.luck.sample([row for row in it.live if row.starts_at == MONDAY], 2)
    what = it.luck.choice(WHO)
    return Attempt(
        "gather", (f"UPDATE appointment SET {what} = {getattr(first, what)} WHERE id IN ({first.id}, {second.id})",)
    )


def _same_time(it: Hostile) -> Attempt:
    """All appointments of one counselor to one time."""
    victim = it.luck.choice(it.live)
    return Attempt(
        "all at one time",
        (f"UPDATE appointment SET {assign(victim, it.engine, TIMES)} WHERE counselor_id = {victim.counselor_id}",),
    )


def _stretch(it: Hostile) -> Attempt:
    victim = it.luck.choice([row for row in it.live if row.starts_at.hour < HOURS - 1])
    longer = literal(victim.busy_to + it.luck.choice([TOUCH, timedelta(minutes=5)]), it.engine)
    return Attempt("longer buffer", (f"UPDATE appointment SET busy_to = {longer} WHERE id = {victim.id}",))


def _swapped(it: Hostile) -> Attempt:
    victim = it.luck.choice(it.live)
    pair = it.luck.choice(
        [("starts_at", "ends_at"), ("busy_from", "busy_to"), ("starts_at", "busy_to"), ("ends_at", "busy_from")]
    )
    if it.luck.random() < 0.5:
        sets = f"{pair[0]} = {pair[1]}, {pair[1]} = {pair[0]}"
        return Attempt("swapped columns", (f"UPDATE appointment SET {sets} WHERE id = {victim.id}",))
    new = replace(SPARE, state="booked")
    values = new.values(it.engine)
    other = {pair[0]: values[pair[1]], pair[1]: values[pair[0]]}
    return Attempt("swapped columns", (insert([new], it.engine, **other),))


def _no_length(it: Hostile) -> Attempt:
    end = literal(SPARE.starts_at - it.luck.choice([timedelta(0), TOUCH, timedelta(hours=1)]), it.engine)
    return Attempt("no length", (insert([SPARE], it.engine, ends_at=end),))


def _too_long(it: Hostile) -> Attempt:
    end = literal(SPARE.busy_from + timedelta(days=1) + it.luck.choice([TOUCH, timedelta(days=300)]), it.engine)
    return Attempt("longer than a day", (insert([SPARE], it.engine, busy_to=end),))


def _nothing(it: Hostile) -> Attempt:
    name = it.luck.choice([*TIMES, "student_id", "state", "mode", "made_at"])
    if it.luck.random() < 0.5:
        return Attempt(f"no {name}", (insert([SPARE], it.engine, **{name: "NULL"}),))
    victim = it.luck.choice(it.live)
    return Attempt(f"no {name}", (f"UPDATE appointment SET {name} = NULL WHERE id = {victim.id}",))


def _nobody(it: Hostile) -> Attempt:
    none = {"counselor_id": "NULL", "room_id": "NULL"}
    return Attempt("nobody's time", (insert([SPARE], it.engine, **none),))


def _odd_state(it: Hostile) -> Attempt:
    _, new = it.clash()
    state = it.luck.choice(["'BOOKED'", "'booked '", "' held'", "''", "'free'", "'Held'"])
    return Attempt("a state that is none", (insert([new], it.engine, state=state),))


def _strangers(it: Hostile) -> Attempt:
    """The same once more with somebody else, who would be free."""
    _, new = it.clash()
    other = replace(new, counselor_id=7) if it.luck.random() < 0.5 else replace(new, room_id=7)
    return Attempt("somebody else too", (insert([new, other], it.engine),))


def _within_a_transaction(it: Hostile) -> Attempt:
    """What would be right in the end, after a moment in which it is not, is refused as well."""
    victim, new = it.clash()
    free = f"UPDATE appointment SET state = 'cancelled' WHERE id = {victim.id}"
    again = f"UPDATE appointment SET state = 'booked' WHERE id = {victim.id}"
    return Attempt("free, take, wake", (free, insert([new], it.engine), again))


_BOTH: tuple[Callable[[Hostile], Attempt], ...] = (
    _plain, _with_an_id, _several_rows, _own_twin, _from_a_select, _upsert, _move, _flip, _flip_many, _insert_dead_then_wake,
    _gather, _same_time, _stretch, _swapped, _no_length, _too_long, _nothing, _nobody, _odd_state, _strangers,
    _within_a_transaction,
)  # fmt: skip


def _or_verb(it: Hostile) -> Attempt:
    victim, new = it.clash()
    verb = it.luck.choice(["REPLACE", *(f"INSERT OR {way}" for way in ("REPLACE", "IGNORE", "FAIL", "ABORT"))])
    if it.luck.random() < 0.5:  # in the place of a third row, of its victim, or of nobody
        new = replace(new, id=it.luck.choice([row.id for row in it.live if row.id != victim.id] + [5001]))
    return Attempt(verb.lower(), (insert([new], it.engine, verb),))


def _or_update(it: Hostile) -> Attempt:
    victim, new = it.clash()
    mover = it.luck.choice([row for row in it.live if row.id != victim.id])
    way = it.luck.choice(["REPLACE", "IGNORE", "FAIL", "ABORT"])
    sets = assign(new, it.engine, (*TIMES, *WHO))
    return Attempt(f"update or {way.lower()}", (f"UPDATE OR {way} appointment SET {sets} WHERE id = {mover.id}",))


def _odd_time(it: Hostile) -> Attempt:
    """Other spellings of a time that is taken, which compare as another one; and what is no time."""
    victim = it.luck.choice([row for row in it.live if row.starts_at.hour >= 1])
    text = to_utc_text(victim.starts_at)
    day_before = (victim.starts_at - timedelta(days=1)).date().isoformat()
    feb = victim.starts_at - (datetime(2026, 3, 3, tzinfo=UTC) - datetime(2026, 2, 28, tzinfo=UTC))
    name = it.luck.choice(TIMES)
    odd = it.luck.choice(
        [
            f"'{text.replace(' ', 'T')}'", f"'{text[:19]}'", f"'{text}Z'", f"'{text}+00:00'", f"' {text}'", f"'{text} '",
            f"'{text[:23]}'", f"'{day_before} {24 + victim.starts_at.hour}{text[13:]}'", f"'{day_before} 24:00:00.000000'",
            f"'{feb.year}-02-31 10:00:00.000000'", f"'{text[:10]} 10:60:00.000000'", f"'{text[:10]} 10:00:60.000000'",
            f"CAST('{text}' AS BLOB)", f"'{text}' || char(0)", f"'{text}' || char(0) || 'x'", f"x'{text.encode().hex()}'",
            str(int(victim.starts_at.timestamp())), "julianday('now')", "'now'", "''", "0", "1e9",
            f"'{text[:10]} １0:00:00.000000'", f"'-{text[:25]}'", "'9999-99-99 99:99:99.999999'",
        ]
    )  # fmt: skip
    new = replace(SPARE, counselor_id=victim.counselor_id).at(victim.starts_at, victim.ends_at)
    if it.luck.random() < 0.5:  # all four, so that no order between them is amiss
        return Attempt(f"odd time {odd}", (insert([SPARE], it.engine, **dict.fromkeys(TIMES, odd)),))
    if it.luck.random() < 0.5:
        return Attempt(f"odd time {odd}", (f"UPDATE appointment SET {name} = {odd} WHERE id = {victim.id}",))
    return Attempt(f"odd time {odd}", (insert([new], it.engine, **{name: odd}),))


def _day_that_is_none(it: Hostile) -> Attempt:
    """Hour 24 is the next day's first, 31 February the third of March; as text they stand elsewhere, and in good order."""
    at, day, hour = it.luck.choice(
        [
            (SPARE.starts_at, f"{SPARE.starts_at - timedelta(days=1):%Y-%m-%d}", 24),
            (datetime(2027, 3, 3, 10, tzinfo=UTC), "2027-02-31", 10),
            (datetime(2027, 5, 1, 10, tzinfo=UTC), "2027-04-31", 10),
            (datetime(2027, 3, 1, 10, tzinfo=UTC), "2027-02-29", 10),
        ]
    )
    first = SPARE.at(at, at + timedelta(minutes=50))
    start, end = f"'{day} {hour}:10:00.000000'", f"'{day} {hour}:40:00.000000'"
    other = {"starts_at": start, "ends_at": end, "busy_from": start, "busy_to": end}
    return Attempt(
        "a day that is none", (insert([first], it.engine), insert([replace(first, student_id=399)], it.engine, **other))
    )


def _odd_id(it: Hostile) -> Attempt:
    """An id that SQLite would keep as something else than a number, and not find equal to one."""
    victim = it.luck.choice(it.live)
    what = it.luck.choice(WHO)
    own = getattr(victim, what)
    odd = it.luck.choice([f"'{own}x'", f"CAST('{own}' AS BLOB)", f"{own}.5", f"'{own}' || char(0)", f"x'{own:02x}'"])
    new = replace(SPARE, counselor_id=9).at(victim.starts_at, victim.ends_at)
    return Attempt(f"odd id {odd}", (insert([new], it.engine, **{what: odd}),))


def _coerced_id(it: Hostile) -> Attempt:
    """An id that SQLite takes as the number it looks like."""
    victim = it.luck.choice(it.live)
    own = victim.counselor_id
    odd = it.luck.choice([f"'{own}'", f"{own}.0", f"' {own} '", f"'0{own}'", f"'{own}e0'"])
    new = SPARE.at(victim.starts_at, victim.ends_at)
    return Attempt(f"coerced id {odd}", (insert([new], it.engine, counselor_id=odd),))


def _by_rowid(it: Hostile) -> Attempt:
    victim, new = it.clash()
    mover = it.luck.choice([row for row in it.live if row.id != victim.id])
    sets = assign(new, it.engine, (*TIMES, *WHO))
    key = it.luck.choice(["rowid", "oid", "_rowid_"])
    return Attempt("by rowid", (f"UPDATE appointment SET {key} = 7000, {sets} WHERE {key} = {mover.id}",))


def _shadow(it: Hostile) -> Attempt:
    """A temporary table of the same name, empty: the rule must not look there."""
    _, new = it.clash()
    shadow = "CREATE TEMP TABLE appointment AS SELECT * FROM main.appointment WHERE 0"
    return Attempt("shadowed", (shadow, insert([new], it.engine).replace("INTO appointment", "INTO main.appointment")))


_SQLITE: tuple[Callable[[Hostile], Attempt], ...] = (
    _or_verb, _or_verb, _or_update, _odd_time, _odd_time, _odd_time, _day_that_is_none, _odd_id, _coerced_id, _by_rowid, _shadow,
)  # fmt: skip
_SQLITE_SETTINGS: tuple[tuple[str, ...], ...] = (
    (),
    ("PRAGMA foreign_keys=OFF",),
    ("PRAGMA ignore_check_constraints=ON",),
    ("PRAGMA recursive_triggers=ON", "PRAGMA foreign_keys=OFF"),
    ("PRAGMA trusted_schema=OFF",),
    ("PRAGMA case_sensitive_like=ON", "PRAGMA reverse_unordered_selects=ON"),
    ("PRAGMA defer_foreign_keys=ON", "PRAGMA ignore_check_constraints=ON"),
)


def _merge(it: Hostile) -> Attempt:
    victim, new = it.clash()
    mover = it.luck.choice([row for row in it.live if row.id != victim.id])
    sets = assign(new, it.engine, (*TIMES, *WHO))
    source = f"(SELECT {mover.id} AS it) AS b ON a.id = b.it"
    return Attempt("merge", (f"MERGE INTO appointment AS a USING {source} WHEN MATCHED THEN UPDATE SET {sets}",))


def _in_one_statement(it: Hostile) -> Attempt:
    """Two inserts, or a change and an insert, that one statement makes at once."""
    victim, new = it.clash()
    first = f"WITH one AS (UPDATE appointment SET moves = 1 WHERE id = {victim.id} RETURNING id)"
    return Attempt("with", (f"{first} {insert([new], it.engine)}",))


def _other_spelling(it: Hostile) -> Attempt:
    """The same moment as other zones and words say it."""
    victim = it.luck.choice(it.live)
    new = replace(SPARE, counselor_id=victim.counselor_id).at(victim.starts_at, victim.ends_at)

    def spelled(moment: datetime) -> str:
        local = moment.astimezone(UTC) + timedelta(hours=8)
        return it.luck.choice(
            [
                f"'{moment.isoformat()}'", f"'{local:%Y-%m-%d %H:%M:%S}+08'", f"'{local:%Y-%m-%d %H:%M} Asia/Shanghai'",
                f"to_timestamp({moment.timestamp()})", f"'{moment:%Y%m%dT%H%M%S}Z'",
                f"timestamp '{local:%Y-%m-%d %H:%M}' AT TIME ZONE 'Asia/Shanghai'",
            ]
        )  # fmt: skip

    return Attempt("spelled", (insert([new], it.engine, **{name: spelled(getattr(new, name)) for name in TIMES}),))


def _no_end(it: Hostile) -> Attempt:
    sides = it.luck.choice([{"busy_to": "'infinity'"}, {"busy_from": "'-infinity'"}, {"starts_at": "'epoch'"}])
    if it.luck.random() < 0.3:
        sides = {"busy_from": "'-infinity'", "busy_to": "'infinity'"}
    return Attempt("without end", (insert([SPARE], it.engine, **sides),))


def _huge_id(it: Hostile) -> Attempt:
    odd = it.luck.choice(["2147483648", "99999999999", "'1x'", "-2147483649"])
    return Attempt("an id too large", (insert([SPARE], it.engine, **{it.luck.choice(WHO): odd}),))


_POSTGRESQL: tuple[Callable[[Hostile], Attempt], ...] = (
    _merge, _in_one_statement, _other_spelling, _other_spelling, _no_end, _huge_id,
)  # fmt: skip
_POSTGRESQL_SETTINGS: tuple[tuple[str, ...], ...] = (
    (),
    ("SET LOCAL session_replication_role = replica",),
    ("SET CONSTRAINTS ALL DEFERRED",),
    ("SET LOCAL TimeZone = 'Asia/Shanghai'",),
    ("SET LOCAL enable_indexscan = off", "SET LOCAL enable_bitmapscan = off"),
)


def must_pass(engine: EngineName) -> list[Attempt]:
    """Near misses, which have to be allowed: whatever only touches, is dead, or is somebody else's."""
    book = full_book()
    last = book[COUNSELORS * HOURS * DAYS - 1]
    first = book[0]
    hour = timedelta(hours=1)
    after = replace(SPARE, counselor_id=last.counselor_id, room_id=last.room_id, student_id=last.student_id)
    return [
        Attempt("right after", (insert([after.at(last.busy_to, last.busy_to + hour / 2)], engine),)),
        Attempt("right before", (insert([after.at(first.busy_from - hour, first.busy_from - hour / 3)], engine),)),
        Attempt("dead ones", (insert([replace(last, id=None, state=state) for state in DEAD], engine),)),
        Attempt("other people", (insert([replace(SPARE, room_id=9).at(first.starts_at, first.ends_at)], engine),)),
        Attempt(
            "in the student's buffer",
            (insert([replace(SPARE, student_id=1).at(first.ends_at, first.ends_at + hour / 2)], engine),),
        ),
        Attempt("a whole day", (insert([SPARE], engine, busy_to=literal(SPARE.busy_from + timedelta(days=1), engine)),)),
        Attempt("no room", (insert([replace(SPARE, room_id=None)], engine),)),
        Attempt("a room alone", (insert([replace(SPARE, room_id=9, counselor_id=None)], engine),)),
        Attempt("itself", (f"UPDATE appointment SET version = 2, state = 'booked' WHERE id = {first.id}",)),
        Attempt(
            "within itself",
            (f"UPDATE appointment SET ends_at = {literal(first.ends_at - hour / 6, engine)} WHERE id = {first.id}",),
        ),
        Attempt("its id", (f"UPDATE appointment SET id = 6000 WHERE id = {first.id}",)),
        Attempt(
            "freed",
            (
                f"UPDATE appointment SET state = 'cancelled' WHERE id = {first.id}",
                insert([replace(first, id=None, student_id=SOMEBODY)], engine),
            ),
        ),
        Attempt(
            "freed and taken by another row",
            (
                f"DELETE FROM appointment WHERE id = {first.id}",
                f"UPDATE appointment SET {assign(first, engine, (*TIMES, *WHO[:2]))} WHERE id = {last.id}",
            ),
        ),
    ]  # fmt: skip
