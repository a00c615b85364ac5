"""The school's settings: config.toml and the environment, typed, refused early. See config.example.toml."""

from bot.settings.load import load_settings
from bot.settings.sections import OfficialAccount, Settings, WeCom
from bot.settings.values import SAMPLE, WeeklyTime

__all__ = ["SAMPLE", "OfficialAccount", "Settings", "WeCom", "WeeklyTime", "load_settings"]
