"""Every sentence: short enough, kind, whole, and used. Rules: domain 6, "Rules for every text"; platform, reply limits."""

import ast
import itertools
import json
import re
import string
import tomllib
from functools import cache
from importlib.resources import files
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from handlers.chat.conversations import CONVERSATIONS
from handlers.dialogue.conversation import GLOBAL_WORDS
from handlers.dialogue.reading import plain
from handlers.words.catalogue import Words
from models.errors import SettingsError
from models.mute import GOES_TO, GOES_TO_COUNSELORS
from models.outbox import KINDS, MUTABLE, Button, PushKind
from models.round import RoundKind
from tests.stories.cast import without_links
from tests.stories.stage import QUESTIONS, Stage, Talker
from tests.world import World

ROOT = Path(__file__).parents[2]
REPLY = 2000
PUSH = 600
SHORT_PUSH = 20
BUTTON = 10
COLD = ("异常", "问题学生", "患者", "排查", "上报", "精神病", "不正常", "必须", "违规", "非法", "错误")
"""No verdicts, no orders, no machine's words."""

OPERATORS = {"roster", "pushes", "backup", "restore", "menu", "keys", "supply_sheet"}
"""Tables that are read at a terminal, not in a chat."""


@cache
def tables() -> dict[str, str | list[str]]:
    """Every sentence of the files, by key."""
    found: dict[str, str | list[str]] = {}

    def flatten(prefix: str, table: dict[str, object]) -> None:
        for name, value in table.items():
            if isinstance(value, dict):
                flatten(f"{prefix}{name}.", value)
            else:
                found[f"{prefix}{name}"] = value  # type: ignore[assignment]

    for item in files("handlers.words").iterdir():
        if item.name.endswith(".toml"):
            flatten("", tomllib.loads(item.read_text("utf-8")))
    return found


SENTENCES = {key: value for key, value in tables().items() if key.split(".")[0] not in OPERATORS}
NAME = re.compile(r"[a-z][a-z_]*")
LINE = 130


def parts(key: str) -> list[str]:
    """A sentence, or all of a list's."""
    value = SENTENCES[key]
    return value if isinstance(value, list) else [value]


def placeholders(sentence: str) -> set[str]:
    """The names in braces."""
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name is not None}


# ── what is said ────────────────────────────────────────────────────────────────────────────────────────────────


def each() -> list[tuple[str, str]]:
    """Every sentence with its key; those of a list one by one, and no synonyms: nobody reads them."""
    return [(key, part) for key in SENTENCES if ".also." not in key for part in parts(key)]


def test_no_sentence_judges_or_orders() -> None:
    assert [(key, word) for key, sentence in each() for word in COLD if word in sentence] == []


def test_every_placeholder_is_a_plain_name() -> None:
    strange = [(key, name) for key, sentence in each() for name in placeholders(sentence) if not NAME.fullmatch(name)]
    assert strange == []


def test_no_line_is_long_enough_to_lose_a_tired_reader() -> None:
    assert [(key, line) for key, sentence in each() for line in sentence.splitlines() if len(line) > LINE] == []


def test_marks_are_chinese_and_come_in_pairs() -> None:
    for key, sentence in each():
        bare = re.sub(r"\{[a-z_]+\}", "某", sentence)
        assert not re.search(r"[\u4e00-\u9fff][,;:?!]", bare), key
        assert bare.count("「") == bare.count("」"), key
        assert bare.count("（") == bare.count("）"), key
        assert not re.search(r"。。|，，|[ \t]$", bare.strip("\n")), key


def test_what_is_asked_again_never_sounds_the_same_twice() -> None:
    again = [key for key in SENTENCES if key.startswith("dialogue.unclear.") or key.endswith("way_out")]
    for key in again:
        sentences = parts(key)
        assert len(sentences) > 1, key
        assert all(one != other for one, other in itertools.pairwise([*sentences, sentences[0]])), key
        if key.endswith("way_out"):
            assert all("「取消」" in sentence or "「返回」" in sentence for sentence in sentences), key


def test_a_school_may_reword_any_sentence_and_must_keep_its_placeholders(tmp_path: Path) -> None:
    for key, value in SENTENCES.items():
        first, _, rest = key.partition(".")
        wrong = [f"{part} {{stranger}}" for part in value] if isinstance(value, list) else f"{value} {{stranger}}"
        (tmp_path / "ours.toml").write_text(f"[{first}]\n{rest} = {json.dumps(wrong, ensure_ascii=False)}\n", "utf-8")

        with pytest.raises(SettingsError) as caught:
            Words(ZoneInfo("Asia/Shanghai"), {}, tmp_path)
        assert key in str(caught.value)
        assert "stranger" not in str(caught.value)


