"""The wiring: settings in, a Flask application out. Nothing here decides anything."""

import logging
from typing import TYPE_CHECKING

from flask import Flask

from bot.doors.official_account import OfficialAccountDoor
from bot.doors.wecom import WecomDoor
from bot.policy import make_policy, make_words
from bot.turn import Ring, Turn
from bot.web.calendar import calendar_routes
from bot.web.callbacks import Callbacks
from bot.web.health import health_routes
from handlers.chat.conversations import CONVERSATIONS
from handlers.console.opened import opened_routes
from handlers.dialogue.conversation import Registry
from handlers.dialogue.router import Router
from models import db
from models.check_value import check_keys
from models.db import savepoint
from models.seal import use_keys
from workers.still_true import holds
from workers.watch import Watch

if TYPE_CHECKING:
    from bot.doors.door import Door
    from bot.settings import Settings

log = logging.getLogger(__name__)
THREADS = 8


def open_keys(settings: "Settings") -> None:
    """Give the process its keys."""
    use_keys([key.get_secret_value() for key in settings.privacy.encryption_keys])


def open_data(settings: "Settings") -> db.Database:
    """Connect the process to its database and keys. Raises: SettingsError when no key opens it."""
    open_keys(settings)
    database = db.connect(settings.database.url)
    with database.unit_of_work() as session:
        check_keys(session)
    return database


def create_app(settings: "Settings", ring: Ring, *, threads: int = THREADS) -> Flask:
    """The application of one web process; the database is connected already."""
    policy = make_policy(settings)
    if not policy.duty.contacts:
        log.error("no duty contact is configured; calls for help go to the centre's director and staff")
    words = make_words(settings, policy)
    router = Router(Registry(CONVERSATIONS, words), words, policy, savepoint, holds)
    turn = Turn(router, ring, threads)
    app = Flask("xinqiao", static_folder=None)
    app.secret_key = settings.web.secret_key.get_secret_value()
    app.register_blueprint(health_routes(settings, Watch(policy.duty), ring))
    app.register_blueprint(opened_routes(words, policy))
    app.register_blueprint(calendar_routes(words, policy.booking))
    app.wsgi_app = Callbacks(_doors(settings), turn, app.wsgi_app, threads)  # type: ignore[method-assign]
    return app


def _doors(settings: "Settings") -> "dict[str, Door]":
    doors: dict[str, Door] = {}
    if (it := settings.official_account) is not None:
        doors["official-account"] = OfficialAccountDoor(
            token=it.token.get_secret_value(),
            app_id=it.app_id,
            aes_key=it.aes_key.get_secret_value(),
            previous_aes_key=it.previous_aes_key.get_secret_value(),
        )
    if (work := settings.wecom) is not None:
        doors["wecom"] = WecomDoor(
            token=work.token.get_secret_value(),
            corp_id=work.corp_id,
            agent_id=work.agent_id,
            aes_key=work.aes_key.get_secret_value(),
            previous_aes_key=work.previous_aes_key.get_secret_value(),
        )
    return doors
