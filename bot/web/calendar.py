"""A counselor's calendar, RFC 5545: `/calendar/<secret>.ics`. Times, places and 「预约」; nothing of any student.

Whatever leads nowhere looks the same: unknown, taken back, or of somebody who has left. No log line, no metric and no other page
names an address.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from flask import Blueprint, Response

from handlers.words.catalogue import Words
from models import clock
from models.booking.calendar import Entry, access_calendar
from models.booking.choices import Mode
from models.db import unit_of_work
from models.errors import NotFoundError
from models.policy import BookingPolicy

if TYPE_CHECKING:
    from icalendar import Event

_FRESH = timedelta(minutes=15)
"""How often phones are asked to look again."""

_HEADERS = {
    "Cache-Control": "private, max-age=300",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
    "X-Content-Type-Options": "nosniff",
}


def calendar_routes(words: Words, policy: BookingPolicy) -> Blueprint:
    """`/calendar/<secret>.ics`."""
    routes = Blueprint("calendar", __name__, url_prefix="/calendar")

    @routes.get("/<secret>.ics")
    def calendar(secret: str) -> Response:
        """The events; 404 for every address that leads nowhere."""
        now = clock.now()
        try:
            with unit_of_work(write=False) as session:
                entries = access_calendar(session, secret, policy=policy, now=now)
        except NotFoundError:
            return Response("", 404, headers=_HEADERS, content_type="text/plain; charset=utf-8")
        body = as_ics(entries, words, now=now)
        return Response(body, headers=_HEADERS, content_type="text/calendar; charset=utf-8")

    return routes


def as_ics(entries: Sequence[Entry], words: Words, *, now: datetime) -> bytes:
    """The calendar's text."""
    from icalendar import Calendar  # noqa: PLC0415 — only whoever asks pays for it

    it = Calendar()
    it.add("prodid", "-//xinqiao//booking//ZH")
    it.add("version", "2.0")
    it.add("method", "PUBLISH")
    it.add("x-wr-calname", words("calendar.name"))
    it.add("refresh-interval", _FRESH, parameters={"VALUE": "DURATION"})
    it.add("x-published-ttl", "PT15M")
    for entry in entries:
        it.add_component(_event(entry, words, now))
    return bytes(it.to_ical())


def _event(entry: Entry, words: Words, now: datetime) -> "Event":
    from icalendar import Event  # noqa: PLC0415 — as above

    event = Event()
    # The moment beside the number: a database that was set up anew counts from one again.
    event.add("uid", f"{entry.id}-{int(entry.made.timestamp())}@xinqiao")
    event.add("dtstamp", now)
    event.add("dtstart", entry.starts_at)
    event.add("dtend", entry.ends_at)
    event.add("sequence", entry.version)
    event.add("summary", words("calendar.title"))
    place = entry.place if entry.mode is Mode.IN_PERSON else words(f"calendar.by_{entry.mode.value}")
    if place:
        event.add("location", place)
    event.add("status", "CANCELLED" if entry.off else "CONFIRMED" if entry.certain else "TENTATIVE")
    event.add("class", "PRIVATE")
    event.add("transp", "TRANSPARENT" if entry.off else "OPAQUE")
    return event
