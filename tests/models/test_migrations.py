"""The versions lead to what the tables declare, forth and back, on both engines."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory

from models import schema
from models.db import Database
from models.errors import SettingsError
from models.schema import SchemaState
from tests.engines import EngineName, drop, empty_database_url


def tables(database: Database) -> set[str]:
    with database.engine.connect() as connection:
        return set(sa.inspect(connection).get_table_names()) - {"alembic_version"}


@pytest.fixture
def empty(engine: EngineName, tmp_path: Path) -> object:
    url = empty_database_url(engine, tmp_path)
    database = Database(url)
    yield database
    database.dispose()
    drop(url)


def test_up_check_down_up(empty: Database) -> None:
    assert schema.state(empty) is SchemaState.EMPTY

    schema.upgrade(empty)
    assert schema.is_current(empty)
    assert schema.differences(empty) == []
    assert tables(empty) == set(schema.METADATA.tables)

    schema.downgrade_all(empty)
    assert schema.state(empty) is SchemaState.EMPTY
    assert tables(empty) == set()

    schema.upgrade(empty)
    assert schema.differences(empty) == []


def test_migrating_a_current_database_changes_nothing(database: Database) -> None:
    schema.upgrade(database)

    assert schema.is_current(database)


def test_rules_that_hold_only_for_live_rows_are_in_the_engine(database: Database) -> None:
    with database.engine.connect() as connection:
        found = sa.inspect(connection)
        partial = {
            index["name"]
            for table in ("post", "contact", "outbox", "roster_import")
            for index in found.get_indexes(table)
            if any(name.endswith("_where") and text is not None for name, text in index["dialect_options"].items())
        }

    assert partial >= {"one_live_post", "one_account_a_platform", "outbox_next", "outbox_urgent", "one_import_applying"}


def test_a_database_of_another_release_is_named_so(database: Database) -> None:
    with database.engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0000'"))

    assert schema.state(database) is SchemaState.OTHER
    with pytest.raises(SettingsError, match="xinqiao migrate"):
        schema.require_current(database)


def test_the_head_read_from_file_names_is_the_one_alembic_finds() -> None:
    config = Config()
    config.set_main_option("script_location", str(schema.FOLDER))

    assert ScriptDirectory.from_config(config).get_heads() == [schema.HEAD]


def test_asking_for_the_state_makes_no_file(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/none.db")

    assert schema.state(database) is SchemaState.EMPTY
    assert list(tmp_path.iterdir()) == []
