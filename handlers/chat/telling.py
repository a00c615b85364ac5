"""How an appointment is told to its student: when, with whom, where, how; and what will remind of it."""

from handlers.dialogue.talk import Talk
from models.booking.access import whereabouts
from models.booking.choices import Mode
from models.booking.desk import phone_of
from models.booking.steps import moment
from models.booking.table import Appointment, AppointmentState, Step

_TAIL = 4
_LONGEST = 100  # characters of a qualification


def shown(talk: Talk, it: Appointment, *, bare: bool = False) -> str:
    """「11月26日 周四 15:00，沈岚老师，面对面：咨询室一（综合楼 301）」; unless `bare`, whether it is still to be confirmed."""
    where = place_of(talk, it.mode.value, it.counselor_id, it.room_id, phone_of(talk.session, it))
    waits = it.state is AppointmentState.PENDING and not bare
    key = "booking.shown_waits" if waits else "booking.shown"
    return talk.words(key, when=it.starts_at, where=where, until=it.until or it.starts_at)


def place_of(talk: Talk, mode: str, counselor_id: int | None, room_id: int | None, phone: str) -> str:
    """With whom, how and where."""
    found = whereabouts(talk.session, counselor_id, room_id)
    if not found.counselor:
        return talk.words("booking.where.room", room=_named(talk, found.room, found.place))
    who = talk.teachers([found.counselor])[0]
    if mode == Mode.IN_PERSON:
        place = _named(talk, found.room, found.place)
        return talk.words("booking.where.in_person" if place else "booking.where.somewhere", who=who, place=place)
    if not phone:
        number = talk.policy.booking.centre_phone
        return talk.words(f"booking.where.{mode}_no_phone" + ("_call" if number else ""), who=who, number=number)
    return talk.words(f"booking.where.{mode}", who=who, tail=phone[-_TAIL:])


def qualified(talk: Talk, counselor_id: int | None) -> str:
    """「沈岚老师：国家二级心理咨询师」, a line of its own at the read-back (K-31); "" for a room by itself."""
    found = whereabouts(talk.session, counselor_id, None)
    if not found.counselor:
        return ""
    who = talk.teachers([found.counselor])[0]
    return "\n" + talk.words("booking.qualified", who=who, qualification=found.qualification[:_LONGEST])


def _named(talk: Talk, room: str, place: str) -> str:
    return talk.words("booking.where.named", room=room, place=place) if room and place else room or place


def reminders(talk: Talk, it: Appointment) -> str:
    """What will remind of it, and when; what would have been due already is not promised."""
    policy = talk.policy.booking
    due = [moment(step, it, policy) for step in (Step.DAY_BEFORE, Step.SOON)]
    coming = [talk.words.show(each) for each in due if each > talk.now]
    if not coming:
        return talk.words("booking.no_reminder")
    return talk.words("booking.reminders", moments=coming)