def test_a_reworded_sentence_is_what_people_read(world: World) -> None:
    folder = world.settings.folder / "words"
    folder.mkdir()
    (folder / "ours.toml").write_text('[concern.about]\nask = "想聊聊谁的事呀？"\n', "utf-8")
    world.restart()

    assert world.phone("student").says("有事").startswith("想聊聊谁的事呀？\n1. 我自己")


# ── every sentence is used, and every word that the code asks for is there ──────────────────────────────────────


@cache
def mentioned() -> tuple[set[str], list[re.Pattern[str]]]:
    """Every text in the code that may be a sentence's key: constants, and patterns for those put together."""
    constants: set[str] = set()
    patterns: list[re.Pattern[str]] = []
    for room in ("handlers", "models", "workers", "bot"):
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    constants.add(node.value)
                elif isinstance(node, ast.JoinedStr):
                    pattern = "".join(_piece(value) for value in node.values)
                    if re.match(r"[a-z][a-z_]{2}", pattern) and "\\." in pattern:
                        patterns.append(re.compile(pattern))
    for path in (ROOT / "handlers").rglob("*.html"):
        for found in re.findall(r'words\("([a-z_.]+)"( ~)?', path.read_text("utf-8")):
            constants.add(found[0]) if not found[1] else patterns.append(re.compile(re.escape(found[0]) + "[a-z_]+"))
    return constants, patterns


def _piece(value: ast.expr) -> str:
    """A piece of a formatted text as a pattern."""
    return re.escape(str(value.value)) if isinstance(value, ast.Constant) else "[a-z_.]+"


def asked_for() -> set[str]:
    """Keys that questions and conversations need, by what they are."""
    questions = [question for it in CONVERSATIONS for question in it.questions]
    titles = {f"{it.name}.{what}" for it in CONVERSATIONS for what in ("title", "menu")}
    return {key for question in questions for key in question.sentences()} | titles


def test_every_sentence_is_said_somewhere() -> None:
    constants, patterns = mentioned()
    known = constants | asked_for() | {f"{it.name}.way_out" for it in CONVERSATIONS}
    silent = [
        key
        for key in SENTENCES
        if key.replace(".also.", ".") not in known and not any(pattern.fullmatch(key) for pattern in patterns)
    ]
    assert silent == []


# ── what is read ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("key", QUESTIONS)
def test_every_question_fits_a_reply_and_shows_its_options_one_a_line(stage: Stage, key: str) -> None:
    for route in stage.routes_to(key):
        with stage.at(route) as talker:
            entry = talker.frames[-1].open_question or {}
            reply = talker.says("帮助")

            assert len(reply.encode()) <= REPLY
            assert "{" not in reply.replace("{{", "")
            for at, (_, label) in enumerate(entry["o"], 1):
                assert f"\n{at}. {label}" in f"\n{reply}"
                assert plain(label) not in {plain(word) for words in GLOBAL_WORDS.values() for word in words}


@pytest.mark.parametrize("key", QUESTIONS)
def test_every_question_shows_a_way_out(stage: Stage, key: str) -> None:
    for route in stage.routes_to(key):
        with stage.at(route) as talker:
            assert talker.last.rstrip().endswith("）"), talker.last
            assert "急事回复 0" in talker.last or "先打电话" in talker.last


@pytest.mark.parametrize("key", QUESTIONS)
def test_every_answer_leads_to_a_reply_that_fits(stage: Stage, key: str) -> None:
    for route in stage.routes_to(key):
        with stage.at(route) as talker:
            asked = talker.open_question
            assert asked is not None
            for text in {*stage.answers(talker, asked[1]), "一句话" * 600}:
                reply, _ = talker.tries(text)
                assert reply.strip()
                assert len(reply.encode()) <= REPLY, text
                assert not re.search(r"\{[a-z_]+\}", reply), reply


def test_two_options_of_one_question_are_never_spelt_alike(stage: Stage) -> None:
    words = stage.world.words
    for question in stage.router.registry.questions.values():
        spellings: dict[str, str] = {}
        for member in getattr(question, "members", []):
            own = [words(f"{question.key}.{member.value}"), *words.also(f"{question.key}.also.{member.value}")]
            for spelling in map(plain, own):
                assert spelling
                assert spellings.setdefault(spelling, member.value) == member.value, (question.key, spelling)


def test_a_synonym_is_always_taken_for_its_own_option(stage: Stage) -> None:
    for key in QUESTIONS:
        for route in stage.routes_to(key)[:1]:
            with stage.at(route) as talker:
                for at, (value, _) in enumerate((talker.frames[-1].open_question or {})["o"], 1):
                    for spelling in stage.world.words.also(f"{key}.also.{value}"):
                        if plain(spelling) not in {"0", "自杀", "不想活"}:
                            assert without_links(talker.tries(spelling)) == without_links(talker.tries(str(at))), (
                                key,
                                spelling,
                            )


