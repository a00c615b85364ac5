"""Keys are changed while people talk, the callbacks' AES key and the keys that seal text: nobody hears a fault."""

import base64
import json
import re
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot.app import open_data
from bot.commanding import CommandRefusedError
from bot.keys_command import rotate_keys
from bot.sandbox.callbacks import read_reply, sign, text_message
from bot.settings import Settings, load_settings
from models import db
from models.audit import Fact
from models.booking.table import Haste, Side
from models.booking.taking import By
from models.booking.waiting import join
from models.check_value import check_keys
from models.inbox import store_reply, take
from models.seal import Keyring
from models.sealed import SEALED, old_values, resealed
from models.talk import TalkLog
from tests.conftest import KEY
from tests.proofs.processes import ROOT, Nursery, Web, environment
from tests.supply import make_supply
from tests.world import AES_KEY, World

NEW = "ZYXWVUTSRQPONMLKJIHGFEDCBAzyxwvutsrqponmlkj"
FRESH = base64.b64encode(b"fedcba9876543210fedcba9876543210").decode()
STRANGE = base64.b64encode(b"a key that nobody has written up").decode()


def rekeyed(config: Path, *, aes_key: str, previous: str) -> None:
    """Write both keys of both platforms."""
    lines = []
    for line in config.read_text("utf-8").splitlines():
        if line.startswith("aes_key"):
            lines += [f'aes_key = "{aes_key}"', f'previous_aes_key = "{previous}"']
        elif not line.startswith("previous_aes_key"):
            lines.append(line)
    config.write_text("\n".join(lines), "utf-8")


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("who", "word"), [("committee", "周报"), ("advisor", "我的数据")])
def test_a_talk_goes_on_while_the_key_is_changed(
    world: World, nursery: Nursery, config: Path, who: str, word: str
) -> None:
    phone = world.phone(who)

    def say(web: Web, text: str, key: str) -> tuple[int, str | None]:
        door = replace(phone.door, aes_key=key)
        outcome = web.hears(sign(door, text_message(door, phone.address, text, msg_id=world.next_id())))
        reply = read_reply(door, outcome.body) if outcome.body is not None else None
        return outcome.statuses[0], reply

    before = nursery.web(config)
    status, asked = say(before, word, AES_KEY)
    assert status == 200
    assert say(before, "帮助", NEW) == (400, None)  # signed, and not to be read
    before.kill()

    rekeyed(config, aes_key=NEW, previous=AES_KEY)
    between = nursery.web(config)
    for key in (AES_KEY, NEW, AES_KEY):  # its servers do not switch at one moment
        status, shown = say(between, "帮助", key)
        assert status == 200
        assert (shown or "").endswith(asked or "")
    between.kill()

    rekeyed(config, aes_key=NEW, previous="")
    after = nursery.web(config)
    assert say(after, "帮助", AES_KEY) == (400, None)  # signed, and not to be read
    assert (say(after, "帮助", NEW)[1] or "").endswith(asked or "")


# ── the keys that seal text about people ────────────────────────────────────────────────────────────────────────


@pytest.fixture
def spoken(world: World) -> World:
    """A school where every sealed column holds something, sealed with the tests' key."""
    committee, student = world.phone("committee"), world.phone("student")
    committee.talks("周报", "1", "1", "1", "1")
    student.talks("有事", "2", "班里的同学", "两天没来", "1", "1", "1", "1")
    student.says("我不想活了")
    world.phone("officer").says("宿舍")
    make_supply(world)
    booked = world.phone("neighbour").talks("预约", "1", "1", "1", "睡眠", "1", "1")
    assert booked.startswith("约好了")
    waits, by = world.people["second"], By(world.people["second"], Side.STUDENT)
    with db.unit_of_work() as session:
        join(session, by, waits, Haste.NORMAL, body={"topic": "sleep"}, now=world.now)
        check_keys(session)
    with db.unit_of_work(write=False) as session:
        for it in SEALED:
            assert old_values(session, it, b"none", after=None, most=1), it.name
    return world


def rekey(world: World, *keys: str) -> Settings:
    """The world's config with these keys, newest first."""
    path = world.settings.folder / "config.toml"
    text = re.sub(r"encryption_keys = .*", f"encryption_keys = {json.dumps(keys)}", path.read_text("utf-8"))
    path.write_text(text, "utf-8")
    return load_settings(path)


