"""The sealed envelope both platforms use: SHA1 over sorted parts, AES-256-CBC inside.

Source: platform/official-account 1.4, platform/wecom 1. Not wechatpy's: it compares in variable time, takes any
padding, ends in `struct.error` on garbage, and its import alone brings an HTTP client of 20 MiB into every web process.
"""

import os
import secrets
from base64 import b64decode, b64encode
from binascii import a2b_base64
from hashlib import sha1
from hmac import compare_digest
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from bot.doors.errors import Flaw, UnreadableError
from models import clock

KEY_LENGTH = 43
"""Characters of an EncodingAESKey: 32 bytes in base64 without the closing `=`."""

_AES_BLOCK = 16
_PAD_BLOCK = 32
_SALT = 16
_HEAD = _SALT + 4
_PADS: Final = tuple(bytes([size]) * size for size in range(_PAD_BLOCK + 1))


def sign(*parts: str) -> str:
    """The platforms' signature: SHA1, lower-case hex, over the sorted parts, of which one is the token."""
    return sha1(b"".join(sorted(part.encode() for part in parts)), usedforsecurity=False).hexdigest()


def is_signed(signature: str, *parts: str) -> bool:
    """Whether the signature belongs to the parts, compared in constant time."""
    return compare_digest(sign(*parts).encode(), signature.encode())


class Key:
    """One EncodingAESKey, ready for use by many threads."""

    __slots__ = ("_cipher", "_receiver_id")

    def __init__(self, encoded: str, receiver_id: bytes) -> None:
        if len(encoded) != KEY_LENGTH or not encoded.isascii() or not encoded.isalnum():
            message = f"an EncodingAESKey has {KEY_LENGTH} letters and digits"
            raise ValueError(message)
        # The last character may leave spare bits that are not zero, so this decoding is the lenient one.
        key = b64decode(f"{encoded}=")
        self._cipher = Cipher(algorithms.AES(key), modes.CBC(key[:_AES_BLOCK]))
        self._receiver_id = receiver_id

    def decrypt(self, sealed: bytes) -> bytes | None:
        """What was sealed, or None when this key, or our id, is not the one it was sealed for."""
        decryptor = self._cipher.decryptor()
        plain = decryptor.update(sealed) + decryptor.finalize()
        pad = plain[-1]
        if not 1 <= pad <= _PAD_BLOCK or not plain.endswith(_PADS[pad]):
            return None
        end = _HEAD + int.from_bytes(plain[_SALT:_HEAD], "big")
        # A length that points past the end leaves nothing here, and our id is never empty.
        return plain[_HEAD:end] if plain[end:-pad] == self._receiver_id else None

    def encrypt(self, message: bytes, salt: bytes) -> bytes:
        """Seal a message for the platform; the salt is 16 bytes nobody can guess."""
        plain = b"".join((salt, len(message).to_bytes(4, "big"), message, self._receiver_id))
        encryptor = self._cipher.encryptor()
        return encryptor.update(plain + _PADS[_PAD_BLOCK - len(plain) % _PAD_BLOCK]) + encryptor.finalize()


class Envelope:
    """Opens and seals what one app exchanges with its platform.

    Shape: `receiver_id` is an app id, or in WeCom the corp id; `previous_aes_key` is "" when there was none.
    Raises: ValueError when a value is missing or a key is not one.
    """

    __slots__ = ("_keys", "_token")

    def __init__(self, token: str, aes_key: str, previous_aes_key: str, receiver_id: str) -> None:
        if not token or not receiver_id:
            message = "an envelope needs a token and the id it is addressed to"
            raise ValueError(message)
        self._token = token
        keys = (aes_key, previous_aes_key) if previous_aes_key else (aes_key,)
        self._keys = tuple(Key(key, receiver_id.encode()) for key in keys)

    def is_signed(self, signature: str, timestamp: str, nonce: str, encrypted: str) -> bool:
        """Whether the platform signed this envelope. To be asked before it is opened."""
        return is_signed(signature, self._token, timestamp, nonce, encrypted)

    def open(self, encrypted: str) -> tuple[bytes, Key]:
        """What is inside, and the key that opened it: the reply is sealed with the same one (消息加解密接入指引).

        Raises: UnreadableError when it is not base64, or none of our keys opens it for our id.
        """
        try:
            sealed = a2b_base64(encrypted, strict_mode=True)
        except ValueError as error:
            raise UnreadableError(Flaw.BASE64) from error
        if sealed and not len(sealed) % _AES_BLOCK:
            for key in self._keys:
                message = key.decrypt(sealed)
                if message is not None:
                    return message, key
        raise UnreadableError(Flaw.SEALED)

    def seal(self, message: bytes, key: Key) -> bytes:
        """The reply's XML, signed under a timestamp and nonce of our own."""
        encrypted = b64encode(key.encrypt(message, os.urandom(_SALT))).decode()
        timestamp = str(int(clock.machine().timestamp()))
        nonce = secrets.token_hex(8)
        return (
            f"<xml><Encrypt><![CDATA[{encrypted}]]></Encrypt>"
            f"<MsgSignature><![CDATA[{sign(self._token, timestamp, nonce, encrypted)}]]></MsgSignature>"
            f"<TimeStamp>{timestamp}</TimeStamp><Nonce><![CDATA[{nonce}]]></Nonce></xml>"
        ).encode()
