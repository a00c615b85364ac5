"""The corpus of time and wish sentences (`tests/corpus/when.tsv`), and how an answer is judged."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from handlers.when import TermDays, When, Wish, read_wish

FILE = Path(__file__).parent / "corpus" / "when.tsv"
PARTS = ("own", "seen", "blind")


@dataclass(frozen=True)
class Row:
    """One sentence; an empty meaning: it has to be asked about."""

    part: str
    reference: datetime
    text: str
    meaning: str
    wish: str


@dataclass(frozen=True)
class Corpus:
    """The sentences and the school that they are said in."""

    rows: Sequence[Row]
    term: TermDays
    counselors: Mapping[str, Sequence[tuple[str, str]]]

    def part(self, name: str) -> list[Row]:
        """The rows of a part."""
        return [row for row in self.rows if row.part == name]

    def read(self, row: Row) -> Wish:
        """What our reader makes of a row."""
        who = self.counselors[row.part]
        return read_wish(row.text, now=row.reference, terms=(self.term,), counselors=who)


@dataclass(frozen=True)
class Score:
    """Shares of all rows. A wrong day: one was answered, and it is another than was meant or none was."""

    rows: int
    exact: float
    wrong_day: float


def read_corpus() -> Corpus:
    """The whole corpus."""
    lines = FILE.read_text("utf-8").splitlines()
    header = dict(line[2:].split(": ", 1) for line in lines if line.startswith("# ") and ": " in line)
    first, last = (date.fromisoformat(day) for day in header["term"].split(";")[0].split(".."))
    counselors = {part: _counselors(header[f"counselors of {part}"]) for part in PARTS}
    rows = [line.split("\t") for line in lines if line.startswith(PARTS)]
    return Corpus(
        [Row(part, datetime.fromisoformat(at), text, meaning, wish) for part, at, text, meaning, wish in rows],
        TermDays(first, last),
        counselors,
    )


def _counselors(line: str) -> list[tuple[str, str]]:
    return [(who, name) for who, _, name in (pair.partition("=") for pair in line.split())]


def printed(wish: Wish) -> str:
    """A time as the corpus writes it; empty where it would be asked about."""
    return str(wish.time) if isinstance(wish.time, When) else ""


def wished(wish: Wish) -> set[str]:
    """All else of a wish as the corpus writes it."""
    said = {
        f"mode={wish.mode}": wish.mode,
        "soonest": wish.soonest,
        f"counselor={wish.counselor}": wish.counselor,
        "counselor=?": wish.counselors,
        "same": wish.same_counselor,
        f"topic={wish.topic}": wish.topic,
    }
    return {name for name, given in said.items() if given}


def score(rows: Sequence[Row], answer: Callable[[Row], str]) -> Score:
    """How an answerer does on rows."""
    exact = wrong = 0
    for row in rows:
        got = answer(row)
        exact += got == row.meaning
        wrong += bool(got) and days(got) != days(row.meaning)
    return Score(len(rows), exact / len(rows), wrong / len(rows))


def days(meaning: str) -> tuple[str, str]:
    """First and last day of an answer."""
    parts = meaning.split("/")
    return parts[0][:10], parts[-1][:10]
