"""The import as the operator and the power cut see it: the command, killed anywhere, beside running turns."""

import ast
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook
from sqlmodel import col, select
from typing_extensions import override

from bot.init import write_config
from bot.roster_import import View, import_roster
from models import clock, schema
from models.channel import Channel
from models.contact import Contact
from models.db import Database
from models.errors import WrongStateError
from models.person import Person, find_by_number
from models.post import Post
from models.roster import Draft, resume_import
from models.roster.table import ImportState, RosterImport, RosterStep
from models.unit import Unit
from tests.engines import empty_database_url
from tests.rosters import NAMES, Row, college, roster, student, table, write_xlsx

ROOT = Path(__file__).parents[2]
Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """`xinqiao …` in a folder with a fresh config."""
    write_config(tmp_path / "config.toml")

    def command(*words: str, url: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        given = os.environ | {"PYTHONPATH": str(ROOT), "XINQIAO_SCHOOL__NAME": NAMES.school} | environment
        given |= {"XINQIAO_DATABASE__URL": url} if url else {}
        return subprocess.run(
            [sys.executable, "-m", "bot.cli", *words],
            cwd=tmp_path,
            env=given,
            capture_output=True,
            text=True,
            check=False,
        )

    return command


def people(database: Database) -> list[tuple[str, str, str | None, bool]]:
    """Everybody: number, name, class, whether still there."""
    with database.unit_of_work(write=False) as session:
        units: Mapping[int | None, str] = dict(session.exec(select(Unit.id, Unit.name)).all())
        found = session.exec(select(Person)).all()
        return sorted((it.number, it.name, units.get(it.class_id), it.ended_at is None) for it in found)


def everything(database: Database) -> dict[str, Any]:
    """All that an import writes, without ids and moments; and that nothing of it is left half done."""
    with database.unit_of_work(write=False) as session:
        units: Mapping[int | None, str] = dict(session.exec(select(Unit.id, Unit.name)).all())
        numbers: Mapping[int | None, str] = dict(session.exec(select(Person.id, Person.number)).all())
        live = session.exec(select(Post).where(col(Post.ended_at).is_(None))).all()
        bound = session.exec(select(Contact).where(Contact.channel == Channel.WECOM)).all()
        assert session.exec(select(RosterStep)).all() == []
        return {
            "units": sorted(units.values()),
            "people": people(database),
            "posts": sorted((numbers[it.person_id], it.role.value, units[it.unit_id]) for it in live),
            "accounts": sorted((it.address, numbers.get(it.person_id)) for it in bound),
        }


def before_and_after() -> tuple[list[Row], list[Row]]:
    """A college as it was, and as the next sheet has it: people added, changed and gone, posts and accounts moved."""
    rows: list[dict[str, Any]] = college("计算机学院", students=200)
    for n, row in enumerate(rows[:200]):
        row["wecom_userid"] = f"user{n}"
    after = [dict(row) for row in rows[5:]] + [student(f"新{n}", wecom_userid=f"new{n}") for n in range(1500)]
    after[20] |= {"name": "改名", "role": "心理委员", "wecom_userid": "user26"}
    after[21] |= {"wecom_userid": "user25"}
    return list(rows), list(after)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What both sheets leave when nobody is killed."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    return uninterrupted(folder, *(roster(folder, rows, f"{n}.csv") for n, rows in enumerate(before_and_after())))


@pytest.mark.parametrize(
    ("failpoint", "decided", "next_comes"),
    [
        ("roster.staging", False, "ticker"),
        ("roster.staged", False, "import"),
        ("roster.deciding", False, "import"),
        ("roster.decided", True, "ticker"),
        ("roster.applying", True, "import"),
        ("roster.applied", True, "import"),
        ("roster.applied", True, "ticker"),
    ],
)
def test_a_killed_import_leaves_nothing_or_is_finished(
    database: Database,
    database_url: str,
    tmp_path: Path,
    command: Command,
    expected: dict[str, Any],
    *,
    failpoint: str,
    decided: bool,
    next_comes: str,
) -> None:
    old, new = before_and_after()
    old_sheet, new_sheet = roster(tmp_path, old, "old.csv"), roster(tmp_path, new, "new.csv")
    import_roster(database, old_sheet, NAMES)
    at_first = everything(database)

    killed = command("roster", "import", str(new_sheet), "--yes", url=database_url, XINQIAO_FAILPOINT=failpoint)
    assert killed.returncode == -signal.SIGKILL
    if failpoint == "roster.applied":
        assert at_first["people"] != people(database) != expected["people"]

    if next_comes == "ticker":
        while once(database):
            pass
        assert (everything(database) == at_first) is not decided
    finished = command("roster", "import", str(new_sheet), "--yes", url=database_url)
    assert finished.returncode == 0, finished.stderr
    assert everything(database) == expected


def once(database: Database) -> bool:
    """One short step of whoever goes on with imports; so late that what was only begun is given up."""
    with database.unit_of_work() as session:
        return resume_import(session, now=clock.now(), machine=clock.machine() + timedelta(hours=2)) is not None


def uninterrupted(folder: Path, *sheets: Path) -> dict[str, Any]:
    """What the sheets make of an empty database, one after the other."""
    database = Database(empty_database_url("sqlite", folder))
    schema.upgrade(database)
    for sheet in sheets:
        import_roster(database, sheet, NAMES, agreed=True)
    found = everything(database)
    database.dispose()
    return found


def test_another_import_that_comes_between_stops_the_first(database: Database, tmp_path: Path) -> None:
    class Intruder(View):
        @override
        def planned(self, draft: Draft) -> None:
            import_roster(database, roster(tmp_path, [student("2")], "other.csv"), NAMES)

    with pytest.raises(WrongStateError):
        import_roster(database, roster(tmp_path, [student("1")]), NAMES, view=Intruder())

    with database.unit_of_work(write=False) as session:
        assert find_by_number(session, "1") is None
        assert find_by_number(session, "2") is not None


def test_two_that_finish_one_import_do_it_once(database: Database, tmp_path: Path) -> None:
    class Crowd(View):
        """Whenever the importer has done a step, three others do one each."""

        @override
        def progress(self, phase: str, done: int, total: int | None) -> None:
            if phase == "applying":
                others = [threading.Thread(target=once, args=(database,)) for _ in range(3)]
                for other in others:
                    other.start()
                for other in others:
                    other.join()

    sheet = roster(tmp_path, college("计算机学院", students=600))
    import_roster(database, sheet, NAMES, view=Crowd())

    assert everything(database) == uninterrupted(tmp_path, sheet)
    with database.unit_of_work(write=False) as session:
        assert session.exec(select(RosterImport.state)).all() == [ImportState.DONE]


@pytest.mark.slow
def test_turns_go_on_while_a_school_is_imported(tmp_path: Path) -> None:
    path = tmp_path / "school.db"
    database = Database(f"sqlite:///{path}")
    schema.upgrade(database)
    sheet = roster(tmp_path, college("计算机学院", students=6000))
    waits: list[float] = []
    over = threading.Event()

    def turns() -> None:
        """A writer of another process: a connection of its own, SQLite's own waiting."""
        other = sqlite3.connect(path, isolation_level=None, timeout=4)
        while not over.is_set():
            began = time.monotonic()
            other.execute("BEGIN IMMEDIATE")
            waits.append(time.monotonic() - began)
            other.execute("COMMIT")
            time.sleep(0.01)
        other.close()

    thread = threading.Thread(target=turns)
    thread.start()
    try:
        import_roster(database, sheet, NAMES)
    finally:
        over.set()
        thread.join()
    database.dispose()

    assert len(waits) > 50
    assert max(waits) < 2
    assert sorted(waits)[int(len(waits) * 0.9)] < 0.25


def test_the_command_says_what_it_did(command: Command, tmp_path: Path) -> None:
    rows = college("计算机学院")

    first = command("roster", "import", str(roster(tmp_path, rows)))
    assert first.returncode == 0, first.stderr
    assert first.stdout.splitlines()[-1].startswith("第 1 次导入完成：新增 39 人，")

    tried = command("roster", "import", str(roster(tmp_path, rows[3:])), "--dry-run")
    assert tried.returncode == 0
    assert "结束 计000 学生计000" in tried.stdout.splitlines()
    assert "结束 计000 学生计000：心理委员（计算机学院/计算2601）" in tried.stdout.splitlines()

    stopped = command("roster", "import", str(roster(tmp_path, rows[3:])))
    assert stopped.returncode == 2
    assert "--yes" in stopped.stderr.splitlines()[-1]

    done = command("roster", "import", str(roster(tmp_path, rows[3:])), "--yes")
    assert done.returncode == 0
    assert "结束 3 人" in done.stdout


def test_the_command_lists_what_is_wrong(command: Command, tmp_path: Path) -> None:
    rows = [student("1", kind="校友"), student("2", **{"class": ""}), student("1", kind="校友", phone="无")]
    lines = [line[:10] for line in table(rows)]

    refused = command("roster", "import", str(write_xlsx(tmp_path / "r.xlsx", lines, merge=["F2:F3"])))

    assert refused.returncode == 2
    said = refused.stderr.splitlines()
    assert "第 2 行 C 列“身份”：“校友”不是身份。请填 学生 或 教师。" in said
    assert "第 2 行：F2:F3 是合并单元格。请取消合并，每一格都填上内容。" in said
    assert "第 3 行 E 列“班级”：学生必须有班级。" in said
    assert (
        said[-1] == f"xinqiao: {tmp_path / 'r.xlsx'}：名单有 5 处要改，什么都没有导入。请按上面的行和列改好后再运行。"
    )


def test_every_problem_has_its_sentence() -> None:
    used = set()
    for path in (ROOT / "models" / "roster").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("draft.problem", "BadCellError")):
                key = node.args[2 if ast.unparse(node.func) == "draft.problem" else 0]
                used |= {key.value} if isinstance(key, ast.Constant) else set()
    written = tomllib.loads((ROOT / "handlers" / "words" / "roster.toml").read_text("utf-8"))["roster"]["problem"]

    assert used == set(written)


