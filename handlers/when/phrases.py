"""Words about time, put together into phrases: 「下周三下午三点」 is one, 「周三或周五」 are two; some denied, some corrected."""

import re
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import pairwise

from handlers.when.clues import BigBreak, Clock, Day, Later, Lessons, Mark, Part, Token, Two, Unclear
from handlers.when.meaning import Why

# What may stand between two words of one phrase without saying anything.
_FILLER = re.compile(
    r"[,\s的吧呢啊呀哦嘛吗了哈噢嗯额那就也我你您老师大概左右差不多可能要想希望是在去来过或者约预个当天这一下时候时间段点钟整都有没空课看再还请麻烦帮你好谢]+"
)
_NEAR = 4  # characters between 「不是」 and what it denies
_MUCH = 2  # characters that tell of something else


class Joint(Enum):
    """How a phrase hangs on the one before it."""

    NONE = auto()
    STOP = auto()
    OR = auto()
    RANGE = auto()
    FIX = auto()
    BETTER = auto()


@dataclass
class Phrase:
    """What was said about one time."""

    start: int
    end: int
    clause: int
    joint: Joint = Joint.NONE
    day: Day = field(default_factory=Day)
    part: Part | None = None
    clock: Clock | None = None
    lessons: Lessons | BigBreak | None = None
    later: Later | None = None
    two: Two | None = None
    bound: Mark | None = None
    every: bool = False
    denied: bool = False
    closed: bool = False
    wanted: bool = False
    told: bool = False
    spoilt: Why | None = None

    def has_day(self) -> bool:
        """Whether any day was named."""
        return bool(self.day.said())

    def has_hour(self) -> bool:
        """Whether any time of day was named."""
        return any((self.part, self.clock, self.lessons, self.later, self.two))

    def take(self, clue: object) -> bool:
        """Add a word if it goes with what is there."""
        match clue:
            case Day() if self.day.fits(clue) and not self.later:
                self.day = self.day.plus(clue)
            case Part() if self.part is None and not (self.clock and self.clock.exact):
                self.part = clue
            case Clock() if self.clock is None and self.lessons is None:
                self.clock = clue
            case Lessons() | BigBreak() if self.lessons is None and self.clock is None:
                self.lessons = clue
            case Later() if not self.has_hour() and not self.has_day():
                self.later = clue
            case Two() if self.two is None and self.clock is None and self.lessons is None:
                self._take_two(clue)
            case _:
                return False
        return True

    def _take_two(self, two: Two) -> None:
        """「周三3.30」 is a time, 「12.5」 before anything else is kept open."""
        named = self.day.said() - {"weekday"}
        if two.may_be_clock and (named or self.part or (self.day.weekday is not None and two.first > 12)):  # noqa: PLR2004
            self.clock = Clock(two.first, two.second, exact=two.first > 12)  # noqa: PLR2004
        else:
            self.two = two


@dataclass
class Said:
    """All phrases of a text, and what about time was said that is no phrase."""

    phrases: list[Phrase]
    unclear: list[Why]