def everything_opens(keys: list[str]) -> bool:
    """Whether these keys open all that is sealed."""
    ring = Keyring(keys)
    with db.unit_of_work(write=False) as session:
        found = [value for it in SEALED for value in old_values(session, it, b"none", after=None, most=100_000)]
    return bool(found) and not resealed(ring, found)[1]


def test_after_a_rotation_the_new_key_opens_everything_and_the_old_one_nothing(
    spoken: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert everything_opens([KEY])

    rotate_keys(rekey(spoken, FRESH, KEY))

    old, new = Keyring([KEY]).fingerprints[0], Keyring([FRESH]).fingerprints[0]
    said = capsys.readouterr().out
    assert f"指纹 {new}" in said
    assert f"指纹 {old}" in said
    assert everything_opens([FRESH])
    with db.unit_of_work(write=False) as session:
        assert not any(
            value.sealed.hex().startswith(old)
            for it in SEALED
            for value in old_values(session, it, b"", after=None, most=999)
        )
    assert spoken.facts()[-1] is Fact.KEYS_ROTATED
    rotate_keys(rekey(spoken, FRESH, KEY))  # again: nothing is left to do
    assert "重新加密了 0 处" in capsys.readouterr().out
    open_data(rekey(spoken, FRESH))  # starts without the old key


def test_one_key_alone_is_not_rotated(world: World) -> None:
    with pytest.raises(CommandRefusedError, match="只有一把"):
        rotate_keys(world.settings)
    with pytest.raises(CommandRefusedError, match="只有一把"):
        rotate_keys(rekey(world, KEY, KEY))


def test_what_no_key_opens_is_told_and_the_rest_is_rotated(spoken: World) -> None:
    stranger = Keyring([STRANGE])
    with db.unit_of_work() as session:
        session.execute(sa.update(TalkLog).values(log=stranger.seal(b"{}", "talk.log:1")))

    with pytest.raises(CommandRefusedError, match=rf"talk\.log.*{stranger.fingerprints[0]}"):
        rotate_keys(rekey(spoken, FRESH, KEY))

    with db.unit_of_work() as session:
        session.execute(sa.update(TalkLog).values(log=None))
    assert everything_opens([FRESH])


def test_a_killed_rotation_is_taken_up_by_the_next(spoken: World) -> None:
    with db.unit_of_work() as session:
        for number in range(300):
            take(session, f"more:{number}", now=spoken.now)
            store_reply(session, f"more:{number}", f"回复 {number}")
    rekey(spoken, FRESH, KEY)
    command = [sys.executable, "-m", "bot.cli", "keys", "rotate", "-c", str(spoken.settings.folder / "config.toml")]

    killed = subprocess.run(
        command,
        cwd=ROOT,
        env=environment() | {"XINQIAO_FAILPOINT": "keys.resealed:2"},
        check=False,
        capture_output=True,
    )
    assert killed.returncode == -signal.SIGKILL
    assert not everything_opens([FRESH])
    assert everything_opens([FRESH, KEY])

    again = subprocess.run(command, cwd=ROOT, env=environment(), check=False, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert "换好了" in again.stdout
    assert everything_opens([FRESH])


def test_talks_go_on_while_keys_are_rotated(world: World, nursery: Nursery, config: Path) -> None:
    with db.unit_of_work() as session:
        for number in range(2000):
            take(session, f"more:{number}", now=world.now)
            store_reply(session, f"more:{number}", f"回复 {number}" * 50)
        check_keys(session)
    phone = world.phone("committee")

    def say(web: Web, text: str, number: int) -> str | None:
        return web.replies(phone.door, sign(phone.door, text_message(phone.door, phone.address, text, msg_id=number)))

    first = world.next_id()
    web = nursery.web(config)
    asked = say(web, "周报", first)
    web.kill()
    settings = rekey(world, FRESH, KEY)
    web = nursery.web(config)

    rotation = threading.Thread(target=rotate_keys, args=(settings,))
    rotation.start()
    heard: list[str | None] = []
    while rotation.is_alive() or len(heard) < 3:
        heard.append(say(web, "帮助", world.next_id()))
    rotation.join()

    assert all(answer is not None and answer.endswith(asked or "") for answer in heard)
    web.kill()
    rekey(world, FRESH)
    web = nursery.web(config)
    assert say(web, "周报", first) == asked  # a repeat gets what was answered then
    assert (say(web, "帮助", world.next_id()) or "").endswith(asked or "")
    assert everything_opens([FRESH])
