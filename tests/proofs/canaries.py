"""A school in which every stored text is a canary: found anywhere outside, it says which field it flew from.

Declared fields aside: what each field of a push may hold at all is `MAY_HOLD`, whichever kind declares it.
"""

import base64
import itertools
import json
import re
import secrets
import socket
import threading
import urllib.parse
import zlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Any

import redis
import sqlalchemy as sa
from sqlmodel import SQLModel
from typing_extensions import override

from bot.sandbox.call import FALLBACK, Answer
from bot.sandbox.platform import Platform
from models.db import UTCDateTime
from models.outbox import KINDS, Push, PushKind, data_of
from models.outbox.table import KindColumn
from workers.valkey import EmbeddedValkey

# ── what is stored ──────────────────────────────────────────────────────────────────────────────────────────────

STUDENT, STAFF, UNIT = "a student's name", "a staff member's name", "a unit's name"

PLANTED = MappingProxyType(
    {
        "person.name": "as the roster names students and staff",
        "person.number": "as the roster numbers them",
        "person.phone": "as the roster has it",
        "unit.name": "as the roster names it",
        "contact.address": "as the platform calls the account",
        "contact.spelled": "as the roster spells it",
        "concern.body": "facts and names typed into 「有事」 and the class check-in",
        "checkin_version.body": "what was typed into a check-in",
        "alert.body": "what was typed after a call for help",
        "talk.log": "what was typed and not sent",
        "inbox.reply": "replies that repeat what was typed",
        "roster_step.body": "a staged row of an import",
        "appointment.body": "topic, note and reason of a booking",
        "waiter.body": "what somebody who waits wants to talk about",
        "counselor.qualification": "as the centre has it",
        "counselor.place": "where they meet people",
        "room.name": "as the centre names it",
        "room.place": "how to get there",
        "outbox.data": "whatever a row holds beside what its kind declares",
    }
)
"""Text about people, and how it gets there."""

NOT_PLANTED = MappingProxyType(
    {
        "audit.subject": "`table:id`; searched", "audit.details": "ids and counts; searched",
        "audit.salt": "random", "audit.digest": "a digest", "audit.chain": "a digest",
        "outbox.dedupe_key": "`fact:kind:step:person:id`; searched", "outbox.fact": "`table:id@version`; searched",
        "outbox.number": "random", "outbox.held_for": "ours", "outbox.channel": "ours", "outbox.way": "ours",
        "outbox.outcome": "the platform's code", "outbox.reason": "ours",
        "push_attempt.channel": "ours", "push_attempt.way": "ours", "push_attempt.code": "the platform's code",
        "push_attempt.handle": "the platform's name of a message",
        "push_receipt.channel": "ours", "push_receipt.handle": "the platform's name of a message",
        "push_receipt.code": "the platform's code",
        "push_tally.subject": "ours", "push_tally.outcome": "ours", "push_tally.channel": "ours",
        "push_tally.code": "the platform's code",
        "talk.dropped": "a conversation's name", "pulse.name": "ours", "check_value.sealed": "one word of ours",
        "bind_code.code_digest": "a digest", "bind_failure.number_digest": "a digest", "link.token_digest": "a digest",
        "link.target": "`kind:id`", "concern.ref": "random", "checkin.state": "one of a few answers",
        "counselor.modes": "ours", "counselor.topics": "ours", "counselor.calendar": "a digest", "opening.modes": "ours",
        "opening_change.modes": "ours", "consent.subject": "ours", "consent.version": "a digest", "feedback.month": "a month",
        "inbox.key": "the platform's name of a message", "roster_import.totals": "counts",
        "roster_step.kind": "ours", "subscription.template_id": "the account's own",
    }
)  # fmt: skip
"""Text that is about nobody, and why."""

MAY_HOLD: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "unit": frozenset([UNIT]),
        "units": frozenset([UNIT]),
        "name": frozenset([STAFF]),
        "who": frozenset([STAFF, UNIT]),  # staff by name, a student by unit and office
        **dict.fromkeys(("count", "came", "missing", "waiting", "platform"), frozenset()),
        **dict.fromkeys(("when", "before", "until", "day", "answer"), frozenset()),  # moments, and which one was taken
    }
)
"""All fields that any push may show, and what may be found in each: staff and units, nobody else."""


