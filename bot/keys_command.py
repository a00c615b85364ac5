"""What `xinqiao keys rotate` does: every sealed value gets the newest key, in short transactions beside the turns."""

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import typer

from bot.app import open_data, open_keys
from bot.commanding import CommandRefusedError, Working, current_database, resting, words_of
from models import clock
from models.audit import Fact, record
from models.db import Database
from models.failpoint import hit
from models.seal import Keyring, fingerprint, keyring
from models.sealed import SEALED, SealedColumn, count_old, old_values, replace, resealed

if TYPE_CHECKING:
    from bot.settings import Settings

MOST = 400
LONG = 0.1
"""Seconds of a transaction after which the next one takes half as many rows; nobody may hold the writer over 250 ms."""

PASSES = 5
"""A turn may write beside us. What the last pass still finds was written by a process that has older keys."""


@dataclass
class _Rotation:
    database: Database
    ring: Keyring
    working: Working
    total: int
    done: int = 0
    most: int = 50
    broken: Counter[tuple[str, str]] = field(default_factory=Counter)

    def once(self) -> int:
        """Go through all columns; returns how many old values there were that a key opens."""
        self.broken.clear()
        return sum(self._column(it) for it in SEALED)

    def _column(self, it: SealedColumn) -> int:
        found, after = 0, None
        while True:
            count, after = self._batch(it, after)
            if after is None:
                return found
            found += count

    def _batch(self, it: SealedColumn, after: tuple[Any, ...] | None) -> tuple[int, tuple[Any, ...] | None]:
        with self.database.unit_of_work(write=False) as session:
            values = old_values(session, it, self.ring.newest_id, after=after, most=self.most)
        if not values:
            return 0, None
        fresh, broken = resealed(self.ring, values)
        self.broken.update((it.name, fingerprint(value.sealed)) for value in broken)
        if fresh:
            with resting():
                with self.database.unit_of_work() as session:
                    began = time.monotonic()
                    replace(session, it, fresh)
                took = time.monotonic() - began
            self.most = max(1, self.most // 2) if took > LONG else min(MOST, self.most * 2)
            hit("keys.resealed")
        self.done += len(fresh)
        self.working.tell(self.done, self.total)
        return len(fresh), values[-1].key


def rotate_keys(settings: "Settings") -> None:
    """Seal everything with the newest key and say what can be taken out of the config.

    Raises: CommandRefusedError when there is only one key, or something is still sealed with another.
    """
    words = words_of(settings)
    open_keys(settings)
    ring = keyring()
    if len(ring.fingerprints) == 1:
        raise CommandRefusedError(words("keys.only_one"))
    current_database(settings)
    database = open_data(settings)
    with database.unit_of_work(write=False) as session:
        total = count_old(session, ring.newest_id)
    with Working(words("keys.working")) as working:
        rotation = _Rotation(database, ring, working, total)
        left = rotation.once()
        for _ in range(PASSES - 1):
            if not left:
                break
            left = rotation.once()
    broken = rotation.broken
    with database.unit_of_work() as session:
        record(
            session, Fact.KEYS_ROTATED, None, "check_value:1", at=clock.now(),
            count=rotation.done, left=left, broken=broken.total(),
        )  # fmt: skip
    if broken:
        places, missing = sorted({name for name, _ in broken}), sorted({key for _, key in broken})
        raise CommandRefusedError(words("keys.broken", count=broken.total(), places=places, missing=missing))
    if left:
        raise CommandRefusedError(words("keys.left", count=left))
    newest, *others = ring.fingerprints
    typer.echo(words("keys.done", count=rotation.done, newest=newest, others=others))
    typer.echo(words("keys.effect"))
