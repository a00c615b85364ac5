"""「看小结」 and 「进度」: what the staff see in chat. Names and reasons only behind the link. Rules: domain 2.2, 6.2."""

from typing import Any

from handlers.dialogue.conversation import conversation
from handlers.dialogue.question import OneOf
from handlers.dialogue.steps import Dialogue, ask, once, remember, tell
from handlers.dialogue.talk import Talk
from models.checkin import progress as class_progress
from models.link import make_link
from models.post import Role
from models.summary import OF_THE_CLASS, alerts_for, classes_of, overview

STAFF = frozenset({*OF_THE_CLASS, Role.CENTRE, Role.CENTRE_DIRECTOR, Role.COUNSELOR, Role.LEADING_GROUP})
LIST = OneOf("summaries.list")


@conversation("summaries", start=["看小结"], who=STAFF, light=True)
def summaries(talk: Talk) -> Dialogue:
    """A list of classes with count and level; a number gives the ten-minute link."""
    rows = yield from remember("rows", lambda: _rows(talk))
    if not rows:
        return talk.say("summaries.nothing")
    lead = "summaries.lead"
    while True:
        target = yield from ask(LIST, options=rows, lead=talk.words(lead))
        token = yield from once("link", lambda target=target: make_link(talk.session, talk.actor, target, now=talk.now))  # type: ignore[misc]
        yield from tell("summaries.link", url=f"{talk.policy.public_url}/open/{token}")
        lead = "summaries.another"


def _rows(talk: Talk) -> list[list[str]]:
    words, person_id = talk.words, talk.actor.person
    alerts = alerts_for(talk.session, talk.policy.duty, person_id, now=talk.now)
    rows = [[f"alert:{it.id}", words("summaries.alert_row", unit=it.unit, at=it.at)] for it in alerts]
    for row in overview(talk.session, talk.policy.checkin, person_id, now=talk.now):
        level = words(f"concern.attention.short.{row.level.value}") if row.level else words("summaries.no_level")
        key = "summaries.row" if row.waiting else "summaries.row_seen" if row.total else "summaries.row_calm"
        rows.append([f"class:{row.unit.id}", words(key, unit=row.unit.name, waiting=row.waiting, total=row.total, level=level)])
    return rows


@conversation("progress", start=["进度"], who=OF_THE_CLASS, light=True)
def progress(talk: Talk) -> Dialogue:
    """Each class: done, not yet, late."""
    yield from remember("asked", lambda: None)
    classes = classes_of(talk.session, talk.actor.person)
    if not classes:
        return talk.say("progress.no_class")
    it, rows = class_progress(talk.session, talk.policy.checkin, classes, now=talk.now)
    lines = [_line(talk, row) for row in rows]
    done = sum(1 for row in rows if row.sent_at)
    return talk.say("progress.list", done=done, total=len(rows), due=it.due_at, lines="\n".join(lines))


def _line(talk: Talk, row: Any) -> str:
    state = ("late_done" if row.late else "done") if row.sent_at else ("late" if row.late else "not_yet")
    return talk.words(f"progress.{state}", unit=row.unit, at=row.sent_at or "")


