"""Words planted in every free-text answer are read again by those who may, and lie open nowhere else."""

import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
import sqlalchemy as sa

from models import db
from models.channel import Channel
from models.concern import Concern
from models.db import Database
from tests.conftest import KEY
from tests.proofs.canaries import queue_content, spellings
from tests.proofs.processes import Nursery, Web, until
from tests.proofs.talking import Talker
from tests.rows import everything
from tests.world import DOORS, World, write_settings
from workers.valkey import EmbeddedValkey

PLANTED = "暗号灯塔"
NOTE, NAME, FACTS, QUESTION, DORM = (f"{PLANTED}{each}" for each in "甲乙丙丁戊")
URGENT, OTHER_NAME, OTHER_FACTS, OPEN, STRANGER = (f"{PLANTED}{each}" for each in "己庚辛壬癸")


def assert_is_nowhere(where: str, content: bytes) -> None:
    """Fails naming the place."""
    for spelling in spellings(PLANTED):
        assert spelling not in content, f"{where} holds {spelling!r}"


@pytest.fixture
def valkey() -> Iterator[EmbeddedValkey]:
    """A queue that nobody empties."""
    server = EmbeddedValkey()
    server.start()
    yield server
    server.stop()


def everything_is_said(world: World, web: Web) -> None:
    """One planted sentence for each free-text answer there is, one of them in a talk that stays open."""

    def talker(who: str, *, bound: bool = True) -> Talker:
        return Talker(world, web, world.phone(who, bound=bound))

    officer, committee, student = talker("officer"), talker("committee"), talker("student")
    officer.says("宿舍", "2", "1", DORM, "2", "1")
    shown = committee.says("周报")
    assert DORM in shown  # the committee member may know
    committee.says("2", "1", "1", NOTE, "1", "2", NAME, FACTS, "1", "2", "1")
    assert committee.says("1").startswith("已送到")
    committee.says("周报", "1", "2", "1", "1", NOTE, "1", "4", QUESTION)
    assert committee.says("1").startswith("已送到")
    student.says("0", "2", URGENT)
    student.says("取消")
    assert OTHER_NAME in student.says("有事", "2", OTHER_NAME, OTHER_FACTS, "1", "1", "1")
    student.says("1")
    student.says("有事", "2", OPEN, OPEN)
    talker("twin", bound=False).says(f"绑定 2023010104 {STRANGER} 0104", STRANGER)


def trouble_is_logged(world: World, web: Web, database: Database) -> None:
    """The database fails under somebody's words, so that the log has something to tell."""
    with db.unit_of_work() as session:
        run = session.connection().exec_driver_sql
        if database.is_sqlite:
            run("CREATE TRIGGER trouble BEFORE INSERT ON concern BEGIN SELECT RAISE(ABORT, 'disk'); END")
        else:
            run("CREATE FUNCTION trouble() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'disk'; END $$")
            run("CREATE TRIGGER trouble BEFORE INSERT ON concern FOR EACH ROW EXECUTE FUNCTION trouble()")
    second = Talker(world, web, world.phone("second"))
    said = second.says("有事", "2", OTHER_NAME, OTHER_FACTS, "1", "1", "1", "1")
    assert said == world.words("dialogue.not_kept")
    with db.unit_of_work() as session:
        session.connection().exec_driver_sql("DROP TRIGGER trouble" + ("" if database.is_sqlite else " ON concern"))
    assert web.log.stat().st_size > 0


def what_they_read(world: World, web: Web, who: str) -> str:
    """The page behind the first link of somebody's list."""
    reader = Talker(world, web, world.phone(who))
    (token,) = re.findall(r"/open/(\S+)", reader.says("看小结", "1"))
    with urllib.request.urlopen(f"{web.address}/open/{token}", data=b"") as page:  # noqa: S310 — our own address
        return str(page.read().decode())


def database_content(database: Database) -> Iterator[tuple[str, bytes]]:
    """Every value of every table, and the files themselves."""
    for table, rows in everything().items():
        for row in rows:
            for value in row:
                yield table, value if isinstance(value, bytes) else str(value).encode()
    if database.is_sqlite:
        for file in Path(str(database.url.database)).parent.glob(f"{Path(str(database.url.database)).name}*"):
            yield file.name, file.read_bytes()
        return
    with db.unit_of_work() as session:
        (folder,) = session.connection().exec_driver_sql("SHOW data_directory").one()
        (oid,) = (
            session.connection().exec_driver_sql("SELECT oid FROM pg_database WHERE datname = current_database()").one()
        )
    with database.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(sa.text("CHECKPOINT"))
    for file in [*Path(folder, "base", str(oid)).iterdir(), *Path(folder, "pg_wal").iterdir()]:
        if file.is_file():
            yield file.name, file.read_bytes()


def test_planted_words_are_read_by_those_who_may_and_lie_open_nowhere(
    world: World, database: Database, nursery: Nursery, valkey: EmbeddedValkey, tmp_path: Path
) -> None:
    url = database.url.render_as_string(hide_password=False)
    web = nursery.web(write_settings(tmp_path, url, KEY, queue=valkey.url))
    everything_is_said(world, web)
    trouble_is_logged(world, web, database)

    page = what_they_read(world, web, "advisor")
    assert [words for words in (NOTE, NAME, FACTS, QUESTION, DORM, OTHER_NAME, OTHER_FACTS) if words not in page] == []
    assert URGENT in what_they_read(world, web, "duty")
    assert len(world.rows(Concern)) >= 3

    with redis.Redis.from_url(valkey.url) as client:
        until(lambda: client.dbsize() > 0)
    places = [*database_content(database), *queue_content(valkey.url), ("log", web.log.read_bytes())]
    for where, content in places:
        assert_is_nowhere(where, content)
    assert DOORS[Channel.OFFICIAL_ACCOUNT].aes_key.encode() not in web.log.read_bytes()


@pytest.mark.parametrize("text", sorted(spellings(PLANTED)))
def test_the_search_finds_what_it_looks_for(text: bytes) -> None:
    with pytest.raises(AssertionError, match="a file holds"):
        assert_is_nowhere("a file", b"before" + text + b"after")
