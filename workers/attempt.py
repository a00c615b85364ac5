"""One attempt at one message: which ways there are, each tried under the lease, and what that came to.

Nothing here holds a transaction while it waits for a platform. What the row must know if this process dies is written before
the request goes out: where a platform cannot tell a repeat, or is not the first that is asked, an attempt says that it was.
"""

import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from sqlmodel import Session

from models import clock
from models.contact import close_window, give_back_window, lose, use_window
from models.errors import CentreError, ChannelBusyError, ChannelRefusedError, ChannelUnsureError
from models.failpoint import hit
from models.outbox import (
    KINDS,
    AttemptOutcome,
    Button,
    Letter,
    Outcome,
    PushKind,
    PushState,
    Reason,
    Route,
    Try,
    Urgency,
    begin,
    drop_attempt,
    renew,
)
from models.policy import PushPolicy
from workers.clerk import Clerk
from workers.senders.codes import WINDOW_CLOSED
from workers.senders.parcel import Parcel, Sender, Target, Way

log = logging.getLogger(__name__)

REQUEST = timedelta(seconds=5)
"""All that one request may take; the lease holds for longer when it begins."""

PATIENCE = timedelta(seconds=10)
"""A platform that asks for more than this is not waited for when there is another way."""

JITTER = timedelta(minutes=1)
"""At most so much later than it must: a quota's reset may be hours away, and the expiry soon after it."""

ATTEMPTS = 6
RETRY_STEPS = tuple(timedelta(seconds=s) for s in (2, 5, 15, 60, 300))
SHUT = 0
"""Instead of an attempt's id: the window has closed meanwhile."""

LONGEST = 60
"""Characters of one value of a row that a message shows."""

MOST_LINES = 8
"""Of a digest; the rest is told by number and shown by 「查看」."""


class ClaimLostError(CentreError):
    """Another worker has the row now, or may take it at any moment: nothing more is sent for it here."""


@dataclass(frozen=True)
class Equipment:
    """What delivery is given by the wiring: the channels, the function that turns a sentence's key into words, the policy."""

    senders: Mapping[Route, Sender]
    words: Callable[..., str]
    policy: PushPolicy = field(default_factory=PushPolicy)


@dataclass
class Message:
    """A claimed letter with the targets it can go to. `held_until` is when this worker's claim ends, as far as it knows."""

    letter: Letter
    targets: Sequence[Target]
    held_until: datetime = field(init=False)

    def __post_init__(self) -> None:
        """The claim that came with the letter."""
        self.held_until = self.letter.lease_until


def attempt(it: Message, equipment: Equipment, clerk: Clerk, legs: Executor) -> Outcome | None:
    """Try every way until one is accepted, an urgent message over all channels at once; None when the claim was lost."""
    one = _Attempt(it, equipment, clerk, legs)
    try:
        return one.run()
    except ClaimLostError:
        log.info("a push is another worker's now", extra={"push": it.letter.id})
        return None
    except Exception:
        # A row that cannot be put into words must neither stop the others nor be tried for ever.
        log.exception("an attempt at a push failed", extra={"push": it.letter.id, "kind": it.letter.kind.value})
        return again(it.letter, "error", tries=one.tries)


def again(
    letter: Letter,
    code: str | None,
    *,
    channel: str | None = None,
    not_before: timedelta = timedelta(),
    asked: bool = True,
    tries: Sequence[Try] = (),
) -> Outcome:
    """The row waits for another attempt, or has had them all. What was only waited out uses up none."""
    wait = max(RETRY_STEPS[min(letter.attempts, len(RETRY_STEPS) - 1)], not_before)
    at = clock.now() + wait + min(wait / 4, JITTER) * random.random()
    if (asked and letter.attempts + 1 >= ATTEMPTS) or at >= letter.expires_at:
        return given_up(letter, Reason.GAVE_UP, channel=channel, code=code, tries=tries)
    return Outcome(letter, PushState.QUEUED, channel, None, code, again_at=at, tried=asked, tries=tries)