def test_an_import_makes_the_database_where_there_is_none(command: Command, tmp_path: Path) -> None:
    tried = command("roster", "import", str(roster(tmp_path, [student("1")])), "--dry-run")
    assert tried.returncode == 0
    assert not list(tmp_path.rglob("*.db*"))

    assert command("roster", "import", str(roster(tmp_path, [student("1")]))).returncode == 0


def test_an_old_schema_is_not_imported_into(
    command: Command, database: Database, database_url: str, tmp_path: Path
) -> None:
    with database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0000'")

    refused = command("roster", "import", str(roster(tmp_path, [student("1")])), url=database_url)

    assert refused.returncode == 2
    assert "xinqiao migrate" in refused.stderr.splitlines()[-1]


@pytest.mark.parametrize("kind", ["xlsx", "csv"])
def test_the_template_explains_itself_and_can_be_imported(command: Command, tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"名单.{kind}"

    assert command("roster", "template", str(path)).returncode == 0
    assert command("roster", "template", str(path)).returncode == 2
    imported = command("roster", "import", str(path))

    assert imported.returncode == 0, imported.stderr
    assert "新增 4 人" in imported.stdout
    assert "没有用到的列" not in imported.stdout
    if kind == "xlsx":
        notes = load_workbook(path).worksheets[1]
        assert len(list(notes.values)) == 11


def test_a_database_that_does_not_answer_is_said_in_one_line(command: Command, tmp_path: Path) -> None:
    url = f"postgresql://nobody@/none?host={tmp_path}"

    refused = command("roster", "import", str(roster(tmp_path, [student("1")])), url=url)

    assert refused.returncode == 2
    assert len(refused.stderr.splitlines()) == 1
    assert "database.url" in refused.stderr
