"""What `xinqiao pushes` does: the list, one push's life, and an operator's decisions.

What a push is about is never read here.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

import typer
from rich.table import Column, Table

from bot.commanding import CommandRefusedError, console, current_database, resting, words_of
from bot.pushes_shown import accounts, attempt_row, counted, life, moment_text, next_step, row
from models import clock
from models.contact import contacts_of
from models.db import Database
from models.errors import WrongStateError
from models.outbox import Push, PushKind, PushState, attempts_of
from models.outbox.operating import (
    Listed,
    Wanted,
    cancel_by_hand,
    carried_by,
    count_by_state,
    count_held,
    ids_in,
    listed,
    named,
    person_id_of,
    release_some,
    retry_by_hand,
)

if TYPE_CHECKING:
    from sqlmodel import Session

    from bot.settings import Settings
    from handlers.words.catalogue import Words

Choice = TypeVar("Choice", bound=StrEnum)


def list_pushes(
    settings: "Settings", *, states: Sequence[str], kinds: Sequence[str], person: str | None, late: bool, limit: int
) -> None:
    """Print what an operator asked for. Raises: CommandRefusedError for a state, kind or number that there is not."""
    words, now = words_of(settings), clock.now()
    chosen_states = [_one_of(words, PushState, value, "pushes.unknown_state") for value in states]
    chosen_kinds = [_one_of(words, PushKind, value, "pushes.unknown_kind") for value in kinds]
    with current_database(settings).unit_of_work(write=False) as session:
        wanted = Wanted(chosen_states, chosen_kinds, _person_id(words, session, person), late=late)
        found = listed(session, wanted, now=now, most=limit)
        counts = count_by_state(session, wanted, now=now)
    if not found:
        typer.echo(words("pushes.none"))
        return
    columns = ("id", "number", "kind", "person", "state", "due", "attempts", "channel", "note")
    table = Table(*(Column(words(f"pushes.column.{name}"), overflow="fold") for name in columns))
    for it in found:
        table.add_row(*row(words, it, now=now))
    console().print(table)
    typer.echo(words("pushes.counts", counts=counted(words, "state", counts)))
    if sum(counts.values()) > len(found):
        typer.echo(words("pushes.more", shown=len(found)))


def show_push(settings: "Settings", name: str) -> None:
    """Print one push's life. Raises: CommandRefusedError when no push, or more than one, is named so."""
    words, now = words_of(settings), clock.now()
    with current_database(settings).unit_of_work(write=False) as session:
        it = _only(words, session, name)
        attempts = attempts_of(session, it.push.id or 0)
        carried = carried_by(session, it.push.id or 0)
        reached = accounts(words, settings, it.push, contacts_of(session, it.push.person_id), now=now)
    out = console()
    fields = Table(Column(), Column(overflow="fold"), show_header=False)
    for field, value in life(words, it, carried, now=now):
        fields.add_row(words(f"pushes.field.{field}"), value)
        if field == "person":
            fields.add_row(words("pushes.field.accounts"), reached)
    out.print(fields)
    if not attempts:
        typer.echo(words("pushes.shown.no_attempts"))
    else:
        columns = ("at", "channel", "way", "code", "meaning", "outcome")
        headers = [Column(words(f"pushes.column.{each}"), overflow="fold") for each in columns]
        table = Table(*headers, title=words("pushes.shown.attempts"))
        for attempt in attempts:
            table.add_row(*attempt_row(words, attempt))
        out.print(table)
    typer.echo(f"{words('pushes.field.next_step')}：{next_step(words, it.push)}")


def retry_pushes(settings: "Settings", names: Sequence[str]) -> None:
    """Send these once more."""
    words = words_of(settings)

    def again(session: "Session", push: Push) -> str:
        unsure = push.state is PushState.UNCERTAIN
        retry_by_hand(session, push.id or 0, now=clock.now())
        return "pushes.retried_unsure" if unsure else "pushes.retried"

    _each(current_database(settings), words, names, again)


def cancel_pushes(settings: "Settings", names: Sequence[str]) -> None:
    """Take these back."""
    words = words_of(settings)

    def take_back(session: "Session", push: Push) -> str:
        cancel_by_hand(session, push.id or 0, now=clock.now())
        return "pushes.cancelled"

    _each(current_database(settings), words, names, take_back)


