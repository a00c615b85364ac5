"""The two platforms a person can be met on."""

from enum import StrEnum


class Channel(StrEnum):
    """A platform; the value is what the database, the metrics and the door's address carry."""

    OFFICIAL_ACCOUNT = "official_account"
    WECOM = "wecom"
