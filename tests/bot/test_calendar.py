"""A counselor's calendar: RFC 5545, nothing of any student, an address that can be taken back. Rules: docs/decisions/0008."""

import json
import logging
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from icalendar import Calendar

from models import db
from models.booking.acting import cancel
from models.booking.calendar import make_calendar, revoke_calendar
from models.booking.choices import Mode
from models.booking.table import Counselor, Side
from models.booking.taking import By
from models.policy import Confirming
from tests.appointments import appointment, book_at, local
from tests.supply import SHEN, Supply, make_supply
from tests.world import World


@pytest.fixture
def supply(world: World) -> Supply:
    return make_supply(world)


def address(world: World, counselor_id: int) -> str:
    with db.unit_of_work() as session:
        return f"/calendar/{make_calendar(session, session.get_one(Counselor, counselor_id), now=world.now)}.ics"


def get(world: World, path: str) -> Any:
    return world.app.test_client().get(path)


def events(world: World, path: str) -> list[Any]:
    response = get(world, path)
    assert response.status_code == 200
    return list(Calendar.from_ical(response.data).walk("VEVENT"))


def test_it_shows_when_and_where_and_nobody(world: World, supply: Supply) -> None:
    book_at(world, "student", supply.shen, local("2026-11-16 09:00"), body={"topic": "mood", "note": "最近睡不好"})
    book_at(world, "officer", supply.shen, local("2026-11-17 14:00"), mode=Mode.PHONE)
    path = address(world, supply.shen)

    response = get(world, path)
    first, second = events(world, path)

    assert response.content_type == "text/calendar; charset=utf-8"
    assert response.headers["Cache-Control"].startswith("private")
    assert (first["SUMMARY"], first["LOCATION"], first["STATUS"]) == ("预约", "咨询室一 综合楼 301", "CONFIRMED")
    assert (second["SUMMARY"], second["LOCATION"]) == ("预约", "电话")
    assert first.decoded("DTSTART") == local("2026-11-16 09:00")
    assert first.decoded("DTEND") - first.decoded("DTSTART") == timedelta(minutes=50)
    text = response.get_data(as_text=True)
    for words in ("何小雨", "周一帆", "2023010103", "睡不好", "mood", "软件2301", "1380000"):
        assert words not in text


def test_every_line_is_as_the_rfc_wants_it(world: World, supply: Supply) -> None:
    book_at(world, "student", supply.shen, local("2026-11-16 09:00"))

    body = get(world, address(world, supply.shen)).data

    assert body.startswith((b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n", b"BEGIN:VCALENDAR\r\nPRODID"))
    assert body.endswith(b"END:VCALENDAR\r\n")
    assert body.count(b"\n") == body.count(b"\r\n")
    assert all(len(line) <= 75 for line in body.split(b"\r\n"))
    for name in (b"UID:", b"DTSTAMP:", b"DTSTART:", b"DTEND:", b"SEQUENCE:1", b"STATUS:CONFIRMED", b"METHOD:PUBLISH"):
        assert name in body
    assert re.search(rb"DTSTART:\d{8}T\d{6}Z", body)


def test_a_change_keeps_the_uid_and_counts_on(world: World, supply: Supply) -> None:
    id_ = book_at(world, "student", supply.shen, local("2026-11-19 09:00"))
    path = address(world, supply.shen)
    (before,) = events(world, path)
    with db.unit_of_work() as session:
        it = session.get_one(type(appointment(world, id_)), id_)
        it.starts_at, it.ends_at = local("2026-11-20 09:00"), local("2026-11-20 09:50")
        it.busy_from, it.busy_to, it.version = it.starts_at, it.ends_at, it.version + 1

    (moved,) = events(world, path)
    with db.unit_of_work() as session:
        by = By(world.people[SHEN], Side.COUNSELOR)
        cancel(session, by, id_, policy=world.policy.booking, now=world.now)
    (off,) = events(world, path)

    assert before["UID"] == moved["UID"] == off["UID"]
    assert [each["SEQUENCE"] for each in (before, moved, off)] == [1, 2, 3]
    assert moved.decoded("DTSTART") == local("2026-11-20 09:00")
    assert off["STATUS"] == "CANCELLED"


def test_what_waits_is_tentative_and_what_is_long_past_is_gone(world: World, supply: Supply) -> None:
    by_hand = replace(world.policy.booking, confirming=Confirming.BY_HAND)
    book_at(world, "student", supply.shen, local("2026-11-16 09:00"), policy=by_hand)
    path = address(world, supply.shen)
    assert [event["STATUS"] for event in events(world, path)] == ["TENTATIVE"]

    world.forward(days=27)
    assert len(events(world, path)) == 1
    world.forward(days=2)
    assert not events(world, path)


def test_only_one_s_own_are_in_it(world: World, supply: Supply) -> None:
    book_at(world, "student", supply.jiang, local("2026-11-17 14:00"))

    assert not events(world, address(world, supply.shen))
    assert len(events(world, address(world, supply.jiang))) == 1


def shape(response: Any) -> tuple[int, bytes, dict[str, str]]:
    return response.status_code, response.data, {k: v for k, v in response.headers.items() if k != "Date"}


def test_whatever_leads_nowhere_looks_the_same(world: World, supply: Supply) -> None:
    renewed = address(world, supply.shen)
    revoked = address(world, supply.shen)
    with db.unit_of_work() as session:
        revoke_calendar(session, session.get_one(Counselor, supply.shen), now=world.now)
    left = address(world, supply.jiang)
    with db.unit_of_work() as session:
        session.get_one(Counselor, supply.jiang).ended_at = world.now

    paths = (
        renewed,
        revoked,
        left,
        "/calendar/x.ics",
        f"/calendar/{'A' * 3000}.ics",
        "/calendar/%00.ics",
        "/calendar/é.ics",
    )
    shapes = [shape(get(world, path)) for path in paths]

    assert shapes[0][:2] == (404, b"")
    assert all(each == shapes[0] for each in shapes)


def test_the_address_is_nowhere_in_clear(
    world: World, supply: Supply, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    path = address(world, supply.shen)
    secret = path.removeprefix("/calendar/").removesuffix(".ics")
    for each in (path, path.replace("calendar", "kalender"), f"{path}x"):
        get(world, each)
    metrics = world.app.test_client().get("/metrics").get_data(as_text=True)

    stored = json.dumps([row.model_dump(mode="json") for row in world.rows(Counselor)])
    for text in (caplog.text, metrics, stored, "".join(capsys.readouterr())):
        assert secret not in text


@pytest.mark.parametrize("method", ["post", "put", "delete", "patch"])
def test_it_can_only_be_read(world: World, supply: Supply, method: str) -> None:
    assert getattr(world.app.test_client(), method)(address(world, supply.shen)).status_code == 405
