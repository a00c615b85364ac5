"""Backup and restore: one moment of a running school, into an empty database of either engine; what was due is held."""

import json
import os
import stat
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from bot.backup import write_backup
from bot.commanding import CommandRefusedError
from bot.restore import restore_backup
from bot.settings import Settings, load_settings
from models import db, schema
from models.audit import Audit, Fact, record
from models.check_value import CheckValue, check_keys
from models.db import Database
from models.errors import SettingsError
from models.outbox import PushKind, PushState, claim_due, plan
from models.outbox.operating import release_some
from models.outbox.table import Push
from models.pulse import Pulse, beat
from models.seal import Keyring
from models.talk import TalkLog
from models.unit import Level, Unit
from tests.conftest import KEY
from tests.engines import ENGINES, EngineName, drop, empty_database_url, fresh_database_url
from tests.world import World, write_settings

ROOT = Path(__file__).parents[2]
OTHER_KEY = "c29tZSBvdGhlciBrZXkgb2YgMzIgYnl0ZXMgbG9uZyE="
NASTY = ["", "\\N", "\\", "a\tb", "a\nb\r\n", "\\x41", "\\.", "\\t", "'\"", "😀 汉字", "\b\f\v", " ", "NULL", "\u2028"]


@contextmanager
def elsewhere(engine: EngineName, folder: Path, *, empty: bool = True) -> Iterator[Settings]:
    """A config for a database with nothing in it."""
    there = folder / f"elsewhere-{engine}"
    there.mkdir(exist_ok=True)
    url = (empty_database_url if empty else fresh_database_url)(engine, there)
    yield load_settings(write_settings(there, url, KEY))
    db.database().dispose()
    drop(url)


def back_to(settings: Settings) -> Database:
    """This process's database again."""
    return db.connect(settings.database.url)


