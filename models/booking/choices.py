"""What somebody who books may choose, for those who read words and know no tables."""

from enum import StrEnum


class Mode(StrEnum):
    """How they talk (D-22)."""

    IN_PERSON = "in_person"
    PHONE = "phone"
    ONLINE = "online"


class Topic(StrEnum):
    """What it may be about, as the student says it; never shown to anybody but the counselor."""

    STUDY = "study"
    LIFE = "life"
    RELATIONS = "relations"
    FAMILY = "family"
    LOVE = "love"
    MOOD = "mood"
    SLEEP = "sleep"
    WORK = "work"
    UNSURE = "unsure"
