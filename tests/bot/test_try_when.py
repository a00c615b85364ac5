"""`xinqiao try when` as it is run: lines in, as many lines out, no config, database or queue."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


def run(given: str | bytes, *words: str, folder: Path, **environment: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "bot.cli", "try", "when", *words],
        input=given.encode() if isinstance(given, str) else given,
        capture_output=True,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2]), **environment},
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_each_line_with_its_reference_gets_one_line(tmp_path: Path) -> None:
    given = (
        "2026-11-26T20:15\t下周三\n2026-11-26T12:00\t3点半\r\n2026-11-26T20:15\t下周三下午\n"
        "2026-11-26T20:15\t过几天\n\n2026-11-26T20:15\t\n2026-11-26\t明天"
    )

    code, out, _ = run(given, folder=tmp_path, LC_ALL="C")

    assert code == 0
    assert out.split("\n") == [
        *("2026-12-02", "2026-11-26T15:30", "2026-12-02T12:00/2026-12-02T18:00"),
        *("", "", "", "2026-11-27", ""),
    ]


def test_bare_lines_are_read_against_now(tmp_path: Path) -> None:
    code, out, _ = run("明天\n第8周周三\n周五\t下午\n", "--now", "2026-11-26T20:15", folder=tmp_path)

    assert (code, out) == (0, "2026-11-27\n\n2026-11-27T12:00/2026-11-27T18:00\n")


def test_weeks_of_the_term_are_read_where_the_term_is_given(tmp_path: Path) -> None:
    words = ("--now", "2026-11-26T20:15", "--term", "2026-09-07/2027-01-17")

    assert run("第8周周三\n", *words, folder=tmp_path)[:2] == (0, "2026-10-28\n")


@pytest.mark.parametrize(
    ("given", "words", "told"),
    [
        ("gestern\t明天\n", (), "line 1: 'gestern'"),
        ("2026-11-26T20:15\t明天\n2026-13-01\t明天\n", (), "line 2: '2026-13-01'"),
        ("明天\n", (), "line 1 has no reference"),
        ("明天\n", ("--now", "now"), "--now: 'now'"),
        ("明天\n", ("--now", "2026-11-26", "--term", "2026"), "--term: '2026'"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(
    tmp_path: Path, given: str, words: tuple[str, ...], told: str
) -> None:
    code, _, refused = run(given, *words, folder=tmp_path)

    assert code == 2
    assert refused.startswith(f"xinqiao: try when: {told}")
    assert refused.count("\n") == 1


def test_bytes_that_are_no_text_are_a_line_like_others(tmp_path: Path) -> None:
    assert run(b"\xff\xfe\x00\n\xe6\x98\n", "--now", "2026-11-26", folder=tmp_path)[:2] == (0, "\n\n")


def test_it_touches_nothing(tmp_path: Path) -> None:
    run("明天\n", "--now", "2026-11-26", folder=tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_it_needs_no_database_library() -> None:
    code = "import sys, bot.try_command; sys.exit('sqlalchemy' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
