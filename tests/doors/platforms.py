"""The platforms' side of a door, built on wechatpy's crypto, which shares no code with ours but the AES primitive."""

import base64
import time
from dataclasses import dataclass, field
from hashlib import sha1
from pathlib import Path
from urllib.parse import urlencode

from prometheus_client import REGISTRY
from wechatpy.crypto import PrpCrypto

from bot.doors.door import Answer, Door
from bot.doors.inbound import Inbound, Turn
from bot.doors.official_account import OfficialAccountDoor
from bot.doors.parse import parse, text_of
from bot.doors.wecom import WecomDoor
from models.channel import Channel

TOKEN = "QDG6eK"
AES_KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
OLD_AES_KEY = "GFEDCBA9876543210zyxwvutsrqponmlkjihgfedcba"
APP_ID = "wx0123456789abcdef"
CORP_ID = "ww0123456789abcdef"
AGENT_ID = 1000002

PAYLOADS = Path(__file__).parents[1] / "payloads"
REFUSED = Answer(403, b"")
UNREADABLE = Answer(400, b"")
TEXT = (
    "<xml><ToUserName>gh_1</ToUserName><FromUserName>oOne</FromUserName><CreateTime>1700000000</CreateTime>"
    "<MsgType>text</MsgType><Content>周报</Content><MsgId>1</MsgId></xml>"
)


def payload(channel: Channel, name: str) -> str:
    """One message or event in the fact sheets' shape."""
    return (PAYLOADS / channel / f"{name}.xml").read_text(encoding="utf-8")


def aes_key_bytes(key: str) -> bytes:
    """The 32 bytes of an EncodingAESKey."""
    return base64.b64decode(key + "=")


def sha(*parts: str) -> str:
    """The platforms' signature."""
    return sha1("".join(sorted(parts)).encode(), usedforsecurity=False).hexdigest()


@dataclass
class Platform:
    """Signs and seals callbacks, opens replies."""

    receiver_id: str
    aes_key: str = AES_KEY
    token: str = TOKEN
    nonce: str = "nonce42"
    age: float = 0

    def encrypt(self, message: str | bytes) -> str:
        """The content of an `Encrypt` node."""
        sealed: bytes = PrpCrypto(aes_key_bytes(self.aes_key)).encrypt(message, self.receiver_id)
        return sealed.decode()

    def query(self, encrypted: str | None = None, **more: str) -> str:
        """The address's query; with something sealed, `msg_signature` over it too."""
        timestamp = str(int(time.time() - self.age))
        fields = {
            "signature": sha(self.token, timestamp, self.nonce),
            "timestamp": timestamp,
            "nonce": self.nonce,
        }
        if encrypted is not None:
            fields |= {"encrypt_type": "aes", "msg_signature": sha(self.token, timestamp, self.nonce, encrypted)}
        return urlencode(fields | more)

    def sealed(self, message: str | bytes, beside: str = "") -> tuple[str, bytes]:
        """A callback in safe mode: query and body. Shape: `beside` is what stands next to `Encrypt`."""
        encrypted = self.encrypt(message)
        body = f"<xml><ToUserName>gh_1</ToUserName>{beside}<Encrypt><![CDATA[{encrypted}]]></Encrypt></xml>"
        return self.query(encrypted), body.encode()

    def opened(self, answer: Answer) -> str:
        """A sealed reply, checked and opened."""
        nodes = parse(answer.body)
        encrypted = text_of(nodes, "Encrypt")
        signed = sha(self.token, text_of(nodes, "TimeStamp"), text_of(nodes, "Nonce"), encrypted)
        assert text_of(nodes, "MsgSignature") == signed
        opened: str = PrpCrypto(aes_key_bytes(self.aes_key)).decrypt(encrypted, self.receiver_id)
        return opened


@dataclass
class Hearer:
    """A turn that keeps what it heard and says what it is told to."""

    says: str | None = "好"
    heard: list[Inbound] = field(default_factory=list)

    def __call__(self, inbound: Inbound) -> str | None:
        """Keep it, and say what was to be said."""
        self.heard.append(inbound)
        return self.says


@dataclass(frozen=True)
class Site:
    """A door and the platform before it."""

    door: Door
    platform: Platform
    channel: Channel
    clear: bool
    silence: bytes

    def callback(self, message: str | bytes) -> tuple[str, bytes]:
        """A rightly signed callback: query and body."""
        if self.clear:
            return self.platform.query(), message.encode() if isinstance(message, str) else message
        return self.platform.sealed(message)

    def said(self, answer: Answer) -> str:
        """A reply's XML, opened where it came sealed."""
        return answer.body.decode() if self.clear else self.platform.opened(answer)


def post(site: Site, callback: tuple[str, bytes], turn: Turn | None = None) -> Answer:
    """Bring a callback to the site's door; without a turn of one's own it is answered 「好」."""
    return site.door.post(*callback, time.monotonic(), turn or Hearer())


def sites() -> dict[str, Site]:
    """The three ways a platform and a door can be set up, each with a key's predecessor where there are keys."""
    keys = {"aes_key": AES_KEY, "previous_aes_key": OLD_AES_KEY}
    account, wecom = Channel.OFFICIAL_ACCOUNT, Channel.WECOM
    safe = OfficialAccountDoor(token=TOKEN, app_id=APP_ID, **keys)
    clear = OfficialAccountDoor(token=TOKEN, app_id=APP_ID)
    enterprise = WecomDoor(token=TOKEN, corp_id=CORP_ID, agent_id=AGENT_ID, **keys)
    return {
        "safe": Site(safe, Platform(APP_ID), account, clear=False, silence=b"success"),
        "clear": Site(clear, Platform(APP_ID), account, clear=True, silence=b"success"),
        "wecom": Site(enterprise, Platform(CORP_ID), wecom, clear=False, silence=b""),
    }


SITES = sites()


def counted(name: str, channel: Channel, **label: str) -> float:
    """A counter's value now."""
    return REGISTRY.get_sample_value(name, {"channel": channel, **label}) or 0
