"""Stories for which the engine does not matter: the same school on SQLite alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.sandbox.api import api_app
from bot.sandbox.listen import listening
from models import clock, db, seal
from tests.conftest import KEY
from tests.engines import fresh_database_url
from tests.stories.stage import Stage
from tests.supply import make_supply
from tests.workers.office import Office, new_platform
from tests.world import World, make_world


@pytest.fixture
def school(tmp_path: Path) -> Iterator[World]:
    """A small school on SQLite."""
    yield from _school(tmp_path)


@pytest.fixture
def office(world: World) -> Iterator[Office]:
    """The school with a platform that answers, on each engine in turn."""
    platform = new_platform()
    with listening(api_app(platform)) as address:
        yield Office(world, platform, address)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A small school where nothing that is said is kept; one for all tests of a file."""
    for world in _school(tmp_path_factory.mktemp("stage")):
        yield Stage(world, db.database(), world.now, make_supply(world))


def _school(folder: Path) -> Iterator[World]:
    url = fresh_database_url("sqlite", folder)
    seal.use_keys([KEY])
    database = db.connect(url)
    yield make_world(folder, url, KEY)
    clock.stop_moving()
    database.dispose()
