"""Every kind of push: declared, worded, short enough, neutral; and a words file that breaks one is refused at start.

What every sentence must be is in `tests/stories/test_words.py`; what a push shows of its row, in `tests/proofs/test_neutral.py`.
"""

import json
import re
import subprocess
import sys
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bot.policy import make_policy, make_words
from bot.settings import load_settings
from bot.wiring import check_pushes
from handlers.chat.conversations import CONVERSATIONS
from handlers.dialogue.conversation import GLOBAL_WORDS
from handlers.words.catalogue import Words
from models import clock
from models.errors import SettingsError
from models.outbox import (
    KINDS,
    PLANNED_NEVER,
    Audience,
    Button,
    Holds,
    KindOfPush,
    PushKind,
    Quiet,
    Route,
    Urgency,
    WayName,
)
from models.progress import some_names
from models.roster.cells import LONGEST_NAME
from tests.proofs.processes import ROOT, environment
from tests.world import World
from workers.senders.parcel import Parcel, Target
from workers.senders.wecom import LONGEST_TEXT, LONGEST_TITLE, WeComSender
from workers.still_true import CHECKS

ZONE = ZoneInfo("Asia/Shanghai")
LONG = "马克思主义学院思想政治教育专业二〇二三级第十二班"
LONGEST = "网" * LONGEST_NAME
"""What the roster takes for a name at the very most."""

RULES = list(KINDS.values())
PLANNED = list(KINDS)
PUSH_BYTES, PLATFORM_BYTES, CAPTION = 600, 2048, 10
STARTS = {word for it in CONVERSATIONS for word in it.start} | {word for each in GLOBAL_WORDS.values() for word in each}
only_sqlite = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def values(unit: str) -> dict[str, Any]:
    """What the fields may hold, as long as it comes."""
    units = some_names([unit] * 9) if unit else ""
    return {
        "unit": unit, "units": units, "count": 123, "came": 45, "missing": 78, "waiting": 12, "name": "欧阳明日",
        "who": f"{unit}的宿舍心理信息员", "platform": "企业微信",
        "when": "12月31日 周四 23:30", "before": "12月30日 周三 10:30", "until": "12月31日 周四 12:00",
        "answer": "都不合适，换一位老师", "day": "12月31日 周四",
    }  # fmt: skip


def text_of(words: Words, rule: KindOfPush, unit: str = LONG) -> str:
    """The whole sentence of a kind."""
    return words(rule.words, **{name: values(unit)[name] for name in rule.fields}, number="7K3F")


@pytest.fixture(scope="module")
def words() -> Words:
    """The sentences as they come, and nothing of a school's own."""
    return Words(ZONE, {})


# ── declared ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_kind_is_planned_by_a_rule_or_is_words_only() -> None:
    assert set(KINDS) | PLANNED_NEVER == set(PushKind)
    assert set(KINDS) & PLANNED_NEVER == set()
    assert all(kind is rule.kind for kind, rule in KINDS.items())


@pytest.mark.parametrize("rule", RULES, ids=PLANNED)
def test_what_a_kind_says_of_itself_fits_together(rule: KindOfPush) -> None:
    assert timedelta() < rule.lasts <= timedelta(days=14)
    assert list(rule.routes) == [route for route in Route if route in rule.routes]  # in this order, each once
    assert rule.holds in CHECKS
    if rule.urgency is Urgency.ROUTINE:
        assert Route.FALLBACK not in rule.routes
        assert not rule.superior
    else:
        assert not rule.mutable
    if rule.urgency is Urgency.URGENT:
        assert rule.routes == tuple(Route)  # over all at once
        assert rule.quiet is Quiet.PASSES
    if rule.audience is Audience.CLIENT:
        assert not rule.superior  # a student's superior is a teacher of theirs
        assert not rule.mutable
    if rule.buttons:
        assert Route.WECOM in rule.routes


def test_every_check_of_the_list_can_be_asked() -> None:
    assert set(CHECKS) == set(Holds)


def test_nobody_climbs_for_ever() -> None:
    assert not KINDS[PushKind.UNREACHABLE].superior  # it is what a superior is told
    assert not KINDS[PushKind.STALLED].superior


