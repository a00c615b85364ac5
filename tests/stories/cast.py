"""What stories share: reading a reply, appointing people, opening links, and what a push would say."""

import json
import re
from typing import Any

from sqlmodel import col, select
from werkzeug.test import TestResponse

from bot.sandbox.callbacks import text_message
from models import db
from models.alert import call_for_silence
from models.contact import Contact
from models.outbox import Push, PushKind
from models.person import Kind, Person
from models.post import Post, Role
from models.unit import Level, Unit
from tests.phone import Phone
from tests.world import World


def options(reply: str) -> list[str]:
    """The labels of the option lines."""
    return re.findall(r"^\d+\. (.+)$", reply, re.MULTILINE)


def tap(phone: Phone, text: str) -> str:
    """Tap a button under a push: its text comes as a message, marked as tapped."""
    return phone._send(text_message(phone.door, phone.address, text, msg_id=phone.next_id(), menu_id="7"))


def told(world: World, *kinds: PushKind) -> set[str]:
    """Who got a push, by what they do in the cast; only these kinds when some are named."""
    who = {person_id: name for name, person_id in world.people.items()}
    return {who[push.person_id] for push in world.pushes() if not kinds or push.kind in kinds}


def called(world: World) -> set[str]:
    """Who was called about an alert."""
    return told(world, PushKind.ALERT)


def silence(world: World, **span: float) -> set[str]:
    """Let time pass, and the ticker look; returns who has been called by then."""
    world.forward(**span)
    with db.unit_of_work() as session:
        call_for_silence(session, policy=world.policy.duty, now=world.now)
    return called(world)


def appoint(world: World, who: str, role: Role, unit: str) -> None:
    """Give somebody a post."""
    with db.unit_of_work() as session:
        post = Post(person_id=world.people[who], role=role, unit_id=world.units[unit], started_at=world.now)
        session.add(post)


def release(world: World, who: str, role: Role | None = None) -> None:
    """End somebody's posts, or those of one role."""
    with db.unit_of_work() as session:
        query = select(Post).where(Post.person_id == world.people[who], col(Post.ended_at).is_(None))
        for post in session.exec(query if role is None else query.where(Post.role == role)):
            post.ended_at = world.now
            session.add(post)


def add_unit(world: World, name: str, level: Level, parent: str) -> None:
    """One more unit."""
    with db.unit_of_work() as session:
        unit = Unit(level=level, name=name, parent_id=world.units[parent])
        session.add(unit)
        session.flush()
        world.units[name] = unit.id or 0


def add_person(world: World, who: str, number: str, name: str, kind: Kind, **home: Any) -> None:
    """One more person; `home` takes `class_`, `college`, `dorm` (unit names) and `phone`."""
    units: dict[str, Any] = {
        f"{level.rstrip('_')}_id": world.units[unit] for level, unit in home.items() if level != "phone"
    }
    with db.unit_of_work() as session:
        person = Person(number=number, name=name, kind=kind, phone=home.get("phone"), **units)
        session.add(person)
        session.flush()
        world.people[who] = person.id or 0


def edit(world: World, who: str, **values: Any) -> None:
    """Change what the roster says of somebody."""
    with db.unit_of_work() as session:
        person = session.get_one(Person, world.people[who])
        for name, value in values.items():
            setattr(person, name, value)
        session.add(person)


def deafen(world: World, who: str) -> None:
    """Somebody unfollows: their account takes no pushes any more."""
    with db.unit_of_work() as session:
        for contact in session.exec(select(Contact).where(Contact.person_id == world.people[who])):
            contact.listening = False
            session.add(contact)


def link_in(reply: str) -> str:
    """The path of the link in a reply."""
    found = re.search(r"http://bot\.example(/open/\S+)", reply)
    assert found is not None, reply
    return found[1]


def without_links(tried: tuple[str, list[str]]) -> tuple[str, list[str]]:
    """The same, whatever random token stands in it."""
    return re.sub(r"/(open|calendar)/\S+", r"/\1/", tried[0]), tried[1]


def opened(world: World, reply: str) -> TestResponse:
    """Press the button on the page behind a reply's link."""
    return world.app.test_client().post(link_in(reply))


def page(world: World, reply: str) -> str:
    """The words on the page behind a reply's link."""
    response = opened(world, reply)
    assert response.status_code == 200
    return response.get_data(as_text=True)


def said_by(world: World, push: Push) -> str:
    """Everything that a push shows or carries."""
    data = {"unit": "", **json.loads(push.data)}
    return f"{world.words(f'push.{push.kind.value}', **data, number=push.number)} {push.data}"
