"""Alembic's way in; `models.schema` hands it an open connection, and commits."""

from typing import Any, Literal

import sqlalchemy as sa
from alembic import context
from alembic.autogenerate.api import AutogenContext
from alembic.operations.ops import DropTableOp, MigrationScript, ModifyTableOps

from models.db import UTCDateTime
from models.schema import METADATA


def render_item(kind: str, item: Any, _: AutogenContext) -> str | Literal[False]:
    """How a type is written in a version file: in SQLAlchemy's own words, so that old versions need none of our code."""
    if kind != "type":
        return False
    if isinstance(item, UTCDateTime):
        return "MOMENT"
    if isinstance(item, sa.Enum):
        return f"sa.String({item.length})"
    if isinstance(item, sa.types.TypeDecorator) and isinstance(item.impl_instance, sa.String):
        return "sa.String()"
    return False


def drop_no_index_of_a_dropped_table(_context: object, _revision: object, scripts: list[MigrationScript]) -> None:
    """A table takes its indexes with it."""
    for script in scripts:
        downgrade = script.downgrade_ops
        if downgrade is None:
            continue
        dropped = {each.table_name for each in downgrade.ops if isinstance(each, DropTableOp)}
        downgrade.ops = [
            each for each in downgrade.ops if not (isinstance(each, ModifyTableOps) and each.table_name in dropped)
        ]


def run() -> None:
    """Run what `models.schema` asked for."""
    given = context.config.attributes
    context.configure(
        connection=given["connection"],
        target_metadata=METADATA,
        compare_type=True,
        compare_server_default=True,
        render_as_batch=given.get("rebuild_tables", True),
        render_item=render_item,
        process_revision_directives=drop_no_index_of_a_dropped_table,
    )
    with context.begin_transaction():
        context.run_migrations()


run()
