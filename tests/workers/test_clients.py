"""The clients against hosts that misbehave: what left, what may have arrived, and what is not asked again."""

import json
import logging
import socket
import ssl
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from models import clock
from models.channel import Channel
from models.errors import ChannelBusyError, ChannelError, ChannelRefusedError, ChannelUnsureError, SettingsError
from workers.senders import pauses, wire
from workers.senders.clients import Body, OfficialAccountClient, WeComClient
from workers.senders.codes import BEIJING, CODES, LOST, TASK_USED, Verdict, is_lost, verdict

TOKEN = "a-token-that-nobody-may-see"
SENDS = {Channel.OFFICIAL_ACCOUNT: "message/custom/send", Channel.WECOM: "message/send"}
NOTE: Body = {"touser": "wang", "agentid": 1, "msgtype": "text", "text": {"content": "你好"}}
OK = b'{"errcode":0,"errmsg":"ok"}'
THREADS = 64

Client = OfficialAccountClient | WeComClient
Act = Callable[[socket.socket], bool]


def answer(connection: socket.socket, body: bytes = OK, status: str = "200 OK", kind: str = "application/json") -> bool:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    connection.sendall(head.encode() + body)
    return True


def answer_and_leave(connection: socket.socket) -> bool:
    answer(connection)
    return False


def hang_up(_: socket.socket) -> bool:
    return False


def reset(connection: socket.socket) -> bool:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


def half(connection: socket.socket, then: Act) -> bool:
    connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 27\r\n\r\n{"errcode":')
    return then(connection)


def slowly(connection: socket.socket) -> bool:
    time.sleep(0.3)
    return answer(connection)


def stall(_: socket.socket) -> bool:
    time.sleep(1.5)
    return False


def drip(connection: socket.socket) -> bool:
    for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 27\r\n\r\n" + OK:
        connection.sendall(bytes([byte]))
        time.sleep(0.1)
    return True


def code(number: int) -> Act:
    return partial(answer, body=json.dumps({"errcode": number, "errmsg": "no"}).encode())


@dataclass
class Host:
    """A host that does to each message what its script says, and takes it when the script has ended."""

    script: deque[Act] = field(default_factory=deque)
    seen: list[tuple[str, bytes, bytes]] = field(default_factory=list)
    connections: int = 0
    token_calls: int = 0
    address: str = ""
    port: int = 0
    trust: ssl.SSLContext | None = None

    def serve(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, plain: socket.socket) -> None:
        try:
            connection = plain if self.trust is None else self.trust.wrap_socket(plain, server_side=True)
        except OSError:
            plain.close()
            return
        with connection, connection.makefile("rb") as reader:
            goes_on = True
            while goes_on and (line := reader.readline()):
                head = b"".join(iter(reader.readline, b"\r\n"))
                length = [int(it.split(b":")[1]) for it in head.lower().split(b"\r\n") if it.startswith(b"content-le")]
                body = reader.read(length[0]) if length else b""
                try:
                    goes_on = self._act(connection, line.split()[1].decode(), head, body)
                except OSError:
                    goes_on = False

    def _act(self, connection: socket.socket, target: str, head: bytes, body: bytes) -> bool:
        if "token?" in target or target.endswith("token"):
            self.token_calls += 1
            return answer(connection, json.dumps({"access_token": TOKEN, "expires_in": 7200}).encode())
        self.seen.append((target, head, body))
        return (self.script.popleft() if self.script else answer)(connection)


@pytest.fixture
def host() -> Iterator[Host]:
    it = Host()
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        it.port = listener.getsockname()[1]
        it.address = f"http://127.0.0.1:{it.port}"
        threading.Thread(target=it.serve, args=(listener,), daemon=True).start()
        yield it
        listener.shutdown(socket.SHUT_RDWR)
    clock.stop_moving()


def client_of(address: str, channel: Channel = Channel.WECOM) -> Client:
    make = WeComClient if channel is Channel.WECOM else OfficialAccountClient
    return make("an-id", "a-secret", address, None)


def send(client: Client, path: str = "message/send", *, within: float = 5.0, attempt: int = 1) -> Body:
    return client.send(path, NOTE, until=time.monotonic() + within, attempt=attempt)


def busy(client: Client, path: str = "message/send") -> ChannelBusyError:
    with pytest.raises(ChannelBusyError) as caught:
        send(client, path)
    return caught.value


# What is sent, and over what.


def test_a_message_goes_out_as_raw_utf8_over_a_connection_that_stays(host: Host) -> None:
    client = client_of(host.address)

    answers = [send(client) for _ in range(5)]

    assert answers == [json.loads(OK)] * 5
    assert host.connections == host.token_calls == 1
    target, _, body = host.seen[0]
    assert target == f"/cgi-bin/message/send?access_token={TOKEN}"
    assert "你好".encode() in body
    assert json.loads(body) == NOTE


def test_a_path_may_have_a_query_of_its_own(host: Host) -> None:
    send(client_of(host.address), "menu/create?agentid=7")

    assert host.seen[0][0] == f"/cgi-bin/menu/create?agentid=7&access_token={TOKEN}"


def test_sixty_four_threads_keep_sixty_four_connections(host: Host) -> None:
    client = client_of(host.address)
    client.tokens.get(time.monotonic() + 5)
    host.script.extend([slowly] * THREADS)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda _: send(client), range(THREADS * 3)))

    assert len(host.seen) == THREADS * 3
    assert host.connections <= THREADS


