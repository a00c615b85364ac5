"""Another time for an appointment: chosen like a new one; nothing moves before that. Rules: docs/rules.md#booking."""

from datetime import datetime
from functools import partial
from typing import Any

from handlers.chat.choosing import Held, choose, merged
from handlers.chat.telling import place_of, qualified, reminders, shown
from handlers.dialogue.steps import Dialogue, Said, ask, once, remember, tell
from handlers.dialogue.talk import Talk
from handlers.dialogue.times import Times
from models.booking.access import access_appointment
from models.booking.acting import check_movable, move, was_asked_to_move
from models.booking.desk import phone_of
from models.booking.table import FIRM, AppointmentState, Room, Side
from models.booking.taking import By, let_go
from models.db import savepoint
from models.errors import DomainError, TimeTakenError

REVIEW = Times("my_appointments.review", ("move", "other"), unclear="choice")


def move_it(talk: Talk, appointment_id: int, *, without: int | None = None) -> Dialogue:
    """Choose another time and move there; `without`: a counselor who is not asked for any more."""
    begun = yield from remember("move", lambda: _begin(talk, appointment_id))
    kept = "my_appointments.kept" if without is None else "my_appointments.centre_calls"
    if begun["refused"]:
        if without is not None:
            return talk.say(kept, what=begun["what"])
        return talk.say("my_appointments.stays", why=begun["refused"], what=begun["what"])
    if without is None:
        yield from tell("my_appointments.now_it_is", what=begun["what"])
    else:
        yield from tell("my_appointments.somebody_else")
    search = {**begun["search"], "without": without}
    wish: dict[str, Any] = {}
    while True:
        held, search, wish = yield from choose(talk, search, wish)
        if held is None:
            return _stays(talk, appointment_id, kept)
        answer = yield from ask(REVIEW, lead=_lead(talk, held, begun["phone"]), options=[])
        if answer.option != "move":
            wish = merged({}, answer.wish)
            continue
        moved = yield from once("move", partial(_moved, talk, appointment_id, held))
        if moved["refused"]:
            return _stays(talk, appointment_id, "my_appointments.stays", why=moved["refused"])
        if moved["done"]:
            it = access_appointment(talk.session, talk.actor, appointment_id)
            if it.state is AppointmentState.PENDING:
                return talk.say("my_appointments.moved_waits", what=shown(talk, it, bare=True), until=it.until)
            return talk.say("my_appointments.moved", what=shown(talk, it), reminders=reminders(talk, it))
        wish = {"taken": held["starts_at"]}


def _stays(talk: Talk, appointment_id: int, key: str, **values: str) -> Said:
    """It stays as it is by now: another phone, the counselor or the centre may have changed it meanwhile."""
    it = access_appointment(talk.session, talk.actor, appointment_id)
    if it.state not in FIRM or it.starts_at <= talk.now:
        return talk.say("my_appointments.gone")
    return talk.say(key, what=shown(talk, it), **values)


def _begin(talk: Talk, appointment_id: int) -> dict[str, Any]:
    """Shape: what it is now, why it cannot move (""), phone, and what is searched for."""
    it = access_appointment(talk.session, talk.actor, appointment_id)
    refused = ""
    try:
        if not was_asked_to_move(talk.session, it):
            check_movable(it, policy=talk.policy.booking, now=talk.now)
    except DomainError as error:
        refused = talk.words(error.key, **error.values)
    alone = it.counselor_id is None and it.room_id is not None
    use = talk.session.get_one(Room, it.room_id).use.value if alone else None
    search = {"mode": None if alone else it.mode.value, "any": False, "use": use, "soon": False, "serves": it.id}
    phone = phone_of(talk.session, it)
    return {"what": shown(talk, it), "refused": refused, "search": search, "phone": phone}


def _lead(talk: Talk, held: Held, phone: str) -> str:
    where = place_of(talk, held["mode"], held["counselor"], held["room"], phone)
    minutes = int(talk.policy.booking.hold.total_seconds() // 60)
    when = datetime.fromisoformat(held["starts_at"])
    who = qualified(talk, held["counselor"])
    return talk.words("my_appointments.read_back", when=when, where=where, qualified=who, minutes=minutes)


def _moved(talk: Talk, appointment_id: int, held: Held) -> dict[str, Any]:
    """Shape: done; refused (a sentence) when a rule says no. Neither: the time went meanwhile."""
    by = By(talk.actor.person, Side.STUDENT)
    try:
        with savepoint(talk.session):
            move(talk.session, by, appointment_id, held["hold"], policy=talk.policy.booking, now=talk.now)
    except TimeTakenError:
        it = access_appointment(talk.session, talk.actor, appointment_id)
        stands = it.state in FIRM and it.starts_at > talk.now
        return {"done": False, "refused": "" if stands else talk.words("my_appointments.gone")}
    except DomainError as error:
        let_go(talk.session, talk.actor.person)
        return {"done": False, "refused": talk.words(error.key, **error.values)}
    return {"done": True, "refused": ""}