def given_up(
    letter: Letter, reason: Reason, *, channel: str | None = None, code: str | None = None, tries: Sequence[Try] = ()
) -> Outcome:
    """No way is left: the row ends undelivered, or uncertain when a request may have arrived. What is urgent is loud even so."""
    in_doubt = bool(letter.in_doubt) or any(it.outcome is AttemptOutcome.NO_ANSWER for it in tries)
    if in_doubt and letter.urgency is not Urgency.URGENT:
        return uncertain(letter, channel=channel, tries=tries)
    return exhausted(letter, reason, channel=channel, code=code, tries=tries)


def uncertain(
    letter: Letter, *, channel: str | None = None, way: str | None = None, tries: Sequence[Try] = ()
) -> Outcome:
    """The row ends, and nobody knows whether it arrived."""
    log.warning("nobody knows whether a push arrived", extra={"push": letter.id, "kind": letter.kind.value})
    code = AttemptOutcome.NO_ANSWER.value
    return Outcome(letter, PushState.UNCERTAIN, channel, way, code, Reason.ANSWER_LOST, tries=tries)


def exhausted(
    letter: Letter, reason: Reason, *, channel: str | None = None, code: str | None = None, tries: Sequence[Try] = ()
) -> Outcome:
    """The row ends undelivered, and somebody must look."""
    log.error(
        "a push could not be delivered",
        extra={"push": letter.id, "kind": letter.kind.value, "reason": reason.value, "code": code},
    )
    return Outcome(letter, PushState.EXHAUSTED, channel, None, code, reason, tries=tries)


@dataclass(frozen=True)
class _Go:
    """Leave for one request. `until` (`time.monotonic()`) is taken as the claim is looked at: whoever freezes after that is late.

    `attempt_id` is set where the attempt had to be written beforehand.
    """

    until: float
    attempt_id: int | None = None


def _deadline() -> float:
    return time.monotonic() + REQUEST.total_seconds()


@dataclass
class _Leg:
    """What became of one target."""

    tries: list[Try] = field(default_factory=list)
    accepted: Try | None = None
    unsure: Try | None = None  # nobody knows whether it arrived, and a repeat would not be noticed
    repeat: Try | None = None  # no answer, but the platform knows repeats: the same again
    busy: tuple[ChannelBusyError, Route] | None = None
    refused: Try | None = None
    waited: bool = False  # the last one was only waited out: no request went out
    untold: bool = False  # whoever held the row before may have sent it this way


