"""The sealed envelope: the fact sheets' vectors, keys, padding, lengths, and whatever else arrives."""

from base64 import b64decode, b64encode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wechatpy.crypto.base import WeChatCipher

from bot.doors.envelope import Envelope, Key, is_signed, sign
from bot.doors.errors import Flaw, UnreadableError
from bot.doors.parse import parse, text_of
from tests.doors.platforms import AES_KEY, APP_ID, CORP_ID, OLD_AES_KEY, TOKEN, Platform, aes_key_bytes

HELLO = "<xml><Content>你好</Content></xml>".encode()
SALT = b"0123456789abcdef"
ACCOUNT_HELLO = (
    "Q3stYC6hdFzMh9T8HCvyDMqYq+3LWRBafgYE/6+E3kaIPVItdlEZTk22y1bcb56F"
    "/KKWgZwAccwnMJZZFIu7ojEpjPqrNLRUqK8TcR0mnZog0kfoHe0IP3DxivXV44u6"
)
WECOM_HELLO = (
    "Q3stYC6hdFzMh9T8HCvyDMqYq+3LWRBafgYE/6+E3kaIPVItdlEZTk22y1bcb56F"
    "WzEBUbOP0WPwBIpX+EMCmLJ5DaQrqDB1xynNlQ28mpgU3DXxG89IfyvH8TJj1q4C"
)
WECOM_ECHO = "Q3stYC6hdFzMh9T8HCvyDPp3vRE5Cm9nQlcL+RM34oSqPYU2DBguOxCrff2IKKE4Usm9+ZZE3JG1Mj8tZQXidg=="

# From the fact sheets: receiver, message, what it is sealed to, its signature.
VECTORS = [
    (APP_ID, HELLO, ACCOUNT_HELLO, "74a8439c7f59c8b19540f026c66764b15ffb03ea"),
    (CORP_ID, HELLO, WECOM_HELLO, "d0bddcf81cb5fd416633dd099a71e4373a8bd1b2"),
    (CORP_ID, b"echo-4711", WECOM_ECHO, "28eaed4541944b3ffd72c9b30725e6965cb1b066"),
]


def an_envelope(receiver_id: str = APP_ID, aes_key: str = AES_KEY, previous: str = "") -> Envelope:
    return Envelope(TOKEN, aes_key, previous, receiver_id)


def sealed(plain: bytes) -> str:
    """Encrypt exactly these bytes, padding and all."""
    ciphertext: bytes = WeChatCipher(aes_key_bytes(AES_KEY)).encrypt(plain)
    return b64encode(ciphertext).decode()


def padded(plain: bytes) -> bytes:
    pad = 32 - len(plain) % 32
    return plain + bytes([pad]) * pad


def inside(message: bytes = HELLO, length: int | None = None, receiver_id: str = APP_ID) -> bytes:
    return SALT + (len(message) if length is None else length).to_bytes(4, "big") + message + receiver_id.encode()


def test_the_plain_signature_of_the_fact_sheet() -> None:
    assert sign(TOKEN, "1700000000", "nonce42") == "3206a0224e1f71409dd9e1e2a3f3620d579c46ca"
    assert is_signed("3206a0224e1f71409dd9e1e2a3f3620d579c46ca", TOKEN, "1700000000", "nonce42")
    assert not is_signed("3206A0224E1F71409DD9E1E2A3F3620D579C46CA", TOKEN, "1700000000", "nonce42")
    assert not is_signed("é", TOKEN, "1700000000", "nonce42")


@pytest.mark.parametrize(("receiver_id", "message", "encrypted", "signature"), VECTORS)
def test_the_envelopes_of_the_fact_sheets(receiver_id: str, message: bytes, encrypted: str, signature: str) -> None:
    envelope = an_envelope(receiver_id)

    assert envelope.is_signed(signature, "1700000000", "nonce42", encrypted)
    opened, key = envelope.open(encrypted)
    assert opened == message
    assert b64encode(key.encrypt(message, SALT)).decode() == encrypted


def test_a_key_with_spare_bits_is_taken() -> None:
    # G and H differ only in the two bits that 43 characters have to spare.
    opened, _ = an_envelope(aes_key=AES_KEY[:-1] + "H").open(ACCOUNT_HELLO)

    assert opened == HELLO


@pytest.mark.parametrize(
    "key", ["", "short", AES_KEY + "A", AES_KEY[:-1] + "!", AES_KEY[:-1] + "键", AES_KEY[:-2] + "=="]
)
def test_what_is_no_key_is_refused_at_once(key: str) -> None:
    with pytest.raises(ValueError, match="EncodingAESKey"):
        an_envelope(aes_key=key)


@pytest.mark.parametrize(("token", "receiver_id"), [("", APP_ID), (TOKEN, "")])
def test_an_envelope_without_token_or_receiver_cannot_be_made(token: str, receiver_id: str) -> None:
    with pytest.raises(ValueError, match="token"):
        Envelope(token, AES_KEY, "", receiver_id)


