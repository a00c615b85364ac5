"""Sealing: free text about people is encrypted at rest, bound to its table, column and row, under keys that rotate.

A sealed value is `key id (4 bytes) · nonce (12) · AES-256-GCM ciphertext`; the row's place is its associated data, so a value
copied to another row does not open.
"""

import base64
import hashlib
import os
from collections.abc import Sequence
from typing import Any

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from models.errors import CentreError, SettingsError

_NONCE = 12
_KEY_ID = 4


class SealBrokenError(CentreError):
    """A sealed value does not open: another key, another row, or damaged."""


class Keyring:
    """The keys, newest first; the first one seals, any opens."""

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys:
            msg = "privacy.encryption_keys is empty: put at least one key there (`xinqiao init` makes one)"
            raise SettingsError(msg)
        raw = [base64.b64decode(key) for key in keys]
        self._open = {hashlib.sha256(key).digest()[:_KEY_ID]: AESGCM(key) for key in raw}
        self._newest_id = hashlib.sha256(raw[0]).digest()[:_KEY_ID]
        self._newest = self._open[self._newest_id]
        # Of the oldest key, so that a new one in front changes no digest. Taking the oldest away ends what digests stand for:
        # open links, bind codes and the counts of wrong tries, none of which outlives three days.
        self.digest_key = hashlib.sha256(b"xinqiao digest" + raw[-1]).digest()

    @property
    def newest_id(self) -> bytes:
        """What values begin with that the newest key sealed."""
        return self._newest_id

    @property
    def fingerprints(self) -> list[str]:
        """What operators may see of the keys, newest first."""
        return [key_id.hex() for key_id in self._open]

    def seal(self, plain: bytes, place: str) -> bytes:
        """Encrypt; `place` is `table.column:row`."""
        nonce = os.urandom(_NONCE)
        return self._newest_id + nonce + self._newest.encrypt(nonce, plain, place.encode())

    def open(self, sealed: bytes, place: str) -> bytes:
        """Decrypt. Raises: SealBrokenError."""
        sealed = bytes(sealed)
        key = self._open.get(sealed[:_KEY_ID])
        if key is None:
            raise SealBrokenError
        try:
            return key.decrypt(sealed[_KEY_ID : _KEY_ID + _NONCE], sealed[_KEY_ID + _NONCE :], place.encode())
        except InvalidTag as error:
            raise SealBrokenError from error


def fingerprint(sealed: bytes) -> str:
    """Which key a value was sealed with, as operators see it: nothing of the key can be told from it."""
    return bytes(sealed[:_KEY_ID]).hex()


_keyring: Keyring | None = None


def use_keys(keys: Sequence[str]) -> Keyring:
    """Set the process's keys."""
    global _keyring  # noqa: PLW0603 — like the database, one keyring per process
    _keyring = Keyring(keys)
    return _keyring


def keyring() -> Keyring:
    """The process's keys."""
    if _keyring is None:
        msg = "models.seal.use_keys() has not been called"
        raise RuntimeError(msg)
    return _keyring


def seal(text: str, place: str) -> bytes:
    """Encrypt a text for one place, `table.column:row`."""
    return keyring().seal(text.encode(), place)


def unseal(sealed: bytes, place: str) -> str:
    """Decrypt a text of one place. Raises: SealBrokenError."""
    return keyring().open(sealed, place).decode()


def seal_json(value: Any, place: str) -> bytes:
    """Encrypt a JSON value for one place."""
    return keyring().seal(orjson.dumps(value), place)


def unseal_json(sealed: bytes, place: str) -> Any:
    """Decrypt a JSON value of one place. Raises: SealBrokenError."""
    return orjson.loads(keyring().open(sealed, place))


def digest(text: str, purpose: str) -> str:
    """A keyed digest, hex: finds a secret again without keeping it."""
    return hashlib.blake2b(
        text.encode(), key=keyring().digest_key, person=purpose.encode()[:16], digest_size=16
    ).hexdigest()
