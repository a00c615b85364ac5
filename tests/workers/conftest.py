"""Fixtures of the workers' tests: the post office, and a real Valkey."""

from collections.abc import Iterator

import pytest

from bot.sandbox.swift import serving
from tests.workers.office import Office, new_platform
from tests.world import World
from workers.valkey import EmbeddedValkey


@pytest.fixture
def office(world: World) -> Iterator[Office]:
    """The school with a platform that answers, on each engine in turn."""
    platform = new_platform()
    with serving(platform) as address:
        yield Office(world, platform, address)


@pytest.fixture
def valkey() -> Iterator[EmbeddedValkey]:
    """A running queue server."""
    server = EmbeddedValkey()
    server.start()
    yield server
    server.stop()
