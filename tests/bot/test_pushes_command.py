"""`xinqiao pushes` as the operator uses it: what is listed, one push's life, and what can be decided."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.commanding import CommandRefusedError
from bot.pushes_command import (
    cancel_held,
    cancel_pushes,
    list_pushes,
    release_held,
    retry_exhausted,
    retry_pushes,
    show_push,
)
from models import clock, db
from models.audit import Audit, Fact
from models.channel import Channel
from models.contact import Contact, contacts_of
from models.outbox import (
    KINDS,
    AttemptOutcome,
    Push,
    PushAttempt,
    PushKind,
    PushState,
    Reason,
    Route,
    Urgency,
    WayName,
    claim_due,
    plan,
)
from models.outbox.operating import BATCH
from tests.world import World
from workers.senders.codes import CODES

ROOT = Path(__file__).parents[2]
LIST: dict[str, Any] = {"states": [], "kinds": [], "person": None, "late": False, "limit": 30}


def planned(world: World, who: str = "advisor", kind: PushKind = PushKind.CONCERN_CAME, **changes: Any) -> int:
    """A row of the outbox, due now, then changed by hand."""
    with db.unit_of_work() as session:
        count = world.next_id()
        push_id = plan(session, f"concern:{count}", kind, world.people[who], now=world.now, unit="软件2301")
        assert push_id is not None
        it = session.get_one(Push, push_id)
        for name, value in changes.items():
            setattr(it, name, value)
        session.add(it)
    return push_id


def listing(world: World, capsys: pytest.CaptureFixture[str], **filters: Any) -> str:
    capsys.readouterr()
    list_pushes(world.settings, **(LIST | filters))
    return capsys.readouterr().out


def ids(text: str) -> list[int]:
    """The first column of a table."""
    cells = [line.split("│")[1].strip() for line in text.splitlines() if line.startswith("│")]
    return [int(cell) for cell in cells if cell.isdigit()]


def test_the_list_shows_what_waits_and_what_wants_a_look_the_most_pressing_first(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    hour = timedelta(hours=1)
    done = planned(world, state=PushState.ACCEPTED)
    later = planned(world, due_at=world.now + 2 * hour, next_at=world.now + 2 * hour)
    sooner = planned(world, due_at=world.now + hour, next_at=world.now + hour)
    lost = planned(world, state=PushState.EXHAUSTED, reason=Reason.UNREACHABLE, due_at=world.now - hour)
    late = planned(world, "duty", PushKind.ALERT, due_at=world.now - 2 * hour, next_at=world.now - 2 * hour)
    planned(world, state=PushState.UNCERTAIN, due_at=world.now - timedelta(days=30))

    shown = listing(world, capsys)

    assert ids(shown) == [late, lost, sooner, later]
    assert done not in ids(shown)
    assert "没有能送到的账号" in shown
    assert "晚了 2 小时" in shown
    assert "共 在等 3 条、没送成 1 条。" in shown
    assert ids(listing(world, capsys, late=True)) == [late]
    assert ids(listing(world, capsys, states=["accepted"])) == [done]
    assert ids(listing(world, capsys, kinds=["alert"])) == [late]
    assert ids(listing(world, capsys, person="T900")) == [late]
    cut = listing(world, capsys, limit=1)
    assert ids(cut) == [late]
    assert "--limit" in cut


def test_students_are_never_named(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    of_student = planned(world, "committee", PushKind.CLASS_OPENED)
    planned(world, "advisor")

    shown = listing(world, capsys)
    show_push(world.settings, f"id:{of_student}")
    shown += capsys.readouterr().out

    assert "2023010101" in shown
    assert "陈默 T100" in shown
    assert "林晓禾" not in shown


@pytest.mark.parametrize(
    ("filters", "says"),
    [({"states": ["lost"]}, "queued"), ({"kinds": ["x"]}, "concern_came"), ({"person": "nobody"}, "nobody")],
)
def test_a_filter_that_means_nothing_is_refused_with_the_choices(
    world: World, filters: dict[str, Any], says: str
) -> None:
    with pytest.raises(CommandRefusedError, match=says):
        list_pushes(world.settings, **(LIST | filters))


def test_one_push_shows_its_life_its_requests_and_what_to_do(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    push_id = planned(
        world, number="7K3F", state=PushState.EXHAUSTED, reason=Reason.GAVE_UP, channel="wecom", way="text",
        outcome="81013", attempts=2, fence=3, settled_at=world.now,
    )  # fmt: skip
    with db.unit_of_work() as session:
        for channel, way, code, outcome in (
            (Route.OFFICIAL_ACCOUNT, WayName.TEXT, "45015", AttemptOutcome.REFUSED),
            (Route.OFFICIAL_ACCOUNT, WayName.TEMPLATE, "failed:user block", AttemptOutcome.FAILED),
            (Route.WECOM, WayName.TEXT, "81013", AttemptOutcome.REFUSED),
            (Route.WECOM, WayName.TEXT, None, AttemptOutcome.NO_ANSWER),
        ):
            session.add(
                PushAttempt(
                    push_id=push_id, fence=1, channel=channel, way=way, began_at=world.now, code=code, outcome=outcome
                )
            )

    show_push(world.settings, "7k3f")

    shown = capsys.readouterr().out
    for phrase in (
        "有一条要看（id:",
        "7K3F",
        "没送成（试了几次都不成；81013 账号不存在，或不在应用的可见范围）",
        "企业微信 文字",
        "3 次",
        "11-15 19:30:",
        "超过 48 小时没说过话",
        "对方拒收",
        "没有回音",
        "接下来：平台说这个账号收不到",
        f"之后 xinqiao pushes retry {push_id}",
    ):
        assert phrase in shown, phrase


def test_a_number_that_two_pushes_have_is_not_guessed(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = planned(world, number="7K3F"), planned(world, number="7K3F")

    with pytest.raises(CommandRefusedError, match=f"id:{second} .*id:{first} "):
        show_push(world.settings, "7K3F")
    show_push(world.settings, f"id:{first}")
    assert f"id:{first}" in capsys.readouterr().out
    with pytest.raises(CommandRefusedError, match="9ZZZ"):
        show_push(world.settings, "9ZZZ")


def test_an_operator_cancels_and_sends_again(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    waiting, lost, unsure = (
        planned(world),
        planned(world, state=PushState.EXHAUSTED),
        planned(world, state=PushState.UNCERTAIN),
    )

    cancel_pushes(world.settings, [f"id:{waiting}"])
    retry_pushes(world.settings, [f"id:{lost}", f"id:{unsure}"])

    said = capsys.readouterr().out.splitlines()
    assert "取消了" in said[0]
    assert "两条" not in said[1]
    assert "两条" in said[2]
    assert [it.state for it in world.pushes()] == [PushState.SUPPRESSED, PushState.QUEUED, PushState.QUEUED]
    journal = [(row.fact, row.actor_id, row.subject) for row in world.rows(Audit)]
    assert journal == [
        (Fact.PUSH_CANCELLED, None, f"outbox:{waiting}"),
        (Fact.PUSH_RETRIED, None, f"outbox:{lost}"),
        (Fact.PUSH_RETRIED, None, f"outbox:{unsure}"),
    ]


def test_what_cannot_be_undone_is_refused_and_nothing_of_the_rest_is_done(world: World) -> None:
    waiting, gone = planned(world), planned(world, state=PushState.ACCEPTED)

    with pytest.raises(CommandRefusedError, match="平台收下了"):
        cancel_pushes(world.settings, [f"id:{waiting}", f"id:{gone}"])
    with pytest.raises(CommandRefusedError, match="平台收下了"):
        retry_pushes(world.settings, [f"id:{gone}"])
    with pytest.raises(CommandRefusedError):
        cancel_pushes(world.settings, [])

    assert [it.state for it in world.pushes()] == [PushState.QUEUED, PushState.ACCEPTED]
    assert world.facts() == []


def test_all_that_could_not_be_delivered_lately_is_sent_again(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    lately = [planned(world, state=PushState.EXHAUSTED, settled_at=world.now) for _ in range(BATCH + 3)]
    before = planned(world, state=PushState.EXHAUSTED, settled_at=world.now - timedelta(hours=30))

    retry_exhausted(world.settings, hours=24)

    assert f"{len(lately)} 条" in capsys.readouterr().out
    states = {it.id: it.state for it in world.pushes()}
    assert {states[push_id] for push_id in lately} == {PushState.QUEUED}
    assert states[before] is PushState.EXHAUSTED
    retry_exhausted(world.settings, hours=24)
    assert "没有没送成" in capsys.readouterr().out


def test_what_is_held_goes_out_only_on_the_operators_word(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    release_held(world.settings, agreed=False)
    assert "没有暂存" in capsys.readouterr().out
    held = [planned(world, state=PushState.HELD) for _ in range(BATCH + 1)]

    with pytest.raises(CommandRefusedError, match=f"暂存了 {len(held)} 条.*--yes"):
        release_held(world.settings, agreed=False)
    assert due(world) == []

    release_held(world.settings, agreed=True)

    assert sorted(due(world)) == held
    assert world.facts() == [Fact.PUSHES_RELEASED] * 2


def test_what_is_held_can_be_taken_back_as_a_whole(world: World) -> None:
    held = [planned(world, state=PushState.HELD) for _ in range(3)]

    with pytest.raises(CommandRefusedError, match="--yes"):
        cancel_held(world.settings, agreed=False)
    cancel_held(world.settings, agreed=True)

    assert [it.state for it in world.pushes()] == [PushState.SUPPRESSED] * len(held)
    assert due(world) == []


def due(world: World) -> list[int]:
    """What a worker would take now."""
    with db.unit_of_work() as session:
        taken = claim_due(session, 1000, now=clock.now(), machine=clock.machine())
        return [letter.id for letter in taken]


def test_every_word_that_the_list_may_need_is_there(world: World) -> None:
    needed = [f"kind.{kind.value}" for kind in PushKind] + [f"state.{state.value}" for state in PushState]
    needed += [f"reason.{reason.value.replace(' ', '_')}" for reason in Reason]
    needed += [f"outcome.{outcome.value.replace(' ', '_')}" for outcome in AttemptOutcome]
    needed += [f"channel.{route.value}" for route in Route] + [f"way.{way.value}" for way in WayName]
    needed += [f"urgency.{urgency.value}" for urgency in Urgency]
    needed += [f"next_step.{state.value}" for state in PushState]
    needed += [f"verdict.{meaning.value}" for codes in CODES.values() for meaning in codes.values()]
    assert [key for key in needed if f"pushes.{key}" not in world.words] == []
    keys = list(world.words.keys())
    named = {key.removeprefix("pushes.code.") for key in keys if key.startswith("pushes.code.")}
    assert named <= {f"{channel.value}_{code}" for channel in Channel for code in CODES[channel]}
    assert set(KINDS) <= set(PushKind)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_the_command_line_reads_its_config_before_and_after_the_word(world: World) -> None:
    push_id = planned(world, number="7K3F")
    config = str(world.settings.folder / "config.toml")

    def says(*words: str, status: int = 0) -> str:
        ran = subprocess.run(
            [sys.executable, "-m", "bot.cli", "pushes", *words], cwd=world.settings.folder.parent,
            env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert ran.returncode == status, ran.stderr
        return ran.stdout if status == 0 else ran.stderr

    assert "7K3F" in says("-c", config)
    assert "7K3F" in says("-c", config, "show", str(push_id))
    assert "7K3F" in says("retry", "7K3F", "--config", config)
    refused = says("show", "9ZZZ", "-c", config, status=2)
    assert refused.startswith("xinqiao: ")
    assert refused.count("\n") == 1


def test_one_push_shows_over_what_its_reader_can_be_reached_now(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    push_id = planned(world)

    def shown() -> str:
        show_push(world.settings, f"id:{push_id}")
        return capsys.readouterr().out

    with db.unit_of_work() as session:
        person_id = session.get_one(Push, push_id).person_id
    assert "没有绑定任何账号" in shown()

    with db.unit_of_work() as session:
        for channel in Channel:
            session.add(Contact(channel=channel, address="an-address", person_id=person_id))
    said = shown()
    assert "企业微信，在用" in said
    assert "又没有配模板" in said
    assert "an-address" not in said

    with db.unit_of_work() as session:
        for it in contacts_of(session, person_id):
            it.listening, it.window_left = it.channel is not Channel.WECOM, 5
            it.window_until = world.now + timedelta(hours=1)
    said = shown()
    assert "企业微信，收不到" in said
    assert "以前能收文字" in said
