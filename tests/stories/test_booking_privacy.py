"""Who sees what of a booking, through the real doors: domain 2.2 as tables. Whoever may not cannot tell it from nothing."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import Session
from typing_extensions import override

from models import db
from models.audit import Audit, Fact
from models.binding import unbind
from models.booking.access import access_appointment, say_coming
from models.booking.acting import cancel
from models.booking.calendar import make_calendar
from models.booking.choices import Mode
from models.booking.desk import access_client, access_clients_page
from models.booking.feedback import tell_how_it_was, totals, totals_of_counselors
from models.booking.table import Again, Appointment, AppointmentState, Counselor, Face, Feedback, Haste, Side
from models.booking.taking import By
from models.booking.tasks import access_task_page, access_tasks
from models.channel import Channel
from models.contact import Contact
from models.errors import NotFoundError
from models.link import Link, make_link
from models.outbox import KINDS, Audience, PushKind, PushState
from models.person import Kind
from models.policy import Confirming
from models.post import CENTRE_LEADS, Role, posts_of
from models.talk import Actor
from tests.bookings import Bookings, at
from tests.phone import Phone
from tests.rows import everything
from tests.stories.cast import add_person, appoint, link_in, options, page, told
from tests.stories.test_presses import OVER, staff, task
from tests.supply import JIANG, SHEN, STATION
from tests.workers.office import Office
from tests.world import World
from workers import appointments
from workers.delivery import drain

POSTS = {
    "class_teacher": (Role.CLASS_TEACHER, "软件2301"),
    "lead": (Role.COLLEGE_LEAD, "信息学院"),
    "affairs": (Role.AFFAIRS_DIRECTOR, "信息学院"),
    "director": (Role.CENTRE_DIRECTOR, "测试学院"),
    "posted": (Role.COUNSELOR, "测试学院"),  # without a profile
    "operator": None,
}
STUDENTS = ("committee", "officer", "second", "twin", "neighbour")
OUTSIDERS = (
    *STUDENTS, "advisor", "class_teacher", "teacher", "head", "lead", "affairs", "leader", "operator", "posted",
)  # fmt: skip
COLLEAGUES = (JIANG, STATION)
CENTRE = ("duty", "director")
EVERYBODY = (*OUTSIDERS, *COLLEAGUES, *CENTRE, SHEN, "student")

SECRETS = ("何小雨", "2023010103", "13800000103", "睡不着", "情绪", "软件2301的")
"""What no reply in chat ever holds, not even its counselor's."""

WHEN = ("11月17日", "09:00")
BODY = {"topic": "mood", "note": "睡不着", "phone": "13800000103"}


class School(Bookings):
    """The book, with everybody who could be curious."""

    @override
    def __post_init__(self) -> None:
        """Appoint them."""
        super().__post_init__()
        for number, (who, post) in enumerate(POSTS.items()):
            add_person(self.world, who, f"T7{number:02}", f"某老师{number}", Kind.STAFF)
            if post is not None:
                appoint(self.world, who, *post)

    def phone(self, who: str) -> Phone:
        """Somebody's phone; `Bookings` gave some of the students theirs."""
        if self.world.rows(Contact, Contact.address == f"of-{who}"):
            return self.world.phone(who, bound=False, address=f"of-{who}")
        return self.world.phone(who)

    def confides(self, *, by_hand: bool = False) -> int:
        """A student books with words."""
        if by_hand:
            self.rules(confirming=Confirming.BY_HAND)
        return self.confirm_hold("student", self.hold("student", at(17, 9)), body=BODY).id

    def actor(self, session: Session, who: str) -> Actor:
        """Somebody who asks a verb."""
        return Actor(session, 0, Channel.WECOM, self.person(who), "", None, None, None, None)


@pytest.fixture
def book(school: World) -> School:
    return School(school)


# ── words ───────────────────────────────────────────────────────────────────────────────────────────────────────────

