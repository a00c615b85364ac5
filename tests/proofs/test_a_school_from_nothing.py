"""A school from an empty folder: the operator's own commands, the whole tree, both platforms; killed after the last answer."""

import csv
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot.sandbox.api import api_app
from bot.sandbox.callbacks import CallbackDoor, deliver, event, read_reply, sign, text_message
from bot.sandbox.listen import free_port, listening
from bot.sandbox.official_account import Account, Trigger
from bot.sandbox.platform import Platform
from bot.sandbox.wecom import Corp
from models.channel import Channel
from tests.world import AES_KEY, AGENT_ID, APP_ID, CORP_ID, DOORS, TOKEN

ROSTER = [
    ["学号", "姓名", "身份", "学院", "班级", "宿舍", "角色", "负责范围", "手机号", "企业微信账号"],
    ["2023010101", "林晓禾", "学生", "信息学院", "软件2301", "3-301", "心理委员", "", "13800000101", ""],
    ["2023010102", "周一帆", "学生", "信息学院", "软件2301", "3-301", "宿舍信息员", "", "13800000102", ""],
    ["T100", "陈默", "教师", "信息学院", "", "", "辅导员", "软件2301", "13900000100", "ChenMo"],
    ["T900", "顾安", "教师", "", "", "", "中心", "", "13900000900", "guan"],
]


class School:
    """The folder, its environment, the fake platform, and the tree while it runs."""

    def __init__(self, folder: Path, api: str, platform: Platform) -> None:
        self.folder = folder
        self.platform = platform
        self.port = free_port()
        self.tree: subprocess.Popen[bytes] | None = None
        self._ids = iter(range(7_000_000, 8_000_000))
        channels = {
            "OFFICIAL_ACCOUNT": {"APP_ID": APP_ID, "SECRET": "official-secret-for-tests"},
            "WECOM": {"CORP_ID": CORP_ID, "AGENT_ID": str(AGENT_ID), "SECRET": "wecom-secret-for-tests"},
        }
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("XINQIAO_")} | {
            "XINQIAO_WEB__PORT": str(self.port),
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }
        for section, values in channels.items():
            values |= {"TOKEN": TOKEN, "AES_KEY": AES_KEY, "API_BASE": api}
            self.environment |= {f"XINQIAO_{section}__{key}": value for key, value in values.items()}

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "bot.cli", *words],
            cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.tree = subprocess.Popen(
                [sys.executable, "-m", "bot.cli", "run"],
                cwd=self.folder, env=self.environment, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        until(lambda: self._answers("/readyz"), seconds=30)

    def _answers(self, path: str) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=2) as response:
                return bool(response.status == 200)
        except OSError:
            return False

    def kill(self) -> None:
        """SIGKILL everything at once."""
        if self.tree is not None:
            os.killpg(self.tree.pid, signal.SIGKILL)
            self.tree.wait()

    def says(self, text: str) -> str:
        door = DOORS[Channel.OFFICIAL_ACCOUNT]
        self.platform.heard("phone-of-lin", Trigger.MESSAGE)
        return self._send(door, text_message(door, "phone-of-lin", text, msg_id=next(self._ids)))

    def follows(self) -> str:
        door = DOORS[Channel.OFFICIAL_ACCOUNT]
        self.platform.heard("phone-of-lin", Trigger.FOLLOW)
        return self._send(door, event(door, "phone-of-lin", "subscribe"))

    def _send(self, door: CallbackDoor, xml: str) -> str:
        outcome = deliver(sign(door, xml), f"http://127.0.0.1:{self.port}")
        assert outcome.body is not None
        return read_reply(door, outcome.body) or ""

    def told(self, userid: str) -> list[str]:
        """The texts that a member's phone has shown."""
        return [row["text"] for row in self.platform.delivered(userid)]


def until(holds: Callable[[], bool], *, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)


@pytest.fixture
def school(tmp_path: Path) -> Iterator[School]:
    platform = Platform(Account(APP_ID, "official-secret-for-tests"), Corp(CORP_ID, "wecom-secret-for-tests", AGENT_ID))
    for userid in ("chenmo", "guan"):
        platform.joined(userid)
    with listening(api_app(platform)) as api:
        it = School(tmp_path, api, platform)
        yield it
        it.kill()


@pytest.mark.slow
def test_a_school_begins_in_an_empty_folder_and_a_kill_after_the_last_answer_loses_and_doubles_nothing(
    school: School,
) -> None:
    assert school.command("init").returncode == 0
    with (school.folder / "roster.csv").open("w", encoding="gb18030", newline="") as file:
        csv.writer(file).writerows(ROSTER)
    assert school.command("migrate").returncode == 0
    imported = school.command("roster", "import", "roster.csv")
    assert imported.returncode == 0, imported.stderr
    school.start()
    assert school.command("run").returncode == 2

    assert "绑定" in school.follows()
    assert school.says("绑定 2023010101 林晓禾 0101").startswith("林晓禾，绑定好了")
    for text in ("周报", "1", "1", "1"):
        assert "1. " in school.says(text)
    receipt = school.says("1")
    school.kill()

    assert receipt.startswith("已送到陈默老师")
    school.start()
    until(lambda: school.told("chenmo") != [], seconds=20)
    time.sleep(3)
    assert len(school.told("chenmo")) == 1
    assert "软件2301" in school.told("chenmo")[0]
    sent = [row for row in school.platform.log if row["api"].endswith("message/send")]
    assert {row["body"]["touser"] for row in sent} == {"ChenMo"}  # as the roster spells it


@pytest.mark.slow
def test_two_processes_refuse_what_only_the_tree_brings(school: School) -> None:
    school.command("init")

    without_schema = school.command("web")
    assert (without_schema.returncode, "queue.url" in without_schema.stderr) == (2, True)

    school.environment["XINQIAO_QUEUE__URL"] = "redis://127.0.0.1:1"
    for part in ("web", "worker", "scheduler"):
        refused = school.command(part)
        assert (refused.returncode, "migrate" in refused.stderr) == (2, True)
