"""A whole first booking over the door, from 「预约」 to 「约好了」, beside the calm check-in on the same server.

`python -m bench.booking`: one core for the server, 16 connections, rounds of both in turn.
"""

import os
import statistics
import tempfile
from datetime import date, timedelta
from pathlib import Path

import sqlalchemy as sa

from bench.load import Result, burst, receipts
from bench.turns import DOOR, PHONES, ROUNDS, ours, phones
from bot.sandbox.callbacks import sign, text_message
from models import clock, db
from models.booking.rules import is_closed
from models.booking.table import Counselor, Opening
from models.person import Person
from models.policy import BookingPolicy

NAMES = "赵钱孙吴郑王冯卫蒋韩杨朱秦尤许吕张孔曹严金魏陶姜戚谢邹喻苏潘"
"""Thirty counselors, told apart by one character."""

HOURS = (9, 10, 14)
FIRST_ID = 50_000
BOOKED = "约好了"


def supply(url: str) -> None:
    """Thirty counselors, open on weekdays; every student has a telephone, so that nobody is asked for one."""
    database = db.connect(url)
    with database.engine.begin() as connection:
        connection.execute(sa.update(Person).values(phone="13800000000"))
        for at, name in enumerate(NAMES):
            person = {"id": FIRST_ID + at, "number": f"C{at}", "name": f"{name}安", "kind": "staff"}
            connection.execute(sa.insert(Person), [person])
            profile = {
                "qualification": "q",
                "full_time": True,
                "tier": "centre",
                "unit_id": 1,
                "topics": "",
                "place": "101",
            }
            own = {
                "id": at + 1,
                "person_id": FIRST_ID + at,
                "modes": "in_person",
                "firsts": 0,
                "created_at": clock.now(),
            }
            connection.execute(sa.insert(Counselor), [profile | own])
            hours = {"counselor_id": at + 1, "modes": ""}
            stretches = ((9 * 60, 12 * 60), (14 * 60, 17 * 60))
            connection.execute(
                sa.insert(Opening),
                [hours | {"weekday": day, "starts": a, "ends": b} for day in range(5) for a, b in stretches],
            )
    database.dispose()


def times() -> list[str]:
    """A time of its own for each phone, as somebody would write it; within every counselor's week."""
    policy = BookingPolicy()
    today = clock.now().astimezone(policy.zone).date()
    days = [today + timedelta(days=ahead) for ahead in range(1, 28)]
    open_days = [day for day in days if day.weekday() < 5 and not is_closed(day, policy)]
    return [_said(day, hour, name) for day in open_days for hour in HOURS for name in NAMES]


def _said(day: date, hour: int, name: str) -> str:
    return (
        f"{day.month}月{day.day}日{hour}点{name}老师"
        if hour < 12
        else f"{day.month}月{day.day}日下午{hour - 12}点{name}老师"
    )


def bookings(said: list[str], *, first: int, run: int) -> list[list[bytes]]:
    """Talks of the next phones, as raw HTTP requests."""
    requests = []
    for at, time in enumerate(said):
        talk = []
        for step, text in enumerate(("预约", "1", "1", "1", "10", time, "1")):
            message = text_message(
                DOOR, f"phone-{first + at}", text, msg_id=run * 10_000_000 + 5_000_000 + at * 10 + step
            )
            signed = sign(DOOR, message)
            fields = f"Host: 127.0.0.1\r\nContent-Type: text/xml\r\nContent-Length: {len(signed.body)}"
            talk.append(f"POST {signed.url} HTTP/1.1\r\n{fields}\r\n\r\n".encode() + signed.body)
        requests.append(talk)
    return requests


def main() -> None:
    """Measure and print."""
    os.sched_setaffinity(0, {1})
    said = times()
    each = min(PHONES, len(said) // (ROUNDS + 1))
    rates: dict[str, list[float]] = {"booking": [], "check-in": []}
    latest = Result()
    with tempfile.TemporaryDirectory() as name, ours(Path(name), classes=each * (ROUNDS + 1)) as port:
        supply(f"sqlite:///{name}/xinqiao.db")
        for at in range(ROUNDS + 1):
            mine = said[at * each : (at + 1) * each]
            latest = burst(port, bookings(mine, first=at * each, run=at + 1))
            ended = receipts(DOOR, latest, BOOKED)
            assert ended == each, f"only {ended} of {each} talks ended with an appointment"
            calm = burst(port, phones(each, first=at * each, run=at + 1))
            if at:  # the first round warms up
                rates["booking"].append(latest.per_second)
                rates["check-in"].append(calm.per_second)
    for what, found in rates.items():
        print(f"{what}, messages/s on one core: {statistics.median(found):,.0f} ({min(found):,.0f}–{max(found):,.0f})")
    ratios = [one / other for one, other in zip(rates["booking"], rates["check-in"], strict=True)]
    print(f"booking ÷ check-in: {statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})")
    print(
        f"   p50 {latest.percentile(0.5):.1f} ms, p99 {latest.percentile(0.99):.1f} ms a message at full load, 7 messages each"
    )


if __name__ == "__main__":
    main()