OWN = ("预约", "我的预约", "取消预约", "改时间", "我会来", "来不了", "要")
WORDS = (*OWN, "继续等", "聊得怎么样", "帮同学约", "值班", "待办", "建议改期", "请假", "加开")
BESIDES = ("看小结", "进度", "查看", "我的数据", "帮助")

SHOWN, TIMES, REFUSED, NOTHING = "shown", "times", "refused", "nothing"
"""The appointment with its counselor and place; times and no name; not theirs to ask; the same as if nobody had booked."""

DESK = {"值班", "建议改期"}
STAFFS = {"值班", "待办", "建议改期", "请假", "加开"}


def expected(who: str, word: str, *, waits: bool) -> str:
    """The matrix of domain 2.2, a line a role."""
    if who == "student":
        return REFUSED if word in STAFFS else SHOWN if word in OWN else NOTHING
    if who == SHEN:
        return REFUSED if word == "待办" else TIMES if word in DESK else NOTHING
    if who in COLLEAGUES:
        return REFUSED if word == "待办" else NOTHING
    if who in CENTRE:
        return TIMES if waits and word == "待办" else NOTHING
    return REFUSED if word in STAFFS else NOTHING


def outcome(world: World, word: str, reply: str, before: str) -> str:
    """Which of the four a reply is."""
    for secret in SECRETS:
        assert secret not in reply.replace("何小雨，你好", ""), (word, reply)  # the greeting names whoever asks
    if world.words("dialogue.not_yours", title=word) in reply:
        return REFUSED
    if reply == before:
        return NOTHING
    return SHOWN if "沈岚老师" in reply and "咨询室一" in reply else TIMES


def says_all(phone: Phone, words: tuple[str, ...]) -> dict[str, str]:
    """What each word is answered with by itself."""
    found = {}
    for word in words:
        found[word] = phone.says(word)
        phone.says("取消")
    return found


@pytest.mark.parametrize(
    ("who", "how"),
    [
        *((who, "certain") for who in EVERYBODY),
        *((who, "by hand") for who in (*CENTRE, SHEN, JIANG, "student", "advisor")),
    ],
)
def test_every_word_by_everybody(book: School, who: str, how: str) -> None:
    by_hand = how == "by hand"
    phone = book.phone(who)
    before = says_all(phone, WORDS)
    book.confides(by_hand=by_hand)

    after = says_all(phone, WORDS)

    found = {word: outcome(book.world, word, after[word], before[word]) for word in WORDS}
    assert found == {word: expected(who, word, waits=by_hand) for word in WORDS}


@pytest.mark.parametrize("who", [*OUTSIDERS, *COLLEAGUES])
def test_no_other_word_tells_of_it_either(book: School, who: str) -> None:
    phone = book.phone(who)
    before = says_all(phone, BESIDES)
    book.cancel("student", book.confides())
    book.confirm_hold("student", book.hold("student", at(19, 14)), body=BODY)
    book.join("student", Haste.EARLIER, earlier_than_id=book.world.rows(Appointment)[-1].id)

    assert says_all(phone, BESIDES) == before


@pytest.mark.parametrize("who", [SHEN, *CENTRE, "student"])
def test_class_lists_show_nothing_of_bookings_to_those_who_may_know_of_them(book: School, who: str) -> None:
    phone = book.phone(who)
    before = says_all(phone, ("看小结", "进度"))
    book.confides()

    assert says_all(phone, ("看小结", "进度")) == before


def test_whoever_looks_for_a_time_sees_free_ones_and_nobody_s(book: School) -> None:
    book.confides()
    phone = book.phone("twin")

    phone.talks("预约", "同意", "能等", "面对面", "跳过")
    shown = phone.says("11月17日上午")

    assert "11月17日 周二 10:00" in shown
    assert not any("09:00" in each for each in options(shown))
    for secret in SECRETS:
        assert secret not in shown


