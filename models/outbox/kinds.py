"""Every kind of push in one list: for whom, how urgent, what it may show, over what, for how long, while what holds.

A push names nobody but its reader, staff and units; `fields` is all of a row's `data` that its words may show. The checks
behind `holds` are in `workers/still_true.py`.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType


class Urgency(StrEnum):
    """How a push is hurried."""

    ROUTINE = "routine"
    IMPORTANT = "important"
    URGENT = "urgent"


class PushKind(StrEnum):
    """What a push tells; its words are `push.<kind>`, its template `official_account.templates.<kind>`."""

    CLASS_OPENED = "class_opened"
    CLASS_REMINDER = "class_reminder"
    DORM_OPENED = "dorm_opened"
    DORM_REMINDER = "dorm_reminder"
    CHECKIN_MISSING = "checkin_missing"  # after due, to the advisor
    CLASS_LIST = "class_list"  # on closing, to the station head
    POST_VACANT = "post_vacant"  # to whoever appoints
    CHECKIN_CAME = "checkin_came"  # all was calm
    CHECKIN_WAITS = "checkin_waits"  # something in it wants to be read
    CONCERN_CAME = "concern_came"
    CONCERN_WAITS = "concern_waits"  # to the writer of one that was not sent, once
    CONCERN_UNSENT = "concern_unsent"  # to the advisor, when it was dropped
    ALERT = "alert"
    ALERT_FACTS = "alert_facts"
    BOOKING_NEW = "booking_new"  # to the counselor
    BOOKING_MOVED = "booking_moved"
    BOOKING_GONE = "booking_gone"  # cancelled by the student
    PROPOSAL_ANSWERED = "proposal_answered"
    MORNING_LIST = "morning_list"
    BOOKING_WAITS = "booking_waits"  # to the centre: to be confirmed by hand
    PROPOSAL_UNANSWERED = "proposal_unanswered"  # to the centre
    NO_OPEN_SLOT = "no_open_slot"  # to the centre: a working day without one
    OFTEN_MISSED = "often_missed"  # to the centre
    BOOKING_TOMORROW = "booking_tomorrow"  # to the student, all the following
    BOOKING_SOON = "booking_soon"
    BOOKING_CONFIRMED = "booking_confirmed"
    BOOKING_DECLINED = "booking_declined"
    BOOKING_CALLED_OFF = "booking_called_off"  # by the counselor or the centre
    PROPOSAL_MADE = "proposal_made"
    OFFER_MADE = "offer_made"
    OFFER_OVER = "offer_over"
    BOOKING_MISSED = "booking_missed"
    BOOKING_AFTER = "booking_after"
    SENT_ON = "sent_on"  # from a station to the centre
    REBIND_ASK = "rebind_ask"  # to the account that a person has
    REBIND_CONFIRM = "rebind_confirm"  # to the advisor or the centre
    REBIND_DONE = "rebind_done"
    CARD_TRIAL = "card_trial"  # a first card: whoever presses it can see cards
    CARD_CLOSED = "card_closed"  # somebody else's card says that it is done
    UNREACHABLE = "unreachable"  # to the superior of somebody who could not be reached
    STALLED = "stalled"  # to the operators: something that should have moved did not
    DIGEST = "digest"  # the words of a message that carries several rows; never planned
    URGENT_COUNT = "urgent_count"  # the words of 「还有 N 件紧急」; never planned
    UNKNOWN = "unknown"  # a row that another release has planned is read as this one; never planned


class Route(StrEnum):
    """What a push can travel over; the first two are platforms (`models.channel.Channel`)."""

    WECOM = "wecom"
    OFFICIAL_ACCOUNT = "official_account"
    FALLBACK = "fallback"  # the school's other ways, through apprise


class Audience(StrEnum):
    """For whom a kind is, in the list's own words."""

    OFFICER = "officer"
    WRITER = "writer"
    TEACHERS = "teachers"  # advisors, else the station head, else the centre
    STATION_HEAD = "station_head"
    APPOINTER = "appointer"
    DUTY = "duty"
    OWNER = "owner"  # the person whose account or card it is
    SUPERIOR = "superior"
    OPERATOR = "operator"
    COUNSELOR = "counselor"
    CENTRE = "centre"
    CLIENT = "client"  # the student who booked, or waits