def text_columns() -> set[str]:
    """Every column that can hold a text, as `table.column`."""
    others = (sa.Enum, sa.Integer, sa.Boolean, sa.Date, sa.DateTime, UTCDateTime, KindColumn)
    return {
        f"{name}.{column.name}"
        for name, table in SQLModel.metadata.tables.items()
        for column in table.columns
        if not isinstance(column.type, others)
    }


# ── canaries ────────────────────────────────────────────────────────────────────────────────────────────────────

RARE = "龘靐齉龗爨癵驫鱻麷鸞鸜黷黶黵齾齽齼灪籱麤"
"""Characters that stand in no sentence of ours."""


class FoundError(AssertionError):
    """A canary was where it must not be."""


@cache
def spellings(text: str) -> frozenset[bytes]:
    """How a text may lie in a file or on a wire."""
    plain = text.encode()
    found = {plain, text.encode("utf-16-le"), text.encode("utf-16-be"), text.encode("gb18030"), plain.hex().encode()}
    escaped = json.dumps(text)[1:-1]
    found |= {escaped.encode(), escaped.replace("\\", "\\\\").encode()}  # also in JSON within JSON
    found |= {escaped.upper().replace("\\U", "\\u").encode(), urllib.parse.quote(text).encode()}
    for before in range(3):  # wherever it stands inside a longer base64 text
        whole = base64.b64encode(b"\0" * before + plain + b"\0\0\0")
        found.add(whole[-(-before * 4 // 3) + 1 : -8])
    return frozenset(found)


TELEPHONE = "13977799"
"""How every telephone begins; three more digits tell them apart."""


class Aviary:
    """Hands out canaries, each of a field, and finds them."""

    def __init__(self) -> None:
        self._fields = {TELEPHONE: "a telephone"}
        self._phones = itertools.count(100)
        self._fours = map("".join, itertools.permutations(RARE, 4))

    def text(self, of: str) -> str:
        """A new one in Chinese."""
        return self._keep(next(self._fours), of)

    def latin(self, of: str) -> str:
        """A new one for a number or an account."""
        return self._keep(f"qz{secrets.token_hex(4)}", of)

    def phone(self) -> str:
        """A new telephone number."""
        return f"{TELEPHONE}{next(self._phones)}"

    def _keep(self, canary: str, of: str) -> str:
        self._fields[canary] = of
        return canary

    def in_(self, content: bytes) -> set[str]:
        """The fields whose canaries are in it, however spelled."""
        return {
            of
            for canary, of in self._fields.items()
            if any(spelling in content for spelling in spellings(canary)) or canary.upper().encode() in content
        }

    def search(self, where: str, content: bytes, *, but: Collection[str] = ()) -> None:
        """Raises: FoundError, naming the place and the fields."""
        if found := self.in_(content) - set(but):
            msg = f"{where} holds {', '.join(sorted(found))}"
            raise FoundError(msg)


# ── what goes to a platform ─────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Call:
    """A request as it came in."""

    method: str
    path: str
    query: Mapping[str, str]
    raw: bytes


class Overheard(Platform):
    """A platform that keeps every request as it came."""

    def __init__(self, *args: Any) -> None:
        self.calls: list[Call] = []
        super().__init__(*args)

    @override
    def handle(self, method: str, path: str, query: Mapping[str, str], raw: bytes) -> Answer:
        self.calls.append(Call(method, path, dict(query), raw))
        return super().handle(method, path, query, raw)


ADDRESSES = ("touser", "userids")
"""Whom a message is for: the account itself has to stand there."""

_NUMBERS = re.compile(r"编号 ([0-9A-Z]{4})|push-\d+-([0-9A-Z]{4})")


def search_calls(aviary: Aviary, calls: Collection[Call], pushes: Collection[Push]) -> int:
    """Look through requests, declared fields aside; returns how many messages there were. Raises: FoundError."""
    rows = _by_number(pushes)
    count = 0
    for call in calls:
        target = urllib.parse.urlencode({name: value for name, value in call.query.items() if name != "access_token"})
        # The school's own gateways are addressed by the reader's telephone, as the school has written their address.
        path = FALLBACK if call.path.startswith(FALLBACK) else call.path
        aviary.search(f"the address {path}", f"{path}?{target}".encode())
        if not call.raw:
            continue
        body = json.loads(call.raw)
        kept = {name: value for name, value in body.items() if name not in ADDRESSES}
        text = json.dumps(kept, ensure_ascii=False)
        about = [rows[number] for found in _NUMBERS.findall(text) for number in found if number in rows]
        aviary.search(f"a message to {path}", text.encode(), but=_shown_by(about, kept))
        count += bool(about) or "response_code" in kept
    return count


def _by_number(pushes: Collection[Push]) -> dict[str, list[PushKind]]:
    """The kinds of what a message with a number is about: its row's, and those it carried."""
    carried: dict[int | None, list[PushKind]] = {}
    for it in pushes:
        carried.setdefault(it.carrier_id, []).append(it.kind)
    found: dict[str, list[PushKind]] = {}
    for it in pushes:
        found.setdefault(it.number, []).extend([it.kind, *carried.get(it.id, ())])
    return found


def _shown_by(about: Collection[list[PushKind]], body: Mapping[str, Any]) -> set[str]:
    kinds = {kind for each in about for kind in each}
    if "response_code" in body and "button" in body:  # shows no number: somebody else's card that says that it is done
        kinds.add(PushKind.CARD_CLOSED)
    return {of for kind in kinds if kind in KINDS for name in KINDS[kind].fields for of in MAY_HOLD.get(name, ())}


def undeclared(it: Push) -> set[str]:
    """What a row holds beside what its kind declares."""
    return set(data_of(it.data)) - KINDS[it.kind].fields


# ── what goes to Redis ──────────────────────────────────────────────────────────────────────────────────────────


def queue_content(url: str) -> Iterator[tuple[str, bytes]]:
    """Every key and value, unpacked."""
    with redis.Redis.from_url(url) as client:
        for key in client.scan_iter():
            yield "key", key
            yield "dump", client.dump(key) or b""
            if client.type(key) == b"hash":
                for name, value in client.hgetall(key).items():
                    yield name.decode(), value
                    yield name.decode(), b" ".join(_unpacked(value))


_ESCAPED = re.compile(rb"\\x([0-9a-f]{2})|\\(.)")
_PLAIN = MappingProxyType({b"n": b"\n", b"r": b"\r", b"t": b"\t", b"a": b"\a", b"b": b"\b"})
_PACKED = (b"x\x9c", b"x\xda", b"x\x01", b"x^")


def _unescaped(line: bytes) -> bytes:
    return _ESCAPED.sub(lambda it: bytes.fromhex(it[1].decode()) if it[1] else _PLAIN.get(it[2], it[2]), line)


def _unpacked(content: bytes) -> Iterator[bytes]:
    """Whatever in it can be unpacked."""
    for mark in _PACKED:
        for found in re.finditer(re.escape(mark), content):
            try:
                yield zlib.decompressobj().decompress(content[found.start() :])
            except zlib.error:
                continue


@dataclass
class Tap:
    """Every command that a Valkey is sent, from now on."""

    server: EmbeddedValkey
    _heard: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        """Begin to listen."""
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(self.server.url.removeprefix("unix://"))
        self._socket.sendall(b"MONITOR\r\n")
        assert self._socket.recv(5) == b"+OK\r\n"
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while chunk := self._socket.recv(1 << 16):
            self._heard += chunk

    def content(self) -> bytes:
        """All of it, as it was sent and unpacked."""
        plain = _unescaped(bytes(self._heard))
        return plain + b"\n" + b"\n".join(_unpacked(plain))

    def close(self) -> None:
        """Listen no more."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()
