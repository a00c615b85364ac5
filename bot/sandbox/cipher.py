"""The platforms' message envelope, seen from their side: what they seal for the bot, and how they open its answer.

Deliberately not `bot.doors.envelope`: the sandbox stands for the other side of the wire, and a fault that both sides
shared would not show.
Source: the fact sheets, official account 1.4 and WeCom 1.
"""

import base64
import hashlib
import secrets

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

BLOCK = 32
HEAD = 16
LENGTH = 4


class BadEnvelopeError(Exception):
    """The bot's answer is not an envelope that a platform would accept."""


def signature(*parts: str) -> str:
    """SHA1 over the parts, sorted and joined."""
    return hashlib.sha1("".join(sorted(parts)).encode(), usedforsecurity=False).hexdigest()


class Sealer:
    """Seals and opens with one EncodingAESKey and one receiver id (app id or corp id)."""

    def __init__(self, aes_key: str, receiver_id: str) -> None:
        self._key = base64.b64decode(aes_key + "=")
        self._receiver = receiver_id.encode()

    def _cipher(self) -> Cipher[modes.CBC]:
        return Cipher(algorithms.AES(self._key), modes.CBC(self._key[:HEAD]))

    def seal(self, text: str) -> str:
        """The text as the content of `<Encrypt>`."""
        message = text.encode()
        plain = secrets.token_bytes(HEAD) + len(message).to_bytes(LENGTH, "big") + message + self._receiver
        pad = BLOCK - len(plain) % BLOCK
        encryptor = self._cipher().encryptor()
        return base64.b64encode(encryptor.update(plain + bytes([pad]) * pad) + encryptor.finalize()).decode()

    def open(self, encrypted: str) -> str:
        """What the bot put into `<Encrypt>`.

        Raises: BadEnvelopeError when a platform would not accept it.
        """
        try:
            raw = base64.b64decode(encrypted, validate=True)
            decryptor = self._cipher().decryptor()
            plain = decryptor.update(raw) + decryptor.finalize()
        except ValueError as error:
            raise BadEnvelopeError("not AES blocks") from error
        if not plain:
            raise BadEnvelopeError("empty")
        pad = plain[-1]
        if not 1 <= pad <= BLOCK or plain[-pad:] != bytes([pad]) * pad:
            raise BadEnvelopeError("padding")
        plain = plain[:-pad]
        end = HEAD + LENGTH + int.from_bytes(plain[HEAD : HEAD + LENGTH], "big")
        if plain[end:] != self._receiver:
            raise BadEnvelopeError("receiver id")
        try:
            return plain[HEAD + LENGTH : end].decode()
        except UnicodeDecodeError as error:
            raise BadEnvelopeError("not UTF-8") from error
