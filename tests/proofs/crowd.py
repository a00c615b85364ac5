"""Many students who each tell something at the same time, through the platform, to whatever web processes there are."""

import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from sqlmodel import col

from bot.sandbox.callbacks import ATTEMPTS, read_reply, sign, text_message
from models import db
from models.audit import Audit, Fact
from models.channel import Channel
from models.concern import Concern, body_of
from models.contact import Contact
from models.outbox import Push, PushKind
from models.person import Kind, Person
from tests.proofs.processes import Web
from tests.world import DOORS, World

TALK = ("有事", "别人", "{name}", "{facts}", "1", "1", "1", "发给老师")
DOOR = DOORS[Channel.OFFICIAL_ACCOUNT]


@dataclass
class Student:
    """One phone: what it said, what it heard."""

    number: int
    heard: list[str] = field(default_factory=list)
    undone: int = 0

    @property
    def name(self) -> str:
        """Whom this student worries about; nobody else names them."""
        return f"新同学{self.number}"

    @property
    def facts(self) -> str:
        """What this student saw."""
        return f"第{self.number}位说的话"


def enrol(world: World, count: int) -> list[Student]:
    """Bound students of the first class."""
    world.phone("advisor")
    with db.unit_of_work() as session:
        for number in range(count):
            it = Person(
                number=f"C{number:05}", name=f"学生{number}", kind=Kind.STUDENT, class_id=world.units["软件2301"]
            )
            session.add(it)
            session.flush()
            session.add(Contact(channel=Channel.OFFICIAL_ACCOUNT, address=f"crowd-{number}", person_id=it.id))
    return [Student(number) for number in range(count)]


def all_talk(world: World, students: list[Student], webs: Callable[[], list[Web]], *, attempts: int = ATTEMPTS) -> None:
    """Everybody says everything; each message goes to any process, some twice at once, and again when it is not answered.

    What was undone is said again, as a new message.
    """
    undone = world.words("dialogue.not_kept")
    with ThreadPoolExecutor(2 * len(students)) as platform:

        def says(it: Student, said: str) -> str | None:
            msg_id = 1_000_000 + it.number * 1000 + len(it.heard) + it.undone
            request = sign(DOOR, text_message(DOOR, f"crowd-{it.number}", said, msg_id=msg_id))

            def delivered() -> str | None:
                outcome = random.choice(webs()).hears(request)
                return None if outcome.body is None else read_reply(DOOR, outcome.body, sender=f"crowd-{it.number}")

            twice = [platform.submit(delivered) for _ in range(1 if random.random() < 0.8 else 2)]
            replies = [each.result() for each in twice]
            while not any(replies) and len(replies) < attempts:
                time.sleep(0.1)
                replies.append(delivered())
            kept = {reply for reply in replies if reply and reply != undone}
            assert len(kept) <= 1, kept
            return kept.pop() if kept else undone if undone in replies else None

        def talks(it: Student) -> None:
            for said in TALK:
                while (reply := says(it, said.format(name=it.name, facts=it.facts))) == undone:
                    it.undone += 1
                    assert it.undone < 50
                assert reply is not None, f"{it.number} heard nothing"
                it.heard.append(reply)

        with ThreadPoolExecutor(len(students)) as people:
            list(people.map(talks, students))


def is_right(world: World, students: list[Student]) -> None:
    """Every student heard the questions in their order, and what they told is there exactly once."""
    for it in students:
        expected = [
            "想说的是谁的事",
            "TA 是谁",
            "看到或听到了什么",
            "什么时候开始",
            "希望老师怎么做",
            "知道你想告诉老师",
            it.name,
            "收到，已送到",
        ]
        assert len(it.heard) == len(expected)
        for reply, part in zip(it.heard, expected, strict=True):
            assert part in reply, (it.number, reply, part)
    concerns = world.rows(Concern)
    bodies = [body_of(row) for row in concerns]
    assert sorted(str(body["facts"]) for body in bodies) == sorted(it.facts for it in students)
    assert len(world.rows(Audit, col(Audit.fact) == Fact.CONCERN_SENT)) == len(students)
    assert len(world.rows(Push, col(Push.kind) == PushKind.CONCERN_CAME)) == len(students)
