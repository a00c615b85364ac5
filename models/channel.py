"""The two platforms a person can be met on."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Channel(StrEnum):
    """A platform; the value is what the database, the metrics and the door's address carry."""

    OFFICIAL_ACCOUNT = "official_account"
    WECOM = "wecom"


ACCOUNT_NAMES: Mapping[Channel, str] = MappingProxyType({Channel.OFFICIAL_ACCOUNT: "微信", Channel.WECOM: "企业微信"})
"""What people call the account that they have on it: whoever follows the official account does it with their WeChat."""