def test_a_time_that_somebody_waits_for_is_offered_without_a_word_on_whose_it_was(book: School) -> None:
    id_ = book.confides()
    book.join("twin")
    book.cancel("student", id_, reason="睡不着，来不了")

    reply = book.phone("twin").says("我的预约")

    assert "空出来了，要吗" in reply
    for secret in (*SECRETS, "来不了"):
        assert secret not in reply


# ── verbs ───────────────────────────────────────────────────────────────────────────────────────────────────────────

Look = Callable[[Session, Actor, School, int], Any]


@dataclass(frozen=True)
class Ask:
    """Something that can be asked for, by whom, of an appointment that waits for the centre."""

    look: Look
    may: tuple[str, ...]


def _page(session: Session, actor: Actor, book: School, _id: int) -> Any:
    return access_clients_page(session, actor.person, book.supply.shen, **book.how)


def _comes(session: Session, actor: Actor, book: School, id_: int) -> Any:
    session.get_one(Appointment, id_).state = AppointmentState.BOOKED
    return say_coming(session, actor, id_, now=book.world.now)


def _task(session: Session, actor: Actor, book: School, id_: int) -> Any:
    return access_task_page(session, actor.person, id_, **book.how)


ASKS = {
    "the appointment": Ask(lambda session, actor, _, id_: access_appointment(session, actor, id_), ("student", SHEN)),
    "what its counselor may do": Ask(lambda session, actor, _, id_: access_client(session, actor, id_), (SHEN,)),
    "to say that one comes": Ask(_comes, ("student",)),
    "the counselor's names": Ask(_page, (SHEN,)),
    "whom to ring up": Ask(_task, CENTRE),
    "what waits": Ask(lambda session, actor, book, _: access_tasks(session, actor, **book.how), CENTRE),
    "totals": Ask(lambda session, actor, _book, _id: totals(session, actor), CENTRE),
    "totals by counselor": Ask(lambda session, actor, _book, _id: totals_of_counselors(session, actor), CENTRE),
}


@pytest.mark.parametrize("what", ASKS)
def test_what_a_verb_shows_to_whom(book: School, what: str) -> None:
    id_, ask = book.confides(by_hand=True), ASKS[what]
    for who in EVERYBODY:
        with db.unit_of_work() as session:
            actor = book.actor(session, who)
            if who in ask.may:
                ask.look(session, actor, book, id_)
            else:
                with pytest.raises(NotFoundError, match=r"^errors\.not_found$"):  # as for what is not there at all
                    ask.look(session, actor, book, id_)


# ── the pages behind links ──────────────────────────────────────────────────────────────────────────────────────────


def link(book: School, who: str, target: str) -> str:
    """The path of a link that somebody has got hold of, whatever their talk would have given them."""
    with db.unit_of_work() as session:
        return f"/open/{make_link(session, book.actor(session, who), target, now=book.world.now)}"


PAGES = {"clients": (SHEN,), "client": CENTRE}


@pytest.mark.parametrize("what", PAGES)
@pytest.mark.parametrize("who", EVERYBODY)
def test_a_page_opens_for_whom_it_is_alone(book: School, what: str, who: str) -> None:
    id_, client = book.confides(by_hand=True), book.world.app.test_client()
    nowhere = client.post(link(book, who, f"{what}:999999"))

    answer = client.post(link(book, who, f"{what}:{book.supply.shen if what == 'clients' else id_}"))

    shown = [row for row in book.world.rows(Audit) if row.fact is Fact.APPOINTMENTS_SHOWN]
    if who in PAGES[what]:
        assert answer.status_code == 200
        assert "何小雨" in answer.text
        assert ("睡不着" in answer.text) is (what == "clients")  # words are for the counselor alone
        assert [(row.actor_id, row.subject) for row in shown] == [
            (book.world.people[who], f"person:{book.world.people['student']}")
        ]
    else:
        assert (answer.status_code, answer.text) == (nowhere.status_code, nowhere.text)
        assert shown == []


