"""The list of sealed columns is whole, and what it says of places is what the models do."""

import base64

import sqlalchemy as sa

from models import db, schema, seal
from models.inbox import store_reply, stored_reply, take
from models.sealed import NOT_SEALED, SEALED, old_values, replace, resealed
from tests.conftest import KEY
from tests.world import World

NEW = base64.b64encode(b"fedcba9876543210fedcba9876543210").decode()


def test_every_column_of_bytes_is_listed() -> None:
    bytes_ = {
        f"{table.name}.{column.name}"
        for table in schema.METADATA.tables.values()
        for column in table.columns
        if isinstance(column.type, sa.LargeBinary)
    }

    assert {it.name for it in SEALED} | NOT_SEALED == bytes_
    assert {it.name for it in SEALED}.isdisjoint(NOT_SEALED)


def test_a_value_that_a_turn_has_written_meanwhile_is_left_alone(world: World) -> None:
    with db.unit_of_work() as session:
        take(session, "wecom:1", now=world.now)
        store_reply(session, "wecom:1", "旧的")
    ring = seal.use_keys([NEW, KEY])
    with db.unit_of_work(write=False) as session:
        read = old_values(session, SEALED[0], ring.newest_id, after=None, most=10)
    fresh, broken = resealed(ring, read)
    assert not broken

    with db.unit_of_work() as session:
        store_reply(session, "wecom:1", "新的")
    with db.unit_of_work() as session:
        replace(session, SEALED[0], fresh)

    with db.unit_of_work(write=False) as session:
        assert stored_reply(session, "wecom:1") == "新的"
