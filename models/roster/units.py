"""The units that a sheet can mean: those it names itself and those the database has."""

from collections import defaultdict
from dataclasses import dataclass

from models.roster.columns import WHOLE_SCHOOL, SchoolNames, fold
from models.unit import Level

SCHOOL = "school"
"""The key of the root."""


@dataclass(frozen=True, slots=True)
class Place:
    """One unit: `college` is its college's key, for a class; `id` is None until it is in the database."""

    level: Level
    name: str
    college: str | None
    id: int | None


class Units:
    """Places by key; the key of two spellings of one unit is the same."""

    def __init__(self, names: SchoolNames) -> None:
        self.places: dict[str, Place] = {SCHOOL: Place(Level.SCHOOL, names.school, None, None)}
        self.school_renamed = False
        self._keys: defaultdict[str, list[str]] = defaultdict(list)
        for name in (names.school, WHOLE_SCHOOL):
            self._keys[fold(name)] = [SCHOOL]

    def add(self, level: Level, name: str, college: str | None = None, unit_id: int | None = None) -> str:
        """Make a unit known, if it was not; the first spelling stays. Returns its key."""
        key = _key(level, name, college)
        if key not in self.places:
            self.places[key] = Place(level, name, college, unit_id)
            self._keys[fold(name)].append(key)
        return key

    def set_school(self, unit_id: int, name: str) -> None:
        """The database has a root, perhaps under a name that the school no longer has."""
        mine = self.places[SCHOOL].name
        self.places[SCHOOL] = Place(Level.SCHOOL, mine, None, unit_id)
        self.school_renamed = name != mine

    def get(self, level: Level, name: str, college: str | None = None) -> str | None:
        """The key of a unit that is known at this very place."""
        key = _key(level, name, college)
        return key if key in self.places else None

    def named(self, name: str, level: Level | None = None) -> list[str]:
        """The keys of every unit with this name."""
        keys = self._keys.get(fold(name), [])
        return [key for key in keys if level is None or self.places[key].level is level]

    def full_name(self, key: str) -> str:
        """A unit's name as it stands in a scope, unambiguous: 学院/班级."""
        it = self.places[key]
        return it.name if it.college is None else f"{self.places[it.college].name}/{it.name}"

    def colleges(self, *, known: bool) -> set[str]:
        """The keys of all colleges; `known`: only those of the database."""
        return {
            key for key, it in self.places.items() if it.level is Level.COLLEGE and (it.id is not None or not known)
        }

    def new(self) -> list[str]:
        """The keys of the units that have to be made, each after the one it belongs to."""
        order = list(Level)
        return sorted(
            (key for key, it in self.places.items() if it.id is None),
            key=lambda key: order.index(self.places[key].level),
        )


def _key(level: Level, name: str, college: str | None) -> str:
    return f"{level.value}\t{college or ''}\t{fold(name)}"
