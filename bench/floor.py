"""What a turn is measured against: servers that answer the same callbacks and keep nothing, or next to nothing."""

import os
from typing import Any

from flask import Flask, request


def echo() -> Flask:
    """A bare Flask + wechatpy echo: decrypts, parses, answers, encrypts; stores nothing."""
    from wechatpy import create_reply, parse_message
    from wechatpy.crypto import WeChatCrypto

    app = Flask("echo")
    crypto = WeChatCrypto(os.environ["BENCH_TOKEN"], os.environ["BENCH_AES_KEY"], os.environ["BENCH_APP_ID"])

    @app.post("/callback/official-account")
    def callback() -> str:
        query = request.args
        xml = crypto.decrypt_message(request.data, query["msg_signature"], query["timestamp"], query["nonce"])
        message = parse_message(xml)
        reply = create_reply(message.content, message).render()
        encrypted: str = crypto.encrypt_message(reply, query["nonce"], query["timestamp"])
        return encrypted

    return app


def werobot() -> Any:
    """WeRoBot echoing, with its default SQLite session on disk, in the current folder."""
    from werobot import WeRoBot

    robot = WeRoBot(
        token=os.environ["BENCH_TOKEN"],
        encoding_aes_key=os.environ["BENCH_AES_KEY"],
        app_id=os.environ["BENCH_APP_ID"],
        enable_session=True,
    )

    @robot.text
    def answer(message: Any, session: dict[str, Any]) -> str:
        session["count"] = session.get("count", 0) + 1
        return str(message.content)

    return robot.wsgi
