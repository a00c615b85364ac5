"""Phones that speak to web processes."""

from bot.sandbox.callbacks import sign, text_message
from tests.phone import Phone
from tests.proofs.processes import Web
from tests.world import World


class Talker:
    """A phone that speaks to a process."""

    def __init__(self, world: World, web: Web, phone: Phone) -> None:
        self._world, self._web, self._phone = world, web, phone

    def says(self, *texts: str) -> str:
        """Say several things; the last reply."""
        reply = ""
        for text in texts:
            door = self._phone.door
            request = sign(door, text_message(door, self._phone.address, text, msg_id=self._world.next_id()))
            reply = self._web.replies(door, request) or ""
            assert reply
        return reply
