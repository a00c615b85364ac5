"""What the database holds, for tests that compare."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlmodel import SQLModel

from models import db


def everything() -> Mapping[str, list[tuple[Any, ...]]]:
    """All rows of all tables, as the database has them now."""
    with db.unit_of_work(write=False) as session:
        return {
            name: sorted((tuple(row) for row in session.connection().execute(sa.select(table))), key=repr)
            for name, table in SQLModel.metadata.tables.items()
        }