# ── pushes ──────────────────────────────────────────────────────────────────────────────────────────────────────

LONG = "网络与新媒体工程2023级本科一班"
DATA = {
    "unit": LONG, "units": f"{LONG}、{LONG}", "waiting": 12, "count": 40, "came": 38, "missing": 2, "who": "陈默老师",
    "when": "12月31日 周四 23:30", "before": "12月30日 周三 10:30", "until": "12月31日 周四 12:00", "day": "12月31日 周四",
    "answer": "都不合适，换一位老师", "platform": "企业微信",
    "title": "有件事想说", "word": "有事", "lines": "· 收到小结，回复「看小结」", "number": "7K3F",
}  # fmt: skip
SAID = [kind for kind in PushKind if kind not in {PushKind.CARD_CLOSED, PushKind.UNKNOWN}]
"""All but what only stands on a card's button, or is no kind of ours."""


@pytest.mark.parametrize("kind", SAID)
def test_every_push_is_neutral_short_and_says_what_next(school: World, kind: PushKind) -> None:
    text = school.words(f"push.{kind.value}", **DATA)

    assert len(text.encode()) <= PUSH
    assert "编号 7K3F" in text
    assert "回复「" in text or "xinqiao pushes" in text  # operators go to their terminal
    assert not re.search(r"^\s*\d+[.、]", text, re.MULTILINE)  # a bare number belongs to the open question
    for word in (*COLD, "心理", "关注", "自杀", "危机", "名字"):
        assert word not in text
    assert len(school.words(f"push.short.{kind.value}")) <= SHORT_PUSH


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_push_shows_no_more_than_its_kind_declares(kind: PushKind) -> None:
    for key in (KINDS[kind].words, KINDS[kind].short):
        assert placeholders(str(SENTENCES[key])) <= KINDS[kind].fields | {"number"}


def test_a_closed_card_says_by_whom_in_few_characters(school: World) -> None:
    assert school.words("push.card_closed", name="欧阳明日") == "欧阳明日老师已经看过了。"


@pytest.mark.parametrize("kind", SAID)
def test_the_word_that_a_push_names_starts_something(school: World, kind: PushKind) -> None:
    starts = {word for it in CONVERSATIONS for word in it.start} | set(GLOBAL_WORDS["waiting"])

    named = re.findall(r"回复「(.+?)」", school.words(f"push.{kind.value}", **DATA))
    assert set(named) <= starts
    assert named or kind is PushKind.STALLED


@pytest.mark.parametrize("button", list(Button))
def test_a_button_and_what_it_says_when_pressed_fit_a_card(school: World, button: Button) -> None:
    assert len(school.words(f"push.button.{button.value}")) <= BUTTON
    assert len(school.words(f"push.pressed.{button.value}")) <= BUTTON


def test_every_kind_that_can_be_muted_has_a_name(school: World) -> None:
    assert GOES_TO.keys() | GOES_TO_COUNSELORS == set(MUTABLE)
    names = [school.words(f"my_data.kind.{kind.value}") for kind in MUTABLE]
    assert len(set(names)) == len(names)


def test_every_word_that_a_sentence_tells_to_reply_means_something(stage: Stage) -> None:
    starts = {word for it in CONVERSATIONS for word in it.start}
    known = (
        starts
        | {word for words in GLOBAL_WORDS.values() for word in words}
        | {"1 3", "1 3 5", "1", "我自己", "周报", "更多"}
    )
    for key, value in SENTENCES.items():
        for sentence in value if isinstance(value, list) else [value]:
            for word in re.findall(r"回复「([^」{]+)」", sentence):
                assert word in known, (key, word)


def test_rounds_have_words_for_each_kind() -> None:
    for kind in RoundKind:
        for step in ("opened", "reminder"):
            assert f"push.{kind.value}_{step}" in SENTENCES


def test_a_reply_ends_with_what_happens_next(stage: Stage) -> None:
    """After something was sent, the reader knows who has it; after a call, who comes."""
    for who, texts, words in (
        ("committee", ("周报", "1", "1", "1", "1"), "已送到"),
        ("officer", ("宿舍", "1", "1"), "收到"),
        ("student", ("有事", "2", "班里的同学", "两天没来", "1", "1", "1", "1"), "已送到"),
        ("student", ("0", "2"), "请"),
    ):
        with stage.play(who) as talker:
            assert isinstance(talker, Talker)
            assert words in talker.talks(*texts)
