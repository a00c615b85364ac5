"""Applying a workbook that holds, in one transaction: the same number or name is changed, a second time changes nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import Session, col, select

from models.booking.profiles import change_counselor, end_counselor, end_room, make_counselor, make_room, set_ties
from models.booking.sheet.columns import Column, Part
from models.booking.sheet.laying import Book, Row
from models.booking.sheet.settling import USUAL_MODES, Known, owner, stretch, ties_of, unit_of, weekly
from models.booking.supply import Weekly, booked_in, close_stretch, open_extra, replace_hours
from models.booking.table import ChangeKind, OpeningChange, Room, RoomUse, Tier
from models.booking.taking import SYSTEM
from models.policy import BookingPolicy
from models.roster.columns import fold


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that an import did. `what`: added, changed or ended; `booked`: appointments that it touches and leaves."""

    part: Part
    what: str
    name: str
    count: int = 1
    booked: int = 0


_DIRECT: Mapping[Column, tuple[str, Any]] = {
    Column.QUALIFICATION: ("qualification", ""),
    Column.EMPLOYMENT: ("full_time", True),
    Column.TERM_ENDS: ("term_ends", None),
    Column.MODES: ("modes", USUAL_MODES),
    Column.TOPICS: ("topics", ""),
    Column.PLACE: ("place", ""),
    Column.SESSION: ("session_minutes", None),
    Column.BEFORE: ("buffer_before", None),
    Column.AFTER: ("buffer_after", None),
    Column.A_DAY: ("most_a_day", None),
    Column.A_WEEK: ("most_a_week", None),
}
"""A column's field of the profile, and what an empty cell means."""


def apply(session: Session, book: Book, known: Known, *, policy: BookingPolicy, now: datetime) -> list[Change]:
    """Do what the workbook says; returns what that changed, in its order."""
    done = _Applying(session, known, policy, now)
    done.rooms(book)
    done.counselors(book)
    done.hours(book)
    done.changes(book)
    done.end_rooms(book)
    return done.done


