"""Check-in rounds: the opening push, and the one reminder before due. Rules: docs/rules.md#rounds; domain 2.8, 6.1.

Planning is harmless twice and by two processes at once: a round opens once, and a row's dedupe key names round, unit, step and
person. Nothing is planned in holidays or outside term, nor for a round whose due moment has passed.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import batched
from types import MappingProxyType

from sqlmodel import Session

from models.checkin import officers_without
from models.db import unit_of_work
from models.outbox import PushKind, Urgency, plan
from models.person import Person
from models.policy import CheckinPolicy
from models.round import Round, RoundKind, find_round, latest_slot, next_slot, plan_round
from models.unit import Unit

BATCH = 200
"""Rows a transaction: a school's dorms must not hold SQLite's one writer for long."""
