"""Fixtures of the turn's tests."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest


@pytest.fixture
def people() -> Iterator[ThreadPoolExecutor]:
    """Threads to speak at the same time."""
    with ThreadPoolExecutor(12) as pool:
        yield pool