class Quiet(StrEnum):
    """What the quiet hours do to a kind. What is important waits only when it is still of use in the morning."""

    WAITS = "waits"
    PASSES = "passes"


class Holds(StrEnum):
    """What must still be so when a push is sent; by name, see `workers/still_true.py`."""

    ALWAYS = "always"
    CHECKIN_IS_MISSING = "checkin_is_missing"
    CHECKIN_IS_CURRENT = "checkin_is_current"
    READER_HAS_A_POST = "reader_has_a_post"
    POST_IS_VACANT = "post_is_vacant"
    TALK_WAITS = "talk_waits"
    ALERT_STANDS = "alert_stands"
    REBIND_IS_OPEN = "rebind_is_open"
    APPOINTMENT_STANDS = "appointment_stands"  # booked still, in the version that was spoken of
    APPOINTMENT_WAITS = "appointment_waits"  # for the centre's answer
    PROPOSAL_IS_OPEN = "proposal_is_open"
    OFFER_STANDS = "offer_stands"
    COUNSELOR_HAS_SOME = "counselor_has_some"  # appointments on the day that is spoken of
    DAY_IS_BARE = "day_is_bare"
    VISIT_IS_UNTOLD = "visit_is_untold"  # it took place, as far as anybody said, and how it was has not been told


class Button(StrEnum):
    """What can be pressed on a card; its caption is `push.button.<button>`."""

    KNOWN = "known"
    LATER = "later"
    SEES_CARDS = "sees_cards"
    CONFIRM = "confirm"  # 确认, of a new booking
    PROPOSE = "propose"  # 建议改期
    COMING = "coming"  # 我会来
    MOVE = "move"  # 改时间
    CANCEL = "cancel"  # 取消预约
    TAKE = "take"  # 要, an offered time
    WAIT_ON = "wait_on"  # 继续等


@dataclass(frozen=True)
class KindOfPush:
    """One kind.

    Units: `lasts` from due to expiry, unless whoever plans it knows better. `routes` in the order in which they are tried; an
    urgent kind takes all at once. `bundles`: may travel in a digest. `superior`: when nobody can be reached, the person's
    superior is told.
    """

    kind: PushKind
    audience: Audience
    urgency: Urgency
    fields: frozenset[str]
    lasts: timedelta
    routes: tuple[Route, ...]
    quiet: Quiet
    holds: Holds
    mutable: bool = False
    bundles: bool = True
    superior: bool = False
    buttons: tuple[Button, ...] = ()

    @property
    def words(self) -> str:
        """The key of its sentence."""
        return f"push.{self.kind.value}"

    @property
    def short(self) -> str:
        """The key of its sentence where 20 characters must do."""
        return f"push.short.{self.kind.value}"


DAY = timedelta(days=1)
CHAT = (Route.WECOM, Route.OFFICIAL_ACCOUNT)
EVERYWHERE = (*CHAT, Route.FALLBACK)


def _routine(  # noqa: PLR0913 — one row of the list
    kind: PushKind,
    audience: Audience,
    *fields: str,
    lasts: timedelta = DAY,
    holds: Holds = Holds.ALWAYS,
    mutable: bool = False,
    buttons: tuple[Button, ...] = (),
    bundles: bool = True,
    routes: tuple[Route, ...] = CHAT,
    quiet: Quiet = Quiet.WAITS,
) -> KindOfPush:
    return KindOfPush(
        kind, audience, Urgency.ROUTINE, frozenset(fields), lasts, routes, quiet, holds, mutable, bundles,
        superior=False, buttons=buttons,
    )  # fmt: skip


def _important(  # noqa: PLR0913 — one row of the list
    kind: PushKind,
    audience: Audience,
    *fields: str,
    lasts: timedelta = DAY,
    holds: Holds = Holds.ALWAYS,
    superior: bool = True,
    buttons: tuple[Button, ...] = (),
    routes: tuple[Route, ...] = EVERYWHERE,
    bundles: bool = True,
    quiet: Quiet = Quiet.PASSES,
) -> KindOfPush:
    return KindOfPush(
        kind, audience, Urgency.IMPORTANT, frozenset(fields), lasts, routes, quiet, holds, bundles=bundles,
        superior=superior, buttons=buttons,
    )  # fmt: skip