def contents(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table as the models read it."""
    with database.unit_of_work(write=False) as session:
        return {
            table.name: sorted((tuple(row) for row in session.connection().execute(sa.select(table))), key=repr)
            for table in schema.METADATA.sorted_tables
        }


def planned(world: World, *, due: timedelta = timedelta(), **changes: Any) -> int:
    with db.unit_of_work() as session:
        push_id = plan(
            session, f"concern:{world.next_id()}", PushKind.CONCERN_CAME, world.people["advisor"], now=world.now,
            due=world.now + due, unit="软件2301",
        )  # fmt: skip
        it = session.get_one(Push, push_id)
        for name, value in changes.items():
            setattr(it, name, value)
        session.add(it)
    return push_id or 0


@pytest.fixture
def busy(world: World) -> World:
    """A school with something in most tables, words that want care among them."""
    world.phone("committee").talks("周报", "1", "1", "1", "1")
    world.phone("student").talks("有事", "2", "班里的同学", "两天没来\n\\N\t吃不下饭", "1", "1", "1", "1")
    world.phone("twin").says("我不想活了")
    world.phone("officer").says("宿舍")
    with db.unit_of_work() as session:
        check_keys(session)
        beat(session, "ticker", machine=world.now)
        for number, name in enumerate(NASTY):
            session.add(Unit(level=Level.CLASS, name=f"{number}{name}", parent_id=world.units["信息学院"]))
        session.add(
            Audit(at=datetime(2026, 1, 1, tzinfo=UTC), fact=Fact.BOUND, subject="x", seq=1, salt=bytes(range(256)))
        )
    return world


@pytest.mark.parametrize("target", ENGINES)
def test_all_that_was_there_is_there_again_on_either_engine(
    busy: World, tmp_path: Path, target: EngineName, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "school.backup"
    before = contents(db.database())

    write_backup(busy.settings, file)
    with elsewhere(target, tmp_path) as there:
        restore_backup(there, file)
        after = contents(db.database())
        with db.unit_of_work() as session:  # numbers go on behind those that were loaded
            record(session, Fact.BOUND, None, "x", at=busy.now)

    said = capsys.readouterr().out
    assert "备份好了" in said
    assert Keyring([KEY]).fingerprints[0] in said
    assert "恢复好了" in said
    assert after["pulse"] == []
    restored = [row for row in after.pop("audit") if row not in before["audit"]]
    assert [row[2] for row in restored] == [Fact.RESTORED]
    outboxes = [_without(rows.pop("outbox"), "state", "lease_until", "carrier_id") for rows in (before, after)]
    assert outboxes[0] == outboxes[1]
    for rows in (before, after):
        rows.pop("audit", None)
        rows.pop("pulse")
    assert after == before


def _without(rows: list[tuple[Any, ...]], *names: str) -> list[tuple[Any, ...]]:
    kept = [n for n, column in enumerate(Push.__table__.columns) if column.name not in names]  # type: ignore[attr-defined]
    return [tuple(row[n] for n in kept) for row in rows]


def test_what_was_due_is_held_until_the_operator_says_so(
    world: World, tmp_path: Path, engine: EngineName, capsys: pytest.CaptureFixture[str]
) -> None:
    lease = world.now + timedelta(seconds=8)
    waiting, sending = planned(world), planned(world, state=PushState.SENDING, lease_until=lease, fence=3)
    carried = planned(world, state=PushState.CARRIED, carrier_id=waiting)
    later, ended = planned(world, due=timedelta(hours=3)), planned(world, state=PushState.ACCEPTED)
    file = tmp_path / "school.backup"
    write_backup(world.settings, file)
    world.forward(hours=1)
    after_backup = planned(world)
    assert after_backup

    with elsewhere(engine, tmp_path) as there:
        restore_backup(there, file)

        states = {it.id: it.state for it in world.rows(Push)}
        held = {waiting, sending, carried}
        assert states == dict.fromkeys(held, PushState.HELD) | {later: PushState.QUEUED, ended: PushState.ACCEPTED}
        assert {it.lease_until for it in world.rows(Push)} == {None}
        said = capsys.readouterr().out
        assert "有 3 条消息在恢复之前就该送了（有一条要看 3 条）" in said
        assert "release --yes" in said

        assert claimed(world) == set()
        world.forward(hours=2)
        assert claimed(world) == {later}
        with db.unit_of_work() as session:
            assert release_some(session, now=world.now) == len(held)
        assert claimed(world) == held


def claimed(world: World) -> set[int]:
    """What a worker takes now."""
    with db.unit_of_work() as session:
        return {it.id for it in claim_due(session, 100, now=world.now, machine=world.now)}


def test_a_backup_made_while_everybody_writes_is_one_moment(world: World, tmp_path: Path, engine: EngineName) -> None:
    database, stop = db.database(), threading.Event()

    def write() -> None:
        """A unit, a unit below it, and two facts, all at once or not at all."""
        while not stop.is_set():
            with database.unit_of_work() as session:
                above = Unit(level=Level.COLLEGE, name=f"{threading.get_ident()}-{world.next_id()}")
                session.add(above)
                session.flush()
                session.add(Unit(level=Level.CLASS, name=above.name, parent_id=above.id))
                for _ in range(2):
                    record(session, Fact.BOUND, None, f"unit:{above.id}", at=world.now)

    with db.unit_of_work() as session:
        for _ in range(20_000):
            record(session, Fact.UNBOUND, None, "x", at=world.now)
    settings = load_settings(world.settings.folder / "config.toml")
    file = tmp_path / "school.backup"
    writers = [threading.Thread(target=write) for _ in range(3)]
    for writer in writers:
        writer.start()
    try:
        _write_beside(settings, file)
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    told = len(world.rows(Audit, Audit.fact == Fact.BOUND))

    with elsewhere(engine, tmp_path) as there:
        restore_backup(there, file)
        classes = world.rows(Unit, Unit.level == Level.CLASS, Unit.name.like("%-%"))  # type: ignore[attr-defined]
        facts = world.rows(Audit, Audit.fact == Fact.BOUND)
        assert 0 < len(facts) < told
        assert len(facts) == 2 * len(classes)
        with db.unit_of_work(write=False) as session:
            if engine == "sqlite":
                assert session.connection().exec_driver_sql("PRAGMA foreign_key_check").all() == []


def _write_beside(settings: Settings, file: Path) -> None:
    """A backup by another process, as it would be."""
    ran = subprocess.run(
        [sys.executable, "-m", "bot.cli", "backup", str(file), "-c", str(settings.folder / "config.toml")],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr


def test_a_backup_is_its_owners_alone_holds_no_key_and_takes_nobodys_place(busy: World, tmp_path: Path) -> None:
    file = tmp_path / "school.backup"
    write_backup(busy.settings, file)

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with zipfile.ZipFile(file) as archive:
        inside = b"".join(archive.read(name) for name in archive.namelist())
    for secret in (KEY, "official-secret", "wecom-secret", "两天没来", "不想活"):
        assert secret.encode() not in inside
    before = file.read_bytes()
    with pytest.raises(CommandRefusedError, match="已经有了"):
        write_backup(busy.settings, file)
    assert file.read_bytes() == before
    with pytest.raises(CommandRefusedError, match="写不进去"):
        write_backup(busy.settings, tmp_path / "nowhere" / "school.backup")
    assert [path.name for path in tmp_path.glob("*.part")] + [path.name for path in tmp_path.glob(".*")] == []


def test_a_restore_goes_into_an_empty_database_only(busy: World, tmp_path: Path, engine: EngineName) -> None:
    file = tmp_path / "school.backup"
    write_backup(busy.settings, file)
    before = contents(db.database())

    with pytest.raises(CommandRefusedError, match="已经有数据"):
        restore_backup(busy.settings, file)
    assert contents(back_to(busy.settings)) == before

    with elsewhere(engine, tmp_path, empty=False) as there:  # one that a start has been on
        with db.connect(there.database.url).unit_of_work() as session:
            check_keys(session)
            beat(session, "ticker", machine=busy.now)
        restore_backup(there, file)
        assert len(busy.rows(Unit)) == len(before["unit"])
        assert busy.rows(Pulse) == []


def test_a_missing_key_is_named_before_anything_is_touched(busy: World, tmp_path: Path, engine: EngineName) -> None:
    file = tmp_path / "school.backup"
    write_backup(busy.settings, file)
    with elsewhere(engine, tmp_path) as there:
        text = (there.folder / "config.toml").read_text("utf-8").replace(KEY, OTHER_KEY)
        (there.folder / "config.toml").write_text(text, "utf-8")

        with pytest.raises(CommandRefusedError, match=Keyring([KEY]).fingerprints[0]):
            restore_backup(load_settings(there.folder / "config.toml"), file)
        assert schema.state(db.connect(there.database.url)) is schema.SchemaState.EMPTY


def test_a_key_that_only_some_text_wants_is_told(
    busy: World, tmp_path: Path, engine: EngineName, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Keyring([OTHER_KEY])
    with db.unit_of_work() as session:
        session.execute(sa.update(TalkLog).values(log=other.seal(b"{}", "talk.log:1")))
    file = tmp_path / "school.backup"
    write_backup(busy.settings, file)

    with elsewhere(engine, tmp_path) as there:
        restore_backup(there, file)
    assert f"指纹 {other.fingerprints[0]}" in capsys.readouterr().out.split("恢复好了")[1]


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "harm",
    [
        lambda whole: whole[: len(whole) // 2],
        lambda whole: whole[:2000] + b"harm" + whole[2004:],
        lambda _: b"no zip at all",
        lambda _: b"",
    ],
)
def test_a_damaged_backup_is_refused_and_changes_nothing(
    busy: World, tmp_path: Path, harm: Callable[[bytes], bytes]
) -> None:
    file = tmp_path / "school.backup"
    write_backup(busy.settings, file)
    file.write_bytes(harm(file.read_bytes()))
    with elsewhere("sqlite", tmp_path) as there:
        with pytest.raises(CommandRefusedError, match="没有改动"):
            restore_backup(there, file)
        assert schema.state(db.connect(there.database.url)) is schema.SchemaState.EMPTY
        with pytest.raises(CommandRefusedError, match="打不开"):
            restore_backup(there, tmp_path / "none")


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_backup_of_a_newer_release_is_refused(busy: World, tmp_path: Path) -> None:
    file = tmp_path / "school.backup"
    write_backup(busy.settings, file)
    newer = tmp_path / "newer.backup"
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(newer, "w") as new:
        for name in old.namelist():
            body = old.read(name)
            new.writestr(name, json.dumps(json.loads(body) | {"schema": "9999"}) if name == "backup.json" else body)
    with elsewhere("sqlite", tmp_path) as there, pytest.raises(CommandRefusedError, match="9999"):
        restore_backup(there, newer)


def test_a_backup_of_an_older_release_is_brought_up_to_date(tmp_path: Path, engine: EngineName) -> None:
    first = schema.versions()[0]
    now = datetime.now(UTC)
    with elsewhere(engine, tmp_path) as here:
        database = db.connect(here.database.url)
        schema.upgrade(database, first)
        with database.unit_of_work() as session:
            session.connection().execute(
                sa.text("INSERT INTO person (number, name, kind) VALUES ('T1', '陈默', 'staff')")
            )
            session.connection().execute(
                sa.text(
                    "INSERT INTO outbox (dedupe_key, number, person_id, kind, data, urgency, state, created_at, due_at,"
                    " expires_at, fence, attempts) VALUES ('k', '7K3F', 1, 'concern_came', '{}', 'routine', 'sending',"
                    " :now, :now, :now, 1, 0)"
                ).bindparams(sa.bindparam("now", now, type_=db.UTCDateTime()))
            )
        file = tmp_path / "old.backup"
        write_backup(here, file)
        database.dispose()
        drop(here.database.url)

    (tmp_path / "again").mkdir()
    with elsewhere(engine, tmp_path / "again") as there:
        restore_backup(there, file)

        assert schema.is_current(db.database())
        with db.unit_of_work(write=False) as session:
            assert session.get_one(Push, 1).state is PushState.HELD
            assert session.get(CheckValue, 1) is not None


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_nothing_is_restored_under_a_bot_that_runs(busy: World, tmp_path: Path) -> None:
    from bot.tree import lock_path, take_lock

    file = tmp_path / "school.backup"
    write_backup(busy.settings, file)
    with elsewhere("sqlite", tmp_path) as there:
        lock = take_lock(lock_path(there))
        with pytest.raises(SettingsError, match="stop it first"):
            restore_backup(there, file)
        os.close(lock)
        restore_backup(there, file)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_database_without_tables_has_no_backup(world: World, tmp_path: Path) -> None:
    with elsewhere("sqlite", tmp_path) as there, pytest.raises(CommandRefusedError, match="没有可备份的"):
        write_backup(there, tmp_path / "none.backup")
    assert not (tmp_path / "none.backup").exists()