@pytest.mark.parametrize(("who", "target"), [(SHEN, "值班"), ("duty", "待办")])
def test_a_link_scanner_spends_nothing_and_reads_nothing(book: School, who: str, target: str) -> None:
    book.confides(by_hand=True)
    phone, client = book.phone(who), book.world.app.test_client()
    reply = phone.talks("值班", "看名单") if target == "值班" else phone.talks("待办", "1", "看是谁、怎么联系")
    path = link_in(reply)

    for look in (client.get, client.head, client.get):
        seen = look(path)
        assert seen.status_code == 200
        assert seen.headers["Cache-Control"] == "no-store"
        for secret in (*SECRETS, *WHEN):
            assert secret not in seen.text
    assert client.open(path, method="OPTIONS").text == ""
    assert Fact.APPOINTMENTS_SHOWN not in book.world.facts()
    assert [it.spent_at for it in book.world.rows(Link)] == [None]

    assert "何小雨" in page(book.world, reply)
    again = client.post(path)
    assert again.status_code == 404
    assert "何小雨" not in again.text
    assert client.get(path).status_code == 404
    assert book.world.facts(Fact.APPOINTMENTS_SHOWN) == [Fact.APPOINTMENTS_SHOWN]


@pytest.mark.parametrize("who", [SHEN, "duty"])
def test_after_ten_minutes_a_link_leads_nowhere(book: School, who: str) -> None:
    id_ = book.confides(by_hand=True)
    path = link(book, who, f"clients:{book.supply.shen}" if who == SHEN else f"client:{id_}")
    client = book.world.app.test_client()
    book.world.forward(minutes=9, seconds=50)
    assert client.get(path).status_code == 200

    book.world.forward(seconds=11)

    for look in (client.get, client.post):
        assert look(path).status_code == 404
    assert Fact.APPOINTMENTS_SHOWN not in book.world.facts()


def test_every_day_that_the_desk_lists_is_on_the_page(book: School) -> None:
    id_ = book.confirm_hold("student", book.hold("student", at(23, 9)), body=BODY).id
    book.world.forward(hours=5)  # Monday, half past midnight: the 23rd is the seventh day after

    phone = book.phone(SHEN)

    assert "后面七天（1 个）" in phone.says("值班")
    assert "何小雨" in page(book.world, phone.says("看名单")), id_


def test_a_calendar_opens_by_its_secret_alone_and_names_nobody(book: School) -> None:
    book.confides()
    client = book.world.app.test_client()
    with db.unit_of_work() as session:
        secret = make_calendar(session, session.get_one(Counselor, book.supply.shen), now=book.world.now)

    text = client.get(f"/calendar/{secret}.ics").text
    assert "BEGIN:VEVENT" in text
    for hidden in (*SECRETS, "mood", "沈岚"):
        assert hidden not in text
    digest = book.world.rows(Counselor, Counselor.id == book.supply.shen)[0].calendar
    for guess in (book.supply.shen, digest, SHEN, "K501", secret[:-1], secret.lower()):
        assert client.get(f"/calendar/{guess}.ics").status_code == 404


# ── cards ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("key", ["confirm", "propose"])
@pytest.mark.parametrize("who", ["advisor", "head", "duty"])
def test_a_card_that_somebody_else_presses_does_nothing(office: Office, who: str, key: str) -> None:
    book = Bookings(office.world)
    staff(office, SHEN)
    other = staff(office, who)
    id_ = book.book("student", at(17, 9))
    drain()
    (it,) = office.world.pushes(SHEN)
    before = (book.row(id_), everything()["outbox"])

    assert other.presses(task(it), key) == OVER

    assert (book.row(id_), everything()["outbox"]) == before


# ── who is told ─────────────────────────────────────────────────────────────────────────────────────────────────────

