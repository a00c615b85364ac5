"""Cards: pushes with buttons, which only WeCom has, and which its plug-in in WeChat hides. Rules: docs/rules.md#pushes.

A press comes by itself, twice, or days later; whoever presses changes only what is theirs.
"""

import json
import re
from datetime import datetime, timedelta
from enum import StrEnum

from sqlmodel import Session, select

from models.audit import Fact, record
from models.booking import pressing
from models.contact import Contact
from models.outbox import KINDS, Button, Push, PushKind, PushState, WayName, data_of, note_opened, plan, told_of
from models.person import Kind
from models.policy import BookingPolicy
from models.talk import Actor

LATER = timedelta(hours=1)
CAN_CHANGE = timedelta(hours=72)
"""For so long the platform lets a card say something else (fact sheet 3)."""

_TASK = re.compile(r"push-([0-9]{1,9})-([0-9A-Z]{4})")
"""How a push's card is named to the platform; a longer number is no id in any engine."""

_ITEM = re.compile(rf"(?P<task>{_TASK.pattern})-(?P<button>[a-z_]+)")
"""How a line of a push's message menu is named: its push, and the button."""


class Pressed(StrEnum):
    """What a pressed card says; the value is the last part of its sentence's key."""

    KNOWN = "known"
    LATER = "later"
    SEES_CARDS = "sees_cards"
    OVER = "over"


def press(
    session: Session, actor: Actor, task: str, key: str, *, policy: BookingPolicy, now: datetime
) -> Pressed | pressing.Came:
    """Somebody pressed a button of a card: act on it, and say what the card says from now on."""
    if actor.person_id is not None:
        note_opened(session, actor.person_id, now=now)
    it = _find(session, actor, task)
    button = _button(it, key) if it is not None else None
    if it is None or button is None or (it.expires_at <= now and button not in pressing.BUTTONS):
        return Pressed.OVER
    it.seen_at = it.seen_at or now
    session.add(it)
    record(session, Fact.CARD_PRESSED, actor.person, f"outbox:{it.id}", at=now, button=button.value)
    if button in pressing.BUTTONS:
        return pressing.press(session, actor, data_of(it.data), button, policy=policy, now=now)
    match button:
        case Button.KNOWN:
            _close_others(session, actor, it, now=now)
        case Button.LATER:
            _again_later(session, it, now=now)
        case Button.SEES_CARDS:
            _set_cards(session, actor, shown=True)
    return Pressed(button.value)


def tapped(session: Session, actor: Actor, item: str, *, now: datetime) -> pressing.Meant | None:
    """What a tapped line of a message menu spoke of; None when it was no line of a push of theirs about a booking."""
    found = _ITEM.fullmatch(item)
    it = _find(session, actor, found["task"]) if found is not None else None
    button = _button(it, found["button"]) if it is not None and found is not None else None
    if it is None or button not in pressing.BUTTONS:
        return None
    return pressing.meant_by(session, actor, data_of(it.data), button, now=now)


def _find(session: Session, actor: Actor, task: str) -> Push | None:
    """The push behind a card, if it was the presser's own."""
    found = _TASK.fullmatch(task)
    if found is None or actor.person_id is None:
        return None
    return session.exec(
        select(Push)
        .where(Push.id == int(found[1]), Push.number == found[2], Push.person_id == actor.person_id)
        .with_for_update()
    ).first()


def _button(it: Push, key: str) -> Button | None:
    """The button, if this card had it; a count's card has one whatever its kind."""
    rule = KINDS.get(it.kind)
    if rule is None:
        return None
    buttons = rule.buttons if it.counted is None else (Button.KNOWN,)
    return next((button for button in buttons if button.value == key), None)


def _close_others(session: Session, actor: Actor, it: Push, *, now: datetime) -> None:
    """Colleagues who were told the same see on their cards that somebody has; who it was is said of staff only."""
    if it.counted is not None or actor.kind is not Kind.STAFF:
        return
    for other in told_of(session, it.fact):
        if (
            other.person_id != it.person_id
            and other.kind is it.kind
            and other.way == WayName.CARD
            and other.state in {PushState.ACCEPTED, PushState.DELIVERED}
            and other.seen_at is None
            and other.counted is None
            and other.settled_at is not None
            and other.settled_at > now - CAN_CHANGE
        ):
            name = actor.name.removesuffix("老师")
            plan(session, f"push:{other.id}", PushKind.CARD_CLOSED, other.person_id, now=now, of=other.id, name=name)


def _again_later(session: Session, it: Push, *, now: datetime) -> None:
    """The same once more in an hour; pressed again, the same card asks for nothing new."""
    plan(
        session, it.fact, it.kind, it.person_id, now=now, due=now + LATER, step=f"later:{it.id}", **json.loads(it.data)
    )


def has_cards(session: Session, actor: Actor) -> bool:
    """Whether pushes to this account may be cards."""
    return session.get_one(Contact, actor.contact_id).cards


def try_cards(session: Session, actor: Actor, *, now: datetime) -> None:
    """Send a first card to find out whether it can be seen: whoever presses it gets more of them."""
    fact = f"contact:{actor.contact_id}@{now.isoformat()}"
    plan(session, fact, PushKind.CARD_TRIAL, actor.person, now=now)


def leave_cards(session: Session, actor: Actor) -> None:
    """Pushes to this account are texts again."""
    _set_cards(session, actor, shown=False)


def _set_cards(session: Session, actor: Actor, *, shown: bool) -> None:
    contact = session.get_one(Contact, actor.contact_id)
    contact.cards = shown
    session.add(contact)
