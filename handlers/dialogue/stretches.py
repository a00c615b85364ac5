"""Questions that a counselor may answer with a time in their own words: 「周四下午关掉」, 「2 3」 or 「下周三下午」.

What names no time is no answer: a start word stays one, and a doubt is asked about, never guessed.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from handlers.dialogue.question import Heard, OneOf, Options, Question, Read, Turned, Unclear
from handlers.dialogue.reading import folded, pick, picks, plain
from handlers.when.meaning import Doubt, When
from handlers.when.reading import read_when

if TYPE_CHECKING:
    from handlers.dialogue.talk import Talk

SAID = "said:"
_LEAVE = re.compile(r"请.{0,3}假|休.{0,2}假|病假|事假|出差|开会|外出|不在")
_CLOSE = re.compile(r"关|停|不开|不约|取消|休息|不上班|不接")
_OPEN = re.compile(r"加开|增开|开放|打开|加|开(?!始)|增|可以约|能约")
_WEEKLY = re.compile(r"每(?:个|周|天|星期|逢)|以后都")
_A_DAY = re.compile(r"\d{1,2}\s*[号日]")
_LONGEST = 60


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of time and what is to become of it: open, close, leave; "" when that was not said. Aware, local.

    `weekly`: it was said of every week, which is not decided in chat.
    """

    start: datetime
    end: datetime
    verb: str = ""
    weekly: bool = False


def when_said(text: str, talk: "Talk") -> When | Doubt | None:
    """The time that a text names, in the school's."""
    policy = talk.policy.booking
    if len(text) > _LONGEST:
        return None
    now = talk.now.astimezone(policy.zone)
    return read_when(text, now=now, periods=policy.periods, terms=policy.terms)


_VERBS = (("leave", _LEAVE), ("close", _CLOSE), ("open", _OPEN))


def read_stretch(text: str, talk: "Talk") -> Stretch | Doubt | None:
    """The stretch that a text names; a moment stands for one session.

    The verb is taken out before the time is read: of a wish, 「周四不开」 would be a time that does not suit.
    """
    said = folded(text)
    verb = next((name for name, sign in _VERBS if sign.search(said)), "")
    if _WEEKLY.search(said):
        return Stretch(talk.now, talk.now, verb, weekly=True)
    for _, sign in _VERBS:
        said = sign.sub(" ", said)
    when = when_said(said, talk)
    if not isinstance(when, When):
        return when
    end = when.end if when.end > when.start else when.start + talk.policy.booking.session
    return Stretch(when.start, end, verb)


class StretchOf(Question[Stretch]):
    """A stretch of time, in words."""

    kind = "stretch"

    @override
    def read(self, heard: Heard, options: Options, talk: "Talk") -> Read | Unclear:
        if not heard.is_text:
            return Unclear("media")
        found = read_stretch(heard.text, talk)
        if isinstance(found, Doubt):
            return Unclear(f"when_{found.why.value}")
        if found is None:
            return Unclear("stretch")
        return Read([found.start.isoformat(), found.end.isoformat(), found.verb, found.weekly])

    @override
    def from_json(self, value: Any) -> Stretch:
        return Stretch(datetime.fromisoformat(value[0]), datetime.fromisoformat(value[1]), value[2], value[3])


class OneOfOrTime(OneOf):
    """One of the options of the moment, or a sentence with a time in it, which comes as `said:` and the sentence."""

    kind = "one_of_or_time"

    @override
    def read(self, heard: Heard, options: Options, talk: "Talk") -> Read | Unclear | Turned:
        found = super().read(heard, options, talk)
        if isinstance(found, Unclear) and heard.is_text and read_stretch(heard.text, talk) is not None:
            return Read(f"{SAID}{heard.text.strip()}")
        return found


class UpToThree(Question[list[str]]):
    """Some of the options of the moment, three at most, or a time in words: then one value, `said:` and the sentence.

    「2号」 may be the second of the times shown, and the second of the month: it is asked about.
    """

    kind = "up_to_three"
    most = 3

    @override
    def options(self, talk: "Talk", values: dict[str, Any]) -> Options:
        return [[str(value), str(label)] for value, label in values["options"]]

    @override
    def read(self, heard: Heard, options: Options, talk: "Talk") -> Read | Unclear:
        if not heard.is_text:
            return Unclear("media")
        said = folded(heard.text)
        named = next((value for value, label in options if plain(label) == plain(said)), None)
        if named is not None:
            return Read([named])
        if _A_DAY.fullmatch(said) and pick(said, len(options)) is not None:
            return Unclear("number_or_day")
        found = None if _A_DAY.search(said) else picks(heard.text, [[label] for _, label in options])
        if found is not None:
            return Read([options[at][0] for at in found]) if len(found) <= self.most else Unclear("three_at_most")
        when = when_said(heard.text, talk)
        if isinstance(when, Doubt):
            return Unclear(f"when_{when.why.value}")
        return Unclear("several") if when is None else Read([f"{SAID}{heard.text.strip()}"])

    @override
    def from_json(self, value: Any) -> list[str]:
        return [str(each) for each in value]
