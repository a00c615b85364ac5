"""A school for benches: many classes of one committee member each, bound, and as many old check-ins as wished."""

import base64
import os
from collections.abc import Callable
from datetime import timedelta

import sqlalchemy as sa

from models import clock, db, schema, seal
from models.audit import Audit
from models.checkin import Checkin, CheckinVersion
from models.contact import Contact
from models.inbox import Inbox
from models.person import Person
from models.post import Post
from models.round import Round
from models.unit import Unit

MEMBERS = 3  # a class
BATCH = 5_000


def build(url: str, key: str, *, classes: int, old_checkins: int = 0) -> None:
    """Fill a fresh database. The officer of class N is bound to the openid `phone-N`."""
    seal.use_keys([key])
    database = db.connect(url)
    schema.upgrade(database)
    now = clock.now() - timedelta(days=100)
    with database.engine.begin() as connection:

        def add(table: type, rows: list[dict[str, object]]) -> None:
            for at in range(0, len(rows), BATCH):
                connection.execute(sa.insert(table), rows[at : at + BATCH])

        add(Unit, [{"id": 1, "level": "school", "name": "S", "parent_id": None}])
        add(Unit, [{"id": 2, "level": "college", "name": "C", "parent_id": 1}])
        add(Unit, [{"id": 10 + n, "level": "class", "name": f"班{n}", "parent_id": 2} for n in range(classes)])
        student = {"kind": "student", "college_id": 2}
        people = [
            {"id": n * MEMBERS + m + 1, "number": f"{n:06d}{m}", "name": f"同学{n}", "class_id": 10 + n, **student}
            for n in range(classes)
            for m in range(MEMBERS)
        ]
        add(Person, people)
        advisor = classes * MEMBERS + 1
        add(Person, [{"id": advisor, "number": "T1", "name": "陈默", "kind": "staff", "college_id": 2}])
        add(
            Post,
            [
                {"person_id": n * MEMBERS + 1, "role": "committee_member", "unit_id": 10 + n, "started_at": now}
                for n in range(classes)
            ],
        )
        add(Post, [{"person_id": advisor, "role": "advisor", "unit_id": 2, "started_at": now}])
        listens = {"listening": True, "window_left": 0}
        contacts = [
            {
                "id": n + 1,
                "channel": "official_account",
                "address": f"phone-{n}",
                "person_id": n * MEMBERS + 1,
                **listens,
            }
            for n in range(classes)
        ]
        add(Contact, contacts)
        advisor_contact = {"id": classes + 1, "channel": "wecom", "address": "advisor", "person_id": advisor}
        add(Contact, [advisor_contact | listens])
        _history(add, classes, old_checkins)
        if not database.is_sqlite:
            _count_on(connection)
    database.dispose()


def _count_on(connection: sa.Connection) -> None:
    """PostgreSQL numbers on from where it began, whatever ids were written by hand."""
    for table in (Unit, Person, Contact, Round, Checkin):
        name = table.__tablename__
        connection.exec_driver_sql(
            f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), coalesce(max(id), 1)) FROM {name}"  # noqa: S608 — our own names
        )


def _history(add: Callable[[type, list[dict[str, object]]], None], classes: int, count: int) -> None:
    """Old rounds with their check-ins, versions, facts and inbox keys."""
    if not count:
        return
    rounds = -(-count // classes)
    start = clock.now() - timedelta(weeks=rounds + 4)
    add(
        Round,
        [
            {
                "id": r + 1,
                "kind": "class",
                "opens_on": (start + timedelta(weeks=r)).date(),
                "opens_at": start + timedelta(weeks=r),
                "due_at": start + timedelta(weeks=r, hours=17),
                "announced": True,
            }
            for r in range(rounds)
        ],
    )
    body = os.urandom(300)
    sent_fact = {"fact": "checkin_sent", "details": "{}"}
    for begin in range(0, count, BATCH):
        ids = range(begin, min(begin + BATCH, count))
        sent = [
            {
                "id": i + 1,
                "round_id": i // classes + 1,
                "unit_id": 10 + i % classes,
                "version": 1,
                "author_id": (i % classes) * MEMBERS + 1,
                "sent_at": start + timedelta(weeks=i // classes, hours=1),
                "state": "calm",
                "members": MEMBERS,
                "on_leave": 0,
            }
            for i in ids
        ]
        add(Checkin, sent)
        add(
            CheckinVersion,
            [
                {
                    "checkin_id": row["id"],
                    "version": 1,
                    "author_id": row["author_id"],
                    "sent_at": row["sent_at"],
                    "body": body,
                }
                for row in sent
            ],
        )
        add(
            Audit,
            [
                {"at": row["sent_at"], "actor_id": row["author_id"], "subject": f"checkin:{row['id']}", **sent_fact}
                for row in sent
            ],
        )
        add(Inbox, [{"key": f"old:{i}", "received_at": start, "reply": None} for i in ids])


def new_key() -> str:
    """A fresh encryption key."""
    return base64.b64encode(os.urandom(32)).decode()
