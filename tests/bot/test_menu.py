"""`xinqiao menu push`: one file for both platforms, checked before anything is sent; a tap says its word."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.commanding import CommandRefusedError
from bot.menu import FILE, known_words, push_menu, read_menu
from bot.sandbox.faults import FaultKind
from bot.sandbox.platform import Platform
from bot.sandbox.swift import serving
from bot.settings import Settings, load_settings
from handlers.dialogue.reading import plain
from models.channel import Channel
from models.errors import SettingsError
from tests.conftest import KEY
from tests.workers.office import new_platform
from tests.world import write_settings


@pytest.fixture
def platform() -> Platform:
    """Both platforms."""
    return new_platform()


@pytest.fixture
def settings(platform: Platform, tmp_path: Path) -> Iterator[Settings]:
    """A config whose platforms are these."""
    with serving(platform) as address:
        yield load_settings(write_settings(tmp_path, f"sqlite:///{tmp_path}/none.db", KEY, api=address))


def own(settings: Settings, text: str) -> None:
    (settings.folder / FILE).write_text(text, "utf-8")


def test_both_platforms_get_our_menu(
    settings: Settings, platform: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    push_menu(settings)

    menus = [platform.official.menu, platform.wecom.menu]
    for menu, name in zip(menus, ("约谈", "工作"), strict=True):
        assert menu is not None
        assert [button["name"] for button in menu["button"]] == [name, "我的", "找人帮忙"]
        assert menu["button"][2] == {"type": "click", "name": "找人帮忙", "key": "紧急"}
    first, second = ([item["key"] for item in menu["button"][0]["sub_button"]] for menu in menus if menu)
    assert first == ["预约", "我的预约", "帮同学约", "有事"]
    assert second == ["看小结", "进度", "值班", "待办", "有事"]
    created = [row for row in platform.log if row["api"].endswith("menu/create")]
    assert len(created) == 2
    assert capsys.readouterr().out.count("菜单换好了") == 2


@pytest.mark.parametrize("channel", list(Channel))
def test_every_tap_of_our_menu_starts_something(settings: Settings, channel: Channel) -> None:
    menu = read_menu(settings)

    taps = [item for button, subs in menu.of(channel) for item in subs or [button]]
    assert taps
    assert {plain(tap.word) for tap in taps} <= set(known_words())


def test_a_schools_own_menu_takes_its_place(settings: Settings, platform: Platform) -> None:
    own(
        settings,
        '[[button]]\nname = "中心"\nurl = "https://x.example/心理"\n[[button]]\nname = "说说"\non = ["wecom"]\nword = "有事"',
    )

    push_menu(settings)

    assert platform.official.menu == {"button": [{"type": "view", "name": "中心", "url": "https://x.example/心理"}]}
    assert platform.wecom.menu is not None
    assert [button["name"] for button in platform.wecom.menu["button"]] == ["中心", "说说"]


BUTTON = '[[button]]\nname = "{name}"\n{rest}\n'
SUB = '{{ name = "{name}", word = "有事" }}'


def button(rest: str, name: str = "一个") -> str:
    return BUTTON.format(name=name, rest=rest)


def subs(*names: str) -> str:
    return f"sub = [{', '.join(SUB.format(name=name) for name in names)}]"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (button('word = "有事"') * 4, "1 to 3"),
        ("button = []", "1 to 3"),
        (button('word = "有事"', "这个名字太长了"), "at most 16 bytes, 5 Chinese"),
        (button(subs("这个名字在企业微信里实在是太长了吧")), "on wecom: at most 40 bytes"),
        (button(subs(*"一二三四五六")), "at most 5"),
        (button('word = "预约咨询"'), "starts nothing: use one of"),
        (button(subs("一") + '\nword = "有事"'), "keep one of them"),
        (button(""), "needs either word or url"),
        (button('url = "ftp://x"'), "https://"),
        (button(f'url = "https://x/{"a" * 1024}"'), "1024"),
        (button('word = "有事"\non = ["wecom"]'), "0 buttons on official_account"),
        (button('word = "有事"\ncolour = "red"'), "button.0.colour"),
        ("[[button]", "not valid TOML"),
    ],
)
def test_a_menu_that_does_not_fit_is_refused_before_anything_is_sent(
    settings: Settings, platform: Platform, text: str, says: str
) -> None:
    own(settings, text)

    with pytest.raises(SettingsError, match=says) as caught:
        push_menu(settings)

    assert FILE in str(caught.value)
    assert "\n" not in str(caught.value)
    assert platform.log == []


def test_a_platform_that_refuses_is_told_and_the_other_has_its_menu(
    settings: Settings, platform: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    platform.faults.order("menu/create", FaultKind.ERRCODE, count=1, errcode=48001)

    with pytest.raises(CommandRefusedError):
        push_menu(settings)

    said = capsys.readouterr()
    assert "errcode 48001" in said.err
    assert said.out.count("菜单换好了") == 1
    assert (platform.official.menu is None) != (platform.wecom.menu is None)


def test_without_a_platform_there_is_no_menu(settings: Settings) -> None:
    path = settings.folder / "config.toml"
    text = path.read_text("utf-8")
    start, end = text.index("[official_account]"), text.index("[duty]")
    path.write_text(text[:start] + text[end:], "utf-8")

    with pytest.raises(CommandRefusedError, match="都没开"):
        push_menu(load_settings(path))
