"""What a conversation holds in its hands while it runs."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlmodel import Session

from handlers.dialogue.steps import Said
from models.policy import Policy
from models.talk import Actor

if TYPE_CHECKING:
    from handlers.words.catalogue import Words


@dataclass
class Talk:
    """The session, who is talking, the words and the policy. `now` is the moment the current step is, or was, run at."""

    session: Session
    actor: Actor
    words: "Words"
    policy: Policy
    now: datetime
    args: dict[str, Any] = field(default_factory=dict)
    asked: dict[str, Any] = field(default_factory=dict)  # the open question's values

    def say(self, key: str, **values: Any) -> Said:
        """End with a sentence."""
        return Said(self.words(key, **values))

    def teachers(self, names: list[str]) -> list[str]:
        """Staff as they are spoken of; the centre when there is nobody to name."""
        spoken = [self.words("dialogue.teacher", name=name.removesuffix("老师")) for name in names]
        return spoken or [self.words("dialogue.the_centre")]
