"""「我的数据」: what is stored about the asker, what they are told of, and the way out. Rules: domain L-12, L-20."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from handlers.dialogue.conversation import BOUND, conversation
from handlers.dialogue.question import Among, Choice, OneOf
from handlers.dialogue.steps import Dialogue, ask, once, remember, tell
from handlers.dialogue.talk import Talk
from models.binding import unbind
from models.booking.consent import withdraw_and_leave
from models.card import has_cards, leave_cards, try_cards
from models.channel import Channel
from models.mute import may_mute, muted, toggle
from models.outbox import PushKind
from models.own_data import own_data

CARDS, DONE = "cards", "done"


class Then(StrEnum):
    """What to do."""

    FINE = "fine"
    PUSHES = "pushes"
    UNBIND = "unbind"
    WITHDRAW = "withdraw"


class Sure(StrEnum):
    """Whether to really unbind."""

    KEEP = "keep"
    UNBIND = "unbind"


THEN = Among("my_data.then", Then)
PUSHES = OneOf("my_data.pushes")
SURE = Choice("my_data.sure", Sure)


@conversation("my_data", start=["我的数据"], who=BOUND, light=True)
def my_data(talk: Talk) -> Dialogue:
    """Say what is stored; choose what to be told of, or unbind, if the person wishes."""
    shown = yield from remember("data", lambda: own_data(talk.session, talk.actor, now=talk.now))
    roles = [talk.words.role(role) for role in shown.pop("roles")] or [talk.words("my_data.no_role")]
    booking = shown.pop("booking")
    lines = "".join(f"\n· {talk.words(key, **values)}" for key, values in _of_booking(talk, booking))
    only = [each.value for each in Then if each is not Then.WITHDRAW or booking["given"]]
    then = yield from ask(THEN, roles=roles, booking=lines, only=only, **shown)
    if then is Then.FINE:
        return talk.say("my_data.done")
    if then is Then.PUSHES:
        return (yield from pushes(talk))
    if then is Then.WITHDRAW:
        waited = yield from once("withdraw", lambda: _withdraw(talk))
        return talk.say("my_data.withdrawn_and_left" if waited else "my_data.withdrawn")
    if (yield from ask(SURE)) is Sure.KEEP:
        return talk.say("my_data.kept")
    yield from once("unbind", lambda: unbind(talk.session, talk.actor, now=talk.now))
    return talk.say("my_data.unbound")


def _of_booking(talk: Talk, known: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """What is said of bookings, the list and the consent; nothing of what there never was."""
    said: list[tuple[str, dict[str, Any]]] = []
    if known["booked"] or known["looked"]:
        last = talk.words("my_data.last_look", at=datetime.fromisoformat(known["last"])) if known["last"] else ""
        said.append(("my_data.booked", {"booked": known["booked"], "looked": known["looked"], "last": last}))
    if known["waited"]:
        said.append(("my_data.waited", {"waited": known["waited"]}))
    if known["given"]:
        given = datetime.fromisoformat(known["given"])
        said.append(("my_data.agreed", {"given": given, "version": known["version"]}))
    return said


def _withdraw(talk: Talk) -> bool:
    return withdraw_and_leave(talk.session, talk.actor, policy=talk.policy.booking, now=talk.now)


def pushes(talk: Talk) -> Dialogue:
    """Mute and unmute kinds, and choose cards or texts, until it is as the person likes it."""
    while True:
        options = yield from remember("options", lambda: _options(talk))
        if not options:
            return talk.say("my_data.nothing_to_mute")
        which = yield from ask(PUSHES, options=[*options, [DONE, talk.words("my_data.pushes.done")]])
        if which == DONE:
            return talk.say("my_data.pushes_done")
        if which == CARDS:
            on = yield from once("cards", lambda: _change_cards(talk))
            yield from tell("my_data.cards_tried" if on else "my_data.cards_left")
        else:
            off = yield from once("mute", lambda which=which: _toggle(talk, which))  # type: ignore[misc]
            yield from tell("my_data.muted" if off else "my_data.unmuted", kind=talk.words(f"my_data.kind.{which}"))


def _options(talk: Talk) -> list[list[str]]:
    """Each kind that can be muted, with how it is now; on WeCom also whether cards come."""
    words, off = talk.words, muted(talk.session, talk.actor)
    options = [
        [
            kind.value,
            words(f"my_data.pushes.{'off' if kind in off else 'on'}", kind=words(f"my_data.kind.{kind.value}")),
        ]
        for kind in may_mute(talk.session, talk.actor)
    ]
    if talk.actor.channel is Channel.WECOM:
        key = "cards_on" if has_cards(talk.session, talk.actor) else "cards_off"
        options.append([CARDS, words(f"my_data.pushes.{key}")])
    return options


def _toggle(talk: Talk, which: str) -> bool:
    return toggle(talk.session, talk.actor, PushKind(which), now=talk.now)


def _change_cards(talk: Talk) -> bool:
    """Texts again, or one card to see whether it is seen; returns whether it was the latter."""
    if has_cards(talk.session, talk.actor):
        leave_cards(talk.session, talk.actor)
        return False
    try_cards(talk.session, talk.actor, now=talk.now)
    return True
