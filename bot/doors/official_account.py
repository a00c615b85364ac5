"""The official account's door (微信公众平台 服务号). Source: platform/official-account 1 to 4."""

from typing_extensions import override

from bot.doors.door import Door, Letter
from bot.doors.envelope import Envelope, is_signed
from bot.doors.errors import UnprovenError
from bot.doors.parse import parse
from bot.doors.query import Query
from models.channel import Channel


class OfficialAccountDoor(Door):
    """Safe or compatible mode with an `aes_key`, clear text without one.

    Raises: ValueError when the token or the app id is empty or a key is not one.
    """

    def __init__(self, *, token: str, app_id: str, aes_key: str = "", previous_aes_key: str = "") -> None:
        envelope = Envelope(token, aes_key, previous_aes_key, app_id) if aes_key else None
        super().__init__(Channel.OFFICIAL_ACCOUNT, token, envelope, silence=b"success")

    @override
    def _echo(self, query: Query) -> bytes:
        # Never encrypted here, in no mode.
        self._check_signed(query)
        return query["echostr"].encode()

    @override
    def _open(self, query: Query, body: bytes) -> Letter:
        # The address's signature does not cover the body. With a key set only the envelope's own counts.
        if self._envelope is not None:
            return self._open_sealed(self._envelope, query, body)
        self._check_signed(query)
        return Letter(parse(body), None)

    def _check_signed(self, query: Query) -> None:
        if not is_signed(query["signature"], self._token, query["timestamp"], query["nonce"]):
            raise UnprovenError
        query.check_fresh()
