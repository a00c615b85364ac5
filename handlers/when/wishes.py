"""Reading a whole wish out of a message: when, how soon, how, about what, with whom. What is refused is no wish."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from handlers.when.meaning import Doubt, When, Why
from handlers.when.reading import read_when
from handlers.when.school import DEFAULT_PERIODS, AnyLesson, AnyTerm
from handlers.when.spelling import plain_spelling
from handlers.when.wish_words import ANYTIME, DENIED_AFTER, DENIED_BEFORE, HASTE, MODES, SAME, SOMEBODY, TITLE, TOPICS
from models.booking.choices import Mode, Topic

_HASTE, _ANYTIME = re.compile(HASTE), re.compile(ANYTIME)
_ABOUT_SOMEBODY = re.compile(SOMEBODY)
_MODES = re.compile("|".join(f"(?P<{mode.name if mode else 'NONE'}>{words})" for mode, words in MODES.items()))
_TOPICS = {topic: re.compile(words) for topic, words in TOPICS.items()}
_SAME = re.compile(
    rf"(?:{SAME})[^,]{{0,6}}?(?:{SOMEBODY})|还是(?:那|原来|上次|之前)[^,]{{0,3}}(?:老师|位|个)|还(?:约|找|要)(?:上次|之前|原来)|同一[位个]老师"
)
_ANOTHER = re.compile(r"换(?:个|一?位|一个)?(?:别的)?(?:老师|咨询师)")
_REFUSED_PERSON = re.compile(r"(?:不要|不想|别|换|不是|除了|不约)[^,]{0,4}$")
_TWO_SURNAMES = ("欧阳", "司马", "上官", "诸葛", "司徒", "东方", "皇甫", "尉迟", "公孙", "慕容", "令狐", "夏侯")


@dataclass(frozen=True)
class Wish:
    """All that one message asks for.

    `time`: None when nothing about time was said. `counselor`: an id. `counselors`: ids when a name fits several of them.
    `unknown_counselor`: a name as it was typed that fits nobody, 「陈老师」.
    """

    time: When | Doubt | None = None
    soonest: bool = False
    mode: Mode | None = None
    counselor: str | None = None
    counselors: tuple[str, ...] = ()
    unknown_counselor: str | None = None
    same_counselor: bool = False
    topic: Topic | None = None


def read_wish(
    text: str,
    *,
    now: datetime,
    periods: Sequence[AnyLesson] = DEFAULT_PERIODS,
    terms: Sequence[AnyTerm] = (),
    counselors: Sequence[tuple[str, str]] = (),
) -> Wish:
    """Everything a message wishes for. `counselors`: id and full name of those who may be asked for."""
    when = read_when(text, now=now, periods=periods, terms=terms)
    plain = plain_spelling(text)
    named = _counselors(plain, counselors)
    soonest = _is_soonest(plain, when)
    return Wish(
        time=None if soonest and _is_open(when) else when,
        soonest=soonest,
        mode=_mode(plain),
        counselor=named[0] if len(named) == 1 else None,
        counselors=tuple(named) if len(named) > 1 else (),
        unknown_counselor=None if named else _unknown(plain, counselors),
        same_counselor=not _ANOTHER.search(plain)
        and any(not _REFUSED_PERSON.search(plain[: it.start()]) for it in _SAME.finditer(plain)),
        topic=_topic(plain),
    )


def _is_soonest(plain: str, when: When | Doubt | None) -> bool:
    """Haste counts beside a time too; 「都行」 only alone, and not when it is about the counselor or the way."""
    if any(not _is_denied(plain, it) for it in _HASTE.finditer(plain)):
        return True
    if when is not None and not _is_open(when):
        return False
    clauses = [clause for clause in plain.split(",") if _ANYTIME.search(clause)]
    return any(not _MODES.search(clause) and not _about_whom(clause) and "除" not in clause for clause in clauses)


def _is_open(when: When | Doubt | None) -> bool:
    """「哪天都行」 names a time and none in particular."""
    return isinstance(when, Doubt) and when.why is Why.VAGUE and not when.candidates


def _about_whom(clause: str) -> bool:
    return _ABOUT_SOMEBODY.search(clause) is not None and re.search(r"看老师|老师安排|听老师|老师定", clause) is None


def _is_denied(plain: str, it: re.Match[str]) -> bool:
    """「不要电话」, 「电话不行」: within the clause, close by."""
    return bool(DENIED_BEFORE.search(plain[: it.start()]) or DENIED_AFTER.search(plain[it.end() :]))


def _mode(plain: str) -> Mode | None:
    """The one way that is asked for; None for two of them."""
    found = {it.lastgroup for it in _MODES.finditer(plain) if it.lastgroup != "NONE" and not _is_denied(plain, it)}
    return Mode[str(found.pop())] if len(found) == 1 else None


def _topic(plain: str) -> Topic | None:
    """The topic named first; mood only when it is the only one, and 「说不清」 before all."""
    found: dict[Topic, int] = {}
    for topic, words in _TOPICS.items():
        places = [it.start() for it in words.finditer(plain) if not re.search(r"不是[^,]{0,3}$", plain[: it.start()])]
        if places:
            found[topic] = places[0]
    if Topic.UNSURE in found:
        return Topic.UNSURE
    if len(found) > 1:
        found.pop(Topic.MOOD, None)
    return min(found, key=lambda topic: found[topic], default=None)


def _surname(name: str) -> str:
    return name[:2] if name.startswith(_TWO_SURNAMES) else name[:1]


def _counselors(plain: str, counselors: Sequence[tuple[str, str]]) -> list[str]:
    """Who is asked for: by full name, by given name or surname with a title, 「小王老师」."""
    for called in (_by_name, _by_title):
        found = [who for who, name in counselors if _is_asked(plain, called(plain_spelling(name)))]
        if found:
            return found
    return []


def _by_name(name: str) -> str:
    given = name[len(_surname(name)) :]
    return rf"{re.escape(name)}|{re.escape(given)}{TITLE}" if given else re.escape(name) + TITLE


def _by_title(name: str) -> str:
    surname = re.escape(_surname(name))
    before = r"(?<![上下这本一两几每\d])" if surname == "周" else ""
    return rf"{before}[小老阿大]?{surname}{TITLE}"


def _is_asked(plain: str, called: str) -> bool:
    return any(not _person_denied(plain, it) for it in re.finditer(called, plain))


def _person_denied(plain: str, it: re.Match[str]) -> bool:
    return bool(
        DENIED_BEFORE.search(plain[: it.start()])
        or re.match(r"(?:就?不要|除外|以外|就?算了|不行|不想)", plain[it.end() :])
    )


_CALLING = "约找想和跟请要是让"
_A_NAME = re.compile(rf"(?:(?<=[{_CALLING},])|^)([小老]?(?:(?![{_CALLING}])[\u4e00-\u9fff]){{1,3}})(?:老师|咨询师)")
_NO_NAME = re.compile(
    r"上次|之前|原来|以前|那|这|哪|个|位|心理|咨询|的|任|都|换|女|男|什么|同|辅导|我|你|您|他|她|和|跟|请|想|问|谢|好|各|有|没|是|就|看|听|给|让|其他|别|专业|值班|新|老师|周[一二三四五六日]|天|午|上|点|约|找|要"
)


def _unknown(plain: str, counselors: Sequence[tuple[str, str]]) -> str | None:
    if not counselors:
        return None
    for it in _A_NAME.finditer(plain):
        if (
            not _NO_NAME.search(it[1])
            and not _person_denied(plain, it)
            and not any(_surname(plain_spelling(name)) in it[1] for _, name in counselors)
        ):
            return it[0]
    return None