class _Applying:
    def __init__(self, session: Session, known: Known, policy: BookingPolicy, now: datetime) -> None:
        self._session, self._known, self._policy, self._now = session, known, policy, now
        self.done: list[Change] = []

    def _did(self, part: Part, what: str, name: str, **counts: int) -> None:
        self.done.append(Change(part, what, name, **counts))

    def rooms(self, book: Book) -> None:
        """Rooms first: the other sheets name them."""
        for table, row in book.sound(Part.ROOMS):
            name = row[Column.ROOM]
            room = self._known.rooms.get(fold(name))
            if row[Column.ENDED]:
                continue
            given: dict[str, Any] = {
                "place": row[Column.PLACE] or "",
                "unit_id": unit_of(row, self._known),
                "use": row[Column.USE] or RoomUse.TALK,
                "alone": bool(row[Column.ALONE]),
            }
            heads = {"place": Column.PLACE, "unit_id": Column.UNIT, "use": Column.USE, "alone": Column.ALONE}
            if room is not None:
                given = {
                    key: value if heads[key] in table.heads else getattr(room, key) for key, value in given.items()
                }
                if room.ended_at is None and all(getattr(room, key) == value for key, value in given.items()):
                    continue
            what = "added" if room is None or room.ended_at else "changed"
            spelled = room.name if room else name
            self._known.rooms[fold(name)] = make_room(self._session, SYSTEM, spelled, now=self._now, **given)
            self._did(Part.ROOMS, what, spelled)

    def end_rooms(self, book: Book) -> None:
        """Last, when nobody names them any more."""
        for _, row in book.sound(Part.ROOMS):
            room = self._known.rooms.get(fold(row[Column.ROOM]))
            if row[Column.ENDED] and room is not None and room.ended_at is None:
                end_room(self._session, SYSTEM, room.id or 0, now=self._now)
                self._did(Part.ROOMS, "ended", room.name)

    def _room_id(self, name: str | None) -> int | None:
        room: Room | None = self._known.rooms[fold(name)] if name else None
        return room.id if room else None

    def counselors(self, book: Book) -> None:
        """Profiles and ties."""
        for table, row in book.sound(Part.COUNSELORS):
            person = self._known.people[row[Column.NUMBER]]
            it = self._known.counselors.get(person.id or 0)
            name = f"{person.number} {person.name}"
            if row[Column.ENDED]:
                if it is not None and it.ended_at is None:
                    booked = end_counselor(self._session, SYSTEM, it.id or 0, now=self._now)
                    self._did(Part.COUNSELORS, "ended", name, booked=len(booked))
                continue
            profile = self._profile(row, set(table.heads))
            what = None
            if it is None or it.ended_at is not None:
                profile = {"unit_id": self._known.school_id} | profile if it is None else profile
                it = make_counselor(self._session, SYSTEM, person.id or 0, now=self._now, **profile)
                self._known.counselors[person.id or 0] = it
                what = "added"
            elif any(getattr(it, key) != value for key, value in profile.items()):
                change_counselor(self._session, SYSTEM, it.id or 0, now=self._now, **profile)
                what = "changed"
            if Column.TIES in table.heads:
                ties = ties_of(row, self._known)
                changed = set_ties(self._session, SYSTEM, it.id or 0, ties, now=self._now)
                what = what or ("changed" if changed else None)
            if what:
                self._did(Part.COUNSELORS, what, name)

    def _profile(self, row: Row, heads: set[Column]) -> dict[str, Any]:
        """Fields of the columns that the sheet has; an empty cell means what is usual."""
        found = {
            name: usual if row[column] is None else row[column]
            for column, (name, usual) in _DIRECT.items()
            if column in heads
        }
        if Column.ROOM in heads:
            found["room_id"] = self._room_id(row[Column.ROOM])
        if Column.UNIT in heads:
            found["unit_id"] = unit_of(row, self._known)
        if row[Column.TIER] or Column.UNIT in heads:
            of_college = found.get("unit_id", self._known.school_id) != self._known.school_id
            found["tier"] = row[Column.TIER] or (Tier.STATION if of_college else Tier.CENTRE)
        return found

    def hours(self, book: Book) -> None:
        """The weekly hours of everybody, and every room by itself, that the sheet names."""
        wanted: dict[tuple[str, str], list[Weekly]] = {}
        for _, row in book.sound(Part.HOURS):
            wanted.setdefault(owner(row), []).extend(weekly(row, self._room_id))
        for (number, room), hours in wanted.items():
            if number:
                person = self._known.people[number]
                whose: dict[str, Any] = {"counselor_id": self._known.counselors[person.id or 0].id}
                name = f"{number} {person.name}"
            else:
                whose, name = {"room_id": self._known.rooms[room].id}, self._known.rooms[room].name
            began, ended = replace_hours(self._session, SYSTEM, hours, policy=self._policy, now=self._now, **whose)
            for what, count in (("added", began), ("ended", ended)):
                if count:
                    self._did(Part.HOURS, what, name, count=count)

    def changes(self, book: Book) -> None:
        """What differs; what is over or there already is left alone."""
        for _, row in book.sound(Part.CHANGES):
            start, end = stretch(row, self._policy)
            person = self._known.people.get(row[Column.NUMBER] or "")
            counselor = self._known.counselors[person.id or 0].id if person else None
            room_id = self._room_id(row[Column.ROOM])
            if end <= self._now or self._is_there(counselor, room_id, row[Column.KIND], start, end):
                continue
            booked = 0
            if row[Column.KIND] is not ChangeKind.EXTRA:
                room = None if counselor else room_id
                close_stretch(
                    self._session, SYSTEM, counselor, start, end, now=self._now, kind=row[Column.KIND], room_id=room
                )
                booked = len(booked_in(self._session, counselor, max(start, self._now), end)) if counselor else 0
            elif not open_extra(
                self._session, SYSTEM, counselor, start, end, policy=self._policy, now=self._now,
                modes=row[Column.MODES] or "", room_id=room_id,
            ):  # fmt: skip
                continue
            name = f"{person.number} {person.name}" if person else row[Column.ROOM] or ""
            self._did(Part.CHANGES, "added", name, booked=booked)

    def _is_there(
        self, counselor_id: int | None, room_id: int | None, kind: ChangeKind, start: datetime, end: datetime
    ) -> bool:
        same = select(OpeningChange.id).where(
            OpeningChange.counselor_id == counselor_id,
            OpeningChange.kind == kind,
            col(OpeningChange.starts_at) == start,
            col(OpeningChange.ends_at) == end,
        )
        if counselor_id is None:
            same = same.where(OpeningChange.room_id == room_id)
        return self._session.exec(same).first() is not None
