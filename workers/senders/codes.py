"""What the platforms' error codes mean for a push. Source: fact sheets, section 13; the code decides, its text changes."""

from datetime import timedelta
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
        drop=(40003, 43019, 49003, 50002, 70000),
        fallback=(43004, 43101, 45015, 45047, 48002, 50005),
        fix=(
            *(40002, 40008, 40013, 40033, 40035, 40125, 41001, 41002, 41004, 43002, 47001),  # the call
            *(40007, 45002, 45008, 44002, 44004),  # what is in it
            *(40036, 40037, 40039, 40165, 40246, 40247, 40249, 41030, 43116, 47003),  # the template
            *(48001, 48003, 48008, 50001, 61004, 61007),  # the account's rights
        ),
        pause=(40164, 40243, 45009, 45011, 48004, 89501, 89503, 89506, 89507),
    ),
    Channel.WECOM: _table(
        retry=(-1, 6000, 45033),
        token=(40001, 40014, 42001),
        drop=(40003, 43004, 50002, 60011, 60021, 60111, 81013, 301021),
        fallback=(43012,),
        fix=(
            *(40008, 40013, 40031, 40032, 40033, 40035, 40056, 40057, 40058, 40063, 40066, 40068),  # the call
            *(40007, 41001, 41004, 41011, 44004, 45002, 45007, 45008, 47001, 82001, 82002, 82003, 301002),
            *(43009, 48001, 48002, 48004, 48005, 48006, 48009, 701099),  # the application's rights
        ),
        pause=(45009, 50003, 60020, 301007),
    ),
}
"""A token code that the token call itself answers is a fault of the settings: see `of_token_call`."""

WINDOW_CLOSED = frozenset([45015, 45047])
"""The person's window is over, or its messages are used up."""

BUSY_FOR = timedelta(seconds=1)
PAUSE_FOR = timedelta(minutes=1)
PAUSES = MappingProxyType(
    {
        45009: timedelta(minutes=5),  # the day's or the hour's quota
        40164: timedelta(minutes=5),  # our address is not on the platform's list
        60020: timedelta(minutes=5),
        40243: timedelta(hours=1),
        48004: timedelta(hours=1),
        301007: timedelta(hours=1),
        89506: timedelta(hours=24),  # an administrator of the account said no
        89507: timedelta(hours=1),
    }
)
TOKEN_REFUSED_FOR = timedelta(minutes=5)
"""Wrong credentials, asked again and again, get our address locked out (WeCom fact sheet 5)."""


def verdict(channel: Channel, code: int) -> Verdict:
    """What a code that a sending call answered with means."""
    return CODES[channel].get(code, Verdict.UNKNOWN)


def pause_after(code: int) -> timedelta:
    """How long a platform that asked for a pause is left alone."""
    return PAUSES.get(code, PAUSE_FOR)


def of_token_call(channel: Channel, code: int) -> timedelta:
    """How long not to ask for a token after it was refused with this code."""
    return BUSY_FOR if verdict(channel, code) is Verdict.RETRY else max(TOKEN_REFUSED_FOR, pause_after(code))
