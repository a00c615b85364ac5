"""The list of conversations and their words: what is on it, and the mistakes that stop a start-up."""

import ast
import inspect
import textwrap
from enum import StrEnum
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

import handlers.chat
import models
from bot.policy import make_policy, make_words
from bot.settings import load_settings
from handlers.chat.conversations import CONVERSATIONS
from handlers.dialogue.conversation import BOUND, EVERYBODY, GLOBAL_WORDS, STAFF, Conversation, Registry, conversation
from handlers.dialogue.question import Choice, FreeText, Question
from handlers.dialogue.reading import plain
from handlers.dialogue.steps import ask
from handlers.words.catalogue import Words, _check_form, _placeholders
from models.errors import SettingsError
from models.post import Role
from tests.conftest import KEY
from tests.handlers.small import NOTE, SENTENCES, SmallWords
from tests.world import write_settings

ALWAYS = {"school": "测试学院", "phones": "急救 120"} | {f"role_{role.value}": role.value for role in Role}


REFUSALS = {"NotFoundError", "WrongStateError", "RefusedError"}


class Two(StrEnum):
    """Something to choose from."""

    ONE = "one"
    OTHER = "other"


def words(**more: str | list[str]) -> Words:
    """The sentences of this version, and some of the test's own."""
    return SmallWords(**more)


def declared(
    source: str = "", *, name: str = "small", start: tuple[str, ...] = ("小事",), **questions: Question[Any]
) -> Conversation:
    """A conversation in a file of its own: questions above, the script below."""
    scope: dict[str, Any] = {"ask": ask, "__name__": f"file_of_{name}", "NOTE": NOTE, **questions}
    code = f"def script(talk):\n    note = yield from ask(NOTE)\n    {source or 'pass'}\n    return talk.say('small.done')\n"
    exec(textwrap.dedent(code), scope)  # noqa: S102 — a module without a file
    return conversation(name, start=start, who=BOUND)(scope["script"])


# ── the visible list ────────────────────────────────────────────────────────────────────────────────────────────


def test_start_words_roles_and_order_are_one_visible_list() -> None:
    listed = []
    for each in CONVERSATIONS:
        who = each.who if isinstance(each.who, str) else getattr(each.who, "__name__", None)
        if isinstance(each.who, frozenset):
            who = "、".join(sorted(ALWAYS[f"role_{role}"] for role in each.who))
        listed.append(f"{' '.join(each.start) or '-'} | {each.name} | {who}")
    print("\n".join(listed))  # noqa: T201 — `pytest -s` shows it

    assert [(each.start, each.name) for each in CONVERSATIONS] == [
        (("预约",), "booking"),
        (("我的预约",), "my_appointments"),
        (("改时间",), "change_time"),
        (("取消预约", "来不了"), "cancel_appointment"),
        (("我会来",), "coming"),
        (("要",), "take_offer"),
        (("继续等",), "wait_on"),
        (("聊得怎么样",), "feedback"),
        (("帮同学约",), "for_a_friend"),
        (("值班",), "desk"),
        (("待办",), "tasks"),
        (("建议改期",), "proposing"),
        (("加开",), "open_hours"),
        (("请假",), "on_leave"),
        (("周报", "小结"), "class_checkin"),
        (("宿舍",), "dorm_checkin"),
        (("有事",), "concern"),
        (("看小结",), "summaries"),
        (("进度",), "progress"),
        (("我的数据",), "my_data"),
        (("绑定",), "binding"),
        (("换绑",), "rebinding"),
        ((), "urgent"),
    ]
    assert {each.name: each.who for each in CONVERSATIONS if isinstance(each.who, str)} == {
        **dict.fromkeys(("booking", "my_appointments", "change_time", "cancel_appointment", "coming"), BOUND),
        **dict.fromkeys(("take_offer", "wait_on", "feedback", "for_a_friend"), BOUND),
        "concern": BOUND,
        "summaries": STAFF,
        "my_data": BOUND,
        "binding": EVERYBODY,
        "rebinding": BOUND,
        "urgent": EVERYBODY,
    }


def test_the_real_conversations_start_up(tmp_path: Path) -> None:
    settings = load_settings(write_settings(tmp_path, "sqlite:///x.db", KEY))
    policy = make_policy(settings)

    registry = Registry(CONVERSATIONS, make_words(settings, policy))

    assert registry.started_by(" 周报。") is registry.by_name["class_checkin"]
    assert registry.started_by("周报吧") is None


def test_every_conversation_of_the_folder_is_on_the_list() -> None:
    folder = Path(inspect.getfile(handlers.chat)).parent
    named = {each.name for each in CONVERSATIONS}

    for file in folder.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "conversation":
                assert ast.literal_eval(node.args[0]) in named, file.name


