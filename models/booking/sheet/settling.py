"""Holding a workbook against the database: who and what its names mean, and what cannot be. Nothing is written."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta

from sqlmodel import Session, col, select

from models.booking.choices import Mode
from models.booking.sheet.columns import Column, Part
from models.booking.sheet.laying import Book, Row, Table
from models.booking.supply import DAY, Weekly
from models.booking.table import ChangeKind, Counselor, Room, Tier
from models.person import Person
from models.policy import BookingPolicy
from models.roster.columns import WHOLE_SCHOOL, fold
from models.unit import Level, Unit

_ONE = timedelta(days=1)


@dataclass
class Known:
    """What the database has, and what the workbook brings."""

    people: dict[str, Person] = field(default_factory=dict)  # by number
    counselors: dict[int, Counselor] = field(default_factory=dict)  # by person, also those that have ended
    rooms: dict[str, Room] = field(default_factory=dict)  # by folded name, also those that have ended
    units: dict[str, list[Unit]] = field(default_factory=dict)  # by folded name
    school_id: int = 0
    coming_rooms: set[str] = field(default_factory=set)  # folded names that hold once the workbook is applied
    coming_counselors: set[str] = field(default_factory=set)  # numbers, likewise

    def unit(self, name: str, *levels: Level) -> list[Unit]:
        """Units of a name, or 学院/班级."""
        *above, own = name.split("/")
        found = [unit for unit in self.units.get(fold(own), []) if unit.level in levels]
        if above:
            colleges = {unit.id for unit in self.unit(above[-1], Level.COLLEGE)}
            found = [unit for unit in found if unit.parent_id in colleges]
        return found


def look_up(session: Session, book: Book) -> Known:
    """What the workbook speaks of, in a few statements."""
    known = Known()
    numbers = {row[Column.NUMBER] for table in book.tables.values() for row in table.rows if row[Column.NUMBER]}
    people = select(Person).where(col(Person.number).in_(numbers), col(Person.ended_at).is_(None))
    known.people = {person.number: person for person in session.exec(people)}
    known.counselors = {it.person_id: it for it in session.exec(select(Counselor))}
    known.rooms = {fold(room.name): room for room in session.exec(select(Room))}
    for unit in session.exec(select(Unit).where(col(Unit.level) != Level.DORM)):
        known.units.setdefault(fold(unit.name), []).append(unit)
        if unit.level is Level.SCHOOL:
            known.school_id = unit.id or 0
            known.units.setdefault(fold(WHOLE_SCHOOL), []).append(unit)
    return known


def settle(book: Book, known: Known, *, policy: BookingPolicy) -> None:
    """Check every line against the others and the database; what does not hold is noted in the book."""
    _settle_rooms(book, known)
    _settle_counselors(book, known)
    _settle_hours(book, known)
    for table, row in book.sound(Part.CHANGES):
        _check_owner(book, table, row, known, both=False)
        if not row.flawed and row[Column.KIND] is ChangeKind.EXTRA and not (row[Column.NUMBER] or row[Column.ROOM]):
            book.flaw(table, row, Column.NUMBER, "no_owner")
        if not row.flawed and stretch(row, policy)[0] >= stretch(row, policy)[1]:
            book.flaw(table, row, Column.ENDS if row[Column.ENDS] else Column.LAST_DAY, "backwards")


def stretch(row: Row, policy: BookingPolicy) -> tuple[datetime, datetime]:
    """From when to when a change holds; without times whole days. Aware UTC."""
    first, last = row[Column.DAY], row[Column.LAST_DAY] or row[Column.DAY]
    starts, ends = row[Column.STARTS] or 0, DAY if row[Column.ENDS] is None else row[Column.ENDS]
    begin, end = (
        (datetime.combine(day, time(), policy.zone) + timedelta(minutes=minutes)).astimezone(UTC)
        for day, minutes in ((first, starts), (last, ends))
    )
    return begin, end


def _once(book: Book, table: Table, row: Row, column: Column, seen: dict[str, int], key: str) -> bool:
    """Whether nobody said it before."""
    if key in seen:
        book.flaw(table, row, column, "twice", value=row[column], line=seen[key])
        return False
    seen[key] = row.line
    return True


def _settle_rooms(book: Book, known: Known) -> None:
    known.coming_rooms = {name for name, room in known.rooms.items() if room.ended_at is None}
    seen: dict[str, int] = {}
    for table, row in book.sound(Part.ROOMS):
        name = fold(row[Column.ROOM])
        if not _once(book, table, row, Column.ROOM, seen, name) or not _check_unit(book, table, row, known):
            continue
        known.coming_rooms.discard(name)
        if not row[Column.ENDED]:
            known.coming_rooms.add(name)


def _settle_counselors(book: Book, known: Known) -> None:
    live = {it.person_id for it in known.counselors.values() if it.ended_at is None}
    known.coming_counselors = {number for number, person in known.people.items() if person.id in live}
    seen: dict[str, int] = {}
    for table, row in book.sound(Part.COUNSELORS):
        number = row[Column.NUMBER]
        if not _once(book, table, row, Column.NUMBER, seen, number):
            continue
        person = known.people.get(number)
        if person is None:
            book.flaw(table, row, Column.NUMBER, "no_person", value=number)
        elif row[Column.NAME] and fold(row[Column.NAME]) != fold(person.name):
            book.flaw(table, row, Column.NAME, "other_name", value=row[Column.NAME], name=person.name)
        if row.flawed or not _check_unit(book, table, row, known):
            continue
        _check_room(book, table, row, known)
        _check_ties(book, table, row, known)
        if row[Column.TIER] is Tier.STATION and unit_of(row, known) == known.school_id:
            book.flaw(table, row, Column.UNIT, "station_of_nobody")
        if not row.flawed and row[Column.ENDED]:
            known.coming_counselors.discard(number)
        elif not row.flawed:
            known.coming_counselors.add(number)


def unit_of(row: Row, known: Known) -> int:
    """The college or campus that a line names, else the school."""
    name = row[Column.UNIT]
    return (known.unit(name, Level.COLLEGE, Level.SCHOOL)[0].id or 0) if name else known.school_id


def _check_unit(book: Book, table: Table, row: Row, known: Known) -> bool:
    name = row[Column.UNIT]
    if name and not known.unit(name, Level.COLLEGE, Level.SCHOOL):
        book.flaw(table, row, Column.UNIT, "no_unit", value=name)
    return not row.flawed


def _check_ties(book: Book, table: Table, row: Row, known: Known) -> None:
    for name in row[Column.TIES] or ():
        found = known.unit(name, Level.CLASS, Level.COLLEGE)
        if len(found) != 1:
            book.flaw(table, row, Column.TIES, "which_unit" if found else "no_unit", value=name)


def ties_of(row: Row, known: Known) -> list[int]:
    """The classes and colleges that a line names."""
    return [known.unit(name, Level.CLASS, Level.COLLEGE)[0].id or 0 for name in row[Column.TIES] or ()]


def _check_room(book: Book, table: Table, row: Row, known: Known) -> None:
    if row[Column.ROOM] and fold(row[Column.ROOM]) not in known.coming_rooms:
        book.flaw(table, row, Column.ROOM, "no_room", value=row[Column.ROOM])


def _check_owner(book: Book, table: Table, row: Row, known: Known, *, both: bool) -> None:
    """Whose a stretch is: a counselor's, or a room's by itself; `both`: one of them has to be named."""
    number = row[Column.NUMBER]
    if number and number not in known.people:
        book.flaw(table, row, Column.NUMBER, "no_person", value=number)
    elif number and number not in known.coming_counselors:
        book.flaw(table, row, Column.NUMBER, "no_counselor", value=number)
    _check_room(book, table, row, known)
    if both and not row.flawed and not number and not row[Column.ROOM]:
        book.flaw(table, row, Column.NUMBER, "no_owner")


def _settle_hours(book: Book, known: Known) -> None:
    held: dict[tuple[str, str], list[tuple[int, Weekly]]] = {}
    for table, row in book.sound(Part.HOURS):
        _check_owner(book, table, row, known, both=True)
        if row.flawed:
            continue
        if row[Column.STARTS] >= row[Column.ENDS]:
            book.flaw(table, row, Column.ENDS, "backwards")
        elif row[Column.FROM_DAY] and row[Column.TO_DAY] and row[Column.TO_DAY] < row[Column.FROM_DAY]:
            book.flaw(table, row, Column.TO_DAY, "backwards")
        if row.flawed:
            continue
        mine = held.setdefault(owner(row), [])
        for each in weekly(row):
            line = next((line for line, other in mine if clash(each, other)), None)
            if line is not None:
                book.flaw(table, row, Column.STARTS, "overlaps", line=line)
                break
            mine.append((row.line, each))


def owner(row: Row) -> tuple[str, str]:
    """A counselor's number, or a room's folded name."""
    return (row[Column.NUMBER], "") if row[Column.NUMBER] else ("", fold(row[Column.ROOM]))


def weekly(row: Row, room_id: Callable[[str], int | None] = lambda _: None) -> Iterable[Weekly]:
    """The weekly stretches that a line means, one for each of its days."""
    modes = row[Column.MODES] or ""
    room = room_id(row[Column.ROOM]) if row[Column.ROOM] else None
    for weekday in row[Column.WEEKDAYS]:
        yield Weekly(
            weekday, row[Column.STARTS], row[Column.ENDS], modes, room, row[Column.FROM_DAY], row[Column.TO_DAY]
        )


def clash(one: Weekly, other: Weekly) -> bool:
    """Whether two weekly stretches ever share time."""
    if one.weekday != other.weekday or one.ends <= other.starts or other.ends <= one.starts:
        return False
    apart = (one.to_day and other.from_day and one.to_day < other.from_day) or (
        other.to_day and one.from_day and other.to_day < one.from_day
    )
    return not apart


USUAL_MODES = Mode.IN_PERSON.value
