"""The life of a push, read from the bot's own tables as they are."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import close_all_sessions

from bot.sandbox.bot_view import BotView
from bot.sandbox.life import Life
from bot.sandbox.push_words import CHANNELS, KINDS, OUTCOMES, REASONS, STATES, WAYS
from models import db, schema
from models.booking.choices import Mode
from models.booking.table import Appointment, AppointmentState, Counselor, Step
from models.outbox import PushKind, Urgency
from models.outbox.kinds import Route
from models.outbox.table import AttemptOutcome, Push, PushAttempt, PushState, Reason, WayName
from models.person import Kind, Person
from models.policy import CheckinPolicy
from models.unit import Level, Unit

NOW = datetime(2026, 11, 25, 4, 0, tzinfo=UTC)


class Bot:
    """The bot's tables, and the page's look at them."""

    def __init__(self, folder: Path) -> None:
        file = folder / "bot.db"
        schema.upgrade(db.connect(f"sqlite:///{file}"))
        self._numbers = count()
        self.view = BotView(file, CheckinPolicy())
        with db.unit_of_work() as session:
            person = Person(number="T1", name="苗青阳", kind=Kind.STAFF)
            session.add(person)
            session.flush()
            self.person_id = person.id or 0

    def push(self, *attempts: PushAttempt, **columns: Any) -> int:
        """One row with its attempts."""
        due = columns.pop("due_at", NOW)
        with db.unit_of_work() as session:
            row = Push(
                dedupe_key=str(next(self._numbers)),
                number="7K3F",
                person_id=self.person_id,
                kind=columns.pop("kind", PushKind.CONCERN_CAME),
                urgency=Urgency.IMPORTANT,
                created_at=NOW - timedelta(minutes=1),
                due_at=due,
                next_at=columns.pop("next_at", due),
                expires_at=NOW + timedelta(days=1),
                fence=len(attempts),
                **columns,
            )
            session.add(row)
            session.flush()
            assert row.id is not None
            for attempt in attempts:
                attempt.push_id = row.id
                session.add(attempt)
            return row.id

    def life(self, push_id: int, *, now: datetime = NOW) -> Life:
        """What the page shows of it."""
        found = self.view.life(push_id, now)
        assert found is not None
        return found


@pytest.fixture
def bot(tmp_path: Path) -> Iterator[Bot]:
    yield Bot(tmp_path)
    close_all_sessions()


def asked(seconds: float, outcome: AttemptOutcome, code: str | None = None, *, ended: bool = True) -> PushAttempt:
    """A request that began so many seconds after now."""
    began = NOW + timedelta(seconds=seconds)
    return PushAttempt(
        push_id=0,
        fence=1,
        channel="wecom",
        way="card",
        began_at=began,
        ended_at=began + timedelta(milliseconds=30) if ended else None,
        code=code,
        outcome=outcome,
    )


def marks(life: Life) -> list[tuple[str, str]]:
    return [(step.label, step.mark) for step in life.steps]


def test_a_push_that_was_delivered_and_seen_has_every_stage_and_every_attempt(bot: Bot) -> None:
    it = bot.push(
        asked(1, AttemptOutcome.BUSY, "-1"),
        asked(3, AttemptOutcome.ACCEPTED, "0"),
        state=PushState.DELIVERED,
        settled_at=NOW + timedelta(seconds=4),
        seen_at=NOW + timedelta(seconds=9),
    )

    life = bot.life(it)

    assert [(step.label, step.when) for step in life.steps] == [
        ("计划", "11月25日 11:59:00"),
        ("到时候", "11月25日 12:00:00"),
        ("认领", "11月25日 12:00:01"),
        ("尝试", "11月25日 12:00:03"),
        ("平台收下", "11月25日 12:00:03"),
        ("送达", "11月25日 12:00:04"),
        ("看过", "11月25日 12:00:09"),
    ]
    assert {step.mark for step in life.steps} == {"done"}
    assert [(each.meaning, each.word, each.took) for each in life.attempts] == [
        ("平台忙", "过一会儿再试", 30),
        ("平台收下了", "收下了", 30),
    ]


def test_a_push_that_waits_says_for_what(bot: Bot) -> None:
    quiet = bot.life(bot.push(held_for="quiet", next_at=NOW + timedelta(hours=8)))
    assert marks(quiet)[1:3] == [("到时候", "done"), ("认领", "coming")]
    assert "早上" in quiet.steps[1].note

    again = bot.life(bot.push(asked(1, AttemptOutcome.BUSY, "-1"), next_at=NOW + timedelta(seconds=30)))
    assert again.steps[1].note == "11月25日 12:00:30 再试"
    assert marks(again)[3:5] == [("尝试", "now"), ("平台收下", "coming")]

    later = bot.life(bot.push(due_at=NOW + timedelta(hours=1)))
    assert marks(later)[1] == ("到时候", "coming")

    held = bot.push(state=PushState.SENDING)
    assert marks(bot.life(held))[2] == ("认领", "now")
    assert bot.life(bot.push(state=PushState.CARRIED, carrier_id=held)).ending == "跟着编号 7K3F 一起送出"
    assert "放行" in bot.life(bot.push(state=PushState.HELD)).ending


@pytest.mark.parametrize(
    ("state", "reason", "mark"),
    [
        (PushState.SUPPRESSED, Reason.OVERTAKEN, "done"),
        (PushState.UNCERTAIN, Reason.ANSWER_LOST, "bad"),
        (PushState.EXHAUSTED, Reason.UNREACHABLE, "bad"),
    ],
)
def test_another_end_stands_in_the_line_with_its_reason(bot: Bot, state: PushState, reason: Reason, mark: str) -> None:
    life = bot.life(
        bot.push(asked(1, AttemptOutcome.NO_ANSWER, ended=False), state=state, reason=reason, settled_at=NOW)
    )

    step = life.steps[4]
    assert (step.label, step.note, step.mark) == (STATES[state], REASONS[reason], mark)
    assert (life.attempts[0].took, life.attempts[0].word) == (None, "没有回答")


def test_a_row_that_is_not_there_has_no_life(bot: Bot, tmp_path: Path) -> None:
    assert bot.view.life(99, NOW) is None
    assert BotView(tmp_path / "none.db", CheckinPolicy()).life(1, NOW) is None


def test_the_table_shows_what_still_moves_first(bot: Bot) -> None:
    ended = bot.push(state=PushState.ACCEPTED, reason=Reason.IN_DIGEST, seen_at=NOW)
    later = bot.push(due_at=NOW + timedelta(hours=2))
    soon = bot.push(due_at=NOW + timedelta(hours=1))

    rows = bot.view.outbox_rows(10)

    assert [row["id"] for row in rows] == [soon, later, ended]
    assert (rows[2]["person"], rows[2]["reason"], rows[2]["seen"]) == ("苗青阳", "并在摘要里送出", True)
    assert bot.view.next_due(NOW) == NOW + timedelta(hours=1)
    assert bot.view.is_busy(NOW + timedelta(hours=1))


def test_the_step_goes_to_mornings_reminders_and_ends_of_what_waits_for_an_answer(bot: Bot) -> None:
    starts = NOW + timedelta(days=2)
    with db.unit_of_work() as session:
        unit = Unit(name="示范学院", level=Level.SCHOOL)
        session.add(unit)
        session.flush()
        counselor = Counselor(person_id=bot.person_id, qualification="有", unit_id=unit.id or 0, created_at=NOW)
        session.add(counselor)
        session.flush()
        it: dict[str, Any] = {
            "student_id": bot.person_id,
            "counselor_id": counselor.id,
            "mode": Mode.PHONE,
            "made_at": NOW,
        }
        rows: list[tuple[datetime, AppointmentState, dict[str, Any]]] = [
            (starts, AppointmentState.BOOKED, {"step": Step.SOON, "next_at": starts - timedelta(hours=2)}),
            (starts + timedelta(days=1), AppointmentState.OFFERED, {"until": NOW + timedelta(hours=2)}),
            (starts - timedelta(days=9), AppointmentState.BOOKED, {"step": Step.CLOSE, "next_at": NOW + timedelta(1)}),
        ]
        for at, state, more in rows:
            ends = at + timedelta(minutes=50)
            session.add(Appointment(starts_at=at, ends_at=ends, busy_from=at, busy_to=ends, state=state, **it, **more))

    morning = datetime(2026, 11, 27, 0, 0, tzinfo=UTC)
    assert bot.view.next_due(NOW) == NOW + timedelta(hours=2)
    assert bot.view.next_due(morning - timedelta(hours=1)) == morning
    assert bot.view.next_due(morning) == starts - timedelta(hours=2)


def test_everything_that_can_stand_in_the_tables_has_words() -> None:
    assert set(STATES) == {it.value for it in PushState}
    assert set(REASONS) == {it.value for it in Reason}
    assert set(OUTCOMES) == {it.value for it in AttemptOutcome}
    assert set(WAYS) == {it.value for it in WayName}
    assert set(CHANNELS) == {it.value for it in Route}
    assert set(KINDS) == set(PushKind)
