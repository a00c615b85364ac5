"""Reading what a person typed: numbers in every spelling, picks from a list, plain words. No state, no database."""

import re
import unicodedata
from collections.abc import Sequence

_DIGITS = {c: i for i, c in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2, "俩": 2}
_UNITS = {"十": 10, "百": 100, "千": 1000}
# Blanks and marks; also what nobody sees: zero-width characters, and what makes a digit a keycap.
_NOISE = re.compile(
    r"[\s,.;:!?、，。；：！？~～…·'\"“”‘’()（）\[\]【】<>《》「」–—\-\u200b-\u200f\u2060\ufeff\ufe0f\u20e3]+"
)
_PICK_FRAME = re.compile(r"^(我?选(?:择)?|第|回复|打开|我要|要)?(.+?)((?:个|项|号|吧|呢|啊|哦|的|选项)*)$")
_RANGE = re.compile(r"\d\s*[-~～–—到至]\s*\d")
_DENIED = re.compile(r"[不没非别未]|[-\u2212]\s*\d")
_SPLIT = re.compile(r"[\s,.;、，。；/／|+&和与跟及还有]+")


def plain(text: str) -> str:
    """One spelling of what was typed: full-width forms folded, blanks and marks removed, lower case."""
    return _NOISE.sub("", folded(text)).casefold()


def folded(text: str) -> str:
    """Full-width forms and circled numbers as plain ones; the blanks stay. Never fails, whatever the text."""
    return unicodedata.normalize("NFKC", text).strip()


def chinese_number(text: str) -> int | None:
    """「四十一」 → 41, 「一百零二」 → 102, 「一百二」 → 120; None when it is none below 10,000, or only about one (「两三」)."""
    if "十" not in text and "百" not in text and "千" not in text:
        return _digit_by_digit(text)
    total, unit, gap = 0, 10_000, False
    part: int | None = None
    for c in text:
        if c in _UNITS and _UNITS[c] < unit and (part is not None or (c == "十" and not gap)):
            unit = _UNITS[c]
            total += (part or 1) * unit
            part, gap = None, False
        elif c in _DIGITS and part is None:
            gap = gap or not _DIGITS[c]
            part = _DIGITS[c] or None
        else:
            return None
    if part is None:
        return None if gap else total
    return total + part * (1 if gap else unit // 10)


def _digit_by_digit(text: str) -> int | None:
    """「三」, 「二零」; 「两三」 is about two or three, and no number."""
    if not text or any(c not in _DIGITS for c in text) or (len(text) > 1 and not {"零", "〇"} & set(text)):
        return None
    return int("".join(str(_DIGITS[c]) for c in text[:5]))


def whole_number(text: str) -> int | None:
    """The number a short answer means: 「41」「４１人」「四十一」「41.」; None when there is none or more than one."""
    text = folded(text)
    found = re.findall(r"\d+", text)
    if _DENIED.search(text):
        return None
    if len(found) == 1 and len(found[0]) <= 6:  # noqa: PLR2004 — no count of people is longer
        rest = _NOISE.sub("", text.replace(found[0], ""))
        return int(found[0]) if len(rest) <= 4 and not any(c in _DIGITS for c in rest) else None  # noqa: PLR2004
    if found:
        return None
    bare = _NOISE.sub("", text).rstrip("人个位名")
    return chinese_number(bare) if bare else None


def pick(text: str, count: int) -> int | None:
    """Which of `count` options a number means, from 0: 「2」「２、」「选2」「第二个」「②」; None when it is no such number."""
    bare = _NOISE.sub("", folded(text))
    frame = _PICK_FRAME.match(bare) if len(bare) <= 20 else None  # noqa: PLR2004 — a longer text is a sentence, not a choice
    if frame is None or (frame[1] is None and "个" in frame[3]):
        return None  # 「两个」 is how many, 「第二个」 is which
    core = frame[2]
    number = int(core) if core.isdecimal() and len(core) <= 4 else chinese_number(core)  # noqa: PLR2004
    if number is None or not 1 <= number <= count:
        return None
    return number - 1


def match(text: str, labels: Sequence[Sequence[str]]) -> int | None:
    """Which option a text names: exactly its label or a synonym, else the one whose words alone it contains."""
    said = plain(text)
    if not said:
        return None
    known = [[plain(word) for word in words] for words in labels]
    for at, words in enumerate(known):
        if said in words:
            return at
    if len(said) > 30:  # noqa: PLR2004 — inside a long text a label proves nothing
        return None
    hits = {
        at: max((len(word) for word in words if len(word) > 1 and word in said), default=0)
        for at, words in enumerate(known)
    }
    longest = max(hits.values(), default=0)
    named = [at for at, size in hits.items() if size and size == longest]
    # 「不用发送」 contains 「发送」 and means the opposite: a denied label is no answer.
    if len(named) == 1 and not re.search(r"不|没|别|未", said.replace(_longest(known[named[0]], said), "")):
        return named[0]
    return None


def _longest(words: Sequence[str], said: str) -> str:
    return max((word for word in words if word in said), key=len)


def picks(text: str, labels: Sequence[Sequence[str]]) -> list[int] | None:
    """Which options a text names: 「1 3」「1，3」「13」「学习和家庭」「都有」; None when any part is unclear."""
    said = plain(text)
    if _RANGE.search(folded(text)):
        return None
    if said in {"全部", "都有", "全选", "所有", "都是", "全都有", "都"}:
        return list(range(len(labels)))
    if said.isdecimal() and len(labels) <= 9 and len(said) > 1:  # noqa: PLR2004 — one digit an option
        parts = list(said)
    else:
        parts = [part for part in _SPLIT.split(folded(text)) if part]
    found: set[int] = set()
    for part in parts:
        at = pick(part, len(labels))
        at = match(part, labels) if at is None else at
        if at is None:
            return None
        found.add(at)
    return sorted(found) or None
