"""「值班」: a counselor's day, what can be done with each appointment, and the centre's look at everybody's times.

Rules: domain 6.6, K-32, K-35, K-42, X-18, J-11. No name in chat: who comes stands behind a ten-minute link.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Any

from handlers.chat.desk_lines import ABOVE_A_LIST, as_options, everybody, row_line, row_of, today_and_after
from handlers.chat.open_hours import change_hours
from handlers.chat.proposing import propose_times
from handlers.dialogue.conversation import conversation
from handlers.dialogue.question import Among, Choice, Number, OneOf, YesNo, YesOrNo
from handlers.dialogue.steps import Dialogue, ask, once, remember, tell
from handlers.dialogue.stretches import SAID, OneOfOrTime, when_said
from handlers.dialogue.talk import Talk
from handlers.when.meaning import When
from models.booking.access import taking_bookings
from models.booking.acting import cancel, confirm
from models.booking.attending import arrived, can_mark, ended_early, length_of, missed
from models.booking.calendar import make_calendar, revoke_calendar
from models.booking.desk import access_client, day_begins, is_of_the_centre, is_on_duty, profile_of
from models.booking.feedback import totals
from models.booking.hours import HOUR, PART_TIME, in_hours, worked
from models.booking.offering import is_sent_on
from models.booking.referring import send_on
from models.booking.table import FIRM, Again, AppointmentState, Counselor, Face, Side, Tier
from models.booking.taking import By
from models.errors import DomainError
from models.link import make_link
from models.outbox import note_opened

MONTHS = 6
"""Of which the centre sees how visits were."""


class Act(StrEnum):
    """What can be done with an appointment, as it is now."""

    CAME = "came"
    LATE = "came_late"
    MISSED = "missed"
    EARLY = "early"
    CONFIRM = "confirm"
    PROPOSE = "propose"
    CANCEL = "call_off"
    SEND_ON = "send_on"
    NOTHING = "nothing"


class Feed(StrEnum):
    """What to do with the calendar's address."""

    RENEW = "renew"
    REVOKE = "revoke"
    NOTHING = "nothing"


LIST = OneOfOrTime("desk.list")
WEEK = OneOf("desk.week")
ACT = Among("desk.act", Act)
LATE = Number("desk.late", low=1, high=180)
EARLY = Number("desk.early", low=1, high=180)
SURE_CANCEL = YesNo("desk.sure_cancel")
SURE_SEND_ON = YesNo("desk.sure_send_on")
FEED = Choice("desk.feed", Feed)
COUNSELOR = OneOf("desk.counselor")


@conversation("desk", start=["值班"], who=is_on_duty, light=True)
def desk(talk: Talk) -> Dialogue:
    """Today's appointments; a number does something with one of them, a sentence changes the hours."""
    profile = profile_of(talk.session, talk.actor.person)
    if profile is None:
        return (yield from _centre(talk))
    counselor_id = profile.id or 0
    while True:
        shown = yield from remember("today", lambda: _today(talk, counselor_id))
        chosen = yield from ask(LIST, options=shown["options"], lead=shown["lead"])
        if chosen == "week":
            week = yield from remember("week", lambda: as_options(talk, today_and_after(talk, counselor_id)[1]))
            chosen = yield from ask(WEEK, options=[*week, ["back", talk.words("desk.back")]])
        ended = yield from _do(talk, counselor_id, chosen)
        if ended is not None:
            yield from tell(ended[0], **ended[1])


def _today(talk: Talk, counselor_id: int) -> dict[str, Any]:
    """What the first question shows. Shape: lead, options."""
    note_opened(talk.session, talk.actor.person, now=talk.now)
    today, after = today_and_after(talk, counselor_id)
    names = ["names"] if today or after else []
    all_ = ["everybody"] if is_of_the_centre(talk.session, talk.actor.person) else []
    more = [["week", talk.words("desk.after", count=len(after))]] if after else []
    options = [[name, talk.words(f"desk.list.{name}")] for name in (*names, "hours", "counted", "calendar", *all_)]
    lead = talk.words("desk.lead" if today else "desk.lead_empty", count=len(today), day=_day(talk, talk.now))
    return {"lead": lead, "options": [*as_options(talk, today), *more, *options]}


def _day(talk: Talk, moment: datetime) -> str:
    return str(talk.words.show(moment)).rsplit(" ", 1)[0]


