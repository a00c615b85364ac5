"""People who book by chance, in processes that are killed: one keeper, and the bookers that it forks.

`python -m tests.proofs.bookers URL FOLDER OPERATIONS SECONDS SEED [KILL_EVERY]` ends when so many operations are done or the time
is over. What a process was told after its commit stands, synced, in its journal: whatever is there must be so for ever.
Time runs for all of them, `FAST` times as fast as the machine's.
"""

import base64
import json
import mmap
import os
import random
import signal
import struct
import sys
import time
import traceback
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TextIO

from sqlmodel import Session, col, select

from models import clock, db, seal
from models.booking import (
    acting,
    alternatives,
    answering,
    lapsing,
    matching,
    offering,
    proposing,
    rules,
    taking,
    waiting,
    walking,
)
from models.booking.choices import Mode
from models.booking.leaving import take_leave
from models.booking.slots import Slot, free_slots
from models.booking.table import (
    FIRM,
    Appointment,
    AppointmentState,
    ChangeKind,
    Counselor,
    Haste,
    OpeningChange,
    Proposal,
    ProposalState,
    Side,
    Waiter,
)
from models.booking.taking import By
from models.errors import CommitUnknownError, DeadlineError, DomainError, TimeTakenError
from models.person import Kind, Person
from models.policy import BookingPolicy, Confirming
from workers import leash

KEY = base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
PROCESSES = 8
FAST = 400
POLICY = BookingPolicy(
    horizon=timedelta(days=3), offer=timedelta(minutes=40), proposal=timedelta(hours=3), most_open=2, most_a_week=0,
    counselor_a_day=0, counselor_a_week=0, change_notice=timedelta(hours=1), most_changes=1000,
)  # fmt: skip
_COUNT = struct.Struct("<q")
Told = dict[str, Any] | None


