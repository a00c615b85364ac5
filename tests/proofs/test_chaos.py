"""The real web command under a crowd, killed again and again at labelled points and at any moment (`make chaos`)."""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.proofs.crowd import all_talk, enrol, is_right
from tests.proofs.processes import CHAOS, POINTS, Command
from tests.world import World

PHONES = 120
PROCESSES = 2


class Unlucky:
    """Web processes that die: each at some point of some turn, or when somebody pulls the plug."""

    def __init__(self, config: Path, folder: Path, seed: int) -> None:
        self._config = config
        self._folder = folder
        self._luck = random.Random(seed)
        self._over = threading.Event()
        self.running = [self._start() for _ in range(PROCESSES)]
        self.kills = 0

    def _start(self) -> Command:
        point = self._luck.choice([f"{point}:{self._luck.randint(1, 40)}" for point in POINTS] + [""])
        return Command(self._config, self._folder / "web.log", failpoint=point)

    def run(self) -> None:
        """Pull plugs until it is over."""
        while not self._over.wait(self._luck.uniform(0.5, 2.0)):
            at = self._luck.randrange(PROCESSES)
            self.running[at].kill()
            self.kills += 1
            self.running[at] = self._start()

    def end(self) -> None:
        """No more."""
        self._over.set()


@contextmanager
def unlucky(config: Path, folder: Path, seed: int) -> Iterator[Unlucky]:
    it = Unlucky(config, folder, seed)
    hand = threading.Thread(target=it.run)
    hand.start()
    try:
        yield it
    finally:
        it.end()
        hand.join()
        for each in it.running:
            each.kill()


@pytest.mark.skipif(not CHAOS, reason="takes minutes; `make chaos` runs it")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(3))
def test_a_crowd_is_served_exactly_once_while_processes_die(
    world: World, config: Path, tmp_path: Path, seed: int
) -> None:
    config.write_text(
        config.read_text("utf-8").replace('[queue]\nurl = ""', '[queue]\nurl = "redis://127.0.0.1:1"'), "utf-8"
    )
    students = enrol(world, PHONES)

    with unlucky(config, tmp_path, seed) as it:
        all_talk(world, students, lambda: [each.web for each in it.running], attempts=600)

    is_right(world, students)
    assert it.kills > 0