BOOKING = {kind for kind, rule in KINDS.items() if rule.audience in {Audience.CLIENT, Audience.COUNSELOR}}
ABOVE = ("advisor", "class_teacher", "head", "leader", "duty")


def test_a_whole_life_is_told_to_the_student_the_counselor_and_the_centre_alone(world: World) -> None:
    book = School(world)
    for who in (*ABOVE, "lead", "affairs", "posted", "operator", SHEN, JIANG):
        world.phone(who)
    book.rules(confirming=Confirming.BY_HAND)
    id_ = book.confides()
    book.cancel("student", id_)
    book.rules(confirming=Confirming.AT_ONCE)
    id_ = book.book("student", at(18, 9))
    book.join("twin")
    book.move("student", id_, at(19, 9))
    for _ in range(40):
        world.forward(hours=4)
        appointments.take_steps(book.policy, now=world.now)
        appointments.end_what_passed(book.policy, now=world.now)
        appointments.Mornings().tell(book.policy, now=world.now)

    kinds = {push.kind for push in world.pushes()}
    assert kinds >= {PushKind.BOOKING_NEW, PushKind.BOOKING_TOMORROW, PushKind.BOOKING_AFTER, PushKind.BOOKING_WAITS}
    assert told(world) <= {"student", "twin", SHEN, *CENTRE}
    for push in world.pushes():
        for secret in SECRETS:
            assert secret not in push.data


@pytest.mark.parametrize("kind", sorted(kind for kind in KINDS if KINDS[kind].audience is Audience.CLIENT))
def test_a_booking_that_cannot_be_told_is_nobody_else_s_business(office: Office, kind: PushKind) -> None:
    appoint(office.world, "teacher", Role.CLASS_TEACHER, "软件2301")
    for who in ("advisor", "teacher", "head", "duty", "leader"):
        office.bind(who, Channel.WECOM)
    push_id = office.plan("student", kind)

    for _ in range(3):
        drain()
        office.world.forward(days=1)

    ended = office.row(push_id)
    assert ended.state in {PushState.EXHAUSTED, PushState.SUPPRESSED}, ended.state
    assert told(office.world) == {"student"}
    assert office.arrived() == []


def test_whoever_unbinds_with_a_booking_leaves_no_trace_at_their_teachers(office: Office) -> None:
    world, book = office.world, Bookings(office.world)
    for who in ("advisor", "head", "duty", "leader", SHEN):
        office.bind(who, Channel.WECOM)
    id_ = book.book("student", at(17, 9))
    book.join("student", Haste.EARLIER, earlier_than_id=id_)
    with db.unit_of_work() as session:
        (mine,) = session.scalars(sa.select(Contact).where(Contact.person_id == world.people["student"]))  # type: ignore[arg-type]
        actor = Actor(
            session, mine.id or 0, Channel.OFFICIAL_ACCOUNT, world.people["student"], "", None, None, None, None
        )
        unbind(session, actor, now=world.now)

    for _ in range(20):
        world.forward(hours=4)
        appointments.take_steps(book.policy, now=world.now)
        drain()

    assert book.row(id_).state is AppointmentState.BOOKED  # and can still be kept
    assert told(world) <= {"student", SHEN}
    assert PushKind.UNREACHABLE not in {push.kind for push in world.pushes()}


# ── feedback ────────────────────────────────────────────────────────────────────────────────────────────────────────

TELLERS = ("student", "twin", "second", "neighbour", "committee", "officer")


def tell_all(book: Bookings) -> list[int]:
    """Six students are seen on one morning and tell how it was, one after the other; the appointments' ids."""
    ids = [book.book(who, at(17, 9 + n) if n < 3 else at(17, 11 + n)) for n, who in enumerate(TELLERS)]
    book.world.forward(days=2)
    for who, face in zip(TELLERS, ("1", "2", "3", "4", "1", "2"), strict=True):
        phone = book.world.phone(who, bound=False, address=f"of-{who}")
        assert "😀" in phone.says("聊得怎么样")
        phone.talks(face, "1")
        book.world.forward(minutes=7)
    return ids


