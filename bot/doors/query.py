"""The query of a callback's address: read once, strictly, and checked against the machine's clock."""

from datetime import timedelta
from urllib.parse import parse_qsl

from bot.doors.errors import StaleError, UnprovenError
from models import clock

TOLERANCE = timedelta(minutes=15)
"""How far a callback's timestamp may be from ours; the platforms name no figure, and repeat within seconds."""

_SECONDS = TOLERANCE.total_seconds()
_MOST_FIELDS = 32
_MOST_DIGITS = 12


class Query:
    """The parameters of one callback, each given exactly once."""

    __slots__ = ("_fields",)

    def __init__(self, raw: str) -> None:
        """Read the query string as it came in the address, still percent-encoded.

        Raises: UnprovenError when a parameter is repeated or something is not ASCII or not UTF-8 inside.
        """
        if not raw.isascii():
            raise UnprovenError
        try:
            pairs = parse_qsl(raw, keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
        except ValueError as error:
            raise UnprovenError from error
        self._fields = dict(pairs)
        if len(self._fields) != len(pairs):
            raise UnprovenError

    def __getitem__(self, name: str) -> str:
        """One parameter.

        Raises: UnprovenError when it is missing or empty.
        """
        value = self._fields.get(name)
        if not value:
            raise UnprovenError
        return value

    def check_fresh(self) -> None:
        """Let a timestamp near the machine's own time pass. To be asked after the signature, which covers it.

        Raises: StaleError when it is too far off; UnprovenError when it is no timestamp.
        """
        timestamp = self["timestamp"]
        if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= _MOST_DIGITS):
            raise UnprovenError
        if abs(clock.machine().timestamp() - int(timestamp)) > _SECONDS:
            raise StaleError