def put_together(text: str, tokens: list[Token]) -> Said:
    """Phrases in the order in which they were typed."""
    it = _Reader(text)
    for at, token in enumerate(tokens):
        it.read(token, next((it for it in tokens[at + 1 :] if it.word is not Mark.WANT), None))
    _tell_wishes_from_stories(text, it.phrases, tokens)
    return Said(it.phrases, it.unclear)


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self.phrases: list[Phrase] = []
        self.unclear: list[Why] = []
        self._joint = Joint.NONE
        self._joint_at = 0
        self._clause = 0
        self._ahead: Mark | None = None  # 「最晚」, 「从」: bounds the next phrase
        self._ahead_at = 0
        self._not_at: int | None = None
        self._every_at: int | None = None
        self._spoilt_at: int | None = None
        self._spoilt_why: Why | None = None

    def read(self, token: Token, following: Token | None) -> None:
        match token.word:
            case Unclear():
                self._unclear(token, token.word)
            case Mark():
                self._mark(token, token.word, following)
            case _:
                self._clue(token)

    def _unclear(self, token: Token, word: Unclear) -> None:
        self.unclear.append(word.why)
        if not word.spoils:
            return
        self._spoilt_at, self._spoilt_why = token.end, word.why
        if self.phrases and not self._text[self.phrases[-1].end : token.start].strip("的("):
            self.phrases[-1].spoilt = word.why

    def _clue(self, token: Token) -> None:
        last = self.phrases[-1] if self.phrases else None
        if last and self._goes_on(last, token) and last.take(token.word):
            last.end = token.end
            return
        joint = self._joint
        between = _FILLER.sub("", self._text[self._joint_at : token.start])
        if (joint is Joint.RANGE and token.start > self._joint_at) or (joint is Joint.OR and len(between) >= _MUCH):
            joint = Joint.NONE  # 「今天和室友吵架了」
        new = Phrase(token.start, token.end, self._clause, joint if last else Joint.NONE)
        new.take(token.word)
        new.denied = self._is_denied(last, new)
        if self._ahead and token.start - self._ahead_at <= _NEAR:
            new.bound = self._ahead
        new.every = self._every_at is not None and token.start - self._every_at <= 1
        if self._spoilt_at is not None and not self._text[self._spoilt_at : token.start].strip("的"):
            new.spoilt = self._spoilt_why
        self._ahead = None
        self._joint = Joint.NONE
        self.phrases.append(new)

    def _goes_on(self, last: Phrase, token: Token) -> bool:
        if self._joint is not Joint.NONE or last.closed or last.clause != self._clause:
            return False
        between = _FILLER.sub("", self._text[last.end : token.start])
        if last.bound in {Mark.BEFORE, Mark.AFTER} and token.start > last.end:
            return False
        return len(between) < _MUCH or not last.day.is_past()

    def _is_denied(self, last: Phrase | None, new: Phrase) -> bool:
        first = last is None or (self._not_at is not None and last.start < self._not_at)
        if self._not_at is not None and first and new.start - self._not_at <= _NEAR:
            return True
        # 「不要周三和周四」 denies both.
        chained = last is not None and last.denied and not last.closed and last.clause == self._clause
        if not chained or last is None or self._not_at is None:
            return False
        return not _FILLER_BUT_IS.sub("", self._text[last.end : new.start])

    def _mark(self, token: Token, mark: Mark, following: Token | None) -> None:  # noqa: C901 — a table of marks
        last = self.phrases[-1] if self.phrases else None
        near = last is not None and not _FILLER_OF_BOUND.sub("", self._text[last.end : token.start])
        match mark:
            case Mark.STOP:
                self._stop()
            case Mark.WANT if self._time_follows(token, following):
                if self._not_at is None or token.start > self._not_at + 1:
                    self._stop()
            case Mark.OR | Mark.RANGE | Mark.FIX:
                self._join(token, mark)
            case Mark.BETTER if self._time_follows(token, following):
                self._join(token, Mark.BETTER)
            case Mark.BEFORE | Mark.AFTER | Mark.ONWARD if near and last:
                last.bound = last.bound if last.bound is Mark.LATEST else mark
                last.end = token.end
            case Mark.BEFORE_THAT if last:
                last.bound, last.closed, last.denied = Mark.BEFORE, True, False
            case Mark.BETWEEN if near and last and last.joint is Joint.OR:
                last.joint = Joint.RANGE
            case Mark.LATEST | Mark.FROM:
                self._ahead, self._ahead_at = mark, token.end
            case Mark.EVERY:
                self._every_at = token.end
            case Mark.NOT | Mark.NO | Mark.NOT_OR_NO | Mark.YES:
                self._judge(token, mark, following)
            case _:
                pass

    def _judge(self, token: Token, mark: Mark, following: Token | None) -> None:
        """Deny what stands before or behind, or close what is agreed to."""
        follows = self._time_follows(token, following)
        if mark is Mark.NOT or (mark is Mark.NOT_OR_NO and follows):
            self._close()
            self._not_at = token.end
        elif mark is Mark.YES:
            self._close()
            self._not_at = None
        else:
            self._deny(token)

    def _time_follows(self, token: Token, following: Token | None) -> bool:
        return (
            following is not None
            and not isinstance(following.word, Mark | Unclear)
            and following.start - token.end <= _NEAR
        )

    def _stop(self) -> None:
        if self._joint is Joint.NONE:
            self._joint = Joint.STOP
        self._clause += 1
        self._not_at = None

    def _join(self, token: Token, mark: Mark) -> None:
        if not self.phrases:
            return
        joint = {Mark.OR: Joint.OR, Mark.RANGE: Joint.RANGE, Mark.FIX: Joint.FIX, Mark.BETTER: Joint.BETTER}[mark]
        if joint is Joint.RANGE and token.start > self.phrases[-1].end:
            return
        if joint in {Joint.FIX, Joint.BETTER} or self._joint is not Joint.FIX:
            self._joint, self._joint_at = joint, token.end

    def _close(self) -> None:
        for it in self.phrases:
            it.closed = True

    def _deny(self, token: Token) -> None:
        """「周三不行」: what was said in this clause and not yet judged; 「周三下午，不行」: in the one before."""
        here = [it for it in self.phrases if not it.closed and it.clause == self._clause]
        if not here and self.phrases and not self.phrases[-1].closed:
            last = self.phrases[-1]
            if not _FILLER.sub("", self._text[last.end : token.start]):
                here = [it for it in self.phrases if not it.closed and it.clause == last.clause]
        for it in here:
            it.denied = True
        self._close()