# ── worded ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("rule", RULES, ids=PLANNED)
def test_a_push_fits_its_message_however_long_its_units_are(words: Words, rule: KindOfPush) -> None:
    assert len(text_of(words, rule, LONG).encode()) <= PUSH_BYTES
    assert len(text_of(words, rule, LONGEST).encode()) <= PLATFORM_BYTES / 2


@pytest.mark.parametrize("rule", RULES, ids=PLANNED)
def test_a_push_shows_its_number_names_its_word_and_numbers_no_choices(words: Words, rule: KindOfPush) -> None:
    text = text_of(words, rule)

    if rule.kind is PushKind.CARD_CLOSED:
        assert "回复" not in text  # a line on a card that needs nothing more
        return
    assert text.endswith("编号 7K3F")
    assert set(re.findall(r"回复「(.+?)」", text)) <= STARTS
    assert "回复「" in text or "xinqiao pushes" in text  # operators go to their terminal
    # A bare number belongs to the question that is open; 0 is for emergencies in every state.
    assert not re.search(r"^\s*\d+[.、]|[①②③]|回复 ?[1-9]", text, re.MULTILINE)


@pytest.mark.parametrize("kind", [kind for kind in PushKind if kind is not PushKind.UNKNOWN])
def test_its_short_form_fits_a_template_and_names_its_word(words: Words, kind: PushKind) -> None:
    short = words(f"push.short.{kind.value}")

    assert len(short) <= 20
    assert "{" not in short
    (word,) = re.findall(r"回复「(.+?)」", short)
    assert word in STARTS


@pytest.mark.parametrize("rule", RULES, ids=PLANNED)
def test_it_reads_well_without_a_unit(words: Words, rule: KindOfPush) -> None:
    text = text_of(words, rule, "")

    assert "  " not in text
    assert not re.search(r"[，。、；][，。、；：]", text)


def test_two_pushes_with_the_same_words_have_different_bodies(words: Words) -> None:
    one, other = (words("push.alert", unit="", number=number) for number in ("7K3F", "7K3G"))
    assert one != other


@pytest.mark.parametrize("urgent", [Urgency.IMPORTANT, Urgency.URGENT])
def test_what_goes_over_the_schools_other_ways_says_where_to_look_and_nothing_else(
    words: Words, urgent: Urgency
) -> None:
    notice = words("push.notice", level=words(f"push.level_{urgent.value}"), number="7K3F")

    assert words.placeholders("push.notice") == {"level", "number"}
    assert "回复「查看」" in notice
    assert len(notice) <= 70  # one SMS


# ── on a card ───────────────────────────────────────────────────────────────────────────────────────────────────


def parcel(words: Words, rule: KindOfPush, text: str, *, cards: bool = True) -> Parcel:
    """A message of this kind to somebody who sees cards."""
    return Parcel(
        to=Target(Route.WECOM, "somebody", 1, cards=cards),
        kind=rule.kind, urgency=rule.urgency, text=text, short="", hint="", title=words(f"push.title.{rule.urgency.value}"),
        notice="", number="7K3F", unit="", at=clock.now(), dedupe="push-1-7K3F", attempt=1,
        buttons=[(button, words(f"push.button.{button.value}")) for button in rule.buttons],
    )  # fmt: skip


def ways(it: Parcel) -> list[WayName]:
    """In which forms it would be tried."""
    sender = WeComSender(corp_id="ww", agent_id=1, secret="", api_base="http://127.0.0.1:9")
    return [way.name for way in sender.ways(it)]


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.buttons], ids=lambda rule: rule.kind)
def test_a_card_fits_the_platform_or_gives_way_to_a_text(words: Words, rule: KindOfPush) -> None:
    fitting = parcel(words, rule, text_of(words, rule))
    assert len(fitting.text) <= LONGEST_TEXT
    assert WayName.CARD in ways(fitting)

    too_long = parcel(words, rule, "长" * (LONGEST_TEXT + 1))
    if rule.kind is not PushKind.CARD_TRIAL:  # which is about nothing but the card
        assert ways(too_long) == [WayName.TEXT]
        assert ways(parcel(words, rule, fitting.text, cards=False)) == [WayName.TEXT]


def test_titles_captions_and_counts_fit_a_card(words: Words) -> None:
    for urgency in Urgency:
        assert len(words(f"push.title.{urgency.value}")) <= LONGEST_TITLE
    for button in Button:
        assert len(words(f"push.button.{button.value}")) <= CAPTION
        assert len(words(f"push.pressed.{button.value}")) <= CAPTION
    assert len(words("push.urgent_count", count=99_999, number="7K3F")) <= LONGEST_TEXT
    assert len(words("push.card_closed", name="阿不都热西提·买买提")) <= LONGEST_TITLE


