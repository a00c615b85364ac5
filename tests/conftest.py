"""What every test may ask for: an engine, a database of its own."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_socket import socket_allow_hosts

from models import clock, db, seal
from models.db import Database
from tests.engines import ENGINES, EngineName, drop, fresh_database_url
from tests.world import World, make_world

KEY = base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
"""The tests' encryption key."""


@pytest.hookimpl(trylast=True)
def pytest_runtest_setup() -> None:
    """No test talks to anything but this machine."""
    socket_allow_hosts(["127.0.0.1", "::1", "localhost"], allow_unix_socket=True)


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> EngineName:
    """Each engine in turn."""
    name: EngineName = request.param
    return name


@pytest.fixture
def database_url(engine: EngineName, tmp_path: Path) -> Iterator[str]:
    """A migrated database with no rows, for processes of the test's own."""
    url = fresh_database_url(engine, tmp_path)
    yield url
    drop(url)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """The same, connected as this process's database, with keys to seal with."""
    seal.use_keys([KEY])
    connected = db.connect(database_url)
    yield connected
    connected.dispose()


@pytest.fixture
def world(database: Database, tmp_path: Path) -> Iterator[World]:
    """A small school on each engine in turn."""
    yield make_world(tmp_path, database.url.render_as_string(hide_password=False), KEY)
    clock.stop_moving()