class Booker:
    """One process's life: operation after operation, each in a transaction, each told to its journal."""

    def __init__(self, journal: TextIO, seed: float) -> None:
        self._journal = journal
        self._luck = random.Random(seed)
        self._now = clock.now()  # of one operation, read before it waits for anything
        with db.unit_of_work(write=False) as session:
            query = select(col(Person.id)).where(Person.kind == Kind.STUDENT).order_by(col(Person.id))
            self._students = [id_ or 0 for id_ in session.exec(query)]
            self._counselors = {it.id or 0: it.person_id for it in session.exec(select(Counselor))}

    def tell(self, **line: object) -> None:
        """Write down what was told; it is on the disk when this returns."""
        self._journal.write(json.dumps(line, default=str) + "\n")
        self._journal.flush()
        os.fsync(self._journal.fileno())

    def act(self) -> None:
        """One operation."""
        self._now = clock.now()
        verb = self._luck.choices(VERBS, WEIGHTS)[0].__get__(self)
        try:
            with db.unit_of_work() as session:
                told = verb(session)
        except (DomainError, DeadlineError, CommitUnknownError):
            return
        if told is not None:
            self.tell(**told)

    # What the verbs need.

    def _student(self) -> int:
        return self._luck.choice(self._students)

    def _by(self, student_id: int) -> By:
        return By(student_id, Side.STUDENT)

    def _policy(self) -> BookingPolicy:
        return replace(POLICY, confirming=Confirming.BY_HAND) if self._luck.random() < 0.2 else POLICY

    def _one(self, session: Session, *conditions: Any, table: type[Any] = Appointment) -> Any:
        """One of the rows, by chance."""
        ids = session.exec(select(table.id).where(*conditions).limit(60)).all()
        return session.get(table, self._luck.choice(ids)) if ids else None

    def _slot(self, session: Session, student_id: int, **narrow: Any) -> Slot | None:
        slots = free_slots(session, policy=POLICY, now=self._now, student_id=student_id, **narrow)
        return self._luck.choice(slots[:12]) if slots else None

    def _take(self, session: Session, student_id: int, slot: Slot, **more: Any) -> Appointment:
        by = more.pop("by", self._by(student_id))
        mode = self._luck.choice(slot.modes)
        return taking.hold(
            session, by, student_id, slot.starts_at, mode, counselor_id=slot.counselor_id, policy=POLICY, now=self._now, **more
        )  # fmt: skip

    @staticmethod
    def _says(op: str, it: Appointment) -> Told:
        return {
            "op": op, "id": it.id, "student": it.student_id, "counselor": it.counselor_id, "starts": it.starts_at.isoformat(),
            "version": it.version,
        }  # fmt: skip

    # The verbs.

    def holds(self, session: Session) -> Told:
        """Somebody holds a time, and may forget about it."""
        student = self._student()
        if (slot := self._slot(session, student)) is not None:
            self._take(session, student, slot)
        return None

    def books_held(self, session: Session) -> Told:
        """Somebody says yes to what they hold, late or not."""
        it = self._one(session, Appointment.state == AppointmentState.HELD, col(Appointment.serves_id).is_(None))
        if it is None:
            return None
        booked = acting.book(session, self._by(it.student_id), it.id, policy=self._policy(), now=self._now)
        return self._says("booked", session.get_one(Appointment, booked.id))

    def books(self, session: Session) -> Told:
        """In one go, and the time was free a moment before."""
        student = self._student()
        slot = self._slot(session, student)
        if slot is None:
            return None
        held = self._take(session, student, slot)
        booked = acting.book(session, self._by(student), held.id or 0, policy=self._policy(), now=self._now)
        return self._says("booked", session.get_one(Appointment, booked.id))

    def takes_what_is_free(self, session: Session) -> Told:
        """What is on offer under the lock can be taken: nothing that has passed stands in its way."""
        student = self._student()
        rules.lock(session)
        offering.lapse_offers(session, policy=POLICY, now=self._now)
        slots = free_slots(session, policy=POLICY, now=self._now, student_id=student)
        if not slots:
            return None
        slot = self._luck.choice(slots)
        try:
            taking.hold(
                session, self._by(student), student, slot.starts_at, slot.modes[0], counselor_id=slot.counselor_id,
                policy=POLICY, now=self._now,
            )  # fmt: skip
        except TimeTakenError:
            return {"op": "blocked", "student": student, "counselor": slot.counselor_id, "starts": str(slot.starts_at)}
        return {"op": "not_blocked"}

    def cancels(self, session: Session) -> Told:
        """By the student, or the centre."""
        it = self._one(session, col(Appointment.state).in_(FIRM), col(Appointment.starts_at) > self._now)
        if it is None:
            return None
        by = self._luck.choice([self._by(it.student_id), self._by(it.student_id), By(1, Side.CENTRE)])
        acting.cancel(session, by, it.id, policy=POLICY, now=self._now)
        return {"op": "cancelled", "id": it.id}

    def moves(self, session: Session) -> Told:
        """To another time, perhaps a colleague's."""
        it = self._one(session, col(Appointment.state).in_(FIRM), col(Appointment.starts_at) > self._now)
        slot = None if it is None else self._slot(session, it.student_id, instead_of=it.id)
        if slot is None:
            return None
        held = self._take(session, it.student_id, slot, serves_id=it.id)
        acting.move(session, self._by(it.student_id), it.id, held.id or 0, policy=POLICY, now=self._now)
        return self._says("moved", session.get_one(Appointment, it.id, populate_existing=True))

    def forces(self, session: Session) -> Told:
        """The centre books somebody beyond their limits."""
        student, by = self._student(), By(1, Side.CENTRE)
        slots = free_slots(session, policy=POLICY, now=self._now, student_id=student, by_staff=True)
        if not slots:
            return None
        held = self._take(session, student, self._luck.choice(slots[:30]), by=by)
        booked = acting.book(session, by, held.id or 0, policy=POLICY, now=self._now)
        return self._says("booked", session.get_one(Appointment, booked.id))

    def answers_for_the_centre(self, session: Session) -> Told:
        it = self._one(session, Appointment.state == AppointmentState.PENDING)
        if it is None:
            return None
        if self._luck.random() < 0.7:
            acting.confirm(session, By(1, Side.CENTRE), it.id, policy=POLICY, now=self._now)
            return self._says("confirmed", session.get_one(Appointment, it.id, populate_existing=True))
        acting.decline(session, By(1, Side.CENTRE), it.id, policy=POLICY, now=self._now)
        return {"op": "declined", "id": it.id}

    def joins(self, session: Session) -> Told:
        """Everybody has a haste and a wish of their own, for ever, so that the order can be told from the table."""
        student = self._student()
        if waiting.waiter_of(session, student) is not None:
            return None
        wish: dict[str, Any] = {}
        if student % 4 == 0:
            own = self._one(
                session, Appointment.student_id == student, col(Appointment.state).in_(FIRM),
                col(Appointment.starts_at) > self._now, col(Appointment.counselor_id).is_not(None),
            )  # fmt: skip
            if own is None:
                return None
            wish["earlier_than_id"] = own.id
        if student % 5 == 0:
            wish["counselor_id"] = sorted(self._counselors)[student % len(self._counselors)]
        if student % 7 == 0:
            wish["mode"] = Mode.PHONE
        haste = Haste.SOON if student % 3 == 0 else Haste.NORMAL
        id_ = waiting.join(session, self._by(student), student, haste, now=self._now, **wish)
        return {"op": "joined", "id": id_, "student": student}

    def leaves(self, session: Session) -> Told:
        it = self._one(session, col(Waiter.state).in_(waiting.OPEN), table=Waiter)
        if it is None or not waiting.leave(
            session, self._by(it.student_id), it.student_id, policy=POLICY, now=self._now
        ):
            return None
        return {"op": "left", "id": it.id}

    def answers_an_offer(self, session: Session) -> Told:
        it = self._one(session, Appointment.state == AppointmentState.OFFERED)
        if it is None:
            return None
        student, offer_id, take = it.student_id, it.id, self._luck.random() < 0.6
        booked = answering.answer_offer(
            session, self._by(student), offer_id, take=take, policy=self._policy(), now=self._now
        )
        if booked is None:
            return None
        return self._says("booked", session.get_one(Appointment, booked.id, populate_existing=True))

    def edits_hours(self, session: Session) -> Told:
        """Extra hours, a closing, or one of them gone again."""
        if self._luck.random() < 0.4:
            it = self._one(session, col(OpeningChange.ends_at) > self._now, table=OpeningChange)
            if it is not None:
                session.delete(it)
            return None
        start = self._now + timedelta(hours=self._luck.randint(2, 60))
        start = start.replace(minute=self._luck.choice((0, 15, 30)), second=0, microsecond=0)
        session.add(
            OpeningChange(
                counselor_id=self._luck.choice(list(self._counselors)),
                kind=self._luck.choice((ChangeKind.EXTRA, ChangeKind.CLOSED)),
                starts_at=start, ends_at=start + timedelta(hours=self._luck.randint(1, 3)), made_at=self._now,
            )
        )  # fmt: skip
        return None

    def goes_on_leave(self, session: Session) -> Told:
        counselor_id, person_id = self._luck.choice(list(self._counselors.items()))
        start = self._now + timedelta(hours=self._luck.randint(3, 50))
        by = By(person_id, Side.COUNSELOR)
        take_leave(session, by, counselor_id, start, start + timedelta(hours=2), policy=POLICY, now=self._now)
        return None

    def proposes(self, session: Session) -> Told:
        it = self._one(session, col(Appointment.state).in_(FIRM), col(Appointment.starts_at) > self._now)
        if it is None or it.counselor_id is None:
            return None
        slots = alternatives.could_propose(session, it, policy=POLICY, now=self._now)
        by = By(self._counselors[it.counselor_id], Side.COUNSELOR)
        chosen = self._luck.sample(slots, min(len(slots), 3))
        proposing.propose(session, by, it.id, chosen, policy=POLICY, now=self._now)
        return None

    def answers_a_proposal(self, session: Session) -> Told:
        it = self._one(session, Proposal.state == ProposalState.OPEN, table=Proposal)
        own = None if it is None else session.get(Appointment, it.appointment_id)
        if own is None:
            return None
        by, how = self._by(own.student_id), _how(self._now)
        times = session.exec(
            select(Appointment.id).where(
                Appointment.proposal_id == it.id, Appointment.state == AppointmentState.PROPOSED
            )
        ).all()
        if times and self._luck.random() < 0.6:
            moved = proposing.accept(session, by, it.id, self._luck.choice(times) or 0, **how)
            return self._says("moved", moved)
        proposing.decline(session, by, it.id, other=self._luck.random() < 0.5, **how)
        return None

    def lapses(self, session: Session) -> Told:
        lapsing.lapse(session, policy=POLICY, now=self._now)
        return None

    def matches(self, session: Session) -> Told:
        matching.match_waiting(session, policy=POLICY, now=self._now)
        return None

    def walks(self, session: Session) -> Told:
        walking.walk(session, policy=POLICY, now=self._now, most=20)
        return None


