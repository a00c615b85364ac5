"""「看小结」 and 「进度」: what the staff see in chat. Names and reasons only behind the link. Rules: domain 2.2, 6.2."""

from enum import StrEnum

from handlers.dialogue.conversation import STAFF, conversation
from handlers.dialogue.question import Choice, OneOf
from handlers.dialogue.steps import Dialogue, ask, once, remember, tell
from handlers.dialogue.talk import Talk
from models.link import make_link
from models.outbox import note_opened
from models.post import CENTRE_LEADS
from models.progress import Progress, missing_before
from models.progress import progress as class_progress
from models.summary import OF_THE_CLASS, Row, alerts_for, classes_of, overview
from models.unit import Unit

LIST = OneOf("summaries.list")
PAGE_BYTES = 1500  # of a reply's 2,000


class Next(StrEnum):
    """The way to the next page."""

    MORE = "more"


NEXT = Choice("progress.next", Next)


@conversation("summaries", start=["看小结"], who=STAFF, light=True)
def summaries(talk: Talk) -> Dialogue:
    """A list of classes with count and level; a number gives the ten-minute link."""
    rows = yield from remember("rows", lambda: _rows(talk))
    if not rows:
        may_ask = any(post.role in OF_THE_CLASS for post in talk.actor.posts)
        return talk.say("summaries.nothing_yet" if may_ask else "summaries.nothing")
    lead = "summaries.lead"
    while True:
        target = yield from ask(LIST, options=rows, lead=talk.words(lead))
        token = yield from once("link", lambda target=target: make_link(talk.session, talk.actor, target, now=talk.now))  # type: ignore[misc]
        yield from tell("summaries.link", url=f"{talk.policy.public_url}/open/{token}")
        lead = "summaries.another"


def _rows(talk: Talk) -> list[list[str]]:
    words, person_id = talk.words, talk.actor.person
    note_opened(talk.session, person_id, now=talk.now)
    alerts = alerts_for(talk.session, talk.policy.duty, person_id, now=talk.now)
    classes = overview(talk.session, talk.policy.checkin, person_id, now=talk.now)
    return [
        *([f"alert:{it.id}", words("summaries.alert_row", unit=it.unit, at=it.at)] for it in alerts),
        *([f"class:{row.unit.id}", _row(talk, row)] for row in classes),
    ]


def _row(talk: Talk, row: Row) -> str:
    """Class, count and level; how the week was only in the class's own words."""
    words, parts = talk.words, [row.unit.name]
    if row.total:
        parts.append(
            words("summaries.waiting" if row.waiting else "summaries.seen", waiting=row.waiting, total=row.total)
        )
    if row.level:
        parts.append(words(f"concern.attention.short.{row.level.value}"))
    if row.state:
        parts.append(words(f"summaries.state.{row.state.value}"))
    return " · ".join(parts)


@conversation("progress", start=["进度"], who=(*OF_THE_CLASS, *CENTRE_LEADS), light=True)
def progress(talk: Talk) -> Dialogue:
    """Each class: late, not yet, done; a page at a time."""
    pages = yield from remember("pages", lambda: _pages(talk))
    if not pages:
        own = any(post.role in OF_THE_CLASS for post in talk.actor.posts)
        return talk.say("progress.no_class" if own else "progress.no_class_centre")
    for page in pages[:-1]:
        yield from tell("progress.page", lines=page)
        yield from ask(NEXT)
    return talk.say("progress.last_page", lines=pages[-1])


def _pages(talk: Talk) -> list[str]:
    note_opened(talk.session, talk.actor.person, now=talk.now)
    classes = classes_of(talk.session, talk.actor.person)
    if not classes:
        return []
    it, rows = class_progress(talk.session, talk.policy.checkin, classes, now=talk.now)
    missing = sorted((row for row in rows if not row.sent_at), key=lambda row: not row.late)
    done = [row for row in rows if row.sent_at]
    pages = [talk.words("progress.head", done=len(done), total=len(rows), due=it.due_at)]
    lines = [_line(talk, row) for row in (*missing, *done)] + _lines_of_before(talk, classes)
    for line in lines:
        if len(f"{pages[-1]}\n{line}".encode()) > PAGE_BYTES:
            pages.append(line)
        else:
            pages[-1] += f"\n{line}"
    return pages


def _lines_of_before(talk: Talk, classes: list[Unit]) -> list[str]:
    """Which classes never sent in the round that closed last: the list that its push speaks of."""
    before = missing_before(talk.session, talk.policy.checkin, classes, now=talk.now)
    if before is None or not before[1]:
        return []
    it, names = before
    return [
        talk.words("progress.before", due=it.due_at),
        *(talk.words("progress.not_yet", unit=name) for name in names),
    ]


def _line(talk: Talk, row: Progress) -> str:
    state = ("late_done" if row.late else "done") if row.sent_at else ("late" if row.late else "not_yet")
    return talk.words(f"progress.{state}", unit=row.unit, at=row.sent_at or "")
