"""What the platforms' error codes mean for a push. Source: fact sheets, section 13; the code decides, its text changes."""

import random
from datetime import datetime, time, timedelta, timezone
from enum import StrEnum
from types import MappingProxyType

from models.channel import Channel


class Verdict(StrEnum):
    """What to do about a code."""

    RETRY = "retry"  # the same again, later
    TOKEN = "token"  # ask for the token once more, repeat once  # noqa: S105
    DROP = "drop"  # final for this person on this channel
    FALLBACK = "fallback"  # not this way, another may do
    FIX = "fix"  # a fault of ours or of the settings: somebody must look
    PAUSE = "pause"  # this platform wants no calls for a while: somebody must look when it lasts
    UNKNOWN = "unknown"  # once more, then final


def _table(**codes: tuple[int, ...]) -> MappingProxyType[int, Verdict]:
    return MappingProxyType({code: Verdict(verdict) for verdict, known in codes.items() for code in known})


CODES = {
    Channel.OFFICIAL_ACCOUNT: _table(
        retry=(-1, 268487001, 268487002),
        token=(40001, 40014, 42001),
        drop=(40003, 43019, 46003, 49003, 50002, 70000),
        fallback=(43004, 43101, 45015, 45047, 48002, 50005),
        fix=(
            *(40002, 40008, 40013, 40033, 40035, 40125, 41001, 41002, 41004, 43002, 47001),  # the call
            *(40007, 45002, 45008, 44002, 44004),  # what is in it
            *(40036, 40037, 40039, 40165, 40246, 40247, 40249, 41030, 43116, 47003),  # the template
            *range(40015, 40029),  # the menu
            *(48001, 48003, 48008, 50001, 61004, 61007),  # the account's rights
        ),
        pause=(40164, 40243, 45009, 45011, 48004, 48006, 89501, 89503, 89506, 89507),
    ),
    Channel.WECOM: _table(
        retry=(-1, 6000, 45033),
        token=(40001, 40014, 42001),
        drop=(
            *(40003, 43004, 50002, 60011, 60021, 60111, 81013, 301021),  # the member
            *(42014, 42015, 42016, 42052, 60140),  # the message spoken of: its task, its age, its response code
            46003,
        ),
        fallback=(43012,),
        fix=(
            *(40008, 40013, 40031, 40032, 40033, 40035, 40056, 40057, 40058, 40063, 40066, 40068),  # the call
            *(40007, 41001, 41004, 41011, 44004, 45002, 45007, 45008, 47001, 82001, 82002, 82003, 301002),
            *(42017, 42018, 42019, 42020),  # a card's buttons
            *range(40016, 40029),  # the menu
            *(43009, 48001, 48002, 48004, 48005, 48006, 48009, 701099),  # the application's rights
        ),
        pause=(45009, 50003, 60020, 301007),
    ),
}
"""A token code that the token call itself answers is a fault of the settings: see `of_token_call`."""

WINDOW_CLOSED = frozenset([45015, 45047])
"""The person's window is over, or its messages are used up."""

LOST = {
    # Unknown to the account, not or no longer following, in its blacklist. Not 48002: whoever has switched messages off can
    # switch them on again without our hearing of it. Not 49003: there our app_id may be the wrong one, for everybody.
    Channel.OFFICIAL_ACCOUNT: frozenset([40003, 43004, 43019, 50005]),
    # No such member, not in the plug-in, not in the application's range. Not 60011: an operator's to mend, for everybody.
    Channel.WECOM: frozenset([40003, 43004, 60021, 60111, 81013]),
}
"""Codes after which the contact no longer listens. 43101 is none: it refuses one kind of notice."""

TASK_USED = frozenset([42014])
"""WeCom has seen this `task_id`: the card went out before, and counts as sent.

Source: the platform's words for it are "taskid has existed or empty or exceed max len"
(developers.weixin.qq.com/community/enterprisewechat, 2022-04-26, one source); our ids are neither empty nor long.
"""

QUOTAS = frozenset([45009, 45011])
"""Codes that end with a quota's window, in `clock.now()`; all other pauses follow the machine."""

BEIJING = timezone(timedelta(hours=8))
MIDNIGHT_SPREAD = timedelta(minutes=5)
"""Not everybody at 0:00:00."""

BUSY_FOR = timedelta(seconds=1)
PAUSE_FOR = timedelta(minutes=1)
UNREACHABLE_AT_MOST = timedelta(seconds=10)
PAUSES = MappingProxyType(
    {
        40164: timedelta(minutes=5),  # our address is not on the platform's list
        60020: timedelta(minutes=5),
        40243: timedelta(hours=1),
        48004: timedelta(hours=1),
        301007: timedelta(hours=1),
        89506: timedelta(hours=24),  # an administrator of the account said no
        89507: timedelta(hours=1),
    }
)
WECOM_WINDOWS = (timedelta(minutes=1), timedelta(hours=1))
"""WeCom blocks for 60 s, for 60 min or until the day ends, and does not say which (document/path/90312); asked again too
early, it is the longer one."""

TOKEN_REFUSED_FOR = timedelta(minutes=5)
"""Wrong credentials, asked again and again, get our address locked out (WeCom fact sheet 5)."""


def verdict(channel: Channel, code: int) -> Verdict:
    """What a code that a sending call answered with means."""
    return CODES[channel].get(code, Verdict.UNKNOWN)


def is_lost(channel: Channel, code: int | None) -> bool:
    """Whether the contact no longer listens, now that this was answered."""
    return code in LOST[channel]


def pause_after(channel: Channel, code: int | None, *, times: int, now: datetime) -> timedelta:
    """How long a platform is left alone that asked for it `times` times in a row; with no code, that cannot be reached."""
    if code is None:
        return _spread(min(BUSY_FOR * 2 ** min(times - 1, 10), UNREACHABLE_AT_MOST))
    if code == 45009:  # noqa: PLR2004 — the sheets' own number
        if channel is Channel.WECOM:
            return _spread(WECOM_WINDOWS[min(times, len(WECOM_WINDOWS)) - 1])
        tomorrow = now.astimezone(BEIJING).date() + timedelta(days=1)
        return datetime.combine(tomorrow, time(), BEIJING) - now + MIDNIGHT_SPREAD * random.random()
    return PAUSES.get(code, PAUSE_FOR)


def of_token_call(channel: Channel, code: int) -> timedelta:
    """How long not to ask for a token after it was refused with this code. An operator may reset a quota any moment."""
    return BUSY_FOR if verdict(channel, code) is Verdict.RETRY else max(TOKEN_REFUSED_FOR, PAUSES.get(code, PAUSE_FOR))


def _spread(span: timedelta) -> timedelta:
    return span * (1 + random.random() / 8)
