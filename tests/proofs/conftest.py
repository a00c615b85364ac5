"""Fixtures of the proofs: web processes of their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.proofs.processes import Nursery


@pytest.fixture(scope="session")
def _nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    it = Nursery(tmp_path_factory.mktemp("nursery"))
    yield it
    it.close()


@pytest.fixture
def nursery(_nursery: Nursery) -> Iterator[Nursery]:
    """Starts web processes; they end with the test."""
    yield _nursery
    _nursery.empty()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Where `world` keeps its config."""
    return tmp_path / "config.toml"