# ── mistakes in a declaration ───────────────────────────────────────────────────────────────────────────────────


def test_two_of_one_name_stop_the_start_up() -> None:
    with pytest.raises(SettingsError, match="two conversations are named small"):
        Registry([declared(), declared(start=("别的",))], words())


@pytest.mark.parametrize("second", ["小事", "小 事", "小事。"])
def test_two_claiming_one_start_word_stop_the_start_up(second: str) -> None:
    with pytest.raises(SettingsError, match="other and small both start with"):
        Registry([declared(), declared(name="other", start=(second,))], words(other__title="别的"))


@pytest.mark.parametrize("word", [word for each in GLOBAL_WORDS.values() for word in each])
def test_a_start_word_that_is_a_global_word_stops_the_start_up(word: str) -> None:
    with pytest.raises(SettingsError, match="which is a global word"):
        Registry([declared(start=(word,))], words())


@pytest.mark.parametrize("missing", ["small.title", "small.note.ask", "small.done"])
def test_a_missing_sentence_stops_the_start_up(missing: str) -> None:
    some = words()
    del some._sentences[missing]

    with pytest.raises(SettingsError, match=f"small needs the sentence {missing}"):
        Registry([declared()], some)


def test_a_sentence_that_only_one_branch_says_is_looked_for_too() -> None:
    with pytest.raises(SettingsError, match=r"small needs the sentence small\.never\.said"):
        Registry([declared("(lambda: talk.say('small.never.said') if note == '' else None)()")], words())


@pytest.mark.parametrize("missing", ["small.two.ask", "small.two.one", "small.two.other"])
def test_a_missing_option_stops_the_start_up(missing: str) -> None:
    sentences = {"small.two.ask": "哪个？", "small.two.one": "这个", "small.two.other": "那个"}
    some = words(**{key.replace(".", "__"): text for key, text in sentences.items() if key != missing})

    with pytest.raises(SettingsError, match=f"needs the sentence {missing}"):
        Registry([declared(TWO=Choice("small.two", Two))], some)


@pytest.mark.parametrize("label", ["取消", "返 回", "帮助。", "紧急", "０", "查看", "菜单"])
def test_an_option_named_like_a_global_word_stops_the_start_up(label: str) -> None:
    some = words(small__two__ask="哪个？", small__two__one="这个", small__two__other=label)

    with pytest.raises(SettingsError, match=r"small\.two has an option named .+, which is a global word"):
        Registry([declared(TWO=Choice("small.two", Two))], some)


def test_two_options_of_one_name_stop_the_start_up() -> None:
    some = words(small__two__ask="哪个？", small__two__one="这个", small__two__other="这 个")

    with pytest.raises(SettingsError, match="has two options named"):
        Registry([declared(TWO=Choice("small.two", Two))], some)


def test_two_different_questions_of_one_name_stop_the_start_up() -> None:
    some = words(other__title="别的", small__two__ask="哪个？", small__two__one="这个", small__two__other="那个")
    one, other = (
        declared(TWO=Choice("small.two", Two)),
        declared(name="other", start=("别的",), TWO=FreeText("small.two")),
    )

    with pytest.raises(SettingsError, match=r"two questions are named small\.two"):
        Registry([one, other], some)


def test_a_question_that_two_conversations_share_is_fine() -> None:
    shared = FreeText("small.extra")

    one, other = declared(EXTRA=shared), declared(name="other", start=("别的",), EXTRA=shared)

    registry = Registry([one, other], words(other__title="别的"))

    assert registry.questions["small.extra"] is shared


# ── the sentences ───────────────────────────────────────────────────────────────────────────────────────────────


def test_every_refusal_of_the_models_has_its_sentence() -> None:
    known = Words(ZoneInfo("Asia/Shanghai"), ALWAYS)
    folder = Path(inspect.getfile(models)).parent
    raised = {"errors.not_found"}
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in REFUSALS:
                raised |= {ast.literal_eval(arg) for arg in node.args[:1]}

    assert len(raised) > 3
    assert {key for key in raised if key not in known} == set()


def test_no_two_options_of_a_question_share_a_word() -> None:
    some = Words(ZoneInfo("Asia/Shanghai"), ALWAYS)
    for question in {question.key: question for each in CONVERSATIONS for question in each.questions}.values():
        key = question.key
        said = [
            plain(word)
            for member in getattr(question, "members", [])
            for word in {some(f"{key}.{member.value}"), *some.also(f"{key}.also.{member.value}")}
        ]
        assert [word for word in said if said.count(word) > 1] == [], key