def test_a_connection_that_the_host_closed_meanwhile_costs_nothing(host: Host) -> None:
    client = client_of(host.address)
    host.script.extend([answer_and_leave] * 4)

    for _ in range(5):
        send(client)
        time.sleep(0.05)

    assert len(host.seen) == 5
    assert host.connections == 5


def test_a_connection_that_has_long_been_idle_is_not_trusted(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "IDLE", 0.05)
    client = client_of(host.address)

    send(client)
    time.sleep(0.1)
    send(client)

    assert host.connections == 2


# What became of it.


@pytest.mark.parametrize(
    "act",
    [
        hang_up,
        reset,
        partial(half, then=hang_up),
        partial(half, then=reset),
        partial(answer, status="500 Internal Server Error", body=b"{}"),
        partial(answer, status="502 Bad Gateway", body=b"<html>", kind="text/html"),
        partial(answer, body=b"<html>busy</html>", kind="text/html"),
        partial(answer, body=b"[0]"),
        partial(answer, body=b'{"errcode":"what"}'),
        partial(answer, body=b""),
    ],
)
def test_an_answer_that_was_lost_is_unsure_and_the_message_is_not_repeated(host: Host, act: Act) -> None:
    client = client_of(host.address)
    send(client)  # so that this goes over a kept connection, which libraries like to repeat
    host.script.append(act)

    with pytest.raises(ChannelUnsureError):
        send(client)

    assert len(host.seen) == 2
    assert send(client) == json.loads(OK)


@pytest.mark.parametrize("act", [stall, partial(half, then=stall), drip])
def test_nothing_is_waited_for_past_the_deadline(host: Host, act: Act) -> None:
    client = client_of(host.address)
    host.script.append(act)

    began = time.monotonic()
    with pytest.raises(ChannelUnsureError):
        send(client, within=0.6)

    assert 0.5 < time.monotonic() - began < 1.1


def test_a_request_that_would_be_late_does_not_begin(host: Host) -> None:
    client = client_of(host.address)
    client.tokens.get(time.monotonic() + 5)

    with pytest.raises(ChannelBusyError) as late:
        send(client, within=0.1)

    assert not late.value.asked
    assert host.seen == []


def test_a_host_that_cannot_be_reached_is_left_alone_for_longer_and_longer(host: Host) -> None:
    client = client_of(host.address)
    send(client)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nowhere = client_of(f"http://127.0.0.1:{closed.getsockname()[1]}")
    nowhere.tokens = client.tokens

    first = busy(nowhere)
    second = busy(nowhere)
    time.sleep(first.retry_after.total_seconds())
    third = busy(nowhere)

    assert [it.asked for it in (first, second, third)] == [False] * 3
    assert timedelta() < second.retry_after <= first.retry_after < timedelta(seconds=1.2)
    assert timedelta(seconds=2) <= third.retry_after < timedelta(seconds=2.5)
    assert send(client) == json.loads(OK)


def test_a_page_from_something_in_between_is_no_answer_of_the_platform(host: Host) -> None:
    host.script.append(partial(answer, status="403 Forbidden", body=b"<html>", kind="text/html"))
    client = client_of(host.address)

    assert busy(client).asked
    assert send(client) == json.loads(OK)


