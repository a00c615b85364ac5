"""The four things a conversation can do between two answers. Each is one `yield` that the replay understands."""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from handlers.dialogue.question import Question

T = TypeVar("T")

Undo = Callable[..., None]


@dataclass(frozen=True, slots=True)
class Ask:
    """A question, with the values of its sentence."""

    question: "Question[Any]"
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The question's key."""
        return self.question.key


@dataclass(frozen=True, slots=True)
class Remember:
    """A read whose answer must not change under the talk."""

    name: str
    read: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Once:
    """A write that runs a single time; without `undo` it is a wall."""

    name: str
    write: Callable[[], Any]
    undo: Undo | None = None


@dataclass(frozen=True, slots=True)
class Tell:
    """A sentence that stands above the next question, said a single time."""

    name: str
    values: dict[str, Any] = field(default_factory=dict)


Step = Ask | Remember | Once | Tell


@dataclass(frozen=True, slots=True)
class Said:
    """How a conversation ends.

    `feed` is given as an answer to the conversation underneath, when there is one; with `resume` that one goes on at once,
    otherwise whenever its person is ready.
    """

    text: str
    feed: str | None = None
    resume: bool = False


Dialogue = Generator[Step, Any, Said]


def ask(question: "Question[T]", **values: Any) -> Generator[Step, Any, T]:
    """Ask and return the typed answer; the options are logged as they were shown."""
    answer: T = yield Ask(question, values)
    return answer


def remember(name: str, read: Callable[[], T]) -> Generator[Step, Any, T]:
    """Read now and see the same on every replay. The value goes through JSON on the first run too."""
    value: T = yield Remember(name, read)
    return value


def once(name: str, write: Callable[[], T], undo: Undo | None = None) -> Generator[Step, Any, T]:
    """Write a single time and log the JSON result. Going back past it runs `undo`, a registered function (`@undoes`)."""
    value: T = yield Once(name, write, undo)
    return value


def tell(key: str, **values: Any) -> Generator[Step, Any, None]:
    """Say something above the next question."""
    yield Tell(key, values)
