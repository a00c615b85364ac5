"""A contact's open conversations between two messages, as the talk log stores them."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from handlers.dialogue.replay import Frame
from models import clock
from models.talk import OpenTalk


@dataclass
class Stack:
    """A contact's open conversations, the one being answered last, and whether leaving it was asked."""

    frames: list[Frame] = field(default_factory=list)
    leave_for: str | None = None
    leave_with: dict[str, Any] = field(default_factory=dict)  # what the other one would begin with
    touched: datetime | None = None  # by the machine's clock

    @classmethod
    def load(cls, talk: OpenTalk) -> "Stack":
        """From the stored log."""
        if talk.log is None:
            return cls()
        value = orjson.loads(talk.log)
        frames = [Frame.from_json(each) for each in value["stack"]]
        touched = datetime.fromisoformat(value["touched"])
        return cls(frames, value.get("leave_for"), value.get("leave_with") or {}, touched)

    def dump(self) -> bytes | None:
        """To the stored log; None when nothing is open."""
        if not self.frames:
            return None
        value = {
            "stack": [frame.as_json() for frame in self.frames],
            "leave_for": self.leave_for,
            "leave_with": self.leave_with if self.leave_for else {},
            "touched": clock.machine().isoformat(),
        }
        return orjson.dumps(value)

    @property
    def top(self) -> Frame | None:
        """The conversation being answered."""
        return self.frames[-1] if self.frames else None
