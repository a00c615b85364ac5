"""What tests of the models may ask for."""

from pathlib import Path

import pytest

from bot.roster_import import Imported, import_roster
from models.db import Database
from tests.rosters import NAMES, Import, Row, roster


@pytest.fixture
def imports(database: Database, tmp_path: Path) -> Import:
    """Import rows into the test's database."""

    def imports(rows: list[Row], *, agreed: bool = False, dry_run: bool = False) -> Imported:
        return import_roster(database, roster(tmp_path, rows), NAMES, agreed=agreed, dry_run=dry_run)

    return imports
