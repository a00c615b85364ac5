"""Reading what a person typed: numbers in every spelling, picks from a list, plain words. No state, no database."""

import re
import unicodedata
from collections.abc import Sequence

_DIGITS = {c: i for i, c in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2, "俩": 2}
_CIRCLED = {chr(0x2460 + i): i + 1 for i in range(20)}
_NOISE = re.compile(r"[\s,.;:!?、，。；：！？~～…·'\"“”‘’()（）\[\]【】<>《》「」-]+")
_PICK_FRAME = re.compile(r"^(?:我?选(?:择)?|第|回复|打开|我要|要)?(.+?)(?:个|项|号|吧|呢|啊|哦|的|选项)*$")
_SPLIT = re.compile(r"[\s,.;、，。；/／|+&和与跟及还有]+")


def plain(text: str) -> str:
    """One spelling of what was typed: full-width forms folded, blanks and marks removed, lower case."""
    return _NOISE.sub("", folded(text)).casefold()


def folded(text: str) -> str:
    """Full-width forms and circled numbers as plain ones; the blanks stay. Never fails, whatever the text."""
    return unicodedata.normalize("NFKC", text).strip()


def chinese_number(text: str) -> int | None:
    """「四十一」 → 41, 「一百零二」 → 102; None when it is no number below 10,000."""
    total = part = 0
    seen = False
    for c in text:
        if c in _DIGITS:
            part = part * 10 + _DIGITS[c] if part and not total else _DIGITS[c]
            seen = True
        elif c in "十百千":
            total += (part or 1) * {"十": 10, "百": 100, "千": 1000}[c]
            part, seen = 0, True
        else:
            return None
    return total + part if seen else None


def whole_number(text: str) -> int | None:
    """The number a short answer means: 「41」「４１人」「四十一」「41.」; None when there is none or more than one."""
    text = folded(text)
    found = re.findall(r"\d+", text)
    if len(found) == 1 and len(found[0]) <= 6:  # noqa: PLR2004 — no count of people is longer
        rest = _NOISE.sub("", text.replace(found[0], ""))
        return int(found[0]) if len(rest) <= 4 and not any(c in _DIGITS for c in rest) else None  # noqa: PLR2004
    if found:
        return None
    bare = _NOISE.sub("", text).rstrip("人个位名")
    return chinese_number(bare) if bare else None


def pick(text: str, count: int) -> int | None:
    """Which of `count` options a number means, from 0: 「2」「２、」「选2」「第二个」「②」; None when it is no such number."""
    if len(text) > 20:  # noqa: PLR2004 — a longer text is a sentence, not a choice
        return None
    bare = _NOISE.sub("", folded(text))
    frame = _PICK_FRAME.match(bare)
    core = frame.group(1) if frame else bare
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
    hits = {at: max((len(word) for word in words if len(word) > 1 and word in said), default=0) for at, words in enumerate(known)}
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
