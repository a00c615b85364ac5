"""The schema: every table, and the versions that lead to it (`models/migrations/versions`, numbered, one line of them).

Asking whether a database is current costs one small read and no Alembic; it is loaded only to change something.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlmodel import SQLModel

from models import (
    alert,
    audit,
    bind_code,
    binding,
    check_value,
    checkin,
    concern,
    contact,
    inbox,
    link,
    outbox,
    person,
    post,
    pulse,
    rebinding,
    round,  # noqa: A004 — the noun's own name
    subscription,
    talk,
    unit,
)
from models.booking import table as booking
from models.db import LOCK_WAIT, Database
from models.errors import SettingsError
from models.roster import table as roster

if TYPE_CHECKING:
    from alembic.config import Config

TABLES = (
    alert,
    audit,
    bind_code,
    binding,
    booking,
    check_value,
    checkin,
    concern,
    contact,
    inbox,
    link,
    outbox,
    person,
    post,
    pulse,
    rebinding,
    roster,
    round,
    subscription,
    talk,
    unit,
)
"""Every module that owns a table; importing them completes the metadata."""

METADATA = SQLModel.metadata
FOLDER = Path(__file__).parent / "migrations"
HEAD = max((path.name.partition("_")[0] for path in (FOLDER / "versions").glob("[0-9]*.py")), default="")
_ONE_AT_A_TIME = 7_304_001
"""Key of PostgreSQL's advisory lock: two processes that migrate at once do it one after the other."""


class SchemaState(StrEnum):
    """Where a database stands."""

    EMPTY = "empty"
    OTHER = "other"
    CURRENT = "current"


def state(database: Database) -> SchemaState:
    """Where a database stands; asking makes no file."""
    if database.is_sqlite and not Path(database.url.database or "").exists():
        return SchemaState.EMPTY
    with database.engine.connect() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return SchemaState.EMPTY
        versions = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalars().all()
    if not versions:
        return SchemaState.EMPTY
    return SchemaState.CURRENT if versions == [HEAD] else SchemaState.OTHER


def is_current(database: Database) -> bool:
    """Whether a database has exactly the schema of this release."""
    return state(database) is SchemaState.CURRENT


def require_current(database: Database) -> None:
    """Raises: SettingsError, one line, when the schema is not this release's."""
    if not is_current(database):
        msg = "database: its schema is not the one of this release; run `xinqiao migrate`"
        raise SettingsError(msg)


def versions() -> list[str]:
    """Every version that this release knows, oldest first."""
    return sorted(path.name.partition("_")[0] for path in (FOLDER / "versions").glob("[0-9]*.py"))


def version_of(database: Database) -> str | None:
    """The version of a database that has one."""
    if state(database) is SchemaState.EMPTY:
        return None
    with database.engine.connect() as connection:
        return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()


def upgrade(database: Database, version: str = "head") -> None:
    """Bring a database up to this release's schema or an older one, in one transaction; nothing happens when it is there."""
    from alembic import command  # noqa: PLC0415 — heavy, and only migrations need it

    with _configured(database) as config:
        command.upgrade(config, version)


def downgrade_all(database: Database) -> None:
    """Take every table away, in one transaction."""
    from alembic import command  # noqa: PLC0415

    with _configured(database) as config:
        command.downgrade(config, "base")


def differences(database: Database) -> list[object]:
    """What the tables declare and the database does not have, or the other way round; [] when they agree."""
    from alembic.autogenerate import compare_metadata  # noqa: PLC0415
    from alembic.migration import MigrationContext  # noqa: PLC0415

    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        return list(compare_metadata(context, METADATA))


def write_version(number: str, title: str) -> None:
    """Write the next file of `versions/`: what the tables declare beyond the versions that are there.

    For developers, who read and mend what it wrote; `ruff format` gives it its shape.
    """
    from alembic import command  # noqa: PLC0415

    with TemporaryDirectory() as folder:
        draft = Database(f"sqlite:///{folder}/draft.db")
        if HEAD:
            upgrade(draft)
        with _configured(draft) as config:
            config.attributes["rebuild_tables"] = bool(HEAD)
            command.revision(config, title, autogenerate=True, rev_id=number)
        draft.dispose()


@contextmanager
def _configured(database: Database) -> Iterator["Config"]:
    """An Alembic configuration on a connection whose transaction is already open."""
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", FOLDER.as_posix().replace("%", "%%"))
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    options = {"isolation_level": None, "timeout": LOCK_WAIT} if database.is_sqlite else {}
    engine = sa.create_engine(database.url, poolclass=sa.pool.NullPool, connect_args=options)
    with engine.connect() as connection:
        if database.is_sqlite:
            # Rebuilding a table, SQLite's way to change one, needs the foreign keys asleep, and only outside a transaction
            # can they be put to sleep.
            connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_ONE_AT_A_TIME})")
        config.attributes["connection"] = connection
        yield config
        connection.commit()
