"""A phone: says things through the real callback door, signed and sealed as the platform does it, and reads the reply."""

from collections.abc import Callable
from dataclasses import dataclass, field

from flask import Flask
from werkzeug.test import TestResponse

from bot.sandbox.callbacks import (
    CallbackDoor,
    SignedRequest,
    event,
    message,
    read_answer,
    read_reply,
    sign,
    text_message,
)
from bot.sandbox.card_update import CardUpdate


@dataclass
class Phone:
    """One account on one platform."""

    app: Flask
    door: CallbackDoor
    address: str
    next_id: Callable[[], int]
    last: SignedRequest | None = None
    heard: list[str | None] = field(default_factory=list)

    def says(self, text: str, *, msg_id: int | None = None) -> str:
        """Send a text; returns the reply, "" when there was none."""
        return self._send(text_message(self.door, self.address, text, msg_id=msg_id or self.next_id()))

    def talks(self, *texts: str) -> str:
        """Say several things; returns the last reply."""
        return [self.says(text) for text in texts][-1]

    def sends(self, kind: str, **fields: str) -> str:
        """Send a picture, a voice or a place."""
        return self._send(message(self.door, self.address, kind, fields, msg_id=self.next_id()))

    def event(self, name: str, **fields: str) -> str:
        """Follow, leave or tap a menu."""
        return self._send(event(self.door, self.address, name, fields, created=self.next_id()))

    def presses(self, task: str, key: str) -> str:
        """Press a card's button; returns what its buttons say from then on, "" when they stay."""
        fields = {"EventKey": key, "TaskId": task, "CardType": "button_interaction", "ResponseCode": "a-code"}
        xml = event(self.door, self.address, "template_card_event", fields, created=self.next_id())
        self.last = sign(self.door, xml)
        return self.presses_again()

    def presses_again(self) -> str:
        """The platform tells the last press again, byte for byte."""
        if self.last is None:
            msg = "nothing was pressed yet"
            raise RuntimeError(msg)
        answer = read_answer(self.door, self._post(self.last).data)
        return answer.caption if isinstance(answer, CardUpdate) else ""

    def repeats(self) -> str:
        """The platform sends the last thing again, byte for byte."""
        if self.last is None:
            msg = "nothing was sent yet"
            raise RuntimeError(msg)
        return self._reply(self._post(self.last))

    def _send(self, xml: str) -> str:
        self.last = sign(self.door, xml)
        return self._reply(self._post(self.last))

    def _post(self, request: SignedRequest) -> TestResponse:
        return self.app.test_client().post(request.url, data=request.body, content_type="text/xml")

    def _reply(self, response: TestResponse) -> str:
        assert response.status_code == 200, response.status
        reply = read_reply(self.door, response.data)
        self.heard.append(reply)
        return reply or ""
