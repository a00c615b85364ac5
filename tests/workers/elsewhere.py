"""Another process of the school: connected, equipped, and then it runs the line of code it was given."""

import json
import sys
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from handlers.words.catalogue import Words
from models import clock, db, seal
from models.channel import Channel
from models.outbox import PushKind, Route
from tests.conftest import KEY
from tests.workers.office import FORM, SECRETS
from tests.world import AGENT_ID, APP_ID, CORP_ID
from workers import delivery
from workers.attempt import Equipment
from workers.senders.official_account import OfficialAccountSender
from workers.senders.tokens import SharedTokens
from workers.senders.wecom import WeComSender

if TYPE_CHECKING:
    from workers.senders.parcel import Sender

ZONE = ZoneInfo("Asia/Shanghai")


def main(url: str, address: str, redis_url: str, now: str) -> None:
    """Become that process."""
    seal.use_keys([KEY])
    db.connect(url)
    clock.move_to(datetime.fromisoformat(now))
    shared = SharedTokens(redis_url) if redis_url else None
    official = OfficialAccountSender(
        app_id=APP_ID,
        secret=SECRETS[Channel.OFFICIAL_ACCOUNT],
        api_base=address,
        templates=dict.fromkeys(PushKind, FORM),
        zone=ZONE,
        shared=shared,
    )
    work = WeComSender(
        corp_id=CORP_ID, agent_id=AGENT_ID, secret=SECRETS[Channel.WECOM], api_base=address, shared=shared
    )
    senders: dict[Route, Sender] = {Route.OFFICIAL_ACCOUNT: official, Route.WECOM: work}
    delivery.equip(Equipment(senders, Words(ZONE, {})))


if __name__ == "__main__":
    main(*json.loads(sys.argv[1]))
    exec(sys.argv[2])  # noqa: S102 — the test's own line