def _do(talk: Talk, counselor_id: int, chosen: str) -> Any:
    """What was chosen from the list; the sentence that stands above the next one, None when there is nothing to say."""
    if chosen.startswith("row:"):
        return (yield from _one(talk, counselor_id, int(chosen.removeprefix("row:"))))
    if chosen == "hours" or chosen.startswith(SAID):
        return (yield from change_hours(talk, counselor_id, chosen.removeprefix(SAID) if chosen != "hours" else ""))
    if chosen == "calendar":
        return (yield from _calendar(talk, counselor_id))
    if chosen == "names":
        target = f"clients:{counselor_id}"
        token = yield from once("names", lambda: make_link(talk.session, talk.actor, target, now=talk.now))
        return "desk.link", {"url": f"{talk.policy.public_url}/open/{token}"}
    return (yield from remember("seen", lambda: _seen(talk, counselor_id, chosen)))


def _seen(talk: Talk, counselor_id: int, chosen: str) -> tuple[str, dict[str, Any]] | None:
    """What is only looked at."""
    if chosen == "counted":
        return "desk.counted", _counted(talk, counselor_id)
    if chosen == "everybody":
        day = day_begins(talk.policy.booking, talk.now)
        return "desk.all_day", {"day": _day(talk, day), "lines": everybody(talk, day, ABOVE_A_LIST)}
    return None


# ── one appointment ─────────────────────────────────────────────────────────────────────────────────────────────────


def _one(talk: Talk, counselor_id: int, appointment_id: int) -> Any:
    """Do something with one appointment."""
    shown = yield from remember("one", lambda: _shown(talk, counselor_id, appointment_id))
    act = yield from ask(ACT, row=shown["row"], only=shown["acts"])
    by = By(talk.actor.person, Side.COUNSELOR)
    if act is Act.NOTHING:
        return None
    if act is Act.PROPOSE:
        return (yield from propose_times(talk, appointment_id))
    minutes = 0
    if act is Act.LATE:
        minutes = yield from ask(LATE)
    if act is Act.EARLY:
        minutes = yield from ask(EARLY, high=shown["minutes"] - 1)
    if act is Act.CANCEL and (yield from ask(SURE_CANCEL, row=shown["row"])) is YesOrNo.NO:
        return "desk.left", {}
    if act is Act.SEND_ON and (yield from ask(SURE_SEND_ON, row=shown["row"])) is YesOrNo.NO:
        return "desk.left", {}
    key = yield from once("act", partial(_act, talk, by, appointment_id, act, minutes))
    return key, {"row": shown["row"], "late": minutes}


def _shown(talk: Talk, counselor_id: int, appointment_id: int) -> dict[str, Any]:
    """Shape: row, minutes, acts (what can be done now)."""
    it = access_client(talk.session, talk.actor, appointment_id)
    row = row_of(talk, counselor_id, it.starts_at, appointment_id)
    firm = it.state in FIRM and it.starts_at > talk.now
    markable, begun = can_mark(it, now=talk.now), it.starts_at <= talk.now
    station = talk.session.get_one(Counselor, counselor_id).tier is Tier.STATION
    seen = it.state in {AppointmentState.DONE, *FIRM} and not is_sent_on(talk.session, it.student_id)
    may = {
        Act.CAME: markable,
        Act.LATE: markable and begun,
        Act.MISSED: markable and begun,
        Act.EARLY: markable and begun,
        Act.CONFIRM: firm and it.state is AppointmentState.PENDING,
        Act.PROPOSE: firm,
        Act.CANCEL: firm,
        Act.SEND_ON: station and seen,
        Act.NOTHING: True,
    }
    return {
        "row": row_line(talk, row) if row else talk.words.show(it.starts_at),
        "minutes": length_of(it),
        "acts": [act.value for act in Act if may[act]],
    }


def _act(talk: Talk, by: By, appointment_id: int, act: Act, minutes: int) -> str:
    """Do it; the key of what to say. What went another way meanwhile is said, and nothing is changed."""
    session, policy, now = talk.session, talk.policy.booking, talk.now
    access_client(session, talk.actor, appointment_id)
    try:
        if act in {Act.CAME, Act.LATE}:
            long = arrived(session, by, appointment_id, policy=policy, now=now, late=minutes)
            return "desk.done.very_late" if long else f"desk.done.{act.value}"
        if act is Act.MISSED:
            missed(session, by, appointment_id, policy=policy, now=now)
        elif act is Act.EARLY:
            ended_early(session, by, appointment_id, minutes, now=now)
        elif act is Act.CONFIRM:
            confirm(session, by, appointment_id, policy=policy, now=now)
        elif act is Act.CANCEL:
            cancel(session, by, appointment_id, policy=policy, now=now)
        else:
            send_on(session, by, appointment_id, policy=policy, now=now)
    except DomainError:
        return "desk.changed"
    return f"desk.done.{act.value}"


