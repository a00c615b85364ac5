"""The callback AES key is changed while people talk: the platform switches when it likes, nobody hears a fault."""

from dataclasses import replace
from pathlib import Path

import pytest

from bot.sandbox.callbacks import read_reply, sign, text_message
from tests.proofs.processes import Nursery, Web
from tests.world import AES_KEY, World

NEW = "ZYXWVUTSRQPONMLKJIHGFEDCBAzyxwvutsrqponmlkj"


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
