"""The judge of what is booked is judged: of a world that is right it says nothing, of each that was made wrong it says what."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.proofs.booking_oracle import Book, journals, judge

MONDAY = datetime(2026, 11, 16, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
Tables = dict[str, list[dict[str, Any]]]


def appointment(id_: int, student: int, hour: int, **other: Any) -> dict[str, Any]:
    start = MONDAY + hour * HOUR
    row = {
        "id": id_, "student_id": student, "counselor_id": 1, "room_id": 1, "state": "booked", "starts_at": start,
        "ends_at": start + 0.8 * HOUR, "busy_from": start, "busy_to": start + HOUR, "until": None, "waiter_id": None,
        "first": True, "version": 1, "made_at": MONDAY - 9 * HOUR, "closed_at": None, "step": "soon", "next_at": start - HOUR,
    }  # fmt: skip
    return row | other


def waiter(id_: int, **other: Any) -> dict[str, Any]:
    row = {
        "id": id_, "student_id": 10 + id_, "haste": "normal", "rank": 1, "since": MONDAY - 8 * HOUR + id_ * HOUR / 60,
        "counselor_id": None, "mode": None, "earlier_than_id": None, "state": "waiting", "ended_at": None,
    }  # fmt: skip
    return row | other


def log(id_: int, waiter_id: int, event: str, at: int, hour: int = 5) -> dict[str, Any]:
    return {
        "id": id_, "waiter_id": waiter_id, "event": event, "at": MONDAY - 7 * HOUR + at * HOUR / 60, "counselor_id": 1,
        "starts_at": MONDAY + hour * HOUR,
    }  # fmt: skip


def fact(id_: int, subject: str, name: str, at: int = 0) -> dict[str, Any]:
    return {"id": id_, "subject": subject, "fact": name, "at": MONDAY - 7 * HOUR + at * HOUR / 60}


def told(op: str, row: dict[str, Any], **other: Any) -> dict[str, Any]:
    return {
        "op": op, "id": row["id"], "student": row["student_id"], "counselor": row["counselor_id"],
        "starts": row["starts_at"].isoformat(), "version": row["version"],
    } | other  # fmt: skip


def right() -> tuple[Tables, list[dict[str, Any]]]:
    """Two appointments; three who wait, of whom the second was offered a time because the first wanted another mode."""
    rows = [appointment(1, 1, 0), appointment(2, 2, 1)]
    offered = appointment(3, 12, 5, state="offered", waiter_id=2, until=MONDAY, first=False, step=None, next_at=None)
    tables: Tables = {
        "appointment": [*rows, offered],
        "counselor": [{"id": 1, "firsts": 2}],
        "waiter": [waiter(1, mode="phone"), waiter(2, state="offered"), waiter(3)],
        "waiter_log": [log(1, 1, "skipped_mode", 30), log(2, 2, "offered", 30)],
        "audit": [
            fact(1, "appointment:1", "appointment_booked"), fact(2, "appointment:2", "appointment_booked"),
            *(fact(2 + n, f"waiter:{n}", "wait_begun", n) for n in (1, 2, 3)),
            fact(6, "waiter:2", "time_offered", 30),
        ],
    }  # fmt: skip
    return tables, [told("booked", rows[0]), told("booked", rows[1]), {"op": "joined", "id": 3}]


def test_of_a_right_world_nothing_is_said() -> None:
    assert judge(Book(*right())) == []


def _at_the_same_time(tables: Tables, _: list[Any]) -> None:
    tables["appointment"][1] |= {name: tables["appointment"][0][name] for name in ("starts_at", "ends_at")}
    tables["appointment"][1] |= {"busy_from": MONDAY, "busy_to": MONDAY + HOUR}


def _into_the_buffer(tables: Tables, _: list[Any]) -> None:
    tables["appointment"][1]["busy_from"] = MONDAY + 0.9 * HOUR


def _over_two_others(tables: Tables, _: list[Any]) -> None:
    tables["appointment"][0]["busy_to"] = MONDAY + 6 * HOUR


def _one_student(tables: Tables, _: list[Any]) -> None:
    tables["appointment"][1] |= {
        "student_id": 1, "counselor_id": 2, "room_id": None, "starts_at": MONDAY + 0.5 * HOUR, "first": False,
    }  # fmt: skip
    tables["counselor"] = [{"id": 1, "firsts": 1}, {"id": 2, "firsts": 0}]


def _two_holds(tables: Tables, _: list[Any]) -> None:
    held = {"state": "held", "first": False, "until": MONDAY, "next_at": None, "counselor_id": 2, "room_id": None}
    tables["appointment"] += [appointment(8, 9, 8, **held), appointment(9, 9, 9, **held)]


def _gone(tables: Tables, _: list[Any]) -> None:
    del tables["appointment"][1]
    tables["counselor"][0]["firsts"] = 1


def _moved_by_nobody(tables: Tables, _: list[Any]) -> None:
    tables["appointment"][1] |= appointment(2, 2, 2)


def _moved_without_a_fact(tables: Tables, _: list[Any]) -> None:
    tables["appointment"][1] |= appointment(2, 2, 2, version=2)


def _back_in_time(_: Tables, said: list[Any]) -> None:
    said[1]["version"] = 3


def _anothers(tables: Tables, _: list[Any]) -> None:
    tables["appointment"][1]["student_id"] = 7


def _cancelled_by_nobody(tables: Tables, _: list[Any]) -> None:
    tables["appointment"][1] |= {"state": "cancelled", "first": False, "next_at": None}
    tables["counselor"][0]["firsts"] = 1


def _back_on_hold(tables: Tables, _: list[Any]) -> None:
    tables["appointment"][1] |= {"state": "held", "first": False, "next_at": None, "until": MONDAY}
    tables["counselor"][0]["firsts"] = 1


def _alive_again(_: Tables, said: list[Any]) -> None:
    said.append({"op": "cancelled", "id": 2})


def _off_the_list(tables: Tables, _: list[Any]) -> None:
    del tables["waiter"][2]


def _blocked(_: Tables, said: list[Any]) -> None:
    said.append({"op": "blocked", "student": 1})


def _out_of_turn(tables: Tables, _: list[Any]) -> None:
    del tables["waiter_log"][0]


def _a_lie(tables: Tables, _: list[Any]) -> None:
    tables["waiter"][0]["mode"] = None


def _a_lie_about_a_no(tables: Tables, _: list[Any]) -> None:
    tables["waiter_log"][0]["event"] = "skipped_asked"


def _a_lie_about_limits(tables: Tables, _: list[Any]) -> None:
    tables["waiter_log"][0]["event"] = "skipped_limit"


def _more_pressing(tables: Tables, _: list[Any]) -> None:
    tables["waiter"][2]["rank"] = 0


def _offered_twice(tables: Tables, _: list[Any]) -> None:
    tables["waiter_log"] += [log(3, 1, "skipped_mode", 40), log(4, 2, "offered", 40)]
    tables["audit"].append(fact(7, "waiter:2", "time_offered", 40))


def _kept_for_somebody_else(tables: Tables, _: list[Any]) -> None:
    tables["appointment"][2]["waiter_id"] = 3


def _an_offer_that_is_none(tables: Tables, _: list[Any]) -> None:
    tables["waiter"][2]["state"] = "offered"


def _twice_in_line(tables: Tables, _: list[Any]) -> None:
    tables["waiter"][2]["student_id"] = tables["waiter"][0]["student_id"]


def _wrong_count(tables: Tables, _: list[Any]) -> None:
    tables["counselor"][0]["firsts"] = 3


def _twice_first(tables: Tables, _: list[Any]) -> None:
    tables["appointment"].append(appointment(4, 1, 30))
    tables["counselor"][0]["firsts"] = 3


def _dead_and_due(tables: Tables, _: list[Any]) -> None:
    tables["appointment"].append(appointment(4, 5, 30, state="cancelled", first=False))


def _nothing_due(tables: Tables, _: list[Any]) -> None:
    tables["appointment"][1]["next_at"] = None


def _for_ever(tables: Tables, _: list[Any]) -> None:
    tables["appointment"][2]["until"] = None


WRONG: dict[Callable[[Tables, list[Any]], None], str] = {
    _at_the_same_time: "1 and 2 overlap in counselor_id",
    _into_the_buffer: "1 and 2 overlap in room_id",
    _over_two_others: "1 and 3 overlap in counselor_id",
    _one_student: "1 and 2 overlap in student_id",
    _two_holds: "student 9 has 2 held",
    _gone: "booked 2: is gone",
    _moved_by_nobody: "booked 2: stands at another time, and was not moved",
    _moved_without_a_fact: "booked 2: has version 2, and was moved 0 times",
    _back_in_time: "booked 2: went back to version 1",
    _anothers: "booked 2: is 7's",
    _cancelled_by_nobody: "booked 2: is cancelled, and nobody did that",
    _back_on_hold: "booked 2: is held",
    _alive_again: "cancelled 2 is booked",
    _off_the_list: "joined 3 is None",
    _blocked: "a free time was refused",
    _out_of_turn: "waiter 1 was before 2",
    _a_lie: "waiter 1 was passed over",
    _a_lie_about_a_no: "waiter 1 was passed over",
    _a_lie_about_limits: "waiter 1 was passed over",
    _more_pressing: "waiter 3 was before 2",
    _offered_twice: "waiter 2 was offered a second time",
    _kept_for_somebody_else: "waiter 3 is waiting, and 1 times are kept for them",
    _an_offer_that_is_none: "waiter 3 is offered, and 0 times are kept for them",
    _twice_in_line: "student 11 waits 2 times",
    _wrong_count: "counselor 1 has 3 firsts, which are 2",
    _twice_first: "student 1 came 2 times for the first time",
    _dead_and_due: "4 is cancelled, and soon is due",
    _nothing_due: "2 is booked, and nothing is due",
    _for_ever: "3 is offered without an end",
}


@pytest.mark.parametrize("makes_wrong", WRONG, ids=lambda it: it.__name__.strip("_"))
def test_of_a_wrong_world_it_says_what_is_wrong(makes_wrong: Callable[[Tables, list[Any]], None]) -> None:
    tables, said = right()

    makes_wrong(tables, said)

    assert any(fault.startswith(WRONG[makes_wrong]) for fault in judge(Book(tables, said))), judge(Book(tables, said))


def test_who_left_before_a_time_was_offered_was_not_passed_over() -> None:
    """Whatever the clocks said: facts are numbered in the order in which they were."""
    tables, said = right()
    del tables["waiter_log"][0]
    tables["waiter"][0] |= {"state": "left", "ended_at": MONDAY - 6 * HOUR}
    tables["audit"].insert(5, fact(5, "waiter:1", "wait_left", 60) | {"id": 5.5})

    assert judge(Book(tables, said)) == []


def test_a_line_that_a_kill_has_torn_was_told_to_nobody(tmp_path: Path) -> None:
    (tmp_path / "journal-0.jsonl").write_text('{"op": "not_blocked"}\n{"op": "boo')

    assert journals(tmp_path) == [{"op": "not_blocked"}]