def test_the_previous_key_opens_and_seals_the_reply() -> None:
    envelope = an_envelope(aes_key=AES_KEY, previous=OLD_AES_KEY)
    old = Platform(APP_ID, OLD_AES_KEY)

    opened, key = envelope.open(old.encrypt(HELLO))
    nodes = parse(envelope.seal(b"reply", key))

    assert opened == HELLO
    assert Key(OLD_AES_KEY, APP_ID.encode()).decrypt(b64decode(text_of(nodes, "Encrypt"))) == b"reply"
    assert Key(AES_KEY, APP_ID.encode()).decrypt(b64decode(text_of(nodes, "Encrypt"))) is None


def test_without_a_previous_key_the_old_one_opens_nothing() -> None:
    with pytest.raises(UnreadableError) as caught:
        an_envelope().open(Platform(APP_ID, OLD_AES_KEY).encrypt(HELLO))

    assert caught.value.flaw is Flaw.SEALED


@pytest.mark.parametrize("length", [0, 10, 11, 12, 13, 14, 27, 28, 29, 30, 44, 60, 700])
def test_any_length_and_so_any_padding_opens(length: int) -> None:
    message = b"x" * length

    assert an_envelope().open(Platform(APP_ID).encrypt(message))[0] == message


def test_a_whole_block_of_padding_is_taken() -> None:
    plain = inside(b"x" * (32 - (20 + len(APP_ID)) % 32))
    assert len(plain) % 32 == 0

    assert an_envelope().open(sealed(padded(plain)))[0].strip(b"x") == b""


@pytest.mark.parametrize(
    "plain",
    [
        inside() + b"\x00" * 22,  # no padding
        inside() + b"\x16" * 21 + b"\x21",  # 33
        inside() + b"\x15" + b"\x16" * 21,  # not all the same
        inside()[:-1] + b"\x10" * 23,  # too little
        padded(inside(length=0xFFFFFFFF)),  # a length beyond the end
        padded(inside(length=len(HELLO) + 1)),
        padded(inside(length=len(HELLO) - 1)),
        padded(inside(length=len(HELLO) + len(APP_ID))),  # nothing left for the receiver
        padded(inside(receiver_id=CORP_ID)),
        padded(inside(receiver_id="")),
        padded(inside(receiver_id=APP_ID + "x")),
        padded(b""),
        padded(SALT),
    ],
)
def test_what_is_sealed_wrongly_does_not_open(plain: bytes) -> None:
    with pytest.raises(UnreadableError) as caught:
        an_envelope().open(sealed(plain))

    assert caught.value.flaw is Flaw.SEALED


@pytest.mark.parametrize(
    "encrypted", ["*", "====", "A", ACCOUNT_HELLO + "\n", " " + ACCOUNT_HELLO, ACCOUNT_HELLO[:-1], "你好", "\x00"]
)
def test_what_is_not_strict_base64_does_not_open(encrypted: str) -> None:
    with pytest.raises(UnreadableError) as caught:
        an_envelope().open(encrypted)

    assert caught.value.flaw is Flaw.BASE64


@pytest.mark.parametrize("encrypted", ["", "QUJD", ACCOUNT_HELLO[:-4], ACCOUNT_HELLO[: 64 * 4 // 3 // 4 * 4]])
def test_what_is_no_whole_ciphertext_does_not_open(encrypted: str) -> None:
    with pytest.raises(UnreadableError) as caught:
        an_envelope().open(encrypted)

    assert caught.value.flaw is Flaw.SEALED


@settings(deadline=None)
@given(bit=st.integers(0, 96 * 8 - 1))
def test_a_flipped_bit_breaks_the_signature(bit: int) -> None:
    raw = bytearray(b64decode(ACCOUNT_HELLO))
    raw[bit // 8] ^= 1 << bit % 8

    assert not an_envelope().is_signed(VECTORS[0][3], "1700000000", "nonce42", b64encode(raw).decode())


@settings(deadline=None)
@given(garbage=st.binary(max_size=200), encode=st.booleans())
def test_garbage_raises_our_own_error_and_no_other(*, garbage: bytes, encode: bool) -> None:
    envelope = an_envelope(previous=OLD_AES_KEY)

    with pytest.raises(UnreadableError):
        envelope.open(b64encode(garbage).decode() if encode else garbage.decode("latin-1"))


@settings(deadline=None)
@given(st.binary(max_size=3000))
def test_what_we_seal_the_platform_opens(message: bytes) -> None:
    envelope = an_envelope()
    (_, key), platform = envelope.open(ACCOUNT_HELLO), Platform(APP_ID)

    nodes = parse(envelope.seal(message, key))

    signature, timestamp, nonce, encrypted = (
        text_of(nodes, n) for n in ("MsgSignature", "TimeStamp", "Nonce", "Encrypt")
    )
    assert envelope.is_signed(signature, timestamp, nonce, encrypted)
    assert an_envelope().open(encrypted)[0] == message
    assert an_envelope().open(platform.encrypt(message))[0] == message


def test_two_seals_of_the_same_differ_in_everything() -> None:
    envelope = an_envelope()
    _, key = envelope.open(ACCOUNT_HELLO)

    one, two = (parse(envelope.seal(b"same", key)) for _ in range(2))

    for name in ("Encrypt", "MsgSignature", "Nonce"):
        assert text_of(one, name) != text_of(two, name)
