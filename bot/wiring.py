"""What worker and scheduler are given: senders, words, duties."""

from typing import TYPE_CHECKING

from bot.app import open_data
from bot.policy import make_policy, make_words
from models.errors import SettingsError
from models.outbox import KINDS, PushKind, Route
from workers import watch
from workers.attempt import Equipment
from workers.delivery import equip
from workers.queue import Doorbell
from workers.schedule import duties
from workers.senders.fallback import FallbackSender
from workers.senders.official_account import OfficialAccountSender, TemplateForm
from workers.senders.tokens import SharedTokens
from workers.senders.wecom import WeComSender

if TYPE_CHECKING:
    from bot.settings import Settings
    from handlers.words.catalogue import Words
    from workers.schedule import Duty
    from workers.senders.parcel import Sender


def make_clients(settings: "Settings") -> "dict[Route, OfficialAccountSender | WeComSender]":
    """One sender for each platform that is on."""
    shared = SharedTokens(settings.queue.url) if settings.queue.url else None
    senders: dict[Route, OfficialAccountSender | WeComSender] = {}
    if (work := settings.wecom) is not None:
        senders[Route.WECOM] = WeComSender(
            corp_id=work.corp_id,
            agent_id=work.agent_id,
            secret=work.secret.get_secret_value(),
            api_base=work.api_base,
            shared=shared,
        )
    if (it := settings.official_account) is not None:
        senders[Route.OFFICIAL_ACCOUNT] = OfficialAccountSender(
            app_id=it.app_id,
            secret=it.secret.get_secret_value(),
            api_base=it.api_base,
            templates={PushKind(kind): TemplateForm(form.id, form.fields) for kind, form in it.templates.items()},
            zone=settings.school.timezone,
            shared=shared,
        )
    return senders


def make_senders(settings: "Settings") -> "dict[Route, Sender]":
    """Every way a push can take: the platforms, and the school's others where it lists any."""
    senders: dict[Route, Sender] = dict(make_clients(settings))
    if settings.fallback.urls:
        senders[Route.FALLBACK] = FallbackSender(settings.fallback.urls)
    return senders


def check_pushes(words: "Words") -> None:
    """Every kind of push has its sentences, and they show nothing that the kind does not declare.

    Raises: SettingsError.
    """
    for kind in KINDS.values():
        for key in (kind.words, kind.short, *(f"push.button.{button.value}" for button in kind.buttons)):
            if key not in words:
                msg = f"words/: there is no sentence {key}"
                raise SettingsError(msg)
        wanted = words.placeholders(kind.words)
        if undeclared := wanted - kind.fields - {"number"}:
            msg = f"words/: {kind.words} shows {', '.join(sorted(undeclared))}, which this kind of push may not"
            raise SettingsError(msg)
        if "number" not in wanted and kind.kind is not PushKind.CARD_CLOSED:
            msg = f"words/: {kind.words} must show {{number}}: the platform knows a repeated push by it"
            raise SettingsError(msg)


def equip_delivery(settings: "Settings") -> None:
    """Give this process what delivering takes."""
    open_data(settings)
    policy = make_policy(settings)
    words = make_words(settings, policy)
    check_pushes(words)
    equip(Equipment(make_senders(settings), words, policy.push))
    watch.equip(policy.duty)


def equip_ticker(settings: "Settings") -> "list[Duty]":
    """Everything that recurs. The scheduler delivers late urgent pushes itself, so it is equipped for that too."""
    equip_delivery(settings)
    return duties(make_policy(settings), Doorbell(settings.queue.url))
