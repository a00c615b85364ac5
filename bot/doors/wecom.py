"""WeCom's door (企业微信 自建应用). Source: platform/wecom 1 to 4."""

from typing_extensions import override

from bot.doors.door import Door, Letter
from bot.doors.envelope import Envelope
from bot.doors.parse import Nodes, text_of
from bot.doors.query import Query
from models.channel import Channel


class WecomDoor(Door):
    """Always sealed; there is no clear text here.

    Raises: ValueError when the token or the corp id is empty or a key is missing or not one.
    """

    def __init__(self, *, token: str, corp_id: str, agent_id: int, aes_key: str, previous_aes_key: str = "") -> None:
        self._sealed = Envelope(token, aes_key, previous_aes_key, corp_id)
        self._agent_id = str(agent_id)
        super().__init__(Channel.WECOM, token, self._sealed, silence=b"")

    @override
    def _echo(self, query: Query) -> bytes:
        echo, _ = self._sealed.open(self._proven(self._sealed, query, query["echostr"]))
        return echo

    @override
    def _open(self, query: Query, body: bytes) -> Letter:
        return self._open_sealed(self._sealed, query, body)

    @override
    def _is_foreign(self, nodes: Nodes) -> bool:
        # Only the sealed AgentID counts; callbacks about contacts and calendars have none.
        return text_of(nodes, "AgentID") not in {"", self._agent_id}