# ── refused at start ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("key", "sentence", "mistake"),
    [
        ("push.alert", None, "there is no sentence push.alert"),
        ("push.short.alert", None, "there is no sentence push.short.alert"),
        ("push.button.later", None, "there is no sentence push.button.later"),
        (
            "push.alert",
            "紧急：{unit} {student}，编号 {number}",
            "push.alert shows student, which this kind of push may not",
        ),
        ("push.alert_facts", "{unit}有了补充，编号 {number}", "push.alert_facts shows unit"),
        ("push.alert", "紧急：{unit}有同学需要帮助", "push.alert must show {number}"),
    ],
)
def test_sentences_that_do_not_fit_their_kind_are_refused(key: str, sentence: str | None, mistake: str) -> None:
    words = Words(ZONE, {})
    check_pushes(words)
    if sentence is None:
        del words._sentences[key]
    else:
        words._sentences[key] = sentence

    with pytest.raises(SettingsError) as caught:
        check_pushes(words)
    assert mistake in str(caught.value)


BAD = [
    ("concern_came", "有一条等你看看，回复「看小结」。编号 {number}", "number, unit"),  # one is missing
    ("concern_came", "和{unit}有关，有一条等你看看，回复「看小结」。", "number, unit"),
    ("concern_came", "{unit}的{student}有一条，回复「看小结」。编号 {number}", "number, unit"),  # one is too many
    ("alert", "紧急：{topic}，回复「看小结」。编号 {number}", "number, unit"),
    ("digest", "有 {count} 条消息。编号 {number}", "count, lines, number"),
    ("notice", "{name}有一条消息。编号 {number}", "level, number"),
    ("short.alert", "{unit}紧急，回复「看小结」", "none"),
]


def reworded(world: World, key: str, sentence: str) -> None:
    """A school's own file with one sentence in it."""
    folder = world.settings.folder / "words"
    folder.mkdir(exist_ok=True)
    table, _, name = f"push.{key}".rpartition(".")
    (folder / "ours.toml").write_text(f"[{table}]\n{name} = {json.dumps(sentence)}\n", "utf-8")


@only_sqlite
@pytest.mark.parametrize(("key", "sentence", "wanted"), BAD)
def test_a_schools_words_for_a_push_keep_their_placeholders(world: World, key: str, sentence: str, wanted: str) -> None:
    reworded(world, key, sentence)

    with pytest.raises(SettingsError) as caught:
        make_words(world.settings, make_policy(world.settings))
    assert str(caught.value) == f"words/: push.{key} must use exactly these placeholders: {wanted}"


@only_sqlite
def test_a_schools_words_for_a_push_may_say_it_another_way(world: World) -> None:
    reworded(world, "concern_came", "编号 {number}：{unit}有一条新的，回复「看小结」。")

    words = make_words(world.settings, make_policy(world.settings))
    check_pushes(words)
    assert (
        words("push.concern_came", unit="软件2301", number="7K3F") == "编号 7K3F：软件2301有一条新的，回复「看小结」。"
    )


@only_sqlite
@pytest.mark.parametrize("command", ["worker", "scheduler", "web"])
def test_no_process_starts_with_such_words_and_each_names_the_sentence(world: World, command: str) -> None:
    reworded(world, *BAD[0][:2])
    config = world.settings.folder / "config.toml"
    config.write_text(
        config.read_text("utf-8").replace('[queue]\nurl = ""', '[queue]\nurl = "redis://127.0.0.1:9/0"'), "utf-8"
    )
    assert load_settings(config).queue.url

    ended = subprocess.run(
        [sys.executable, "-m", "bot.cli", command, "-c", str(config)],
        cwd=ROOT, env=environment(), capture_output=True, timeout=30, check=False, text=True,
    )  # fmt: skip

    assert ended.returncode == 2
    said = [line for line in ended.stderr.splitlines() if line.startswith("xinqiao: ")]
    assert said == ["xinqiao: words/: push.concern_came must use exactly these placeholders: number, unit"]
    assert "Traceback" not in ended.stderr
