"""From settings to what the lower floors take: a frozen policy, and the words with the school's own names in them."""

from datetime import timedelta
from typing import TYPE_CHECKING

from models.policy import CheckinPolicy, DutyPolicy, Phone, Policy, PushPolicy, Term, WeeklyMoment
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
        push=PushPolicy(
            quiet_from=settings.quiet_hours.starts, quiet_to=settings.quiet_hours.ends, zone=settings.school.timezone
        ),
        talk_lasts=timedelta(hours=checkin.talk_hours),
        keys_kept=timedelta(days=settings.retention.message_key_days),
        pushes_kept=timedelta(days=settings.retention.push_days),
        replies_kept=timedelta(hours=settings.retention.stored_reply_hours),
        public_url=settings.web.public_url,
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
