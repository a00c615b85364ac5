"""From settings to what the lower floors take: a frozen policy, and the words with the school's own names in them."""

from datetime import timedelta
from typing import TYPE_CHECKING

from models.policy import (
    BookingPolicy,
    CheckinPolicy,
    Confirming,
    DutyPolicy,
    Period,
    Phone,
    Policy,
    PushPolicy,
    Term,
    Ties,
    WeeklyMoment,
)
from models.post import ROLE_NAMES, Role

if TYPE_CHECKING:
    from bot.settings import Settings, WeeklyTime
    from handlers.words.catalogue import Words

PUBLIC_PHONES = (Phone("急救", "120"), Phone("报警", "110"))


def make_policy(settings: "Settings") -> Policy:
    """The school's decisions."""
    checkin = settings.checkin
    return Policy(
        school=settings.school.name,
        role_names=ROLE_NAMES | {Role(role): name for role, name in settings.school.role_names.items()},
        checkin=CheckinPolicy(
            class_opens=_weekly(checkin.class_opens),
            class_due=_weekly(checkin.class_due),
            dorm_opens=_weekly(checkin.dorm_opens),
            dorm_due=_weekly(checkin.dorm_due),
            dorm_every_weeks=checkin.dorm_every_weeks,
            remind_before=timedelta(hours=checkin.reminder_before_due_hours),
            question_answered_within=checkin.question_answered_within,
            terms=tuple(Term(term.first_day, term.last_day) for term in settings.school.terms),
            zone=settings.school.timezone,
        ),
        duty=DutyPolicy(
            contacts=settings.duty.contacts,
            operators=settings.duty.operators,
            phones=tuple(Phone(phone.name, phone.number) for phone in settings.duty.phones),
            unanswered=timedelta(minutes=settings.urgent.unanswered_minutes),
        ),
        push=_push(settings),
        booking=_booking(settings),
        talk_lasts=timedelta(hours=checkin.talk_hours),
        keys_kept=timedelta(days=settings.retention.message_key_days),
        pushes_kept=timedelta(days=settings.retention.push_days),
        replies_kept=timedelta(hours=settings.retention.stored_reply_hours),
        bookings_kept=timedelta(days=settings.retention.booking_days),
        booking_words_kept=timedelta(days=settings.retention.booking_words_days),
        public_url=settings.web.public_url,
    )


def _push(settings: "Settings") -> PushPolicy:
    quiet = settings.quiet_hours
    return PushPolicy(quiet_from=quiet.starts, quiet_to=quiet.ends, zone=settings.school.timezone)


def _booking(settings: "Settings") -> BookingPolicy:
    it = settings.booking
    return BookingPolicy(
        session=timedelta(minutes=it.session_minutes),
        buffer_before=timedelta(minutes=it.buffer_before_minutes),
        buffer_after=timedelta(minutes=it.buffer_after_minutes),
        notice=timedelta(hours=it.notice_hours),
        horizon=timedelta(days=it.horizon_days),
        most_open=it.open_per_student,
        most_a_week=it.weekly_per_student,
        counselor_a_day=it.daily_per_counselor,
        counselor_a_week=it.weekly_per_counselor,
        hold=timedelta(minutes=it.hold_minutes),
        cancel_notice=timedelta(hours=it.cancel_notice_hours),
        change_notice=timedelta(hours=it.change_notice_hours),
        most_changes=it.changes,
        confirming=Confirming(it.confirm),
        answer_by=it.answer_by,
        offer=timedelta(hours=it.offer_hours),
        proposal=timedelta(hours=it.proposal_hours),
        remind_at=it.remind_at,
        remind_before=timedelta(hours=it.remind_before_hours),
        morning_at=it.morning_at,
        misses=it.misses,
        misses_within=timedelta(days=it.misses_within_days),
        late_after=timedelta(minutes=it.late_after_minutes),
        ties=Ties(it.dual_relation),
        station_first=it.station_first,
        centre_phone=it.centre_phone,
        centre_mailbox=it.centre_mailbox,
        quiet=_push(settings),
        terms=tuple(Term(term.first_day, term.last_day) for term in settings.school.terms),
        periods=tuple(Period(period.name, period.starts, period.ends) for period in settings.school.periods),
        zone=settings.school.timezone,
    )


def _weekly(moment: "WeeklyTime") -> WeeklyMoment:
    return WeeklyMoment(moment.weekday, moment.at)


def make_words(settings: "Settings", policy: Policy) -> "Words":
    """The sentences, with the school's name, phones and role names; a `words/` folder beside the config rewords them."""
    from handlers.words.catalogue import Words  # noqa: PLC0415 — the supervisor imports this module and needs no words

    phones = [*PUBLIC_PHONES, *policy.duty.phones]
    always = {"school": policy.school, "phones": "\n".join(f"{phone.name} {phone.number}" for phone in phones)}
    always |= {f"role_{role.value}": name for role, name in policy.role_names.items()}
    return Words(settings.school.timezone, always, settings.folder / "words")
