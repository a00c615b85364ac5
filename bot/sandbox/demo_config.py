"""The demo's config: an ordinary config.toml whose platforms are the sandbox's own, with keys drawn for it alone."""

import base64
import secrets
import string
from dataclasses import dataclass
from pathlib import Path

from bot.sandbox import school
from bot.sandbox.callbacks import CallbackDoor
from bot.sandbox.official_account import Account, Template
from bot.sandbox.wecom import Corp
from models.channel import Channel
from models.outbox import TEMPLATED, PushKind
from models.policy import Term

KEYS = "keys.txt"
DATABASE = "xinqiao.db"
ORIGINAL_ID = "gh_xinqiaodemo1"
AGENT_ID = 1000002
AES_KEY_LENGTH = 43
TITLES = {
    PushKind.CLASS_OPENED: "班级小结开始通知",
    PushKind.CLASS_REMINDER: "班级小结提醒",
    PushKind.DORM_OPENED: "宿舍反馈开始通知",
    PushKind.DORM_REMINDER: "宿舍反馈提醒",
    PushKind.CHECKIN_CAME: "收到小结通知",
    PushKind.CONCERN_CAME: "待查看提醒",
    PushKind.BOOKING_TOMORROW: "预约提醒",
    PushKind.BOOKING_SOON: "预约提醒",
    PushKind.BOOKING_CONFIRMED: "预约答复通知",
    PushKind.BOOKING_DECLINED: "预约答复通知",
    PushKind.BOOKING_CALLED_OFF: "预约变动通知",
    PushKind.PROPOSAL_MADE: "预约变动通知",
    PushKind.OFFER_MADE: "空位通知",
    PushKind.ALERT: "紧急通知",
    PushKind.ALERT_FACTS: "紧急情况补充",
}
KEYWORDS = {"thing1": "内容", "time2": "时间", "character_string3": "编号"}
SHOWN = {"thing1": "text", "time2": "time", "character_string3": "number"}
PHONES = (("学校值班", "0000-8888110"), ("心理中心", "0000-8888120"))


@dataclass(frozen=True)
class Keys:
    """What both sides of the wire know."""

    official_secret: str
    official_token: str
    official_aes_key: str
    wecom_secret: str
    wecom_token: str
    wecom_aes_key: str
    web_key: str
    encryption_key: str

    @classmethod
    def of(cls, folder: Path) -> "Keys":
        """The keys of a data folder, drawn at its first start."""
        file = folder / KEYS
        if not file.exists():
            drawn = [
                *(_drawn(length) for _ in Channel for length in (32, 24, AES_KEY_LENGTH)),
                secrets.token_urlsafe(32),
                base64.b64encode(secrets.token_bytes(32)).decode(),
            ]
            file.touch(mode=0o600)
            file.write_text("\n".join(drawn), encoding="ascii")
        return cls(*file.read_text(encoding="ascii").split())


def _drawn(length: int) -> str:
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(length))


def template_id(kind: PushKind) -> str:
    """The id that the sandbox's account gave the template of a kind."""
    return f"demo-{kind.value}"


def account_of(keys: Keys) -> Account:
    """The invented official account."""
    templates = {template_id(kind): Template(TITLES.get(kind, "通知"), KEYWORDS) for kind in TEMPLATED}
    return Account("wxdemo0000000000", keys.official_secret, ORIGINAL_ID, templates)


def corp_of(keys: Keys) -> Corp:
    """The invented enterprise."""
    return Corp("wwdemo0000000000", keys.wecom_secret, AGENT_ID)


def doors_of(keys: Keys) -> dict[Channel, CallbackDoor]:
    """The bot's two callback addresses, as the platforms' consoles have them."""
    account, corp = account_of(keys), corp_of(keys)
    return {
        Channel.OFFICIAL_ACCOUNT: CallbackDoor(
            Channel.OFFICIAL_ACCOUNT,
            "/callback/official-account",
            keys.official_token,
            keys.official_aes_key,
            account.app_id,
            account.original_id,
        ),
        Channel.WECOM: CallbackDoor(
            Channel.WECOM,
            "/callback/wecom",
            keys.wecom_token,
            keys.wecom_aes_key,
            corp.corp_id,
            corp.corp_id,
            AGENT_ID,
        ),
    }


def config_text(keys: Keys, *, address: str, port: int, term: Term) -> str:
    """The config file: `address` is the sandbox's, `port` the bot's private one."""
    phones = ", ".join(f'{{ name = "{name}", number = "{number}" }}' for name, number in PHONES)
    fields = ", ".join(f'{keyword} = "{shown}"' for keyword, shown in SHOWN.items())
    templates = "\n".join(
        f'[official_account.templates.{kind.value}]\nid = "{template_id(kind)}"\nfields = {{ {fields} }}\n'
        for kind in TEMPLATED
    )
    return f"""# Written by the demo at each start.
[school]
name = "{school.NAME}"
terms = [{{ name = "演示学期", first_day = {term.first_day}, last_day = {term.last_day} }}]

[database]
url = "sqlite:///{DATABASE}"

[web]
port = {port}
public_url = "{address}"
secret_key = "{keys.web_key}"

[privacy]
encryption_keys = ["{keys.encryption_key}"]

[duty]
contacts = ["{school.DUTY}"]
phones = [{phones}]

[official_account]
app_id = "{account_of(keys).app_id}"
secret = "{keys.official_secret}"
token = "{keys.official_token}"
aes_key = "{keys.official_aes_key}"
api_base = "{address}"

{templates}
[wecom]
corp_id = "{corp_of(keys).corp_id}"
agent_id = {AGENT_ID}
secret = "{keys.wecom_secret}"
token = "{keys.wecom_token}"
aes_key = "{keys.wecom_aes_key}"
api_base = "{address}"
"""