def retry_exhausted(settings: "Settings", *, hours: int) -> None:
    """Send once more whatever could not be delivered lately."""
    words, database = words_of(settings), current_database(settings)
    count = _all_in(database, PushState.EXHAUSTED, retry_by_hand, since=clock.now() - timedelta(hours=hours))
    typer.echo(words("pushes.retried_all", count=count) if count else words("pushes.none_exhausted", hours=hours))


def cancel_held(settings: "Settings", *, agreed: bool) -> None:
    """Take back all that is held since a restore. Raises: CommandRefusedError without somebody's yes."""
    words, database = words_of(settings), current_database(settings)
    if _asks_first(words, database, "pushes.needs_yes_cancel", agreed=agreed):
        return
    typer.echo(words("pushes.cancelled_all", count=_all_in(database, PushState.HELD, cancel_by_hand)))


def release_held(settings: "Settings", *, agreed: bool) -> None:
    """Let go out what is held since a restore. Raises: CommandRefusedError without somebody's yes."""
    words, database = words_of(settings), current_database(settings)
    if _asks_first(words, database, "pushes.needs_yes", agreed=agreed):
        return
    count, more = 0, 1
    while more:
        with resting(), database.unit_of_work() as session:
            more = release_some(session, now=clock.now())
        count += more
    typer.echo(words("pushes.released", count=count))


# ── deciding ────────────────────────────────────────────────────────────────────────────────────────────────────


def _each(database: Database, words: "Words", names: Sequence[str], verb: "Callable[[Session, Push], str]") -> None:
    """Do something to every push that is named, or to none of them."""
    if not names:
        raise CommandRefusedError(words("pushes.nothing_named"))
    said = []
    with database.unit_of_work() as session:
        for name in names:
            push = _only(words, session, name).push
            try:
                said.append(words(verb(session, push), id=push.id, number=push.number))
            except WrongStateError as error:
                state = words(f"pushes.state.{push.state.value}")
                raise CommandRefusedError(words(error.key, id=push.id, state=state)) from error
    for line in said:
        typer.echo(line)


def _all_in(database: Database, state: PushState, verb: "Callable[..., Push]", *, since: datetime | None = None) -> int:
    """Do something to every row in a state, a few at a time; what moved meanwhile is left alone."""
    count, last = 0, 0
    while True:
        with database.unit_of_work(write=False) as session:
            ids = ids_in(session, state, after=last, settled_since=since)
        if not ids:
            return count
        with resting(), database.unit_of_work() as session:
            for push_id in ids:
                try:
                    verb(session, push_id, now=clock.now())
                    count += 1
                except WrongStateError:
                    continue
        last = ids[-1]


def _asks_first(words: "Words", database: Database, key: str, *, agreed: bool) -> bool:
    """Whether nothing is held. Raises: CommandRefusedError when something is and nobody said yes."""
    with database.unit_of_work(write=False) as session:
        held = count_held(session)
    if not held:
        typer.echo(words("pushes.none_held"))
        return True
    if not agreed:
        raise CommandRefusedError(words(key, count=sum(held.values()), counts=counted(words, "kind", held)))
    return False


# ── finding ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _only(words: "Words", session: "Session", name: str) -> Listed:
    found = named(session, name)
    if not found:
        raise CommandRefusedError(words("pushes.not_found", word=name))
    if len(found) > 1:
        choices = [f"id:{it.push.id} {moment_text(words, it.push.due_at)}" for it in found]
        raise CommandRefusedError(words("pushes.ambiguous", word=name, choices=choices, first=found[0].push.id))
    return found[0]


def _one_of(words: "Words", kind: type[Choice], value: str, refusal: str) -> Choice:
    try:
        return kind(value)
    except ValueError:
        raise CommandRefusedError(words(refusal, value=value, choices=[each.value for each in kind])) from None


def _person_id(words: "Words", session: "Session", number: str | None) -> int | None:
    if number is None:
        return None
    person_id = person_id_of(session, number)
    if person_id is None:
        raise CommandRefusedError(words("pushes.unknown_person", number=number))
    return person_id