@pytest.mark.parametrize("errmsg", [b"\xe4\xbd", b"tab\there", b'a "b'.replace(b'"', b'\\"')])
def test_a_code_is_read_whatever_its_text_looks_like(host: Host, errmsg: bytes) -> None:
    host.script.append(partial(answer, body=b'{"errcode":81013,"errmsg":"' + errmsg + b'"}'))

    with pytest.raises(ChannelRefusedError) as refused:
        send(client_of(host.address))

    assert refused.value.code == 81013


def test_no_token_is_in_any_error_or_log(host: Host, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    client = client_of(host.address)
    host.script.extend([hang_up, stall, code(-1), code(45009), partial(answer, status="404 Not Found")])

    for number in range(5):
        with pytest.raises(ChannelError) as caught:
            send(client, f"message/send{number}", within=0.5)
        assert caught.value.__context__ is caught.value.__cause__ is None
        assert TOKEN not in repr(caught.value) + str(vars(caught.value))

    assert TOKEN not in "".join(f"{record.getMessage()}{vars(record)}" for record in caplog.records)


# What its codes mean.


@pytest.mark.parametrize("channel", list(Channel))
def test_every_code_ends_as_its_table_says(host: Host, channel: Channel) -> None:
    for number, says in CODES[channel].items():
        host.script.extend([code(number)] * 2)
        client = client_of(host.address, channel)
        before = len(host.seen)

        with pytest.raises(ChannelError) as caught:
            send(client, SENDS[channel])

        waits = says in {Verdict.RETRY, Verdict.TOKEN, Verdict.PAUSE}
        assert isinstance(caught.value, ChannelBusyError if waits else ChannelRefusedError)
        assert caught.value.code == number
        assert len(host.seen) == before + 1
        if isinstance(caught.value, ChannelBusyError):
            assert caught.value.asked
            assert caught.value.retry_after > timedelta()
        host.script.clear()


def test_an_unknown_code_is_final_at_the_second_attempt(host: Host) -> None:
    host.script.extend([code(987654)] * 2)
    client = client_of(host.address)

    assert busy(client).asked
    with pytest.raises(ChannelRefusedError):
        send(client, attempt=2)


@pytest.mark.parametrize("channel", list(Channel))
def test_who_is_lost_is_refused_and_who_declined_a_notice_is_not_lost(channel: Channel) -> None:
    assert {verdict(channel, number) for number in LOST[channel]} <= {Verdict.DROP, Verdict.FALLBACK}
    assert is_lost(channel, 43004)
    assert not any(is_lost(channel, number) for number in (None, 0, -1, 43101, 40037, 47003, 45015, 45009))


def test_a_task_that_is_used_is_refused_with_a_code_of_its_own(host: Host) -> None:
    host.script.append(code(42014))

    with pytest.raises(ChannelRefusedError) as refused:
        send(client_of(host.address))

    assert refused.value.code in TASK_USED


# Who is left alone, and until when.


def test_a_days_quota_comes_back_after_midnight_in_beijing(host: Host) -> None:
    clock.move_to(datetime(2026, 11, 22, 23, 0, tzinfo=BEIJING))
    client = client_of(host.address, Channel.OFFICIAL_ACCOUNT)
    host.script.append(code(45009))

    used_up, waited = busy(client), busy(client)

    assert used_up.asked
    assert timedelta(minutes=59) < used_up.retry_after < timedelta(minutes=65, seconds=1)
    assert not waited.asked
    assert (waited.code, len(host.seen)) == (45009, 1)
    assert send(client, "message/template/send") == json.loads(OK)  # a quota is one call's

    clock.move_to(clock.now() + timedelta(minutes=30))
    assert not busy(client).asked
    clock.move_to(clock.now() + timedelta(minutes=36))
    assert send(client) == json.loads(OK)


def test_wecoms_quota_is_waited_for_a_minute_then_an_hour(host: Host) -> None:
    clock.move_to(datetime(2026, 11, 22, 3, 0, tzinfo=UTC))
    client = client_of(host.address)
    host.script.extend([code(45009)] * 2)

    assert timedelta(seconds=60) <= busy(client).retry_after <= timedelta(seconds=68)
    clock.move_to(clock.now() + timedelta(seconds=70))
    assert timedelta(hours=1) <= busy(client).retry_after <= timedelta(hours=1.13)
    clock.move_to(clock.now() + timedelta(hours=1.2))
    assert send(client) == json.loads(OK)
    host.script.append(code(45009))
    assert busy(client).retry_after <= timedelta(seconds=68)


def test_trouble_with_the_account_follows_the_machine(host: Host) -> None:
    client = client_of(host.address)
    host.script.append(code(60020))

    assert busy(client).asked
    clock.move_to(clock.now() + timedelta(days=1))

    assert not busy(client).asked


def test_a_clock_that_is_set_back_leaves_no_pause_behind(host: Host) -> None:
    clock.move_to(clock.now() + timedelta(days=9))
    client = client_of(host.address, Channel.OFFICIAL_ACCOUNT)
    host.script.append(code(45009))
    busy(client)

    clock.stop_moving()

    assert send(client) == json.loads(OK)


def test_calls_that_were_in_the_air_lengthen_no_pause() -> None:
    it = pauses.Pauses(Channel.WECOM)
    began = time.monotonic()

    spans = [it.begin("message/send", 45009, began=began) for _ in range(THREADS)]
    it.end("message/send", began=began)

    assert max(spans) <= timedelta(seconds=68)
    with pytest.raises(ChannelBusyError):
        it.heed("message/send")


# A token that helps nobody.


def _outcome(client: Client, path: str, number: int) -> int | None:
    body = NOTE | {"text": {"content": f"你好 {number}"}}
    try:
        client.send(path, body, until=time.monotonic() + 10, attempt=1)
    except ChannelError as error:
        return error.code
    return 0


def test_a_token_that_comes_back_the_same_is_asked_for_once(host: Host) -> None:
    client = client_of(host.address)
    host.script.extend([code(42001)] * 2 * THREADS)

    with ThreadPoolExecutor(THREADS) as pool:
        outcomes = list(pool.map(partial(_outcome, client, "message/send"), range(THREADS)))

    assert set(outcomes) == {42001}
    assert host.token_calls == 2
    assert len(host.seen) <= THREADS


# What the environment says.


def certificate(folder: Path, *names: x509.GeneralName) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "platform")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(hours=1))
        .not_valid_after(datetime.now(UTC) + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert, private = folder / "cert.pem", folder / "key.pem"
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    pem, form, plain = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    private.write_bytes(key.private_bytes(pem, form, plain))
    return cert, private


@pytest.mark.parametrize(("name", "is_trusted"), [("127.0.0.1", True), ("127.0.0.1", False), ("127.0.0.2", True)])
def test_only_a_host_with_a_known_certificate_of_its_own_name_is_told_anything(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, name: str, is_trusted: bool
) -> None:
    cert, key = certificate(tmp_path, x509.IPAddress(IPv4Address(name)))
    host.trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    host.trust.load_cert_chain(cert, key)
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    if is_trusted:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(cert))
    client = client_of(host.address.replace("http:", "https:"))

    if is_trusted and name == "127.0.0.1":
        assert [send(client) for _ in range(3)] == [json.loads(OK)] * 3
        assert host.connections == 1
    else:
        assert not busy(client).asked
        assert (host.seen, host.token_calls) == ([], 0)


def test_certificates_that_cannot_be_read_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere.pem")

    with pytest.raises(SettingsError, match="REQUESTS_CA_BUNDLE"):
        client_of("https://127.0.0.1:1")


def test_a_proxy_is_used_where_the_environment_names_one(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://us%40er:word@127.0.0.1:{host.port}")
    monkeypatch.setenv("no_proxy", "elsewhere.test")
    client = client_of("http://platform.test")

    send(client)

    ((target, head, _),) = host.seen
    assert target == f"http://platform.test/cgi-bin/message/send?access_token={TOKEN}"
    assert (
        b"proxy-authorization: Basic dXNAZXI6d29yZA==" in head or b"Proxy-Authorization: Basic dXNAZXI6d29yZA" in head
    )
    assert b"Host: platform.test" in head

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    send(client_of(host.address))
    assert host.seen[1][0].startswith("/cgi-bin/")


def test_a_proxy_that_refuses_to_pass_tls_on_has_seen_no_message(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", host.address)
    host.script.append(partial(answer, status="407 Proxy Authentication Required"))

    with pytest.raises(ChannelBusyError) as refused:
        send(client_of("https://platform.test"))

    assert not refused.value.asked
    assert [target for target, _, _ in host.seen] == ["platform.test:443"]
