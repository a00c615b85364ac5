"""Step 0: does a message call for help? A pure function over the text, before any I/O.

It grades nobody; it only calls a person.
"""

from enum import StrEnum

from handlers.dialogue.reading import plain

CALLS = frozenset({"0", "紧急", "110", "120", "sos"})
WORDS = ("救命", "自杀", "不想活")


class Safety(StrEnum):
    """What a message asks for."""

    NO = "no"
    CALL = "call"  # 0, 紧急, 110 or 120 as the whole message
    WORDS = "words"  # a safety word anywhere in it


def look(text: str) -> Safety:
    """What a text asks for, wherever in it."""
    said = plain(text)
    if said in CALLS:
        return Safety.CALL
    return Safety.WORDS if any(word in said for word in WORDS) else Safety.NO


def is_number(text: str) -> bool:
    """Whether a call is also a number that an open number question may take (0, 110, 120)."""
    return plain(text).isdecimal()
