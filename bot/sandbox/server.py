"""The sandbox's one web server: page, platforms, and the bot behind it."""

from flask import Flask

from bot.sandbox.api import api_blueprint
from bot.sandbox.page import page_blueprint
from bot.sandbox.proxy import proxy_blueprint
from bot.sandbox.sandbox import Sandbox


def sandbox_app(sandbox: Sandbox) -> Flask:
    """The whole application, to be served on the loopback only."""
    app = Flask(__name__, static_folder=None)
    app.url_map.merge_slashes = False
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.register_blueprint(api_blueprint(sandbox.platform))
    app.register_blueprint(page_blueprint(sandbox))
    app.register_blueprint(proxy_blueprint(sandbox.bot_address))
    return app