VERBS = (
    Booker.holds, Booker.books_held, Booker.books, Booker.takes_what_is_free, Booker.cancels, Booker.moves, Booker.forces,
    Booker.answers_for_the_centre, Booker.joins, Booker.leaves, Booker.answers_an_offer, Booker.edits_hours,
    Booker.goes_on_leave, Booker.proposes, Booker.answers_a_proposal, Booker.lapses, Booker.matches, Booker.walks,
)  # fmt: skip
WEIGHTS = (12, 10, 14, 5, 16, 8, 3, 5, 14, 2, 9, 2, 0.3, 2, 3, 3, 2, 2)


def _how(now: datetime) -> dict[str, Any]:
    return {"policy": POLICY, "now": now}


def live(url: str, folder: Path, number: int, seed: float, counts: mmap.mmap) -> None:
    """Act until killed."""
    seal.use_keys([KEY])
    db.connect(url)
    with (folder / f"journal-{number}.jsonl").open("a") as journal:
        booker = Booker(journal, seed)
        while True:
            booker.act()
            _COUNT.pack_into(counts, 8 * number, _COUNT.unpack_from(counts, 8 * number)[0] + 1)


def keep(url: str, folder: Path, operations: int, seconds: float, seed: int, kill_every: float) -> int:
    """Keep so many bookers alive, kill one every so often; returns how many operations were done."""
    counts = mmap.mmap(-1, 8 * PROCESSES)
    luck = random.Random(seed)
    parent = os.getpid()

    def fork(number: int) -> int:
        start = luck.random()
        pid = os.fork()
        if pid == 0:
            leash.hold(parent)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            try:
                live(url, folder, number, start, counts)
            except BaseException:  # noqa: BLE001 — the judge reads it
                (folder / f"trouble-{os.getpid()}.txt").write_text(traceback.format_exc(), "utf-8")
            os._exit(1)
        return pid

    pids = [fork(number) for number in range(PROCESSES)]
    began, kills, shift = time.monotonic(), 0, (clock.now() - clock.machine()).total_seconds()
    done = 0
    next_kill = began + kill_every
    while done < operations and time.monotonic() < began + seconds:
        time.sleep(0.05)
        gone = time.monotonic() - began
        clock.move_to(clock.machine() + timedelta(seconds=shift + gone * FAST))
        done = sum(_COUNT.unpack_from(counts, 8 * number)[0] for number in range(PROCESSES))
        if time.monotonic() > next_kill:
            os.kill(pids[luck.randrange(PROCESSES)], signal.SIGKILL)
            kills += 1
            next_kill += kill_every
        for number, pid in enumerate(pids):
            if os.waitpid(pid, os.WNOHANG)[0]:
                pids[number] = fork(number)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    (folder / "kept.json").write_text(json.dumps({"operations": done, "kills": kills, "now": clock.now().isoformat()}))
    return done


def main() -> None:
    """See above."""
    url, folder, operations, seconds, seed = sys.argv[1:6]
    keep(url, Path(folder), int(operations), float(seconds), int(seed), float((*sys.argv, "2")[6]))


if __name__ == "__main__":
    main()