# ── hours worked, and the calendar ──────────────────────────────────────────────────────────────────────────────────


def _counted(talk: Talk, counselor_id: int) -> dict[str, Any]:
    """The values of 「课时」."""
    counselor = talk.session.get_one(Counselor, counselor_id)
    it = worked(talk.session, counselor, policy=talk.policy.booking, now=talk.now)
    year = "" if it.full_time else talk.words("desk.part_time", done=in_hours(it.this_year), owed=PART_TIME)
    return {
        "since": talk.words.show(it.since),
        "hours": in_hours(it.on_duty),
        "duty": it.on_duty,
        "each": HOUR,
        "sessions": it.sessions,
        "counselled": in_hours(it.counselled),
        "missed": it.missed,
        "year": year,
    }


def _calendar(talk: Talk, counselor_id: int) -> Any:
    """Make, renew or take back the address of the calendar."""
    has = yield from remember("has", lambda: talk.session.get_one(Counselor, counselor_id).calendar is not None)
    answer = Feed.RENEW
    if has:
        answer = yield from ask(FEED)
    if answer is Feed.NOTHING:
        return None
    counselor = talk.session.get_one(Counselor, counselor_id)
    if answer is Feed.REVOKE:
        yield from once("revoke", lambda: revoke_calendar(talk.session, counselor, now=talk.now))
        return "desk.feed_off", {}
    secret = yield from once("calendar", lambda: make_calendar(talk.session, counselor, now=talk.now))
    return "desk.feed_on", {"url": f"{talk.policy.public_url}/calendar/{secret}.ics"}


# ── the centre ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _centre(talk: Talk) -> Dialogue:
    """Everybody's times of a day; and hours, opened or closed for one of them."""
    if not is_of_the_centre(talk.session, talk.actor.person):  # somebody whose post has ended meanwhile
        return talk.say("desk.no_profile")
    day = yield from remember("first", lambda: day_begins(talk.policy.booking, talk.now).isoformat())
    while True:
        at = datetime.fromisoformat(day)
        lines = yield from remember("lines", lambda at=at: everybody(talk, at))  # type: ignore[misc]
        lead = talk.words("desk.all_day", day=_day(talk, at), lines=lines)
        options = [[name, talk.words(f"desk.list.{name}")] for name in ("next_day", "for_one", "faces")]
        chosen = yield from ask(LIST, options=options, lead=lead)
        if chosen == "for_one":
            named = yield from remember("who", lambda: [[str(k), v] for k, v in taking_bookings(talk.session).items()])
            if not named:
                yield from tell("desk.no_counselor")
                continue
            counselor_id = int((yield from ask(COUNSELOR, options=named)))
            key, values = yield from change_hours(talk, counselor_id, "", side=Side.CENTRE)
            yield from tell(key, **values)
        elif chosen == "faces":
            told = yield from remember("faces", lambda: _faces(talk))
            yield from tell("desk.faces" if told else "desk.faces_none", lines=told)
        elif chosen.startswith(SAID):
            found = yield from remember("day", lambda chosen=chosen: _day_said(talk, chosen))  # type: ignore[misc]
            if found is None:
                yield from tell("desk.which_day")
            day = found or day
        else:
            day = (at + timedelta(days=1)).isoformat()


def _faces(talk: Talk) -> str:
    """How visits were, a line a month, the newest six; "" while nothing can be shown without showing whose it was."""
    lines = []
    for month, told in list(totals(talk.session, talk.actor).items())[:MONTHS]:
        faces = [f"{talk.words(f'feedback.face.{face.value}')} {told.faces.get(face, 0)}" for face in Face]
        again = told.again.get(Again.SAME, 0)
        lines.append(talk.words("desk.faces_line", month=month, faces="，".join(faces), again=again, count=told.count))
    return "\n".join(lines)


def _day_said(talk: Talk, chosen: str) -> str | None:
    when = when_said(chosen.removeprefix(SAID), talk)
    if not isinstance(when, When):
        return None
    return day_begins(talk.policy.booking, when.start).isoformat()
