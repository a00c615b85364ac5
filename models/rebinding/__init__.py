"""Rebinding: a second account asks to stand for a person who has one. Rules: design, Binding; docs/rules.md#binding.

The person's own accounts are asked first. Silent for a day, or nobody there to ask: the class's teachers or the centre, who
check in person who it is. Until one of them says yes the second account stands for nobody.
"""

from models.rebinding.asking import (
    Standing,
    anything_to_move,
    move_on,
    next_step,
    settle_wishes,
    standing_of,
    wish_for,
)
from models.rebinding.checkers import Checker
from models.rebinding.deciding import OpenWish, access_wish, answer_wish, open_wishes
from models.rebinding.table import RebindState, RebindWish

__all__ = [
    "Checker",
    "OpenWish",
    "RebindState",
    "RebindWish",
    "Standing",
    "access_wish",
    "answer_wish",
    "anything_to_move",
    "move_on",
    "next_step",
    "open_wishes",
    "settle_wishes",
    "standing_of",
    "wish_for",
]