def _urgent(kind: PushKind, audience: Audience, *fields: str, holds: Holds, superior: bool = True) -> KindOfPush:
    return KindOfPush(
        kind, audience, Urgency.URGENT, frozenset(fields), DAY, EVERYWHERE, Quiet.PASSES, holds, superior=superior
    )


_READ = (Button.KNOWN, Button.LATER)
_COMES = (Button.COMING, Button.MOVE, Button.CANCEL)
_LIST = (
    _routine(PushKind.CLASS_OPENED, Audience.OFFICER, "unit", holds=Holds.CHECKIN_IS_MISSING, mutable=True),
    _routine(PushKind.CLASS_REMINDER, Audience.OFFICER, "unit", holds=Holds.CHECKIN_IS_MISSING, mutable=True),
    _routine(PushKind.DORM_OPENED, Audience.OFFICER, "unit", holds=Holds.CHECKIN_IS_MISSING, mutable=True),
    _routine(PushKind.DORM_REMINDER, Audience.OFFICER, "unit", holds=Holds.CHECKIN_IS_MISSING, mutable=True),
    _routine(
        PushKind.CHECKIN_MISSING, Audience.TEACHERS, "units", "count", holds=Holds.CHECKIN_IS_MISSING, mutable=True
    ),
    _routine(
        PushKind.CLASS_LIST, Audience.STATION_HEAD, "unit", "came", "missing",
        lasts=3 * DAY, holds=Holds.READER_HAS_A_POST, mutable=True,
    ),
    _routine(PushKind.POST_VACANT, Audience.APPOINTER, "units", "count", lasts=7 * DAY, holds=Holds.POST_IS_VACANT),
    _routine(
        PushKind.CHECKIN_CAME, Audience.TEACHERS, "unit",
        lasts=3 * DAY, holds=Holds.CHECKIN_IS_CURRENT, mutable=True,
    ),
    _important(
        PushKind.CHECKIN_WAITS, Audience.TEACHERS, "unit", "waiting",
        lasts=7 * DAY, holds=Holds.CHECKIN_IS_CURRENT, buttons=_READ,
    ),
    _important(
        PushKind.CONCERN_CAME, Audience.TEACHERS, "unit", lasts=7 * DAY, holds=Holds.READER_HAS_A_POST, buttons=_READ
    ),
    _important(PushKind.CONCERN_WAITS, Audience.WRITER, holds=Holds.TALK_WAITS, superior=False, routes=CHAT),
    _important(PushKind.CONCERN_UNSENT, Audience.TEACHERS, "unit", lasts=7 * DAY),
    _urgent(PushKind.ALERT, Audience.DUTY, "unit", holds=Holds.ALERT_STANDS),
    _urgent(PushKind.ALERT_FACTS, Audience.DUTY, holds=Holds.ALERT_STANDS),
    _important(
        PushKind.BOOKING_NEW, Audience.COUNSELOR, "when", lasts=7 * DAY,
        holds=Holds.APPOINTMENT_STANDS, buttons=(Button.CONFIRM, Button.PROPOSE), quiet=Quiet.WAITS,
    ),
    _important(
        PushKind.BOOKING_MOVED, Audience.COUNSELOR, "when", "before",
        lasts=7 * DAY, holds=Holds.APPOINTMENT_STANDS, quiet=Quiet.WAITS,
    ),
    _important(PushKind.BOOKING_GONE, Audience.COUNSELOR, "when", lasts=7 * DAY, quiet=Quiet.WAITS),
    _important(
        PushKind.PROPOSAL_ANSWERED, Audience.COUNSELOR, "when", "answer", lasts=7 * DAY, superior=False, quiet=Quiet.WAITS
    ),
    _routine(
        PushKind.MORNING_LIST, Audience.COUNSELOR, "count", holds=Holds.COUNSELOR_HAS_SOME, mutable=True
    ),
    _important(
        PushKind.BOOKING_WAITS, Audience.CENTRE, "until",
        lasts=7 * DAY, holds=Holds.APPOINTMENT_WAITS, buttons=_READ, quiet=Quiet.WAITS,
    ),
    _important(PushKind.PROPOSAL_UNANSWERED, Audience.CENTRE, "count", lasts=3 * DAY, quiet=Quiet.WAITS),
    _important(PushKind.NO_OPEN_SLOT, Audience.CENTRE, "day", holds=Holds.DAY_IS_BARE, quiet=Quiet.WAITS),
    _routine(PushKind.OFTEN_MISSED, Audience.CENTRE, lasts=7 * DAY),
    # A student's superior would be a teacher of theirs: nobody above ever hears of a booking.
    _important(
        PushKind.BOOKING_TOMORROW, Audience.CLIENT, "when", holds=Holds.APPOINTMENT_STANDS, superior=False,
        buttons=_COMES, bundles=False,
    ),
    _important(
        PushKind.BOOKING_SOON, Audience.CLIENT, "when", holds=Holds.APPOINTMENT_STANDS, superior=False,
        buttons=_COMES, bundles=False,
    ),
    _important(PushKind.BOOKING_CONFIRMED, Audience.CLIENT, "when", holds=Holds.APPOINTMENT_STANDS, superior=False),
    _important(PushKind.BOOKING_DECLINED, Audience.CLIENT, superior=False),
    _important(PushKind.BOOKING_CALLED_OFF, Audience.CLIENT, "when", superior=False),
    _important(
        PushKind.PROPOSAL_MADE, Audience.CLIENT, "until", holds=Holds.PROPOSAL_IS_OPEN, superior=False, quiet=Quiet.WAITS
    ),
    _important(
        PushKind.OFFER_MADE, Audience.CLIENT, "when", "until", holds=Holds.OFFER_STANDS, superior=False,
        buttons=(Button.TAKE, Button.WAIT_ON), bundles=False, quiet=Quiet.WAITS,
    ),
    _routine(PushKind.OFFER_OVER, Audience.CLIENT),
    _routine(PushKind.BOOKING_MISSED, Audience.CLIENT, lasts=3 * DAY),
    _routine(PushKind.BOOKING_AFTER, Audience.CLIENT, lasts=2 * DAY, holds=Holds.VISIT_IS_UNTOLD),
    _important(PushKind.SENT_ON, Audience.CLIENT, lasts=7 * DAY, superior=False),
    _important(
        PushKind.REBIND_ASK, Audience.OWNER, "platform", holds=Holds.REBIND_IS_OPEN, superior=False, routes=CHAT,
        bundles=False,
    ),
    _important(PushKind.REBIND_CONFIRM, Audience.SUPERIOR, "unit", "platform", lasts=7 * DAY, holds=Holds.REBIND_IS_OPEN),
    _routine(PushKind.REBIND_DONE, Audience.OWNER, "platform"),
    _routine(
        PushKind.CARD_TRIAL, Audience.OWNER,
        buttons=(Button.SEES_CARDS,), bundles=False, routes=(Route.WECOM,), quiet=Quiet.PASSES,
    ),
    _routine(
        PushKind.CARD_CLOSED, Audience.OWNER, "name", bundles=False, routes=(Route.WECOM,), quiet=Quiet.PASSES
    ),
    _important(PushKind.UNREACHABLE, Audience.SUPERIOR, "who", superior=False),
    _urgent(PushKind.STALLED, Audience.OPERATOR, "count", holds=Holds.ALWAYS, superior=False),
)  # fmt: skip

KINDS = MappingProxyType({each.kind: each for each in _LIST})
PLANNED_NEVER = frozenset([PushKind.DIGEST, PushKind.URGENT_COUNT, PushKind.UNKNOWN])
MUTABLE = tuple(each.kind for each in _LIST if each.mutable)
TEMPLATED = (
    *(each.kind for each in _LIST if Route.OFFICIAL_ACCOUNT in each.routes),
    PushKind.DIGEST,
    PushKind.URGENT_COUNT,
)
"""The kinds for which a school may name a template message."""

_BY_NAME = {each.value: each for each in PushKind}


def kind_of(name: str) -> PushKind:
    """The kind that a row names; `UNKNOWN` when this release does not have it."""
    return _BY_NAME.get(name, PushKind.UNKNOWN)