def test_feedback_has_nothing_by_which_it_could_be_joined(world: World) -> None:
    """What remains is named in docs/rules.md: the only visit of a counselor's in a month, and the engine's own traces."""
    book = Bookings(world)
    before = world.facts()
    ids = tell_all(book)
    told_of = world.rows(Feedback)

    table = Feedback.__table__  # type: ignore[attr-defined]
    assert {column.name for column in table.columns} == {"id", "counselor_id", "month", "face", "again"}
    assert {key.target_fullname for key in table.foreign_keys} == {"counselor.id"}
    assert {(it.counselor_id, it.month) for it in told_of} == {(book.supply.shen, "2026-11")}
    assert all(book.row(id_).face for id_ in ids)
    # Numbers by chance: neither counted, nor in the order in which it was told, nor near those of appointments.
    numbers = sorted(it.id for it in told_of)
    assert all(later - earlier > 1 for earlier, later in pairwise(numbers))
    assert numbers[-1] > 1_000_000
    # No fact, no push, no counter says when or by whom; the talk that was open is gone.
    facts = set(world.facts()) - set(before)
    assert facts <= {Fact.APPOINTMENT_BOOKED}
    with db.unit_of_work(write=False) as session:
        for name, rows in everything().items():
            if name in {"feedback", "inbox"}:
                continue
            for number in numbers:
                assert not any(number in row for row in rows), name
        assert session.execute(sa.text("SELECT count(*) FROM talk WHERE log IS NOT NULL")).scalar_one() == 0


def test_the_order_of_feedback_is_nobody_s_order(book: School) -> None:
    told_in_order = list(Face) * 6
    with db.unit_of_work() as session:
        for face in told_in_order:
            it = Appointment(
                student_id=book.world.people["student"],
                counselor_id=book.supply.shen,
                mode=Mode.PHONE,
                state=AppointmentState.DONE,
                starts_at=at(14, 9),
                ends_at=at(14, 10),
                busy_from=at(14, 9),
                busy_to=at(14, 10),
                made_at=at(1, 9),
            )
            session.add(it)
            session.flush()
            tell_how_it_was(session, book.actor(session, "student"), it.id or 0, face, None, **book.how)

    assert [it.face for it in book.world.rows(Feedback)] != told_in_order


@pytest.mark.parametrize("who", EVERYBODY)
def test_totals_are_the_centre_s_and_of_few_there_are_none(book: School, who: str) -> None:
    with db.unit_of_work() as session:
        counts = ((book.supply.shen, 5), (book.supply.jiang, 4))
        session.add_all(
            Feedback(counselor_id=id_, month="2026-11", face=Face.GOOD, again=Again.SAME)
            for id_, count in counts
            for _ in range(count)
        )
        session.flush()
        actor = book.actor(session, who)
        ask = partial(totals_of_counselors, session, actor)
        if any(post.role in CENTRE_LEADS for post in posts_of(session, actor.person)):
            assert {id_: it.count for id_, it in ask().items()} == {book.supply.shen: 5}
        else:
            with pytest.raises(NotFoundError):
                ask()


def test_what_pushes_carry_of_bookings_is_ids_and_times(book: School) -> None:
    book.phone(SHEN)
    id_ = book.confides()
    book.world.forward(hours=1)
    book.do(lambda session: cancel(session, By(book.world.people[SHEN], Side.COUNSELOR), id_, **book.how))

    allowed = {
        "appointment",
        "version",
        "when",
        "before",
        "until",
        "until_at",
        "count",
        "counselor",
        "waiter",
        "proposal",
    }
    for push in book.world.pushes():
        assert set(json.loads(push.data)) <= allowed, push.kind
    assert {push.kind for push in book.world.pushes()} <= BOOKING
