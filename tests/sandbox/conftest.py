"""What the sandbox's tests stand on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sandbox.running import RunningDemo, started


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningDemo]:
    """A demo that is ready."""
    with started(tmp_path) as demo:
        yield demo