class _Attempt:
    def __init__(self, it: Message, equipment: Equipment, clerk: Clerk, legs: Executor) -> None:
        self.message = it
        self.letter = it.letter
        self.equipment = equipment
        self.clerk = clerk
        self.executor = legs
        self.is_urgent = it.letter.urgency is Urgency.URGENT
        self._begun: list[_Leg] = []

    @property
    def tries(self) -> list[Try]:
        """Every request so far, also of a leg that broke off."""
        return [each for leg in self._begun for each in leg.tries]

    def run(self) -> Outcome:
        legs = self._at_once() if self.is_urgent else list(self._one_by_one())
        tries = self.tries
        letter = self.letter
        for leg in legs:
            if leg.accepted is not None:
                it = leg.accepted
                reason = Reason.IN_COUNT if letter.counted else Reason.IN_DIGEST if letter.carried else None
                return Outcome(letter, PushState.ACCEPTED, it.channel, it.way, "0", reason, tries=tries)
        repeat = next((leg.repeat for leg in legs if leg.repeat is not None), None)
        if repeat is not None:
            return again(letter, repeat.outcome.value, channel=repeat.channel, tries=tries)
        unsure = next((leg.unsure for leg in legs if leg.unsure is not None), None)
        if unsure is not None:
            return uncertain(letter, channel=unsure.channel, way=unsure.way, tries=tries)
        busy = [leg.busy for leg in legs if leg.busy is not None]
        if busy:
            error, route = min(busy, key=lambda each: each[0].retry_after)
            asked = any(each.asked for each, _ in busy)
            return again(
                letter, _text(error.code), channel=route.value, not_before=error.retry_after, asked=asked, tries=tries
            )
        refused = next((leg.refused for leg in reversed(legs) if leg.refused is not None), None)
        if refused is not None:
            return exhausted(letter, Reason.REFUSED, channel=refused.channel, code=refused.code, tries=tries)
        return given_up(letter, Reason.UNREACHABLE, tries=tries)

    def _targets(self) -> Iterator[tuple[Target, Sender]]:
        for target in self.message.targets:
            if (sender := self.equipment.senders.get(target.route)) is not None:
                yield target, sender

    def _one_by_one(self) -> Iterator[_Leg]:
        """Until one is accepted, may have been, or is worth a short wait: once, and the last time nothing is waited for.

        What may have arrived stays where it is: said again it is known there, and would be a second message anywhere else.
        """
        last = self.letter.attempts + 1 >= ATTEMPTS
        waited = {past.channel for past in self.letter.past if past.outcome is AttemptOutcome.BUSY}
        doubtful = {channel for channel, _ in self.letter.in_doubt}
        for target, sender in self._targets():
            if doubtful and target.route not in doubtful:
                continue
            leg = self._leg(target, sender)
            yield leg
            soon = leg.busy is not None and leg.busy[0].retry_after <= PATIENCE and target.route not in waited
            if leg.accepted or leg.unsure or leg.repeat or leg.untold or doubtful or (soon and not last):
                return

    def _at_once(self) -> list[_Leg]:
        targets = list(self._targets())
        flying = [self.executor.submit(self._leg, target, sender) for target, sender in targets[1:]]
        here: list[Callable[[], _Leg]] = [partial(self._leg, *first) for first in targets[:1]]
        legs: list[_Leg] = []
        trouble: Exception | None = None
        for landed in (*here, *(each.result for each in flying)):
            try:
                legs.append(landed())
            except Exception as error:  # noqa: BLE001 — what another channel took is taken
                trouble = error
        if trouble is not None and not any(leg.accepted for leg in legs):
            raise trouble
        return legs

    # ── one target ──────────────────────────────────────────────────────────────────────────────────────────

    def _leg(self, target: Target, sender: Sender) -> _Leg:
        leg = _Leg()
        self._begun.append(leg)
        for way in self._ways(target, sender):
            if self._is_over(target, way):
                continue
            if (lost := self._lost(target, way)) is not None:
                leg.unsure = lost
                if self.letter.went_untold:  # its sender could not write it down
                    leg.tries.append(lost)
                return leg
            go = self._take(target, way, is_first=leg is self._begun[0])
            if go.attempt_id == SHUT:
                continue
            it = self._try(leg, target, way, sender, go)
            if it.outcome is AttemptOutcome.BUSY and self._went_untold(leg, way):
                leg.untold = True  # written down now: the next request will be later than the one that nobody told of
                began = self.letter.paced_at or it.began_at
                leg.tries.append(replace(it, began_at=began, outcome=AttemptOutcome.NO_ANSWER, code=None))
            leg.tries.append(it)  # first of all: what was answered is kept whatever fails from here on
            if way.windowed and it.outcome is AttemptOutcome.BUSY:
                self._give_back(target)
            if leg.waited and self._knows(it):
                self._forget(go.attempt_id)
                leg.tries.remove(it)
            if self._ends(leg, it, way) or leg.untold:
                return leg
        return leg

    def _ways(self, target: Target, sender: Sender) -> Sequence[Way]:
        """What may have gone one way goes no other over the same channel; what is urgent may."""
        ways = sender.ways(self._parcel(target))
        doubtful = {way for channel, way in self.letter.in_doubt if channel == target.route}
        return ways if self.is_urgent or not doubtful else [way for way in ways if way.name in doubtful]

    def _went_untold(self, leg: _Leg, way: Way) -> bool:
        """Whether an earlier holder may have sent it this way: only the first channel's request is not written down before."""
        return self.letter.went_untold and way.repeatable and not self.is_urgent and leg is self._begun[0]

    def _ends(self, leg: _Leg, it: Try, way: Way) -> bool:
        """Note what a request came to; whether this target needs no other way."""
        match it.outcome:
            case AttemptOutcome.ACCEPTED:
                leg.accepted = it
                return True
            case AttemptOutcome.NO_ANSWER if way.repeatable or (self.is_urgent and not self._asked_before(it)):
                leg.repeat = it
                return True
            case AttemptOutcome.NO_ANSWER:
                leg.unsure = it
                return True
            case AttemptOutcome.REFUSED:
                leg.refused = it
                return False
            case _:
                return leg.busy is not None and leg.busy[0].retry_after <= PATIENCE and not self.is_urgent

    def _give_back(self, target: Target) -> None:
        """A platform that was busy, or was not reached, has not counted the message."""
        self.clerk(lambda session: give_back_window(session, target.contact_id or 0, target.window_until))

    def _knows(self, it: Try) -> bool:
        """Whether the last that is kept of this way is the same wait: a night without network is one line, not thousands."""
        kept = [past for past in self.letter.past if (past.channel, past.way) == (it.channel, it.way)]
        return bool(kept) and (kept[-1].outcome, kept[-1].code) == (it.outcome, it.code)

    def _forget(self, attempt_id: int | None) -> None:
        if attempt_id is not None:
            self.clerk(lambda session: drop_attempt(session, attempt_id))

    def _is_over(self, target: Target, way: Way) -> bool:
        """Whether this way has said no for good; a closed window may have opened since."""
        over = {AttemptOutcome.REFUSED, AttemptOutcome.FAILED}
        return any(
            past.channel == target.route and past.way == way.name and past.outcome in over
            for past in self.letter.past
            if past.code not in _WINDOW_CLOSED
        )

    def _asked_before(self, it: Try) -> bool:
        return any(
            self._was_lost(past.outcome)
            for past in self.letter.past
            if (past.channel, past.way) == (it.channel, it.way)
        )

    @staticmethod
    def _was_lost(outcome: AttemptOutcome) -> bool:
        return outcome in {AttemptOutcome.ASKED, AttemptOutcome.NO_ANSWER}

    def _lost(self, target: Target, way: Way) -> Try | None:
        """The answer that was lost here before and that the platform no longer knows of, unless it is worth asking once more.

        What is urgent is, once.
        """
        now = clock.now()
        lost = [
            past.began_at
            for past in self.letter.past
            if (past.channel, past.way) == (target.route, way.name) and self._was_lost(past.outcome)
        ]
        if way.repeatable:
            if self.letter.went_untold and self.letter.paced_at is not None:
                lost.append(self.letter.paced_at)
            lost = [at for at in lost if way.remembers is not None and now - at > way.remembers - REQUEST]
        if len(lost) <= int(self.is_urgent):
            return None
        return Try(target.route.value, way.name.value, lost[-1], now, AttemptOutcome.NO_ANSWER)

    def _take(self, target: Target, way: Way, *, is_first: bool) -> "_Go":
        """Make sure of the claim for the length of a request; `SHUT` when the person's window does not let this way through.

        A request that a platform could not tell from its repeat is written down beforehand, and so is one to a second channel:
        whoever comes next must know where the message may be.

        Raises: ClaimLostError.
        """
        hit("delivery.before_request")
        if way.repeatable and (is_first or self.is_urgent):
            return _Go(self._hold())
        now = clock.now()
        if way.windowed and not (
            target.window_left > 0 and target.window_until is not None and target.window_until > now
        ):
            return _Go(0.0, SHUT)
        letter = self.letter

        def write(session: Session) -> tuple[float, int | None]:
            until = _deadline()
            if way.windowed and not use_window(session, target.contact_id or 0, now=now):
                return until, SHUT
            return until, begin(session, letter, target.route.value, way.name.value, now=now, machine=clock.machine())

        until, attempt_id = self.clerk(write)
        if attempt_id is None:
            raise ClaimLostError
        hit("delivery.asked")
        return _Go(until, attempt_id)

    def _hold(self) -> float:
        """Make sure that the claim lasts for a request; returns by when that ends."""
        until = _deadline()
        if self.message.held_until - clock.machine() >= REQUEST:
            return until
        until, held = self.clerk(lambda session: (_deadline(), renew(session, self.letter, machine=clock.machine())))
        if held is None:
            raise ClaimLostError
        self.message.held_until = held
        return until

    def _try(self, leg: _Leg, target: Target, way: Way, sender: Sender, go: "_Go") -> Try:
        began = clock.now()
        outcome, code, handle = AttemptOutcome.ACCEPTED, "0", None
        leg.waited = False
        try:
            handle = way.send(go.until)
        except ChannelBusyError as error:
            outcome, code = AttemptOutcome.BUSY, _text(error.code) or ""
            leg.waited = not error.asked
            if leg.busy is None or error.retry_after < leg.busy[0].retry_after:
                leg.busy = (error, target.route)
        except ChannelRefusedError as error:
            outcome, code = AttemptOutcome.REFUSED, _text(error.code) or ""
            self._mark(target, sender, error.code, began)
        except ChannelUnsureError:
            outcome, code = AttemptOutcome.NO_ANSWER, ""
        except Exception:
            if way.repeatable:
                raise
            # It broke off nobody knows where: as one without answer.
            log.exception("a request for a push broke off", extra={"push": self.letter.id})
            outcome, code = AttemptOutcome.NO_ANSWER, ""
        else:
            hit("delivery.after_request")
        return Try(target.route.value, way.name.value, began, clock.now(), outcome, code or None, handle, go.attempt_id)

    def _mark(self, target: Target, sender: Sender, code: int | None, began: datetime) -> None:
        """A refusal that says something about the account is kept with it."""
        contact_id = target.contact_id
        if contact_id is None:
            return
        try:
            if code in WINDOW_CLOSED:
                self.clerk(lambda session: close_window(session, contact_id, target.window_until))
            elif sender.is_lost(code):
                self.clerk(lambda session: lose(session, contact_id, str(code), asked_at=began, now=clock.now()))
        except Exception:
            # The next refusal says the same; this one must not become an answer that was lost.
            log.exception("what a refusal says about an account was not kept", extra={"push": self.letter.id})

    # ── words ───────────────────────────────────────────────────────────────────────────────────────────────

    def _parcel(self, target: Target) -> Parcel:
        letter, words = self.letter, self.equipment.words
        kind = KINDS[letter.kind]
        shown, buttons = self._shown()
        level = "urgent" if self.is_urgent else "important"
        return Parcel(
            to=target,
            kind=shown,
            urgency=letter.urgency,
            text=self._text(shown),
            short=words(kind.short if shown is letter.kind else f"push.short.{shown.value}"),
            hint=words("push.short.digest"),
            title=words(f"push.title.{letter.urgency.value}"),
            notice=words("push.notice", level=words(f"push.level_{level}"), number=letter.number),
            number=letter.number,
            unit=_unit_of(letter) if shown is letter.kind else "",
            at=letter.due_at,
            dedupe=f"push-{letter.id}-{letter.number}",
            attempt=letter.attempts + 1,
            buttons=[(button, words(f"push.button.{button.value}")) for button in buttons],
            update=letter.update,
        )

    def _shown(self) -> tuple[PushKind, Sequence[Button]]:
        """The kind whose words the message has: its own, a digest's or a count's."""
        if self.letter.counted is not None:
            return PushKind.URGENT_COUNT, (Button.KNOWN,)
        if self.letter.carried:
            return PushKind.DIGEST, ()
        return self.letter.kind, KINDS[self.letter.kind].buttons

    def _text(self, shown: PushKind) -> str:
        letter, words = self.letter, self.equipment.words
        if shown is PushKind.URGENT_COUNT:
            return words("push.urgent_count", count=letter.counted, number=letter.number)
        if shown is PushKind.DIGEST:
            together = [letter, *letter.carried]
            lines = "\n".join(self._line(each) for each in together[:MOST_LINES])
            return words("push.digest", count=len(together), lines=lines, number=letter.number)
        kind = KINDS[letter.kind]
        return words(kind.words, **{name: _fit(letter.data[name]) for name in kind.fields}, number=letter.number)

    def _line(self, letter: Letter) -> str:
        words = self.equipment.words
        line = words(KINDS[letter.kind].short if letter.kind in KINDS else "push.short.digest")
        unit = _unit_of(letter)
        return words("push.digest_line_unit", unit=unit, line=line) if unit else words("push.digest_line", line=line)


def _unit_of(letter: Letter) -> str:
    """The unit that a push speaks of; "" when its kind may show none."""
    if letter.kind not in KINDS or "unit" not in KINDS[letter.kind].fields:
        return ""
    return str(_fit(letter.data.get("unit", "")))


def _fit(value: object) -> object:
    """A value, cut when no unit or name is so long: what to do next must not fall off the end of the message."""
    if isinstance(value, list):
        return [_fit(each) for each in value[:MOST_LINES]]
    return f"{value[: LONGEST - 1]}…" if isinstance(value, str) and len(value) > LONGEST else value


_WINDOW_CLOSED = frozenset(str(code) for code in WINDOW_CLOSED)


def _text(code: int | None) -> str | None:
    return None if code is None else str(code)