def test_no_synonym_is_a_global_word() -> None:
    some = Words(ZoneInfo("Asia/Shanghai"), ALWAYS)
    globals_ = {plain(word) for each in GLOBAL_WORDS.values() for word in each}
    synonyms = {plain(word) for key in some._sentences if ".also." in key for word in some.also(key)}

    assert synonyms & globals_ == set()


# ── a school's own words ────────────────────────────────────────────────────────────────────────────────────────


def reworded(folder: Path, text: str) -> Words:
    """The sentences with a school's `words/own.toml`."""
    own = folder / "words"
    own.mkdir()
    (own / "own.toml").write_text(text, "utf-8")
    return Words(ZoneInfo("Asia/Shanghai"), ALWAYS, own)


def test_a_school_rewords_a_sentence(tmp_path: Path) -> None:
    some = reworded(tmp_path, '[class_checkin.count]\nask = "{members} 人的班，{present} 在、{leave} 不在，对吗？"')

    assert some("class_checkin.count.ask", members=5, present=4, leave=1) == "5 人的班，4 在、1 不在，对吗？"
    assert some("class_checkin.count.right") == "对得上"


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ('[class_checkin.count]\nask = "对吗？"', "class_checkin.count.ask must use exactly these placeholders: leave, members"),
        ('[class_checkin.count]\nask = "{members}{present}{leave}{name}"', "must use exactly these placeholders"),
        ('[class_checkin.count]\nask = "{members}{present}{leave.real}"', "must use exactly these placeholders"),
        ('[class_checkin.count]\nask = "{members}{present}{leave}{}"', "class_checkin.count.ask"),
        ('[class_checkin.count]\nask = "{members}{present}{leave}{0}"', "class_checkin.count.ask"),
        ('[class_checkin.count]\nask = "{members:>9999}{present}{leave}"', "class_checkin.count.ask has a broken placeholder"),
        ('[class_checkin.count]\nask = "{members!r}{present}{leave}"', "class_checkin.count.ask has a broken placeholder"),
        ('[class_checkin.count]\nask = "{members}{present}{leave"', "class_checkin.count.ask has a broken placeholder"),
        ('[class_checkin.count]\nright = "对{x}"', "must use exactly these placeholders: none"),
        ('[class_checkin.count]\nwrong = "不对"', "class_checkin.count.wrong is no sentence of this version; take it out"),
        ("[dialogue]\nway_out = []", "dialogue.way_out"),
        ('[dialogue]\nway_out = "一句"', "dialogue.way_out"),
        ('[class_checkin.count]\nright = ["对", "是"]', "class_checkin.count.right"),
        ('[class_checkin.count]\nright = ""', "class_checkin.count.right"),
        ('[class_checkin.count]\nright = " "', "class_checkin.count.right"),
        ("[class_checkin\nx = 1", "words/own.toml: not valid TOML"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_schools_words_stops_the_start_up(tmp_path: Path, text: str, mistake: str) -> None:
    with pytest.raises(SettingsError) as error:
        reworded(tmp_path, text)

    assert mistake in str(error.value)
    assert "\n" not in str(error.value)


def test_a_schools_words_are_read_as_windows_saves_them(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_bytes('[my_data]\ntitle = "我的"'.encode("utf-8-sig"))

    assert Words(ZoneInfo("Asia/Shanghai"), ALWAYS, tmp_path)("my_data.title") == "我的"


def test_a_schools_words_in_another_encoding_stop_the_start_up(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_bytes('[my_data]\ntitle = "我的"'.encode("gbk"))

    with pytest.raises(SettingsError, match=r"words/own\.toml is not UTF-8"):
        Words(ZoneInfo("Asia/Shanghai"), ALWAYS, tmp_path)


def test_every_default_sentence_could_stand_in_a_schools_file() -> None:
    some = Words(ZoneInfo("Asia/Shanghai"), ALWAYS)

    for key, sentence in some._sentences.items():
        _check_form(key, sentence, sentence)
        _placeholders(key, sentence)


def test_a_school_may_take_synonyms_away(tmp_path: Path) -> None:
    some = reworded(tmp_path, "[class_checkin.count]\nalso.right = []")

    assert some.also("class_checkin.count.also.right") == []


def test_a_school_cannot_name_an_option_like_a_global_word(tmp_path: Path) -> None:
    some = reworded(tmp_path, '[class_checkin.count]\nright = "返回"')

    with pytest.raises(SettingsError, match="which is a global word"):
        Registry(CONVERSATIONS, some)


def test_what_the_small_conversations_say_is_not_in_the_wheel() -> None:
    some = Words(ZoneInfo("Asia/Shanghai"), ALWAYS)

    assert [key for key in SENTENCES if key in some] == []