_FILLER_BUT_IS = re.compile(r"[,、\s的和跟或者与及到]+")
_FILLER_OF_BOUND = re.compile(r"[\s的左右那天大概吧]+")
_STORY_FILLER = re.compile(
    r"(?:你好|您好|嗯|哦|噢|呃|额|老师好|老师|请问|麻烦|谢谢|好的|可以|方便|时间|大概|左右|我|你|您|的|吧|呢|啊|呀|吗|嘛|了|想|要|约|预约|一个|一下|在|是|行|来|去|有空|没课|没事|都|也|就|那|哈|能|咨询|心理|聊聊|聊|谈|过来|过去|看|请|帮|给|还|有|个|好|希望|比较|会|应该|最好|线[上下]|电话|视频|语音|当面|面对面|面谈|腾讯会议|办公室|[\u4e00-\u9fff](?=老师))"
)
_WISH = re.compile(r"约|可以|行|有空|空|没课|没事|方便|来|过去|吧|见|聊|谈|咨询|时间|吗|能|换|改|OK|ok|都")


def _tell_wishes_from_stories(text: str, phrases: list[Phrase], tokens: list[Token]) -> None:
    """「今天和室友吵架了，想约周三」: 今天 stands in a clause that tells something and wishes nothing."""
    ends = sorted({0, len(text), *_clause_ends(tokens)})
    for it in phrases:
        start = max(end for end in ends if end <= it.start)
        end = min((end for end in ends if end >= it.end), default=len(text))
        clause = text[start:end]
        rest = _STORY_FILLER.sub("", "".join(_outside(text, start, end, tokens)))
        it.wanted = bool(_WISH.search(clause)) or it.joint in {Joint.OR, Joint.RANGE}
        it.told = not it.wanted and (len(rest) >= _MUCH or rest == "家")
    for before, it in pairwise(phrases):
        if it.joint in {Joint.OR, Joint.RANGE}:
            before.told = it.told = before.told and it.told


def _clause_ends(tokens: list[Token]) -> list[int]:
    return [it.start for it in tokens if it.word in {Mark.STOP, Mark.WANT}]


def _outside(text: str, start: int, end: int, tokens: list[Token]) -> list[str]:
    """What a clause says beside its words about time."""
    rest, at = [], start
    for it in tokens:
        if start <= it.start < end:
            rest.append(text[at : it.start])
            at = max(at, it.end)
    return [*rest, text[at:end]]
