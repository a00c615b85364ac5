"""Rebinding: a wish that the person's own accounts do not answer goes to somebody who can check in person.

Planning is harmless twice and by two processes at once: a wish that moved is no longer due, and a push's dedupe key names it.
"""

from datetime import datetime

from models import rebinding
from models.db import unit_of_work

MOST = 50


def move_wishes(*, now: datetime) -> int:
    """Pass on the wishes whose time has come and let go of the old ones; returns how many. Looks before it takes the writer."""
    with unit_of_work(write=False) as session:
        if not rebinding.anything_to_move(session, now=now):
            return 0
    with unit_of_work() as session:
        return rebinding.move_on(session, now=now, most=MOST)
