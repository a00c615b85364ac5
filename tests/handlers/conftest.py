"""Fixtures of the conversations' tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from models import clock, db, seal
from tests.conftest import KEY
from tests.engines import fresh_database_url
from tests.handlers.small import Chat
from tests.world import SUNDAY_EVENING


@pytest.fixture
def chat(tmp_path: Path) -> Iterator[Chat]:
    """An account with nothing open."""
    seal.use_keys([KEY])
    connected = db.connect(fresh_database_url("sqlite", tmp_path))
    clock.move_to(SUNDAY_EVENING)
    yield Chat([])
    connected.dispose()
    clock.stop_moving()
