"""What worker and scheduler are given: senders, words, duties."""

from typing import TYPE_CHECKING

from bot.app import open_data
from bot.policy import make_policy, make_words
from models.channel import Channel
from models.outbox import PushKind
from workers.attempt import Equipment
from workers.delivery import equip
from workers.queue import Doorbell
from workers.schedule import duties
from workers.senders.official_account import OfficialAccountSender, TemplateForm
from workers.senders.tokens import SharedTokens
from workers.senders.wecom import WeComSender

if TYPE_CHECKING:
    from bot.settings import Settings
    from workers.schedule import Duty


def make_senders(settings: "Settings") -> dict[Channel, OfficialAccountSender | WeComSender]:
    """One sender for each channel that is on."""
    shared = SharedTokens(settings.queue.url) if settings.queue.url else None
    senders: dict[Channel, OfficialAccountSender | WeComSender] = {}
    if (work := settings.wecom) is not None:
        senders[Channel.WECOM] = WeComSender(
            corp_id=work.corp_id,
            agent_id=work.agent_id,
            secret=work.secret.get_secret_value(),
            api_base=work.api_base,
            shared=shared,
        )
    if (it := settings.official_account) is not None:
        senders[Channel.OFFICIAL_ACCOUNT] = OfficialAccountSender(
            app_id=it.app_id,
            secret=it.secret.get_secret_value(),
            api_base=it.api_base,
            templates={PushKind(kind): TemplateForm(form.id, form.fields) for kind, form in it.templates.items()},
            zone=settings.school.timezone,
            shared=shared,
        )
    return senders


def equip_delivery(settings: "Settings") -> None:
    """Give this process what delivering takes."""
    open_data(settings)
    equip(Equipment(make_senders(settings), make_words(settings, make_policy(settings))))


def equip_ticker(settings: "Settings") -> "list[Duty]":
    """Everything that recurs. The scheduler delivers late urgent pushes itself, so it is equipped for that too."""
    equip_delivery(settings)
    return duties(make_policy(settings), Doorbell(settings.queue.url))
